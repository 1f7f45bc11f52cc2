"""Axes given, renamed and counted, and values that are picked along one."""

from collections.abc import Sequence
from math import inf, prod
from typing import Any

import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import FREE, Axes, Fit, Misfit, Rule, align, between, named, need_length, stated, without
from lossdsl.operators.declaration import BESIDE, Axis, number, op
from lossdsl.operators.reductions import picked
from lossdsl.operators.signs import from_to, hull, never_negative
from lossdsl.operators.singular import PLACE


def _beside(like: Axes | None, operand: int, axes: tuple[str, ...]) -> dict[str, int | None]:
    """The lengths of axes, as the operand that tells has them; `FREE` without one."""
    if like is None:
        raise Misfit("tree", operand)
    for axis in axes if operand >= 0 else ():
        need_length(like, axis, operand)
    return {axis: like.get(axis, FREE) for axis in axes}


def _axes_of(static: Any, one: bool = False) -> tuple[str, ...]:
    axes = named(static)
    if not axes:
        raise Misfit("no-axis")
    if one and len(axes) > 1:
        raise Misfit("one-axis", axis=axes[0], number=len(axes))
    return axes


def _told(operands: Sequence[Axes | None], at: int) -> tuple[Axes | None, int]:
    """The operand that tells lengths, if it is given, and its place."""
    return (operands[at], at) if len(operands) > at else ({}, -1)


def _expands(operands: Sequence[Axes | None], static: Any) -> Fit:
    axes, frame = _axes_of(static), align(operands[:1])
    for axis in axes:
        if axis in frame:
            raise Misfit("axis-there", 0, axis=axis)
    like, place = _told(operands, 1)
    wider = between(frame, _beside(like, place, axes), like or ())
    return Fit(wider, wider, stated(axes))


def _counts(operands: Sequence[Axes | None], static: Any) -> Fit:
    axes = _beside(*_told(operands, 0), _axes_of(static, one=True))
    return Fit(axes, axes)


def _measures(operands: Sequence[Axes | None], static: Any) -> Fit:
    _beside(*_told(operands, 0), _axes_of(static))
    return Fit({}, {})


def _marks(operands: Sequence[Axes | None], static: Any) -> Fit:
    return _expands(operands, _axes_of(static, one=True))


def _renames(operands: Sequence[Axes | None], static: Any) -> Fit:
    frame, new = align(operands), dict(static or ())
    if not new:
        raise Misfit("no-axis")
    for old in new:
        need_length(frame, old)
    names = [new.get(axis, axis) for axis in frame]
    for axis in names:
        if names.count(axis) > 1:
            raise Misfit("axis-there", 0, axis=axis)
    return Fit(frame, dict(zip(names, frame.values(), strict=True)))


def _gathers(operands: Sequence[Axes | None], static: Any) -> Fit:
    table, i = operands
    (axis,) = _axes_of(static, one=True)
    need_length(align([table]), axis)
    if axis in (i or {}):
        raise Misfit("axis-there", 1, axis=axis)
    rest = align([without(table or {}, axis), i])
    return Fit(between(rest, {axis: (table or {})[axis]}, table or ()), rest, axis)


@op(
    axes=Rule(_expands, option=True, each_step=True),
    optional=("like",),
    linear=True,
    flat=("like",),
    latex="{x}",
    example="square(position - expand(mean(position), axis=time))",
    squares="picks",
    between=hull(0),
    curve="affine up",
)
def expand(x: Array, *, like: Axis = BESIDE, axis: Axis) -> Array:  # type: ignore[assignment]
    """The same value all along an axis that it lacks, or along several: `expand(x, axis=(batch, time))`.

    The axis is as long as it is in what stands beside it, or in the value given as `like=y`.
    """
    lengths = dict(zip(*((a,) if isinstance(a, int) else a for a in (axis, like)), strict=True))
    shape = jnp.shape(x) or (1,) * len(lengths)
    # A number of the text is a whole one to JAX.
    return jnp.broadcast_to(number(jnp.asarray(x)), [lengths.get(i, length) for i, length in enumerate(shape)])


@op(
    axes=Rule(_renames),
    renames=True,
    linear=True,
    squares="picks",
    latex=r"\left. {x:power} \right|_{{{named}}}",
    example="mean(expand(position[-1], axis=other)*rename(position[-1], batch=other), axis=other)",
    between=hull(0),
    curve="affine up",
)
def rename(x: Array) -> Array:
    """The same value with other names of its axes: `rename(x, batch=other)` is a second copy, for pairs of trials."""
    return x


@op(
    axes=Rule(_counts, option=True),
    optional=("like",),
    flat=("like",),
    latex=r"\operatorname{{index}}_{{{named}}}",
    notation=r"\operatorname{index}_{a} = 0, 1, 2, \ldots",
    example="0.99**index(axis=time)*velocity",
    between=never_negative,
    unit="none",
)
def index(*, like: Axis = BESIDE) -> Array:  # type: ignore[assignment]
    """The place along an axis, from 0: `index(axis=time)` is the number of the step.

    The axis is as long as it is in what stands beside it, or in the value given as `like=y`.
    """
    return jnp.arange(like, dtype=float)


@op(
    axes=Rule(_measures, option=True),
    optional=("like",),
    flat=("like",),
    latex=r"N_{{{named}}}",
    example="velocity/length(axis=time, like=velocity)",
    between=from_to(1, inf),
    unit="none",
)
def length(*, like: Axis = BESIDE) -> Array:  # type: ignore[assignment]
    """How long an axis is: `length(axis=batch)` is the number of trials; of several axes the product.

    As long as it is in what stands beside it, else in the quantities of the term, or in the value given as `like=y`.
    """
    return jnp.asarray(prod((like,) if isinstance(like, int) else like), float)


@op(
    axes=Rule(_gathers, option=True),
    linear=True,
    flat=("i",),
    latex=r"\left({table}\right)_{{{i}}}",
    example="gather(net.output, greater(sum(net.output, axis=output), 0), axis=output)",
    between=hull(0),
    curve="affine up",
    singular=PLACE,
)
def gather(table: Array, i: Array, *, axis: int) -> Array:
    """The value at a place along an axis, `table_i`, such as that of the action that was taken.

    Places count from 0; one outside gives NaN.
    Source: `jax.numpy.take_along_axis`.
    """
    i = jnp.asarray(i).reshape(jnp.shape(i) or (1,) * table.ndim)
    return jnp.squeeze(picked(table, i, axis), axis)


@op(
    axes=Rule(_marks, option=True),
    optional=("like",),
    flat=("i", "like"),
    indicates=True,
    latex=r"\left[{i} = \operatorname{{index}}_{{{named}}}\right]",
    example="sqnorm(one_hot(equal(nn_output, 0), axis=output) - softmax(net.output))",
    unit="none",
)
def one_hot(i: Array, *, like: Axis = BESIDE, axis: int) -> Array:  # type: ignore[assignment]
    """1 at the place `i` along an axis that it lacks, and 0 elsewhere; 0 throughout where there is no such place.

    Places count from 0. The axis is as long as it is in what stands beside it, or in the value given as `like=y`.
    Source: `jax.nn.one_hot`.
    """
    shape = [like if place == axis else 1 for place in range(max(jnp.ndim(i), 1))]
    return jnp.asarray(i == jnp.arange(like, dtype=jnp.result_type(i)).reshape(shape), float)
