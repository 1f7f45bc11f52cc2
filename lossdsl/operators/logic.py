"""Formulas of signal temporal logic: comparisons, what joins them, and how far they hold."""

from collections.abc import Sequence
from fractions import Fraction
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators import curves
from lossdsl.operators.axes import TIME, Axes, Fit, Misfit, Rule, align, elementwise, need_length, need_numbers, without
from lossdsl.operators.declaration import op, symbol
from lossdsl.operators.extremes import (
    HARD,
    SMOOTH as SMOOTH,
    cut,
    largest_from,
    largest_of,
    largest_of_all,
    largest_up_to,
    largest_within,
    slid,
)
from lossdsl.operators.reductions import all_in, is_in
from lossdsl.operators.signs import difference, hard, hull, least, most, negated


class Moment(NamedTuple):
    """So many steps from now, or seconds."""

    number: Fraction = Fraction(0)
    seconds: bool = False


class Look(NamedTuple):
    """How a formula looks ahead, and how its robustness is smoothed.

    Attributes:
        within: From when to when, both included; None for all that is left of the trial.
        smooth: The kind of maximum, one of `SMOOTH`.
        steps: The same in steps, once it is bound.
        rows: What the vocabulary says of its seconds, as in `Window`.
        first: Whether it is asked for the first step alone.
    """

    within: tuple[Moment, Moment] | None = None
    smooth: str = HARD
    steps: tuple[int, int] | None = None
    rows: tuple[tuple[str, str, Any], ...] = ()
    first: bool = False


def _ahead(formulas: int) -> Rule:
    """Looks ahead along `time`, which keeps the steps from which the end can be seen; behind the formulas a mask."""

    def fit(operands: Sequence[Axes | None], static: Any) -> Fit:
        frame, masks = align(operands[:formulas]), operands[formulas:]
        for axis in masks[0] or () if masks else ():
            if axis not in frame:
                raise Misfit("mask-axes", 0, formulas, axis=axis)
        frame = align([frame, *masks])
        need_length(frame, TIME)
        look, length = static or Look(), frame[TIME]
        if look.first:
            return Fit(frame, without(frame, TIME), TIME)
        stop = look.steps[1] if look.steps else 0
        if length is not None and length <= stop:
            raise Misfit("beyond-end", 0, axis=TIME, stop=stop)
        return Fit(frame, {**frame, TIME: None if length is None else length - stop}, TIME)

    return Rule(fit)


def _at_start(operands: Sequence[Axes | None], static: Any) -> Fit:
    p, *numbers = operands
    need_numbers(operands, len(operands) - 1)
    frame = align(operands if p is None else [without(p, TIME), *numbers])
    return Fit(frame, frame)


_COMPARED: dict[str, Any] = {"formula": True, "rule": elementwise}
symbol(
    "<",
    lambda x, y: y - x,
    "violation(always(velocity < 1))",
    "The formula that one value is less than another; its robustness is `y - x`, that of `x <= y` too.",
    latex="{x} < {y}",
    between=difference(1, 0),
    curve="affine down up",
    **_COMPARED,
)
symbol(
    ">",
    lambda x, y: x - y,
    "violation(eventually(1 > velocity))",
    "The formula that one value is greater than another; its robustness is `x - y`, that of `x >= y` too.",
    latex="{x} > {y}",
    between=difference(0, 1),
    curve="affine up down",
    **_COMPARED,
)


_JOINED: dict[str, Any] = {"axes": elementwise, "formula": True, "formulas": ("p", "q"), "repeats": ("q",)}


@op(
    "and",
    latex=r"{p} \land {q}",
    example="violation(always(position < 1 and velocity < 1))",
    code="all_of",
    between=hard(least),
    curve=curves.hard("concave up..."),
    **_JOINED,
)
def all_of(p: Array, *others: Array, smooth: str = HARD) -> Array:
    """Both formulas hold, or all of several: the least of their robustness."""
    return -largest_of([-p, *(-q for q in others)], smooth)


@op(
    "or",
    latex=r"{p} \lor {q}",
    example="violation(always(position < 1 or velocity < 1))",
    code="any_of",
    between=hard(most),
    curve=curves.hard("convex up..."),
    **_JOINED,
)
def any_of(p: Array, *others: Array, smooth: str = HARD) -> Array:
    """One formula holds, or both, or one of several: the largest of their robustness."""
    return largest_of([p, *others], smooth)


symbol(
    "not",
    lambda p: -p,
    "violation(not always(velocity > 1))",
    "A formula does not hold: minus its robustness.",
    **_COMPARED,
    defaults={"p": None},
    latex=r"\lnot {p}",
    between=negated,
    curve="affine down",
    formulas=("p",),
)


def _valid(p: Array, where: Any) -> Array | None:
    return None if all_in(where) else is_in(p, where)


def _seen(p: Array, where: Any, axis: int, within: tuple[int, int] | None, smooth: str, first: bool) -> Array:
    """The largest robustness that is seen from each step, or from the first one alone."""
    valid = _valid(p, where)
    if within is None:
        return (largest_of_all if first else largest_from)(p, valid, axis, smooth)
    start, stop = within
    end = stop + 1 if first else p.shape[axis]
    p, valid = cut((p, valid), start, end, axis)
    if first:
        return largest_of_all(p, valid, axis, smooth)
    return largest_within(p, valid, axis, smooth, stop - start + 1)


_AHEAD: dict[str, Any] = {
    "axes": _ahead(1),
    "reads": "after",
    "words": ("within",),
    "formula": True,
    "formulas": ("p",),
    "optional": ("where",),
    "between": hard(hull()),
}


@op(
    latex=r"\square {p}",
    notation=r"\rho\left(\square \varphi\right) = \min_{s \geq t} \rho\left(\varphi\right)_{s}",
    example="violation(always(velocity < 1))",
    **_AHEAD,
    curve=curves.hard("concave up"),
)
def always(
    p: Array,
    *,
    where: Array = 1,  # type: ignore[assignment]
    axis: int,
    within: tuple[int, int] | None = None,
    smooth: str = HARD,
    first: bool = False,
) -> Array:
    """A formula holds at all steps from now to the end of the trial: the least of its robustness.

    With `within=0.5s` from now to then, with `within=(0.1s, 0.5s)` or `within=(10, 50)` from one to the other, both
    included; the result has the steps from which the trial goes on for so long. With a mask `where=m` at those steps
    where it is not 0, and 0 where it is 0 throughout.
    Source: Donzé and Maler (2010), Robust satisfaction of temporal logic over real-valued signals.
    """
    return -_seen(-p, where, axis, within, smooth, first)


@op(
    latex=r"\lozenge {p}",
    notation=r"\rho\left(\lozenge \varphi\right) = \max_{s \geq t} \rho\left(\varphi\right)_{s}",
    example="violation(eventually(always(velocity < 1)))",
    **_AHEAD,
    curve=curves.hard("convex up"),
)
def eventually(
    p: Array,
    *,
    where: Array = 1,  # type: ignore[assignment]
    axis: int,
    within: tuple[int, int] | None = None,
    smooth: str = HARD,
    first: bool = False,
) -> Array:
    """A formula holds at some step from now to the end of the trial: the largest of its robustness.

    `within=` and `where=` as for `always`; `eventually(always(p))` says that it settles.
    Source: Donzé and Maler (2010), Robust satisfaction of temporal logic over real-valued signals.
    """
    return _seen(p, where, axis, within, smooth, first)


@op(
    latex=r"{p} \mathbin{{\mathcal{{U}}}} {q}",
    notation=r"\rho\left(\varphi \mathbin{\mathcal{U}} \psi\right) = \max_{u \geq t} \min\left("
    r"\rho\left(\psi\right)_{u}, \min_{t \leq s \leq u} \rho\left(\varphi\right)_{s}\right)",
    example="violation(until(velocity < 1, position < 0.1))",
    **{**_AHEAD, "axes": _ahead(2), "formulas": ("p", "q")},
)
def until(
    p: Array,
    q: Array,
    *,
    where: Array = 1,  # type: ignore[assignment]
    axis: int,
    within: tuple[int, int] | None = None,
    smooth: str = HARD,
    first: bool = False,
) -> Array:
    """The formula `q` holds at some step, and `p` at all steps from now to that one, which is included.

    The largest over `u` of the least of `q[u]` and `p[t], ..., p[u]`; `within=` says where `u` lies, `where=` as for
    `always`.
    Source: Donzé and Maler (2010), Robust satisfaction of temporal logic over real-valued signals.
    """
    p, q = jnp.broadcast_arrays(p, q)
    valid = _valid(p, where)
    if valid is not None:
        p, q = (jnp.where(valid, x, 0) for x in (p, q))
    if first:
        return _until_at_first(p, q, valid, axis, within or (0, p.shape[axis] - 1), smooth)
    if smooth != HARD:
        return _until_smooth(p, q, valid, axis, within, smooth)
    # A step maps what is found after it: r -> max(c, min(d, r)).
    c, d = jnp.minimum(p, q), p
    if valid is not None:
        c, d = jnp.where(valid, c, -jnp.inf), jnp.where(valid, d, jnp.inf)
    if within is None:
        found = jax.lax.associative_scan(lambda x, y: _after(y, x), (c, d), reverse=True, axis=axis)[0]
    else:
        start, stop = within
        found = slid(_after, cut((c, d), start, c.shape[axis], axis), stop - start + 1, axis)[0]
        if start:
            before = -largest_within(cut(-d, 0, d.shape[axis] - stop + start - 1, axis), None, axis, HARD, start)
            found = jnp.minimum(cut(before, 0, found.shape[axis], axis), found)
    return found if valid is None else jnp.where(jnp.isinf(found) & ~_any_ahead(valid, axis, within), 0, found)


def _after(step: tuple[Array, Array], later: tuple[Array, Array]) -> tuple[Array, Array]:
    """A step, or several, before what is after it."""
    (c, d), (e, f) = step, later
    return jnp.maximum(c, jnp.minimum(d, e)), jnp.minimum(d, f)


def _any_ahead(valid: Array, axis: int, within: tuple[int, int] | None) -> Array:
    """Whether a mask leaves a step in where `q` may hold."""
    return _seen(valid.astype(float), 1, axis, within, HARD, first=False) > 0


def _until_at_first(p: Array, q: Array, valid: Array | None, axis: int, within: tuple[int, int], smooth: str) -> Array:
    start, stop = within
    p, q, valid = cut((p, q, valid), 0, stop + 1, axis)
    so_far = -largest_up_to(-p, valid, axis, smooth)
    both = all_of(*cut((so_far, q), start, stop + 1, axis), smooth=smooth)
    return largest_of_all(both, cut(valid, start, stop + 1, axis), axis, smooth)


def _until_smooth(
    p: Array, q: Array, valid: Array | None, axis: int, within: tuple[int, int] | None, smooth: str
) -> Array:
    """At each step by itself: a smooth least of a least is none of all, so no window is made of two."""
    length = p.shape[axis]
    start, stop = within or (0, length - 1)
    if within is None:
        wide = [(0, stop * (i == axis)) for i in range(p.ndim)]
        valid = jnp.ones_like(p, bool) if valid is None else valid
        p, q, valid = (jnp.pad(x, wide) for x in (p, q, valid))
    steps = p.shape[axis] - stop
    at_first = partial(_until_at_first, axis=axis, within=(start, stop), smooth=smooth)

    def at(t: Array) -> Array:
        ahead = jax.tree.map(lambda x: jax.lax.dynamic_slice_in_dim(x, t, stop + 1, axis), (p, q, valid))
        return at_first(*ahead)

    return jnp.moveaxis(jax.lax.map(jax.checkpoint(at), jnp.arange(steps)), 0, axis)


_READ: dict[str, Any] = {"axes": Rule(_at_start), "words": ("smooth",), "formulas": ("p",)}


@op(
    latex=r"\rho\left({p}\right)",
    notation=r"\rho\left(x < y\right) = y - x",
    example="mean(position) - 0.1*robustness(always(velocity < 1))",
    domain={"`sharpness > 0`": lambda sharpness: sharpness > 0},
    **_READ,
)
def robustness(p: Array, *, sharpness: Array = 10) -> Array:  # type: ignore[assignment]
    """How far a formula holds at the first step of the trial, or is missed: positive where it holds, else negative.

    In the units of what is compared, by which a disturbance of all of it may change before the formula changes its
    truth. `smooth=` is `hard`, the extremes themselves, or one that has a gradient into all steps: `logsumexp`,
    `softmax` or `gmsr`. The first two differ from `hard` by about `1/sharpness`, in the same units; `gmsr`, which is
    made of means, has the sign of `hard`.
    Source: Fainekos and Pappas (2009), Robustness of temporal logic specifications; Pant, Abbas and Mangharam (2017),
    Smooth operator; Uzun et al. (2024), arXiv 2405.10996, with p = 1 and `eps = 1/sharpness**2`.
    """
    return p


@op(
    latex=r"\max\left(0, {margin}-\rho\left({p}\right)\right)",
    notation=r"\rho\left(x < y\right) = y - x",
    example="violation(eventually(always(velocity < 0.1)), margin=0.01)",
    domain={"`sharpness > 0`": lambda sharpness: sharpness > 0},
    **_READ,
)
def violation(p: Array, margin: Array = 0, *, sharpness: Array = 10) -> Array:  # type: ignore[assignment]
    """What a loss adds for a formula: 0 where it holds by a margin, else by how much it is missed.

    `relu(margin - robustness(p))`, with `smooth=` and `sharpness=` as there.
    """
    return jnp.maximum(margin - p, 0)
