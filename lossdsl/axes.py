"""Named axes: from the axes of the operands to the axes of the result.

Axes are a dict from name to length, in the order of the array's dimensions. A length is None until arrays are
there; the same rules then run again with the lengths. The axes of a PyTree are None.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Axes = Mapping[str, int | None]

# What a term has left of these is reduced: `time` is summed, `batch` is averaged.
TIME = "time"
BATCH = "batch"


class Misfit(Exception):
    """Axes that do not fit: a row of the messages, and which operands it is about."""

    def __init__(self, code: str, *operands: int, **fields: Any):
        super().__init__(code)
        self.code = code
        self.operands = operands
        self.fields = fields


@dataclass(frozen=True)
class Fit:
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
    """How an operator treats axes: `rule(axes of the operands, static)`, where `static` is an axis or a subscript.

    Attributes:
        fit: The rule.
        option: Whether a text may say which axis.
        each_step: Whether it does the same at each step of `time`, unless that is the axis it is given.
    """

    fit: Callable[[Sequence[Axes | None], Any], Fit]
    option: bool = False
    each_step: bool = False

    def __call__(self, operands: Sequence[Axes | None], static: Any) -> Fit:
        return self.fit(operands, static)


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
            frame = {axis: axes.get(axis) if length is None else length for axis, length in frame.items()}
    return frame


def _check_within(axes: Axes, i: int, frame: Axes, widest: int) -> None:
    for axis, length in axes.items():
        if axis not in frame:
            raise Misfit("axes-differ", min(widest, i), max(widest, i), axis=axis)
        if length is not None and frame[axis] not in (None, length):
            raise Misfit("lengths-differ", min(widest, i), max(widest, i), axis=axis)


def _elementwise(operands: Sequence[Axes | None], static: Any) -> Fit:
    frame = align(operands)
    return Fit(frame, frame)


def _need(frame: Axes, axis: str) -> None:
    if axis not in frame:
        raise Misfit("missing-axis", 0, axis=axis)


def without(axes: Axes, *gone: str) -> Axes:
    """The axes that are left."""
    return {axis: length for axis, length in axes.items() if axis not in gone}


elementwise = Rule(_elementwise, each_step=True)


def reduces(default: str) -> Rule:
    """Takes one axis away: the one given, or the default."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        frame, axis = align(operands), static or default
        _need(frame, axis)
        if frame[axis] == 0:
            raise Misfit("empty-window", 0)
        return Fit(frame, without(frame, axis), axis)

    return Rule(fit, option=True)


def features(*, one: bool, tree: bool = False) -> Rule:
    """Takes away the axes of a vector, those that are neither `batch` nor `time`, or the one given."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        if tree and operands[0] is None and static is None:
            return Fit({}, {})
        frame = align(operands)
        if static:
            _need(frame, static)
        gone = (static,) if static else tuple(axis for axis in frame if axis not in (TIME, BATCH))
        if not gone:
            raise Misfit("not-vector", 0)
        if one and len(gone) > 1:
            raise Misfit("which-axis", 0, axis=gone[0], number=len(gone))
        return Fit(frame, without(frame, *gone), gone)

    return Rule(fit, option=True, each_step=True)


def along(axis: str, *, keep: bool) -> Rule:
    """Works along one axis of the first operand, which stays or goes; the others are numbers."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        for i, axes in enumerate(operands[1:], start=1):
            if axes:
                raise Misfit("not-scalar", i)
        frame = align(operands)
        _need(frame, axis)
        if frame[axis] == 0:
            raise Misfit("empty-window", 0)
        return Fit(frame, frame if keep else without(frame, axis), axis)

    return Rule(fit)


def shortens(axis: str) -> Rule:
    """Works along one axis and leaves it one step shorter."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        frame = align(operands)
        _need(frame, axis)
        length = frame[axis]
        if length is not None and length < 2:
            raise Misfit("empty-window", 0)
        return Fit(frame, {**frame, axis: None if length is None else length - 1}, axis)

    return Rule(fit)


def _subscript(operands: Sequence[Axes | None], static: Any) -> Fit:
    frame = align(operands)
    _need(frame, TIME)
    length = frame[TIME]
    if isinstance(static, int):
        if length is not None and not -length <= static < length:
            raise Misfit("out-of-range", 0)
        return Fit(frame, without(frame, TIME))
    left = None if length is None else len(range(length)[slice(*static)])
    if left == 0:
        raise Misfit("empty-window", 0)
    return Fit(frame, {**frame, TIME: left})


subscript = Rule(_subscript)
