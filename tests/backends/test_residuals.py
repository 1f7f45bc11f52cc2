"""What squares to a loss: the same value and gradient, or a refusal that says why."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.operators import OPS
from tests.backends.test_stream import VOCABULARY as RANDOM, reach, split
from tests.strategies import COMPILED, losses, sample
from tests.test_gallery import DISTINCT, drawn, page

pytestmark = pytest.mark.slow


def squared(loss, given, step=None):
    """The loss without the terms that have no residuals, and their labels."""
    refused = []
    for label in loss.labels:
        alone = loss.without(*{*loss.labels} - {label})
        try:
            jax.eval_shape(lambda given, alone=alone: alone.residuals(*given, step), given)
        except ld.LossError as failure:
            assert failure.code == "negative-weight" or (failure.code, failure.term) == ("no-residuals", label)
            refused.append(label)
    return None if len(refused) == len(loss.labels) else loss.without(*refused), refused


def hold(loss, given, step=None, rtol=1e-9):
    """The squares sum to the terms, with the same gradient with respect to states and model."""
    states, trial_specs, model = given

    def whole(moving):
        values = loss(moving[0], trial_specs, moving[1], step=step)
        return values.total, dict(values)

    def squares(moving):
        found = loss.residuals(moving[0], trial_specs, moving[1], step=step)
        assert all(array.ndim == 1 for array in found.values())
        sums = {label: jnp.sum(array**2) for label, array in found.items()}
        return sum(sums.values()), sums

    pair = [jax.value_and_grad(way, has_aux=True, allow_int=True) for way in (whole, squares)]
    both = jax.jit(lambda moving: [way(moving) for way in pair]).lower((states, model))
    # What XLA would make faster is run once.
    ((_, values), slopes), ((_, sums), others) = both.compile({"xla_backend_optimization_level": 0})((states, model))
    assert list(values) == list(sums)
    for label, value in values.items():
        assert_allclose(sums[label], value, rtol=rtol, atol=rtol / 100, err_msg=label)
    for one, other in zip(*map(jax.tree.leaves, (slopes, others)), strict=True):
        if one.dtype != jax.dtypes.float0:
            assert_allclose(other, one, rtol=rtol, atol=rtol * max(1, np.max(np.abs(one))))


# The operators whose example is a sum of squares.
SQUARES = """
    + * / ** square stop_gradient sum mean sqnorm matvec quadratic_form huber log_cosh smooth_abs [] final initial diff
    discount linear cosine exponential piecewise warmup cyclic greater less equal expand index length one_hot @
""".split()  # noqa: SIM905


def test_examples_of_all_operators():
    data = reach()
    with jax.enable_x64(True):
        loss = ld.compile({f"op_{i}": op.example for i, op in enumerate(OPS.values())})
        left, refused = squared(loss, data, 3)
        assert [name for i, name in enumerate(OPS) if f"op_{i}" not in refused] == SQUARES
        hold(left, data, 3)


# The terms that have residuals, of the losses of which some have.
GALLERY = {
    "delayed_reach": "effector_fixation effector_position effector_final_velocity nn_output nn_hidden",
    "muscles": "activations activity derivative",
    "smoothness": "jerk torque_change",
    "lqr": "state control terminal",
    "burgers": "residual initial_values boundary",
    "causal_pinn": "initial_values",
    "vicreg": "invariance covariance",
    "tokens": "z_loss",
    "ppo": "value_error",
    "sac": "critics",
    "legged_robot": "bounce roll_and_pitch orientation torques acceleration action_rate",
    "potential": "energy_per_atom forces_error stress_error sqnorm(model)",
}


@pytest.mark.parametrize("name", page.NAMES)
def test_losses_of_the_gallery(name):
    example = page.load(name)
    step = getattr(example, "STEP", None)
    with jax.enable_x64(True):
        data = drawn(example, DISTINCT, np.dtype("float64"))
        left, _ = squared(ld.compile(example.LOSS, example.VOCABULARY), data, step)
        assert (left.labels if left else ()) == tuple(GALLERY.get(name, "").split())
        if left:
            hold(left, data, step)


VOCABULARY = ld.Vocabulary(
    quantities={
        "x": ld.Quantity("states.x", "batch time"),
        "v": ld.Quantity("states.v", "xy time batch"),
        "y": ld.Quantity("trial_specs.y", "batch time"),
        "gain": ld.Quantity("trial_specs.gain", "batch"),
        "share": ld.Quantity("trial_specs.share", "xy"),
        "hold": ld.Quantity("trial_specs.hold", "batch time"),
        "go": ld.Quantity("trial_specs.go", "batch"),
        "Q": ld.Quantity("trial_specs.Q", "xy xy"),
        "n": ld.Quantity("trial_specs.n", "batch"),
        "scale": ld.Quantity("model.scale", ""),
        "net": ld.Quantity("model", "pytree"),
    },
    terms={
        "cost": "square(x)",
        "error": "sqnorm(v[1:]) + square(x[1:] - y)",
        "spread(z)": "mean(square(z), axis=batch)",
    },
    parameters={"alpha": 0.75},
    epochs={"hold": "hold", "late": "0.2s..end"},
    events={"go": "go"},
    dt=0.1,
)
TEXTS = """
cost
cost*gain
alpha*error/gain
sqnorm(v*share) + 2*cost
sum(square(v)*share, axis=xy)*gain
x**4
(x[1:] - y)**2
mean(cost)
mean(cost[1:], where=hold)
sum(cost[1:], where=0.5*hold)
discount(cost, exponent=alpha)
discount(mean(square(v), axis=xy), exponent=2)
final(cost)
mean(final(cost)*expand(gain, axis=xy)*share, axis=xy)
cost@hold
mean(error@go..end)
final(cost@hold)
discount(cost@late, exponent=2)
cost[1:5:2]
cost[-2]
huber(x, delta=alpha)
sum(huber(v, delta=0.1), axis=xy)*gain
log_cosh(3*x)
smooth_abs(x - 1)
quadratic_form(v, 2)
quadratic_form(v, share)
quadratic_form(v, Q)*gain
sqnorm(v, where=share)
sqnorm(v, axis=(xy, time))
mean(sqnorm(v), axis=(batch, time))
greater(x, 0)*cost
where(greater(x, 0), cost, 2*square(x - 1))
where(hold, square(x[1:]), 0)
x*x
3*(x[1:] - y)*(x[1:] - y)
spread(x)
sum(spread(final(v))*share, axis=xy)
exp(scale)*cost + sqnorm(x, axis=batch)
square(norm(v) - 1)
square(scale*x - stop_gradient(x))
expand(final(cost), axis=time)*hold
sqnorm(net)
hold + square(y)
square(square(x) + expand(final(cost), axis=time))
sum(cost) + final(cost)
sum(expand(square(x[0]), axis=time)*hold)
square(sum(x))
mean(square(x - expand(mean(x), axis=time)))
"""


def arrays(rng, batch=3, steps=6):
    states = {"x": rng.normal(size=(batch, steps)), "v": rng.normal(size=(2, steps, batch))}
    states["x"][0, 2] = 0
    root = rng.normal(size=(2, 1))
    trials = {"y": rng.normal(size=(batch, steps - 1)), "gain": rng.uniform(size=batch), "share": np.array([0, 2.0])}
    trials |= {"hold": rng.integers(0, 2, (batch, steps - 1)).astype(float), "go": np.arange(batch) + 1.0}
    # One vector in two has no cost.
    return (
        states,
        trials | {"Q": root @ root.T, "n": np.resize([5, 2, 0], batch)},
        {"scale": np.array(0.3), "w": rng.normal(size=(2, 2))},
    )


def rows(vocabulary=VOCABULARY):
    return ld.compile({f"row_{i}": text for i, text in enumerate(TEXTS.strip().splitlines())}, vocabulary)


@pytest.mark.parametrize(
    ("vocabulary", "sizes"),
    [(VOCABULARY, (3, 6)), (VOCABULARY.extend(length="n"), (6, 6))],
    ids=["whole trials", "trials that end"],
)
def test_sums_of_squares(vocabulary, sizes):
    with jax.enable_x64(True):
        hold(rows(vocabulary), arrays(np.random.default_rng(0), *sizes))


@COMPILED
@given(tree=losses(), seed=st.integers(0, 1000))
def test_squares_of_random_losses(tree, seed):
    """Of whatever a term is: its square."""
    try:
        terms = ld.compile(tree, RANDOM).terms
        loss = ld.compile({f"row_{i}": f"square({term.expr})" for i, term in enumerate(terms)}, RANDOM)
    except ld.LossError:
        assume(False)
    with jax.enable_x64(True):
        arrays = split(sample(seed, False))
        left, _ = squared(loss, arrays, 3.0)
        assume(left is not None)
        hold(left, arrays, 3.0, rtol=1e-7)


def test_what_a_mask_leaves_out_may_be_nan():
    """Behind the end of a trial, outside of a window, and where a mask is 0: no NaN in the values or the gradient."""
    vocabulary = VOCABULARY.extend(length="n")
    texts = [
        "mean(cost)",
        "final(cost)",
        "discount(log_cosh(x), exponent=2)",
        "sum(smooth_abs(x), where=greater(x, -9))",
    ]
    loss = ld.compile({f"row_{i}": text for i, text in enumerate(texts)}, vocabulary)
    states, trial_specs, model = arrays(np.random.default_rng(0))
    states["x"][1, 3:], states["x"][2, 1:] = np.nan, np.inf

    def total(x):
        return sum(jnp.sum(r**2) for r in loss.residuals({**states, "x": x}, trial_specs, model).values())

    value, slopes = jax.value_and_grad(total)(states["x"])
    assert_allclose(value, loss(states, trial_specs, model).total, rtol=1e-5)
    assert np.isfinite(slopes).all() and np.any(slopes)


def test_gradients_of_data_that_are_not_numbers():
    loss = ld.compile(
        "mean(w*square(x))", "none", quantities={"x": "batch time", "w": ld.Quantity("trial_specs.w", "batch time")}
    )
    states, trials = {"x": jnp.array([[1.0, jnp.nan]])}, {"w": jnp.ones((1, 2))}
    slopes = jax.grad(lambda states: sum(jnp.sum(r**2) for r in loss.residuals(states, trials).values()))(states)
    assert_allclose(slopes["x"], [[1, np.nan]])


def test_a_term_that_is_off_is_zero():
    loss = ld.compile({"off": "0*square(x)", "on": "square(x)"}, "none", quantities={"x": "batch time"})
    found = loss.residuals({"x": jnp.array([[jnp.nan, 1.0]])})
    assert [*found["off"]] == [0, 0] and np.isnan(found["on"][0])


@pytest.mark.parametrize("delta", [0.5, 2.0])
@pytest.mark.parametrize("penalty", ["huber(x, delta={})", "log_cosh(x)", "smooth_abs(x, eps={})"])
def test_roots_of_penalties_are_smooth_and_exact(penalty, delta):
    """Against the root in twice the digits; the slope at 0 is not lost."""
    loss = ld.compile(penalty.format(delta), "none", quantities={"x": "time"})
    at = np.array([0, 1e-30, 1e-9, 1e-4, 0.01, 0.3, 0.5, 1, 2, 3, 24, 26, 500])
    at = np.concatenate([-at[:0:-1], at])
    (root,) = loss.residuals({"x": at.astype(np.float32)}).values()
    with jax.enable_x64(True):
        (exact,) = loss.residuals({"x": at}).values()
        slope = jax.vmap(jax.grad(lambda x: next(iter(loss.residuals({"x": x[None]}).values()))[0]))(at)
        exact, slope = np.asarray(exact), np.asarray(slope)
    assert_allclose(root, exact, rtol=3e-6)
    assert np.isfinite(slope).all() and (slope > 0).all() and np.all(np.sign(exact) == np.sign(at))
    assert_allclose(slope[at == 0], slope[np.abs(at) == 1e-9][0], rtol=1e-6)


def test_ensembles_and_losses_in_a_jitted_function():
    loss = ld.compile("alpha*sqnorm(x) + 2*final(square(p))", "none", quantities=SMALL, parameters={"alpha": 0.5})
    states = {"x": np.random.default_rng(0).normal(size=(4, 3, 5, 2)), "p": np.ones((4, 3, 5))}
    each = jax.vmap(loss.residuals)(states)
    assert {label: array.shape for label, array in each.items()} == {"sqnorm(x)": (4, 30), "final(square(p))": (4, 3)}
    totals = [float(loss(jax.tree.map(lambda x, i=i: x[i], states)).total) for i in range(4)]
    assert_allclose(sum(jnp.sum(r**2, 1) for r in each.values()), totals, rtol=1e-6)
    changed = loss.with_weights({"final(square(p))": 8}).with_parameters(alpha=2)
    assert_allclose(
        jax.jit(lambda loss, s: loss.residuals(s))(changed, states | {"x": states["x"][0], "p": states["p"][0]})[
            "final(square(p))"
        ],
        2 * each["final(square(p))"][0],
    )


SMALL = {"x": "batch time xy", "p": "batch time", "gain": ("trial_specs.gain", "batch")}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "norm(x)",
            "`norm(x)` is no sum of squares: `norm` has no root that is smooth, in the term `term`\n"
            "    norm(x)\n    ^^^^^^^\nits square is one: `sqnorm(x)`",
        ),
        (
            "p",
            "`p` is no sum of squares: it is not a square, in the term `term`\n    p\n    ^\nwrite `square(p)`",
        ),
        (
            "square(p) - gain",
            "`-gain` is no sum of squares: a subtraction has no root that is smooth, in the term `term`\n"
            "    square(p) - gain\n              ^^^^^^\n"
            "write it as a sum of squares, or leave the term out: `loss.without(...)`",
        ),
        (
            "p*square(p)",
            "`p*square(p)` is no sum of squares: both factors are made of the states, in the term `term`\n"
            "    p*square(p)\n    ^^^^^^^^^^^\n"
            "write it as one square, or leave the term out: `loss.without(...)`",
        ),
        (
            "-square(p)",
            "the weight of `term` is -1: residuals need one that is not negative\n"
            "leave the term out: `loss.without('term')`",
        ),
        (
            "gain*square(p[0])",
            "a factor of `term` is negative in these data: it has no residuals\n"
            "leave the term out: `loss.without('term')`",
        ),
    ],
)
def test_refusals(text, message):
    loss = ld.compile({"term": text}, "none", quantities=SMALL)
    with pytest.raises(ld.LossValueError) as caught:
        loss.residuals({"x": np.ones((2, 3, 2)), "p": np.ones((2, 3))}, {"gain": -np.ones(2)})
    assert str(caught.value) == message


def test_a_chain_that_doubles_is_refused():
    text = "d0 = square(p); " + "".join(f"d{i} = d{i - 1} + d{i - 1}; " for i in range(1, 30)) + "d29"
    with pytest.raises(ld.LossValueError, match="more than 1,000 squares"):
        ld.compile(text, "none", quantities=SMALL).residuals({"p": np.ones((2, 3))})
