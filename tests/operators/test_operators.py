"""Every operator against NumPy: value and gradient, in both precisions, for any order of axes."""

import re
from types import SimpleNamespace

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.operators.declaration import OPS
from tests.oracle import Named, Oracle

pytestmark = pytest.mark.usefixtures("strict")

SHAPES = {
    "pos": "batch time xy",
    "vel": "batch time xy",
    "hidden": "batch time hidden",
    "cost": "batch time",
    "gain": "batch",
    "ramp": "time",
    "aim": "xy",
    "hold": "batch time 1",
    "flag": "1 time 1 batch",
    "turned": "xy time batch",
    "steps_first": "time batch xy",
    "map": "batch time xy hidden",
    "Q": "xy xy",
    "metric": "time xy batch xy",
    "valid": "batch time",
    "seen": "batch xy",
    "z": "batch hidden",
    "net": "pytree",
}
VOCABULARY = ld.Vocabulary(
    quantities={name: ld.Quantity(f"states.{name}", shape) for name, shape in SHAPES.items()},
    parameters={"alpha": 0.75},
    epochs={"late": "0.2s..end"},
    dt=0.1,
)
# All lengths differ, so that a wrong axis shows; or all are equal, so that NumPy would not complain of one.
SIZES = {
    "distinct": {"batch": 3, "time": 5, "xy": 2, "hidden": 4},
    "equal": dict.fromkeys(["batch", "time", "xy", "hidden"], 4),
}
STEP = 30
POSITIVE = ("cost", "gain", "ramp")
MASKS = ("valid", "seen")
TOLERANCE = {"float32": {"rtol": 3e-4, "atol": 3e-5}, "float64": {"rtol": 1e-6, "atol": 1e-7}}


def late(window, steps):
    """The steps of the epoch `late`."""
    return np.arange(steps) >= 2


def tail(values, level):
    """The mean of the largest part of some numbers, of the last of which a part counts."""
    ranked, left, total = np.sort(values)[::-1], (1 - level) * len(values), 0.0
    for value in ranked:
        total, left = total + min(max(left, 0), 1) * value, left - 1
    return total / ((1 - level) * len(values))


def sample(sizes, dtype=np.float64):
    """Random arrays without ties or zeros, in the order of `SHAPES`."""
    rng = np.random.default_rng(0)
    arrays = {}
    for name, axes in SHAPES.items():
        shape = [sizes.get(axis, 1) for axis in axes.split()]
        drawn = rng.uniform(0.5, 2, shape) if name in POSITIVE else rng.normal(size=shape)
        arrays[name] = (drawn > -0.3 if name in MASKS else drawn).astype(dtype)
    arrays["net"] = {"weights": arrays["pos"][0], "layers": [arrays["gain"], arrays["hidden"]]}
    return arrays


def as_float64(arrays):
    return SimpleNamespace(**jax.tree.map(lambda x: np.asarray(x, np.float64), arrays))


def slopes(function, arrays, step=1e-5):
    """Central differences of a scalar function with respect to every number of the arrays."""
    leaves, structure = jax.tree.flatten(arrays)
    leaves = [np.array(leaf, np.float64) for leaf in leaves]

    def moved(leaf, at, by):
        there = leaf[at]
        leaf[at] = there + by
        value = function(as_float64(jax.tree.unflatten(structure, leaves)))
        leaf[at] = there
        return value

    def slope(leaf, at):
        return (moved(leaf, at, step) - moved(leaf, at, -step)) / (2 * step)

    found = [np.reshape([slope(leaf, at) for at in np.ndindex(leaf.shape)], leaf.shape) for leaf in leaves]
    return jax.tree.unflatten(structure, found)


def total_and_gradient(text, arrays):
    """Of a loss and all quantities that it reads."""
    loss = ld.compile(text, VOCABULARY)
    arrays = {name: arrays[name] for name in loss.program.quantities}
    return jax.jit(jax.value_and_grad(lambda arrays: loss(arrays, None, step=STEP).total))(arrays)


def check(text, expected, sizes, precision):
    """Hold value and gradient of the total against a function of the raw arrays."""
    arrays = sample(sizes, precision)
    value, gradient = total_and_gradient(text, arrays)
    assert value.dtype == precision
    rtol = 1e-12 if precision == np.float64 else 1e-5
    assert_allclose(value, expected(as_float64(arrays)), rtol=rtol)
    # A mask jumps at 0: what it leaves out has no gradient.
    gradient = {name: slope for name, slope in gradient.items() if name not in MASKS}
    fixed = {name: arrays[name] for name in arrays if name not in gradient}
    wanted = slopes(
        lambda d: expected(SimpleNamespace(**vars(as_float64(fixed)), **vars(d))), {n: arrays[n] for n in gradient}
    )
    for found, slope in zip(jax.tree.leaves(gradient), jax.tree.leaves(wanted), strict=True):
        assert_allclose(found, slope, **TOLERANCE[precision.name])


def steps(x):
    """The rule of terms for the axes (batch, time)."""
    return x.sum(1).mean()


def trials(x):
    """The rule of terms for the axis (batch,)."""
    return x.mean()


def swapped(x):
    """(batch, time, xy) for `turned`."""
    return x.transpose(2, 1, 0)


def ramp(x, exponent):
    """The factors of `discount` for an array whose second dimension is `time`."""
    return (np.arange(1, x.shape[1] + 1) / x.shape[1]) ** exponent


def softmax(x, axis):
    return np.exp(x) / np.exp(x).sum(axis, keepdims=True)


def kl(p, q):
    return p * np.log(p / q)


def logistic(x):
    return 1 / (1 + np.exp(-x))


def masked_mean(x, mask):
    return (x * mask).sum() / (mask + np.zeros_like(x)).sum()


def huber(x, delta):
    return np.where(abs(x) <= delta, x**2 / 2, delta * (abs(x) - delta / 2))


# Operator, text, the same in NumPy.
ROWS = [
    ("+", "square(cost + gain)", lambda d: steps((d.cost + d.gain[:, None]) ** 2)),
    ("neg", "tanh(-cost)", lambda d: steps(np.tanh(-d.cost))),
    ("neg", "cost - gain", lambda d: steps(d.cost) - trials(d.gain)),
    ("*", "cost*gain", lambda d: steps(d.cost * d.gain[:, None])),
    ("/", "gain/cost", lambda d: steps(d.gain[:, None] / d.cost)),
    ("/", "1/cost", lambda d: steps(1 / d.cost)),
    ("**", "cost**3", lambda d: steps(d.cost**3)),
    ("**", "cost**-1.5", lambda d: steps(d.cost**-1.5)),
    ("**", "cost**gain", lambda d: steps(d.cost ** d.gain[:, None])),
    ("**", "2**cost", lambda d: steps(2**d.cost)),
    ("[]", "cost[1:4]", lambda d: steps(d.cost[:, 1:4])),
    ("[]", "cost[2]", lambda d: trials(d.cost[:, 2])),
    ("sum", "square(sum(cost))", lambda d: trials(d.cost.sum(1) ** 2)),
    ("sum", "square(sum(pos, axis=xy))", lambda d: steps(d.pos.sum(2) ** 2)),
    ("sum", "square(sum(cost, axis=batch))", lambda d: (d.cost.sum(0) ** 2).sum()),
    ("mean", "square(mean(cost))", lambda d: trials(d.cost.mean(1) ** 2)),
    ("mean", "square(mean(hidden, axis=hidden))", lambda d: steps(d.hidden.mean(2) ** 2)),
    ("max", "max(cost)", lambda d: trials(d.cost.max(1))),
    ("max", "max(pos, axis=xy)", lambda d: steps(d.pos.max(2))),
    ("min", "min(cost)", lambda d: trials(d.cost.min(1))),
    ("min", "min(cost, axis=batch)", lambda d: d.cost.min(0).sum()),
    ("norm", "norm(pos)", lambda d: steps(np.sqrt((d.pos**2).sum(2)))),
    ("norm", "norm(cost, axis=time)", lambda d: trials(np.sqrt((d.cost**2).sum(1)))),
    ("sqnorm", "sqnorm(pos - vel)", lambda d: steps(((d.pos - d.vel) ** 2).sum(2))),
    ("sqnorm", "sqnorm(map)", lambda d: steps((d.map**2).sum((2, 3)))),
    ("sqnorm", "norm(sqnorm(map, axis=xy))", lambda d: steps(np.sqrt(((d.map**2).sum(2) ** 2).sum(2)))),
    ("dot", "dot(pos, vel)", lambda d: steps((d.pos * d.vel).sum(2))),
    ("dot", "norm(dot(pos, vel, axis=time))", lambda d: trials(np.sqrt(((d.pos * d.vel).sum(1) ** 2).sum(1)))),
    ("abs", "sum(abs(pos), axis=xy)", lambda d: steps(abs(d.pos).sum(2))),
    ("sum", "square(sum(cost, where=valid))", lambda d: trials((d.cost * d.valid).sum(1) ** 2)),
    ("sum", "sum(cost, where=valid, axis=(batch, time))", lambda d: (d.cost * d.valid).sum()),
    ("sum", "sum(pos, where=gain, axis=(xy, time))", lambda d: trials((d.pos * d.gain[:, None, None]).sum((1, 2)))),
    ("sum", "sum(cost, where=alpha)", lambda d: 0.75 * steps(d.cost)),
    ("mean", "mean(pos, axis=(time, xy))", lambda d: trials(d.pos.mean((1, 2)))),
    (
        "mean",
        "mean(square(pos), where=valid, axis=(batch, xy, time))",
        lambda d: masked_mean(d.pos**2, d.valid[..., None]),
    ),
    ("mean", "mean(cost, where=hold)", lambda d: trials((d.cost * d.hold[..., 0]).sum(1) / d.hold[..., 0].sum(1))),
    ("mean", "mean(cost, where=2)", lambda d: trials(d.cost.mean(1))),
    ("max", "max(cost, axis=(batch, time))", lambda d: d.cost.max()),
    ("min", "min(pos, axis=(time, xy))", lambda d: trials(d.pos.min((1, 2)))),
    ("sqnorm", "sqnorm(pos, axis=(time, xy))", lambda d: trials((d.pos**2).sum((1, 2)))),
    ("l1norm", "l1norm(pos)", lambda d: steps(abs(d.pos).sum(2))),
    ("l1norm", "l1norm(cost, axis=time)", lambda d: trials(abs(d.cost).sum(1))),
    ("softmax", "dot(softmax(pos), vel)", lambda d: steps((softmax(d.pos, 2) * d.vel).sum(2))),
    ("softmax", "square(softmax(cost, axis=time))", lambda d: steps(softmax(d.cost, 1) ** 2)),
    ("log_softmax", "dot(log_softmax(pos), vel)", lambda d: steps((np.log(softmax(d.pos, 2)) * d.vel).sum(2))),
    ("logsumexp", "logsumexp(turned)", lambda d: steps(np.log(np.exp(swapped(d.turned)).sum(2)))),
    (
        "cross_entropy",
        "cross_entropy(turned, pos)",
        lambda d: steps(-(np.log(softmax(swapped(d.turned), 2)) * d.pos).sum(2)),
    ),
    (
        "cross_entropy",
        "cross_entropy(turned, greater(cost, 1))",
        lambda d: steps(-np.log(np.where(d.cost > 1, *softmax(swapped(d.turned), 2).transpose(2, 0, 1)[[1, 0]]))),
    ),
    ("cross_entropy", "cross_entropy(pos, 1)", lambda d: steps(-np.log(softmax(d.pos, 2)[..., 1]))),
    (
        "kl_divergence",
        "kl_divergence(pos, 0.5*turned)",
        lambda d: steps(kl(softmax(d.pos, 2), softmax(swapped(d.turned) / 2, 2)).sum(2)),
    ),
    ("kl_divergence", "kl_divergence(aim, pos)", lambda d: steps(kl(softmax(d.aim, 0), softmax(d.pos, 2)).sum(2))),
    (
        "sigmoid_cross_entropy",
        "sum(sigmoid_cross_entropy(pos, vel), axis=xy)",
        lambda d: steps(-(d.vel * np.log(logistic(d.pos)) + (1 - d.vel) * np.log(logistic(-d.pos))).sum(2)),
    ),
    ("quadratic_form", "quadratic_form(pos, Q)", lambda d: steps(np.einsum("bti,ij,btj->bt", d.pos, d.Q, d.pos))),
    (
        "quadratic_form",
        "quadratic_form(turned, gain*metric)",
        lambda d: steps(np.einsum("itb,b,tibj,jtb->bt", d.turned, d.gain, d.metric, d.turned)),
    ),
    ("quadratic_form", "quadratic_form(pos, aim)", lambda d: steps(np.einsum("bti,i->bt", d.pos**2, d.aim))),
    ("quadratic_form", "quadratic_form(pos, 2)", lambda d: 2 * steps((d.pos**2).sum(2))),
    ("matvec", "sqnorm(matvec(Q, pos))", lambda d: steps((np.einsum("ij,btj->bti", d.Q, d.pos) ** 2).sum(2))),
    ("matvec", "dot(pos, matvec(Q, aim))", lambda d: steps(np.einsum("bti,ij,j->bt", d.pos, d.Q, d.aim))),
    (
        "matvec",
        "sqnorm(matvec(gain*metric, turned))",
        lambda d: steps((np.einsum("b,tibj,jtb->bti", d.gain, d.metric, d.turned) ** 2).sum(2)),
    ),
    ("matvec", "sqnorm(matvec(aim, pos))", lambda d: steps(((d.pos * d.aim) ** 2).sum(2))),
    ("matvec", "final(dot(aim, matvec(Q, vel)))", lambda d: np.einsum("i,ij,bj->b", d.aim, d.Q, d.vel[:, -1]).mean()),
    ("greater", "greater(cost, gain)*hold", lambda d: steps((d.cost > d.gain[:, None]) * d.hold[:, :, 0])),
    ("where", "where(valid, cost, 3*gain)", lambda d: steps(np.where(d.valid > 0, d.cost, 3 * d.gain[:, None]))),
    ("sqrt", "sqrt(cost)", lambda d: steps(np.sqrt(d.cost))),
    ("exp", "exp(-cost)", lambda d: steps(np.exp(-d.cost))),
    ("log", "log(cost)", lambda d: steps(np.log(d.cost))),
    ("log1p", "log1p(cost)", lambda d: steps(np.log(1 + d.cost))),
    ("tanh", "tanh(hold)", lambda d: steps(np.tanh(d.hold[:, :, 0]))),
    ("sigmoid", "sigmoid(hold)", lambda d: steps(1 / (1 + np.exp(-d.hold[:, :, 0])))),
    ("relu", "relu(hold)", lambda d: steps(np.maximum(d.hold[:, :, 0], 0))),
    ("softplus", "softplus(hold)", lambda d: steps(np.log(1 + np.exp(d.hold[:, :, 0])))),
    ("sin", "sin(hold)", lambda d: steps(np.sin(d.hold[:, :, 0]))),
    ("cos", "1 - cos(hold)", lambda d: steps(1 - np.cos(d.hold[:, :, 0]))),
    ("square", "square(hold)", lambda d: steps(d.hold[:, :, 0] ** 2)),
    ("minimum", "minimum(cost, gain)", lambda d: steps(np.minimum(d.cost, d.gain[:, None]))),
    ("minimum", "minimum(1, cost)", lambda d: steps(np.minimum(1, d.cost))),
    ("maximum", "maximum(ramp, cost)", lambda d: steps(np.maximum(d.ramp, d.cost))),
    ("clip", "clip(hold, -0.6, 0.6)", lambda d: steps(np.clip(d.hold[:, :, 0], -0.6, 0.6))),
    ("clip", "clip(cost, gain/2, 1.5)", lambda d: steps(np.clip(d.cost, d.gain[:, None] / 2, 1.5))),
    ("huber", "huber(hold)", lambda d: steps(huber(d.hold[:, :, 0], 1))),
    ("huber", "sum(huber(pos, delta=alpha), axis=xy)", lambda d: steps(huber(d.pos, 0.75).sum(2))),
    ("log_cosh", "log_cosh(hold)", lambda d: steps(np.log(np.cosh(d.hold[:, :, 0])))),
    ("smooth_abs", "smooth_abs(hold)", lambda d: steps(np.sqrt(d.hold[:, :, 0] ** 2 + 1e-6) - 1e-3)),
    ("smooth_abs", "smooth_abs(cost, eps=gain)", lambda d: steps(np.hypot(d.cost, d.gain[:, None]) - d.gain[:, None])),
    ("final", "square(final(cost))", lambda d: trials(d.cost[:, -1] ** 2)),
    ("initial", "square(initial(cost))", lambda d: trials(d.cost[:, 0] ** 2)),
    ("diff", "sqnorm(diff(pos))", lambda d: steps(((d.pos[:, 1:] - d.pos[:, :-1]) ** 2).sum(2))),
    ("diff", "sqnorm(diff(pos, n=3))", lambda d: steps((np.diff(d.pos, 3, 1) ** 2).sum(2))),
    ("cumsum", "square(cumsum(cost))", lambda d: steps(np.cumsum(d.cost, 1) ** 2)),
    ("discount", "discount(cost, exponent=6)", lambda d: steps(ramp(d.cost, 6) * d.cost)),
    (
        "discount",
        "square(discount(sum(pos, axis=xy), exponent=alpha))",
        lambda d: steps((ramp(d.pos, 0.75) * d.pos.sum(2)) ** 2),
    ),
    # At step 30, where `alpha` is 0.75.
    ("linear", "linear(2, 1, 40)*cost", lambda d: 1.25 * steps(d.cost)),
    ("linear", "square(linear(0, 4, alpha*2, at=alpha)*cost)", lambda d: 4 * steps(d.cost**2)),
    ("cosine", "cosine(2, 1, 40)*cost", lambda d: (1.5 - np.sqrt(2) / 4) * steps(d.cost)),
    ("exponential", "square(exponential(2, 0.25, 60)*cost)", lambda d: steps(d.cost**2)),
    ("piecewise", "piecewise(1, 20, 2, 30, 3, 31, 4)*cost", lambda d: 3 * steps(d.cost)),
    ("piecewise", "sqnorm(piecewise(1, 0.5, 2, 1, 3, at=alpha)*pos)", lambda d: 4 * steps((d.pos**2).sum(2))),
    ("warmup", "warmup(2, 120)*cost", lambda d: 0.5 * steps(d.cost)),
    ("cyclic", "cyclic(1, 5, 20)*cost", lambda d: 5 * steps(d.cost)),
    ("cyclic", "cyclic(1, 5, 25, ratio=0.8, at=step)*cost", lambda d: 2 * steps(d.cost)),
]


def picked(x, mask, at):
    """The first or last number of each row where a mask is not 0; 0 where there is none."""
    return np.array([row[keep != 0][at] if keep.any() else 0.0 for row, keep in zip(x, mask, strict=True)])


def over(x, mask, function, empty=0.0):
    """A function of those numbers of each row that a mask leaves in."""
    return np.array([function(row[keep != 0]) if keep.any() else empty for row, keep in zip(x, mask, strict=True)])


def so_far(x, mask, function):
    """A function of those numbers of each row up to each step that a mask leaves in; 0 before the first."""
    return np.stack([over(x[:, : t + 1], mask[:, : t + 1], function) for t in range(x.shape[1])], 1)


def valid_steps(d):
    return np.maximum((d.valid != 0).sum(1, keepdims=True), 1)


def returns(x, gamma, last, mask=None):
    """The discounted sum of each step and those after it, step by step from behind."""
    found, after = np.zeros_like(x), last + np.zeros(x.shape[0])
    gamma, mask = gamma + np.zeros_like(x), np.ones_like(x) if mask is None else mask
    for t in reversed(range(x.shape[1])):
        after = np.where(mask[:, t] != 0, x[:, t] + gamma[:, t] * after, after)
        found[:, t] = np.where(mask[:, t] != 0, after, 0)
    return found


def erf(x):
    import math

    return np.vectorize(math.erf)(x)


def spectrum(x, axis):
    return abs(np.fft.rfft(x, axis=axis)) ** 2


def masked_softmax(x, mask):
    e = np.where(mask != 0, np.exp(x), 0)
    total = e.sum(1, keepdims=True)
    return e / np.where(total == 0, 1, total)


def log_masked(x, mask):
    e = np.where(mask != 0, np.exp(x), 0).sum(1, keepdims=True)
    return np.where(mask != 0, x - np.log(np.where(e == 0, 1, e)), 0)


def weighted_var(x, mask, ddof=0):
    """Of each row, with the mask for weights."""
    n = mask.sum(1)
    middle = (x * mask).sum(1) / np.where(n == 0, 1, n)
    total = (mask * (x - middle[:, None]) ** 2).sum(1)
    return np.where(n > ddof, total / np.where(n > ddof, n - ddof, 1), 0)


def pairs(x, y):
    return x @ y.T


def places(x, n):
    """Numbers as places from 0 to n - 1."""
    return (x > 0.7).astype(int) % n


def steps_of(x):
    return np.arange(x.shape[1])


# What came with axes that are given, joined and counted, and with masks for all reductions.
ROWS += [
    ("tan", "tan(cost/2)", lambda d: steps(np.tan(d.cost / 2))),
    ("erf", "erf(hold)", lambda d: steps(erf(d.hold[:, :, 0]))),
    ("atan2", "atan2(hold, cost)", lambda d: steps(np.arctan2(d.hold[:, :, 0], d.cost))),
    ("atan2", "atan2(gain, -cost)", lambda d: steps(np.arctan2(d.gain[:, None], -d.cost))),
    ("less", "less(cost, gain)*hold", lambda d: steps((d.cost < d.gain[:, None]) * d.hold[:, :, 0])),
    ("equal", "equal(valid, 1)*hold", lambda d: steps((d.valid == 1) * d.hold[:, :, 0])),
    ("sign", "sign(hold)*cost", lambda d: steps(np.sign(d.hold[:, :, 0]) * d.cost)),
    (
        "minimum",
        "minimum(cost, gain, 1, ramp)",
        lambda d: steps(np.minimum(d.cost, np.minimum(d.gain[:, None], np.minimum(1, d.ramp)))),
    ),
    ("maximum", "maximum(cost, gain, 1)", lambda d: steps(np.maximum(d.cost, np.maximum(d.gain[:, None], 1)))),
    ("argmax", "argmax(cost)*gain", lambda d: trials(d.cost.argmax(1) * d.gain)),
    ("argmax", "gather(turned, argmax(turned, axis=xy), axis=xy)", lambda d: steps(d.turned.max(0).T)),
    (
        "argmax",
        "argmax(cost, where=valid)*gain",
        lambda d: trials(np.where(d.valid > 0, d.cost, -np.inf).argmax(1) * d.gain),
    ),
    ("cvar", "cvar(gain, 0.5)", lambda d: tail(d.gain, 0.5)),
    ("cvar", "cvar(cost, 0.3, axis=time)", lambda d: trials(np.stack([tail(row, 0.3) for row in d.cost]))),
    ("cvar", "cvar(mean(cost), 0.6, where=greater(gain, 0.9))", lambda d: tail(d.cost.mean(1)[d.gain > 0.9], 0.6)),
    ("worst", "worst(mean(cost))", lambda d: d.cost.mean(1).max()),
    ("worst", "worst(cost, axis=(batch, time), where=valid)", lambda d: d.cost[d.valid > 0].max()),
    ("entropic", "entropic(gain, 2)", lambda d: np.log(np.exp(2 * d.gain).mean()) / 2),
    ("entropic", "entropic(cost, -0.5, axis=time)", lambda d: trials(-2 * np.log(np.exp(-0.5 * d.cost).mean(1)))),
    ("@", "mean(cost@late)", lambda d: trials(d.cost[:, 2:].mean(1))),
    ("@", "sum(norm(turned@late), axis=time)", lambda d: trials(np.linalg.norm(d.turned[:, 2:], axis=0).sum(0))),
    ("stop_gradient", "0*cost + equal(stop_gradient(cost), cost)", lambda d: d.cost.shape[1] + 0 * steps(d.cost)),
    ("var", "var(cost)", lambda d: trials(d.cost.var(1))),
    ("var", "var(cost, ddof=1)", lambda d: trials(d.cost.var(1, ddof=1))),
    ("var", "sum(var(pos, axis=batch), axis=(xy, time))", lambda d: d.pos.var(0).sum()),
    ("var", "var(pos, axis=(time, xy))", lambda d: trials(d.pos.var((1, 2)))),
    ("var", "var(cost, where=valid)", lambda d: trials(weighted_var(d.cost, d.valid))),
    ("var", "var(cost, where=ramp)", lambda d: trials(weighted_var(d.cost, d.ramp + 0 * d.cost))),
    ("var", "var(cost, ddof=1, where=valid)", lambda d: trials(weighted_var(d.cost, d.valid, 1))),
    ("std", "std(cost)", lambda d: trials(d.cost.std(1))),
    ("std", "std(pos, ddof=alpha, axis=(time, xy))", lambda d: trials(d.pos.std((1, 2), ddof=0.75))),
    ("std", "std(cost, where=valid)", lambda d: trials(np.sqrt(weighted_var(d.cost, d.valid)))),
    ("quantile", "quantile(cost, 0.3, axis=time)", lambda d: trials(np.quantile(d.cost, 0.3, axis=1))),
    ("quantile", "quantile(cost, 0, axis=time)", lambda d: trials(d.cost.min(1))),
    ("quantile", "quantile(cost, 1, axis=time)", lambda d: trials(d.cost.max(1))),
    ("quantile", "quantile(pos, alpha, axis=(time, xy))", lambda d: trials(np.quantile(d.pos, 0.75, axis=(1, 2)))),
    (
        "quantile",
        "sum(quantile(pos, 0.6, axis=batch), axis=(xy, time))",
        lambda d: np.quantile(d.pos, 0.6, axis=0).sum(),
    ),
    (
        "quantile",
        "quantile(cost, 0.4, where=valid, axis=time)",
        lambda d: trials(over(d.cost, d.valid, lambda r: np.quantile(r, 0.4))),
    ),
    ("max", "max(cost, where=valid)", lambda d: trials(over(d.cost, d.valid, np.max))),
    (
        "max",
        "max(pos, where=seen, axis=(xy, time))",
        lambda d: trials(
            over(d.pos.reshape(len(d.pos), -1), (d.seen[:, None] + 0 * d.pos).reshape(len(d.pos), -1), np.max)
        ),
    ),
    ("min", "min(cost, where=valid)", lambda d: trials(over(d.cost, d.valid, np.min))),
    ("min", "min(cost, where=valid, axis=batch)", lambda d: over(d.cost.T, d.valid.T, np.min).sum()),
    ("norm", "norm(cost, where=valid, axis=time)", lambda d: trials(np.sqrt((d.valid * d.cost**2).sum(1)))),
    ("norm", "norm(map, axis=(xy, hidden))", lambda d: steps(np.sqrt((d.map**2).sum((2, 3))))),
    ("norm", "norm(pos, where=gain)", lambda d: steps(np.sqrt(d.gain[:, None] * (d.pos**2).sum(2)))),
    ("sqnorm", "sqnorm(pos, where=seen)", lambda d: steps((d.seen[:, None] * d.pos**2).sum(2))),
    (
        "sqnorm",
        "sqnorm(pos, where=gain, axis=(xy, time))",
        lambda d: trials((d.gain[:, None, None] * d.pos**2).sum((1, 2))),
    ),
    ("l1norm", "l1norm(pos, where=seen)", lambda d: steps((d.seen[:, None] * abs(d.pos)).sum(2))),
    ("l1norm", "l1norm(cost, where=ramp, axis=time)", lambda d: trials((d.ramp * abs(d.cost)).sum(1))),
    ("dot", "dot(map, turned, axis=(xy, hidden))", lambda d: steps((d.map * swapped(d.turned)[..., None]).sum((2, 3)))),
    ("dot", "sum(square(dot(z, rename(z, batch=other))), axis=other)", lambda d: (pairs(d.z, d.z) ** 2).sum(1).mean()),
    (
        "dot",
        "sum(sum(tanh(dot(map, rename(hidden, time=other), axis=hidden)), axis=xy), axis=other)",
        lambda d: steps(np.tanh(np.einsum("btxh,bsh->btxs", d.map, d.hidden)).sum((2, 3))),
    ),
    (
        "softmax",
        "dot(softmax(pos, where=seen), vel)",
        lambda d: steps(
            (
                masked_softmax(
                    d.pos.swapaxes(1, 2).reshape(len(d.pos), d.pos.shape[2], -1), d.seen[:, :, None]
                ).swapaxes(1, 2)
                * d.vel
            ).sum(2)
        ),
    ),
    ("softmax", "square(softmax(cost, where=valid, axis=time))", lambda d: steps(masked_softmax(d.cost, d.valid) ** 2)),
    (
        "softmax",
        "dot(softmax(map, axis=(xy, hidden)), map, axis=(xy, hidden))",
        lambda d: steps((softmax(d.map, (2, 3)) * d.map).sum((2, 3))),
    ),
    (
        "log_softmax",
        "square(log_softmax(cost, where=valid, axis=time))",
        lambda d: steps(log_masked(d.cost, d.valid) ** 2),
    ),
    (
        "logsumexp",
        "logsumexp(cost, where=valid, axis=time)",
        lambda d: trials(over(d.cost, d.valid, lambda r: np.log(np.exp(r).sum()))),
    ),
    ("logsumexp", "logsumexp(map, axis=(hidden, xy))", lambda d: steps(np.log(np.exp(d.map).sum((2, 3))))),
    (
        "cross_entropy",
        "cross_entropy(map, softmax(2*map, axis=hidden), axis=(xy, hidden))",
        lambda d: steps(-(np.log(softmax(d.map, (2, 3))) * softmax(2 * d.map, 3)).sum((2, 3))),
    ),
    (
        "kl_divergence",
        "kl_divergence(map, 0.5*map, axis=(xy, hidden))",
        lambda d: steps(kl(softmax(d.map, (2, 3)), softmax(d.map / 2, (2, 3))).sum((2, 3))),
    ),
    ("final", "final(cost, where=valid)", lambda d: trials(picked(d.cost, d.valid, -1))),
    ("final", "square(final(pos, axis=xy))", lambda d: steps(d.pos[..., -1] ** 2)),
    ("final", "final(cost, where=valid, axis=batch)", lambda d: picked(d.cost.T, d.valid.T, -1).sum()),
    ("initial", "initial(cost, where=valid)", lambda d: trials(picked(d.cost, d.valid, 0))),
    ("initial", "square(initial(hidden, axis=hidden))", lambda d: steps(d.hidden[..., 0] ** 2)),
    ("diff", "sqnorm(diff(hidden, axis=hidden))", lambda d: steps((np.diff(d.hidden, axis=2) ** 2).sum(2))),
    ("cumsum", "square(cumsum(cost, where=valid))", lambda d: steps(np.cumsum(d.cost * d.valid, 1) ** 2)),
    ("cumsum", "sqnorm(cumsum(hidden, axis=hidden))", lambda d: steps((np.cumsum(d.hidden, 2) ** 2).sum(2))),
    ("cummax", "square(cummax(cost))", lambda d: steps(np.maximum.accumulate(d.cost, 1) ** 2)),
    (
        "cummax",
        "sqnorm(cummax(hidden, axis=hidden))",
        lambda d: steps((np.maximum.accumulate(d.hidden, 2) ** 2).sum(2)),
    ),
    ("cummax", "square(cummax(cost, where=valid))", lambda d: steps(so_far(d.cost, d.valid, np.max) ** 2)),
    ("cummin", "square(cummin(cost))", lambda d: steps(np.minimum.accumulate(d.cost, 1) ** 2)),
    ("cummin", "square(cummin(cost, where=valid))", lambda d: steps(so_far(d.cost, d.valid, np.min) ** 2)),
    (
        "discount",
        "discount(cost, exponent=2, where=valid)",
        lambda d: steps((d.valid != 0) * d.cost * (np.cumsum(d.valid != 0, 1) / valid_steps(d)) ** 2),
    ),
    (
        "discount",
        "sum(discount(cost, exponent=2, where=valid), where=valid)",
        lambda d: steps((d.valid != 0) * d.cost * (np.cumsum(d.valid != 0, 1) / valid_steps(d)) ** 2 * d.valid),
    ),
    (
        "discount",
        "sum(discount(hidden, exponent=3, axis=hidden), axis=hidden)",
        lambda d: steps((d.hidden * (np.arange(1, d.hidden.shape[2] + 1) / d.hidden.shape[2]) ** 3).sum(2)),
    ),
    ("discounted_sum", "square(discounted_sum(cost, 0.9))", lambda d: steps(returns(d.cost, 0.9, 0) ** 2)),
    (
        "discounted_sum",
        "square(discounted_sum(cost, alpha, last=gain))",
        lambda d: steps(returns(d.cost, 0.75, d.gain) ** 2),
    ),
    (
        "discounted_sum",
        "initial(discounted_sum(cost, ramp/2, last=2))",
        lambda d: trials(returns(d.cost, d.ramp / 2, 2)[:, 0]),
    ),
    (
        "discounted_sum",
        "square(discounted_sum(cost, hold/2, last=gain, where=valid))",
        lambda d: steps(returns(d.cost, d.hold[:, :, 0] / 2, d.gain, d.valid) ** 2),
    ),
    (
        "discounted_sum",
        "sqnorm(discounted_sum(turned, 0.5, axis=xy))",
        lambda d: steps(
            (np.stack([returns(swapped(d.turned)[:, t], 0.5, 0) for t in range(d.turned.shape[1])], 1) ** 2).sum(2)
        ),
    ),
    ("power_spectrum", "tanh(power_spectrum(cost))", lambda d: steps(np.tanh(spectrum(d.cost, 1)))),
    (
        "power_spectrum",
        "sum(sqrt(1 + power_spectrum(hidden, axis=hidden)), axis=hidden)",
        lambda d: steps(np.sqrt(1 + spectrum(d.hidden, 2)).sum(2)),
    ),
    (
        "expand",
        "square(cost - expand(mean(cost), axis=time))",
        lambda d: steps((d.cost - d.cost.mean(1, keepdims=True)) ** 2),
    ),
    (
        "expand",
        "square(expand(ramp, axis=batch) - expand(gain, axis=time))",
        lambda d: steps((d.ramp - d.gain[:, None]) ** 2),
    ),
    (
        "expand",
        "sqnorm(expand(aim, axis=(batch, time)) - turned)",
        lambda d: steps(((d.aim - swapped(d.turned)) ** 2).sum(2)),
    ),
    (
        "expand",
        "square(sum(expand(gain, axis=xy, like=pos), axis=xy))",
        lambda d: trials((d.gain * d.pos.shape[2]) ** 2),
    ),
    ("expand", "sum(cost, where=expand(gain, axis=time))", lambda d: steps(d.cost * d.gain[:, None])),
    ("expand", "max(cost - expand(alpha, axis=(batch, time)))", lambda d: trials(d.cost.max(1) - 0.75)),
    (
        "rename",
        "mean(square(expand(gain, axis=other) - rename(gain, batch=other)), axis=other)",
        lambda d: ((d.gain[:, None] - d.gain) ** 2).mean(),
    ),
    (
        "rename",
        "sum(sum(rename(rename(map, xy=h2, hidden=x2), h2=a, x2=b)*gain, axis=a), axis=b)",
        lambda d: steps((d.map * d.gain[:, None, None, None]).sum((2, 3))),
    ),
    ("index", "cost*index(axis=time)", lambda d: steps(d.cost * steps_of(d.cost))),
    ("index", "cost*0.9**index(axis=batch)", lambda d: steps(d.cost * 0.9 ** np.arange(len(d.cost))[:, None])),
    (
        "index",
        "i = index(axis=time); sum(cost, where=less(i, 2)) + hold[1:]*i",
        lambda d: d.cost[:, :2].sum(1).mean() + steps(d.hold[:, 1:, 0] * steps_of(d.cost[:, 1:])),
    ),
    (
        "index",
        "square(sum(index(axis=xy)*pos, axis=xy))",
        lambda d: steps((d.pos * np.arange(d.pos.shape[2])).sum(2) ** 2),
    ),
    ("length", "cost/length(axis=time)", lambda d: trials(d.cost.mean(1))),
    ("length", "n = length(axis=batch); gain*n/(n - 1)", lambda d: d.gain.mean() * len(d.gain) / (len(d.gain) - 1)),
    ("length", "final(cost)/length(axis=(time, xy), like=pos)", lambda d: trials(d.cost[:, -1]) / d.pos[0].size),
    (
        "gather",
        "gather(pos, greater(cost, 0.7), axis=xy)",
        lambda d: steps(np.take_along_axis(d.pos, places(d.cost, 2)[..., None], 2)[..., 0]),
    ),
    ("gather", "square(gather(aim, greater(cost, 0.7), axis=xy))", lambda d: steps(d.aim[places(d.cost, 2)] ** 2)),
    ("gather", "gather(cost, 1, axis=time)", lambda d: trials(d.cost[:, 1])),
    (
        "gather",
        "square(gather(turned, greater(gain, 0.7), axis=xy))",
        lambda d: steps(np.stack([swapped(d.turned)[b, :, i] for b, i in enumerate(places(d.gain, 2))]) ** 2),
    ),
    (
        "one_hot",
        "sqnorm(one_hot(greater(cost, 0.7), axis=xy) - pos)",
        lambda d: steps(((np.eye(d.pos.shape[2])[places(d.cost, 2)] - d.pos) ** 2).sum(2)),
    ),
    ("one_hot", "dot(one_hot(1, axis=xy), pos)", lambda d: steps(d.pos[..., 1])),
    ("one_hot", "sqnorm(one_hot(7, axis=xy) - pos)", lambda d: steps((d.pos**2).sum(2))),
]

# Text, the same in NumPy: operands are aligned by the names of their axes, whatever their order or number.
ALIGNED = [
    ("cost*ramp", lambda d: steps(d.cost * d.ramp)),
    ("ramp*cost", lambda d: steps(d.cost * d.ramp)),
    ("cost*hold", lambda d: steps(d.cost * d.hold[:, :, 0])),
    ("flag*cost", lambda d: steps(d.cost * d.flag[0, :, 0].T)),
    ("flag*gain", lambda d: steps(d.flag[0, :, 0].T * d.gain[:, None])),
    ("square(gain + flag - ramp)", lambda d: steps((d.flag[0, :, 0].T + d.gain[:, None] - d.ramp) ** 2)),
    ("clip(cost, -ramp, flag)", lambda d: steps(np.minimum(np.maximum(d.cost, -d.ramp), d.flag[0, :, 0].T))),
    ("sum(pos*aim, axis=xy)", lambda d: steps((d.pos * d.aim).sum(2))),
    ("sum(pos*gain, axis=xy)", lambda d: steps((d.pos * d.gain[:, None, None]).sum(2))),
    ("sum(ramp*pos, axis=xy)", lambda d: steps((d.pos * d.ramp[:, None]).sum(2))),
    ("sum(pos*flag, axis=xy)", lambda d: steps((d.pos * d.flag[0, :, 0].T[..., None]).sum(2))),
    ("sqnorm(pos - turned)", lambda d: steps(((d.pos - swapped(d.turned)) ** 2).sum(2))),
    ("sqnorm(turned - pos)", lambda d: steps(((d.pos - swapped(d.turned)) ** 2).sum(2))),
    ("dot(steps_first, turned)", lambda d: steps((d.steps_first.swapaxes(0, 1) * swapped(d.turned)).sum(2))),
    ("dot(aim, turned)", lambda d: steps((swapped(d.turned) * d.aim).sum(2))),
    ("norm(steps_first)*cost", lambda d: steps(np.sqrt((d.steps_first.swapaxes(0, 1) ** 2).sum(2)) * d.cost)),
    ("sum(sum(map*turned, axis=hidden), axis=xy)", lambda d: steps((d.map * swapped(d.turned)[..., None]).sum((2, 3)))),
    ("sqnorm(final(turned))", lambda d: trials((d.turned[:, -1] ** 2).sum(0))),
    ("sqnorm(diff(turned))", lambda d: steps((np.diff(swapped(d.turned), axis=1) ** 2).sum(2))),
    ("sqnorm(cumsum(steps_first))", lambda d: steps((d.steps_first.cumsum(0).swapaxes(0, 1) ** 2).sum(2))),
    (
        "sqnorm(discount(turned, exponent=2))",
        lambda d: steps(((swapped(d.turned) * ramp(d.turned, 2)[:, None]) ** 2).sum(2)),
    ),
    ("flag", lambda d: steps(d.flag[0, :, 0].T)),
    ("ramp", lambda d: d.ramp.sum()),
]

# The rule of terms, and sums whose addends do not all have `time`: a label or a definition changes nothing.
TERMS = [
    ("cost + gain", lambda d: steps(d.cost) + trials(d.gain)),
    ("(cost + gain) as both", lambda d: steps(d.cost) + trials(d.gain)),
    ("both = cost + gain; both", lambda d: steps(d.cost) + trials(d.gain)),
    ("both = cost + gain; -both/2 + 3*gain", lambda d: -steps(d.cost) / 2 + 2.5 * trials(d.gain)),
    ("2*(cost - (ramp - hold)/4) as all", lambda d: 2 * steps(d.cost - d.ramp / 4 + d.hold[:, :, 0] / 4)),
    ("2*(gain - (cost - gain)/4) as all", lambda d: 2.5 * trials(d.gain) - steps(d.cost) / 2),
    ("both = cost + gain; final(both)", lambda d: trials(d.cost[:, -1] + d.gain)),
    ("both = cost + gain; sum(both)", lambda d: steps(d.cost + d.gain[:, None])),
    ("both = cost + gain; ramp*both", lambda d: steps(d.ramp * (d.cost + d.gain[:, None]))),
    ("1 - cost", lambda d: steps(1 - d.cost)),
    ("1 - gain", lambda d: trials(1 - d.gain)),
    ("1 + cost - gain", lambda d: 1 + steps(d.cost) - trials(d.gain)),
    ("final(2*cost + alpha*hold)", lambda d: trials(2 * d.cost[:, -1] + 0.75 * d.hold[:, -1, 0])),
]

INDEXES = [
    ("0", 0),
    ("-1", -1),
    ("2", 2),
    ("-5", -5),
    ("1:", np.s_[1:]),
    (":-1", np.s_[:-1]),
    (":3", np.s_[:3]),
    ("-3:", np.s_[-3:]),
    ("1:4", np.s_[1:4]),
    ("1:50", np.s_[1:50]),
    ("-50:2", np.s_[-50:2]),
    ("::2", np.s_[::2]),
    ("1::2", np.s_[1::2]),
    ("::-1", np.s_[::-1]),
    ("3:0:-1", np.s_[3:0:-1]),
    ("-1:-4:-2", np.s_[-1:-4:-2]),
    (":", np.s_[:]),
]


def ahead(x, start, stop, function):
    """A function of the steps from t + start to t + stop, at each step t where they are there."""
    return np.stack([function(x[:, t + start : t + stop + 1], 1) for t in range(x.shape[1] - stop)], 1)


def until(p, q):
    """At the first step."""
    return np.max([np.minimum(p[:, : u + 1].min(1), q[:, u]) for u in range(p.shape[1])], 0)


ROWS += [
    ("<", "robustness(always(cost < gain))", lambda d: trials((d.gain[:, None] - d.cost).min(1))),
    (
        ">",
        "violation(eventually(cost > 2*gain))",
        lambda d: trials(np.maximum(-(d.cost - 2 * d.gain[:, None]).max(1), 0)),
    ),
    (
        "and",
        "robustness(eventually(cost < gain and ramp < 3 and hold < 0.5))",
        lambda d: trials(np.minimum(np.minimum(d.gain[:, None] - d.cost, 3 - d.ramp), 0.5 - d.hold[..., 0]).max(1)),
    ),
    (
        "or",
        "robustness(always(cost > 1 or hold > 0.3, within=2))",
        lambda d: trials(np.maximum(d.cost - 1, d.hold[..., 0] - 0.3)[:, :3].min(1)),
    ),
    ("not", "robustness(not always(hold < 0))", lambda d: trials(d.hold[..., 0].max(1))),
    (
        "always",
        "robustness(eventually(always(hold < 1, within=2)))",
        lambda d: trials(ahead(1 - d.hold[..., 0], 0, 2, np.min).max(1)),
    ),
    (
        "eventually",
        "robustness(always(eventually(hold > 0, within=(1, 2)), within=1))",
        lambda d: trials(ahead(d.hold[..., 0], 1, 2, np.max)[:, :2].min(1)),
    ),
    ("until", "robustness(until(cost < 1.5, hold > 0))", lambda d: trials(until(1.5 - d.cost, d.hold[..., 0]))),
    (
        "robustness",
        "2*robustness(always(cost < 3), smooth=logsumexp, sharpness=2*alpha)",
        lambda d: -2 * trials(np.log(np.exp(1.5 * (d.cost - 3)).sum(1)) / 1.5),
    ),
    (
        "violation",
        "violation(always(cost < 1), margin=gain)",
        lambda d: trials(np.maximum(d.gain - (1 - d.cost).min(1), 0)),
    ),
]


def test_every_operator_has_a_row():
    assert {operator for operator, _, _ in ROWS} == set(OPS)
    for operator, text, _ in ROWS:
        used = {node.op.name for node in ld.parse(text).walk() if hasattr(node, "op")}
        assert operator in used, f"the row {text!r} does not use {operator}"


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("operator, text, expected", ROWS, ids=[text for _, text, _ in ROWS])
def test_operator(operator, text, expected, sizes, precision):
    check(text, expected, sizes, precision)


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("text, expected", [row[-2:] for row in [*ROWS, *ALIGNED, *TERMS]])
def test_oracle(text, expected, sizes):
    """The oracle of the random tests is itself held against the tables."""
    arrays = vars(as_float64(sample(sizes)))
    named = {name: Named.declared(arrays[name], shape) for name, shape in SHAPES.items()}
    assert_allclose(
        Oracle(named, numbers={"alpha": 0.75, "step": STEP}, inside=late).total(ld.parse(text)),
        expected(as_float64(arrays)),
    )


@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
@pytest.mark.parametrize("text, expected", ALIGNED, ids=[text for text, _ in ALIGNED])
def test_axes_align_by_name(text, expected, sizes, precision):
    check(text, expected, sizes, precision)


@pytest.mark.parametrize(
    "text",
    [
        "gain*ramp",
        "sqnorm(pos - hidden)",
        "dot(aim, cost)",
        "clip(gain, 0, ramp)",
        "mean(cost, where=pos)",
        "mean(gain, where=ramp, axis=batch)",
        "quadratic_form(hidden, Q)",
        "dot(Q, pos, axis=xy)",
        "dot(pos, metric)",
        "sqnorm(matvec(Q, hidden))",
        "sqnorm(matvec(pos, Q))",
        "sqnorm(matvec(net, pos))",
        "quadratic_form(pos, hidden)",
        "quadratic_form(map, Q)",
        "quadratic_form(cost, Q)",
        "quadratic_form(pos, net)",
        "quadratic_form(pos, sum(Q, axis=xy))",
        "cross_entropy(cost, pos)",
        "cross_entropy(pos, hidden)",
        "kl_divergence(pos, cost)",
        "softmax(map)",
        "diff(gain, n=2)",
        "diff(cost, n=0)",
        "diff(cost, n=alpha)",
        "diff(cost, n=1.5)",
    ],
)
def test_axes_that_do_not_fit_are_refused(text):
    with pytest.raises(ld.LossAxesError):
        ld.compile(text, VOCABULARY)


@pytest.mark.parametrize("text, expected", TERMS, ids=[text for text, _ in TERMS])
def test_terms(text, expected, precision):
    check(text, expected, SIZES["distinct"], precision)


@pytest.mark.parametrize("at, index", INDEXES, ids=[at for at, _ in INDEXES])
def test_index(at, index):
    """On each place that `time` can have, in brackets and after `@`."""
    arrays = sample(SIZES["distinct"])
    d = as_float64(arrays)
    text = f"sqnorm(pos[{at}]) + sqnorm(steps_first@{at}) + sqnorm(turned[{at}]) + square(ramp[{at}])"

    def expected(d):
        parts = [d.pos[:, index], d.steps_first[index].swapaxes(0, -2), d.turned[:, index].swapaxes(0, -1)]
        per_trial = sum((part**2).sum(tuple(range(1, part.ndim))) for part in parts)
        return per_trial.mean() + (d.ramp[index] ** 2).sum()

    with jax.enable_x64(True):
        value, gradient = total_and_gradient(text, arrays)
    assert_allclose(value, expected(d), rtol=1e-12)
    wanted = slopes(expected, {name: arrays[name] for name in gradient})
    for name in ("pos", "steps_first", "turned", "ramp"):
        assert_allclose(gradient[name], wanted[name], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("at", ["5", "-6", "5:", "3:3", ":-5", "2:4:-1"])
def test_window_outside_the_data_is_refused(at):
    loss = ld.compile(f"cost[{at}]", VOCABULARY)
    with pytest.raises(ld.LossDataError, match=re.escape(f"cost[{at}]")):
        loss(sample(SIZES["distinct"]), None)


def test_sqnorm_of_a_pytree(precision):
    """Only its arrays of floats count."""
    arrays = sample(SIZES["distinct"], precision)
    kept = arrays["net"]
    arrays["net"] = {**kept, "activation": jnp.tanh, "width": 3, "index": jnp.arange(4), "none": None}
    loss = ld.compile("2*sqnorm(net)", VOCABULARY)

    def total(kept):
        return loss({**arrays, "net": {**arrays["net"], **kept}}, None).total

    value, gradient = jax.value_and_grad(total)(kept)
    squares = sum((leaf.astype(np.float64) ** 2).sum() for leaf in jax.tree.leaves(kept))
    assert_allclose(value, 2 * squares, rtol=1e-6)
    for found, leaf in zip(jax.tree.leaves(gradient), jax.tree.leaves(kept), strict=True):
        assert_allclose(found, 4 * leaf, rtol=1e-6)
    assert loss({"net": {"width": 3}}, None).total == 0


@pytest.mark.parametrize(
    "text",
    [
        "norm(pos)",
        "norm(pos)**2",
        "square(norm(pos))",
        "hold*norm(pos)",
        "norm(diff(pos))",
        "norm(pos - vel)",
        "sum(norm(pos, axis=time), axis=xy)",
        "sqnorm(pos)",
        "sqnorm(net)",
        "dot(pos, vel)",
        "l1norm(pos)",
        "l1norm(net)",
        "quadratic_form(pos, Q)",
        "kl_divergence(pos, vel)",
        "mean(norm(pos), where=1 - hold, axis=(batch, time))",
        "abs(hold)",
        "relu(hold)",
        "square(hold)",
        "huber(hold)",
        "log_cosh(hold)",
        "smooth_abs(hold)",
        "1 - cos(hold)",
        "hold**2",
        "hold**3",
    ],
)
def test_gradient_at_zero_is_zero(text, precision):
    arrays = jax.tree.map(np.zeros_like, sample(SIZES["distinct"], precision))
    value, gradient = total_and_gradient(text, arrays)
    assert value == 0
    for leaf in jax.tree.leaves(gradient):
        assert_allclose(leaf, 0)


MASKED = [
    "sum(cost, where=valid)",
    "mean(sqrt(cost), where=valid, axis=(batch, time))",
    "mean(square(cost - hold), where=valid)",
    "mean(norm(pos - vel)/cost, where=valid)",
    "error = log(cost) - hold; mean(square(error), where=valid) + mean(abs(error), where=valid)",
    "mean(sqnorm(diff(pos)), where=valid[1:])",
    "mean(kl_divergence(pos, vel)*cost**-0.5, where=valid)",
    "mean(where(greater(cost, 1), log(cost), cost), where=valid)",
    "mean(mean(log(cost), where=valid), where=gain, axis=batch)",
]


@pytest.mark.parametrize("left_out", [0.0, -1.0, np.nan, np.inf])
@pytest.mark.parametrize("text", MASKED)
def test_what_a_mask_leaves_out_changes_neither_value_nor_gradient(text, left_out, precision):
    whole = sample(SIZES["distinct"], precision)
    # Invalid to the end from some step on, as padded trials are.
    whole["valid"] = (np.arange(5) < np.array([[5], [3], [0]])).astype(precision)
    padded = {**whole, **{name: whole[name].copy() for name in ("cost", "hold", "pos", "vel")}}
    for name in ("cost", "hold", "pos", "vel"):
        padded[name][whole["valid"] == 0] = left_out
    value, gradient = total_and_gradient(text, padded)
    wanted, wanted_gradient = total_and_gradient(text, whole)
    assert np.isfinite(value)
    assert_allclose(value, wanted, rtol=1e-6)
    for name in set(gradient) - {"valid", "gain"}:
        assert_allclose(gradient[name], wanted_gradient[name], rtol=1e-5, atol=1e-6)
        # A difference reaches over the end of a trial.
        assert "diff" in text or not np.any(np.asarray(gradient[name])[whole["valid"] == 0])


def test_a_mean_of_nothing_is_zero(precision):
    arrays = sample(SIZES["distinct"], precision)
    arrays["valid"][:] = 0
    value, gradient = total_and_gradient("mean(log(cost), where=valid) + sum(cost, where=valid)", arrays)
    assert value == 0
    assert not np.any(gradient["cost"])


@pytest.mark.parametrize("label", [-1, 2, 7])
def test_a_label_that_is_no_class_gives_nan(label):
    arrays = {**sample(SIZES["distinct"]), "cost": np.full((3, 5), label)}
    assert np.isnan(ld.compile("cross_entropy(pos, cost)", VOCABULARY)(arrays, None).total)


@pytest.mark.parametrize("text", ["cross_entropy(pos, valid)", "kl_divergence(pos, vel)", "logsumexp(pos)"])
def test_huge_logits_neither_overflow_nor_lose_their_gradient(text, precision):
    arrays = sample(SIZES["distinct"], precision)
    arrays["pos"] *= 1e4
    value, gradient = total_and_gradient(text, arrays)
    assert np.isfinite(value)
    assert np.isfinite(gradient["pos"]).all()


def test_sigmoid_cross_entropy_of_huge_logits(precision):
    arrays = {**sample(SIZES["distinct"], precision), "cost": np.full((3, 5), 1e4, precision)}
    assert_allclose(total_and_gradient("sigmoid_cross_entropy(cost, 1)", arrays)[0], 0)
    assert_allclose(total_and_gradient("sigmoid_cross_entropy(-cost, 1)", arrays)[0], 5e4)


@pytest.mark.parametrize("text", ["norm(pos)", "norm(pos)**2", "sqnorm(pos)", "norm(pos)*norm(vel)"])
def test_one_zero_vector_leaves_the_other_gradients_alone(text, precision):
    arrays = sample(SIZES["distinct"], precision)
    whole = total_and_gradient(text, arrays)[1]
    arrays["pos"][1, 2] = 0
    holed = total_and_gradient(text, arrays)[1]
    assert_allclose(holed["pos"][1, 2], 0)
    whole["pos"] = whole["pos"].at[1, 2].set(0)
    assert_allclose(holed["pos"], whole["pos"], rtol=1e-6)


def test_square_root_of_zero_keeps_its_gradient():
    """Not quietly simplified to something that has one."""
    arrays = {"pos": np.zeros((3, 5, 2)), "hold": np.zeros((3, 5, 1))}
    for text in ("sqrt(sqnorm(pos))", "sqrt(hold)**2", "hold/hold", "0*sqrt(hold)", "sqrt(hold) - sqrt(hold)"):
        gradient = total_and_gradient(text, arrays)[1]
        assert np.isnan(gradient["pos" if "pos" in text else "hold"]).all(), text


HUNDREDS = {"float16": jnp.float16, "bfloat16": jnp.bfloat16}


@pytest.mark.parametrize("half", HUNDREDS)
@pytest.mark.parametrize(
    "text, expected",
    [
        ("cost", 1e5),
        ("sum(cost)", 1e5),
        ("mean(cost)", 1e2),
        ("final(cumsum(cost))", 1e5),
        ("sum(discount(cost, exponent=0))", 1e5),
        ("sqnorm(cost, axis=time)", 1e7),
        ("norm(cost, axis=time)", 1e7**0.5),
        ("dot(cost, cost, axis=time)", 1e7),
        ("l1norm(cost, axis=time)", 1e5),
        ("quadratic_form(cost, 1, axis=time)", 1e7),
        ("sum(cost, where=cost)", 1e7),
        ("mean(cost, where=cost)", 1e2),
        ("logsumexp(100*cost, axis=time)", 1e4 + np.log(1000)),
        ("sqnorm(net)", 1e7),
        ("gain", 1e2),
        ("mean(gain, axis=batch)", 1e2),
        ("sum(gain, axis=batch)", 1e5),
    ],
)
def test_sixteen_bit_reductions_accumulate_in_float32(text, expected, half):
    hundreds = jnp.full(1000, 100, half)
    states = {"cost": hundreds[None], "gain": hundreds, "net": [hundreds]}
    value = ld.compile(text, VOCABULARY)(states, None).total
    assert value.dtype == jnp.float32
    assert_allclose(value, expected, rtol=1e-6)


def test_sixteen_bit_products_of_a_vector_do_not_overflow():
    states = {"pos": jnp.full((1, 1, 2), 300, jnp.float16)}
    for text in ("sqnorm(pos)", "dot(pos, pos)", "norm(pos)**2"):
        assert ld.compile(text, VOCABULARY)(states, None).total == 180_000, text


def test_weights_do_not_widen_the_data():
    """float32 stays float32 where the weights are float64; that float64 stays so every row above has checked."""
    with jax.enable_x64(True):
        arrays = jax.tree.map(jnp.asarray, sample(SIZES["distinct"], np.float32))
        values = ld.compile("alpha*cost + 0.1*gain - sqnorm(net)/3 + discount(hold, exponent=2)", VOCABULARY)(
            arrays, None
        )
    assert {leaf.dtype.name for leaf in jax.tree.leaves(values)} == {"float32"}


@pytest.mark.slow
@pytest.mark.parametrize("kind, largest", [("bool", 1), ("int8", 20)])
def test_masks_and_counts_are_numbers(kind, largest):
    """Bools and integers count as the floats that they stand for."""
    rng = np.random.default_rng(0)
    arrays = sample(SIZES["distinct"], kind)
    for name in [name for name in SHAPES if name != "net"]:  # not a set, whose order is another each time
        arrays[name] = rng.integers(name in POSITIVE, largest + 1, arrays[name].shape).astype(kind)
    wrong = []
    for _, text, expected in ROWS:
        try:
            value = ld.compile(text, VOCABULARY)(arrays, None, step=STEP).total
            assert_allclose(value, expected(as_float64(arrays)), rtol=1e-4, atol=1e-4)
        except (AssertionError, TypeError, ld.LossError) as failure:
            wrong.append((text, str(failure).strip()))
    assert not wrong


def test_sqnorm_of_a_tree_with_complex_numbers():
    tree = {"z": jnp.array([1 + 2j, -3j]), "w": jnp.array([2.0]), "n": jnp.arange(3)}
    values = ld.compile("sqnorm(model)")(None, None, model=tree)
    assert values.total.dtype == jnp.float32
    assert float(values.total) == 1 + 4 + 9 + 4


def test_no_gradient_goes_into_what_is_stopped():
    """Not into the arrays, nor into parameters; a number is a weight like any other."""
    x = jnp.array([[1.0, 2.0]])
    rows = {"x": ("states.x", "batch time"), "y": ("states.y", "batch time")}
    vocabulary = ld.Vocabulary(rows, parameters={"alpha": 0.5})

    def gradients(text):
        loss = ld.compile(text, vocabulary)
        value = lambda states, loss: loss(states, None).total  # noqa: E731
        return jax.grad(value, argnums=(0, 1))({"x": x, "y": 3 * x}, loss)

    states, loss = gradients("square(y - stop_gradient(alpha*x))")
    assert not np.any(states["x"])
    assert loss.parameters["alpha"] == 0
    assert_allclose(states["y"], 2 * (3 * x - 0.5 * x))
    states, loss = gradients("2*stop_gradient(alpha*x + 3*y)")
    assert not np.any(states["x"]) and not np.any(states["y"]) and loss.parameters["alpha"] == 0
    loss = ld.compile("4*stop_gradient(2*alpha*x - 3*y/alpha)", vocabulary)
    assert str(loss) == "8*stop_gradient(alpha*x) - 12*stop_gradient(1/alpha*y)"
    assert_allclose(loss({"x": x, "y": x}, None).total, 4 * (3 - 18))


def test_pairs_are_contracted_in_the_memory_of_the_result():
    n, width = 4096, 256
    rows = {"z": ("states.z", "batch latent"), "y": ("states.y", "batch latent")}
    loss = ld.compile("mean(square(dot(z, rename(y, batch=key))), axis=key)", ld.Vocabulary(rows))
    shapes = dict.fromkeys(rows, jax.ShapeDtypeStruct((n, width), jnp.float32))
    value = lambda states: loss(states, None).total  # noqa: E731
    result = 4 * n * n
    for function, most in ((value, 1.1), (jax.value_and_grad(value), 3.1)):
        memory = jax.jit(function).lower(shapes).compile().memory_analysis()
        assert memory.temp_size_in_bytes < most * result, memory


@pytest.mark.slow
@pytest.mark.parametrize("text", ["cross_entropy(pos, greater(cost, 1))", "cross_entropy(pos, softmax(vel))"])
@pytest.mark.parametrize("more", ["", " + 0.01*dot(softmax(pos), log_softmax(pos))", " + 0.01*logsumexp(pos)"])
def test_cross_entropy_beside_other_operators_of_its_logits(text, more, precision):
    """And its second derivative."""
    arrays = sample(SIZES["distinct"], precision)
    arrays["pos"] = arrays["pos"] + 50

    def ours(pos):
        return ld.compile(text + more, VOCABULARY)({**arrays, "pos": pos}, None).total

    def plain(pos):
        logs = jax.nn.log_softmax(pos)
        labels = jax.nn.softmax(arrays["vel"]) if "vel" in text else jax.nn.one_hot((arrays["cost"] > 1).astype(int), 2)
        extra = jnp.sum(jnp.exp(logs) * logs, axis=2) if "dot" in more else jax.nn.logsumexp(pos, axis=2)
        return jnp.mean(jnp.sum(-jnp.sum(labels * logs, axis=2) + (0.01 * extra if more else 0), axis=1))

    for way in (lambda f: f, jax.grad, jax.hessian):
        assert_allclose(way(ours)(arrays["pos"]), way(plain)(arrays["pos"]), rtol=2e-4, atol=2e-5)


def test_probabilities_are_made_of_their_logarithms_where_these_are_there_too():
    source = ld.compile(
        "-dot(softmax(pos), log_softmax(pos)) + cross_entropy(pos, greater(cost, 1))", VOCABULARY
    ).python()
    assert source.count("ops.log_softmax(") == 1
    assert "ops.softmax(" not in source
    assert "ops.cross_entropy(" not in source
    assert "ops.softmax(" in ld.compile("sqnorm(softmax(pos))", VOCABULARY).python()
