"""Sums, products and powers, and the elementary functions of one number."""

import math
import operator

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators import curves
from lossdsl.operators.axes import elementwise
from lossdsl.operators.declaration import op, symbol
from lossdsl.operators.signs import (
    added,
    divided,
    from_to,
    hull,
    increasing,
    multiplied,
    negated,
    never_negative,
    raised,
    rooted,
    squared,
)
from lossdsl.operators.singular import ANGLE, DIVISION, EXPONENTIAL, LOGARITHM, LOGARITHM_OF_MORE, POWER, ROOT

symbol(
    "+",
    operator.add,
    "position + velocity",
    "Sum; at the top of a loss, its terms.",
    between=added,
    curve="affine up...",
    unit="same",
)
symbol(
    "neg",
    operator.neg,
    "-position",
    "Negation, and subtraction `x - y`.",
    degrees=(1,),
    between=negated,
    curve="affine down",
)
symbol(
    "*", operator.mul, "2*position", "Product, elementwise.", degrees=(1, 1), between=multiplied, curve=curves.product
)
symbol(
    "/",
    operator.truediv,
    "position/2",
    "Quotient, elementwise.",
    degrees=(1, -1),
    between=divided,
    curve=curves.quotient,
    singular=DIVISION,
)
symbol(
    "**",
    operator.pow,
    "position**2",
    "Power, elementwise; binds to the right.",
    between=raised,
    curve=curves.power,
    singular=POWER,
    unit="power",
)


@op(
    "abs",
    axes=elementwise,
    latex=r"\left\vert {x} \right\vert",
    example="sum(abs(net.output), axis=output)",
    degrees=(1,),
    signs="absolute",
    between=never_negative,
    curve="convex away",
)
def abs_(x: Array) -> Array:
    """The absolute value; its gradient at 0 is 0."""
    return _abs(1.0 * x)


_abs = jax.custom_jvp(jnp.abs)
# The gradient of `jnp.abs` itself is 1 at 0; of complex numbers it is along the real axis.
_abs.defjvps(lambda t, found, x: jnp.real(t * jnp.conj(jnp.sign(x))))


@op(
    axes=elementwise,
    latex=r"\sqrt{{{x}}}",
    example="sqrt(position + 0.01)",
    between=rooted,
    curve="concave up",
    singular=ROOT,
    unit="root",
)
def sqrt(x: Array) -> Array:
    """The square root; its gradient at 0 is infinite, `norm` and `smooth_abs` are safe there."""
    return jnp.sqrt(x)


@op(
    axes=elementwise,
    latex=r"{x:atom}^{{2}}",
    example="sum(square(net.output), axis=output)",
    degrees=(2,),
    squares="operand",
    between=squared,
    curve="convex away",
)
def square(x: Array) -> Array:
    """The square, elementwise."""
    return jnp.square(x)


@op(
    axes=elementwise,
    latex=r"\exp\left({x}\right)",
    example="exp(-position)",
    between=increasing(math.exp),
    curve="convex up",
    singular=EXPONENTIAL,
    unit="pure",
)
def exp(x: Array) -> Array:
    """The exponential."""
    return jnp.exp(x)


@op(
    axes=elementwise,
    latex=r"\log\left({x}\right)",
    example="log(0.01 + position)",
    between=increasing(math.log),
    curve="concave up",
    singular=LOGARITHM,
    unit="pure",
)
def log(x: Array) -> Array:
    """The natural logarithm."""
    return jnp.log(x)


@op(
    axes=elementwise,
    latex=r"\log\left(1 + {x}\right)",
    example="log1p(position)",
    between=increasing(math.log1p),
    curve="concave up",
    singular=LOGARITHM_OF_MORE,
    unit="pure",
)
def log1p(x: Array) -> Array:
    """The natural logarithm of `1 + x`, accurate near 0."""
    return jnp.log1p(x)


@op(
    axes=elementwise,
    latex=r"\sigma\left({x}\right)",
    notation=r"\sigma\left(x\right) = \frac{1}{1 + \exp\left(-x\right)}",
    example="sigmoid(position)",
    between=from_to(0, 1),
    unit="pure",
)
def sigmoid(x: Array) -> Array:
    """The logistic function `1/(1 + exp(-x))`."""
    return jax.nn.sigmoid(1.0 * x)


@op(
    axes=elementwise,
    latex=r"\tanh\left({x}\right)",
    example="tanh(position)",
    between=increasing(math.tanh),
    unit="pure",
)
def tanh(x: Array) -> Array:
    """The hyperbolic tangent."""
    return jnp.tanh(x)


@op(
    axes=elementwise,
    latex=r"\sin\left({x}\right)",
    example="sin(position)",
    between=from_to(-1, 1),
    unit="pure",
)
def sin(x: Array) -> Array:
    """The sine."""
    return jnp.sin(x)


@op(
    axes=elementwise,
    latex=r"\cos\left({x}\right)",
    example="1 - cos(position)",
    between=from_to(-1, 1),
    unit="pure",
)
def cos(x: Array) -> Array:
    """The cosine."""
    return jnp.cos(x)


@op(
    axes=elementwise,
    latex=r"\tan\left({x}\right)",
    example="tan(position)",
    unit="pure",
)
def tan(x: Array) -> Array:
    """The tangent."""
    return jnp.tan(x)


@op(
    axes=elementwise,
    latex=r"\operatorname{{atan2}}\left({y}, {x}\right)",
    example="atan2(velocity, 1 + position)",
    between=from_to(-math.pi, math.pi),
    singular=ANGLE,
    unit="compared",
)
def atan2(y: Array, x: Array) -> Array:
    """The angle of the point `(x, y)`, from -pi to pi; its gradient at `(0, 0)` is NaN."""
    return jnp.atan2(1.0 * y, 1.0 * x)


@op(
    axes=elementwise,
    latex=r"\operatorname{{erf}}\left({x}\right)",
    notation=r"\operatorname{erf}\left(x\right) = \frac{2}{\sqrt{\pi}} \int_{0}^{x} \exp\left(-s^{2}\right) ds",
    example="(1 + erf(position/sqrt(2)))/2",
    between=increasing(math.erf),
    unit="pure",
)
def erf(x: Array) -> Array:
    """The error function; half of one more than that of `x/sqrt(2)` is the normal distribution function."""
    return jax.scipy.special.erf(1.0 * x)


@op(
    axes=elementwise,
    linear=True,
    latex=r"\operatorname{{sg}}\left({x}\right)",
    example="square(velocity - stop_gradient(position))",
    squares="picks",
    between=hull(0),
    curve="affine up",
)
def stop_gradient(x: Array) -> Array:
    """The value itself, into which no gradient goes.

    Source: `jax.lax.stop_gradient`.
    """
    return jax.lax.stop_gradient(x)
