"""What a user gives for a number to its exact value, and that to the shortest decimal."""

import math
import numbers
import re
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lossdsl.errors import described

# What a float64 holds with full precision.
SMALLEST, LARGEST = Fraction("1e-307"), Fraction("1e308")
_NUMERIC = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?")


def exact_number(value: Any) -> Fraction | None:
    """The exact value of a real scalar of any kind, of a numeric text too; None for anything else."""
    if isinstance(value, bool | np.bool_ | np.ma.MaskedArray) or value is None:
        return None
    if isinstance(value, Fraction | numbers.Integral):
        exact = Fraction(int(value)) if isinstance(value, numbers.Integral) else value
        return exact if not exact or SMALLEST <= abs(exact) <= LARGEST else None
    if isinstance(value, str):
        shown = value.strip() if _NUMERIC.fullmatch(value.strip()) else ""
    elif isinstance(value, numbers.Real):
        shown = str(value)
    elif isinstance(value, np.generic | np.ndarray | jax.Array) and value.shape == () and _is_real(value.dtype):
        shown = str(np.asarray(value)[()])
    else:
        return None
    try:
        return Fraction(shown) if math.isfinite(float(shown)) else None
    except ValueError:
        return None


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
