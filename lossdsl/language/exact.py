"""What a user gives for a number to its exact value, and that to the shortest decimal."""

import numbers
import re
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lossdsl.errors import described, error

# What a float64 holds with full precision.
SMALLEST, LARGEST = Fraction("1e-307"), Fraction("1e308")
# A longer decimal is written as a quotient where that is shorter.
_SHORT_DECIMAL = 25
# More digits than these are no number that someone means, and reading them takes time.
_MOST_DIGITS, _MOST_CHARACTERS = 400, 1_000
_NUMERIC = re.compile(r"([-+]?)([0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE]([-+]?[0-9]+))?")


def exact_number(value: Any) -> Fraction | None:
    """The exact value of a real scalar of any kind, of a numeric text too; None for anything else."""
    if isinstance(value, bool | np.bool_ | np.ma.MaskedArray) or value is None:
        return None
    if isinstance(value, numbers.Rational):
        exact = Fraction(int(value.numerator), int(value.denominator))
        return exact if is_sayable(exact) else None
    if isinstance(value, str | numbers.Real):
        return read_decimal(str(value).strip())
    if isinstance(value, np.generic | np.ndarray | jax.Array) and value.shape == () and _is_real(value.dtype):
        return read_decimal(str(np.asarray(value)[()]))
    return None


def read_decimal(written: str) -> Fraction | None:
    """The exact value of a decimal; None for any other text, and for what a float64 has no place for.

    That is told before anything is computed: 10**99999999 alone takes for ever.
    """
    match = _NUMERIC.fullmatch(written) if len(written) <= _MOST_CHARACTERS else None
    if not match:
        return None
    sign, mantissa, exponent = match.groups(default="0")
    digits = _digits(mantissa)
    if not digits:
        return Fraction(0)
    if len(digits) > _MOST_DIGITS or len(exponent) > 5:
        return None
    whole, _, part = mantissa.partition(".")
    shift = int(exponent) - len(part)
    if abs(shift) > 2 * _MOST_CHARACTERS:
        return None
    value = int(whole + part) * Fraction(10) ** shift
    return (-value if sign == "-" else value) if SMALLEST <= value <= LARGEST else None


def is_sayable(value: Fraction) -> bool:
    """Whether a text can say it: as a decimal, or as a quotient of two whole numbers that a float64 has a place for."""
    size = abs(value)
    top, bottom = size.as_integer_ratio()
    bits = max(top.bit_length(), bottom.bit_length())
    if bits <= 1_000 or not SMALLEST <= size <= LARGEST:
        return bits <= 1_000
    return max(top, bottom) <= LARGEST or (bits <= 4_000 and short_decimal(size) is not None)


def short_decimal(value: Fraction) -> str | None:
    """The decimal that a text has for a number; None where there is none, or a quotient is shorter."""
    exact = decimal(value)
    if exact is None or len(exact) <= _SHORT_DECIMAL or value.denominator == 1:
        return exact
    quotient = f"{value.numerator}/{value.denominator}"
    return exact if len(exact) <= len(quotient) and len(_digits(exact)) <= _MOST_DIGITS else None


def _digits(written: str) -> str:
    """The digits of a decimal, without the zeros on its ends."""
    return written.partition("e")[0].replace(".", "").strip("0")


def _is_real(dtype: Any) -> bool:
    """Whether it is a type of real numbers, that of bfloat16 too."""
    return jnp.issubdtype(dtype, jnp.floating) or jnp.issubdtype(dtype, jnp.integer)


def described_number(value: Any) -> str:
    """What was given for a number, for a message."""
    if isinstance(value, int | Fraction) and not isinstance(value, bool) and exact_number(value) is None:
        quotient = Context(prec=6).divide(Decimal(value.numerator), Decimal(value.denominator))
        return f"`{quotient.normalize():g}`"
    return f"`{value}`" if isinstance(value, str | numbers.Number) else described(value)


def decimal(value: Fraction) -> str | None:
    """The shortest exact decimal, or None where there is none: `1e-5`, `0.25`, `1/3` has none."""
    digits, exponent, rest = value.numerator, 0, value.denominator
    while rest % 10 == 0:
        rest, exponent = rest // 10, exponent - 1
    twos, fives = 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return None
    digits *= 5 ** (twos - min(twos, fives)) * 2 ** (fives - min(twos, fives))
    exponent -= max(twos, fives)
    while digits and digits % 10 == 0:
        digits, exponent = digits // 10, exponent + 1
    return _positional(str(digits), exponent)


def _positional(digits: str, exponent: int) -> str:
    point = len(digits) + exponent
    if -3 < point <= 6:
        if exponent >= 0:
            return digits + "0" * exponent
        whole = max(point, 0)
        return f"{digits[:whole] or '0'}.{'0' * (whole - point)}{digits[whole:]}"
    return f"{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{point - 1}"


def check_count(argument: str, given: Any, least: int, advice: str) -> None:
    """Refuse what is no whole number, or too small a one.

    Raises:
        LossValueError: With what to give.
    """
    if isinstance(given, bool) or not isinstance(given, int) or given < least:
        raise error("bad-argument", argument=argument, got=described_number(given), advice=advice)
