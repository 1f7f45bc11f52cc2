"""Text to tree: what is made of each rule of the grammar."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from typing import Any

from lossdsl.errors import LossError, Span, described, did_you_mean, each, error, listed, together
from lossdsl.language.exact import described_number, exact_number, read_decimal
from lossdsl.language.expr import Call, Expr, Fault, Label, Let, Name, Number, as_expr, by_default, call
from lossdsl.language.lalr import Parser, Token, parser
from lossdsl.operators import OPS, Op

MAX_CHARACTERS = 500_000
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


def is_name(text: str) -> bool:
    """Whether a text can be the name of a term."""
    return _NAME.fullmatch(text) is not None and text != "as"


@cache
def language() -> Parser:
    """The parser of the language."""
    return parser(_Reader())


@dataclass(frozen=True)
class _Option:
    """`name=value` in a call."""

    name: Token
    value: "Expr | _Axes"

    @property
    def span(self) -> Span | None:
        return _between(self.name, self.value)


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
            return Fault(span=_between(parts[0], parts[-1]), error=failure)

    return read


def _between(first: Any, last: Any) -> Span:
    """The span from the start of one token or node to the end of another."""
    text, start, _ = first.span
    return Span(text, start, last.span.end)


class _Reader:
    """What the parser calls for each rule, with all tokens: one method a rule, children to node."""

    def program(self, parts: list[Any]) -> Expr:
        *definitions, loss = [part for part in parts if not isinstance(part, Token)]
        if not definitions:
            return loss
        names = tuple(Name(name=d.name.text, span=d.name.span) for d in definitions)
        values = tuple(d.value for d in definitions)
        return Let((*values, loss), span=_between(parts[0], loss), names=names)

    def definition(self, parts: list[Any]) -> _Option:
        return _Option(parts[0], parts[2])

    option = definition

    @_may_fail
    def number(self, parts: list[Any]) -> Expr:
        span = parts[0].span
        return Number(value=_number(parts[0].text, span), span=span)

    def name(self, parts: list[Any]) -> Expr:
        return Name(name=parts[0].text, span=parts[0].span)

    def group(self, parts: list[Any]) -> Expr:
        return parts[1].at(_between(parts[0], parts[2]))

    def sum(self, parts: list[Any]) -> Expr:
        addends = [parts[0]]
        for sign, part in zip(parts[1::2], parts[2::2], strict=True):
            minus = sign.kind == "MINUS"
            addends.append(call("neg", part, span=_between(sign, part)) if minus else part)
        return call("+", *addends, span=_between(parts[0], parts[-1]))

    def product(self, parts: list[Any]) -> Expr:
        result = parts[0]
        for sign, part in zip(parts[1::2], parts[2::2], strict=True):
            result = call(sign.text, result, part, span=_between(parts[0], part))
        return result

    def negative(self, parts: list[Any]) -> Expr:
        return call("neg", parts[1], span=_between(parts[0], parts[1]))

    def power(self, parts: list[Any]) -> Expr:
        return call("**", parts[0], parts[2], span=_between(parts[0], parts[2]))

    def labelled(self, parts: list[Any]) -> Expr:
        return Label((parts[0],), name=parts[2].text, span=_between(parts[0], parts[2]))

    def subscript(self, parts: list[Any]) -> Expr:
        return call("[]", parts[0], static=parts[2], span=_between(parts[0], parts[3]))

    def bound(self, parts: list[Any]) -> int | None:
        return _integer("".join(part.text for part in parts), _between(parts[0], parts[-1])) if parts else None

    lower = upper = stride = bound

    def index(self, parts: list[Any]) -> int:
        return _integer("".join(part.text for part in parts), _between(parts[0], parts[-1]))

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
        return call("[]", parts[0], static=static, span=_between(parts[0], parts[1]))

    def stepping(self, start: Any, stop: Any, stride: Any = None, *, span: Span) -> tuple[int | None, ...]:
        if stride == 0:
            raise error("zero-stride", span)
        return start, stop, stride

    @_may_fail
    def window(self, parts: list[Any]) -> Expr:
        name = parts[2].text
        if name not in ("final", "initial"):
            raise error("unknown-window", parts[2].span, found=name)
        return call(name, parts[0], span=_between(parts[0], parts[2]))

    @_may_fail
    def call(self, parts: list[Any]) -> Expr:
        name, given = parts[0].text, [part for part in parts[2:-1] if not isinstance(part, Token)]
        if name not in OPS:
            named = [n for n in OPS if n.isidentifier()]
            product = f"the command `lossdsl ops` lists the operators; to multiply write `{name}*(...)`"
            advice = did_you_mean(name, named, product)
            raise error("unknown-operator", parts[0].span, name=name, advice=advice)
        op, span = OPS[name], _between(parts[0], parts[-1])
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
                raise error("option-first", option.span, operator=name)
            if key in found or (key == "axis" and static is not None):
                raise error("argument-twice", option.span, option=key, operator=name)
            if key == "axis" and op.axis:
                static = self.axis(option.value)
            elif isinstance(option.value, _Axes):
                raise error("not-a-value", option.value.span, found=str(option.value.span))
            elif key in op.defaults:
                found[key] = option.value
            else:
                raise _unknown_option(op, key, option.name.span)
        if any(parameter not in found for parameter in op.required):
            raise _wrong_count(op, list(found.values()), span)
        args = [found.get(parameter) or by_default(default) for parameter, default in op.defaults.items()]
        args[len(op.required) : len(op.required)] = more
        return Call(tuple(args), op, static, span=span)

    def axes(self, parts: list[Any]) -> "_Axes":
        names = tuple(Name(name=part.text, span=part.span) for part in parts if part.kind == "NAME")
        return _Axes(names, _between(parts[0], parts[-1]))

    def axis(self, value: "Expr | _Axes") -> Any:
        if isinstance(value, _Axes):
            names = tuple(name.name for name in value.names)
            if len(set(names)) < len(names):
                twice = next(name for i, name in enumerate(value.names) if name.name in names[:i])
                raise error("argument-twice", twice.span, option=twice.name, operator="axis")
            return names
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
    must = [name for name in op.required if name in op.named]
    least, most = len(op.required) - len(must), len(parameters)
    number = f"{least}" if least == most else f"{least} to {most}"
    expected = f"{number} argument{'s' if most > 1 else ''} ({', '.join(parameters)})"
    expected += "".join(f" and `{name}=...`" for name in must)
    if op.repeats:
        rounds = ", ".join(str(least + i * len(op.repeats)) for i in (1, 2, 3))
        expected = f"{rounds}, ... arguments ({', '.join(op.required + op.repeats)}, ...)"
    if must and len(given) == most + 1:
        return error("by-name", given[-1].span, operator=op.name, option=must[0], advice=_named(op, must[0], given))
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


def _named(op: Op, option: str, given: list[Expr]) -> str:
    """How to write an argument that must be named; and that of `discount` where it was meant for a rate."""
    *operands, extra = (str(part.span) for part in given)
    written = f"write `{op.name}({', '.join(operands)}, {option}={extra})`"
    if op.name != "discount":
        return written
    x, rate = operands[0], extra if is_name(extra) or extra.replace(".", "").isdigit() else f"({extra})"
    factor = x if is_name(x) or x.endswith(")") else f"({x})"
    return f"{written} for `(t/T)**{rate}`; for `{rate}**t` write `{rate}**cumsum(greater({x}, {x}) + 1)*{factor}`"


def _integer(written: str, span: Span) -> int:
    if not re.fullmatch(r"-?[0-9]{1,18}", written):
        raise error("not-whole", span, found=written)
    return int(written)


def _number(written: str, span: Span) -> Fraction:
    value = read_decimal(written)
    if value is None:
        raise error("number-range", span, found=written)
    return value
