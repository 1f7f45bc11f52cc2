"""Every operator, one declaration each: the decorated function is what runs.

From a declaration come the parser's checks, the named axes, the emitted code, LaTeX, and the lists of the
command line and the docs. To add an operator, add one here; nothing else changes.
"""

import inspect
import operator
from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.axes import Rule, along, elementwise, features, reduces, shortens, subscript


@dataclass(frozen=True, eq=False)
class Op:
    """An operator: what it is called, how it treats axes, what it computes, how it is written.

    Attributes:
        name: Its name in a text; for arithmetic its symbol.
        lower: The function on arrays. Keyword `axis` receives the positions of the axes that it works along.
        rule: Axes of the operands to axes of the result.
        linear: Whether it is linear in its first argument, and nothing else depends on its size.
        latex: A template with the names of the parameters. `{x}` stands between delimiters of the template;
            `{x:product}`, `{x:power}`, `{x:atom}` and `{x:nucleus}` (which has no script yet) get parentheses where
            they bind looser than that.
        example: A text that uses it, with the names of the default vocabulary.
        defaults: The parameters, in order; None where one must be given.
        axis: Whether a text may say `axis=...`.
    """

    name: str
    lower: Callable[..., Any]
    rule: Rule
    linear: bool
    latex: str
    example: str
    doc: str
    defaults: dict[str, Fraction | None]
    axis: bool = False

    def __reduce__(self) -> Any:
        return _named, (self.name,)

    def __repr__(self) -> str:
        return f"OPS[{self.name!r}]"

    @property
    def summary(self) -> str:
        """The first sentence of the documentation."""
        return self.doc.split("\n")[0]

    @property
    def function(self) -> str:
        """The name of the lowering in this module."""
        return self.lower.__name__


OPS: dict[str, Op] = {}


def _named(name: str) -> Op:
    return OPS[name]


def op(
    name: str = "", *, axes: Rule, latex: str, example: str, linear: bool = False
) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Declare an operator; its parameters are those of the function before `*`."""

    def declare(lower: Callable[..., Array]) -> Callable[..., Array]:
        given = [p for p in inspect.signature(lower).parameters.values() if p.kind != p.KEYWORD_ONLY]
        defaults = {p.name: None if p.default is p.empty else Fraction(str(p.default)) for p in given}
        called = name or lower.__name__
        doc = inspect.getdoc(lower) or ""
        OPS[called] = Op(called, lower, axes, linear, latex, example, doc, defaults, axes.option)
        return lower

    return declare


def arithmetic(symbol: str, lower: Callable[..., Any], latex: str, example: str, doc: str) -> None:
    """Declare an operator that Python has a symbol for; emitted code uses the symbol."""
    names = ("x", "y")[: 1 if symbol == "neg" else 2]
    OPS[symbol] = Op(symbol, lower, elementwise, False, latex, example, doc, dict.fromkeys(names))


arithmetic("+", operator.add, "{x} + {y}", "position + velocity", "Sum; at the top of a loss, its terms.")
arithmetic("neg", operator.neg, "-{x:product}", "-position", "Negation, and subtraction `x - y`.")
arithmetic("*", operator.mul, r"{x:product}\,{y:power}", "2*position", "Product, elementwise.")
arithmetic("/", operator.truediv, r"\frac{{{x}}}{{{y}}}", "position/2", "Quotient, elementwise.")
arithmetic("**", operator.pow, "{x:atom}^{{{y}}}", "position**2", "Power, elementwise; binds to the right.")
OPS["[]"] = Op(
    "[]", operator.getitem, subscript, True, "{x:nucleus}_{{{at}}}", "velocity[10:50]",
    "Steps of `time`, indexed and sliced as Python does; `x@-1` and `x@10:50` are the same.", {"x": None},
)  # fmt: skip


def wide(x: Array) -> Array:
    """Sixteen-bit floats as float32, which is where their reductions accumulate."""
    return x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x


# Over one axis.


@op("sum", axes=reduces("time"), linear=True, latex=r"\sum_{{{axis}}} {x:product}", example="sum(position)")
def sum_(x: Array, *, axis: int) -> Array:
    """The sum over an axis, `time` if none is given."""
    return jnp.sum(wide(x), axis=axis)


@op(axes=reduces("time"), linear=True, latex=r"\left\langle {x} \right\rangle_{{{axis}}}", example="mean(velocity)")
def mean(x: Array, *, axis: int) -> Array:
    """The mean over an axis, `time` if none is given."""
    return jnp.mean(wide(x), axis=axis)


@op("max", axes=reduces("time"), latex=r"\max_{{{axis}}} {x:power}", example="max(velocity)")
def max_(x: Array, *, axis: int) -> Array:
    """The largest value along an axis, `time` if none is given."""
    return jnp.max(x, axis=axis)


@op("min", axes=reduces("time"), latex=r"\min_{{{axis}}} {x:power}", example="min(position)")
def min_(x: Array, *, axis: int) -> Array:
    """The smallest value along an axis, `time` if none is given."""
    return jnp.min(x, axis=axis)


# Over the axes of a vector: those that are neither `batch` nor `time`.


@op(axes=features(one=True), latex=r"\left\Vert {x} \right\Vert", example="norm(effector.vel)")
def norm(x: Array, *, axis: tuple[int, ...]) -> Array:
    """The Euclidean norm of a vector; its gradient at 0 is 0.

    `sqrt(sum_i x_i**2)` over the one axis that is neither `batch` nor `time`, or the one given.
    Source: `optax.safe_norm`.
    """
    import optax

    return optax.safe_norm(wide(x), 0.0, axis=axis[0])


@op(
    axes=features(one=False, tree=True),
    latex=r"\left\Vert {x} \right\Vert^{{2}}",
    example="sqnorm(effector.pos[1:] - target.pos)",
)
def sqnorm(x: Any, *, axis: tuple[int, ...] | None = None) -> Array:
    """The squared Euclidean norm.

    `sum_i x_i**2` over all axes that are neither `batch` nor `time`, or the one given; of a PyTree, over
    all its arrays of floats.
    """
    if axis is not None:
        return jnp.sum(jnp.square(wide(x)), axis=axis)
    squares = [jnp.sum(jnp.square(wide(leaf))) for leaf in jax.tree.leaves(x)]
    return sum(squares[1:], start=squares[0]) if squares else jnp.zeros(())


@op(axes=features(one=True), latex=r"{x:power} \cdot {y:power}", example="dot(effector.vel, effector.force)")
def dot(x: Array, y: Array, *, axis: tuple[int, ...]) -> Array:
    """The scalar product `sum_i x_i*y_i` over the one axis that is neither `batch` nor `time`."""
    return jnp.sum(wide(x) * wide(y), axis=axis)


# Elementwise.


@op(
    "abs",
    axes=elementwise,
    latex=r"\left\vert {x} \right\vert",
    example="sum(abs(net.output), axis=output)",
)
def abs_(x: Array) -> Array:
    """The absolute value; its gradient at 0 is 0."""
    # `jnp.abs` has the gradient 1 there; where both are the largest, `maximum` takes the mean.
    return jnp.maximum(x, -x)


@op(axes=elementwise, latex=r"\sqrt{{{x}}}", example="sqrt(position + 0.01)")
def sqrt(x: Array) -> Array:
    """The square root; its gradient at 0 is infinite, `norm` and `smooth_abs` are safe there."""
    return jnp.sqrt(x)


@op(axes=elementwise, latex=r"\exp\left({x}\right)", example="exp(-position)")
def exp(x: Array) -> Array:
    """The exponential."""
    return jnp.exp(x)


@op(axes=elementwise, latex=r"\log\left({x}\right)", example="log(0.01 + position)")
def log(x: Array) -> Array:
    """The natural logarithm."""
    return jnp.log(x)


@op(axes=elementwise, latex=r"\log\left(1 + {x}\right)", example="log1p(position)")
def log1p(x: Array) -> Array:
    """The natural logarithm of `1 + x`, accurate near 0."""
    return jnp.log1p(x)


@op(axes=elementwise, latex=r"\tanh\left({x}\right)", example="tanh(position)")
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return jnp.tanh(x)


@op(axes=elementwise, latex=r"\sigma\left({x}\right)", example="sigmoid(position)")
def sigmoid(x: Array) -> Array:
    """The logistic function `1/(1 + exp(-x))`."""
    return jax.nn.sigmoid(x)


@op(axes=elementwise, latex=r"\operatorname{{relu}}\left({x}\right)", example="relu(velocity - 1)")
def relu(x: Array) -> Array:
    """The positive part `maximum(x, 0)`; its gradient at 0 is 0."""
    return jax.nn.relu(x)


@op(axes=elementwise, latex=r"\operatorname{{softplus}}\left({x}\right)", example="softplus(velocity - 1)")
def softplus(x: Array) -> Array:
    """A smooth positive part, `log(1 + exp(x))`."""
    return jax.nn.softplus(x)


@op(axes=elementwise, latex=r"\sin\left({x}\right)", example="sin(position)")
def sin(x: Array) -> Array:
    """The sine."""
    return jnp.sin(x)


@op(axes=elementwise, latex=r"\cos\left({x}\right)", example="1 - cos(position)")
def cos(x: Array) -> Array:
    """The cosine."""
    return jnp.cos(x)


@op(axes=elementwise, latex=r"{x:atom}^{{2}}", example="sum(square(net.output), axis=output)")
def square(x: Array) -> Array:
    """The square, elementwise."""
    return jnp.square(x)


@op(axes=elementwise, latex=r"\min\left({x}, {y}\right)", example="minimum(position, 1)")
def minimum(x: Array, y: Array) -> Array:
    """The smaller of two values."""
    return jnp.minimum(x, y)


@op(axes=elementwise, latex=r"\max\left({x}, {y}\right)", example="maximum(position, 0.01)")
def maximum(x: Array, y: Array) -> Array:
    """The larger of two values."""
    return jnp.maximum(x, y)


@op(
    axes=elementwise,
    latex=r"\operatorname{{clip}}\left({x}, {low}, {high}\right)",
    example="clip(position, 0, 1)",
)
def clip(x: Array, low: Array, high: Array) -> Array:
    """The value, held between `low` and `high`."""
    return jnp.clip(x, low, high)


@op(
    axes=elementwise,
    latex=r"H_{{{delta}}}\left({x}\right)",
    example="sum(huber(effector.pos[1:] - target.pos, delta=0.1), axis=xy)",
)
def huber(x: Array, delta: Array = 1.0) -> Array:  # type: ignore[assignment]
    """Huber's penalty: a parabola that goes on as a line.

    `x**2/2` where `abs(x) <= delta`, else `delta*(abs(x) - delta/2)`.
    Source: `optax.huber_loss`; Huber (1964), Robust estimation of a location parameter.
    """
    import optax

    return optax.huber_loss(jnp.asarray(x, jnp.result_type(x, float)), delta=delta)


@op(axes=elementwise, latex=r"\log\cosh\left({x}\right)", example="sum(log_cosh(net.output), axis=output)")
def log_cosh(x: Array) -> Array:
    """The logarithm of the hyperbolic cosine: about `x**2/2` near 0 and `abs(x)` far away.

    Source: `optax.log_cosh`.
    """
    import optax

    return optax.log_cosh(jnp.asarray(x, jnp.result_type(x, float)))


@op(
    axes=elementwise,
    latex=r"\left\vert {x} \right\vert_{{{eps}}}",
    example="sum(smooth_abs(net.output), axis=output)",
)
def smooth_abs(x: Array, eps: Array = 0.001) -> Array:  # type: ignore[assignment]
    """A smooth absolute value, `sqrt(x**2 + eps**2) - eps`: 0 at 0, with gradient 0 there.

    Source: Charbonnier et al. (1994), shifted to 0 at 0.
    """
    return jnp.sqrt(jnp.square(x) + jnp.square(eps)) - eps


# Along `time`.


@op(axes=along("time", keep=False), linear=True, latex=r"{x:power}\big|_{{T}}", example="final(velocity)")
def final(x: Array, *, axis: int) -> Array:
    """The value at the last time step."""
    return jax.lax.index_in_dim(x, -1, axis, keepdims=False)


@op(axes=along("time", keep=False), linear=True, latex=r"{x:power}\big|_{{0}}", example="initial(velocity)")
def initial(x: Array, *, axis: int) -> Array:
    """The value at the first time step."""
    return jax.lax.index_in_dim(x, 0, axis, keepdims=False)


@op(axes=shortens("time"), linear=True, latex=r"\Delta {x:atom}", example="sqnorm(diff(net.output))")
def diff(x: Array, *, axis: int) -> Array:
    """The difference of successive time steps, one step shorter."""
    return jnp.diff(x, axis=axis)


@op(axes=along("time", keep=True), linear=True, latex=r"\sum_{{s \leq t}} {x:product}", example="cumsum(velocity)")
def cumsum(x: Array, *, axis: int) -> Array:
    """The sum of all time steps so far."""
    return jnp.cumsum(wide(x), axis=axis)


@op(
    axes=along("time", keep=True),
    linear=True,
    latex=r"\left(\frac{{t}}{{T}}\right)^{{{exponent}}} {x:product}",
    example="discount(position, exponent=6)",
)
def discount(x: Array, exponent: Array, *, axis: int) -> Array:
    """A weight that grows along `time` as a power: the last of T steps counts in full.

    `(t/T)**exponent * x` for `t = 1 ... T`.
    Source: `feedbax.loss.power_discount`.
    """
    steps = x.shape[axis]
    ramp = jnp.arange(1, steps + 1, dtype=jnp.promote_types(x.dtype, jnp.float32)) / steps
    return wide(x) * (ramp**exponent).reshape([steps if i == axis else 1 for i in range(x.ndim)])
