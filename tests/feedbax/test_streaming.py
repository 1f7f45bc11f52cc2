"""Losses in Feedbax's scan, which adds up what each step of a trial gives and stores no trajectory."""

import sys
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import lossdsl as ld
from tests.feedbax import stand_ins
from tests.feedbax.their_losses import DESIGNS, installed

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore:the loss reads")]

STEPS = 100


def run_component(states, streaming_loss_fn):
    """Feedbax's scan over the states of one trial; the first window has the initial ones, which are NaN here."""
    order = getattr(streaming_loss_fn, "streaming_order", 0)
    initial = jax.tree.map(lambda x: jnp.full_like(x[0], jnp.nan), states)
    window = jax.tree.map(lambda x: jnp.stack([x] * (order + 1)), initial)

    def step(carry, t):
        window, total = carry
        now = jax.tree.map(lambda x: x[t], states)
        window = jax.tree.map(lambda w, x: jnp.concatenate([w[1:], x[None]]), window, now)
        return (window, total + streaming_loss_fn(window if order else now, t)), None

    return jax.lax.scan(step, (window, jnp.float32(0)), jnp.arange(STEPS))[0][1]


def streamed(loss, states, trials, model=None, **more):
    """The mean over the trials, each by itself, as a trainer of Feedbax computes it."""

    def one(states, trial):
        return run_component(states, ld.make_streaming_loss_fn(loss, trial, model, STEPS, **more))

    # What all trials share has no axis to map over.
    shared = jax.tree.map(lambda x: 0 if jnp.shape(x)[:1] == (7,) else None, trials)
    return jnp.mean(jax.vmap(one, in_axes=(0, shared))(states, trials))


def arrays(name):
    """The states and trials of an API, the plain arrays of them as arrays of JAX."""
    return jax.tree.map(jnp.asarray, stand_ins.APIS[name]())


LOSSES = {
    "the page's": ld.simple_reach_loss(),
    "text": ld.compile("position + 0.1*final(velocity) + 1e-3*mean(nn_hidden)"),
    "smooth": ld.compile("sqnorm(diff(effector.vel, n=2)) as jerk + sqnorm(diff(net.hidden)) as change"),
    "window": ld.compile("mean(velocity@20:60) + position@-30: as late - 2*nn_output"),
    "a step": ld.compile("sqnorm(effector.pos[40] - effector.pos[38]) as turn + norm(effector.vel[0]) as start"),
    "weights": ld.compile("alpha*position + 0*log(velocity - 9) as off", parameters={"alpha": 0.5}),
}


@pytest.mark.parametrize("api", stand_ins.APIS)
def test_losses_in_the_trials_of_every_version(api):
    states, trials = arrays(api)
    for name, loss in LOSSES.items():
        assert_allclose(streamed(loss, states, trials), loss(states, trials).total, rtol=2e-6, err_msg=name)


@pytest.mark.parametrize("name", LOSSES)
def test_gradients(name):
    states, trials = arrays("masked")
    loss = LOSSES[name]
    found = jax.grad(lambda states: streamed(loss, states, trials))(states)
    wanted = jax.grad(lambda states: loss(states, trials).total)(states)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert_allclose(one, other, atol=1e-6 * float(jnp.max(jnp.abs(other)) + 1e-9))


def test_new_weights_are_no_new_program():
    states, trials = arrays("masked")
    traces = []

    @eqx.filter_jit
    def run(loss, states, trials):
        traces.append(1)
        return streamed(loss, states, trials)

    loss = LOSSES["text"]
    heavy = loss.with_weights({"position": 3.0})
    assert_allclose(run(heavy, states, trials), heavy(states, trials).total, rtol=1e-6)
    assert_allclose(run(loss, states, trials), loss(states, trials).total, rtol=1e-6)
    assert len(traces) == 1


def test_a_schedule_has_its_iteration():
    states, trials = arrays("masked")
    loss = ld.compile("linear(0, 1, 10)*position")
    assert_allclose(streamed(loss, states, trials, step=5), loss(states, trials, step=5).total, rtol=1e-6)
    with pytest.raises(ld.LossValueError, match="the loss needs the training iteration `step`"):
        streamed(loss, states, trials)


class Drift(eqx.Module):
    """A loss of Feedbax's own that it streams by itself."""

    label: str = "drift"

    def term(self, states, trial_specs, model=None):
        return jnp.sum(states.net.hidden[..., 0], axis=1)


def own_streaming(loss_func, trial_specs, model, n_steps):
    """Feedbax's function, of what it knows."""
    if not isinstance(loss_func, Drift):
        raise NotImplementedError(f"{type(loss_func).__name__} does not support streaming loss.")

    def add(states, t):
        return states.net.hidden[..., 0]

    add.streaming_order = 0
    return add


@pytest.fixture(params=DESIGNS)
def feedbax(request, monkeypatch):
    theirs: Any = ModuleType("feedbax.streaming_loss")
    theirs.make_streaming_loss_fn = own_streaming
    with installed(request.param) as module:
        monkeypatch.setitem(sys.modules, "feedbax.streaming_loss", theirs)
        yield module


def test_what_becomes_one_of_feedbax_goes_on_to_stream(feedbax):
    """Alone, in a group of groups beside a loss of Feedbax's own, and as one of its own that became ours."""
    states, trials = arrays("masked")
    loss = LOSSES["text"]
    total = loss(states, trials).total
    assert_allclose(streamed(loss.to_feedbax(), states, trials), total, rtol=1e-6)
    drift = Drift()
    mean = jnp.mean(drift.term(states, trials))
    smooth = LOSSES["smooth"]
    inner = feedbax.CompositeLoss({"ours": smooth.to_feedbax(), "drift": drift}, {"ours": 2.0, "drift": 0.5})
    group = feedbax.CompositeLoss({"inner": inner, "text": loss.to_feedbax()}, {"inner": 3.0, "text": 1.0})
    expected = 6 * smooth(states, trials).total + 1.5 * mean + total
    assert_allclose(streamed(group, states, trials), expected, rtol=2e-6)
    both = loss + 0.5 * ld.from_feedbax(drift)
    assert_allclose(streamed(both, states, trials), total + 0.5 * mean, rtol=1e-6)
    with pytest.raises(NotImplementedError, match="does not support streaming"):
        streamed(feedbax.FuncTermsLoss("f", lambda *_: 0, {"a": lambda c: c}, {}), states, trials)


def test_terms_in_python():
    states, trials = arrays("masked")
    model = {"w": jnp.arange(3.0)}
    decay = ld.ModelLoss("decay", lambda model: jnp.sum(model["w"] ** 2))
    targets = ld.TargetStateLoss("reach", "mechanics.effector.pos")
    still = ld.TargetStateLoss("still", "mechanics.effector.vel", spec=ld.target_zero & ld.target_final_state)
    loss = LOSSES["text"] + 0.1 * decay + 2 * targets + still
    assert_allclose(streamed(loss, states, trials, model), loss(states, trials, model).total, rtol=2e-6)
    found = jax.grad(lambda states: streamed(loss, states, trials, model))(states)
    wanted = jax.grad(lambda states: loss(states, trials, model).total)(states)
    assert_allclose(found.mechanics.effector.pos, wanted.mechanics.effector.pos, atol=1e-6)


class Effort(ld.AbstractLoss):
    label: str = "effort"

    def term(self, states, trial_specs):
        return jnp.sum(states.net.output**2, axis=(1, 2))


def one_trial(api="masked"):
    states, trials = arrays(api)
    return jax.tree.map(lambda x: x[0, 0], states), jax.tree.map(lambda x: x[0] if x.shape[:1] == (7,) else x, trials)


@pytest.mark.parametrize(
    ("loss", "message"),
    [
        (ld.compile("max(velocity)"), "`max(velocity)` cannot be added up step by step: it needs more than a step and"),
        (ld.compile("position + 2*std(velocity) as s"), ", in the term `s`"),
        (ld.compile("norm(effector.pos[-1] - effector.pos[0])"), "cannot be added up step by step"),
        (ld.compile("sum(std(effector.pos, axis=batch), axis=xy)"), "parts of a batch: it works along `batch`"),
        (
            ld.compile("square(velocity - final(velocity))"),
            "is known at step 99 only, and every step of `velocity` needs it",
        ),
        (ld.compile("position") + Effort(), "the Python term `effort` cannot be streamed"),
        (3.0, "`loss` cannot be a float"),
    ],
    ids=str,
)
def test_what_cannot_be_added_up_is_refused_before_the_scan(loss, message):
    _, trial = one_trial()
    with pytest.raises(ld.LossError) as caught:
        ld.make_streaming_loss_fn(loss, trial, None, STEPS)
    assert message in caught.value.message


def test_what_is_given_wrong():
    states, trials = arrays("masked")
    now, trial = one_trial()
    loss = LOSSES["text"]
    with pytest.raises(ld.LossValueError, match=r"`trial_specs` cannot be those of a batch: `target\.pos` has 3"):
        ld.make_streaming_loss_fn(loss, trials, None, STEPS)
    for steps in (0, 2.5, True):
        with pytest.raises(ld.LossValueError, match="`n_steps` cannot be"):
            ld.make_streaming_loss_fn(loss, trial, None, steps)
    add = ld.make_streaming_loss_fn(loss, trial, None, STEPS)
    with pytest.raises(ld.LossValueError, match="`states` cannot be those of a batch"):
        add(jax.tree.map(lambda x: x[:, 0], states), 0)
    with pytest.raises(ld.LossDataError, match=r"`states\.mechanics\.effector\.pos` is not there"):
        add({}, 0)
    with pytest.raises(ld.LossDataError, match="differ in the length of `time`: 59 and 99"):
        ld.make_streaming_loss_fn(loss, trial, None, 60)(now, 0)


def test_what_no_step_before_the_first_one_gives():
    """The initial states, which the loss of the steps does not have, may be NaN: `run_component` above has it so."""
    states, trials = arrays("masked")
    loss = ld.compile("norm(diff(effector.vel))")
    slopes = jax.grad(lambda states: streamed(loss, states, trials))(states)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(slopes))
