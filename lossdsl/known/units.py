"""What quantities are measured in -> the unit of an expression, by name; what does not fit is said, and not refused."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from lossdsl.errors import clip

# Those that are other ones by definition, so that a force beside a mass times an acceleration fits; an angle, and what
# has a scale of its own, such as the activity of a network, are numbers.
_MADE_OF = {
    "N": "kg m s^-2",
    "J": "kg m^2 s^-2",
    "W": "kg m^2 s^-3",
    "Pa": "kg m^-1 s^-2",
    "Hz": "s^-1",
    "rad": "1",
    "a.u.": "1",
}
_FACTOR = re.compile(r"\s*([/*·]?)\s*(?:([^\W\d](?:[\w.]*[^\W\d])?\.?|[%°])(?:(?:\^|\*\*)?(-?\d{1,3}))?|(1)(?![\w.]))")
_RAISED = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
_LONGEST = 60


@dataclass(frozen=True)
class Unit:
    """What something is measured in.

    Attributes:
        powers: Each unit with its exponent, in order; None where that is not known.
        said: What does not fit, in words, and so leaves no unit.
        free: Whether it is a number or a parameter, which is taken for one of whatever it stands beside.
    """

    powers: tuple[tuple[str, Fraction], ...] | None = None
    said: str = ""
    free: bool = False

    def __str__(self) -> str:
        if self.said or self.powers is None:
            return self.said or "unknown"
        above = [_text(*power) for power in self.powers if power[1] > 0]
        below = [_text(name, -exponent) for name, exponent in self.powers if exponent < 0]
        if not above and not below:
            return "none"
        return clip("/".join([" ".join(above) or "1", *below]), _LONGEST)

    @property
    def base(self) -> "dict[str, Fraction]":
        """The exponents of what it is made of."""
        return _base(self.powers or ())


UNKNOWN, NONE, NUMBER = Unit(), Unit(()), Unit((), free=True)


def _text(name: str, exponent: Fraction) -> str:
    if exponent == 1:
        return name
    shown = str(exponent) if exponent.denominator == 1 else f"({exponent})"
    return f"{name if name.isalnum() else f'({name})'}^{shown}"


@lru_cache
def unit_of(text: str) -> Unit:
    """The unit that a quantity says: names with exponents, such as `kg m/s^2`; anything else is one name.

    Example:
        >>> str(times([unit_of("m/s"), unit_of("s")], [1, 1])), str(times([unit_of("a.u.")], [2])), str(unit_of(""))
        ('m', '(a.u.)^2', 'unknown')
    """
    text = text.strip().translate(_RAISED)
    if not text:
        return UNKNOWN
    found: dict[str, Fraction] = {}
    at = 0
    while at < len(text):
        match = _FACTOR.match(text, at)
        if match is None or (at == 0 and match[1]):
            return Unit(((text, Fraction(1)),))
        exponent = Fraction(match[3] or 1) * (-1 if match[1] == "/" else 1)
        if match[2]:
            found[match[2]] = found.get(match[2], Fraction(0)) + exponent
        at = match.end()
    return Unit(_left(found))


def _left(powers: "dict[str, Fraction]") -> tuple[tuple[str, Fraction], ...]:
    return tuple((name, exponent) for name, exponent in powers.items() if exponent)


def _base(powers: Iterable[tuple[str, Fraction]]) -> "dict[str, Fraction]":
    found: dict[str, Fraction] = {}
    for name, exponent in powers:
        parts = unit_of(_MADE_OF[name]).powers if name in _MADE_OF else ((name, Fraction(1)),)
        for part, times in parts or ():
            found[part] = found.get(part, Fraction(0)) + exponent * times
    return dict(_left(found))


def times(units: Sequence[Unit], exponents: Sequence[int | Fraction]) -> Unit:
    """The unit of a product of powers."""
    for unit in units:
        if unit.powers is None:
            return unit
    found: dict[str, Fraction] = {}
    for unit, exponent in zip(units, exponents, strict=False):
        for name, power in unit.powers or ():
            found[name] = found.get(name, Fraction(0)) + power * exponent
    return Unit(_left(found), free=all(unit.free for unit in units))


def same(name: str, units: Sequence[Unit]) -> Unit:
    """The unit that all have, numbers left out; or in words that they differ."""
    measured = [unit for unit in units if not unit.free]
    for unit in measured:
        if unit.powers is None:
            return unit
    different = list({tuple(sorted(unit.base.items())): unit for unit in measured}.values())
    if len(different) > 1:
        return Unit(None, f"{name} of {' and '.join(map(str, different[:3]))}")
    return measured[0] if measured else NUMBER


def pure(name: str, units: Sequence[Unit]) -> Unit:
    """None, of a function of pure numbers; or in words that it is given others."""
    found = same(name, units)
    if found.powers is None or found.free or not found.base:
        return NONE if found.powers is not None else found
    return Unit(None, f"{name} of {found}")
