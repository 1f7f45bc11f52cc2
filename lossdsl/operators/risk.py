"""What takes the trials away and looks at the bad ones: the tail, the worst, an exponential mean."""

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators import curves
from lossdsl.operators.along import over_trials
from lossdsl.operators.declaration import Axis, op, wide
from lossdsl.operators.reductions import LARGEST, is_in, largest
from lossdsl.operators.signs import hull
from lossdsl.operators.singular import RISK


@op(
    axes=over_trials(1),
    latex=r"\operatorname{{CVaR}}_{{{level}{where:mask}}}\left({x}\right)",
    notation=r"\operatorname{CVaR}_{p}\left(x\right) = \min_{c}\; c + \frac{\left\langle \max\left(x - c, 0\right) "
    r"\right\rangle}{1 - p}",
    degrees=(1,),
    signs="positive",
    optional=("where",),
    example="cvar(sum(position), 0.9)",
    domain={"`0 <= level < 1`": lambda level: 0 <= level < 1},
    between=hull(0),
    curve="convex up",
)
def cvar(x: Array, level: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The mean of the worst trials, the conditional value at risk: of the largest `1 - level` of them.

    `sum_i w_i*s_i / k` with the n values sorted, the largest first, `k = (1 - level)*n`, and `w_i = 1` for the first
    ones, a part of 1 for the last that counts. `level = 0` is the mean. Over `batch`, or the axes that are given. With
    a mask `where=m` only where it is not 0, and 0 where it is 0 throughout.
    Source: Rockafellar and Uryasev (2000), Optimization of conditional value-at-risk.
    """
    axes = (axis,) if isinstance(axis, int) else axis
    ends = tuple(range(-len(axes), 0))
    rows, valid = (jnp.moveaxis(a, axes, ends) for a in (wide(x), is_in(x, where)))
    shape = (*rows.shape[: x.ndim - len(axes)], -1)
    rows, valid = jnp.reshape(rows, shape), jnp.reshape(valid, shape)
    # Those that are left out stand last, as 0.
    ranked = -jax.lax.sort((~valid, jnp.where(valid, -rows, 0)), num_keys=2)[1]
    counted = (1 - level) * jnp.sum(valid, axis=-1, keepdims=True, dtype=ranked.dtype)
    ranks = jnp.arange(ranked.shape[-1], dtype=ranked.dtype).reshape((1,) * (ranked.ndim - 1) + (-1,))
    shares = jnp.clip(counted - ranks, 0, 1)
    total = jnp.sum(jnp.where(shares > 0, ranked, 0) * shares, axis=-1)
    counted, odd = counted[..., 0], jnp.any(valid & jnp.isnan(rows), axis=-1)
    return jnp.where(odd, jnp.nan, total / jnp.where(counted > 0, counted, 1))


@op(
    axes=over_trials(0),
    latex=r"\max_{{{axis}{where:mask}}} {x:power}",
    degrees=(1,),
    signs="positive",
    optional=("where",),
    example="worst(sum(position))",
    fold=LARGEST,
    between=hull(0),
    curve="convex up",
)
def worst(x: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The value of the worst trial, the largest over `batch`, or over the axes that are given.

    With a mask `where=m`, the largest where the mask is not 0, and 0 where it is 0 throughout.
    """
    return largest(x, where, axis)


@op(
    axes=over_trials(1),
    latex=r"\frac{{1}}{{{theta}}} \log \left\langle \exp\left({theta:power}\, {x:power}\right) "
    r"\right\rangle_{{{axis}{where:mask}}}",
    optional=("where",),
    example="entropic(sum(position), 0.1)",
    domain={"`theta != 0`": lambda theta: theta != 0},
    between=hull(0),
    curve=curves.entropic,
    singular=RISK,
    unit="same x",
)
def entropic(x: Array, theta: Array, *, where: Array = 1, axis: Axis) -> Array:  # type: ignore[assignment]
    """The entropic risk, an exponential mean: near the mean for a small `theta`, near the worst trial for a large one.

    `log(mean_i exp(theta*x_i))/theta` over `batch`, or the axes that are given; a negative `theta` looks at the best
    trials. With a mask `where=m` only where it is not 0, and 0 where it is 0 throughout.
    Source: Föllmer and Schied (2002), Convex measures of risk and trading constraints.
    """
    valid = is_in(x, where)
    # What is left out is no factor of `theta`'s gradient.
    scaled = jnp.where(valid, theta * jnp.where(valid, wide(x), 0), -jnp.inf)
    there = jnp.any(valid, axis=axis)
    total = jax.nn.logsumexp(jnp.where(jnp.expand_dims(there, axis), scaled, 0), axis=axis)
    counted = jnp.sum(valid, axis=axis, dtype=scaled.dtype)
    return jnp.where(there, (total - jnp.log(jnp.where(there, counted, 1))) / theta, 0)
