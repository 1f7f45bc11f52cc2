"""Rules of operators that work along axes, which go or stay: one of them, or several, with a mask or without."""

from collections.abc import Sequence
from typing import Any

from lossdsl.operators.axes import (
    BATCH,
    TIME,
    Axes,
    Fit,
    Misfit,
    Rule,
    align,
    dual,
    named,
    need,
    need_length,
    need_numbers,
    stated,
    without,
)


def _framed(operands: Sequence[Axes | None], numbers: int = 0) -> Axes:
    """The axes of the first operand; after it stand numbers, and perhaps a mask, with no axis that the first lacks."""
    need_numbers(operands, 1, 1 + numbers)
    first, masks = operands[0], operands[1 + numbers :]
    for axis in masks[0] or () if masks else ():
        if first is not None and axis not in first:
            raise Misfit("mask-axes", 0, 1 + numbers, axis=axis)
    return align(operands)


def _one(static: Any, default: str) -> str:
    """The axis of an operator that works along one."""
    axes = named(static) or (default,)
    if len(axes) > 1:
        raise Misfit("one-axis", 0, axis=axes[0], number=len(axes))
    return axes[0]


def reduces(default: str, *, numbers: int = 0) -> Rule:
    """Takes axes away: those given, or the default. After the first operand stand numbers, then perhaps a mask."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        frame, gone = _framed(operands, numbers), named(static) or (default,)
        for axis in gone:
            need_length(frame, axis)
        return Fit(frame, without(frame, *gone), stated(gone))

    return Rule(fit, option=True)


def over_trials(numbers: int) -> Rule:
    """Takes `batch` away where no axes are given, from what is one value for each trial: `time` must not be left."""
    inner = reduces(BATCH, numbers=numbers)

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        found = inner.fit(operands, static)
        if static is None and TIME in found.result:
            raise Misfit("time-left", 0)
        return found

    return Rule(fit, option=True)


def _vector(axes: Axes, static: Any, *, one: bool = True, operand: int = 0) -> tuple[str, ...]:
    """The axes of a vector, those that are neither `batch` nor `time`, or those given."""
    found = named(static) or tuple(axis for axis in axes if axis not in (TIME, BATCH))
    if not found:
        raise Misfit("not-vector", operand)
    if one and len(found) > 1 and not static:
        raise Misfit("which-axis", operand, axis=found[0], number=len(found))
    for axis in found:
        need_length(axes, axis, operand)
    return found


def features(*, one: bool, tree: bool = False, keep: bool = False) -> Rule:
    """Works along the axes of a vector, those that are neither `batch` nor `time`, or those given; then a mask."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        if tree and operands[0] is None and static is None and len(operands) == 1:
            return Fit({}, {})
        frame = _framed(operands)
        over = _vector(frame, static, one=one)
        return Fit(frame, frame if keep else without(frame, *over), over)

    return Rule(fit, option=True, each_step=True)


def _product(operands: Sequence[Axes | None], static: Any) -> Fit:
    for i, axes in enumerate(operands):
        for axis in axes or ():
            if dual(axis) in (axes or ()):
                raise Misfit("matrix", i, axis=axis)
    left, right = operands
    if not left or not right or not _crossed(left, right):
        return features(one=True).fit([align(operands)], static)
    frame, shared = _pairs(left, right)
    if not named(static) and not without(shared, TIME, BATCH):
        align(operands)  # says that they do not fit
    for i, axes in enumerate((left, right)):
        for axis in named(static):
            need(axes, axis, i)
    gone = _vector(shared, static)
    kept = without(shared, *gone)
    # As a product of matrices has them, batched over those that both keep.
    frame = {**kept, **without(frame, *shared), **without(shared, *kept)}
    return Fit(frame, without(frame, *gone), gone)


def _crossed(left: Axes, right: Axes) -> bool:
    """Whether each has axes of its own, and not just `time` and `batch`: those are forgotten more often than meant."""
    own = [{*without(left, *right)}, {*without(right, *left)}]
    return all(own) and own[0] | own[1] != {TIME, BATCH}


def _pairs(left: Axes, right: Axes) -> tuple[Axes, Axes]:
    """The axes of both factors of a product that is contracted, and those that both have."""
    shared = align([without(left, *without(left, *right)), without(right, *without(right, *left))])
    return {**without(left, *right), **without(right, *left), **shared}, shared


# Two vectors, whose axis goes: with a square matrix it would be its transpose times the vector, or its columns.
product = Rule(_product, option=True, each_step=True)


def classes(*, every: bool = True) -> Rule:
    """Takes away the axes of the first operand's vector, which the second has too, or if not `every` may lack."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        frame = align(operands)
        over = _vector(operands[0] or {}, static)
        for axis in over if every or len(over) > 1 else ():
            need(operands[1] or {}, axis, 1)
        return Fit(frame, without(frame, *over), over)

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
        if len(named(static)) > 1:
            raise Misfit("one-axis", x, axis=static[0], number=len(static))
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


def along(default: str, *, keep: bool, numbers: int = 0) -> Rule:
    """Works along one axis, which stays or goes. After the first operand stand numbers, then perhaps a mask."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        frame, axis = _framed(operands, numbers), _one(static, default)
        need_length(frame, axis)
        return Fit(frame, frame if keep else without(frame, axis), axis)

    return Rule(fit, option=True)


def _recurrence(operands: Sequence[Axes | None], static: Any) -> Fit:
    axis = _one(static, TIME)
    first, _, last, *_ = operands
    frame = align([first])
    need_length(frame, axis)
    if axis in (last or {}):
        raise Misfit("axis-there", 2, axis=axis)
    for i, axes in enumerate(operands):
        for other in axes or ():
            if other not in frame:
                raise Misfit("axes-differ", 0, i, axis=other)
    both = align(operands)
    return Fit(both, both, axis)


# Along one axis, back from a value behind its end: a value at each step, a factor, the last value, and a mask.
recurrence = Rule(_recurrence, option=True)


def shortens(default: str) -> Rule:
    """Works along one axis and leaves it a whole number of steps shorter."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        number, given = static
        if not number:
            raise Misfit("not-a-count", 1)
        frame, axis = align(operands), _one(given, default)
        need_length(frame, axis)
        length = frame[axis]
        if length is not None and length <= number:
            raise Misfit("empty-window", 0, axis=axis)
        return Fit(frame, {**frame, axis: None if length is None else length - number}, axis)

    return Rule(fit, option=True, drops=1)


def _spectrum(operands: Sequence[Axes | None], static: Any) -> Fit:
    frame, axis = align(operands), _one(static, TIME)
    need_length(frame, axis)
    length = frame[axis]
    return Fit(frame, {**frame, axis: None if length is None else length // 2 + 1}, axis)


# Along one axis, of which the frequencies are left.
spectrum = Rule(_spectrum, option=True)
