"""Expressions -> the first operator in them that joins the trials of a batch, and what it does."""

from collections.abc import Callable, Iterable
from typing import Any

from lossdsl.language import Call, Expr
from lossdsl.meaning import Defined, Object, Quantity, computed, each_name
from lossdsl.operators import BATCH, dual, named


def joined(exprs: Iterable[Expr], definition: Callable[[Defined], Expr] = computed) -> tuple[Expr, str] | None:
    """What of some expressions needs more than one trial at a time, and why; None if each trial is alone."""
    exprs = list(exprs)
    names = each_name(exprs, definition).values()
    meanings = [name.meaning for name in names]
    bodies = [*exprs, *(definition(meaning) for meaning in meanings if isinstance(meaning, Defined))]
    for node in (node for body in bodies for node in body.walk()):
        if isinstance(node, Call) and (reason := _reason(node)):
            return node, reason
    for name in names:
        if isinstance(name.meaning, Quantity) and dual(BATCH) in name.meaning.dimensions:
            return name, "it has the axis `batch` twice"
    return None


def is_free(node: Expr, *roots: str) -> bool:
    """Whether it is the same for all states, or for all that lies in these roots."""
    meanings = [name.meaning for name in each_name([node]).values()]
    places = [place.root for meaning in meanings if isinstance(meaning, Quantity) for place in meaning.places]
    return not {*places} & {*(roots or ("states",))} and not any(isinstance(meaning, Object) for meaning in meanings)


def _reason(node: Call) -> str:
    if node.op.renames:
        pairs: Any = node.static or ()
        return "it makes pairs of trials" if BATCH in dict(pairs) or BATCH in dict(pairs).values() else ""
    if BATCH in node.along and node.op.name != "expand":
        return "it works along `batch`"
    if node.op.has_length and node.op.name != "expand" and BATCH in named(node.static):
        return "it counts the trials of the batch"
    return ""
