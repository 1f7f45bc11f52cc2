"""Named axes: from the axes of the operands to the axes of the result.

Axes are a dict from name to length, in the order of the array's dimensions. A length is None until arrays are
there; the same rules then run again with the lengths. It is `FREE` where no array has that axis yet. The axes of a
PyTree are None.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

Axes = Mapping[str, int | None]

# What a term has left of these is reduced: `time` is summed, `batch` is averaged.
TIME = "time"
BATCH = "batch"
# The length of an axis along which a value is the same, or counts: that of what stands beside it.
FREE = -1


class Misfit(Exception):
    """Axes that do not fit: a row of the messages, and which operands it is about."""

    def __init__(self, code: str, *operands: int, **fields: Any):
        super().__init__(code)
        self.code = code
        self.operands = operands
        self.fields = fields


class Fit(NamedTuple):
    """What a rule says.

    Attributes:
        frame: The axes that the operands are aligned to.
        result: The axes of the result.
        along: The axes that the operator works along; None where it takes no axis.
    """

    frame: Axes
    result: Axes
    along: str | tuple[str, ...] | None = None


@dataclass(frozen=True)
class Rule:
    """How an operator treats axes: `rule.fit(axes of the operands, static)`.

    What the text fixes is `static`: an axis or several, a subscript, new names of axes, or a whole number with an axis.

    Attributes:
        fit: The rule.
        option: Whether a text may say which axis.
        each_step: Whether it does the same at each step of `time`, unless that is the axis it is given.
        drops: How many of the first steps the result lacks.
    """

    fit: Callable[[Sequence[Axes | None], Any], Fit]
    option: bool = False
    each_step: bool = False
    drops: int = 0


def align(operands: Sequence[Axes | None]) -> Axes:
    """The axes that all operands are aligned to, by name: those of the one that has the others'."""
    widest = 0
    for i, axes in enumerate(operands):
        if axes is None:
            raise Misfit("tree", i)
        if len(axes) > len(operands[widest] or ()):
            widest = i
    frame = operands[widest] or {}
    for i, axes in enumerate(operands):
        if axes and axes is not frame:
            _check_within(axes, i, frame, widest)
            told = {axis: axes[axis] for axis, length in frame.items() if length == FREE != axes.get(axis, FREE)}
            frame = between(without(frame, *told), told, axes)
            frame = {axis: _joined(length, axes.get(axis, FREE)) for axis, length in frame.items()}
    return frame


def between(axes: Axes, more: Axes, order: Iterable[str]) -> Axes:
    """Axes with more of them, each before the next one that stands behind it in an order; else at the end.

    An array is then made in the order of those that it is made of, and none of them has to be turned.
    """
    found, order = list(axes), list(order)
    for axis in more:
        behind = order[order.index(axis) + 1 :] if axis in order else []
        place = min((found.index(other) for other in behind if other in found), default=len(found))
        found.insert(place, axis)
    return {axis: (axes if axis in axes else more)[axis] for axis in found}


def _joined(length: int | None, other: int | None) -> int | None:
    """The length of which more is known."""
    return other if length == FREE or (length is None and other != FREE) else length


def _check_within(axes: Axes, i: int, frame: Axes, widest: int) -> None:
    for axis, length in axes.items():
        if axis not in frame:
            raise Misfit("axes-differ", min(widest, i), max(widest, i), axis=axis)
        if length not in (None, FREE) and frame[axis] not in (None, FREE, length):
            raise Misfit("lengths-differ", min(widest, i), max(widest, i), axis=axis)


def _elementwise(operands: Sequence[Axes | None], static: Any) -> Fit:
    frame = align(operands)
    return Fit(frame, frame)


def need_numbers(operands: Sequence[Axes | None], start: int = 0, stop: int | None = None) -> None:
    """Refuse operands with axes."""
    for i, axes in enumerate(operands[start:stop], start):
        if axes:
            raise Misfit("not-scalar", i)


def _numbers(operands: Sequence[Axes | None], static: Any) -> Fit:
    need_numbers(operands)
    return _elementwise(operands, static)


def need(axes: Axes, axis: str, operand: int = 0) -> None:
    """Refuse an operand that lacks an axis."""
    if axis not in axes:
        raise Misfit("missing-axis", operand, axis=axis)


def need_length(axes: Axes, axis: str, operand: int = 0) -> None:
    """Refuse an operand that lacks an axis, or has nothing along it."""
    need(axes, axis, operand)
    if axes[axis] == FREE:
        raise Misfit("no-length", operand, axis=axis)
    if axes[axis] == 0:
        raise Misfit("empty-window", operand, axis=axis)


def named(static: Any) -> tuple[str, ...]:
    """The axes that a text names."""
    return (static,) if isinstance(static, str) else static or ()


def stated(axes: tuple[str, ...]) -> str | tuple[str, ...]:
    """Axes as a text states them: one alone, or several."""
    return axes if len(axes) > 1 else axes[0]


def dual(axis: str) -> str:
    """The second axis of a square matrix, as long as the first."""
    return f"{axis}'"


def without(axes: Axes, *gone: str) -> Axes:
    """The axes that are left."""
    return {axis: length for axis, length in axes.items() if axis not in gone}


elementwise = Rule(_elementwise, each_step=True)
numbers = Rule(_numbers)


def _subscript(operands: Sequence[Axes | None], static: Any) -> Fit:
    frame = align(operands)
    need(frame, TIME)
    if frame[TIME] == FREE:
        raise Misfit("no-length", 0, axis=TIME)
    length = frame[TIME]
    if isinstance(static, int):
        if length is not None and not -length <= static < length:
            raise Misfit("out-of-range", 0, axis=TIME)
        return Fit(frame, without(frame, TIME), TIME)
    left = None if length is None else len(range(length)[slice(*static)])
    if left == 0:
        raise Misfit("empty-window", 0, axis=TIME)
    return Fit(frame, {**frame, TIME: left}, TIME)


subscript = Rule(_subscript)
