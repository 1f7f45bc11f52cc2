"""What a loss that is computed step by step calls besides its operators: rows, and what was before."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators.declaration import CALLED
from lossdsl.operators.fold import check_shape


def row(x: Array, place: Any, *, before: Any = None, beyond: Any = None, axis: int) -> Array:
    """One step of an array; `before` its first and `beyond` its last one these stand, or the nearest one."""
    last = x.shape[axis] - 1
    found = jax.lax.dynamic_slice_in_dim(x, jnp.clip(place, 0, last), 1, axis)
    found = found if before is None else jnp.where(jnp.asarray(place) < 0, jnp.asarray(before, x.dtype), found)
    return found if beyond is None else jnp.where(jnp.asarray(place) > last, jnp.asarray(beyond, x.dtype), found)


def number_of(place: Any) -> Array:
    """The number of a step along `time`, of which there is one."""
    return jnp.full((1,), place, float)


def of_length(steps: int, *, axis: int, rank: int) -> jax.ShapeDtypeStruct:
    """What has so many steps, where only that is asked of it."""
    return jax.ShapeDtypeStruct([steps if i == axis else 1 for i in range(rank)], jnp.result_type(float))


def earlier(line: Array | None, place: Any, x: Array, steps: int) -> Array:
    """What `x` was so many steps before, from a line of that length; before the first step there is none."""
    return jnp.zeros_like(x) if line is None else line[place % steps]


def kept(line: Array | None, place: Any, x: Array, inside: Any, steps: int) -> Array:
    """The line with `x` in it, if it is `inside`."""
    line = jnp.zeros((steps, *x.shape), x.dtype) if line is None else line
    check_shape(line.shape[1:], x.shape)
    if inside is False:
        return line
    x = x.astype(line.dtype)
    new = x if inside is True else jnp.where(inside, x, line[place % steps])
    return jax.lax.dynamic_update_index_in_dim(line, new, place % steps, 0)


CALLED |= {function.__name__: function for function in (row, number_of, of_length, earlier, kept)}
