"""The texts of the parts of an expression -> the text of the whole, which parses back to it."""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import count
from typing import Any, NamedTuple

from lossdsl.language.exact import decimal
from lossdsl.operators import END, HARD, Bound, Default, Look, Moment, Op, Window

# How tightly a text binds, loosest first: one level per rule of the grammar.
EITHER, BOTH, DENIED, COMPARED, SUM, LABEL, PRODUCT, UNARY, POWER, ATOM = range(10)
_VALUE = re.compile(r"\s*(?!(?:and|or|as)\b(?!\.))[\w.(]")
_NAME = re.compile(r"[^\W\d]\w*(\.[^\W\d]\w*)*")


class Written(NamedTuple):
    """A text, and how tightly it binds."""

    text: str
    binds: int

    def at(self, level: int) -> str:
        """The text, in parentheses where it binds looser."""
        return self.text if self.binds >= level else f"({self.text})"


def number_text(value: Fraction) -> str:
    """The shortest exact decimal, or a quotient where there is none."""
    return decimal(value) or f"{value.numerator}/{value.denominator}"


def default_text(default: Default) -> str:
    """What an option is where a text does not give it."""
    return default if isinstance(default, str) else number_text(default or Fraction(0))


def sum_texts(addends: Sequence[tuple[Written, bool]]) -> list[str]:
    """The texts of addends, each given with whether it is subtracted; those after the first with their sign."""
    (first, _), *others = addends
    return [first.at(LABEL), *(f"{'-' if minus else '+'} {addend.at(LABEL)}" for addend, minus in others)]


def operator_text(op: Op, args: Sequence[Written], static: Any) -> Written:
    """The text of an operator and its operands, but for sums."""
    match op.name:
        case "or" | "and" as word:
            level = EITHER if word == "or" else BOTH
            return Written(f" {word} ".join(arg.at(level + 1) for arg in args), level)
        case "not":
            denied = args[0].at(DENIED)
            return Written(f"not {denied}" if begins(denied) else f"not ({denied})", DENIED)
        case "<" | ">" as sign:
            return Written(f"{args[0].at(SUM)} {sign} {args[1].at(SUM)}", COMPARED)
        case "*" | "/" as sign:
            return Written(f"{args[0].at(PRODUCT)}{sign}{args[1].at(UNARY)}", PRODUCT)
        case "neg":
            return Written(f"-{args[0].at(UNARY)}", UNARY)
        case "**":
            return Written(f"{args[0].at(ATOM)}**{args[1].at(UNARY)}", POWER)
        case "[]":
            return Written(f"{args[0].at(ATOM)}[{subscript_text(static)}]", ATOM)
        case "@":
            return Written(f"{args[0].at(ATOM)}@{window_text(static)}", ATOM)
    given = [
        arg.text if default is None and name not in op.named else f"{name}={arg.text}"
        for arg, (name, default) in zip(args, op.parameters(len(args)), strict=True)
        if default is None or arg.text != default_text(default)
    ]
    if isinstance(static, Look):
        settings = look_texts(static)
    else:
        settings = [axis_text(static) if op.renames else f"axis={axis_text(static)}"] if static else []
    return Written(f"{op.name}({', '.join(given + settings)})", ATOM)


def signature(op: Op) -> str:
    """How an operator is called: its parameters with their defaults."""
    match op.name:
        case "neg":
            return "-x"
        case "@":
            return "x@window"
        case "[]":
            return "x[i:j]"
        case "not":
            return "not p"
        case "and" | "or" as word:
            return f"p {word} q"
    if not op.name.isidentifier():
        return f"x {op.name} y"
    given = [f"{name}=..." if name in op.named else name for name in op.required]
    given += [*([*op.repeats, "..."] if op.repeats else [])]
    given += [f"{parameter}={default_text(default)}" for parameter, default in op.options.items()]
    return f"{op.name}({', '.join([*given, *op.words, *(['axis'] if op.axis else [])])})"


def program_text(definitions: Iterable[tuple[str, str]], loss: str) -> str:
    """Definitions, one a line, and then the loss."""
    rows = [f"{name} = {value}" for name, value in definitions]
    # A line that begins with a sign would go on from the one before.
    separator = ";\n" if loss.startswith("-") else "\n"
    return "\n".join(rows) + separator + loss if rows else loss


def axis_text(static: Any) -> str:
    """An axis or several as they are written after `axis=`, or axes with their new names."""
    if isinstance(static, str):
        return static
    pairs = [pair if isinstance(pair, str) else f"{pair[0]}={pair[1]}" for pair in static]
    return ", ".join(pairs) if "=" in pairs[0] else f"({', '.join(pairs)})"


def look_texts(look: Look) -> list[str]:
    """How far a formula looks ahead, and how its robustness is smoothed, as they are written in a call."""
    found = []
    if look.within:
        start, stop = map(moment_text, look.within)
        found.append(f"within=({start}, {stop})" if look.within[0].number else f"within={stop}")
    return [*found, *([f"smooth={look.smooth}"] if look.smooth != HARD else [])]


def moment_text(moment: Moment) -> str:
    """So many steps or seconds as they are written after `within=`."""
    return _plain_text(moment.number) + "s" * moment.seconds


def subscript_text(static: Any) -> str:
    """An index or a slice as it is written between brackets."""
    if isinstance(static, int):
        return str(static)
    start, stop, stride = ("" if bound is None else str(bound) for bound in static)
    return f"{start}:{stop}" + (f":{stride}" if stride else "")


def window_text(window: Window) -> str:
    """A window as it is written after `@`."""
    if window.epoch:
        return window.epoch
    start = "" if window.start == Bound() else _bound_text(window.start)
    return f"{start}..{_bound_text(window.stop)}"


def _bound_text(bound: Bound) -> str:
    seconds = f"{_plain_text(abs(bound.seconds))}s"
    if not bound.event:
        return seconds
    sign = "-" if bound.seconds < 0 else "+"
    if bound.event == END and bound.seconds < 0:
        return f"-{seconds}"
    return f"{bound.event}{sign}{seconds}" if bound.seconds else bound.event


def _plain_text(value: Fraction) -> str:
    """A decimal without an exponent, which would be taken for a unit."""
    places = next(n for n in count() if (value * 10**n).denominator == 1)
    digits = str(value * 10**places).rjust(places + 1, "0")
    return f"{digits[:-places]}.{digits[-places:]}" if places else digits


def begins(text: str, at: int = 0) -> bool:
    """Whether a value begins there without a sign: behind `not` one that has a sign is subtracted from a name."""
    return _VALUE.match(text, at) is not None


def is_name(text: str) -> bool:
    """Whether a text can be the name of a term."""
    return _NAME.fullmatch(text) is not None and text != "as"
