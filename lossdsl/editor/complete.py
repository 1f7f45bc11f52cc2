"""A place in a text -> what can be written there: names, operators, options, axes and windows."""

from collections.abc import Iterator
from typing import NamedTuple

from lossdsl.editor.cursor import Cursor
from lossdsl.editor.passage import Place
from lossdsl.language import Token, number_text, shown_axes, signature
from lossdsl.meaning import Definition, Parameter, Quantity, row_text
from lossdsl.operators import OPS, SMOOTH, STEP, TIME, Op

# What kind of thing is offered, in words that an editor can show by a sign of its own.
KINDS = ("quantity", "term", "parameter", "operator", "definition", "argument", "option", "axis", "window")
WINDOWS = ("final", "initial")
_OPERAND = ("NAME", "NUMBER", "RPAR", "RSQB", "AT_STEPS", "AT_SPAN", "AT_LAST", "DUAL")
# A word as it is typed: it may end with the dot that goes on.
_IN_WORD = "._'"


class Item(NamedTuple):
    """Something that can be written.

    Attributes:
        text: What.
        kind: One of `KINDS`.
        detail: What it is, on one line.
        doc: What it is.
        place: The word in the file that it takes the place of.
        call: Whether parentheses follow.
    """

    text: str
    kind: str
    detail: str
    doc: str
    place: Place
    call: bool = False


def complete(cursor: Cursor) -> list[Item]:
    """What can be written at a place; an editor shows what fits to what stands there."""
    start = cursor.at
    while start and (cursor.text[start - 1].isalnum() or cursor.text[start - 1] in _IN_WORD):
        start -= 1
    if cursor.text[start : start + 1].isdigit():
        return []
    place = cursor.text.part(start, cursor.at)
    before = [token for token in cursor.statement.tokens if token.span.end <= start]
    if _begins(cursor, before, start):
        before = []
    return [Item(text, kind, detail, doc, place, call) for text, kind, detail, doc, call in _offers(cursor, before)]


_Offer = tuple[str, str, str, str, bool]


def _offers(cursor: Cursor, before: list[Token]) -> Iterator[_Offer]:
    last = before[-1] if before else None
    if _in_comment(cursor):
        return
    if last and last.kind == "AT":
        yield from ((name, "window", OPS[name].summary, OPS[name].doc, False) for name in WINDOWS)
        yield from ((name, "window", row_text(row), "", False) for name, row in cursor.vocabulary.epochs.items())
        yield from (
            (f"{name}..end", "window", row_text(row), "", False) for name, row in cursor.vocabulary.events.items()
        )
        return
    if last and (last.kind in (*_OPERAND, "AS", "LSQB", "COLON", "UNKNOWN") or _in_brackets(before)):
        return
    calls = _open_calls(before)
    op = OPS.get(calls[-1][0]) if calls else None
    if op and _wants_axis(before, op):
        yield from ((axis, "axis", "an axis", "", False) for axis in _axes(cursor))
        return
    if last and last.kind == "EQUAL" and calls and calls[-1][1][-1:] == ["smooth"]:
        yield from ((kind, "option", "a kind of smoothing", "", False) for kind in SMOOTH)
        return
    if op and last and last.kind in ("LPAR", "COMMA"):
        yield from _options(op, calls[-1][1])
    yield from _names(cursor)
    yield from (
        (name, "operator", signature(known), known.doc, known.is_called)
        for name, known in OPS.items()
        if name.isidentifier()
    )


def _begins(cursor: Cursor, before: list[Token], start: int) -> bool:
    """Whether a place stands behind the line that ends what was written, where nothing is open."""
    is_whole = bool(before) and before[-1].kind in _OPERAND
    return is_whole and not _open_calls(before) and "\n" in cursor.text[before[-1].span.end : start]


def _in_comment(cursor: Cursor) -> bool:
    return "#" in cursor.text[cursor.text.rfind("\n", 0, cursor.at) + 1 : cursor.at]


def _in_brackets(before: list[Token]) -> bool:
    """Whether an index is written."""
    depth = 0
    for token in reversed(before):
        depth += {"RSQB": 1, "LSQB": -1}.get(token.kind, 0)
        if depth < 0:
            return True
    return False


def _open_calls(before: list[Token]) -> list[tuple[str, list[str]]]:
    """The calls whose parentheses are open, each with the options that it was given so far; groups have no name."""
    calls: list[tuple[str, list[str]]] = []
    last: Token | None = None
    for token in before:
        if token.kind == "LPAR":
            calls.append((last.text if last and last.kind == "NAME" else "", []))
        elif token.kind == "RPAR" and calls:
            calls.pop()
        elif token.kind == "EQUAL" and calls and last:
            calls[-1][1].append(last.text)
        last = token
    while calls and not calls[-1][0]:
        calls.pop()  # a group within the call
    return calls


def _wants_axis(before: list[Token], op: Op) -> bool:
    """Whether an axis is written: behind `axis=`, or in the parentheses there."""
    kinds = [token.kind for token in before]
    if not op.axis or "EQUAL" not in kinds:
        return False
    i = len(kinds) - kinds[::-1].index("EQUAL")
    within = kinds[i:]
    is_list = within[:1] == ["LPAR"] and set(within[1:]) <= {"NAME", "DUAL", "COMMA"}
    return before[i - 2].text == "axis" and (not within or is_list)


def _axes(cursor: Cursor) -> list[str]:
    """The axes that the quantities have, time and trials first."""
    quantities = cursor.vocabulary.quantities.values()
    return [*dict.fromkeys(["time", "batch", *(axis for q in quantities for axis in q.axes or ())])]


def _options(op: Op, given: list[str]) -> Iterator[_Offer]:
    known = {name: default for name, default in op.defaults.items() if name in op.options or name in op.named}
    if op.axis and not op.renames:
        known["axis"] = TIME
    for name, default in known.items():
        if name not in given:
            value = default if isinstance(default, str) or default is None else number_text(default)
            says = "" if value is None or name == "axis" else f", {value} if it is not given"
            yield f"{name}=", "option", f"an option of {op.name}{says}", op.doc, False
    for word in op.words:
        if word not in given:
            yield f"{word}=", "option", f"an option of {op.name}", op.doc, False


def _names(cursor: Cursor) -> Iterator[_Offer]:
    for argument in cursor.arguments:
        yield argument, "argument", "an argument of this definition", "", False
    known, own = cursor.vocabulary, cursor.statement.name
    for name, quantity in known.quantities.items():
        yield name, "quantity", _of_quantity(quantity), quantity.doc, False
    for name, row in known.terms.items():
        if own and name == own.text:
            continue
        kind = "definition" if name in cursor.defined else "term"
        called = isinstance(row, Definition) and bool(row.arguments)
        detail = f"{row.called(name)} = {row.text}" if isinstance(row, Definition) else "a term in Python"
        yield name, kind, detail, getattr(row, "doc", "") or "", called
    for name, parameter in known.parameters.items():
        yield name, "parameter", _of_parameter(parameter), parameter.doc, False
    yield STEP, "parameter", "the training iteration", "", False


def _of_quantity(quantity: Quantity) -> str:
    return " ".join([shown_axes(quantity.axes), *([quantity.unit] if quantity.unit else [])])


def _of_parameter(parameter: Parameter) -> str:
    return "a parameter" if parameter.default is None else f"a parameter, {float(parameter.default):g} at the start"
