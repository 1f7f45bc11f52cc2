"""What takes an axis away, `time` if none is given, or several."""

from typing import Any

import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import reduces
from lossdsl.operators.declaration import Axis, op, wide


def _all(where: Any) -> bool:
    """Whether a mask is the default, which leaves nothing out."""
    return isinstance(where, int) and where == 1


def _masked(x: Array, where: Any) -> Array:
    """The product with a mask, 0 where the mask is 0 whatever stands there."""
    where = jnp.asarray(where, x.dtype)
    return jnp.where(where != 0, x, 0) * where


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


@op(
    "max",
    axes=reduces("time"),
    latex=r"\max_{{{axis}}} {x:power}",
    example="max(velocity)",
    degrees=(1,),
    signs="positive",
)
def max_(x: Array, *, axis: Axis) -> Array:
    """The largest value along an axis, `time` if none is given, or several."""
    return jnp.max(x, axis=axis)


@op(
    "min",
    axes=reduces("time"),
    latex=r"\min_{{{axis}}} {x:power}",
    example="min(position)",
    degrees=(1,),
    signs="positive",
)
def min_(x: Array, *, axis: Axis) -> Array:
    """The smallest value along an axis, `time` if none is given, or several."""
    return jnp.min(x, axis=axis)
