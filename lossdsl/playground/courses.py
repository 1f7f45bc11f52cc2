"""Terms -> what each of them is at each step of time, before `time` is taken away: a mean over trials, and a band."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import Any

import jax
import numpy as np

from lossdsl.backends import Lowering, Program, build
from lossdsl.errors import LossError
from lossdsl.language import ZERO, Call, Expr, Name, call
from lossdsl.loss import finite
from lossdsl.meaning import Defined, Term, computed, summed, unwindowed
from lossdsl.operators import BATCH, OPS, TIME, stated

# A quarter of the trials lies below the band, and a quarter above.
_BAND = (0.25, 0.75)
# More points than a plot has pixels are told by their mean, and by the widest band.
MOST_POINTS = 500
# A page with a plot for each of thousands of terms shows nothing any more.
MOST_COURSES = 40
# Operators that pick one step: which it is.
_PICKS = {"final": -1, "initial": 0}
# What `time` counts behind it are frequencies.
_SPECTRUM = OPS["power_spectrum"].rule
# What `time` is called where it is to stay.
_STAYS = "step of the plot"


@dataclass(frozen=True)
class Course:
    """What of a term has a value at each step.

    Attributes:
        label: The term.
        expr: What has `time`; 0 at steps that do not count.
        text: How it is written.
        over: The axes, beside the trials, that it is averaged over.
        first: The number of its first step; None where steps have no numbers.
        at: The index of the step that the term picks; None if it takes more of them.
    """

    label: str
    expr: Expr
    text: str
    over: tuple[str, ...]
    first: int | None
    at: int | None


def course(term: Term) -> Course | None:
    """What of a term has a value at each step; None for one that has nothing to do with time.

    That is its body if it is summed over `time` in the end. Else it is what goes into the outermost operator that
    takes `time` away: into the first of several, and into one that picks a step only where no other is.
    """
    body, is_summed = summed(term.expr), TIME in (term.expr.axes or ())
    if TIME in (body.axes or ()):
        return _course(term.label, body, str(term.expr), None, None)
    taking = sorted(_taking(body), key=lambda node: _picked(node) is not None)
    if not taking:
        return None
    node = taking[0]
    mask = dict(zip(node.op.defaults, node.args, strict=False)).get("where")
    operand = next(arg for arg in node.args if TIME in (arg.axes or ()) and arg is not mask)
    if mask is not None and not mask.axes:
        mask = None
    text = str(term.expr if is_summed else operand)
    return _course(term.label, operand, text, mask, None if mask else _picked(node))


def _course(label: str, operand: Expr, text: str, mask: Expr | None, at: int | None) -> Course:
    over = tuple(axis for axis in operand.axes or () if axis not in (BATCH, TIME))
    expr = operand if mask is None else call("where", mask, operand, ZERO)
    return Course(label, expr, text, over, _first(operand), at)


def _first(operand: Expr) -> int | None:
    if any(isinstance(node, Call) and node.op.rule is _SPECTRUM for node in operand.walk()):
        return None
    try:
        inside = unwindowed(operand)[1]
    except LossError:
        return None
    return inside.first if inside else None


def _taking(body: Expr) -> Iterator[Call]:
    """The outermost operators that take `time` away, through definitions."""
    stack, seen = [body], set[bytes]()
    while stack:
        node = stack.pop()
        if isinstance(node, Name) and isinstance(node.meaning, Defined):
            stack.append(computed(node.meaning))  # whose content is that of the name
            continue
        if node.constant or node.content in seen:
            continue
        seen.add(node.content)
        if isinstance(node, Call) and any(TIME in (arg.axes or ()) for arg in node.args):
            yield node
        else:
            stack += reversed(node.args)


def _picked(node: Call) -> int | None:
    """The index of the step that an operator picks; None if it takes more of them."""
    return node.static if node.op.name == "[]" else _PICKS.get(node.op.name)


class Courses:
    """The courses of the terms of a loss, in one compiled function.

    Args:
        terms: The terms.
    """

    def __init__(self, terms: Sequence[Term]):
        self.found = [one for one in map(course, terms[:MOST_COURSES]) if one]

    @cached_property
    def _program(self) -> Program:
        return build(tuple(Term(one.label, Fraction(1), _kept(one)) for one in self.found), windowed=False)

    @cached_property
    def _run(self) -> Any:
        return jax.jit(self._program.per_trial)

    def values(self, data: Sequence[Any], parameters: Mapping[str, Any], step: Any) -> list[dict[str, Any]]:
        """A row for each course: its label, how it is written, its steps, and the line and the band of its values.

        Raises:
            LossDataError: For data that do not fit.
        """
        if not self.found:
            return []
        program = self._program
        given = {name: parameters[name] for name in program.parameters}
        values = self._run(given, step if program.uses_step else None, program.pick(*data))
        # What is not finite is a gap in a line, and no warning.
        with np.errstate(all="ignore"):
            return [_row(one, _by_step(one, values[one.label])) for one in self.found]


def _kept(one: Course) -> Expr:
    """The expression, averaged over what is neither trials nor steps, and not over those."""
    expr = call("rename", one.expr, static=((TIME, _STAYS),))
    return call("mean", expr, static=stated(one.over)) if one.over else expr


def _by_step(one: Course, values: Any) -> Any:
    """The values of all trials at each step, in the order that the array has them."""
    axes = list(Lowering().whole(_kept(one)).axes or ())
    return np.moveaxis(np.asarray(values, float), axes.index(_STAYS), 0).reshape(values.shape[axes.index(_STAYS)], -1)


def _row(one: Course, values: Any) -> dict[str, Any]:
    steps, trials = values.shape
    starts = np.linspace(0, steps, min(steps, MOST_POINTS), endpoint=False).astype(int)
    mean, first = values.mean(axis=1), one.first or 0
    lines = {"mean": np.add.reduceat(mean, starts) / np.diff([*starts, steps])}
    if trials > 1:
        low, high = np.quantile(values, _BAND, axis=1)
        lines |= {"low": np.minimum.reduceat(low, starts), "high": np.maximum.reduceat(high, starts)}
    at = None if one.at is None else range(steps)[one.at]
    return {
        "label": one.label,
        "text": one.text,
        "over": list(one.over),
        "numbered": one.first is not None,
        "steps": [first + int(start) for start in starts],
        "at": None if at is None else {"step": first + at, "value": finite(float(mean[at]))},
        **{kind: [finite(value) for value in line.tolist()] for kind, line in lines.items()},
    }
