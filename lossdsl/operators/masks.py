"""What a mask on a result says of the operand: operators that the emitted code alone uses, no text has them."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import TIME, Fit, Rule, align, between, without
from lossdsl.operators.declaration import CALLED, inner, nonzero
from lossdsl.operators.extremes import slid_over


def until_last(mask: Array, *, axis: int) -> Array:
    """Not 0 up to the last step at which the mask is not 0: what a running sum there is made of."""
    return jax.lax.cummax(jnp.abs(mask), axis, reverse=True)


def since_first(mask: Array, *, axis: int) -> Array:
    """Not 0 from the first step on at which the mask is not 0: what a sum of the steps from there on is made of."""
    return jax.lax.cummax(jnp.abs(mask), axis)


def undiffed(mask: Array, x: Array, *, axis: int) -> Array:
    """The mask of what is shorter than `x` as one of `x` itself: of each step that a step there is made of."""
    more = x.shape[axis] - mask.shape[axis]
    wide = [(more, more) if i == axis else (0, 0) for i in range(mask.ndim)]
    return slid_over(jnp.pad(jnp.abs(mask), wide), more + 1, axis)


def unsliced(mask: Array, x: Array, *, axis: int, at: Any) -> Array:
    """The mask of a slice or of one step of `x` as one of `x` itself, 0 outside of it."""
    at = slice(at, at + 1 or None) if isinstance(at, int) else at
    shape = [x.shape[axis] if i == axis else length for i, length in enumerate(mask.shape)]
    return jnp.zeros(shape, mask.dtype).at[(slice(None),) * axis + (at,)].set(mask)


def gradient_where(x: Array, mask: Array) -> Array:
    """The value itself, whose gradient is 0 where the mask is 0, whatever comes back there."""
    return jnp.where(nonzero(mask), x, jax.lax.stop_gradient(x))


def flagged(x: Array, flag: Array) -> Array:
    """The product with what is 0 or 1 alone, of which no array of numbers is made."""
    return jnp.where(nonzero(flag), x, 0 * x)


# Emitted code multiplies so.
CALLED["flagged"] = flagged


def _of_axis(operands: Any, static: Any) -> Fit:
    frame = align(operands)
    return Fit(frame, frame, static)


def _of_slice(operands: Any, static: Any) -> Fit:
    return _of_axis(operands, TIME)


def _of_both(operands: Any, static: Any) -> Fit:
    x, mask = (axes or {} for axes in operands)
    frame = between(x, without(mask, *x), mask)
    return Fit(frame, frame)


UNTIL_LAST = inner(until_last, Rule(_of_axis), {"mask": None})
SINCE_FIRST = inner(since_first, Rule(_of_axis), {"mask": None})
UNDIFFED = inner(undiffed, Rule(_of_axis), {"mask": None, "x": None})
UNSLICED = inner(unsliced, Rule(_of_slice), {"mask": None, "x": None})
GRADIENT_WHERE = inner(gradient_where, Rule(_of_both), {"x": None, "mask": None}, mask="mask")
