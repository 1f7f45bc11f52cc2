"""Along `time` or another axis: single steps, differences, running sums and extremes, discounts, frequencies."""

import operator
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators import curves
from lossdsl.operators.along import along, recurrence, shortens, spectrum
from lossdsl.operators.axes import subscript
from lossdsl.operators.declaration import nonzero, op, symbol, wide
from lossdsl.operators.fold import Fold, Parts
from lossdsl.operators.reductions import all_in, is_in, masked
from lossdsl.operators.signs import hull, never_negative, ramped, returned, summed

_PICKED: dict[str, Any] = {
    "linear": True,
    "squares": "picks",
    "latex": r"\left. {x:power} \right|_{{{at}{where:mask}}}",
    "notation": r"\left. x \right|_{T} = x_{T}",
    "between": hull(0),
    "curve": "affine up",
}
symbol(
    "[]",
    operator.getitem,
    "velocity[10:50]",
    "Steps of `time`, indexed and sliced as Python does; `x@-1` and `x@10:50` are the same.",
    rule=subscript,
    **_PICKED,
)


def _picked(x: Array, where: Array, axis: int, last: bool) -> Array:
    """The first or last value that a mask leaves in, 0 where there is none."""
    if all_in(where):
        return jax.lax.index_in_dim(x, -1 if last else 0, axis, keepdims=False)
    valid = jnp.broadcast_to(nonzero(where), x.shape)
    place = x.shape[axis] - 1 - jnp.argmax(jnp.flip(valid, axis), axis) if last else jnp.argmax(valid, axis)
    found = jnp.take_along_axis(x, jnp.expand_dims(place, axis), axis)
    return jnp.where(jnp.any(valid, axis), jnp.squeeze(found, axis), 0)


def _kept(last: bool) -> Fold:
    """The last value that a mask leaves in, or the first, and whether there is one."""

    def of(x: Array, *, where: Array = 1, axis: int) -> Parts:  # type: ignore[assignment]
        return _picked(x, where, axis, last), jnp.any(is_in(x, where), axis)

    def merge(so_far: Parts, new: Parts) -> Parts:
        first, then = (new, so_far) if last else (so_far, new)
        return jnp.where(first[1], first[0], then[0]), so_far[1] | new[1]

    return Fold(merge, (0, 0), of=of)


@op(axes=along("time", keep=False), optional=("where",), example="final(velocity)", fold=_kept(True), **_PICKED)
def final(x: Array, *, where: Array = 1, axis: int) -> Array:  # type: ignore[assignment]
    """The value at the last time step, or the last place of the axis that is given.

    With a mask `where=m`, the last one where the mask is not 0, and 0 where it is 0 throughout.
    """
    return _picked(x, where, axis, last=True)


@op(axes=along("time", keep=False), optional=("where",), example="initial(velocity)", fold=_kept(False), **_PICKED)
def initial(x: Array, *, where: Array = 1, axis: int) -> Array:  # type: ignore[assignment]
    """The value at the first time step, or the first place of the axis that is given.

    With a mask `where=m`, the first one where the mask is not 0, and 0 where it is 0 throughout.
    """
    return _picked(x, where, axis, last=False)


@op(
    axes=shortens("time"),
    linear=True,
    latex=r"\Delta{named:under}{n:order} {x:atom}",
    notation=r"\Delta x_{t} = x_{t} - x_{t - 1}",
    example="sqnorm(diff(net.output))",
    curve="affine any",
)
def diff(x: Array, n: int = 1, *, axis: int) -> Array:
    """The difference of successive time steps, taken `n` times over: `n` steps shorter.

    `x[t + 1] - x[t]`; for `n = 3` over the cube of the time step it is the jerk. Along another axis if one is given.
    """
    return jnp.diff(x, n, axis)


@op(
    axes=along("time", keep=True),
    optional=("where",),
    linear=True,
    reads="before",
    latex=r"\sum{bounds} {where:factor}{x:product}",
    example="cumsum(velocity)",
    fold=Fold(),
    between=summed,
    curve=curves.summed,
)
def cumsum(x: Array, *, where: Array = 1, axis: int) -> Array:  # type: ignore[assignment]
    """The sum of all time steps so far, or along the axis that is given.

    With a mask `where=m`, of `m*x`.
    """
    return jnp.cumsum(masked(wide(x), where), axis=axis)


def _extreme(x: Array, where: Array, axis: int) -> Array:
    if all_in(where):
        return jax.lax.cummax(x, axis)
    valid = jnp.broadcast_to(nonzero(where), x.shape)
    so_far = jax.lax.cummax(jnp.where(valid, x, -jnp.inf), axis)
    return jnp.where(jax.lax.cummax(valid.astype(int), axis) != 0, so_far, 0)


def _running(sign: int) -> Fold:
    """The largest number so far, or the smallest with the sign -1, and whether there is one."""

    def of(x: Array, *, where: Array = 1, axis: int) -> Parts:  # type: ignore[assignment]
        valid = is_in(x, where)
        return jnp.where(valid, sign * x, -jnp.inf), valid

    def merge(so_far: Parts, new: Parts) -> Parts:
        return jnp.maximum(so_far[0], new[0]), so_far[1] | new[1]

    return Fold(merge, (-jnp.inf, 0), lambda so_far: jnp.where(so_far[1], sign * so_far[0], 0), of)


@op(
    axes=along("time", keep=True),
    fold=_running(1),
    reads="before",
    latex=r"\max_{{{axis}{where:mask}}} {x:power}",
    degrees=(1,),
    signs="positive",
    example="cummax(velocity)",
    between=hull(0),
    curve="convex up",
)
def cummax(x: Array, *, where: Array = 1, axis: int) -> Array:  # type: ignore[assignment]
    """The largest value of all time steps so far, or along the axis that is given.

    With a mask `where=m`, the largest where the mask is not 0, and 0 where it was 0 throughout.
    """
    return _extreme(x, where, axis)


@op(
    axes=along("time", keep=True),
    fold=_running(-1),
    reads="before",
    latex=r"\min_{{{axis}{where:mask}}} {x:power}",
    degrees=(1,),
    signs="positive",
    example="cummin(position)",
    between=hull(0),
    curve="concave up",
)
def cummin(x: Array, *, where: Array = 1, axis: int) -> Array:  # type: ignore[assignment]
    """The smallest value of all time steps so far, or along the axis that is given.

    With a mask `where=m`, the smallest where the mask is not 0, and 0 where it was 0 throughout.
    """
    return -_extreme(-x, where, axis)


@op(
    axes=along("time", keep=True, numbers=1),
    optional=("where",),
    linear=True,
    reads="same",
    latex=r"\left(\frac{{{t}}}{{{T}}}\right)^{{{exponent}}} {x:product}",
    example="discount(position, exponent=6)",
    squares="sums",
    between=ramped,
    curve="affine up",
)
def discount(x: Array, *, exponent: Array, where: Array = 1, axis: int) -> Array:  # type: ignore[assignment]
    """A weight that grows along `time` as a power: the last of T steps counts in full.

    `(t/T)**exponent * x` for `t = 1 ... T`. With a mask `where=m` those steps are counted where it is not 0, and the
    others are 0: in a trial that ends early its last step counts in full.
    Source: `feedbax.loss.power_discount`.
    """
    x, steps = wide(x), x.shape[axis]
    if all_in(where):
        ramp = jnp.arange(1, steps + 1, dtype=x.dtype) / steps
        return x * (ramp**exponent).reshape([steps if i == axis else 1 for i in range(x.ndim)])
    valid = jnp.broadcast_to(nonzero(where), x.shape)
    counted = jnp.cumsum(valid, axis, dtype=x.dtype)
    ramp = counted / jnp.maximum(jnp.sum(valid, axis, keepdims=True, dtype=x.dtype), 1)
    # The root of 0 has no gradient.
    return jnp.where(valid, x, 0) * jnp.where(valid, ramp, 1) ** exponent


@op(
    axes=recurrence,
    reads="after",
    latex=r"G_{{{gamma}{last:more}{where:mask}}}\left({x}\right)",
    notation=r"G_{\gamma}\left(x\right)_{t} = x_{t} + \gamma\, G_{\gamma}\left(x\right)_{t + 1}",
    example="discounted_sum(velocity, 0.9)[0]",
    between=returned,
    curve=curves.returned,
    unit="same x last",
)
def discounted_sum(x: Array, gamma: Array, *, last: Array = 0, where: Array = 1, axis: int) -> Array:  # type: ignore[assignment]
    """The discounted sum of each time step and those after it: the return of reinforcement learning.

    `g[t] = x[t] + gamma*g[t + 1]` with `last` behind the last step, or along the axis that is given; `gamma` may differ
    from step to step. With a mask `where=m` the steps where it is 0 are passed over, and 0 themselves.
    Source: Sutton and Barto (2018), section 3.3; Blelloch (1990), Prefix sums and their applications, section 1.4.
    """
    x = wide(x)
    valid = jnp.broadcast_to(nonzero(where), x.shape)
    gains = jnp.where(valid, jnp.broadcast_to(gamma, x.shape).astype(x.dtype), 1)
    sums = jnp.where(valid, x, 0)

    def joined(later: tuple[Array, Array], earlier: tuple[Array, Array]) -> tuple[Array, Array]:
        return later[0] * earlier[0], earlier[1] + earlier[0] * later[1]

    gains, sums = jax.lax.associative_scan(joined, (gains, sums), reverse=True, axis=axis)
    return jnp.where(valid, sums + gains * last, 0)


@op(
    axes=spectrum,
    latex=r"\left\vert \mathcal{{F}}{named:under}\left({x}\right) \right\vert^{{2}}",
    notation=r"\mathcal{F}\left(x\right)_{k} = \sum_{t=0}^{T-1} x_{t}\, \exp\left(-2 \pi i\, k\, t / T\right)",
    degrees=(2,),
    example="sum(power_spectrum(velocity)[10:])",
    between=never_negative,
    curve="convex any",
)
def power_spectrum(x: Array, *, axis: int) -> Array:
    """The power at each frequency along `time`, or along the axis that is given, which then counts frequencies.

    `abs(sum_t x_t*exp(-2*pi*i*k*t/T))**2` for `k = 0 ... T//2` cycles in the T steps.
    Source: `numpy.fft.rfft`.
    """
    found = jnp.fft.rfft(wide(x), axis=axis)
    return jnp.square(found.real) + jnp.square(found.imag)
