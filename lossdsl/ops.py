"""Every operator, one declaration each: the decorated function is what runs.

From a declaration come the parser's checks, the named axes, the emitted code, LaTeX, and the lists of the
command line and the docs. To add an operator, add one here; nothing else changes.
"""

import inspect
import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.axes import Rule, along, classes, elementwise, features, numbers, quadratic, reduces, shortens, subscript

# What a parameter is where a text does not give it: a number, a name of the language, or None where it must.
Default = Fraction | str | None
# What numbers must be, in words: the test takes those that it names, of one that repeats a list.
Domain = Mapping[str, Callable[..., bool]]


@dataclass(frozen=True, eq=False)
class Op:
    r"""An operator: what it is called, how it treats axes, what it computes, how it is written.

    Attributes:
        name: Its name in a text; for arithmetic its symbol.
        lower: The function on arrays. Keyword `axis` receives the positions of the axes that it works along.
        rule: Axes of the operands to axes of the result.
        linear: Whether it is linear in its first argument, and nothing else depends on its size.
        latex: A template, see below.
        notation: An equation that explains the template, for the list of symbols; empty where everyone knows it.
        example: A text that uses it, with the names of the default vocabulary.
        defaults: The parameters, in order.
        axis: Whether a text may say `axis=...`.
        domain: What its parameters must be where they are numbers; what is traced is not held against it.
        repeats: Parameters that a text gives together, once or more, before those that have a default.
        row: A template for each round of these; all rows, the last one first, are `{rows}` of `latex`.
        named: The parameters that a text gives by name only, such as `where=...`; they have defaults.
        whole: The parameter that is a whole number in the text, if there is one.

    The template is a Python format with the names of the parameters; a brace of LaTeX is doubled. `{x}` stands between
    delimiters. Elsewhere a level says what stands there without parentheses: `{x:product}` a product, `{x:power}` a
    factor, `{x:atom}` what can take an exponent. `{axis}` is what the operator runs over, `t` or `1 \leq t \leq T`,
    `{bounds}` the same as scripts, `_{t}` or `_{t=1}^{T}`; the operands then have that index. `{t}` is the number of
    the present step in the window of the operand, `{T}` how many there are, `{at}` the steps that are picked.

    A template that ends with `:product}` or `:power}` is a prefix, such as a sum sign; one from `\left` to `\right`
    takes scripts, a subscript after it included; any other is a factor, in parentheses before it gets a script.
    """

    name: str
    lower: Callable[..., Any]
    rule: Rule
    linear: bool
    latex: str
    example: str
    doc: str
    defaults: dict[str, Default]
    axis: bool = False
    domain: Domain = field(default_factory=dict)
    repeats: tuple[str, ...] = ()
    row: str = ""
    notation: str = ""
    named: tuple[str, ...] = ()
    whole: str = ""

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

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The parameters that must be given, those that repeat left out."""
        return tuple(name for name, default in self.defaults.items() if default is None)

    @cached_property
    def options(self) -> dict[str, Default]:
        """The parameters that have a default."""
        return {name: default for name, default in self.defaults.items() if default is not None}

    def parameters(self, operands: int) -> list[tuple[str, Default]]:
        """The parameter and the default of each operand of a call that has so many."""
        if not self.repeats:
            return list(self.defaults.items())
        rounds = (operands - len(self.defaults)) // len(self.repeats)
        return [*((name, None) for name in self.required + rounds * self.repeats), *self.options.items()]

    def rounds(self, operands: Sequence[Any]) -> list[Sequence[Any]]:
        """The operands of the parameters that repeat, round by round."""
        end = len(operands) - len(self.options)
        return [operands[i : i + len(self.repeats)] for i in range(len(self.required), end, len(self.repeats) or 1)]


OPS: dict[str, Op] = {}
_PICKED = r"\left. {x:power} \right|_{{{at}}}"
_PICKED_MEANS = r"\left. x \right|_{T} = x_{T}"


def _named(name: str) -> Op:
    return OPS[name]


def op(
    name: str = "", *, axes: Rule, latex: str, example: str, linear: bool = False, **more: Any
) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Declare an operator; its parameters are those of the function, but `axis` and `*those` that repeat.

    Those after `*` go by name only; one annotated as `int` is a whole number in the text.
    """

    def declare(lower: Callable[..., Array]) -> Callable[..., Array]:
        signature = inspect.signature(lower).parameters.values()
        given = [p for p in signature if p.name != "axis" and p.kind != p.VAR_POSITIONAL]
        defaults = {p.name: _default(p.default) for p in given}
        called = name or lower.__name__
        doc = inspect.getdoc(lower) or ""
        named = tuple(p.name for p in given if p.kind == p.KEYWORD_ONLY)
        whole = next((p.name for p in given if p.annotation is int), "")
        OPS[called] = Op(
            called, lower, axes, linear, latex, example, doc, defaults, axes.option, named=named, whole=whole, **more
        )
        return lower

    return declare


def _default(value: Any) -> Default:
    if value is inspect.Parameter.empty:
        return None
    return value if isinstance(value, str) else Fraction(str(value))


def arithmetic(symbol: str, lower: Callable[..., Any], example: str, doc: str) -> None:
    """Declare an operator that Python has a symbol for; emitted code and LaTeX use it."""
    names = ("x", "y")[: 1 if symbol == "neg" else 2]
    OPS[symbol] = Op(symbol, lower, elementwise, False, "", example, doc, dict.fromkeys(names))


arithmetic("+", operator.add, "position + velocity", "Sum; at the top of a loss, its terms.")
arithmetic("neg", operator.neg, "-position", "Negation, and subtraction `x - y`.")
arithmetic("*", operator.mul, "2*position", "Product, elementwise.")
arithmetic("/", operator.truediv, "position/2", "Quotient, elementwise.")
arithmetic("**", operator.pow, "position**2", "Power, elementwise; binds to the right.")
OPS["[]"] = Op(
    "[]", operator.getitem, subscript, True, _PICKED, "velocity[10:50]",
    "Steps of `time`, indexed and sliced as Python does; `x@-1` and `x@10:50` are the same.", {"x": None},
    notation=_PICKED_MEANS,
)  # fmt: skip


def wide(x: Array) -> Array:
    """Sixteen-bit floats as float32, which is where their reductions accumulate."""
    return x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x


# What `axis=` is given as: the position of one axis, or of several.
Axis = int | tuple[int, ...]


def _all(where: Any) -> bool:
    """Whether a mask is the default, which leaves nothing out."""
    return isinstance(where, int) and where == 1


def _masked(x: Array, where: Any) -> Array:
    """The product with a mask, 0 where the mask is 0 whatever stands there."""
    where = jnp.asarray(where, x.dtype)
    return jnp.where(where != 0, x, 0) * where


# Over one axis, or several.


@op(
    "sum",
    axes=reduces("time"),
    linear=True,
    latex=r"\sum{bounds} {where:factor}{x:product}",
    example="sum(position)",
)
def sum_(x: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The sum over an axis, `time` if none is given, or over several: `axis=(batch, time)`.

    With a mask `where=m`, `sum_i m_i*x_i`: a mask of 0 leaves out, also what is NaN or infinite, and its gradient.
    """
    return jnp.sum(wide(x) if _all(where) else _masked(wide(x), where), axis=axis)


@op(
    axes=reduces("time"),
    linear=True,
    latex=r"\left\langle {x} \right\rangle_{{{axis}{where:mask}}}",
    notation=r"\left\langle x \right\rangle_{1 \leq t \leq T} = \frac{1}{T} \sum_{t=1}^{T} x_{t}",
    example="mean(velocity)",
)
def mean(x: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The mean over an axis, `time` if none is given, or over several: `axis=(batch, time)`.

    With a mask `where=m`, `sum_i m_i*x_i / sum_i m_i`, and 0 where the mask is 0 throughout.
    """
    x = wide(x)
    if _all(where):
        return jnp.mean(x, axis=axis)
    counted = jnp.sum(jnp.broadcast_to(jnp.asarray(where, x.dtype), x.shape), axis=axis)
    return jnp.sum(_masked(x, where), axis=axis) / jnp.where(counted == 0, 1, counted)


@op("max", axes=reduces("time"), latex=r"\max_{{{axis}}} {x:power}", example="max(velocity)")
def max_(x: Array, *, axis: Axis) -> Array:
    """The largest value along an axis, `time` if none is given, or several."""
    return jnp.max(x, axis=axis)


@op("min", axes=reduces("time"), latex=r"\min_{{{axis}}} {x:power}", example="min(position)")
def min_(x: Array, *, axis: Axis) -> Array:
    """The smallest value along an axis, `time` if none is given, or several."""
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
    all its arrays of floats, of complex numbers that of their absolute values.
    """
    if axis is not None:
        return jnp.sum(jnp.square(wide(x)), axis=axis)
    squares = [jnp.sum(_abs_squared(wide(leaf))) for leaf in jax.tree.leaves(x)]
    return sum(squares[1:], start=squares[0]) if squares else jnp.zeros(())


def _abs_squared(x: Array) -> Array:
    return jnp.square(x.real) + jnp.square(x.imag) if jnp.iscomplexobj(x) else jnp.square(x)


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


@op(
    axes=elementwise,
    latex=r"\sigma\left({x}\right)",
    notation=r"\sigma\left(x\right) = \frac{1}{1 + \exp\left(-x\right)}",
    example="sigmoid(position)",
)
def sigmoid(x: Array) -> Array:
    """The logistic function `1/(1 + exp(-x))`."""
    return jax.nn.sigmoid(1.0 * x)


@op(
    axes=elementwise,
    latex=r"\operatorname{{relu}}\left({x}\right)",
    notation=r"\operatorname{relu}\left(x\right) = \max\left(x, 0\right)",
    example="relu(velocity - 1)",
)
def relu(x: Array) -> Array:
    """The positive part `maximum(x, 0)`; its gradient at 0 is 0."""
    return jax.nn.relu(x)


@op(
    axes=elementwise,
    latex=r"\operatorname{{softplus}}\left({x}\right)",
    notation=r"\operatorname{softplus}\left(x\right) = \log\left(1 + \exp\left(x\right)\right)",
    example="softplus(velocity - 1)",
)
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
    notation=r"\operatorname{clip}\left(x, a, b\right) = \min\left(\max\left(x, a\right), b\right)",
    example="clip(position, 0, 1)",
    domain={"`low <= high`": lambda low, high: low <= high},
)
def clip(x: Array, low: Array, high: Array) -> Array:
    """The value, held between `low` and `high`."""
    return jnp.clip(x, low, high)


@op(
    axes=elementwise,
    latex=r"H_{{{delta}}}\left({x}\right)",
    notation=r"H_{\delta}\left(x\right) = \frac{1}{2}\,x^{2} \text{ where } \left\vert x \right\vert \leq \delta"
    r"\text{, else } \delta \left\vert x \right\vert - \frac{1}{2}\,\delta^{2}",
    example="sum(huber(effector.pos[1:] - target.pos, delta=0.1), axis=xy)",
    domain={"`delta > 0`": lambda delta: delta > 0},
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
    notation=r"\left\vert x \right\vert_{\epsilon} = \sqrt{x^{2} + \epsilon^{2}} - \epsilon",
    example="sum(smooth_abs(net.output), axis=output)",
    domain={"`eps > 0`": lambda eps: eps > 0},
)
def smooth_abs(x: Array, eps: Array = 0.001) -> Array:  # type: ignore[assignment]
    """A smooth absolute value, `sqrt(x**2 + eps**2) - eps`: 0 at 0, with gradient 0 there.

    Source: Charbonnier et al. (1994), shifted to 0 at 0.
    """
    return jnp.sqrt(jnp.square(x) + jnp.square(eps)) - eps


# Along `time`.


@op(axes=along("time", keep=False), linear=True, latex=_PICKED, notation=_PICKED_MEANS, example="final(velocity)")
def final(x: Array, *, axis: int) -> Array:
    """The value at the last time step."""
    return jax.lax.index_in_dim(x, -1, axis, keepdims=False)


@op(axes=along("time", keep=False), linear=True, latex=_PICKED, notation=_PICKED_MEANS, example="initial(velocity)")
def initial(x: Array, *, axis: int) -> Array:
    """The value at the first time step."""
    return jax.lax.index_in_dim(x, 0, axis, keepdims=False)


@op(
    axes=shortens("time"),
    linear=True,
    latex=r"\Delta{n:order} {x:atom}",
    notation=r"\Delta x_{t} = x_{t} - x_{t - 1}",
    example="sqnorm(diff(net.output))",
)
def diff(x: Array, n: int = 1, *, axis: int) -> Array:
    """The difference of successive time steps, taken `n` times over: `n` steps shorter.

    `x[t + 1] - x[t]`; for `n = 3` over the cube of the time step it is the jerk.
    """
    return jnp.diff(x, n, axis)


@op(axes=along("time", keep=True), linear=True, latex=r"\sum{bounds} {x:product}", example="cumsum(velocity)")
def cumsum(x: Array, *, axis: int) -> Array:
    """The sum of all time steps so far."""
    return jnp.cumsum(wide(x), axis=axis)


@op(
    axes=along("time", keep=True),
    linear=True,
    latex=r"\left(\frac{{{t}}}{{{T}}}\right)^{{{exponent}}} {x:product}",
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


# Over training: numbers that follow `step`, or what `at` is given. They go on at either end as they were there.

_STEPS: Domain = {"`steps > 0`": lambda steps: steps > 0}


def _between(start: Array, stop: Array, share: Array) -> Array:
    """So written it is `start` and `stop` exactly at the ends, however far their sizes are apart."""
    return start * (1 - share) + stop * share


@op(
    axes=numbers,
    latex=r"\operatorname{{linear}}_{{{start} \to {stop}}}\left(\frac{{{at}}}{{{steps}}}\right)",
    example="linear(1, 0.1, 1000)*velocity",
    domain=_STEPS,
)
def linear(start: Array, stop: Array, steps: Array, at: Array = "step") -> Array:  # type: ignore[assignment]
    """A schedule: from `start` to `stop` on a straight line.

    `start + (stop - start)*clip(at/steps, 0, 1)`.
    Source: `optax.linear_schedule`.
    """
    return _between(start, stop, jnp.clip(at / steps, 0, 1))


@op(
    axes=numbers,
    latex=r"\operatorname{{cosine}}_{{{start} \to {stop}}}\left(\frac{{{at}}}{{{steps}}}\right)",
    example="cosine(1, 0.1, 1000)*velocity",
    domain=_STEPS,
)
def cosine(start: Array, stop: Array, steps: Array, at: Array = "step") -> Array:  # type: ignore[assignment]
    """A schedule: from `start` to `stop` on half a period of the cosine, flat at both ends.

    `start + (stop - start)*(1 - cos(pi*clip(at/steps, 0, 1)))/2`.
    Source: `optax.cosine_decay_schedule`; Loshchilov and Hutter (2017), SGDR, equation 5.
    """
    import optax

    left: Any = optax.cosine_decay_schedule(1.0, 1)(jnp.maximum(at / steps, 0))
    return _between(stop, start, left)


@op(
    axes=numbers,
    latex=r"{start:product} \cdot {rate:atom}^{{{at:power}/{steps:power}}}",
    example="exponential(1, 0.5, 1000)*velocity",
    domain={**_STEPS, "`rate > 0`": lambda rate: rate > 0},
)
def exponential(start: Array, rate: Array, steps: Array, at: Array = "step") -> Array:  # type: ignore[assignment]
    """A schedule: `start`, multiplied by `rate` in every `steps` iterations.

    `start * rate**maximum(at/steps, 0)`.
    Source: `optax.exponential_decay`.
    """
    return start * rate ** jnp.maximum(at / steps, 0)


@op(
    axes=numbers,
    latex=r"\begin{{cases}} {rows}{value:product} & \text{{else}} \end{{cases}}",
    example="piecewise(0, 1000, 0.5, 2000, 1)*velocity",
    domain={"boundaries that increase": lambda boundary: all(map(operator.lt, boundary, boundary[1:]))},
    repeats=("boundary", "value"),
    row=r"{value:product} & {at} \geq {boundary} \\ ",
)
def piecewise(value: Array, *then: Array, at: Array = "step") -> Array:  # type: ignore[assignment]
    """A schedule: constant, with another value from each boundary on.

    `piecewise(v0, b1, v1, ...)` is `v0` where `at < b1`, `v1` where `b1 <= at < b2`, and so on.
    Source: `optax.join_schedules`.
    """
    import optax

    constants = [optax.constant_schedule(jnp.asarray(number, float)) for number in (value, *then[1::2])]
    boundaries: Any = then[::2]
    joined: Any = optax.join_schedules(constants, boundaries)(at)
    return joined


@op(
    axes=numbers,
    latex=r"{value:product} \cdot \min\left(\frac{{{at}}}{{{steps}}}, 1\right)",
    example="warmup(0.1, 1000)*velocity",
    domain=_STEPS,
)
def warmup(value: Array, steps: Array, at: Array = "step") -> Array:  # type: ignore[assignment]
    """A schedule: from 0 to `value` on a straight line.

    `value*clip(at/steps, 0, 1)`, which is `linear(0, value, steps)`.
    Source: `optax.warmup_constant_schedule`.
    """
    return value * jnp.clip(at / steps, 0, 1)


@op(
    axes=numbers,
    latex=r"\operatorname{{cyclic}}_{{{low} \to {high}}}\left(\frac{{{at}}}{{{period}}}; {ratio}\right)",
    example="cyclic(0, 1, 1000)*velocity",
    domain={"`period > 0`": lambda period: period > 0, "`0 < ratio <= 1`": lambda ratio: 0 < ratio <= 1},
)
def cyclic(
    low: Array,
    high: Array,
    period: Array,
    ratio: Array = 0.5,  # type: ignore[assignment]
    at: Array = "step",  # type: ignore[assignment]
) -> Array:
    """A schedule: in every period from `low` to `high` on a straight line, over the first `ratio` of it.

    `low + (high - low)*minimum(phase/ratio, 1)` with `phase = at/period - floor(at/period)`.
    Source: Fu et al. (2019), Cyclical annealing schedule, equations 6 and 7.
    """
    return _between(low, high, jnp.minimum(jnp.mod(at, period) / (period * ratio), 1))


# Matrices, distributions, choices.


@op(
    axes=quadratic,
    latex=r"{x:atom}^{{\top}} {Q:power}\,{x:power}",
    example="quadratic_form(effector.vel, 2) + quadratic_form(net.output, square(net.output))",
)
def quadratic_form(x: Array, Q: Array, *, axis: tuple[int, ...]) -> Array:
    """The quadratic form of a vector and a square matrix.

    `sum_i x_i * sum_j Q_ij*x_j` over the one axis that is neither `batch` nor `time`, or the one given, which the
    matrix has twice: `Quantity("trial_specs.Q", "state state")`. A matrix with it once is the diagonal of one, a
    number a multiple of the identity.
    """
    x = wide(x)
    if len(axis) == 1:
        return jnp.sum(Q * jnp.square(x), axis=axis)
    return jnp.sum(x * jnp.matmul(Q, x, precision="highest"), axis=axis)


@op(
    axes=features(one=False, tree=True),
    latex=r"\left\Vert {x} \right\Vert_{{1}}",
    example="l1norm(effector.pos[1:] - target.pos)",
)
def l1norm(x: Any, *, axis: tuple[int, ...] | None = None) -> Array:
    """The L1 norm; its gradient at 0 is 0.

    `sum_i abs(x_i)` over all axes that are neither `batch` nor `time`, or those given; of a PyTree, over all its
    arrays of floats. With `sqnorm` it makes the elastic net, `l1norm(model) + sqnorm(model)`.
    Source: Tibshirani (1996), Regression shrinkage and selection via the lasso; Zou and Hastie (2005).
    """
    if axis is not None:
        return jnp.sum(abs_(wide(x)), axis=axis)
    sums = [jnp.sum(abs_(wide(leaf))) for leaf in jax.tree.leaves(x)]
    return sum(sums[1:], start=sums[0]) if sums else jnp.zeros(())


@op(
    axes=classes(keep=True),
    latex=r"\operatorname{{softmax}}\left({x}\right)",
    example="dot(softmax(net.output), net.output)",
)
def softmax(x: Array, *, axis: tuple[int, ...]) -> Array:
    """The probabilities of a categorical distribution from its logits.

    `exp(x_i) / sum_j exp(x_j)` over the one axis that is neither `batch` nor `time`, or the one given.
    Source: `jax.nn.softmax`.
    """
    return jax.nn.softmax(wide(x), axis)


@op(
    axes=classes(keep=True),
    latex=r"\log\operatorname{{softmax}}\left({x}\right)",
    example="-dot(softmax(net.output), log_softmax(net.output)) as entropy",
)
def log_softmax(x: Array, *, axis: tuple[int, ...]) -> Array:
    """The logarithm of `softmax`, accurate where a probability is tiny.

    `x_i - logsumexp(x)` over the one axis that is neither `batch` nor `time`, or the one given.
    Source: `jax.nn.log_softmax`.
    """
    return jax.nn.log_softmax(wide(x), axis)


@op(
    axes=classes(),
    latex=r"\operatorname{{logsumexp}}\left({x}\right)",
    example="logsumexp(net.output)",
)
def logsumexp(x: Array, *, axis: tuple[int, ...]) -> Array:
    """A smooth maximum, `log(sum_i exp(x_i))`, that does not overflow.

    Over the one axis that is neither `batch` nor `time`, or the one given.
    Source: `jax.nn.logsumexp`.
    """
    return jax.nn.logsumexp(wide(x), axis)


@op(
    axes=classes(every=False),
    latex=r"H\left({labels}, \operatorname{{softmax}}\left({logits}\right)\right)",
    example="cross_entropy(net.output, softmax(2*net.output))",
)
def cross_entropy(logits: Array, labels: Array, *, axis: tuple[int, ...]) -> Array:
    """The cross entropy of labels and a categorical distribution that is given by its logits.

    `-sum_i labels_i*log_softmax(logits)_i` over the one axis of the logits that is neither `batch` nor `time`, or
    the one given. Labels without that axis are the numbers of the classes, from 0; a label outside gives NaN.
    Source: `optax.softmax_cross_entropy` and `optax.softmax_cross_entropy_with_integer_labels`.
    """
    log_p, labels = jax.nn.log_softmax(wide(logits), axis), jnp.asarray(labels)
    labels = labels.reshape(labels.shape or (1,) * log_p.ndim)
    if labels.shape[axis[0]] == log_p.shape[axis[0]]:
        return -jnp.sum(jnp.asarray(labels, log_p.dtype) * log_p, axis=axis)
    # A negative index would count from the end.
    chosen = jnp.where(labels < 0, log_p.shape[axis[0]], labels).astype(int)
    return -jnp.squeeze(jnp.take_along_axis(log_p, chosen, axis[0], mode="fill"), axis)


@op(
    axes=classes(),
    latex=r"D_{{\mathrm{{KL}}}}\left(\operatorname{{softmax}}\left({logits_p}\right) \,\Vert\, "
    r"\operatorname{{softmax}}\left({logits_q}\right)\right)",
    example="kl_divergence(net.output, 2*net.output)",
)
def kl_divergence(logits_p: Array, logits_q: Array, *, axis: tuple[int, ...]) -> Array:
    """The Kullback-Leibler divergence of two categorical distributions p and q, given by their logits.

    `sum_i p_i*(log(p_i) - log(q_i))` with `p = softmax(logits_p)`, `q = softmax(logits_q)`, over the one axis that is
    neither `batch` nor `time`, or the one given. Logarithms of probabilities are logits too.
    Source: Kullback and Leibler (1951); `optax.kl_divergence_with_log_targets`.
    """
    log_p, log_q = jax.nn.log_softmax(wide(logits_p), axis), jax.nn.log_softmax(wide(logits_q), axis)
    return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=axis)


@op(
    axes=elementwise,
    latex=r"H\left({labels}, \sigma\left({logits}\right)\right)",
    example="sum(sigmoid_cross_entropy(net.output, sigmoid(net.output)), axis=output)",
)
def sigmoid_cross_entropy(logits: Array, labels: Array) -> Array:
    """The cross entropy of labels and Bernoulli distributions that are given by their logits, elementwise.

    `-labels*log(sigmoid(logits)) - (1 - labels)*log(1 - sigmoid(logits))`.
    Source: `optax.sigmoid_binary_cross_entropy`.
    """
    import optax

    logits = jnp.asarray(logits, jnp.result_type(logits, float))
    return optax.sigmoid_binary_cross_entropy(logits, jnp.asarray(labels))


@op(axes=elementwise, latex=r"\left[{x} > {y}\right]", example="greater(velocity, 0.01)*position")
def greater(x: Array, y: Array) -> Array:
    """The indicator of `x > y`: 1 where it holds, else 0; its gradient is 0."""
    return jnp.asarray(x > y, jnp.result_type(x, y, float))


@op(
    axes=elementwise,
    latex=r"\begin{{cases}} {x} & {mask} \\ {y} & \text{{else}} \end{{cases}}",
    example="where(greater(position, 1), sqrt(position), position)",
)
def where(mask: Array, x: Array, y: Array) -> Array:
    """The value of `x` where a mask is not 0, else `y`; there is no gradient to the one that is not taken."""
    return jnp.where(mask != 0, x, y)
