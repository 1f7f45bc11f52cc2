"""Terms and data -> the steps of each window in each trial, and the trials in which it has none."""

from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from lossdsl.backends.program import build
from lossdsl.language import ONE, Call, Expr, Number, call, window_text
from lossdsl.meaning import Defined, Term, each_name, unwindowed
from lossdsl.operators import OPS, TIME


class Coverage(NamedTuple):
    """What a window covers.

    Attributes:
        window: Its text.
        of: What it stands behind.
        steps: How many steps each trial has in it.
        first: The number of the first of them, in each trial that has one.
        last: The number of the last.
    """

    window: str
    of: str
    steps: np.ndarray[Any, Any]
    first: np.ndarray[Any, Any]
    last: np.ndarray[Any, Any]


def coverage(terms: Sequence[Term], roots: Sequence[Any], parameters: Mapping[str, Any]) -> list[Coverage]:
    """What each window in some terms, and in their definitions, covers of the data."""
    bodies = [term.expr for term in terms]
    names = each_name(bodies).values()
    bodies += [name.meaning.expr for name in names if isinstance(name.meaning, Defined)]
    found = [node for body in bodies for node in body.walk() if isinstance(node, Call) and node.op.name == "@"]
    return [_covered(node, roots, parameters) for node in dict.fromkeys(found)]


def _covered(node: Call, roots: Sequence[Any], parameters: Mapping[str, Any]) -> Coverage:
    count, first, last = (Term(name, Fraction(1), expr) for name, expr in _numbers(node).items())
    program = build((count, first, last))
    arrays = program.pick(*roots)
    given = {name: jnp.asarray(parameters[name]) for name in program.parameters}
    steps, *ends = (np.atleast_1d(value) for value in program.per_trial(given, None, arrays).values())
    there = steps > 0
    return Coverage(window_text(node.static), str(node.args[0]), steps, *(end[there] for end in ends))


def _numbers(node: Call) -> dict[str, Expr]:
    """How many steps lie in a window, and the numbers of the first and the last, in each trial."""
    operand, mask = node.args
    _, inside = unwindowed(operand)
    assert inside is not None
    number = call("+", Call((operand,), OPS["index"], TIME), Number(value=Fraction(inside.first or 0)))
    more = tuple(axis for axis in mask.axes or () if axis != TIME)
    wide = Call((number, operand), OPS["expand"], more) if more else number
    windowed = Call((wide, mask), node.op, node.static)
    ones = Call((ONE, operand), OPS["expand"], (*more, TIME))
    return {
        "steps": call("sum", Call((ones, mask), node.op, node.static)),
        "first": call("initial", windowed),
        "last": call("final", windowed),
    }
