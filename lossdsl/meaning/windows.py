"""Windows of time in a loss: checked, given their masks, and moved into what takes `time` away."""

from collections.abc import Iterable, Iterator
from typing import Any

from lossdsl.errors import error
from lossdsl.language import Call, Expr, Label, Name, call
from lossdsl.meaning.clock import BY_NAME, ENDS, Clock
from lossdsl.meaning.defined import Defined, each_name, weighs
from lossdsl.meaning.inside import is_windowed, length_of, reduced, unwindowed
from lossdsl.meaning.quantity import Quantity
from lossdsl.meaning.rules import rewrite
from lossdsl.meaning.spans import Spans, Timed, first_of
from lossdsl.operators import TIME, Look, Window
from lossdsl.several import each


def uneven(node: Expr) -> bool:
    """Whether it is a weighted sum, through its definitions too, of addends with `time` and without, or in windows."""
    if isinstance(node, Name):
        return isinstance(node.meaning, Defined) and node.meaning.uneven
    if not isinstance(node, Call) or node.op.name not in ("+", "neg", "*", "/") or not weighs(node):
        return False
    parts = [arg for arg in node.args if not arg.constant]
    return any(map(uneven, parts)) or len({steps_of(part) for part in parts}) > 1


def steps_of(node: Expr) -> Any:
    """What tells which steps are summed of an addend that is not uneven: none, all, or those of its window."""
    if TIME not in (node.axes or ()):
        return None
    inside = unwindowed(node)[1] if any(map(is_windowed, node.walk())) else None
    return inside.mask.key if inside and inside.mask else ""


def check_windows(node: Expr) -> None:
    """Refuse windows that do not fit; those of terms need not fit each other.

    Raises:
        LossAxesError: With the operands.
    """
    if node.constant:
        return
    if isinstance(node, Name) and isinstance(node.meaning, Defined) and node.meaning.uneven:
        check_windows(node.meaning.expr)
    elif isinstance(node, Label) or (
        isinstance(node, Call) and node.op.name in ("+", "neg", "*", "/") and weighs(node)
    ):
        each(check_windows, node.args)
    elif any(map(is_windowed, node.walk())):
        unwindowed(node)


def with_mask(node: Call, spans: Spans) -> Call:
    """A window with its mask, for the steps of its operand.

    Raises:
        LossError: For what has no steps with numbers, a window in a window, and what the vocabulary does not say.
    """
    _ = node.fit  # says where there is no `time`
    (operand,), span = node.args, node.span
    inside = unwindowed(operand)[1]
    if inside and inside.clash:
        raise error("steps-differ", operand.span or span, **inside.clash)
    if inside is None or inside.first is None:
        raise error("no-steps", operand.span or span, operand=str(operand))
    if inside.window is not None:
        raise error("window-twice", span, found=str(node))
    at = span.part(operand.span.end, span.end) if span and operand.span else span
    mask, static = spans.mask(node.static, inside.first, inside.source, at)
    return Call((operand, mask), node.op, static, span=span)


def summed(body: Expr) -> Expr:
    """The body of a term, with its windows as masks, summed over what of `time` is left if that has a window."""
    if not any(map(is_windowed, body.walk())):
        return body
    found, inside = unwindowed(body)
    return reduced(call("sum", found), [found], inside.mask) if inside and inside.mask else found


def computed(meaning: Defined) -> Expr:
    """What a definition computes: rewritten, its windows moved into masks."""
    expr = rewrite(meaning.expr)
    return unwindowed(expr)[0] if meaning.windowed else expr


def own_length(node: Call) -> Expr:
    """The length of `time`, told by a value, as that of each trial; any other operator as it is."""
    return length_of(node, [*node.args], [unwindowed(node.args[0])[1]])[0] if node.op.name == "length" else node


def ends_of(exprs: Iterable[Expr]) -> list[Expr]:
    """The names that say where the trials end that these expressions are made of."""
    meanings = [name.meaning for name in each_name(exprs).values()]
    ends = [meaning.ends for meaning in meanings if isinstance(meaning, Timed)]
    return list(dict.fromkeys(each.name for each in ends if each))


def said_of_time(exprs: Iterable[Expr]) -> Iterator[tuple[str, str, Any]]:
    """What a vocabulary says of time for these expressions and their definitions: kinds, names, and rows or None."""
    for node in _outside_masks(exprs):
        if isinstance(node, Call) and isinstance(node.static, Window | Look):
            yield from node.static.rows
        quantity = node.meaning if isinstance(node, Name) else None
        if isinstance(quantity, Quantity) and TIME in (quantity.axes or ()) and first_of(quantity) is not None:
            ends = quantity.ends if isinstance(quantity, Timed) else None
            rows = {kind: row for kind, _, row in ends.rows} if ends else {}
            yield from ((kind, "", rows.get(kind)) for kind in ENDS)
            yield "trials_begin", "", quantity.begins if isinstance(quantity, Timed) else 1


def _outside_masks(exprs: Iterable[Expr]) -> Iterator[Expr]:
    """All nodes, through definitions, but for what the masks of windows are made of."""
    seen: set[str] = set()
    stack = [*exprs]
    while stack:
        node = stack.pop()
        if isinstance(node, Name):
            if node.name in seen:
                continue
            seen.add(node.name)
            if isinstance(node.meaning, Defined):
                stack.append(node.meaning.expr)
        stack += node.args[:1] if isinstance(node, Call) and node.op.name == "@" else node.args
        yield node


def time_rows(exprs: Iterable[Expr]) -> dict[str, Any]:
    """What a vocabulary must say of time for the windows of these expressions, and of their definitions."""
    rows = Clock().time_rows
    for kind, name, row in said_of_time(exprs):
        if row is not None:
            rows[kind] = {**rows[kind], name: row} if kind in BY_NAME else row
    return rows
