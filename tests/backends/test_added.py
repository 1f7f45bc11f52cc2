"""A loss as numbers that are added up over the steps of one trial: what it gives for that trial whole, or a refusal."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.loss import step_loss
from lossdsl.operators import OPS
from tests.backends.test_stream import (
    COUNT,
    EARLY,
    ENDING,
    ENDLESS,
    EXACT,
    NO_TIME,
    REFUSED,
    STEPS,
    TIMED,
    VOCABULARY,
    as_long,
    reach,
    split,
    timed,
)
from tests.strategies import COMPILED, compiled, losses, sample
from tests.streaming import axes_of, axes_of_time
from tests.test_gallery import DISTINCT, drawn, page

pytestmark = pytest.mark.slow

# Of an array that all trials share.
NONE = -1


def added_up(function, states, steps):
    """The sum over the steps, as Feedbax's scan makes it; the states before the first ones count for nothing."""
    order = function.streaming_order
    ahead = jax.tree.map(lambda x: jnp.concatenate([jnp.full_like(x[:1], jnp.nan)] * order + [x]), states)

    def body(total, t):
        window = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, t, order + 1), ahead)
        return total + function(window if order else jax.tree.map(lambda x: x[0], window), t), None

    return jax.lax.scan(body, jnp.zeros(()), jnp.arange(steps))[0]


def refusal(loss, vocabulary, given, steps):
    """The code of the refusal, or nothing."""
    _, trials, _ = given
    axes = axes_of("batch", vocabulary, trials, root="trial_specs", otherwise=NONE)
    trial = jax.tree.map(lambda x, axis: x if axis == NONE else jnp.take(jnp.asarray(x), 0, axis), trials, axes)
    try:
        step_loss(loss, trial, given[2], steps, step=3)
    except ld.LossError as failure:
        assert failure.code in ("not-added", "trials-joined") or failure.code.startswith("stream-"), failure
        return failure.code
    return None


def allowed(loss, vocabulary, given, steps):
    """What is left of the loss without the terms that are refused, if anything is, and the codes of these."""
    others = {label: [other for other in loss.labels if other != label] for label in loss.labels}
    alone = {label: loss.without(*rest) if rest else loss for label, rest in others.items()}
    codes = {label: refusal(one, vocabulary, given, steps) for label, one in alone.items()}
    refused = {label: code for label, code in codes.items() if code}
    if len(refused) == len(loss.labels):
        return None, refused
    return loss.without(*refused) if refused else loss, refused


def both(loss, vocabulary, given, steps):
    """Total and slopes of a batch, whole and with each trial by itself step by step."""
    states, trials, model = given
    roots = {"states": states, "trial_specs": trials}
    over = {root: axes_of("batch", vocabulary, tree, root=root, otherwise=NONE) for root, tree in roots.items()}
    time = axes_of_time(vocabulary, states)
    left = jax.tree.map(lambda axis, batch: axis - (NONE < batch < axis), time, over["states"])

    def of_one(states, trial):
        each = jax.tree.map(lambda x, axis: jnp.moveaxis(x, axis, 0), states, left)
        return added_up(step_loss(loss, trial, model, steps, step=3), each, steps)

    def by_steps(states, trials):
        # Where only some arrays have `batch`, the others are mapped too: each trial has its own copy.
        count = next(x.shape[axis] for x, axis in zip(*map(jax.tree.leaves, (states, over["states"])), strict=True))

        def own(x, axis):
            return jnp.stack([x] * count) if axis == NONE else jnp.moveaxis(x, axis, 0)

        stacked = [jax.tree.map(own, tree, over[root]) for root, tree in (("states", states), ("trial_specs", trials))]
        return jnp.mean(jax.vmap(of_one)(*stacked))

    def at_once(states, trials):
        return loss(states, trials, model, step=3).total

    def run(*given):
        return [jax.value_and_grad(f, (0, 1), allow_int=True)(*given) for f in (by_steps, at_once)]

    arrays = jax.tree.map(jnp.asarray, (states, trials))
    return jax.jit(run).lower(*arrays).compile({"xla_backend_optimization_level": 0})(*arrays)


def hold(found, **tolerance):
    (total, slopes), (whole, wanted) = found
    assert_allclose(total, whole, **tolerance)
    for one, other in zip(jax.tree.leaves(slopes), jax.tree.leaves(wanted), strict=True):
        if one.dtype != jax.dtypes.float0:
            assert_allclose(one, other, **tolerance)


# The operators whose example is refused, beside those that no stream has.
NOT_ADDED = {
    **dict.fromkeys(["max", "min", "var", "cumsum", "cummax", "cummin", "one_hot"], "not-added"),
    **dict.fromkeys(["std", "quantile", "cvar", "worst", "entropic", "rename"], "trials-joined"),
}


def test_examples_of_all_operators():
    given = reach()
    plain = [name for name in OPS if name not in REFUSED]
    codes = {name: refusal(ld.compile({"x": OPS[name].example}), ld.FEEDBAX, given, STEPS) for name in plain}
    assert {name: code for name, code in codes.items() if code} == NOT_ADDED
    texts = {f"term_{i}": OPS[name].example for i, name in enumerate(plain) if not codes[name]}
    with jax.enable_x64(True):
        hold(both(ld.compile(texts), ld.FEEDBAX, given, STEPS), **EXACT)


# The terms of the gallery that are refused.
NOT_ADDED_THERE = {
    "delayed_reach": {"effector_straight_path": "not-added"},
    "tokens": dict.fromkeys(["prediction", "z_loss"], "trials-joined"),
    "ppo": dict.fromkeys(["surrogate", "value_error", "entropy_bonus"], "trials-joined"),
}


@pytest.mark.parametrize("name", [name for name in page.NAMES if name not in NO_TIME.split()])
def test_losses_of_the_gallery(name):
    example = page.load(name)
    loss = ld.compile(example.LOSS, example.VOCABULARY)
    with jax.enable_x64(True):
        given = drawn(example, DISTINCT, np.dtype("float64"))
        steps = max(x.shape[1] for x in jax.tree.leaves(given[0]))
        given = (jax.tree.map(lambda x: as_long(x, steps), given[0]), *given[1:])
        left, refused = allowed(loss, example.VOCABULARY, given, steps)
        assert refused == NOT_ADDED_THERE.get(name, {})
        if left is not None:
            hold(both(left, example.VOCABULARY, given, steps), **EXACT)


# Rows that are refused: what they make of a step depends on all the steps before, or on other trials.
BEFORE = """
x[1:]*x[0]
sum(sqrt(x[2:]))/final(x)
cumsum(x)*x
square(cumsum(x, where=greater(x, 0.8)))
cummax(x)*cummin(x)
square(x - initial(x))*expand(initial(x), axis=time)
max(x)*min(v[1:], axis=(time, xy))
std(v, axis=(time, xy))*var(x[2:], ddof=1)
norm(v, axis=(time, xy)) + l1norm(x, axis=time)
logsumexp(x, axis=time)
argmax(x)*gain
tanh(sum(x))*sqnorm(net)
mean(x, axis=batch)*expand(length(axis=batch, like=x), axis=time)
worst(sum(x))
max(x@go..)
final(norm(v)@0.3s..0.5s)
mean(sqnorm(v)@fast)
initial(x@fast)*y[0]
cumsum(x@hold)
"""


def test_steps_meet():
    """Delays, strides, windows, masks, values of single steps: each row alone, then all that are not refused."""
    rows = [*ENDLESS.strip().splitlines(), *ENDING.strip().splitlines()]
    given = timed(np.random.default_rng(0))
    with jax.enable_x64(True):
        codes = {row: refusal(ld.compile({"x": row}, TIMED), TIMED, given, COUNT) for row in rows}
        assert [row for row, code in codes.items() if code] == BEFORE.strip().splitlines()
        texts = {f"row_{i}": row for i, row in enumerate(row for row in rows if not codes[row])}
        found = both(ld.compile(texts, TIMED), TIMED, given, COUNT)
        hold(found, **EXACT)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found[0][1]) if leaf.dtype != jax.dtypes.float0)


def test_trials_of_different_lengths():
    """NaN behind the end of a trial is seen by nothing."""
    rng = np.random.default_rng(0)
    ends = np.array([1, 4, 6, 2])
    behind = np.arange(6) >= ends[:, None]
    states = {"r": np.where(behind, np.nan, rng.uniform(0.5, 2, (4, 6))), "v": rng.normal(size=(4, 6, 2))}
    states["v"][behind] = np.nan
    trials = {"n": ends - 1, "aim": np.where(behind, np.nan, rng.normal(size=(4, 6)))[:, 1:]}
    texts = [
        "r",
        "mean(r)",
        "r[0]*r[2]",
        "square(r[1:] - aim)",
        "norm(diff(v))",
        "sqnorm(v)@0.1s..end",
        "mean(r, where=greater(index(axis=time), 1))",
    ]
    vocabulary = ld.Vocabulary(EARLY, length="n", dt=0.1)
    with jax.enable_x64(True):
        given = states, trials, None
        codes = [refusal(ld.compile({"x": row}, vocabulary), vocabulary, given, 6) for row in texts]
        assert not any(codes)
        found = both(ld.compile({f"row_{i}": row for i, row in enumerate(texts)}, vocabulary), vocabulary, given, 6)
        hold(found, **EXACT)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found[0][1][0]))


@COMPILED
@given(tree=losses(), seed=st.integers(0, 1000))
def test_random_losses(tree, seed):
    loss = compiled(tree, VOCABULARY, but=ld.LossError)
    with jax.enable_x64(True):
        arrays = split(sample(seed, False))
        left, _ = allowed(loss, VOCABULARY, arrays, 5)
        assume(left is not None)
        found = both(left, VOCABULARY, arrays, 5)
        # A mask jumps at 0: what it leaves out has no gradient.
        for _, (_, slopes) in found:
            slopes.pop("valid")
        hold(found, rtol=1e-7, atol=1e-8)
