"""What a mask leaves out, and the side of a choice that is not taken, has no part in value or gradient."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import lossdsl as ld
from lossdsl.language import call

pytestmark = pytest.mark.slow

VOCABULARY = ld.Vocabulary(
    quantities={
        "x": ("states.x", "batch time"),
        "y": ("states.y", "batch time"),
        "pos": ("states.pos", "batch time xy"),
        "vel": ("states.vel", "batch time xy"),
        "valid": ("states.valid", "batch time"),
        "S": ("states.S", "batch"),
        "Q": ("states.Q", "xy xy"),
    },
    parameters={"alpha": 1.5},
)
BATCH, TIME, XY = 3, 6, 2
# Trials end one after the other, the last one before it begins.
VALID = (np.arange(TIME) < np.array([[TIME], [3], [0]])).astype(np.float32)
BEHIND = ("x", "y", "pos", "vel")


def data():
    random = np.random.default_rng(0)
    shapes = {name: (BATCH, TIME, XY) if name in ("pos", "vel") else (BATCH, TIME) for name in BEHIND}
    states = {name: random.uniform(0.5, 2, shape).astype(np.float32) for name, shape in shapes.items()}
    return {**states, "valid": VALID, "S": np.full(BATCH, 1.25, np.float32), "Q": np.eye(XY, dtype=np.float32)}


def value_and_gradients(loss, states):
    """Of the total, with respect to the states and to the parameters."""
    total = lambda states, loss: loss(states, None).total  # noqa: E731
    return jax.value_and_grad(total, argnums=(0, 1))(jax.tree.map(jnp.asarray, states), loss)


def gradients_behind(text, **changed):
    loss = ld.compile(text, VOCABULARY)
    value, (gradient, of_loss) = value_and_gradients(loss, {**data(), **changed})
    return value, gradient, of_loss.parameters


# Pointwise in `batch` and `time`, or of the steps so far: what a step in the mask is made of lies in the mask.
POINTWISE = """neg abs sqrt exp log log1p tanh sigmoid relu softplus sin cos square log_cosh huber smooth_abs cumsum
    discount tan erf sign stop_gradient cummax cummin""".split()  # noqa: SIM905
PAIRS = "+ * / ** minimum maximum greater less equal atan2 sigmoid_cross_entropy where clip".split()  # noqa: SIM905
VECTORS = """norm sqnorm l1norm logsumexp sum dot cross_entropy kl_divergence quadratic_form softmax log_softmax max min
    var std quantile gather final""".split()  # noqa: SIM905
numbers = st.sampled_from(["S", "alpha", "2", "0.5"]).map(ld.parse)


@st.composite
def pointwise(draw, depth=3):
    if depth == 0:
        return draw(st.sampled_from(["x", "y", "norm(pos)", "x - S", "alpha*y"]).map(ld.parse))
    inner = pointwise(depth - 1)
    match draw(st.sampled_from([*POINTWISE, *PAIRS, *VECTORS])):
        case "discount":
            return call("discount", draw(inner), ld.parse("2"))
        case "where" | "clip" as name:
            return call(name, draw(inner), draw(inner | numbers), draw(inner))
        case name if name in PAIRS:
            return call(name, draw(inner), draw(inner | numbers))
        case name if name in POINTWISE:
            return call(name, draw(inner))
        case "sum" | "max" | "min" | "var" | "std" | "final" as name:
            return call(name, draw(vectors(depth - 1)), static="xy")
        case "quantile" | "gather" as name:
            return call(name, draw(vectors(depth - 1)), ld.parse(draw(st.sampled_from("01"))), static="xy")
        case "dot" | "cross_entropy" | "kl_divergence" as name:
            return call(name, *(draw(vectors(depth - 1)) for _ in range(2)))
        case "quadratic_form":
            return call("quadratic_form", draw(vectors(depth - 1)), ld.parse("Q"))
        case "softmax" | "log_softmax" as name:
            return call("sum", call(name, draw(vectors(depth - 1))), static="xy")
        case name:
            return call(name, draw(vectors(depth - 1)))


@st.composite
def vectors(draw, depth):
    leaf = st.sampled_from(["pos", "vel", "log(pos)", "pos - vel", "pos/vel"]).map(ld.parse)
    return call(draw(st.sampled_from(["*", "+"])), draw(leaf), draw(pointwise(depth - 1))) if depth > 1 else draw(leaf)


# What reduces what a mask leaves in.
REDUCED = [
    "mean({}, where={}, axis=(batch, time))",
    "max({}, where={})",
    "min({}, where={})",
    "var({}, where={})",
    "std({}, where={})",
    "quantile({}, 0.4, where={}, axis=time)",
    "norm({}, where={}, axis=time)",
    "sqnorm({}, where={}, axis=time)",
    "l1norm({}, where={}, axis=time)",
    "logsumexp({}, where={}, axis=time)",
    "square(softmax({}, where={}, axis=time))",
    "log_softmax({}, where={}, axis=time)",
    "final({}, where={})",
    "initial({}, where={})",
    "final(cumsum({}, where={}))",
    "final(cummax({}, where={}))",
    "final(cummin({}, where={}))",
    "discount({}, exponent=2, where={})",
    "initial(discounted_sum({}, 0.9, where={}))",
    "discounted_sum({}, alpha/2, last=S, where={})",
    "entropic({}, alpha, where={}, axis=time)",
    "where({1}, {0}, 0)[0]",
    "initial(where({1}, sum(expand({0}, like=pos[0], axis=xy), axis=xy), 0))",
    "where({1}, cumsum({0}), 0)[1]",
]
WINDOWS = {"{}": "valid", "{}[1:]": "valid[1:]", "diff({})": "valid[1:]", "diff({}, 2)": "valid[2:]"}


@settings(max_examples=60)
@given(
    pointwise().map(str),
    st.sampled_from(REDUCED),
    st.sampled_from(sorted(WINDOWS)),
    st.booleans(),
    st.sampled_from([0.0, -1.0, np.nan, np.inf]),
)
def test_what_stands_behind_a_mask_changes_nothing(expr, reduced, window, defined, filling):
    body, definition = ("d", f"d = {expr}; ") if defined else (f"({expr})", "")
    loss = ld.compile(definition + reduced.format(window.format(body), WINDOWS[window]), VOCABULARY)
    whole, padded = data(), data()
    for name in BEHIND:
        padded[name][VALID == 0] = filling
    with jax.disable_jit():
        wanted, wanted_gradients = value_and_gradients(loss, whole)
        value, (gradient, of_loss) = value_and_gradients(loss, padded)
    leaves = jax.tree.leaves((wanted, wanted_gradients))
    assume(all(np.isfinite(leaf).all() and np.abs(leaf).max(initial=0) < 1e6 for leaf in leaves))
    np.testing.assert_allclose(value, wanted, rtol=1e-5)
    for name in BEHIND:
        assert not np.any(gradient[name][VALID == 0])
        np.testing.assert_allclose(gradient[name], wanted_gradients[0][name], rtol=1e-4, atol=1e-5)
    for name, slope in of_loss.parameters.items():
        np.testing.assert_allclose(slope, wanted_gradients[1].parameters[name], 1e-4, 1e-5)


@pytest.mark.parametrize("reduced", REDUCED)
def test_a_trial_with_nothing_in_it_gives_nothing(reduced):
    """And no gradient, whatever stands there; the last trial has no valid step."""
    text = reduced.format("log(x)", "valid")
    states = data()
    states["x"][VALID == 0] = np.nan
    loss = ld.compile(text, VOCABULARY)
    values = loss.per_trial(states, None).total if "batch" not in text else None
    _, (gradient, _) = value_and_gradients(loss, states)
    assert values is None or values[-1] == 0
    assert np.isfinite(gradient["x"]).all()
    assert not np.any(gradient["x"][VALID == 0])


@pytest.mark.parametrize(
    "text",
    [
        # A whole trial is left out, of which what is inside a mask is not finite either.
        "mean(max(x, where=valid), where=less(index(axis=batch), 1), axis=batch)",
        "mean(std(log(x), where=valid), where=less(index(axis=batch), 1), axis=batch)",
        "mean(final(cummax(log(x))), where=less(index(axis=batch), 1), axis=batch)",
        "mean(initial(discounted_sum(log(x), 0.5)), where=less(index(axis=batch), 1), axis=batch)",
        # The same trials end at the same steps.
        "sum(log(x), where=less(index(axis=time), expand(6 - 3*index(axis=batch), axis=time)))",
        "sum(discounted_sum(log(x), 0.5, where=valid), where=valid)",
        "mean(sum(diff(log(pos), axis=xy), axis=xy), where=valid)",
        "mean(gather(log(pos), where(valid, 1, -1), axis=xy), where=valid)",
        "sum(rename(log(x), time=other), where=rename(valid, time=other), axis=other)",
        "sum(sum(log(pos)*expand(log(y), axis=xy), where=expand(valid, axis=xy), axis=(time, xy)), axis=batch)",
        "mean(minimum(log(x), x, 1), where=valid)",
        "mean(dot(one_hot(where(valid, 1, 7), axis=xy), log(pos)), where=valid)",
        # The gradient would go from one step or trial to another.
        "mean(log(cumsum(log(x)))*cummax(y), where=valid)",
        "mean(sum(dot(log(pos), rename(pos, time=t), axis=xy), where=rename(valid, time=t), axis=t), where=valid)",
        "mean(log(x)*square(S)*alpha + expand(S, axis=time)*log(y), where=valid)",
        "mean(discounted_sum(log(x), sigmoid(log(y)), last=S, where=valid), where=valid)",
        "mean(quadratic_form(log(pos), Q), where=valid)",
        "mean(log(sum(matvec(Q, log(pos)), axis=xy)), where=valid)",
    ],
)
def test_nothing_comes_from_where_a_mask_is_0(text):
    states = data()
    for name in ("x", "y", "pos"):
        states[name][VALID == 0] = np.nan
    value, (gradient, of_loss) = value_and_gradients(ld.compile(text, VOCABULARY), states)
    # Its logarithm is not defined for the values that are left in.
    assert np.isfinite(value) or "log(cumsum" in text or "log(sum(matvec" in text
    for name in ("x", "y", "pos"):
        assert not np.any(gradient[name][VALID == 0])
    if np.isfinite(value):
        assert all(np.isfinite(slope).all() for slope in jax.tree.leaves((gradient, of_loss.parameters)))


@pytest.mark.parametrize("text", ["mean(sqrt(x - 2), where=m, axis=batch)", "mean(sqrt(x - c), where=m, axis=batch)"])
def test_operands_without_the_axes_of_the_mask(text):
    rows = {"x": ("states.x", "batch"), "m": ("states.m", "batch"), "c": ("states.c", "1")}
    arrays = {"x": jnp.array([3.0, 4.0]), "m": jnp.array([1.0, 0.0]), "c": jnp.array([2.0])}
    loss = ld.compile(text, ld.Vocabulary(rows))
    gradient = jax.grad(lambda arrays: loss(arrays, None).total)({**arrays, "x": jnp.array([3.0, 0.5])})
    assert gradient["x"].tolist() == [0.5, 0.0]
    assert gradient["c"].tolist() == ([-0.5] if "- c" in text else [0.0])


def test_a_parameter_behind_a_mask():
    loss = ld.compile("mean(sqrt(x - p), where=valid)", VOCABULARY, parameters={"p": 2.0})
    x = jnp.where(VALID > 0, 3.0, 1.0)
    gradient = jax.grad(lambda loss: loss({"x": x, "valid": VALID}, None).total)(loss)
    np.testing.assert_allclose(gradient.parameters["p"], -0.5 * 2 / 3)


def test_a_long_chain_of_definitions_behind_a_mask():
    rows = [f"d{i} = d{i - 1}*d{i - 1}/4 + d{i - 1}/2" for i in range(1, 30)]
    text = "; ".join(["d0 = log(x)", *rows, "mean(d29, where=valid) + mean(d29[1:], where=valid[1:])"])
    value, gradient, _ = gradients_behind(text, x=np.where(VALID > 0, 1.1, 0.0).astype(np.float32))
    assert np.isfinite(value)
    assert np.isfinite(gradient["x"]).all()
    # Linear in the number of definitions.
    assert ld.compile(text, VOCABULARY).python().count("\n") < 30 * 20


def test_behind_a_slice_a_difference_and_a_sum_so_far():
    rows = {"h": ("states.h", "batch time"), "mt": ("states.mt", "batch time")}
    arrays = {"h": jnp.array([[1.0, 2.0, 0.0]]), "mt": jnp.array([[1.0, 1.0, 0.0]])}
    for text, wanted in {
        "sum(log(h)[1:], where=mt[1:])": [0, 0.5, 0],
        "sum(diff(log(h)), where=mt[1:])": [-1, 0.5, 0],
        "sum(cumsum(log(h)), where=mt)": [2, 0.5, 0],
        "sum(cumsum(log(h))[1:], where=mt[1:])": [1, 0.5, 0],
        "where(greater(h, 0), log(h), 0)": [1, 0.5, 0],
        "where(h, log(h), h)": [1, 0.5, 1],
        "where(greater(1, h), 0, log(h))": [1, 0.5, 0],
    }.items():
        loss = ld.compile(text, ld.Vocabulary(rows))
        gradient = jax.grad(lambda arrays, loss=loss: loss(arrays, None).total)(arrays)
        assert gradient["h"].tolist() == [wanted], text


def test_a_choice_for_each_trial_between_what_has_no_time():
    """No side of a choice that is taken at no step has a part."""
    _, gradient, _ = gradients_behind("where(greater(x, 3), x*log(S - 1.25), x)")
    assert np.isfinite(gradient["S"]).all()
    assert not np.any(gradient["S"])


def test_forward_mode_agrees():
    loss = ld.compile("mean(log(x - y), where=valid)", VOCABULARY)
    states = {**data(), "x": np.where(VALID > 0, 3, 0).astype(np.float32)}
    total = lambda x: loss({**states, "x": x}, None).total  # noqa: E731
    np.testing.assert_allclose(jax.jacfwd(total)(states["x"]), jax.grad(total)(states["x"]), rtol=1e-5)


def test_a_value_on_the_way_is_what_it_is_without_a_mask():
    """So that XLA computes once what one term masks and another does not."""
    source = ld.compile("z = log(x); mean(square(z), where=valid) + mean(exp(z), where=valid)", VOCABULARY).python()
    assert "ops.where" not in source
    assert source.count("ops.gradient_where(x, valid)") == 1


@pytest.mark.parametrize("text", [*(text.format("log(x)", "valid") for text in REDUCED), *(
    "mean(square(x), where=valid) + sum(valid*x) - sum(valid)",
    "sum(x[1:], where=valid[1:])",
    "sum(rename(x, time=other), where=rename(valid, time=other), axis=other)",
    "mean(sqnorm(pos), where=1 - valid)",
    "where(valid, log(x), square(y))*valid",
    "where(valid, 0, 1)*x + sum(x, where=where(valid, 0, 1))/6",
    "mean(pos, where=valid, axis=(time, xy))",
    "sum(var(pos, where=valid, ddof=1), axis=xy)",
    "sum(diff(x), where=valid[1:]*valid[:-1])",
)])  # fmt: skip
def test_a_mask_of_booleans_is_one_of_numbers(text):
    loss, states = ld.compile(text, VOCABULARY), data()
    wanted, wanted_gradients = value_and_gradients(loss, states)
    total = lambda moving: loss({**moving, "valid": jnp.asarray(VALID > 0)}, None).total  # noqa: E731
    value, gradient = jax.value_and_grad(total)({name: x for name, x in states.items() if name != "valid"})
    np.testing.assert_allclose(value, wanted, rtol=1e-6)
    for name, slope in gradient.items():
        np.testing.assert_allclose(slope, wanted_gradients[0][name], rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("weight", [2.0, -1.5])
def test_a_mask_of_weights_counts_by_them(weight):
    states = {**data(), "valid": weight * VALID}
    states["x"][VALID == 0] = np.nan
    left_in = states["x"][VALID > 0]
    for text, wanted in {
        "mean(x, where=valid, axis=(batch, time))": left_in.mean(),
        "sum(x, where=valid)": weight * left_in.sum() / BATCH,
        "mean(expand(x, like=pos, axis=xy), where=valid, axis=(batch, time, xy))": left_in.mean(),
    }.items():
        np.testing.assert_allclose(ld.compile(text, VOCABULARY)(states, None).total, wanted, rtol=1e-6)
