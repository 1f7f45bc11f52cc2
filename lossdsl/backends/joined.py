"""Expressions -> the first operator in them that joins the trials of a batch, and what it does."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from lossdsl.errors import LossError, error
from lossdsl.language import Call, Expr, Name
from lossdsl.meaning import Defined, Object, Quantity, computed, each_name
from lossdsl.operators import BATCH, UNDIFFED, UNSLICED, dual, named

_WHOLE = "call the loss on the whole batch, `loss(states, trial_specs)`"
# The second operand of these says how long the first one is.
_AS_LONG = (UNDIFFED, UNSLICED)


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


def trials_joined(node: Expr, reason: str, first: str = "") -> LossError:
    """What is wrong with an expression where each trial is to be alone; `first` is what may be tried first."""
    advice = f"{first}, or {_WHOLE}" if first else _WHOLE
    return error("trials-joined", node.span, found=str(node), reason=reason, advice=advice)


def is_free(node: Expr, *roots: str) -> bool:
    """Whether it is the same for all states, or all that lies in these roots.

    What only tells the length of something does not count.
    """
    left, seen = [node], set[Any]()
    while left:
        part = left.pop()
        # A definition has the content of what it stands for.
        key = part.name if isinstance(part, Name) else part.content
        if key in seen:
            continue
        seen.add(key)
        if isinstance(part, Name):
            if _lies_in(part, roots or ("states",)):
                return False
            left += [part.meaning.expr] if isinstance(part.meaning, Defined) else []
        elif isinstance(part, Call):
            left += [arg for i, arg in enumerate(part.args) if not _tells_length(part, i)]
    return True


def reads(node: Expr, *roots: str) -> bool:
    """Whether something of these roots stands in it, if only to tell a length, or a term in Python."""
    names = each_name([node]).values()
    return any(_lies_in(name, roots) for name in names)


def _tells_length(node: Call, i: int) -> bool:
    told = node.op.has_length and len(node.args) == len(node.op.defaults)
    return (told and i == len(node.args) - 1) or (node.op in _AS_LONG and i == 1)


def _lies_in(name: Name, roots: Sequence[str]) -> bool:
    if isinstance(name.meaning, Quantity):
        return any(place.root in roots for place in name.meaning.places)
    return isinstance(name.meaning, Object)


def _reason(node: Call) -> str:
    if node.op.renames:
        pairs: Any = node.static or ()
        return "it makes pairs of trials" if BATCH in dict(pairs) or BATCH in dict(pairs).values() else ""
    if BATCH in node.along and node.op.name != "expand":
        return "it works along `batch`"
    if node.op.has_length and node.op.name != "expand" and BATCH in named(node.static):
        return "it counts the trials of the batch"
    return ""
