"""The texts of the parts of an expression -> the text of the whole, which parses back to it."""

import re
from collections.abc import Iterable, Sequence
from fractions import Fraction
from itertools import count
from typing import Any, NamedTuple

from lossdsl.language.exact import decimal
from lossdsl.operators import END, Bound, Default, Op, Window

# How tightly a text binds, loosest first: one level per rule of the grammar.
SUM, LABEL, PRODUCT, UNARY, POWER, ATOM = range(6)
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
    axis = [axis_text(static) if op.renames else f"axis={axis_text(static)}"] if static else []
    return Written(f"{op.name}({', '.join(given + axis)})", ATOM)


def signature(op: Op) -> str:
    """How an operator is called: its parameters with their defaults."""
    match op.name:
        case "neg":
            return "-x"
        case "@":
            return "x@window"
        case "[]":
            return "x[i:j]"
    if not op.name.isidentifier():
        return f"x {op.name} y"
    given = [f"{name}=..." if name in op.named else name for name in op.required]
    given += [*([*op.repeats, "..."] if op.repeats else [])]
    given += [f"{parameter}={default_text(default)}" for parameter, default in op.options.items()]
    return f"{op.name}({', '.join(given + (['axis'] if op.axis else []))})"


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


def is_name(text: str) -> bool:
    """Whether a text can be the name of a term."""
    return _NAME.fullmatch(text) is not None and text != "as"
