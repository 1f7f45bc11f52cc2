"""The largest of values, hard or smooth: of all, of those from each step on, of a window that slides along an axis.

A kind of maximum is an associative operation on states, so all of them run on one engine: a window of w steps is made
of windows of powers of two that do not overlap, in O(T log w) time and memory. Where it is smooth, then on the scale 1.
"""

from collections.abc import Callable, Sequence
from functools import reduce
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

State = tuple[Array, ...]


class Kind(NamedTuple):
    """A kind of maximum.

    Attributes:
        state: What stands for a value alone; where it is not valid, for none.
        join: The state of two groups that have nothing in common.
        total: That of all along an axis.
        value: The maximum of a group.
    """

    state: Callable[[Array, Array | None], State]
    join: Callable[[State, State], State]
    total: Callable[[State, int], State]
    value: Callable[[State], Array]


def _far_below(x: Array) -> Array:
    """So small that nothing is added by it, and large enough that differences and sums of it are finite."""
    return jnp.asarray(jnp.finfo(x.dtype).min / 2**28, x.dtype)


def _left(x: Array, valid: Array | None, instead: Any) -> Array:
    return x if valid is None else jnp.where(valid, x, instead)


def _weighted(x: State, y: State) -> State:
    """Logarithms of sums of weights, and the means that they weigh."""
    (a, mean_a), (b, mean_b) = x, y
    # The slope of the weights is made of differences of means: their own size takes no digits.
    return jnp.logaddexp(a, b), mean_b + (mean_a - mean_b) * jax.nn.sigmoid(a - b)


def _all_weighted(state: State, axis: int) -> State:
    logarithms, means = state
    shares = jax.nn.softmax(logarithms, axis)
    middle = jax.lax.stop_gradient(jnp.sum(means * shares, axis, keepdims=True))
    found = jnp.squeeze(middle, axis) + jnp.sum((means - middle) * shares, axis)
    return jax.nn.logsumexp(logarithms, axis), found


def _products(x: Array, valid: Array | None) -> State:
    """The logarithm of a product of squares, a sum of squares and a number, of minus a value."""
    below, above = x < 0, x > 0
    logarithm = jnp.where(below, 2 * jnp.log(jnp.where(below, -x, 1)), _far_below(x))
    squares = jnp.square(jnp.where(above, x, 0))
    return tuple(_left(part, valid, 0) for part in (logarithm, squares, jnp.ones_like(x)))


def _of_means(state: State) -> Array:
    logarithm, squares, number = state
    number = jnp.maximum(number, 1)
    quotient = squares / number
    return quotient / (1 + jnp.sqrt(1 + quotient)) - jnp.expm1(jax.nn.softplus(logarithm) / (2 * number))


HARD = "hard"
KINDS = {
    HARD: Kind(
        lambda x, valid: (_left(x, valid, -jnp.inf),),
        lambda x, y: (jnp.maximum(x[0], y[0]),),
        lambda x, axis: (jnp.max(x[0], axis),),
        lambda x: x[0],
    ),
    "logsumexp": Kind(
        lambda x, valid: (_left(x, valid, _far_below(x)),),
        lambda x, y: (jnp.logaddexp(x[0], y[0]),),
        lambda x, axis: (jax.nn.logsumexp(x[0], axis),),
        lambda x: x[0],
    ),
    # Boltzmann's operator, the mean with the weights of a softmax.
    "softmax": Kind(
        lambda x, valid: (_left(x, valid, _far_below(x)), _left(x, valid, 0)),
        _weighted,
        _all_weighted,
        lambda x: x[1],
    ),
    # Equations 3 and 4 of arXiv 2405.10996 with p = 1 and eps = 1, in logarithms: a product of squares underflows.
    "gmsr": Kind(
        _products,
        lambda x, y: tuple(a + b for a, b in zip(x, y, strict=True)),
        lambda x, axis: tuple(jnp.sum(part, axis) for part in x),
        _of_means,
    ),
}
SMOOTH = tuple(KINDS)


def cut(state: Any, start: int, stop: int, axis: int) -> Any:
    """The same part of several arrays along an axis."""
    return jax.tree.map(lambda x: jax.lax.slice_in_dim(x, start, stop, axis=axis), state)


def slid(join: Callable[[Any, Any], Any], state: Any, width: int, axis: int) -> Any:
    """`state[t]` joined with those after it, `width` in all: so much shorter but one."""
    length = jax.tree.leaves(state)[0].shape[axis]
    found, done, power, size = None, 0, state, 1
    while True:
        if width & size:
            end = length - done - size + 1
            found = power if found is None else join(cut(found, 0, end, axis), cut(power, done, done + end, axis))
            done += size
        if size * 2 > width:
            return found
        end = length - 2 * size + 1
        power = join(cut(power, 0, end, axis), cut(power, size, size + end, axis))
        size *= 2


def slid_over(x: Array, width: int, axis: int) -> Array:
    """The maximum, whose windows may overlap: of two that are a power of two long."""
    size, length = 1, x.shape[axis]
    while size * 2 <= width:
        x = jnp.maximum(cut(x, 0, x.shape[axis] - size, axis), cut(x, size, x.shape[axis], axis))
        size *= 2
    end = length - width + 1
    return x if size == width else jnp.maximum(cut(x, 0, end, axis), cut(x, width - size, width - size + end, axis))


def _state(kind: Kind, x: Array, valid: Array | None) -> State:
    """The states of values; those that are not valid may be infinite, and so would slopes that are made of them."""
    return kind.state(_left(x, valid, 0), valid)


def _there(found: Array, counted: Array | None) -> Array:
    """0 where nothing is valid."""
    return found if counted is None else jnp.where(counted, found, 0)


def largest_of(xs: Sequence[Array], smooth: str) -> Array:
    """Of several arrays."""
    kind = KINDS[smooth]
    return kind.value(reduce(kind.join, [kind.state(x, None) for x in jnp.broadcast_arrays(*xs)]))


def largest_of_all(x: Array, valid: Array | None, axis: int, smooth: str) -> Array:
    """Of all along an axis, which goes."""
    kind = KINDS[smooth]
    found = kind.value(kind.total(_state(kind, x, valid), axis))
    return _there(found, None if valid is None else jnp.any(valid, axis))


def largest_from(x: Array, valid: Array | None, axis: int, smooth: str) -> Array:
    """At each step of that one and those after it."""
    return _running(x, valid, axis, smooth, after=True)


def largest_up_to(x: Array, valid: Array | None, axis: int, smooth: str) -> Array:
    """At each step of that one and those before it."""
    return _running(x, valid, axis, smooth, after=False)


def _running(x: Array, valid: Array | None, axis: int, smooth: str, after: bool) -> Array:
    kind = KINDS[smooth]
    state = _state(kind, x, valid)
    if smooth == HARD:
        state = (jax.lax.cummax(state[0], axis, reverse=after),)
    else:
        state = jax.lax.associative_scan(kind.join, state, reverse=after, axis=axis)
    counted = None if valid is None else jax.lax.cummax(valid.astype(int), axis, reverse=after) != 0
    return _there(kind.value(state), counted)


def largest_within(x: Array, valid: Array | None, axis: int, smooth: str, width: int) -> Array:
    """At each step of that one and those after it, `width` in all: so much shorter but one."""
    kind = KINDS[smooth]
    state = _state(kind, x, valid)
    state = (slid_over(state[0], width, axis),) if smooth == HARD else slid(kind.join, state, width, axis)
    return _there(kind.value(state), None if valid is None else slid_over(valid.astype(int), width, axis) != 0)
