"""What a loss means, worked out a second time: NumPy in float64, on the tree as it was written.

Nothing here comes from the lowering, the emitter, the normal form or the axes of lossdsl: only the tree is shared.
"""

from dataclasses import dataclass, field
from fractions import Fraction
from functools import reduce
from typing import Any

import numpy as np

from lossdsl.language.definitions import Argument, Called, Let, given_to
from lossdsl.language.expr import Call, Expr, Label, Name, Number


@dataclass(frozen=True)
class Named:
    """An array whose dimensions have names; a list of arrays for a PyTree."""

    data: Any
    axes: tuple[str, ...] = ()

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


def sqnorm(x, axis=None):
    return np.sum(x**2, axis) if axis is not None else sum((np.sum(leaf**2) for leaf in x), start=np.float64(0))


def discount(x, exponent, axis):
    steps = x.shape[axis]
    ramp = (np.arange(1, steps + 1) / steps) ** exponent
    return np.moveaxis(np.moveaxis(x, axis, -1) * ramp, -1, axis)


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


def log_softmax(x, axis):
    shifted = x - np.max(x, axis, keepdims=True)
    return shifted - np.log(np.sum(np.exp(shifted), axis, keepdims=True))


def cross_entropy(logits, labels, axis):
    """Numbers of classes as the rows of an identity matrix, outside of it as NaN."""
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
    "minimum": np.minimum,
    "maximum": np.maximum,
    "clip": lambda x, low, high: np.minimum(np.maximum(x, low), high),
    "huber": lambda x, delta: np.where(np.abs(x) <= delta, x**2 / 2, delta * (np.abs(x) - delta / 2)),
    "log_cosh": lambda x: np.abs(x) + np.log1p(np.exp(-2 * np.abs(x))) - np.log(2),
    "smooth_abs": lambda x, eps: np.sqrt(x**2 + eps**2) - eps,
    "greater": lambda x, y: np.float64(x > y),
    "where": lambda mask, x, y: np.where(mask != 0, x, y),
    "sigmoid_cross_entropy": lambda x, label: -label * -np.logaddexp(0, -x) - (1 - label) * -np.logaddexp(0, x),
    "sum": total,
    "mean": mean,
    "max": np.max,
    "min": np.min,
    "norm": lambda x, axis: np.sqrt(np.sum(x**2, axis)),
    "sqnorm": sqnorm,
    "l1norm": lambda x, axis=None: np.sum(abs(x), axis) if axis else sum(np.sum(abs(leaf)) for leaf in x),
    "dot": lambda x, y, axis: np.sum(x * y, axis),
    "softmax": lambda x, axis: np.exp(log_softmax(x, axis)),
    "log_softmax": log_softmax,
    "logsumexp": lambda x, axis: np.logaddexp.reduce(x, axis[0]),
    "cross_entropy": cross_entropy,
    "kl_divergence": kl_divergence,
    "quadratic_form": quadratic_form,
    "matvec": matvec,
    "final": lambda x, axis: np.take(x, -1, axis),
    "initial": lambda x, axis: np.take(x, 0, axis),
    "diff": lambda x, n, axis: np.diff(x, int(n), axis),
    "cumsum": np.cumsum,
    "discount": discount,
    "linear": linear,
    "cosine": lambda start, stop, steps, at: (
        start + (stop - start) * (1 - np.cos(np.pi * np.clip(at / steps, 0, 1))) / 2
    ),
    "exponential": lambda start, rate, steps, at: start * rate ** np.maximum(at / steps, 0),
    "piecewise": piecewise,
    "warmup": lambda value, steps, at: value * np.clip(at / steps, 0, 1),
    "cyclic": cyclic,
}
REDUCES = ("sum", "mean", "max", "min")
VECTOR = ("norm", "sqnorm", "l1norm", "dot", "softmax", "log_softmax", "logsumexp", "cross_entropy", "kl_divergence")
VECTOR_STAYS = ("softmax", "log_softmax")
TIME_GOES = ("final", "initial")
TIME_STAYS = ("diff", "cumsum", "discount")


@dataclass
class Oracle:
    """Evaluates trees.

    Attributes:
        arrays: The quantities.
        definitions: The terms of the vocabulary, as trees.
        numbers: The parameters and `step`.
        formulas: What an operator computes; the lowerings of lossdsl may be put here, to differentiate the tree.
        number: The kind of number that a literal becomes.
    """

    arrays: dict[str, Named]
    definitions: dict[str, Expr] = field(default_factory=dict)
    numbers: dict[str, Any] = field(default_factory=dict)
    formulas: dict[str, Any] = field(default_factory=lambda: FORMULAS)
    number: Any = np.float64

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
        name, operands = node.op.name, [self(arg) for arg in node.args]
        if name == "[]":
            return self.steps(operands[0], node.static)
        if name in REDUCES:
            return self.reduced(operands[0], name, node.static or "time", *operands[1:])
        if name in VECTOR:
            return self.vector(name, operands, node.static)
        if name == "quadratic_form":
            return self.quadratic(*operands, node.static)
        if name == "matvec":
            return self.matvec(*operands, node.static)
        if name in TIME_GOES + TIME_STAYS:
            first, *others = operands
            numbers = [int(o.data) if name == "diff" else o.data for o in others]
            data = self.formulas[name](first.data, *numbers, axis=first.axes.index("time"))
            return Named(data, _without(first.axes, "time") if name in TIME_GOES else first.axes)
        return self.elementwise(name, operands)

    def elementwise(self, name, operands):
        axes = _widest(operands)
        values = [operand.spread(axes) for operand in operands]
        formula = self.formulas[name]
        return Named(reduce(formula, values) if name == "+" else formula(*values), axes)

    def reduced(self, x, name, axis, *masks):
        gone = (axis,) if isinstance(axis, str) else axis
        where = dict(zip(["where"], (mask.spread(x.axes) for mask in masks), strict=False))
        data = self.formulas[name](x.data, axis=tuple(map(x.axes.index, gone)), **where)
        return Named(data, _without(x.axes, *gone))

    def vector(self, name, operands, axis):
        axes = _widest(operands)
        if not axes:
            return Named(self.formulas[name](operands[0].data))
        given = (axis,) if isinstance(axis, str) else axis
        gone = given or _without(operands[0].axes, "batch", "time")
        data = self.formulas[name](*(o.spread(axes) for o in operands), axis=tuple(map(axes.index, gone)))
        return Named(data, axes if name in VECTOR_STAYS else _without(axes, *gone))

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


def _widest(operands):
    axes = max((operand.axes for operand in operands), key=len)
    assert all(set(operand.axes) <= set(axes) for operand in operands), [operand.axes for operand in operands]
    return axes


def _without(axes, *gone):
    return tuple(axis for axis in axes if axis not in gone)
