"""Exact weights: a `Fraction`, or a SymPy expression as soon as a parameter or `step` is in it.

SymPy is imported when the first such weight is met. It does the algebra of sums, products and powers; any other
operator is a named function to it, which it leaves alone.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from functools import cache
from typing import Any

from lossdsl.errors import Span, error
from lossdsl.language import Call, Name, is_sayable

# A SymPy expression is `Any` here: SymPy has no type stubs.
Exact = Fraction | Any

# Beyond these an exact power has thousands of digits.
_MAX_BITS = 1100
_MAX_DENOMINATOR = 10_000


def add(values: Sequence[Exact], span: Span | None) -> Exact:
    """The exact sum."""
    numbers = Fraction(0)
    for value in values:
        if isinstance(value, Fraction):
            numbers = _in_range(numbers + value, span)
    others = [value for value in values if not isinstance(value, Fraction)]
    if not others:
        return numbers
    import sympy

    return checked(sympy.Add(as_sympy(numbers), *others), span)


def multiply(left: Exact, right: Exact, span: Span | None) -> Exact:
    """The exact product."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return right if left == 1 else _in_range(left * right, span)
    return checked(as_sympy(left) * as_sympy(right), span)


def power(base: Exact, exponent: Exact, span: Span | None) -> Exact:
    """The exact power; a root stays a SymPy power."""
    if isinstance(exponent, Fraction) and isinstance(base, Fraction):
        return _power_of_numbers(base, exponent, span)
    if base == 0:
        raise error("not-finite", span, weight=f"0**({exponent})")
    check_power(base, exponent, span)
    return checked(as_sympy(base) ** as_sympy(exponent), span)


def _power_of_numbers(base: Fraction, exponent: Fraction, span: Span | None) -> Exact:
    if base == 0 and exponent < 0:
        raise error("not-finite", span, weight="1/0")
    if base in (0, 1):
        return base if exponent else Fraction(1)
    check_power(base, exponent, span)
    if exponent.denominator == 1:
        return _in_range(base**exponent.numerator, span)
    if base < 0:
        raise error("not-finite", span, weight=str(span) if span else f"{base}**{exponent}")
    return checked(as_sympy(base) ** as_sympy(exponent), span)


def check_power(base: Exact, exponent: Exact, span: Span | None) -> None:
    """Refuse a power for which SymPy would compute numbers of thousands of digits, in `(2*alpha)**1e9` too.

    Raises:
        LossValueError: With the place.
    """
    if not isinstance(base, Fraction):
        if base.is_Rational:
            base = Fraction(int(base.p), int(base.q))
        elif base.is_Mul:
            for factor in base.args:
                check_power(factor, exponent, span)
        elif base.is_Pow:
            # SymPy multiplies the exponents where it may, and so `(2**alpha)**(1e9/alpha)` is a number.
            check_power(base.base, multiply(checked(base.exp, span), exponent, span), span)
    if not isinstance(base, Fraction) or not isinstance(exponent, Fraction) or base in (0, 1, -1):
        return
    bits = abs(math.log2(abs(base.numerator)) - math.log2(base.denominator)) * abs(exponent)
    length = (base.numerator.bit_length() + base.denominator.bit_length()) * abs(exponent)
    if bits > _MAX_BITS or length > 100 * _MAX_BITS or exponent.denominator > _MAX_DENOMINATOR:
        raise error("too-large", span, found=str(span) if span else f"{base}**{exponent}")


def symbol(name: Name) -> Exact:
    """The SymPy symbol of a parameter."""
    import sympy

    return sympy.Symbol(name.name, real=True)


def function(name: str, *values: Exact) -> Exact:
    """Any other operator: a SymPy function of its name, left alone; but `abs` is what SymPy makes of `(x**2)**0.5`."""
    if name == "abs":
        import sympy

        return checked(sympy.Abs(as_sympy(values[0])), None)
    return _class(name)(*map(as_sympy, values))


@cache
def _class(name: str) -> Any:
    """The SymPy function of a name; SymPy itself would print `sqnorm` as a norm of `sq`."""
    import sympy

    def latex(self: Any, printer: Any, exp: str | None = None) -> str:
        called = rf"\operatorname{{{name}}}".replace("_", r"\_")
        arguments = ", ".join(printer._print(arg) for arg in self.args)
        return called + (f"^{{{exp}}}" if exp else "") + rf"\left({arguments}\right)"

    def power(self: Any, exponent: Any) -> Any:
        number = self.args[0]
        return number ** (exponent / 2) if number.is_Rational and number > 0 and exponent.is_even else None

    kind = sympy.Function(name, real=True)
    kind._latex = latex
    if name == "sqrt":
        kind._eval_power = power
    return kind


def apply(node: Call, values: Sequence[Exact]) -> Exact:
    """The value of an operator where its operands have exact ones."""
    match node.op.name:
        case "+":
            return add(values, node.span)
        case "neg":
            return multiply(Fraction(-1), values[0], node.span)
        case "*":
            return multiply(values[0], values[1], node.span)
        case "/":
            return multiply(values[0], power(values[1], Fraction(-1), node.span), node.span)
        case "**":
            return power(values[0], values[1], node.span)
    return function(node.op.name, *values)


def as_sympy(value: Exact) -> Any:
    """An exact value as SymPy has it."""
    import sympy

    return sympy.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else value


def _in_range(value: Fraction, span: Span | None) -> Fraction:
    if not is_sayable(value):
        raise error("too-large", span, found=str(span) if span else "the weight")
    return value


def checked(value: Any, span: Span | None) -> Exact:
    """A SymPy result: a number becomes a `Fraction`; infinite, undefined and complex ones are refused."""
    import sympy

    if value.is_Rational:
        return _in_range(Fraction(int(value.p), int(value.q)), span)
    if value.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo, sympy.I):
        raise error("not-finite", span, weight=str(span) if span else str(value))
    for number in value.atoms(sympy.Rational):
        _in_range(Fraction(int(number.p), int(number.q)), span)
    return value
