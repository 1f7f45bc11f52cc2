"""Choices between values."""

from functools import reduce

import jax.numpy as jnp
from jax import Array

from lossdsl.operators import curves
from lossdsl.operators.axes import elementwise
from lossdsl.operators.declaration import nonzero, number, op
from lossdsl.operators.signs import clipped, hull, increasing, least, most


@op(
    axes=elementwise,
    latex=r"\min\left({x}{rows}\right)",
    repeats=("y",),
    row=", {y}",
    example="minimum(position, 1)",
    between=least,
    curve="concave up...",
    unit="same",
)
def minimum(x: Array, *others: Array) -> Array:
    """The smallest of two values or more."""
    return reduce(jnp.minimum, others, x)


@op(
    axes=elementwise,
    latex=r"\max\left({x}{rows}\right)",
    repeats=("y",),
    row=", {y}",
    example="maximum(position, 0.01)",
    between=most,
    curve="convex up...",
    unit="same",
)
def maximum(x: Array, *others: Array) -> Array:
    """The largest of two values or more."""
    return reduce(jnp.maximum, others, x)


@op(
    axes=elementwise,
    latex=r"\operatorname{{clip}}\left({x}, {low}, {high}\right)",
    notation=r"\operatorname{clip}\left(x, a, b\right) = \min\left(\max\left(x, a\right), b\right)",
    example="clip(position, 0, 1)",
    domain={"`low <= high`": lambda low, high: low <= high},
    between=clipped,
    unit="same",
)
def clip(x: Array, low: Array, high: Array) -> Array:
    """The value, held between `low` and `high`."""
    return jnp.clip(x, low, high)


@op(
    axes=elementwise,
    latex=r"\left[{x} > {y}\right]",
    example="greater(velocity, 0.01)*position",
    flat=("x", "y"),
    indicates=True,
    unit="compared",
)
def greater(x: Array, y: Array) -> Array:
    """The indicator of `x > y`: 1 where it holds, else 0; its gradient is 0."""
    return jnp.asarray(x > y, jnp.result_type(x, y, float))


@op(
    axes=elementwise,
    latex=r"\left[{x} < {y}\right]",
    example="less(velocity, 0.01)*position",
    flat=("x", "y"),
    indicates=True,
    unit="compared",
)
def less(x: Array, y: Array) -> Array:
    """The indicator of `x < y`: 1 where it holds, else 0; its gradient is 0."""
    return greater(y, x)


@op(
    axes=elementwise,
    latex=r"\left[{x} = {y}\right]",
    example="equal(position, 0)*velocity",
    flat=("x", "y"),
    indicates=True,
    unit="compared",
)
def equal(x: Array, y: Array) -> Array:
    """The indicator of `x = y`: 1 where it holds exactly, else 0; its gradient is 0."""
    return jnp.asarray(x == y, jnp.result_type(x, y, float))


@op(
    axes=elementwise,
    latex=r"\operatorname{{sign}}\left({x}\right)",
    example="sign(velocity - 0.1)",
    flat=("x",),
    between=increasing(lambda x: (x > 0) - (x < 0)),
    unit="none",
)
def sign(x: Array) -> Array:
    """The sign: 1, 0 or -1; its gradient is 0."""
    return jnp.sign(1.0 * x)


@op(
    axes=elementwise,
    latex=r"\begin{{cases}} {x} & {mask} \\ {y} & \text{{else}} \end{{cases}}",
    example="where(greater(position, 1), sqrt(position), position)",
    flat=("mask",),
    mask="mask",
    between=hull(1, 2),
    curve=curves.choice,
    unit="same x y",
)
def where(mask: Array, x: Array, y: Array) -> Array:
    """The value of `x` where a mask is not 0, else `y`; there is no gradient to the one that is not taken."""
    # Two numbers of the text are whole ones to JAX.
    return number(jnp.where(nonzero(mask), x, y))
