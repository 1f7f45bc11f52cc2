"""Pieces of LaTeX -> larger ones, in parentheses where they bind looser."""

import re
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache

from lossdsl.language import decimal

# How tightly a piece binds, loosest first: a sum; what has a minus in front; a prefix such as a sum sign, which takes
# all that follows; a product; a factor that takes no script; what has a subscript; what takes any script.
SUM, SIGNED, PREFIX, PRODUCT, FACTOR, ATOM, NUCLEUS = range(7)
_LEVELS = {"": SUM, "product": PREFIX, "power": FACTOR, "atom": ATOM}
# What is not written where it is 1, or 0 for `more`, as its operator has it by default.
_OPTIONAL = {"mask": r"\,:\,{}", "factor": r"{}\,", "order": "^{{{}}}", "more": ", {}"}
# But a bar, `\left. x \right|_{T}`, whose script a power would stand above.
_CLOSED = re.compile(r"\\left(?:(?!\\right).)*\\right(?:\\[A-Za-z]+|[^|])(_\{.*\})?")


@dataclass(frozen=True)
class Meaning:
    """What a symbol means: `symbol = equals`, a text, or both."""

    symbol: str
    equals: str = ""
    text: str = ""


@dataclass(frozen=True)
class Piece:
    """A piece of LaTeX, how tightly it binds, and whether there is a minus before it."""

    text: str
    binds: int
    negative: bool = False

    def at(self, level: int) -> str:
        """The piece with its minus, in parentheses where it binds looser."""
        text, binds = (f"-{self.text}", min(self.binds, SIGNED)) if self.negative else (self.text, self.binds)
        return text if binds >= level else rf"\left({text}\right)"

    def __format__(self, spec: str) -> str:
        if spec in _OPTIONAL:
            return (
                ""
                if self.text == ("0" if spec == "more" else "1")
                else _OPTIONAL[spec].format(self.at(SUM if spec != "factor" else PRODUCT))
            )
        return self.at(_LEVELS[spec])


def summed(parts: list[Piece]) -> Piece:
    """A sum."""
    return Piece(joined([part.at(SUM) for part in parts]), SUM)


def joined(addends: list[str] | tuple[str, ...]) -> str:
    """Signed addends in a row."""
    first, *others = addends
    return first + "".join(f" - {addend[1:]}" if addend[0] == "-" else f" + {addend}" for addend in others)


def minus(piece: Piece) -> Piece:
    """A piece with a minus before it."""
    enclosed = piece.negative or piece.binds < PREFIX
    return Piece(piece.at(PREFIX), NUCLEUS if enclosed else piece.binds, negative=True)


def times(left: Piece, right: Piece) -> Piece:
    """A product."""
    first, second = replace(left, negative=False).at(PRODUCT), right.at(PREFIX)
    # A thin space, but a dot before a digit; TeX itself puts a space before large delimiters and sum signs.
    sign = r" \cdot " if second[0].isdigit() else " " if second.startswith((r"\left", r"\sum")) else r"\,"
    binds = PREFIX if right.binds == PREFIX and not right.negative else PRODUCT
    return Piece(f"{first}{sign}{second}", binds, left.negative)


def over(top: Piece, bottom: Piece, small: bool) -> Piece:
    """A quotient; in one line where it is too small for a fraction."""
    negative, top = top.negative, replace(top, negative=False)
    if small:
        return Piece(f"{top.at(PRODUCT)} / {bottom:power}", PREFIX, negative)
    return Piece(rf"\frac{{{top}}}{{{bottom}}}", FACTOR, negative)


@cache
def binds(template: str) -> int:
    """How tightly what a template makes binds: a prefix ends with an operand, delimiters take scripts."""
    if template.endswith((":product}", ":power}")):
        return PREFIX
    closed = _CLOSED.fullmatch(template)
    return FACTOR if closed is None else ATOM if closed[1] else NUCLEUS


def number(value: Fraction) -> Piece:
    """An exact number, not negative."""
    mantissa, _, exponent = (decimal(value) or "").partition("e")
    if not mantissa:
        return Piece(rf"\frac{{{value.numerator}}}{{{value.denominator}}}", FACTOR)
    if not exponent:
        return Piece(mantissa, NUCLEUS)
    power = f"10^{{{exponent}}}"
    return Piece(power, FACTOR) if mantissa == "1" else Piece(rf"{mantissa} \cdot {power}", PRODUCT)
