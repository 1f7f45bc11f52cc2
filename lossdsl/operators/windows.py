"""Windows of time: what a text says after `@`, and the operator; the masks of windows are made in `meaning`."""

from collections.abc import Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.errors import error
from lossdsl.operators.axes import FREE, TIME, Axes, Fit, Misfit, Rule, align, need, without
from lossdsl.operators.declaration import BESIDE, inner, nonzero, symbol
from lossdsl.operators.extremes import slid_over
from lossdsl.operators.signs import hull

# The event that every trial has: the step behind its last one.
END = "end"


class Bound(NamedTuple):
    """Where a window begins or ends.

    Attributes:
        event: An event or `end`; without one the step 0.
        seconds: So long after it, or before it if negative.
    """

    event: str = ""
    seconds: Fraction = Fraction(0)


class Window(NamedTuple):
    """The steps of an epoch, or those from one bound up to the other, which is no longer in it.

    Attributes:
        epoch: Its name; the bounds then say nothing.
        start: The first step.
        stop: The step behind the last.
        rows: What the vocabulary says of its names, once it is bound: the key, the name and the row.
    """

    epoch: str = ""
    start: Bound = Bound()
    stop: Bound = Bound(END)
    rows: tuple[tuple[str, str, Any], ...] = ()

    @property
    def events(self) -> tuple[str, ...]:
        """The events that a vocabulary must know."""
        return tuple(bound.event for bound in (self.start, self.stop) if bound.event not in ("", END))


def _windowed(operands: Sequence[Axes | None], static: Any) -> Fit:
    first, *masks = operands
    frame = align([first])
    need(frame, TIME)
    for axis in masks[0] or () if masks else ():
        if axis not in frame:
            raise Misfit("window-axes", 0, axis=axis)
    both = align(operands)
    return Fit(both, {axis: both[axis] for axis in frame})


def _of_window(x: Array, where: Array = 1) -> Array:  # type: ignore[assignment]
    return x


symbol(
    "@",
    _of_window,
    "velocity@hold",
    "The steps of an epoch such as `@hold`, or of a window of time, `@go+0.1s..end`, in each trial.",
    rule=Rule(_windowed, each_step=True),
    linear=True,
    latex="{x}",
    optional=("where",),
    named=("where",),
    defaults={"x": None, "where": Fraction(1)},
    between=hull(0),
    curve="affine up",
)


def placed(mask: Array, shift: int, before: int, *, like: int = 0, axis: int) -> Array:
    """A mask as 0 and 1, for an array whose first step is so many before its own; there `before` stands."""
    if mask.shape[axis] + shift < like:
        raise error("mask-short", length=mask.shape[axis], needed=like - shift)
    start = max(-shift, 0)
    flags = jnp.asarray(nonzero(mask), float)
    found = jax.lax.slice_in_dim(flags, start, max(like - shift, start), axis=axis)
    wide = [(min(max(shift, 0), like) if i == axis else 0, 0) for i in range(mask.ndim)]
    return jnp.pad(found, wide, constant_values=before) if any(map(any, wide)) else found


def _lasts(operands: Sequence[Axes | None], static: Any) -> Fit:
    return _places([*operands[:3], *operands[4:]], static)


def _places(operands: Sequence[Axes | None], static: Any) -> Fit:
    mask, _, _, *like = operands
    frame = align([mask])
    result = {**frame, TIME: (like[0] or {}).get(TIME) if like else FREE}
    return Fit(frame, result, TIME)


def lasting(mask: Array, shift: int, before: int, steps: int, *, like: int = 0, axis: int) -> Array:
    """A mask that is placed so, not 0 where it is not 0 at that step and so many after it."""
    return -slid_over(-placed(mask, shift, before, like=like + steps, axis=axis), steps + 1, axis)


def own_slice(x: Array, *, where: Array, axis: int, at: Any) -> Array:
    """Steps of each trial by its own length: up to the last one where a mask is not 0; 0 where it has none there."""
    total = x.shape[axis]
    shape = [total if i == axis else 1 for i in range(x.ndim)]
    counted = jnp.where(nonzero(where), jnp.arange(1, total + 1).reshape(shape), 0)
    length = jnp.max(counted, axis, keepdims=True)
    if isinstance(at, int):
        place = at + length if at < 0 else jnp.full_like(length, at)
        return jnp.squeeze(_taken(x, place, (place >= 0) & (place < length), axis), axis)
    stride = at.step or 1
    least, most = (jnp.zeros_like(length), length) if stride > 0 else (jnp.full_like(length, -1), length - 1)

    def bound(given: int | None, default: Array) -> Array:
        if given is None:
            return default
        return jnp.maximum(given + length, least) if given < 0 else jnp.minimum(given, most)

    start = bound(at.start, least if stride > 0 else most)
    stop = bound(at.stop, most if stride > 0 else least)
    number = max((len(range(n)[at]) for n in range(total + 1)), default=0)
    steps = jnp.arange(number).reshape([number if i == axis else 1 for i in range(x.ndim)])
    places = start + stride * steps
    return _taken(x, places, places < stop if stride > 0 else places > stop, axis)


def _taken(x: Array, places: Array, there: Array, axis: int) -> Array:
    """What stands at places along an axis, and 0 where none is."""
    found = jnp.take_along_axis(x, jnp.clip(places, 0, x.shape[axis] - 1), axis)
    return jnp.where(there, found, 0)


def _owns(operands: Sequence[Axes | None], static: Any) -> Fit:
    frame = align(operands)
    return Fit(frame, {**frame, TIME: None} if ":" in static else without(frame, TIME), TIME)


_PLACES: dict[str, None] = {"mask": None, "shift": None, "before": None}
_MASK: dict[str, Any] = {"optional": ("like",), "mask": "mask", "indicates": True, "unit": "none"}
PLACED = inner(placed, Rule(_places), {**_PLACES, "like": BESIDE}, **_MASK)
LASTING = inner(lasting, Rule(_lasts), {**_PLACES, "steps": None, "like": BESIDE}, **_MASK)
OWN_SLICE = inner(
    own_slice,
    Rule(_owns),
    {"x": None, "where": None},
    named=("where",),
    squares="picks",
    between=hull(0),
    curve="affine up",
    unit="same x",
)
