"""What takes an axis away, `time` if none is given, or several."""

import math
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators import curves
from lossdsl.operators.along import along, over_trials, reduces
from lossdsl.operators.curves import weighed
from lossdsl.operators.declaration import CALLED, Axis, Scaled, nonzero, op, wide
from lossdsl.operators.fold import Fold, Parts, trace
from lossdsl.operators.signs import by_mask, hull, mean_of, never_negative, summed
from lossdsl.operators.singular import OF_MASK


def all_in(where: Any) -> bool:
    """Whether a mask is the default, which leaves nothing out."""
    return isinstance(where, int) and where == 1


def left_in(x: Array, where: Any) -> Array:
    """The numbers themselves, but 0 where a mask is 0."""
    return x if all_in(where) else jnp.where(nonzero(where), x, 0)


def masked(x: Array, where: Any) -> Array:
    """The product with a mask, 0 where the mask is 0 whatever stands there."""
    if all_in(where) or jnp.asarray(where).dtype == bool:
        return left_in(x, where)
    return left_in(x, where) * jnp.asarray(where, x.dtype)


def counted(x: Array, where: Any, axis: Axis) -> Array:
    """How much a mask counts of each group, a weight for that weight."""
    where = jnp.reshape(jnp.asarray(where, x.dtype), jnp.shape(where) or (1,) * x.ndim)
    axes = (axis,) if isinstance(axis, int) else axis
    # Where the mask lacks an axis it is not made as large as what it masks.
    return jnp.sum(where, axis=axis) * math.prod(x.shape[i] for i in axes if where.shape[i] != x.shape[i])


@op(
    "sum",
    axes=reduces("time"),
    linear=True,
    latex=r"\sum{bounds} {where:factor}{x:product}",
    example="sum(position)",
    squares="sums",
    fold=Fold(),
    between=summed,
    curve=curves.summed,
)
def sum_(x: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The sum over an axis, `time` if none is given, or over several: `axis=(batch, time)`.

    With a mask `where=m`, `sum_i m_i*x_i`: a mask of 0 leaves out, also what is NaN or infinite, and its gradient.
    """
    return jnp.sum(masked(wide(x), where), axis=axis)


def _total(x: Array, *, where: Array = 1, axis: Axis) -> Parts:  # type: ignore[assignment]
    x = wide(x)
    return jnp.sum(masked(x, where), axis=axis), counted(x, where, axis)


def _per_count(so_far: Parts) -> Array:
    total, count = so_far
    return total / jnp.where(count == 0, 1, count)


@op(
    axes=reduces("time"),
    linear=True,
    fold=Fold(empty=(0, 0), value=_per_count, of=_total),
    latex=r"\left\langle {x} \right\rangle_{{{axis}{where:mask}}}",
    notation=r"\left\langle x \right\rangle_{1 \leq t \leq T} = \frac{1}{T} \sum_{t=1}^{T} x_{t}",
    example="mean(velocity)",
    squares="sums",
    between=mean_of,
    curve=curves.summed,
)
def mean(x: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The mean over an axis, `time` if none is given, or over several: `axis=(batch, time)`.

    With a mask `where=m`, `sum_i m_i*x_i / sum_i m_i`, and 0 where the mask is 0 throughout.
    """
    x = wide(x)
    if all_in(where):
        return jnp.mean(x, axis=axis)
    total = counted(x, where, axis)
    return jnp.sum(masked(x, where), axis=axis) / jnp.where(total == 0, 1, total)


def averaged(x: Array, factor: Array | None = None, *, axis: Axis) -> Scaled:
    """The mean of a term that ends with it: XLA makes one reduction of its sum and that over the trials."""
    value = jnp.sum(wide(x), axis=axis)
    return Scaled(value, factor, x.size // value.size if value.size else 1)


CALLED["averaged"] = averaged


def picked(table: Array, place: Array, axis: int) -> Array:
    """The values at places along an axis, which stays with length 1; NaN at a place that is not there."""
    # A negative index would count from the end.
    place = jnp.where(place < 0, table.shape[axis], place).astype(int)
    return jnp.take_along_axis(table, place, axis, mode="fill")


def is_in(x: Array, where: Any) -> Array:
    """Which numbers a mask leaves in, in the shape of `x`."""
    return jnp.broadcast_to(nonzero(where), x.shape)


def largest(x: Array, where: Any, axis: Axis) -> Array:
    """The largest number that a mask leaves in, 0 where it leaves none."""
    if all_in(where):
        return jnp.max(x, axis=axis)
    valid = is_in(x, where)
    found = jnp.max(jnp.where(valid, x, -jnp.inf), axis=axis)
    return jnp.where(jnp.any(valid, axis=axis), found, 0)


def _top(x: Array, *, where: Array = 1, axis: Axis) -> Parts:  # type: ignore[assignment]
    """The largest number, what carries the gradient of all that are as large, their number, and if there is one."""
    valid = is_in(x, where)
    top = jax.lax.stop_gradient(jnp.max(jnp.where(valid, x, -jnp.inf), axis=axis, keepdims=True))
    same = valid & (x == top)
    found = jnp.sum(jnp.where(same, trace(x), 0), axis=axis), jnp.sum(same, axis=axis, dtype=x.dtype)
    return jnp.squeeze(top, axis), *found, jnp.any(valid, axis=axis)


def _of_both(so_far: Parts, new: Parts) -> Parts:
    top = jnp.maximum(so_far[0], new[0])
    # The gradient is shared by all steps that are as large, as `jnp.max` has it.
    parts = zip(so_far[1:3], new[1:3], strict=True)
    shared = [jnp.where(so_far[0] == top, a, 0) + jnp.where(new[0] == top, b, 0) for a, b in parts]
    return top, *shared, so_far[3] | new[3]


def _largest(so_far: Parts) -> Array:
    top, gradients, count, there = so_far
    return jnp.where(there, top + gradients / jnp.maximum(count, 1), 0)


LARGEST = Fold(_of_both, (-jnp.inf, 0, 0, 0), _largest, _top)
_SMALLEST = Fold(_of_both, LARGEST.empty, lambda so_far: -_largest(so_far), lambda x, **more: _top(-x, **more))


@op(
    "max",
    axes=reduces("time"),
    optional=("where",),
    latex=r"\max_{{{axis}{where:mask}}} {x:power}",
    example="max(velocity)",
    fold=LARGEST,
    degrees=(1,),
    signs="positive",
    between=hull(0),
    curve="convex up",
)
def max_(x: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The largest value along an axis, `time` if none is given, or several.

    With a mask `where=m`, the largest where the mask is not 0, and 0 where it is 0 throughout.
    """
    return largest(x, where, axis)


@op(
    "min",
    axes=reduces("time"),
    optional=("where",),
    latex=r"\min_{{{axis}{where:mask}}} {x:power}",
    example="min(position)",
    fold=_SMALLEST,
    degrees=(1,),
    signs="positive",
    between=hull(0),
    curve="concave up",
)
def min_(x: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The smallest value along an axis, `time` if none is given, or several.

    With a mask `where=m`, the smallest where the mask is not 0, and 0 where it is 0 throughout.
    """
    return jnp.min(x, axis=axis) if all_in(where) else -largest(-x, where, axis)


def _place(x: Array, *, where: Array = 1, axis: int) -> Parts:  # type: ignore[assignment]
    left = x if all_in(where) else jnp.where(is_in(x, where), x, -jnp.inf)
    place = jnp.argmax(left, axis=axis)
    return jnp.max(left, axis=axis), place, jnp.full_like(place, x.shape[axis])


def _first_place(so_far: Parts, new: Parts) -> Parts:
    is_later = (new[0] > so_far[0]) | (jnp.isnan(new[0]) & ~jnp.isnan(so_far[0]))
    return *(jnp.where(is_later, b, a) for a, b in [so_far[:1] + new[:1], (so_far[1], so_far[2] + new[1])]), (
        so_far[2] + new[2]
    )


@op(
    axes=along("time", keep=False),
    optional=("where",),
    fold=Fold(_first_place, (-jnp.inf, 0, 0), lambda so_far: so_far[1].astype(float), _place),
    flat=("x",),
    latex=r"\arg\max_{{{axis}{where:mask}}} {x:power}",
    example="gather(net.output, argmax(net.output, axis=output), axis=output)",
    between=never_negative,
    unit="none",
)
def argmax(x: Array, *, where: Array = 1, axis: int) -> Array:  # type: ignore[assignment]
    """The place of the largest value along an axis, `time` if none is given; the first of several, and no gradient.

    Places count from 0, as for `gather`. With a mask `where=m`, of those where it is not 0, and 0 where it is 0
    throughout.
    Source: `numpy.argmax`.
    """
    left = x if all_in(where) else jnp.where(is_in(x, where), x, -jnp.inf)
    return jnp.argmax(left, axis=axis).astype(float)


def _moments(x: Array, *, ddof: Array = 0, where: Array = 1, axis: Axis) -> Parts:  # type: ignore[assignment]
    """How much counts, the mean, the sum of squared deviations, and what is taken off the count."""
    x = wide(x)
    count = counted(x, where, axis)
    return count, mean(x, where=where, axis=axis), count * var(x, where=where, axis=axis), jnp.asarray(ddof, x.dtype)


def _joined(so_far: Parts, new: Parts) -> Parts:
    """Chan, Golub and LeVeque (1983), Algorithms for computing the sample variance."""
    (n, middle, squares, _), (m, other, more, ddof) = so_far, new
    count = n + m
    share, apart = m / jnp.where(count == 0, 1, count), other - middle
    return count, middle + apart * share, squares + more + jnp.square(apart) * n * share, ddof


def _variance(so_far: Parts) -> Array:
    count, _, squares, ddof = so_far
    left = count - ddof
    return jnp.where(left > 0, squares / jnp.where(left > 0, left, 1), 0)


@op(
    axes=reduces("time", numbers=1),
    fold=Fold(_joined, (0, 0, 0, 0), _variance, _moments),
    latex=r"\operatorname{{var}}_{{{axis}{where:mask}}} {x:power}",
    notation=r"\operatorname{var}_{t} x = \left\langle \left(x - \left\langle x \right\rangle_{t}\right)^{2} "
    r"\right\rangle_{t}",
    degrees=(2,),
    example="sum(var(effector.pos, axis=time), axis=xy)",
    domain={"`ddof >= 0`": lambda ddof: ddof >= 0},
    between=by_mask(never_negative),
    curve=weighed("convex any"),
)
def var(x: Array, *, ddof: Array = 0, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The variance along an axis, `time` if none is given, or several; 0 where no more than `ddof` numbers are left.

    `sum_i m_i*(x_i - mean)**2 / (sum_i m_i - ddof)`, where the mask `where=m` is 1 if it is not given and the mean is
    that of the mask; `ddof=1` is the unbiased estimate.
    Source: `numpy.var`.
    """
    x = wide(x)
    middle = jnp.expand_dims(mean(x, where=where, axis=axis), axis)
    left = counted(x, where, axis) - ddof
    # What is left out is replaced before it is squared, since the square of infinity has no gradient.
    total = jnp.sum(masked(jnp.square(jnp.where(is_in(x, where), x, middle) - middle), where), axis=axis)
    return jnp.where(left > 0, total / jnp.where(left > 0, left, 1), 0)


@op(
    axes=reduces("time", numbers=1),
    latex=r"\operatorname{{std}}_{{{axis}{where:mask}}} {x:power}",
    notation=r"\operatorname{std}_{t} x = \sqrt{\operatorname{var}_{t} x}",
    degrees=(1,),
    signs="absolute",
    fold=Fold(_joined, (0, 0, 0, 0), lambda so_far: _deviation(so_far), _moments),
    example="sum(std(effector.pos, axis=batch), axis=xy)",
    domain={"`ddof >= 0`": lambda ddof: ddof >= 0},
    between=never_negative,
    curve=weighed("convex any"),
    singular=OF_MASK,
)
def std(x: Array, *, ddof: Array = 0, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The standard deviation, the square root of `var`; its gradient at 0 is 0."""
    return root(var(x, ddof=ddof, where=where, axis=axis))


def _deviation(so_far: Parts) -> Array:
    return root(_variance(so_far))


@jax.custom_jvp
def root(x: Array) -> Array:
    """The square root, whose gradient at 0 is 0."""
    return jnp.sqrt(x)


@root.defjvp
def _(primals: tuple[Array], tangents: tuple[Array]) -> tuple[Array, Array]:
    y = root(*primals)
    # Not `where` around the root itself: XLA joins a plain one to the sums before and after it.
    return y, tangents[0] * jnp.where(y == 0, 0, 0.5 / jnp.where(y == 0, 1, y))


@op(
    axes=over_trials(1),
    latex=r"Q_{{{q}}}\left({x}\right)_{{{axis}{where:mask}}}",
    degrees=(1,),
    signs="positive",
    example="quantile(sum(velocity), 0.9)",
    domain={"`0 <= q <= 1`": lambda q: 0 <= q <= 1},
    between=hull(0),
    curve=curves.quantile,
)
def quantile(x: Array, q: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The quantile of the trials, or along other axes that are given; between two values on a straight line.

    `(1 - h + i)*s_i + (h - i)*s_(i+1)` with the n values sorted, `s_0 <= ... <= s_(n-1)`, `h = q*(n - 1)` and
    `i = floor(h)`; `q = 0.5` is the median. With a mask `where=m` only where it is not 0, and 0 where it is 0
    throughout.
    Source: `numpy.quantile`; Hyndman and Fan (1996), type 7.
    """
    axes = (axis,) if isinstance(axis, int) else axis
    ends = tuple(range(-len(axes), 0))
    rows, valid = (jnp.moveaxis(a, axes, ends) for a in (wide(x), is_in(x, where)))
    shape = (*rows.shape[: x.ndim - len(axes)], -1)
    rows, valid = jnp.reshape(rows, shape), jnp.reshape(valid, shape)
    # Those that are left out stand last, as 0, so that they make no NaN.
    ranked = jax.lax.sort((~valid, jnp.where(valid, rows, 0)), num_keys=2)[1]
    last = jnp.maximum(jnp.sum(valid, axis=-1, keepdims=True) - 1, 0)
    height = jnp.clip(q, 0, 1) * last.astype(ranked.dtype)
    low = jnp.floor(height)
    places = low.astype(int), jnp.minimum(low.astype(int) + 1, last)
    below, above = (jnp.take_along_axis(ranked, i, axis=-1) for i in places)
    part = height - low
    found = jnp.where(part == 0, below, (1 - part) * below + part * above)[..., 0]
    odd = jnp.any(valid & jnp.isnan(rows), axis=-1)
    return jnp.where(odd, jnp.nan, jnp.where(jnp.any(valid, axis=-1), found, 0))
