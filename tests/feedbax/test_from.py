"""Losses of Feedbax as ours: groups in groups, shared context, numbers for all trials, and what cannot come."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from tests.feedbax import stand_ins
from tests.feedbax.their_losses import DESIGNS

TREES = ["nodes", "aside"]
MODEL = {"w": jnp.arange(3.0)}


@pytest.fixture(params=DESIGNS)
def feedbax(request):
    return DESIGNS[request.param]


def losses(feedbax):
    class Speed(feedbax.AbstractLoss):
        label: str = "Effector speed"

        def term(self, states, trial_specs, model=None):
            return jnp.sum(states.mechanics.effector.vel**2, axis=(1, 2))

    class Worst(feedbax.AbstractLoss):
        """One number for all trials, as in the fork's loss of stopping."""

        label: str = "Worst trial"

        def term(self, states, trial_specs, model=None):
            return jnp.max(jnp.sum(states.net.hidden**2, axis=(1, 2)))

    return Speed(), Worst()


def test_groups_in_groups_and_numbers_for_all_trials(feedbax):
    states, trials = stand_ins.page()
    speed, worst = losses(feedbax)
    inner = feedbax.CompositeLoss({"Speed": speed, "Worst trial": worst}, {"Speed": 0.5, "Worst trial": 2.0})
    whole = feedbax.CompositeLoss({"reach": inner, "effort": worst}, {"reach": 3.0, "effort": 0.1})
    ours = ld.from_feedbax(whole)
    assert str(ours) == "1.5*speed as reach_speed + 6*worst_trial as reach_worst_trial + 0.1*effort"
    effort = float(jnp.max(jnp.sum(states.net.hidden**2, axis=(1, 2))))
    speeds = float(jnp.mean(jnp.sum(states.mechanics.effector.vel**2, axis=(1, 2))))
    values = ours(states, trials)
    np.testing.assert_allclose(list(values.values()), [1.5 * speeds, 6 * effort, 0.1 * effort], rtol=1e-6)
    assert ours.per_trial(states, trials)["effort"].shape == (7,)
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), states)
    assert jax.vmap(lambda states: ours(states, trials).total)(many).shape == (2,)
    assert float(eqx.filter_jit(ours)(states, trials).total) == pytest.approx(float(values.total))
    mixed = ours + ld.compile("position")
    assert float(mixed(states, trials)["effort"]) == pytest.approx(0.1 * effort)


@pytest.mark.parametrize("name", TREES)
def test_terms_that_share_and_a_penalty_of_the_model(name):
    feedbax = DESIGNS[name]
    built = []

    def context(states, trial_specs, model):
        built.append(1)
        return states.net.hidden

    functions = {"Peak": lambda hidden: jnp.max(hidden, axis=(1, 2)), "mean": lambda hidden: jnp.mean(hidden)}
    shared = feedbax.FuncTermsLoss("NN state", context, functions, {"Peak": 2.0})
    decay = feedbax.ModelLoss("Decay", lambda model: jnp.sum(model["w"] ** 2))
    whole = feedbax.CompositeLoss({"net": shared, "decay": decay}, {"net": 0.5, "decay": 0.1})
    states, trials = stand_ins.page()
    ours = ld.from_feedbax(whole)
    assert ours.labels == ("net_nn_state_peak", "net_nn_state_mean", "decay")
    np.testing.assert_allclose(ours(states, trials, MODEL).total, whole(states, trials, MODEL).total, rtol=1e-6)
    assert len(built) == 2  # once in ours, once in theirs
    assert ld.from_feedbax(shared).labels == ("nn_state_peak", "nn_state_mean")
    assert float(ld.from_feedbax(decay)(None, None, MODEL).total) == 5.0


def test_what_cannot_come_says_why(feedbax):
    speed, worst = losses(feedbax)

    class Called(feedbax.AbstractLoss):
        label: str = "called"

        def __call__(self, states, trial_specs, model=None):
            return 0.0

    with pytest.raises(ld.LossValueError) as caught:
        ld.from_feedbax(feedbax.CompositeLoss({"a": speed, "called": Called()}))
    assert str(caught.value) == (
        "`loss` cannot be a Called\nit computes in `__call__`; give its class `term(states, trial_specs, model)`, one "
        "number per trial"
    )
    with pytest.raises(ld.LossNameError) as caught:
        ld.from_feedbax(feedbax.CompositeLoss({"NN output": speed, "nn_output": worst}))
    assert str(caught.value) == (
        "the labels `NN output` and `nn_output` are both the name `nn_output`\n"
        "give one of the terms another label; names have no spaces and no capitals here"
    )
    for given in (3, None, [speed], feedbax, type(speed), feedbax.CompositeLoss({"a": speed, "b": 3})):
        with pytest.raises(ld.LossValueError, match="`loss` cannot be"):
            ld.from_feedbax(given)
    with pytest.raises(ld.LossSyntaxError, match="is not a name that a term can have"):
        ld.from_feedbax(feedbax.CompositeLoss({"1st": speed}))
