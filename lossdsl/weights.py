"""Exact weights: a `Fraction`, or a SymPy expression as soon as a parameter or `step` is in it.

SymPy is imported when the first such weight is met. It does the algebra of sums, products and powers; any other
operator is a named function to it, which it leaves alone.
"""

import math
from collections.abc import Sequence
from fractions import Fraction
from typing import Any

from lossdsl.errors import Span, error
from lossdsl.expr import Call, Expr, Name, Number, call, decimal
from lossdsl.parse import LARGEST, SMALLEST
from lossdsl.vocabulary import Parameter

# A SymPy expression is `Any` here: SymPy has no type stubs.
Exact = Fraction | Any

# Beyond these an exact power has thousands of digits.
_MAX_BITS = 1100
_MAX_DENOMINATOR = 10_000


def add(values: Sequence[Exact], span: Span | None) -> Exact:
    """The exact sum."""
    numbers = sum((value for value in values if isinstance(value, Fraction)), start=Fraction(0))
    others = [value for value in values if not isinstance(value, Fraction)]
    if not others:
        return numbers
    import sympy

    return _checked(sympy.Add(_rational(numbers), *others), span)


def multiply(left: Exact, right: Exact, span: Span | None) -> Exact:
    """The exact product."""
    if isinstance(left, Fraction) and isinstance(right, Fraction):
        return right if left == 1 else _in_range(left * right, span)
    return _checked(_rational(left) * _rational(right), span)


def power(base: Exact, exponent: Exact, span: Span | None) -> Exact:
    """The exact power; a root stays a SymPy power."""
    if isinstance(exponent, Fraction) and isinstance(base, Fraction):
        return _power_of_numbers(base, exponent, span)
    if base == 0:
        raise error("not-finite", span, weight=f"0**({exponent})")
    return _checked(_rational(base) ** _rational(exponent), span)


def _power_of_numbers(base: Fraction, exponent: Fraction, span: Span | None) -> Exact:
    if base == 0 and exponent < 0:
        raise error("not-finite", span, weight="1/0")
    if base in (0, 1):
        return base if exponent else Fraction(1)
    bits = abs(math.log2(abs(base.numerator)) - math.log2(base.denominator)) * abs(exponent)
    length = (base.numerator.bit_length() + base.denominator.bit_length()) * abs(exponent)
    if bits > _MAX_BITS or length > 100 * _MAX_BITS or exponent.denominator > _MAX_DENOMINATOR:
        raise error("too-large", span, found=str(span) if span else f"{base}**{exponent}")
    if exponent.denominator == 1:
        return _in_range(base**exponent.numerator, span)
    if base < 0:
        raise error("not-finite", span, weight=str(span) if span else f"{base}**{exponent}")
    return _checked(_rational(base) ** _rational(exponent), span)


def symbol(name: Name) -> Exact:
    """The SymPy symbol of a parameter."""
    import sympy

    return sympy.Symbol(name.name, real=True)


def function(node: Call, values: Sequence[Exact]) -> Exact:
    """Any other operator: a SymPy function of its name, left alone."""
    import sympy

    return sympy.Function(node.op.name, real=True)(*(_rational(value) for value in values))


def sympy_weight(value: Exact) -> Any:
    """The weight as SymPy has it."""
    return _rational(value)


def expression(value: Exact) -> Expr:
    """An exact weight as a bound expression of the language."""
    if isinstance(value, Fraction):
        return _fraction(value)
    import sympy

    if value.is_Rational:
        return _fraction(Fraction(int(value.p), int(value.q)))
    if isinstance(value, sympy.Symbol):
        return Name(name=value.name, meaning=Parameter(value.name))
    if isinstance(value, sympy.Add):
        first, *rest = value.as_ordered_terms()
        return call("+", expression(first), *(_addend(term) for term in rest))
    if isinstance(value, sympy.Mul):
        return _product(value)
    if isinstance(value, sympy.Pow):
        base, exponent = value.as_base_exp()
        if exponent.is_Rational and exponent < 0:
            below = expression(base if exponent == -1 else base**-exponent)
            return call("/", Number(value=Fraction(1)), below)
        return call("**", expression(base), expression(exponent))
    if isinstance(value, sympy.core.function.AppliedUndef):
        return call(type(value).__name__, *(expression(arg) for arg in value.args))
    raise AssertionError(f"please report: no expression for {sympy.srepr(value)}")


def _fraction(value: Fraction) -> Expr:
    exact = decimal(abs(value))
    if exact is not None and len(exact) <= 25:
        return _signed(value)
    return call("/", _signed(Fraction(value.numerator)), Number(value=Fraction(value.denominator)))


def _signed(value: Fraction) -> Expr:
    return call("neg", Number(value=-value)) if value < 0 else Number(value=value)


def _addend(value: Any) -> Expr:
    coefficient, rest = value.as_coeff_Mul()
    if coefficient < 0:
        return call("neg", expression(rest if coefficient == -1 else -coefficient * rest))
    return expression(value)


def _product(value: Any) -> Expr:
    coefficient, rest = value.as_coeff_Mul()
    if coefficient < 0:
        return call("neg", expression(-coefficient * rest))
    parts = rest.as_ordered_factors()
    # Not `as_numer_denom`, which would also open the sums: `step + 0.1` is not `(10*step + 1)/10`.
    divides = [part.is_Pow and part.exp.is_Rational and part.exp < 0 for part in parts]
    factors = [expression(part) for part, below in zip(parts, divides, strict=True) if not below and part != 1]
    number = Fraction(int(coefficient.p), int(coefficient.q))
    as_number = _fraction(number)
    if isinstance(as_number, Number):
        bottom: list[Expr] = []
    else:
        as_number, bottom = (
            Number(value=Fraction(number.numerator)),
            [Number(value=Fraction(number.denominator))],
        )
    if as_number.value != 1 or not factors:
        factors = [as_number, *factors]
    bottom += [expression(1 / part) for part, below in zip(parts, divides, strict=True) if below]
    result = factors[0]
    for factor in factors[1:]:
        result = call("*", result, factor)
    for factor in bottom:
        result = call("/", result, factor)
    return result


def _rational(value: Exact) -> Any:
    import sympy

    return sympy.Rational(value.numerator, value.denominator) if isinstance(value, Fraction) else value


def _in_range(value: Fraction, span: Span | None) -> Fraction:
    bits = max(value.numerator.bit_length(), value.denominator.bit_length())
    if bits > 900 and value and not SMALLEST <= abs(value) <= LARGEST:
        raise error("too-large", span, found=str(span) if span else "the weight")
    return value


def _checked(value: Any, span: Span | None) -> Exact:
    """A SymPy result: a number becomes a `Fraction`; infinite, undefined and complex ones are refused."""
    import sympy

    if value.is_Rational:
        return _in_range(Fraction(int(value.p), int(value.q)), span)
    if value.has(sympy.zoo, sympy.nan, sympy.oo, -sympy.oo, sympy.I):
        raise error("not-finite", span, weight=str(span) if span else str(value))
    for number in value.atoms(sympy.Rational):
        _in_range(Fraction(int(number.p), int(number.q)), span)
    return value
