"""The arguments of a call -> the operator with its operands, or the call of a definition; else what it takes."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from lossdsl.errors import LossError, Span, did_you_mean, error, listed
from lossdsl.language.definitions import Called
from lossdsl.language.expr import Call, Expr, Fault, Name, Number, by_default, call
from lossdsl.language.lalr import Token
from lossdsl.language.text import is_name
from lossdsl.operators import OPS, SMOOTH, Look, Moment, Op


@dataclass(frozen=True)
class Option:
    """`name=value` in a call."""

    name: Token
    value: "Expr | Axes | Ahead"

    @property
    def span(self) -> Span:
        return between(self.name, self.value)


@dataclass(frozen=True)
class Axes:
    """`(batch, time)` after `axis=`."""

    names: tuple[Name, ...]
    span: Span


@dataclass(frozen=True)
class Timed:
    """A number of steps or of seconds, and where it stands."""

    moment: Moment
    span: Span


@dataclass(frozen=True)
class Ahead:
    """`0.5s` or `(0.1s, 50)` after `within=`."""

    moments: tuple[Timed, ...]
    span: Span


@dataclass(frozen=True)
class Invoked:
    """A name with what stands in parentheses after it: a call, or the head of a definition."""

    name: Token
    given: Sequence[Any]
    span: Span


def between(first: Any, last: Any) -> Span:
    """The span from the start of one token or node to the end of another."""
    span = first.span
    return Span(span.text, span.start, last.span.end)


def applied(invoked: Invoked) -> Call | Called:
    """The operator of a name, with the arguments between its parentheses; of another name the call of a definition.

    Raises:
        LossError: For what is no option of the operator, and too few or too many arguments.
    """
    name, given, span = invoked.name.text, invoked.given, invoked.span
    if name not in OPS:
        return _called(invoked)
    op = OPS[name]
    for place, (before, part) in enumerate(pairwise(given)):
        if isinstance(before, Option) and not isinstance(part, Option):
            advice = _behind(before, part) if place >= len(op.required) else ""
            raise error("option-first", part.span, operator=name, advice=advice)
    positional = [part for part in given if not isinstance(part, Option)]
    more = positional[len(op.required) :] if op.repeats else []
    most = len(op.defaults) - len(op.named)
    if len(positional) - len(more) > most or (op.repeats and (not more or len(more) % len(op.repeats))):
        raise _wrong_count(op, positional, span)
    found = dict(zip(op.defaults, positional[: len(positional) - len(more)], strict=False))
    axes: dict[str, Any] = {}
    words: dict[str, Any] = {}
    for option in given[len(positional) :]:
        key = option.name.text
        if key in found or key in axes or key in words:
            raise error("argument-twice", option.span, option=key, operator=name)
        if (key == "axis" and op.axis) or (op.renames and key not in op.defaults):
            axes[key] = _axis(option.value, several=op.axis)
        elif key in op.words:
            words[key] = _smooth(option.value) if key == "smooth" else _within(option.value)
        elif isinstance(option.value, Axes | Ahead):
            raise _no_value(option.value.span)
        elif key in op.defaults:
            found[key] = option.value
        else:
            raise _unknown_option(op, key, option.name.span)
    if any(parameter not in found for parameter in op.required):
        raise _wrong_count(op, list(found.values()), span)
    args = [found.get(parameter) or by_default(default) for parameter, default in op.defaults.items()]
    args[len(op.required) : len(op.required)] = more
    static = Look(**words) if words else (tuple(axes.items()) or None) if op.renames else axes.get("axis")
    return call(name, *args, static=static if static != Look() else None, span=span)


def _called(invoked: Invoked) -> Called:
    keys = tuple(_name(part.name) if isinstance(part, Option) else None for part in invoked.given)
    args = tuple(_value(part.value if isinstance(part, Option) else part) for part in invoked.given)
    return Called(args, callee=_name(invoked.name), keys=keys, span=invoked.span)


def _name(token: Token) -> Name:
    return Name(name=token.text, span=token.span)


def _value(value: "Expr | Axes | Ahead") -> Expr:
    if isinstance(value, Axes | Ahead):
        return Fault(span=value.span, error=_no_value(value.span))
    return value


def head_of(found: Invoked) -> tuple[Name, list[Name]]:
    """The name and the arguments of a definition.

    Raises:
        LossSyntaxError: For an argument that is no plain name.
    """
    for part in found.given:
        if not (isinstance(part, Name) and part.name.isidentifier()):
            raise error("bad-argument-name", part.span, found=str(part.span), function=found.name.text)
    arguments = [part for part in found.given if isinstance(part, Name)]
    return _name(found.name), arguments


def _smooth(value: Any) -> str:
    """The kind of smoothing of an option."""
    if isinstance(value, Name) and value.name in SMOOTH:
        return value.name
    found = str(value.span)
    raise error(
        "unknown-smooth", value.span, found=found, advice=did_you_mean(found, SMOOTH, f"there are {listed(SMOOTH)}")
    )


def _within(value: Any) -> tuple[Moment, Moment]:
    """From when to when a formula looks ahead."""
    if isinstance(value, Fault):
        raise value.error
    if isinstance(value, Ahead):
        moments = [timed.moment for timed in value.moments]
    elif isinstance(value, Number):
        moments = [Moment(value.value, False)]
    else:
        raise error("bad-within", value.span, found=str(value.span))
    start, stop = moments if len(moments) == 2 else (Moment(), moments[0])
    if any(each.number < 0 or (not each.seconds and each.number.denominator != 1) for each in moments):
        raise error("bad-within", value.span, found=str(value.span))
    if start.seconds == stop.seconds and start.number > stop.number:
        turned = ", ".join(str(timed.span) for timed in reversed(value.moments))
        raise error("within-order", value.span, found=str(value.span), turned=turned)
    return (start if start.number else Moment()), stop


def _axis(value: "Expr | Axes | Ahead", several: bool) -> Any:
    if isinstance(value, Axes) and several:
        names = tuple(name.name for name in value.names)
        if len(set(names)) < len(names):
            twice = next(name for i, name in enumerate(value.names) if name.name in names[:i])
            raise error("argument-twice", twice.span, option=twice.name, operator="axis")
        return names
    if isinstance(value, Axes | Ahead):
        raise _no_value(value.span)
    if isinstance(value, Fault):
        raise value.error
    if not isinstance(value, Name):
        raise error("unknown-axis", value.span, found=str(value.span))
    return value.name


def _behind(option: Option, part: Any) -> str:
    """What is meant by an argument that follows one given by name."""
    if option.name.text == "axis" and isinstance(option.value, Name) and isinstance(part, Name):
        return f"several axes stand in parentheses, `axis=({option.value.name}, {part.name})`; else "
    return ""


def _no_value(span: Span) -> LossError:
    """The error of names in parentheses, or a duration, where a value is asked for."""
    is_duration = re.fullmatch(r"\(?\s*[\d.]+m?s\b.*", str(span), re.DOTALL)
    advice = "a duration stands in `within=` of `always`, `eventually` and `until`, and in windows: `x@go+0.1s..end`"
    advice = advice if is_duration else "only `axis=` takes several names"
    return error("not-a-value", span, found=str(span), advice=advice)


def _unknown_option(op: Op, key: str, span: Span) -> LossError:
    known = [*op.defaults, *op.words, *(["axis"] if op.axis else [])]
    advice = did_you_mean(key, known, f"it has {listed(known)}")
    return error("unknown-option", span, operator=op.name, option=key, advice=advice)


def _wrong_count(op: Op, given: list[Expr], span: Span) -> LossError:
    parameters = [name for name in op.defaults if name not in op.named]
    must = [name for name in op.required if name in op.named]
    least, most = len(op.required) - len(must), len(parameters)
    number = f"{least}" if least == most else f"{least} to {most}"
    expected = (
        f"{number} argument{'s' if most > 1 else ''} ({', '.join(parameters)})"
        if most
        else "no argument but `axis=...`"
    )
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
            advice = f"write `{op.name}({', '.join([*operands, f'axis={extra}'])})`"
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
