"""Named axes: from the axes of the operands to the axes of the result.

Axes are a dict from name to length, in the order of the array's dimensions. A length is None until arrays are
there; the same rules then run again with the lengths. The axes of a PyTree are None.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

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

    What the text fixes is `static`: an axis or several, a subscript, or a whole number.

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


def _need_numbers(operands: Sequence[Axes | None], start: int = 0) -> None:
    for i, axes in enumerate(operands[start:], start):
        if axes:
            raise Misfit("not-scalar", i)


def _numbers(operands: Sequence[Axes | None], static: Any) -> Fit:
    _need_numbers(operands)
    return _elementwise(operands, static)


def _need(axes: Axes, axis: str, operand: int = 0) -> None:
    if axis not in axes:
        raise Misfit("missing-axis", operand, axis=axis)


def _named(static: Any) -> tuple[str, ...]:
    """The axes that a text names."""
    return (static,) if isinstance(static, str) else static or ()


def dual(axis: str) -> str:
    """The second axis of a square matrix, as long as the first."""
    return f"{axis}'"


def without(axes: Axes, *gone: str) -> Axes:
    """The axes that are left."""
    return {axis: length for axis, length in axes.items() if axis not in gone}


elementwise = Rule(_elementwise, each_step=True)
numbers = Rule(_numbers)


def reduces(default: str) -> Rule:
    """Takes axes away: those given, or the default. A second operand is a mask, with no axis that the first lacks."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        first, mask = [*operands, {}][:2]
        for axis in mask or ():
            if first is not None and axis not in first:
                raise Misfit("mask-axes", 0, 1, axis=axis)
        frame, gone = align(operands), _named(static or default)
        for axis in gone:
            _need(frame, axis)
            if frame[axis] == 0:
                raise Misfit("empty-window", 0)
        return Fit(frame, without(frame, *gone), gone if len(gone) > 1 else gone[0])

    return Rule(fit, option=True)


def _vector(axes: Axes, static: Any, *, one: bool = True, operand: int = 0) -> tuple[str, ...]:
    """The axes of a vector, those that are neither `batch` nor `time`, or those given."""
    for axis in _named(static):
        _need(axes, axis, operand)
    found = _named(static) or tuple(axis for axis in axes if axis not in (TIME, BATCH))
    if not found:
        raise Misfit("not-vector", operand)
    if one and len(found) > 1:
        raise Misfit("which-axis", operand, axis=found[0], number=len(found))
    return found


def features(*, one: bool, tree: bool = False) -> Rule:
    """Takes away the axes of a vector, those that are neither `batch` nor `time`, or those given."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        if tree and operands[0] is None and static is None:
            return Fit({}, {})
        frame = align(operands)
        gone = _vector(frame, static, one=one)
        return Fit(frame, without(frame, *gone), gone)

    return Rule(fit, option=True, each_step=True)


def _product(operands: Sequence[Axes | None], static: Any) -> Fit:
    for i, axes in enumerate(operands):
        for axis in axes or ():
            if dual(axis) in (axes or ()):
                raise Misfit("matrix", i, axis=axis)
    return features(one=True).fit(operands, static)


# Two vectors, whose axis goes: with a square matrix it would be its transpose times the vector, or its columns.
product = Rule(_product, option=True, each_step=True)


def classes(*, keep: bool = False, every: bool = True) -> Rule:
    """Works along the axis of the first operand's vector, which stays or goes; `every`: all operands have it."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        frame = align(operands)
        over = _vector(operands[0] or {}, static)
        for i, axes in enumerate(operands[1:] if every else (), start=1):
            _need(axes or {}, over[0], i)
        return Fit(frame, frame if keep else without(frame, *over), over)

    return Rule(fit, option=True, each_step=True)


def squares(*, keep: bool) -> Rule:
    """A vector and a square matrix over its axis, both of which go, or a matrix and then a vector, whose axis stays.

    The matrix may be its diagonal or a number.
    """
    x, m = (1, 0) if keep else (0, 1)

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        frame, matrix = align([{}, operands[x]] if x else operands[:1]), operands[m]
        if matrix is None:
            raise Misfit("tree", m)
        (axis,) = _vector(frame, static, operand=x)
        half = dual(axis) in matrix and axis not in matrix
        if half or any(other not in (*frame, dual(axis)) for other in matrix):
            raise Misfit("not-matrix", x, m, axis=axis)
        if dual(axis) not in matrix:
            both = align(operands)
            return Fit(both, both if keep else without(frame, axis), (axis,))
        # The matrix stands last, as for `matmul`.
        rest = align([without(frame, axis), without(matrix, axis, dual(axis))])
        vector = {**rest, axis: frame[axis]}
        return Fit({**vector, dual(axis): matrix[dual(axis)]}, vector if keep else rest, (axis, dual(axis)))

    return Rule(fit, option=True, each_step=True)


def along(axis: str, *, keep: bool) -> Rule:
    """Works along one axis of the first operand, which stays or goes; the others are numbers."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        _need_numbers(operands, start=1)
        frame = align(operands)
        _need(frame, axis)
        if frame[axis] == 0:
            raise Misfit("empty-window", 0)
        return Fit(frame, frame if keep else without(frame, axis), axis)

    return Rule(fit)


def shortens(axis: str) -> Rule:
    """Works along one axis and leaves it a whole number of steps shorter, the second operand."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        if not static:
            raise Misfit("not-a-count", 1)
        frame = align(operands)
        _need(frame, axis)
        length = frame[axis]
        if length is not None and length <= static:
            raise Misfit("empty-window", 0)
        return Fit(frame, {**frame, axis: None if length is None else length - static}, axis)

    return Rule(fit, drops=1)


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
