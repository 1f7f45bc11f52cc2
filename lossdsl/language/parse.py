"""Text to tree: what is made of each rule of the grammar."""

import re
from collections.abc import Callable, Mapping
from fractions import Fraction
from functools import cache
from typing import Any

from lossdsl.errors import LossError, Span, described, did_you_mean, error, listed
from lossdsl.language.arguments import Ahead, Axes, Invoked, Option, Timed, applied, between, head_of
from lossdsl.language.definitions import Let, function
from lossdsl.language.exact import described_number, exact_number, read_decimal
from lossdsl.language.expr import Expr, Fault, Label, Name, Number, as_expr, call
from lossdsl.language.lalr import Parser, Token, parser
from lossdsl.language.text import is_name
from lossdsl.language.windows import duration, window_of
from lossdsl.operators import Moment, Window
from lossdsl.several import each, together

MAX_CHARACTERS = 500_000
_STEPS = re.compile(r"@(-?\d*)(?::(-?\d*)(?::(-?\d+))?)?")


def parse(text: str) -> Expr:
    """Parse a loss.

    Args:
        text: A loss, with definitions before it if it has any.

    Returns:
        The tree. Operators, their options and their number of arguments are checked; names, of what is called too, are
        looked up when the loss is bound.

    Raises:
        LossError: With the place in the text and a hint.

    Example:
        >>> str(parse("final( velocity ) + 1.0e-5 * nn_hidden"))
        'final(velocity) + 1e-5*nn_hidden'
    """
    tree = _tree(text)
    if faults := [node.error for node in tree.walk(leaves_first=True) if isinstance(node, Fault)]:
        raise together(faults)
    return tree


def _tree(text: str) -> Expr:
    """The tree of a text; operators that are used wrongly are faults in it."""
    if len(text) >= MAX_CHARACTERS:
        raise error("too-long", Span(text, MAX_CHARACTERS - 1, MAX_CHARACTERS), size=len(text), limit=MAX_CHARACTERS)
    tree: Expr = language().read(text)
    return tree


def read(loss: Any) -> Expr:
    """A text, a tree, or a mapping from label to either, which gives one term each.

    In a mapping a term may be one of `weight` and `expr` too; the weight a number, or a text made of numbers,
    parameters and `step`. Operators that are used wrongly are faults in the tree.
    """
    if isinstance(loss, str):
        return _tree(loss)
    if isinstance(loss, Expr):
        return loss
    if not isinstance(loss, Mapping):
        raise error("not-text", got=described(loss))
    if not loss:
        raise error("empty")
    names: list[Name] = []
    values: list[Expr] = []
    rows: list[Expr] = []
    for label, tree in zip(loss, each(_row, loss.items()), strict=True):
        if isinstance(tree, Let):
            names += tree.names
            values += tree.args[:-1]
            tree = tree.args[-1]
        rows.append(
            tree if isinstance(tree, Label) and tree.name == label else Label((tree,), name=label, span=tree.span)
        )
    total = rows[0] if len(rows) == 1 else call("+", *rows)
    return Let((*values, total), names=tuple(names)) if names else total


def _row(row: tuple[Any, Any]) -> Expr:
    label, value = row
    if not isinstance(label, str) or not is_name(label):
        raise error("bad-label", found=f"`{label}`")
    try:
        return _weighted(label, value) if isinstance(value, Mapping) else read(value)
    except LossError as failure:
        raise failure.in_term(label) from None


def _weighted(label: str, row: Mapping[str, Any]) -> Expr:
    """The term of a mapping of `weight` and `expr`."""
    for key in row:
        if key not in ("weight", "expr"):
            advice = did_you_mean(str(key), ["weight", "expr"], "its keys are `weight` and `expr`")
            raise error("unknown-key", key=str(key), where=f"`{label}`", advice=advice)
    if "expr" not in row:
        raise error("missing-key", key="expr", where=f"`{label}`", keys=listed(row) or "none")
    expr, weight = read(row["expr"]), row.get("weight", 1)
    if isinstance(weight, str):
        return call("*", read(weight), expr)
    if exact_number(weight) is None:
        raise error("bad-weight", what="the weight of", name=label, got=described_number(weight))
    return call("*", as_expr(weight, label), expr)


def tokens(text: str, laid_out: str = "") -> list[Token]:
    """The tokens of a text, whether it is a loss or not, without comments; the end is one, of no text.

    Args:
        text: The text.
        laid_out: The same with `;` between statements, from `layout`.
    """
    return list(language().tokens(text, laid_out or text))


@cache
def language() -> Parser:
    """The parser of the language."""
    return parser(_Reader())


def _may_fail(method: Callable[[Any, list[Any]], Expr]) -> Callable[[Any, list[Any]], Expr]:
    """The method with an error noted and made a fault, so that the rest of the text is read too."""

    def read(self: "_Reader", parts: list[Any]) -> Expr:
        try:
            return method(self, parts)
        except LossError as failure:
            if failure.code == "too-deep":
                raise
            return Fault(span=between(parts[0], parts[-1]), error=failure)

    return read


class _Reader:
    """What the parser calls for each rule, with all tokens: one method a rule, children to node."""

    def program(self, parts: list[Any]) -> Expr:
        *definitions, loss = [part for part in parts if not isinstance(part, Token)]
        if not definitions:
            return loss
        names = tuple(Name(name=d.name.text, span=d.name.span) for d in definitions)
        values = tuple(d.value for d in definitions)
        return Let((*values, loss), span=between(parts[0], loss), names=names)

    def definition(self, parts: list[Any]) -> Option:
        return Option(parts[0], parts[2])

    def option(self, parts: list[Any]) -> Option:
        value = parts[2]
        return Option(parts[0], Name(name=value.text, span=value.span) if isinstance(value, Token) else value)

    def function(self, parts: list[Any]) -> Option:
        return Option(parts[0].name, self.with_arguments(parts))

    @_may_fail
    def with_arguments(self, parts: list[Any]) -> Expr:
        return function(*head_of(parts[0]), parts[2])

    def called(self, parts: list[Any]) -> Invoked:
        given = [part for part in parts[2:-1] if not isinstance(part, Token)]
        return Invoked(parts[0], given, between(parts[0], parts[-1]))

    @_may_fail
    def number(self, parts: list[Any]) -> Expr:
        span = parts[0].span
        return Number(value=_number(parts[0].text, span), span=span)

    def name(self, parts: list[Any]) -> Expr:
        return Name(name=parts[0].text, span=parts[0].span)

    def group(self, parts: list[Any]) -> Expr:
        return parts[1].at(between(parts[0], parts[2]))

    def either(self, parts: list[Any]) -> Expr:
        return call("or", *parts[::2], span=between(parts[0], parts[-1]))

    def both(self, parts: list[Any]) -> Expr:
        return call("and", *parts[::2], span=between(parts[0], parts[-1]))

    def denied(self, parts: list[Any]) -> Expr:
        return call("not", parts[1], span=between(parts[0], parts[1]))

    @_may_fail
    def compared(self, parts: list[Any]) -> Expr:
        left, sign, right, *more = parts
        if more:
            pairs = zip(parts[::2], parts[1::2], parts[2::2], strict=False)
            apart = " and ".join(f"{a.span} {by.text} {b.span}" for a, by, b in pairs)
            raise error("chained", between(left, parts[-1]), found=str(between(left, parts[-1])), apart=apart)
        # The robustness of `x <= y` is that of `x < y`.
        return call(sign.text[0], left, right, span=between(left, right))

    def sum(self, parts: list[Any]) -> Expr:
        addends = [parts[0]]
        for sign, part in zip(parts[1::2], parts[2::2], strict=True):
            minus = sign.kind == "MINUS"
            addends.append(call("neg", part, span=between(sign, part)) if minus else part)
        return call("+", *addends, span=between(parts[0], parts[-1]))

    def product(self, parts: list[Any]) -> Expr:
        result = parts[0]
        for sign, part in zip(parts[1::2], parts[2::2], strict=True):
            result = call(sign.text, result, part, span=between(parts[0], part))
        return result

    def negative(self, parts: list[Any]) -> Expr:
        return call("neg", parts[1], span=between(parts[0], parts[1]))

    def power(self, parts: list[Any]) -> Expr:
        return call("**", parts[0], parts[2], span=between(parts[0], parts[2]))

    def labelled(self, parts: list[Any]) -> Expr:
        return Label((parts[0],), name=parts[2].text, span=between(parts[0], parts[2]))

    def subscript(self, parts: list[Any]) -> Expr:
        return call("[]", parts[0], static=parts[2], span=between(parts[0], parts[3]))

    def bound(self, parts: list[Any]) -> int | None:
        return _integer("".join(part.text for part in parts), between(parts[0], parts[-1])) if parts else None

    lower = upper = stride = bound

    def index(self, parts: list[Any]) -> int:
        return _integer("".join(part.text for part in parts), between(parts[0], parts[-1]))

    def slice(self, parts: list[Any]) -> tuple[int | None, ...]:
        bounds = [part for part in parts if not isinstance(part, Token)]
        return self.stepping(*bounds, span=next(part for part in parts if isinstance(part, Token)).span)

    @_may_fail
    def steps(self, parts: list[Any]) -> Expr:
        written = parts[1].text
        match = _STEPS.fullmatch(written)
        assert match is not None
        span = parts[1].span
        if ":" not in written:
            static: Any = _integer(match[1], span)
        else:
            static = self.stepping(*(_integer(part, span) if part else None for part in match.groups()), span=span)
        return call("[]", parts[0], static=static, span=between(parts[0], parts[1]))

    def stepping(self, start: Any, stop: Any, stride: Any = None, *, span: Span) -> tuple[int | None, ...]:
        if stride == 0:
            raise error("zero-stride", span)
        return start, stop, stride

    @_may_fail
    def window(self, parts: list[Any]) -> Expr:
        name, span = parts[2].text, between(parts[0], parts[2])
        if name in ("final", "initial"):
            return call(name, parts[0], span=span)
        return call("@", parts[0], static=Window(name), span=span)

    @_may_fail
    def span(self, parts: list[Any]) -> Expr:
        window = window_of(parts[1].text[1:], parts[1].span)
        return call("@", parts[0], static=window, span=between(parts[0], parts[1]))

    @_may_fail
    def call(self, parts: list[Any]) -> Expr:
        return applied(parts[0])

    def moment(self, parts: list[Any]) -> Timed:
        *sign, size = parts
        value = duration(size.text, size.span) if size.kind == "SECONDS" else _number(size.text, size.span)
        return Timed(Moment(-value if sign else value, size.kind == "SECONDS"), between(parts[0], size))

    def ahead(self, parts: list[Any]) -> Ahead:
        moments = [part for part in parts if isinstance(part, Timed)] or [self.moment(parts)]
        return Ahead(tuple(moments), between(parts[0], parts[-1]))

    def axes(self, parts: list[Any]) -> Axes:
        names = tuple(Name(name=part.text, span=part.span) for part in parts if part.kind in ("NAME", "DUAL"))
        return Axes(names, between(parts[0], parts[-1]))


def _integer(written: str, span: Span) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", written):
        raise error("not-whole", span, found=written)
    return int(written)


def _number(written: str, span: Span) -> Fraction:
    value = read_decimal(written)
    if value is None:
        raise error("number-range", span, found=written)
    return value
