"""Along `time`: single steps, differences, running sums, discounts."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import along, shortens, subscript
from lossdsl.operators.declaration import op, symbol, wide

_PICKED: dict[str, Any] = {
    "linear": True,
    "latex": r"\left. {x:power} \right|_{{{at}}}",
    "notation": r"\left. x \right|_{T} = x_{T}",
}
symbol(
    "[]",
    operator.getitem,
    "velocity[10:50]",
    "Steps of `time`, indexed and sliced as Python does; `x@-1` and `x@10:50` are the same.",
    rule=subscript,
    **_PICKED,
)


@op(axes=along("time", keep=False), example="final(velocity)", **_PICKED)
def final(x: Array, *, axis: int) -> Array:
    """The value at the last time step."""
    return jax.lax.index_in_dim(x, -1, axis, keepdims=False)


@op(axes=along("time", keep=False), example="initial(velocity)", **_PICKED)
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


@op(
    axes=along("time", keep=True),
    linear=True,
    reads="before",
    latex=r"\sum{bounds} {x:product}",
    example="cumsum(velocity)",
)
def cumsum(x: Array, *, axis: int) -> Array:
    """The sum of all time steps so far."""
    return jnp.cumsum(wide(x), axis=axis)


@op(
    axes=along("time", keep=True),
    linear=True,
    reads="same",
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
