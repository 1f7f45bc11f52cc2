"""Choices between values."""

import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import elementwise
from lossdsl.operators.declaration import op


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


@op(axes=elementwise, latex=r"\left[{x} > {y}\right]", example="greater(velocity, 0.01)*position", flat=("x", "y"))
def greater(x: Array, y: Array) -> Array:
    """The indicator of `x > y`: 1 where it holds, else 0; its gradient is 0."""
    return jnp.asarray(x > y, jnp.result_type(x, y, float))


@op(
    axes=elementwise,
    latex=r"\begin{{cases}} {x} & {mask} \\ {y} & \text{{else}} \end{{cases}}",
    example="where(greater(position, 1), sqrt(position), position)",
    flat=("mask",),
)
def where(mask: Array, x: Array, y: Array) -> Array:
    """The value of `x` where a mask is not 0, else `y`; there is no gradient to the one that is not taken."""
    return jnp.where(mask != 0, x, y)
