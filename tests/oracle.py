"""What a loss means, worked out a second time: NumPy in float64, on the tree as it was written.

Nothing here comes from the lowering, the emitter, the normal form or the axes of lossdsl: only the tree is shared.
"""

import math
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

from lossdsl.language.definitions import Argument, Called, Let, given_to
from lossdsl.language.expr import Call, Expr, Label, Name, Number

LONG = 24


@dataclass(frozen=True)
class Named:
    """An array whose dimensions have names; a list of arrays for a PyTree."""

    data: Any
    axes: tuple[str, ...] = ()
    # Axes along which it goes on, whatever stands beside it says: `LONG` numbers are there.
    free: tuple[str, ...] = ()

    @classmethod
    def declared(cls, data, shape):
        """From an array and its axes as a vocabulary writes them; those written `1` are dropped."""
        if shape == "pytree":
            return cls(data)
        axes = shape.split()
        axes = [f"{axis}'" if axis in axes[:i] and axis != "1" else axis for i, axis in enumerate(axes)]
        ones = tuple(i for i, axis in enumerate(axes) if axis == "1")
        return cls(data.squeeze(ones), tuple(axis for axis in axes if axis != "1"))

    def spread(self, axes):
        """The array with the dimensions `axes`, found by name; those that it lacks have length 1."""
        if not self.axes:
            return self.data
        order = [self.axes.index(axis) for axis in axes if axis in self.axes]
        return self.data.transpose(order)[tuple(slice(None) if axis in self.axes else None for axis in axes)]


def sqnorm(x, axis=None, where=1):
    if axis is None:
        return sum((np.sum(leaf**2) for leaf in x), start=np.float64(0))
    return total(np.where(where != 0, x, 0) ** 2, where, axis)


def l1norm(x, axis=None, where=1):
    if axis is None:
        return sum(np.sum(abs(leaf)) for leaf in x)
    return total(np.abs(x), where, axis)


def in_rows(x, where, axis):
    """The numbers along axes as rows, and which of them a mask leaves in."""
    axes = (axis,) if isinstance(axis, int) else axis
    both = (np.moveaxis(a, axes, range(-len(axes), 0)) for a in (x, np.broadcast_to(where, x.shape) != 0))
    return [a.reshape(*a.shape[: x.ndim - len(axes)], -1) for a in both]


def of_rows(function, everywhere=None):
    """A function of the numbers that a mask leaves in, 0 where there are none; without a mask of whole arrays."""

    def formula(x, *numbers, where=1, axis, **named):
        if everywhere and isinstance(where, int):
            return everywhere(x, *numbers, axis=axis, **named)
        rows, keep = in_rows(x, where, axis)
        made = [function(row[k], *numbers, **named) if k.any() else 0.0 for row, k in each_row(rows, keep)]
        return np.reshape(made, rows.shape[:-1])

    return formula


def each_row(*arrays):
    return zip(*(a.reshape(-1, a.shape[-1]) for a in arrays), strict=True)


def along_rows(function):
    """A function of each row and what a mask leaves in of it, which gives a row."""

    def formula(x, *numbers, where=1, axis, **named):
        axes = (axis,) if isinstance(axis, int) else axis
        rows, keep = in_rows(x, where, axis)
        made = np.array([function(row, k, *numbers, **named) for row, k in each_row(rows, keep)])
        lengths = [x.shape[i] for i in axes]
        shape = (*rows.shape[:-1], *(lengths if made.shape[-1] == rows.shape[-1] else made.shape[-1:]))
        return np.moveaxis(made.reshape(shape), range(-len(axes), 0), axes)

    return formula


def running(function):
    def until(row, k):
        return function(row[k]) if k.any() else 0.0

    return along_rows(lambda row, k: [until(row[:t], k[:t]) for t in range(1, len(k) + 1)])


def discounted(row, keep, exponent):
    counted = np.cumsum(keep)
    return np.where(keep, row * (np.where(keep, counted, 1) / max(counted[-1], 1)) ** exponent, 0)


def variance(x, ddof=0, where=1, axis=None):
    weight = where + np.zeros_like(x)
    middle = mean(x, where, axis)
    counted = np.sum(weight, axis) - ddof
    spread = np.where(weight != 0, x - np.expand_dims(middle, axis), 0) ** 2
    return np.where(counted > 0, total(spread, weight, axis) / np.where(counted > 0, counted, 1), 0)


def quantile(row, q):
    """Unlike NumPy's, infinite where a value on either side is."""
    if np.isnan(row).any():
        return np.nan
    ranked, height = np.sort(row), min(max(q, 0), 1) * (len(row) - 1)
    low, part = int(height), height - int(height)
    return ranked[low] if part == 0 else (1 - part) * ranked[low] + part * ranked[low + 1]


def argmax(x, axis, where=1):
    """The place of the largest number that is left in, 0 where none is."""
    return np.argmax(np.where(np.broadcast_to(where, x.shape) != 0, x, -np.inf), axis).astype(float)


def tail(row, level):
    """Rockafellar and Uryasev's minimum, which lies at one of the values."""
    return min(c + np.mean(np.maximum(row - c, 0)) / (1 - level) for c in row)


def discounted_sum(x, gamma, last=0, where=1, axis=None):
    """From behind, step by step."""
    x, gamma, last, where = (np.moveaxis(a, axis, 0) for a in np.broadcast_arrays(x, gamma, last, where))
    found, after = np.zeros(x.shape), last[0]
    for t in reversed(range(len(x))):
        after = np.where(where[t] != 0, x[t] + gamma[t] * after, after)
        found[t] = np.where(where[t] != 0, after, 0)
    return np.moveaxis(found, 0, axis)


def gather(table, i, axis):
    """The value at a place; NaN where there is none."""
    n = table.shape[axis]
    shape = list(np.broadcast_shapes(table.shape, np.shape(i)))
    table = np.broadcast_to(table, shape)
    shape[axis] = 1
    place = np.broadcast_to(i, shape)
    known = (place >= 0) & (place < n)
    found = np.take_along_axis(table, np.where(known, place, 0).astype(int), axis)
    return np.squeeze(np.where(known, found, np.nan), axis)


def linear(start, stop, steps, at):
    return start + (stop - start) * np.clip(at / steps, 0, 1)


def piecewise(*values_and_at):
    *values, at = values_and_at
    return values[2 * sum(at >= boundary for boundary in values[1::2])]


def cyclic(low, high, period, ratio, at):
    phase = at / period - np.floor(at / period)
    return low + (high - low) * np.minimum(phase / ratio, 1)


def total(x, where=1, axis=None):
    return np.sum(np.where(where != 0, x, 0) * where, axis)


def mean(x, where=1, axis=None):
    counted = np.sum(where + np.zeros_like(x), axis)
    return np.where(counted == 0, 0, total(x, where, axis) / counted)


def log_softmax(x, axis, where=1):
    if not isinstance(where, int):
        return along_rows(lambda row, k: np.where(k, row - np.logaddexp.reduce(row[k]) if k.any() else 0, 0))(
            x, where=where, axis=axis
        )
    shifted = x - np.max(x, axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis, keepdims=True))


def cross_entropy(logits, labels, axis):
    """Numbers of classes as the rows of an identity matrix, outside of it as NaN."""
    if len(axis) > 1:
        return -np.sum(labels * log_softmax(logits, axis), axis)
    (axis,) = axis
    n = logits.shape[axis]
    if np.ndim(labels) == 0 or labels.shape[axis] == 1:
        classes = np.arange(n).reshape([-1 if i == axis else 1 for i in range(logits.ndim)])
        labels = np.where((labels >= 0) & (labels < n), classes == np.trunc(labels), np.nan)
    return -np.sum(labels * log_softmax(logits, axis), axis)


def kl_divergence(p, q, axis):
    log_p, log_q = log_softmax(p, axis), log_softmax(q, axis)
    return np.sum(np.exp(log_p) * (log_p - log_q), axis)


def quadratic_form(x, q, axis):
    if len(axis) == 1:
        return np.sum(q * x**2, axis)
    return np.sum(x * np.sum(q * x.swapaxes(-1, -2), -1, keepdims=True), axis)


def matvec(q, x, axis):
    if len(axis) == 1:
        return q * x
    return np.sum(q * x.swapaxes(-1, -2), -1)


def most(values, smooth="hard", sharpness=1.0):
    """The largest of values along the first axis, of a kind, by the equation of that kind."""
    if smooth == "logsumexp":
        return np.logaddexp.reduce(sharpness * values) / sharpness
    if smooth == "softmax":
        shares = np.exp(sharpness * (values - np.max(values, 0)))
        return np.sum(values * shares, 0) / np.sum(shares, 0)
    if smooth == "gmsr":  # equations 3 and 4 of arXiv 2405.10996, of minus the values
        eps, n = sharpness**-2.0, len(values)
        product = np.prod(np.maximum(-values, 0) ** 2, 0)
        return -(((eps**n + product) ** (1 / n)) ** 0.5 - (eps + np.mean(np.maximum(values, 0) ** 2, 0)) ** 0.5)
    return np.max(values, 0)


def least(values, *how):
    return -most(-values, *how)


def seen(name, formulas, within, how):
    """A formula that looks ahead, step by step as it is defined; `time` stands first."""
    p, q = formulas[0], formulas[-1]
    steps = len(p)
    start, stop = within or (0, None)
    found = []
    for t in range(steps if stop is None else steps - stop):
        ahead = range(t + start, steps if stop is None else t + stop + 1)
        if name == "until":
            each = [least(np.stack([least(p[t : u + 1], *how), q[u]]), *how) for u in ahead]
            found.append(most(np.stack(each), *how))
        else:
            found.append((least if name == "always" else most)(p[ahead], *how))
    return np.stack(found)


# The formulas of the documentation. An operator that works along axes is given their positions.
FORMULAS = {
    "+": np.add,
    "neg": np.negative,
    "*": np.multiply,
    "/": np.divide,
    "**": np.power,
    "abs": np.abs,
    "sqrt": np.sqrt,
    "exp": np.exp,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": lambda x: 1 / (1 + np.exp(-x)),
    "relu": lambda x: np.maximum(x, 0),
    "softplus": lambda x: np.logaddexp(0, x),
    "sin": np.sin,
    "cos": np.cos,
    "square": lambda x: x * x,
    "minimum": lambda *x: reduce(np.minimum, x),
    "maximum": lambda *x: reduce(np.maximum, x),
    "tan": np.tan,
    "erf": lambda x: np.vectorize(math.erf, otypes=[float])(x),
    "atan2": np.arctan2,
    "sign": np.sign,
    "less": lambda x, y: np.float64(x < y),
    "equal": lambda x, y: np.float64(x == y),
    "stop_gradient": lambda x: x,
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "huber": lambda x, delta: np.where(np.abs(x) <= delta, x**2 / 2, delta * (np.abs(x) - delta / 2)),
    "log_cosh": lambda x: np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - np.log(2),
    "smooth_abs": lambda x, eps: np.sqrt(x**2 + eps**2) - eps,
    "greater": lambda x, y: np.float64(x > y),
    "where": lambda mask, x, y: np.where(mask != 0, x, y),
    "sigmoid_cross_entropy": lambda x, label: -label * -np.logaddexp(0, -x) - (1 - label) * -np.logaddexp(0, x),
    "sum": total,
    "mean": mean,
    "max": of_rows(np.max, np.max),
    "min": of_rows(np.min, np.min),
    "var": variance,
    "std": lambda x, **how: np.sqrt(variance(x, **how)),
    "argmax": argmax,
    "quantile": of_rows(quantile),
    "cvar": of_rows(tail),
    "worst": of_rows(np.max, np.max),
    "entropic": of_rows(lambda row, theta: np.log(np.mean(np.exp(theta * row))) / theta),
    "norm": lambda x, axis, where=1: np.sqrt(sqnorm(x, axis, where)),
    "sqnorm": sqnorm,
    "l1norm": l1norm,
    "dot": lambda x, y, axis: np.sum(x * y, axis),
    "softmax": lambda x, axis, where=1: np.where(where != 0, np.exp(log_softmax(x, axis, where)), 0),
    "log_softmax": log_softmax,
    "logsumexp": of_rows(np.logaddexp.reduce),
    "cross_entropy": cross_entropy,
    "kl_divergence": kl_divergence,
    "quadratic_form": quadratic_form,
    "matvec": matvec,
    "final": of_rows(lambda row: row[-1]),
    "initial": of_rows(lambda row: row[0]),
    "diff": lambda x, n, axis: np.diff(x, int(n), axis),
    "cumsum": lambda x, axis, where=1: np.cumsum(np.where(where != 0, x, 0) * where, axis),
    "cummax": running(np.max),
    "cummin": running(np.min),
    "discount": along_rows(discounted),
    "discounted_sum": discounted_sum,
    "power_spectrum": lambda x, axis: np.abs(np.fft.rfft(x, axis=axis)) ** 2,
    "gather": gather,
    "linear": linear,
    "cosine": lambda start, stop, steps, at: (
        start + (stop - start) * (1 - np.cos(np.pi * np.clip(at / steps, 0, 1))) / 2
    ),
    "exponential": lambda start, rate, steps, at: start * rate ** np.maximum(at / steps, 0),
    "piecewise": piecewise,
    "warmup": lambda value, steps, at: value * np.clip(at / steps, 0, 1),
    "cyclic": cyclic,
}
REDUCES = ("argmax", "sum", "mean", "max", "min", "var", "std", "final", "initial")
RISKS = ("quantile", "cvar", "worst", "entropic")
VECTOR = ("norm", "sqnorm", "l1norm", "softmax", "log_softmax", "logsumexp")
VECTOR_STAYS = ("softmax", "log_softmax")
PAIRS = ("dot", "cross_entropy", "kl_divergence")
STAYS = ("diff", "cumsum", "cummax", "cummin", "discount", "discounted_sum", "power_spectrum")


@dataclass
class Oracle:
    """Evaluates trees.

    Attributes:
        arrays: The quantities.
        definitions: The terms of the vocabulary, as trees.
        numbers: The parameters and `step`.
        formulas: What an operator computes; the lowerings of lossdsl may be put here, to differentiate the tree.
        number: The kind of number that a literal becomes.
        stopped: What stands in `stop_gradient`, once noted: it keeps its value when the arrays change.
        dt: How long a step is.
        inside: Which of so many steps lie in a window, of the one trial that is there: the others are cut off.
    """

    arrays: dict[str, Named]
    definitions: dict[str, Expr] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    formulas: dict[str, Any] = field(default_factory=lambda: FORMULAS)
    number: Any = np.float64
    stopped: dict[Expr, Named] | None = None
    inside: Any = None
    dt: float = 1.0

    def total(self, node):
        """The scalar that a loss stands for: `time` is summed, `batch` is averaged."""
        with np.errstate(all="ignore"):
            return self.terms(self.local(node))

    def terms(self, node):
        """The sum of the terms, each reduced by itself: they may have different axes and lengths of time."""
        match node:
            case Label():
                return self.terms(node.args[0])
            case Call() if node.op.name == "+" and not any(map(self.constant, node.args)):
                return sum(self.terms(arg) for arg in node.args)
            case Call() if node.op.name == "neg":
                return -self.terms(node.args[0])
        value = self.body(node)
        if "time" in value.axes:
            value = self.reduced(value, "sum", "time")
        return value.data.mean() if value.axes else value.data

    def local(self, node):
        """The loss itself, its definitions noted."""
        if not isinstance(node, Let):
            return node
        self.definitions |= dict(zip([name.name for name in node.names], node.args, strict=False))
        self.definitions = {name: self.put_in(value) for name, value in self.definitions.items()}
        return self.put_in(node.args[-1])

    def put_in(self, node):
        """The expression with what each call stands for."""
        node = node.over([self.put_in(arg) for arg in node.args])
        if not isinstance(node, Called):
            return node
        callee = self.definitions[node.callee.name]
        given = given_to(callee, node)
        return self.put_in(callee.args[0].replace(Argument, lambda argument: given[argument.name]))

    def constant(self, node):
        if isinstance(node, Name):
            return node.name in self.numbers or (
                node.name in self.definitions and self.constant(self.definitions[node.name])
            )
        return all(self.constant(arg) for arg in node.args)

    def body(self, node) -> Named:
        """The loss before that reduction. The addends of a sum are terms: aligned to `time` some would count often."""
        match node:
            case Label():
                return self.body(node.args[0])
            case Name() if node.name in self.definitions:
                return self.body(self.definitions[node.name])
            case Call() if node.op.name == "+":
                parts = [self.body(arg) for arg in node.args]
                terms = [p for p, arg in zip(parts, node.args, strict=True) if not self.constant(arg)]
                if not all("time" in part.axes for part in terms):
                    parts = [self.reduced(p, "sum", "time") if "time" in p.axes else p for p in parts]
                return self.elementwise("+", parts)
            case Call() if node.op.name == "neg" or (node.op.name == "*" and any(map(self.constant, node.args))):
                return self.elementwise(node.op.name, [self.body(arg) for arg in node.args])
            case Call() if node.op.name == "/" and self.constant(node.args[1]):
                return self.elementwise("/", [self.body(arg) for arg in node.args])
        return self(node)

    def __call__(self, node) -> Named:
        """The value of an expression inside a term, where every operand is aligned by name."""
        match node:
            case Number():
                return Named(self.number(node.value))
            case Label():
                return self(node.args[0])
            case Name() if node.name in self.definitions:
                return self(self.definitions[node.name])
            case Name() if node.name in self.numbers:
                return Named(self.numbers[node.name])
            case Name():
                return self.arrays[node.name]
        if node.op.name in ("robustness", "violation"):
            return self.read(node)
        name, operands = node.op.name, [self(arg) for arg in node.args]
        if name == "stop_gradient" and self.stopped is not None:
            return self.stopped.setdefault(node, replace(operands[0], data=np.array(operands[0].data)))
        if name in ("expand", "index", "length", "one_hot", "rename"):
            return self.shaped(name, operands, node.static)
        operands = _beside_each_other(operands)
        given = (node.static,) if isinstance(node.static, str) else node.static
        if name == "@":
            x = operands[0]
            at = x.axes.index("time")
            inside = np.flatnonzero(self.inside(node.static, x.data.shape[at]))
            return replace(x, data=x.data[(slice(None),) * at + (inside,)])
        if name == "[]":
            return self.steps(operands[0], node.static)
        if name in REDUCES:
            return self.along(node, operands, given or ("time",), goes=True)
        if name in RISKS:
            return self.along(node, operands, given or ("batch",), goes=True)
        if name in STAYS:
            return self.along(node, operands, given or ("time",), goes=False)
        if name in VECTOR:
            over = given or _without(operands[0].axes, "batch", "time")
            return self.along(node, operands, over, goes=name not in VECTOR_STAYS)
        if name in PAIRS:
            return self.paired(name, operands, given or ())
        if name == "gather":
            return self.gathered(*operands, *given)
        if name == "quadratic_form":
            return self.quadratic(*operands, node.static)
        if name == "matvec":
            return self.matvec(*operands, node.static)
        return self.elementwise(name, operands)

    def read(self, node):
        """A formula at the first step of the trial."""
        how = (node.static.smooth if node.static else "hard", self(node.args[-1]).data)
        value = self.formula(node.args[0], how)
        found = Named(value.data[0], _without(value.axes, "time")) if "time" in value.axes else value
        if node.op.name == "robustness":
            return found
        margin = self.elementwise("+", [self(node.args[1]), self.elementwise("neg", [found])])
        return self.elementwise("relu", [margin])

    def formula(self, node, how):
        """The robustness of a formula, at each step where it has `time`, which then stands first."""
        match node:
            case Name():
                return self.formula(self.definitions[node.name], how)
            case Call() if node.op.name in "<>":
                low, high = node.args if node.op.name == "<" else node.args[::-1]
                value = self.elementwise("+", [self(high), self.elementwise("neg", [self(low)])])
                axes = (*(("time",) if "time" in value.axes else ()), *_without(value.axes, "time"))
                return Named(value.spread(axes), axes)
        formulas = [
            self.formula(arg, how) for arg in node.args[: 1 if node.op.name in ("always", "eventually") else None]
        ]
        axes = _widest(formulas)
        timed = [len(f.data) for f in formulas if "time" in f.axes]
        values = [f.spread(axes) for f in formulas]
        values = [value[: min(timed)] if timed and len(value) > 1 else value for value in values]
        values = np.broadcast_arrays(*values)
        if node.op.name == "not":
            return Named(-values[0], axes)
        if node.op.name in ("and", "or"):
            return Named((least if node.op.name == "and" else most)(np.stack(values), *how), axes)
        within = node.static and node.static.within
        steps = within and [
            int(m.number / Fraction(str(self.dt)) + Fraction(1, 2)) if m.seconds else int(m.number) for m in within
        ]
        return Named(seen(node.op.name, values, steps, how), axes)

    def elementwise(self, name, operands):
        operands = _beside_each_other(operands)
        axes = _widest(operands)
        values = [operand.spread(axes) for operand in operands]
        formula = self.formulas[name]
        free = tuple(axis for axis in axes if all(axis in o.free for o in operands if axis in o.axes))
        return Named(reduce(formula, values) if name == "+" else formula(*values), axes, free)

    def reduced(self, x, name, axis):
        return Named(self.formulas[name](x.data, axis=(x.axes.index(axis),)), _without(x.axes, axis))

    def along(self, node, operands, over, goes):
        """An operator of its first operand along axes; the others are numbers, masks, or what has axes of the first."""
        first, name, op = operands[0], node.op.name, node.op
        if not first.axes:
            return Named(self.formulas[name](first.data))
        positional, named = [], {}
        for (key, default), other in list(zip(op.parameters(len(operands)), operands, strict=True))[1:]:
            value = int(other.data) if key == op.whole else other.spread(first.axes)
            if key not in op.named:
                positional.append(value)
            elif np.ndim(value) or value != default:
                named[key] = value
        places = tuple(map(first.axes.index, over))
        one = name in STAYS or name in ("final", "initial", "argmax")
        data = self.formulas[name](first.data, *positional, axis=places[0] if one else places, **named)
        return Named(data, _without(first.axes, *over) if goes else first.axes)

    def paired(self, name, operands, given):
        """Two operands over axes that the first has, or for `dot` both; each may have axes of its own."""
        first, second = operands
        shared = [axis for axis in first.axes if axis in second.axes]
        crossed = not (set(first.axes) <= set(second.axes) or set(second.axes) <= set(first.axes))
        axes = (*first.axes, *_without(second.axes, *first.axes)) if crossed else _widest(operands)
        inside = shared if crossed else axes if name == "dot" else first.axes
        over = given or _without(inside, "batch", "time")
        data = self.formulas[name](*(o.spread(axes) for o in operands), axis=tuple(map(axes.index, over)))
        return Named(data, _without(axes, *over))

    def gathered(self, table, i, axis):
        rest = _widest([Named(None, _without(table.axes, axis)), i])
        frame = (*rest, axis)
        place = i.spread(frame) if i.axes else np.reshape(i.data, (1,) * len(frame))
        return Named(self.formulas["gather"](table.spread(frame), place, axis=len(rest)), rest)

    def shaped(self, name, operands, static):
        """Axes given, renamed or counted."""
        if name == "rename":
            names = dict(static)
            (x,) = operands
            return Named(x.data, tuple(names.get(axis, axis) for axis in x.axes), x.free)
        axes = (static,) if isinstance(static, str) else static
        like = operands.pop() if len(operands) > (name in ("expand", "one_hot")) else None
        known = {axis: like.data.shape[like.axes.index(axis)] for axis in axes} if like else {}
        if name == "length":
            for axis in axes if not like else ():
                found = [a for a in self.arrays.values() if axis in a.axes]
                known[axis] = found[0].data.shape[found[0].axes.index(axis)]
            return Named(np.float64(np.prod([known[axis] for axis in axes])))
        lengths = [known.get(axis, LONG) for axis in axes]
        free = () if like else tuple(axes)
        places = np.arange(lengths[0], dtype=float)
        if name == "index":
            return Named(places, axes, free)
        (x,) = operands
        data = x.data[(..., *(None for _ in axes))] if x.axes else x.data
        # The shape in full: no rank is promoted.
        along = [1] * len(x.axes) + lengths
        data = (data == places.reshape(along)) * 1.0 if name == "one_hot" else data + np.zeros(along)
        return Named(data, (*x.axes, *axes), (*x.free, *free))

    def quadratic(self, x, matrix, axis):
        axis = axis or _without(x.axes, "batch", "time")[0]
        others, last = _without(x.axes, axis), (axis, f"{axis}'")
        over = last if last[1] in matrix.axes else last[:1]
        frame = others + over
        data = self.formulas["quadratic_form"](
            x.spread(frame), matrix.spread(frame), axis=tuple(map(frame.index, over))
        )
        return Named(data, others)

    def matvec(self, matrix, x, axis):
        axis = axis or _without(x.axes, "batch", "time")[0]
        if f"{axis}'" not in matrix.axes:
            return self.elementwise("*", [matrix, x])
        frame = (*_without(x.axes, axis), axis, f"{axis}'")
        data = self.formulas["matvec"](matrix.spread(frame), x.spread(frame), axis=(len(frame) - 2, len(frame) - 1))
        return Named(data, frame[:-1])

    def steps(self, x, static):
        at = static if isinstance(static, int) else slice(*static)
        index = tuple(at if axis == "time" else slice(None) for axis in x.axes)
        return Named(x.data[index], _without(x.axes, "time") if isinstance(static, int) else x.axes)


def plain(value: Fraction):
    """A literal as the number that Python would read."""
    return int(value) if value.denominator == 1 else float(value)


def _beside_each_other(operands):
    """The operands, each axis that goes on as long as it is in one that says how long."""
    known = {}
    for operand in operands:
        shape = np.shape(operand.data) if operand.axes else ()
        known |= {axis: n for axis, n in zip(operand.axes, shape, strict=True) if axis not in operand.free}
    return [_cut(operand, known) for operand in operands]


def _cut(operand, known):
    if not set(operand.free) & set(known):
        return operand
    cut = tuple(slice(known[axis]) if axis in operand.free and axis in known else slice(None) for axis in operand.axes)
    return Named(operand.data[cut], operand.axes, tuple(axis for axis in operand.free if axis not in known))


def _widest(operands):
    axes = max((operand.axes for operand in operands), key=len)
    assert all(set(operand.axes) <= set(axes) for operand in operands), [operand.axes for operand in operands]
    return axes


def _without(axes, *gone):
    return tuple(axis for axis in axes if axis not in gone)
