"""Numbers that follow `step`, or what `at` is given; at either end they go on as they were there."""

import operator
from typing import Any

import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import numbers
from lossdsl.operators.declaration import STEP, Domain, op
from lossdsl.operators.signs import hull, of_pieces, ramped

# A power of 2, of which float32 holds all multiples up to 2**40.
_PART = 2**16
_STEPS: Domain = {"`steps > 0`": lambda steps: steps > 0}


def _between(start: Array, stop: Array, share: Array) -> Array:
    """So written it is `start` and `stop` exactly at the ends, however far their sizes are apart."""
    return start * (1 - share) + stop * share


def _split(number: Any) -> tuple[Any, Any]:
    """Two floats whose sum is the number: a whole one beyond 2**24, where float32 leaves numbers out, in two parts.

    Differences of either part, and remainders after a division, are exact.
    """
    if isinstance(number, int | float):
        large = number // _PART * _PART
        return large, number - large
    if jnp.issubdtype(number.dtype, jnp.integer):
        return jnp.asarray(number // _PART, float) * _PART, jnp.asarray(number % _PART, float)
    return number, 0


def _share(number: Any, steps: Any) -> Array:
    return jnp.asarray(number, float) / steps


def _remainder(number: Any, divisor: Any) -> Array:
    """What is left over after a division, of a whole number exactly too."""
    kind = jnp.result_type(number)
    is_whole = jnp.issubdtype(kind, jnp.integer) and isinstance(divisor, int | float) and divisor == int(divisor)
    if is_whole and divisor <= jnp.iinfo(kind).max:
        return jnp.asarray(number % int(divisor), float)
    large, small = _split(number)
    return jnp.mod(jnp.mod(large, divisor) + jnp.mod(small, divisor), divisor)


@op(
    axes=numbers,
    latex=r"\operatorname{{linear}}_{{{start} \to {stop}}}\left(\frac{{{at}}}{{{steps}}}\right)",
    example="linear(1, 0.1, 1000)*velocity",
    domain=_STEPS,
    between=hull(0, 1),
)
def linear(start: Array, stop: Array, steps: Array, at: Array = STEP) -> Array:  # type: ignore[assignment]
    """A schedule: from `start` to `stop` on a straight line.

    `start + (stop - start)*clip(at/steps, 0, 1)`.
    Source: `optax.linear_schedule`.
    """
    return _between(start, stop, jnp.clip(_share(at, steps), 0, 1))


@op(
    axes=numbers,
    latex=r"\operatorname{{cosine}}_{{{start} \to {stop}}}\left(\frac{{{at}}}{{{steps}}}\right)",
    example="cosine(1, 0.1, 1000)*velocity",
    domain=_STEPS,
    between=hull(0, 1),
)
def cosine(start: Array, stop: Array, steps: Array, at: Array = STEP) -> Array:  # type: ignore[assignment]
    """A schedule: from `start` to `stop` on half a period of the cosine, flat at both ends.

    `start + (stop - start)*(1 - cos(pi*clip(at/steps, 0, 1)))/2`.
    Source: `optax.cosine_decay_schedule`; Loshchilov and Hutter (2017), SGDR, equation 5.
    """
    import optax

    left: Any = optax.cosine_decay_schedule(1.0, 1)(jnp.maximum(_share(at, steps), 0))
    return _between(stop, start, left)


@op(
    axes=numbers,
    latex=r"{start:product} \cdot {rate:atom}^{{{at:power}/{steps:power}}}",
    example="exponential(1, 0.5, 1000)*velocity",
    domain={**_STEPS, "`rate > 0`": lambda rate: rate > 0},
    between=ramped,
)
def exponential(start: Array, rate: Array, steps: Array, at: Array = STEP) -> Array:  # type: ignore[assignment]
    """A schedule: `start`, multiplied by `rate` in every `steps` iterations.

    `start * rate**maximum(at/steps, 0)`.
    Source: `optax.exponential_decay`.
    """
    return start * rate ** jnp.maximum(_share(at, steps), 0)


@op(
    axes=numbers,
    latex=r"\begin{{cases}} {rows}{value:product} & \text{{else}} \end{{cases}}",
    example="piecewise(0, 1000, 0.5, 2000, 1)*velocity",
    domain={"boundaries that increase": lambda boundary: all(map(operator.lt, boundary, boundary[1:]))},
    repeats=("boundary", "value"),
    row=r"{value:product} & {at} \geq {boundary} \\ ",
    between=of_pieces,
)
def piecewise(value: Array, *then: Array, at: Array = STEP) -> Array:  # type: ignore[assignment]
    """A schedule: constant, with another value from each boundary on.

    `piecewise(v0, b1, v1, ...)` is `v0` where `at < b1`, `v1` where `b1 <= at < b2`, and so on.
    Source: `optax.join_schedules`.
    """
    large, small = _split(at)
    now = jnp.asarray(value, float)
    for boundary, number in zip(then[::2], then[1::2], strict=True):
        more, less = _split(boundary)
        now = jnp.where(small - less >= more - large, number, now)
    return now


@op(
    axes=numbers,
    latex=r"{value:product} \cdot \min\left(\frac{{{at}}}{{{steps}}}, 1\right)",
    example="warmup(0.1, 1000)*velocity",
    domain=_STEPS,
    between=ramped,
)
def warmup(value: Array, steps: Array, at: Array = STEP) -> Array:  # type: ignore[assignment]
    """A schedule: from 0 to `value` on a straight line.

    `value*clip(at/steps, 0, 1)`, which is `linear(0, value, steps)`.
    Source: `optax.warmup_constant_schedule`.
    """
    return value * jnp.clip(_share(at, steps), 0, 1)


@op(
    axes=numbers,
    latex=r"\operatorname{{cyclic}}_{{{low} \to {high}}}\left(\frac{{{at}}}{{{period}}}; {ratio}\right)",
    example="cyclic(0, 1, 1000)*velocity",
    domain={"`period > 0`": lambda period: period > 0, "`0 < ratio <= 1`": lambda ratio: 0 < ratio <= 1},
    between=hull(0, 1),
)
def cyclic(
    low: Array,
    high: Array,
    period: Array,
    ratio: Array = 0.5,  # type: ignore[assignment]
    at: Array = STEP,  # type: ignore[assignment]
) -> Array:
    """A schedule: in every period from `low` to `high` on a straight line, over the first `ratio` of it.

    `low + (high - low)*minimum(phase/ratio, 1)` with `phase = at/period - floor(at/period)`.
    Source: Fu et al. (2019), Cyclical annealing schedule, equations 6 and 7.
    """
    return _between(low, high, jnp.minimum(_remainder(at, period) / (period * ratio), 1))
