"""Values and gradient in parts of a batch: those of the whole batch, or a refusal that says why."""

from functools import partial

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.operators import OPS
from tests.backends.test_stream import VOCABULARY as RANDOM, split
from tests.scale.shared import batch_axes
from tests.strategies import COMPILED, compiled, losses, sample
from tests.test_gallery import DISTINCT, drawn, page

pytestmark = pytest.mark.slow

GAINS, STATES = "the gains", "the states"


def is_float(x):
    return jnp.issubdtype(jnp.result_type(x), jnp.inexact)


def setting(loss, data):
    """A model that scales states, which lie in the trials, and what else a loss reads; the axes of these."""
    states, trials, own = data
    model = {**(own or {}), GAINS: jax.tree.map(lambda x: jnp.ones((), jnp.result_type(float)), states)}
    axes = {**batch_axes(loss, "trial_specs", trials or {}), STATES: batch_axes(loss, "states", states)}
    return model, {**(trials or {}), STATES: states}, axes


def rollout(model, trials):
    return jax.tree.map(lambda gain, x: gain * x if is_float(x) else x, model[GAINS], trials[STATES])


def whole(loss, model, trials, step, rollout=rollout):
    """All trials at once."""
    trained, rest = eqx.partition(model, ld.trainable(model))

    def total(trained):
        model = eqx.combine(trained, rest)
        values = loss(rollout(model, trials), trials, model, step)
        return values.total, values

    (_, values), gradient = jax.jit(jax.value_and_grad(total, has_aux=True))(trained)
    return values, gradient


def hold(found, wanted, rtol=1e-9, atol=1e-11):
    assert jax.tree.structure(found) == jax.tree.structure(wanted)
    largest = max([1.0, *(float(np.max(np.abs(leaf))) for leaf in jax.tree.leaves(wanted) if np.isfinite(leaf).all())])
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert one.dtype == other.dtype
        assert_allclose(one, other, rtol=rtol, atol=atol * largest)


def check(loss, data, sizes, step=None, **how):
    """In parts of these sizes it is what it is at once."""
    model, trials, axes = setting(loss, data)
    wanted = whole(loss, model, trials, step)
    for size in sizes:
        run = jax.jit(partial(ld.accumulate, loss, rollout, step=step, size=size, axes=axes))
        hold(run(model, trials), wanted, **how)


JOINED = {
    "contrastive": ("index(axis=batch)", "it counts the trials of the batch"),
    "vicreg": ("sum(square(a), axis=batch)", "it works along `batch`"),
    "cox": ("rename(risk, batch=other)", "it makes pairs of trials"),
}


@pytest.mark.parametrize("name", [name for name in page.NAMES if name not in ("burgers", "causal_pinn")])
def test_losses_of_the_gallery(name):
    """Means over all steps of all trials too, where some of them are padding."""
    example = page.load(name)
    loss, step = ld.compile(example.LOSS, example.VOCABULARY), getattr(example, "STEP", None)
    with jax.enable_x64(True):
        data = drawn(example, {**DISTINCT, "batch": 7}, np.dtype("float64"))
        if name not in JOINED:
            check(loss, data, [1, 3, 7, 100, None] if name == "ppo" else [3], step)
            return
        found, reason = JOINED[name]
        with pytest.raises(ld.LossAxesError, match="cannot be computed in parts of a batch") as caught:
            ld.accumulate(loss, rollout, *setting(loss, data)[:2], step, size=3)
    assert f"`{found}` cannot be computed in parts of a batch: {reason}, in " in caught.value.message
    assert caught.value.span is not None


# The operators whose example needs several trials at once.
TOGETHER = ["std", "quantile", "cvar", "worst", "entropic", "rename"]


def test_examples_of_all_operators():
    states, trials, _ = jax.tree.map(lambda x: x[:5].astype(float), ld.example())
    hold_mask = np.random.default_rng(0).integers(0, 2, (5, 99, 1)).astype(float)
    data = states, {**trials, "inputs": {"hold": hold_mask}}, {"w": jnp.ones((2, 3))}
    with jax.enable_x64(True):
        alone = {f"term_{i}": op.example for i, (name, op) in enumerate(OPS.items()) if name not in TOGETHER}
        check(ld.compile(alone), data, [2], 3)
        for name in TOGETHER:
            with pytest.raises(ld.LossAxesError, match="in parts of a batch"):
                ld.accumulate(
                    ld.compile(OPS[name].example), rollout, *setting(ld.compile("position"), data)[:2], size=2
                )


@COMPILED
@given(tree=losses(), seed=st.integers(0, 1000), size=st.integers(1, 3))
def test_random_losses(tree, seed, size):
    loss = compiled(tree, RANDOM, but=ld.LossError)
    assume(any("batch" in quantity.dimensions for quantity in loss.program.quantities.values()))
    with jax.enable_x64(True):
        states, trials, own = split(sample(seed, False))
        try:
            check(loss, (states, trials, own), [size], 3.0, rtol=1e-7, atol=1e-8)
        except ld.LossAxesError as refused:
            assert refused.code == "trials-joined"


TEXTS = ld.Vocabulary(
    quantities={
        "x": ld.Quantity("states.x", "batch time"),
        "v": ld.Quantity("states.v", "xy time batch"),
        "y": ld.Quantity("trial_specs.y", "batch time"),
        "m": ld.Quantity("trial_specs.m", "batch time"),
        "b": ld.Quantity("trial_specs.b", "batch"),
        "w": ld.Quantity("trial_specs.w", "time"),
        "n": ld.Quantity("trial_specs.n", ""),
        "own": ld.Quantity("model.own", "pytree"),
    },
    parameters={"alpha": 0.75},
)
# What ends with a sum or a mean over the trials is that of what each has.
ENDS = """
x
mean(x, axis=(batch, time))
mean(x, axis=batch)
mean(square(x) - y, where=m, axis=(batch, time))
mean(v, where=m, axis=(batch, time, xy))
mean(sum(x), where=b, axis=batch)
mean(v, where=w, axis=(time, batch, xy))
mean(x, where=w, axis=batch)
sum(x, axis=(batch, time))
sum(x, where=m, axis=(batch, time))/n
sum(mean(x), where=b, axis=batch)/(n*alpha)
alpha*n*sum(x, axis=batch)
sum(sum(v, axis=xy), where=greater(b, 0.5), axis=(batch, time))
sqnorm(own)
sqnorm(own)*mean(x)
mean(x*expand(b, axis=time), where=less(m, 0.5), axis=(batch, time))
mean(x@0.2s..0.4s)
"""
REFUSED = {
    "x - expand(mean(x, axis=batch), axis=batch)": ("mean(x, axis=batch)", "it works along `batch`"),
    "square(mean(x, axis=(batch, time)))": ("mean(x, axis=(batch, time))", "it works along `batch`"),
    "cvar(sum(x), 0.9)": ("cvar(sum(x), 0.9)", "it works along `batch`"),
    "mean(x, where=greater(x, 1), axis=(batch, time))": (
        "mean(x, where=greater(x, 1), axis=(batch, time))",
        "how much its mask `greater(x, 1)` counts is known at the end only",
    ),
    "mean(x, where=m, axis=batch)": ("mean(x, where=m, axis=batch)", "the mask counts the trials for each of `time`"),
    "mean(sum(x), where=greater(b, mean(b, axis=batch)), axis=batch)": (
        "mean(b, axis=batch)",
        "it works along `batch`",
    ),
    "b*index(axis=batch)": ("index(axis=batch)", "it counts the trials of the batch"),
    "x/length(axis=batch)": ("length(axis=batch)", "it counts the trials of the batch"),
}


def timed(batch, steps=6):
    rng = np.random.default_rng(0)
    states = {"x": rng.normal(size=(batch, steps)), "v": rng.normal(size=(2, steps, batch))}
    trials = {"y": rng.normal(size=(batch, steps)), "m": rng.integers(0, 2, (batch, steps)).astype(float)}
    trials |= {"b": rng.uniform(0, 1, batch), "w": np.array([0, 1.0, 2, 0, 1, 0]), "n": np.float64(7)}
    trials["b"][:2] = 0
    return states, trials, {"own": jnp.arange(3.0)}


def rows(lines, vocabulary=TEXTS):
    return ld.compile({f"row_{i}": line for i, line in enumerate(lines)}, vocabulary)


def test_means_and_sums_over_all_trials():
    with jax.enable_x64(True):
        lines = ENDS.strip().splitlines()
        vocabulary = ld.Vocabulary(TEXTS.quantities, parameters=dict(TEXTS.parameters), dt=0.1)
        check(rows(lines, vocabulary), timed(7), [1, 2, 3, 4, 7])


@pytest.mark.parametrize("text", REFUSED)
def test_refused_with_the_reason(text):
    """Before there are data."""
    found, reason = REFUSED[text]
    with pytest.raises(ld.LossAxesError) as caught:
        ld.accumulate(ld.compile({"term": text}, TEXTS), None, jnp.ones(2), None)
    assert caught.value.code == "trials-joined"
    assert caught.value.message == f"`{found}` cannot be computed in parts of a batch: {reason}, in the term `term`"
    assert str(caught.value.span) in text or caught.value.span is not None


def test_trials_of_different_lengths():
    """What stands behind the end of a trial is NaN, and each trial counts alike, or each step."""
    rng = np.random.default_rng(0)
    r = np.where(np.arange(6) >= np.array([1, 4, 6, 2, 5])[:, None], np.nan, rng.uniform(0.5, 2, (5, 6)))
    quantities = {"r": ld.Quantity("states.r", "batch time"), "n": ld.Quantity("trial_specs.n", "batch")}
    loss = rows(["r", "mean(r)", "final(square(r))"], ld.Vocabulary(quantities, length="n"))
    with jax.enable_x64(True):
        check(loss, ({"r": r}, {"n": np.array([0, 3, 5, 1, 4])}, None), [2, 3])


def taken(trials, axes, places):
    """Some of the trials."""
    leaves, form = jax.tree.flatten(trials)
    pairs = zip(leaves, jax.tree.leaves(axes, is_leaf=lambda x: x is None), strict=True)
    return jax.tree.unflatten(form, [x if axis is None else np.take(x, places, axis) for x, axis in pairs])


def poisoned(trials, axes, places, poison):
    """The trials, of which some hold nothing but what is no number."""
    leaves, form = jax.tree.flatten(trials)
    found = []
    for x, axis in zip(leaves, jax.tree.leaves(axes, is_leaf=lambda x: x is None), strict=True):
        x = np.array(x)
        if axis is not None and x.dtype.kind == "f":
            np.moveaxis(x, axis, 0)[places] = poison
        found.append(x)
    return jax.tree.unflatten(form, found)


def test_padding_counts_in_nothing():
    """The values and the gradient are those of the trials that there are, whatever else stands there."""
    loss = rows([line for line in ENDS.strip().splitlines() if "@" not in line])
    with jax.enable_x64(True):
        states, trials, own = timed(7)
        real = jnp.array([0, 1, 1, 0, 1, 1, 0])
        model, padded, axes = setting(loss, (states, trials, own))
        kept = taken(padded, axes, np.flatnonzero(real))
        wanted = whole(loss, model, kept, None)
        for size in (2, 7):
            hold(ld.accumulate(loss, rollout, model, padded, size=size, axes=axes, where=real), wanted)
        # Of what is NaN or infinite nothing is left, in the gradient too.
        for poison in (np.nan, np.inf, -np.inf):
            odd = poisoned(padded, axes, np.flatnonzero(real == 0), poison)
            hold(ld.accumulate(loss, rollout, model, odd, size=2, axes=axes, where=real), wanted)
        nothing = ld.accumulate(loss, rollout, model, kept, size=3, axes=axes, where=jnp.zeros(4))
        assert all(np.all(leaf == 0) for leaf in jax.tree.leaves((nothing[0].total, nothing[1])))
        # What is a weight for a mask is one here.
        twice = ld.accumulate(loss, rollout, model, kept, axes=axes, where=jnp.full(4, 2))[0]
        assert_allclose(twice["row_0"], wanted[0]["row_0"])


def test_padding_is_a_trial_that_counts():
    """A rollout that knows no zero, and none that stands beside other signs, meets none."""
    x = -jnp.arange(1.0, 9.0).reshape(4, 2)
    filled = x.at[jnp.array([0, 3])].set(jnp.nan)

    def logarithms(model, x):
        return {"y": model["gain"] * jnp.log(-x)}

    loss, model = ld.compile("mean(square(y - x))", PLANE), {"gain": jnp.array(2.0)}
    found = ld.accumulate(loss, logarithms, model, filled, size=3, where=jnp.array([0, 1, 1, 0]))
    hold(found, ld.accumulate(loss, logarithms, model, x[1:3]), 1e-6)


class Line(eqx.Module):
    """A model with more than arrays of floats."""

    gain: jax.Array
    count: jax.Array
    name: str = "line"


PLANE = ld.Vocabulary({"y": "batch time", "x": ld.Quantity("trial_specs", "batch time")})
LINE = Line(jnp.array([0.5, 2.0, -1.0]), jnp.arange(3))


def line(model, x):
    return {"y": x * model.gain[None]}


def test_keys_are_those_of_the_trials():
    """Whatever the parts are; and each trial has another."""

    def noisy(model, x, keys):
        noise = jax.vmap(lambda key: jax.random.normal(key, (3,)))(keys)
        return {"y": x * model.gain[None] + noise}

    x, loss = jnp.zeros((7, 3)), ld.compile("mean(square(y))", PLANE)
    key = jax.random.key(0)
    found = [ld.accumulate(loss, noisy, LINE, x, size=size, key=key) for size in (1, 3, 7)]
    for other in found[1:]:
        hold(other, found[0], rtol=1e-5, atol=1e-6)
    keys = jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(7))
    assert_allclose(found[0][0].total, loss(noisy(LINE, x, keys), x).total, rtol=1e-5)
    assert found[0][0].total > 0.3


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_many_parts_are_added_up_in_float32(dtype):
    """In float16 a sum of thousands of parts would stand still."""
    model = eqx.tree_at(lambda model: model.gain, LINE, LINE.gain.astype(dtype))
    x = jnp.ones((5000, 3), dtype)
    loss = ld.compile("sum(y) + mean(x - y)", PLANE)
    values, gradient = jax.jit(lambda x: ld.accumulate(loss, line, model, x, size=1))(x)
    assert gradient.gain.dtype == dtype and gradient.count is None
    assert values.total.dtype == jnp.float32
    assert_allclose(gradient.gain.astype(float), 1 - 1 / 3, rtol=2e-3)
    assert_allclose(values["sum(y)"], 1.5, rtol=1e-3)


def test_the_memory_is_that_of_a_part():
    def deep(model, x):
        def step(carry, _):
            return jnp.tanh(carry * model.gain[None]), carry

        return {"y": jnp.moveaxis(jax.lax.scan(step, x[:, :3], length=200)[1], 0, 1).mean(2)}

    loss = ld.compile("mean(square(y))", PLANE)

    def memory(size):
        run = jax.jit(lambda x: ld.accumulate(loss, deep, LINE, x, size=size))
        return run.lower(jnp.ones((512, 200))).compile().memory_analysis().temp_size_in_bytes

    assert memory(16) < memory(None) / 4


def test_weights_parameters_and_step_do_not_retrace():
    traces = []
    loss = ld.compile("warmup(1, 10)*square(y) as near + alpha*y as far", PLANE, parameters={"alpha": 2})
    x = jnp.arange(12.0).reshape(4, 3)

    @eqx.filter_jit
    def run(loss, step):
        traces.append(1)
        return ld.accumulate(loss, line, LINE, x, step, size=2)

    for i, each in enumerate([loss, loss.with_parameters(alpha=0.5), loss * 2]):
        found = run(each, jnp.asarray(i))
        hold(found, whole(each, LINE, x, jnp.asarray(i), line), rtol=1e-5)
    assert len(traces) <= 2


def test_a_term_that_is_off_may_be_nan():
    x = jnp.arange(12.0).reshape(4, 3)
    loss = ld.compile("0*log(y - 100) as off + square(y[:1]) as on", PLANE)
    values, gradient = ld.accumulate(loss, line, LINE, x, size=2)
    assert values["off"] == 0 and np.isnan(values.raw["off"]) and np.isfinite(values.total)
    assert np.isfinite(gradient.gain).all()


def test_ensembles_of_models_are_mapped_over():
    x = jnp.arange(12.0).reshape(4, 3)
    loss = ld.compile("mean(square(y - x)) + 0.1*y", PLANE)
    gains = jnp.stack([LINE.gain, 2 * LINE.gain])
    run = jax.vmap(lambda gain: ld.accumulate(loss, line, Line(gain, LINE.count), x, size=3))
    values, gradient = run(gains)
    for i, gain in enumerate(gains):
        wanted = whole(loss, Line(gain, LINE.count), x, None, line)
        hold(jax.tree.map(lambda leaf, i=i: leaf[i], (values, gradient.gain)), (wanted[0], wanted[1].gain), rtol=1e-5)


def test_terms_in_python():
    class Size(ld.AbstractLoss):
        scale: jax.Array
        label: str = "size"

        def term(self, states, trial_specs, model=None):
            return self.scale * jnp.sum(states["y"], axis=1) ** 2

    class Fixed(ld.AbstractLoss):
        axes = ()
        label: str = "size"

        def term(self, states, trial_specs, model=None):
            return jnp.sum(model.gain**2)

    x = jnp.arange(12.0).reshape(4, 3)
    # Their source is one, what it calls is not.
    for term in (Size(jnp.asarray(2.0)), Size(jnp.asarray(3.0)), Fixed()):
        loss = ld.compile("square(y)", PLANE) + term
        hold(ld.accumulate(loss, line, LINE, x, size=3), whole(loss, LINE, x, None, line), rtol=1e-5)


X = jnp.ones((3, 2))
MISTAKES = {
    "`loss` cannot be a str\ncompile a text": lambda: ld.accumulate("y", line, LINE, X),
    "`rollout` cannot be None": lambda: ld.accumulate(ld.compile("y", PLANE), None, LINE, X),
    "`model` cannot be": lambda: ld.accumulate(ld.compile("y", PLANE), line, {"name": "x"}, X),
    "`trial_specs` cannot be without arrays": lambda: ld.accumulate(ld.compile("y", PLANE), line, LINE, None),
    "`trial_specs` cannot be a batch of no trials": lambda: ld.accumulate(ld.compile("y", PLANE), line, LINE, X[:0]),
    "`trial_specs` cannot be arrays of 2 and of 3 trials\nif all trials share `trial_specs[1]`": lambda: ld.accumulate(
        ld.compile("y", PLANE), line, LINE, [X, X[:2]]
    ),
    "`axes` cannot be `5` for an array of shape (3, 2)": lambda: ld.accumulate(
        ld.compile("y", PLANE), line, LINE, X, axes=5
    ),
    "`axes` cannot be a dict": lambda: ld.accumulate(ld.compile("y", PLANE), line, LINE, {"x": X}, axes={"y": 0}),
    "`size` cannot be `0`": lambda: ld.accumulate(ld.compile("y", PLANE), line, LINE, X, size=0),
    "`where` cannot be an array of shape (2,)\ngive an array with a number for each of the 3 trials": lambda: (
        ld.accumulate(ld.compile("y", PLANE), line, LINE, X, where=jnp.ones(2))
    ),
    "the loss needs the training iteration": lambda: ld.accumulate(ld.compile("y*step", PLANE), line, LINE, X),
    "in the term `z`": lambda: ld.accumulate(ld.compile({"z": "x + y"}, PLANE), lambda m, x: {}, LINE, X),
}


@pytest.mark.parametrize("message", MISTAKES)
def test_mistakes_are_told(message):
    with pytest.raises(ld.LossError) as caught:
        MISTAKES[message]()
    assert message in str(caught.value)


def test_a_mask_that_asks_the_states_is_refused():
    quantities = {"r": ld.Quantity("states.r", "batch time"), "n": ld.Quantity("trial_specs.n", "batch")}
    loss = ld.compile("mean(r, axis=(batch, time))", ld.Vocabulary(quantities, length="n"))
    with pytest.raises(ld.LossAxesError, match="counts is known at the end only"):
        ld.accumulate(loss, line, LINE, {"n": jnp.ones(3)})
