"""Text to tree. The language is `grammar/loss.lark`; only this file knows Lark."""

import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

from lark import Lark
from lark.exceptions import UnexpectedToken
from lark.lexer import Lexer

from lossdsl.errors import LossError, Span, described, did_you_mean, each, error, listed, together
from lossdsl.expr import Call, Expr, Fault, Label, Let, Name, Number, as_expr, by_default, call
from lossdsl.ops import OPS, Op
from lossdsl.scalars import described_number, exact_number
from lossdsl.syntax import layout, refusal

# The parser is built once, and its reader knows the text that is being read.
_LOCK = threading.Lock()
MAX_CHARACTERS = 500_000
# What a float64 holds with full precision.
SMALLEST, LARGEST = Fraction("1e-307"), Fraction("1e308")
_STEPS = re.compile(r"@(-?\d*)(?::(-?\d*)(?::(-?\d+))?)?")
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


def parse(text: str) -> Expr:
    """Parse a loss.

    Args:
        text: A loss, with definitions before it if it has any.

    Returns:
        The tree. Names are not looked up yet; operators, their options and their number of arguments are checked.

    Raises:
        LossError: With the place in the text and a hint.

    Example:
        >>> str(parse("final( velocity ) + 1.0e-5 * nn_hidden"))
        'final(velocity) + 1e-5*nn_hidden'
    """
    tree, faults = _tree(text)
    if faults:
        raise together(faults)
    return tree


def _tree(text: str) -> tuple[Expr, list[LossError]]:
    """The tree of a text, and the errors of the operators that it has wrong, which are faults in the tree."""
    if len(text) >= MAX_CHARACTERS:
        raise error("too-long", Span(text, MAX_CHARACTERS - 1, MAX_CHARACTERS), size=len(text), limit=MAX_CHARACTERS)
    laid_out = layout(text)
    if laid_out is None:
        raise error("empty", Span(text, 0, len(text)))
    reader, parser = _parser()
    try:
        with _LOCK:
            reader.text, reader.faults = text, []
            return parser.parse(laid_out), reader.faults  # type: ignore[return-value]
    except UnexpectedToken as failure:
        raise refusal(text, laid_out, failure.token) from None


def read(loss: Any) -> Expr:
    """A text, a tree, or a mapping from label to either, which gives one term each.

    In a mapping a term may be one of `weight` and `expr` too; the weight a number, or a text made of numbers,
    parameters and `step`. Operators that are used wrongly are faults in the tree.
    """
    if isinstance(loss, str):
        return _tree(loss)[0]
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


def is_name(text: str) -> bool:
    """Whether a text can be the name of a term."""
    return _NAME.fullmatch(text) is not None and text != "as"


def terminals() -> dict[str, str]:
    """The terminals of the grammar, as regular expressions by name, in the order in which the lexer tries them."""
    _, parser = _parser()
    return {terminal.name: terminal.pattern.to_regexp() for terminal in _in_order(parser.terminals)}


@lru_cache(maxsize=1)
def _parser() -> tuple["_Reader", Lark]:
    inside = Path(__file__).parent / "grammar" / "loss.lark"
    beside = Path(__file__).parent.parent / "grammar" / "loss.lark"
    grammar = (inside if inside.exists() else beside).read_text(encoding="utf-8")
    reader = _Reader()
    options: dict[str, Any] = {"keep_all_tokens": True, "maybe_placeholders": False, "transformer": reader}
    return reader, Lark(grammar, parser="lalr", lexer=_Lexer, start="program", **options)


class _Token:
    """A token with its place; the attributes are those that Lark looks at."""

    __slots__ = ("end_pos", "start_pos", "text", "type")
    line = column = end_line = end_column = 0

    def __init__(self, kind: str, text: str, start: int, end: int):
        self.type, self.text, self.start_pos, self.end_pos = kind, text, start, end


class _Lexer(Lexer):
    """The terminals of the grammar as one regular expression: what Lark's lexer does, in a third of the time."""

    def __init__(self, conf: Any):
        # A word such as `as` is a name to the expression, and is told apart afterwards.
        ordered = _in_order(conf.terminals)
        self.pattern = re.compile("|".join(f"(?P<{t.name}>{t.pattern.to_regexp()})" for t in ordered))
        self.words = {t.pattern.value: t.name for t in ordered if t.pattern.value.isidentifier()}
        self.ignored = frozenset(conf.ignore)

    def lex(self, text: str) -> Iterator[_Token]:  # type: ignore[override]
        end = 0
        for match in self.pattern.finditer(text):
            start = match.start()
            if start != end:
                break
            kind, end = match.lastgroup or "", match.end()
            if kind not in self.ignored:
                found = match.group()
                yield _Token(self.words.get(found, kind), found, start, end)
        if end < len(text):
            yield _Token("UNKNOWN", text[end], end, end + 1)


def _in_order(terminals: Any) -> list[Any]:
    """Longest first."""
    return sorted(terminals, key=lambda t: (-t.pattern.max_width, -len(t.pattern.value)))


@dataclass(frozen=True)
class _Option:
    """`name=value` in a call."""

    name: _Token
    value: "Expr | _Axes"


@dataclass(frozen=True)
class _Axes:
    """`(batch, time)` after `axis=`."""

    names: tuple[Name, ...]
    span: Span


def _may_fail(method: Callable[[Any, list[Any]], Expr]) -> Callable[[Any, list[Any]], Expr]:
    """The method with an error noted and made a fault, so that the rest of the text is read too."""

    def read(self: "_Reader", parts: list[Any]) -> Expr:
        try:
            return method(self, parts)
        except LossError as failure:
            if failure.code == "too-deep":
                raise
            self.faults.append(failure)
            return Fault(span=self.span(parts[0], parts[-1]), error=failure)

    return read


class _Reader:
    """What Lark calls for each rule, with all tokens: one method a rule, children to node.

    Lark builds no tree of its own this way, which halves the time; and nothing recurses, however deep the text.
    """

    def __init__(self) -> None:
        self.text = ""
        self.faults: list[LossError] = []

    def span(self, first: Any, last: Any = None) -> Span:
        start, end = self.ends(first)
        return Span(self.text, start, end if last is None else self.ends(last)[1])

    def ends(self, part: Any) -> tuple[int, int]:
        if isinstance(part, _Token):
            return part.start_pos, part.end_pos
        if isinstance(part, _Option):
            return self.ends(part.name)[0], self.ends(part.value)[1]
        return part.span.start, part.span.end

    def program(self, parts: list[Any]) -> Expr:
        *definitions, loss = [part for part in parts if not isinstance(part, _Token)]
        if not definitions:
            return loss
        names = tuple(Name(name=d.name.text, span=self.span(d.name)) for d in definitions)
        values = tuple(d.value for d in definitions)
        return Let((*values, loss), span=self.span(parts[0], loss), names=names)

    def definition(self, parts: list[Any]) -> _Option:
        return _Option(parts[0], parts[2])

    option = definition

    @_may_fail
    def number(self, parts: list[Any]) -> Expr:
        span = self.span(parts[0])
        return Number(value=_number(parts[0].text, span), span=span)

    def name(self, parts: list[Any]) -> Expr:
        return Name(name=parts[0].text, span=self.span(parts[0]))

    def group(self, parts: list[Any]) -> Expr:
        return replace(parts[1], span=self.span(parts[0], parts[2]))

    def sum(self, parts: list[Any]) -> Expr:
        addends = [parts[0]]
        for sign, part in zip(parts[1::2], parts[2::2], strict=True):
            minus = sign.type == "MINUS"
            addends.append(call("neg", part, span=self.span(sign, part)) if minus else part)
        return call("+", *addends, span=self.span(parts[0], parts[-1]))

    def product(self, parts: list[Any]) -> Expr:
        result = parts[0]
        for sign, part in zip(parts[1::2], parts[2::2], strict=True):
            result = call(sign.text, result, part, span=self.span(parts[0], part))
        return result

    def negative(self, parts: list[Any]) -> Expr:
        return call("neg", parts[1], span=self.span(parts[0], parts[1]))

    def power(self, parts: list[Any]) -> Expr:
        return call("**", parts[0], parts[2], span=self.span(parts[0], parts[2]))

    def labelled(self, parts: list[Any]) -> Expr:
        return Label((parts[0],), name=parts[2].text, span=self.span(parts[0], parts[2]))

    def subscript(self, parts: list[Any]) -> Expr:
        return call("[]", parts[0], static=parts[2], span=self.span(parts[0], parts[3]))

    def bound(self, parts: list[Any]) -> int | None:
        return _integer("".join(part.text for part in parts), self.span(parts[0], parts[-1])) if parts else None

    lower = upper = stride = bound

    def index(self, parts: list[Any]) -> int:
        return _integer("".join(part.text for part in parts), self.span(parts[0], parts[-1]))

    def slice(self, parts: list[Any]) -> tuple[int | None, ...]:
        bounds = [part for part in parts if not isinstance(part, _Token)]
        return self.stepping(*bounds, span=self.span(next(part for part in parts if isinstance(part, _Token))))

    @_may_fail
    def steps(self, parts: list[Any]) -> Expr:
        written = parts[1].text
        match = _STEPS.fullmatch(written)
        assert match is not None
        span = self.span(parts[1])
        if ":" not in written:
            static: Any = _integer(match[1], span)
        else:
            static = self.stepping(*(_integer(part, span) if part else None for part in match.groups()), span=span)
        return call("[]", parts[0], static=static, span=self.span(parts[0], parts[1]))

    def stepping(self, start: Any, stop: Any, stride: Any = None, *, span: Span) -> tuple[int | None, ...]:
        if stride == 0:
            raise error("zero-stride", span)
        return start, stop, stride

    @_may_fail
    def window(self, parts: list[Any]) -> Expr:
        name = parts[2].text
        if name not in ("final", "initial"):
            raise error("unknown-window", self.span(parts[2]), found=name)
        return call(name, parts[0], span=self.span(parts[0], parts[2]))

    @_may_fail
    def call(self, parts: list[Any]) -> Expr:
        name, given = parts[0].text, [part for part in parts[2:-1] if not isinstance(part, _Token)]
        if name not in OPS:
            named = [n for n in OPS if n.isidentifier()]
            advice = did_you_mean(name, named, "the command `lossdsl ops` lists the operators")
            raise error("unknown-operator", self.span(parts[0]), name=name, advice=advice)
        op, span = OPS[name], self.span(parts[0], parts[-1])
        positional = [part for part in given if not isinstance(part, _Option)]
        more = positional[len(op.required) :] if op.repeats else []
        most = len(op.defaults) - len(op.named)
        if len(positional) - len(more) > most or (op.repeats and (not more or len(more) % len(op.repeats))):
            raise _wrong_count(op, positional, span)
        found = dict(zip(op.defaults, positional[: len(positional) - len(more)], strict=False))
        static = None
        for option in given[len(positional) :]:
            key = option.name.text if isinstance(option, _Option) else ""
            if not key:
                raise error("option-first", self.span(option), operator=name)
            if key in found or (key == "axis" and static is not None):
                raise error("argument-twice", self.span(option), option=key, operator=name)
            if key == "axis" and op.axis:
                static = self.axis(option.value)
            elif isinstance(option.value, _Axes):
                raise error("not-a-value", self.span(option.value), found=str(self.span(option.value)))
            elif key in op.defaults:
                found[key] = option.value
            else:
                raise _unknown_option(op, key, self.span(option.name))
        if any(parameter not in found for parameter in op.required):
            raise _wrong_count(op, list(found.values()), span)
        args = [found.get(parameter) or by_default(default) for parameter, default in op.defaults.items()]
        args[len(op.required) : len(op.required)] = more
        return Call(tuple(args), op, static, span=span)

    def axes(self, parts: list[Any]) -> "_Axes":
        names = tuple(Name(name=part.text, span=self.span(part)) for part in parts if part.type == "NAME")
        return _Axes(names, self.span(parts[0], parts[-1]))

    def axis(self, value: "Expr | _Axes") -> Any:
        if isinstance(value, _Axes):
            for i, name in enumerate(value.names):
                if name in value.names[:i]:
                    raise error("argument-twice", name.span, option=name.name, operator="axis")
            return tuple(name.name for name in value.names)
        if isinstance(value, Fault):
            raise value.error
        if not isinstance(value, Name):
            raise error("unknown-axis", value.span, found=str(value.span))
        return value.name


def _unknown_option(op: Op, key: str, span: Span) -> LossError:
    known = [*op.defaults, *(["axis"] if op.axis else [])]
    advice = did_you_mean(key, known, f"it has {listed(known)}")
    return error("unknown-option", span, operator=op.name, option=key, advice=advice)


def _wrong_count(op: Op, given: list[Expr], span: Span) -> LossError:
    parameters = [name for name in op.defaults if name not in op.named]
    least, most = len(op.required), len(parameters)
    number = f"{least}" if least == most else f"{least} to {most}"
    expected = f"{number} argument{'s' if most > 1 else ''} ({', '.join(parameters)})"
    if op.repeats:
        rounds = ", ".join(str(least + i * len(op.repeats)) for i in (1, 2, 3))
        expected = f"{rounds}, ... arguments ({', '.join(op.required + op.repeats)}, ...)"
    advice = f"for example `{op.example}`"
    if op.axis and len(given) == most + 1:
        *operands, extra = (str(part.span) for part in given)
        if f"{op.name}imum" in OPS:
            advice = f"write `{op.name}imum({operands[0]}, {extra})` for the {op.name}imum of two values"
        elif extra.isidentifier():
            advice = f"write `{op.name}({', '.join(operands)}, axis={extra})`"
            advice += f", or `where={extra}` for a mask" if "where" in op.named else ""
        elif is_name(extra) and "where" in op.named:
            advice = f"write `{op.name}({', '.join(operands)}, where={extra})` for a mask"
    return error("argument-count", span, operator=op.name, expected=expected, given=len(given), advice=advice)


def _integer(written: str, span: Span) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", written):
        raise error("not-whole", span, found=written)
    return int(written)


def _number(written: str, span: Span) -> Fraction:
    """The exact decimal; refused where float64 has no place for it, before anything is computed."""
    mantissa, _, exponent = written.lower().partition("e")
    if len(mantissa) > 400 or len(exponent) > 5 or abs(int(exponent or 0)) > 700:
        raise error("number-range", span, found=written)
    whole, _, part = mantissa.partition(".")
    shift = int(exponent or 0) - len(part)
    digits = int(whole + part)
    value = Fraction(digits * 10**shift) if shift >= 0 else Fraction(digits, 10**-shift)
    if len(mantissa) + abs(shift) > 200 and value and not SMALLEST <= value <= LARGEST:
        raise error("number-range", span, found=written)
    return value
