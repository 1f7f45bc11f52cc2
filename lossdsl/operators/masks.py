"""What a mask on a result says of the operand: operators that the emitted code alone uses, no text has them."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import TIME, Fit, Rule, align
from lossdsl.operators.declaration import CALLED, Op


def until_last(mask: Array, *, axis: int) -> Array:
    """Not 0 up to the last step at which the mask is not 0: what a running sum there is made of."""
    return jax.lax.cummax(jnp.abs(mask), axis, reverse=True)


def unsliced(mask: Array, x: Array, *, axis: int, at: Any) -> Array:
    """The mask of a slice of `x` as one of `x` itself, 0 outside of the slice."""
    shape = [x.shape[axis] if i == axis else length for i, length in enumerate(mask.shape)]
    return jnp.zeros(shape, mask.dtype).at[(slice(None),) * axis + (at,)].set(mask)


def _along_time(operands: Any, static: Any) -> Fit:
    frame = align(operands)
    return Fit(frame, frame, TIME)


def _inner(lower: Any, *parameters: str) -> Op:
    name, fields = lower.__name__, dict.fromkeys(parameters)
    CALLED[name] = lower
    return Op(name, lower, Rule(_along_time), False, "", "", lower.__doc__ or "", fields, code=name)


UNTIL_LAST = _inner(until_last, "mask")
UNSLICED = _inner(unsliced, "mask", "x")
