"""A factor of an operand -> what of it goes before the operator, by the degree that its declaration says."""

import math
from fractions import Fraction
from typing import Any
from weakref import WeakKeyDictionary

from lossdsl.errors import LossValueError, error
from lossdsl.language import Call, Expr, Name, Number
from lossdsl.meaning import weights
from lossdsl.meaning.defined import Defined
from lossdsl.meaning.symbolic import value_of
from lossdsl.meaning.weights import Exact

_ONE = Fraction(1)
# A factor goes out where it and what it becomes lie between these: values in float32 then overflow, or vanish, on one
# side of the operator alone only beyond 1e26, or below 1e-26. Its digits are bounded, for they grow with its power.
_LEAST, _MOST, _MOST_BITS = Fraction(1, 10**12), Fraction(10**12), 128
# To this power at most goes a parameter, whose values no one knows.
_MOST_POWER = 4
# What is never negative whatever it is given, and what is not between numbers that are not.
_NOT_NEGATIVE = {"exp", "greater", "log_cosh", "relu", "sigmoid", "softplus", "sqrt", "square"}
_BETWEEN = {"linear", "cosine", "exponential", "piecewise", "warmup", "cyclic"}
# What definitions are as weights, so that each is worked out once, however often it is used.
_WEIGHTS: "WeakKeyDictionary[Defined, Exact]" = WeakKeyDictionary()


def parted(node: Call, operand: int, factor: Exact) -> tuple[Exact, Exact]:
    """What goes before an operator of the factor of an operand, and what of the factor stays.

    Neither value nor gradient changes. A sum takes any factor out; other operators one that is not 0, which stays, for
    as a weight it would make 0 of what is not finite.
    """
    if node.op.name == "stop_gradient":
        return _without_gradient(factor)
    if factor == 1 or node.op.linear or node.op.name == "*" or (node.op.name == "/" and operand == 0):
        return factor, _ONE
    try:
        degree = _degree(node, operand)
        goes, stays = _by_sign(factor, node.op.signs if degree.denominator == 1 else "root")
        if not degree or (abs(degree) > _MOST_POWER and not isinstance(factor, Fraction)):
            return _ONE, factor
        if _is_moderate(goes) and _is_moderate(outside := weights.power(goes, degree, node.span)):
            return outside, stays
    except LossValueError:  # it has no text, or no value
        pass
    return _ONE, factor


def _without_gradient(factor: Exact) -> tuple[Exact, Exact]:
    """The number goes, what is made of parameters stays: none of its gradient may come out."""
    if isinstance(factor, Fraction) or not factor.free_symbols:
        return factor, _ONE
    number, rest = factor.as_coeff_Mul()
    return weights.checked(number, None), rest


def is_homogeneous(node: Call, operand: int) -> bool:
    """Whether a factor of this operand may go before the operator."""
    return operand < len(node.op.degrees) or (node.op.name == "**" and operand == 0 and node.args[1].constant)


def weight_of(node: Expr) -> Exact:
    """The exact value of an expression made of numbers, parameters and `step`."""
    match node:
        case Number():
            return node.value
        case Name(meaning=Defined() as defined):
            weight = _WEIGHTS.get(defined)
            if weight is None:
                weight = _WEIGHTS[defined] = weight_of(defined.expr)
            return weight
        case Name():
            return weights.symbol(node)
        case Call():
            weight = weights.apply(node, [weight_of(arg) for arg in node.args])
            if not isinstance(weight, Fraction) and not math.isfinite(value_of(weight) or 0):
                raise error("not-finite", node.span, weight=str(node))
            return weight
    raise AssertionError(f"please report: no weight for {type(node)}")


def _degree(node: Call, operand: int) -> Fraction:
    """To which power a factor of the operand goes out; 0 where it does not."""
    if node.op.name != "**":
        return Fraction(node.op.degrees[operand])
    exponent = weight_of(node.args[1])
    return exponent if isinstance(exponent, Fraction) else Fraction(0)


def _by_sign(factor: Exact, signs: str) -> tuple[Exact, Exact]:
    """The part of a factor that goes out, and that which stays for its sign is not known, or matters."""
    if isinstance(factor, Fraction):
        keeps = signs in ("positive", "root") and factor < 0
        return (factor if signs == "any" else abs(factor)), (-_ONE if keeps else _ONE)
    import sympy

    if not all(power.exp.is_Integer or power.base.is_nonnegative for power in factor.atoms(sympy.Pow)):
        return _ONE, factor  # NaN where its base is negative, of which an even power makes a number
    if signs == "any":
        return factor, _ONE
    number, rest = factor.as_coeff_Mul()
    parts = sympy.Mul.make_args(rest)
    known = [part for part in parts if signs != "root" and _is_never_negative(part)]
    others = [part for part in parts if part not in known]
    if signs == "absolute":
        return weights.checked(sympy.Mul(abs(number), *known, *map(sympy.Abs, others)), None), _ONE
    sign = -1 if number < 0 else 1
    return weights.checked(sympy.Mul(abs(number), *known), None), weights.checked(sympy.Mul(sign, *others), None)


def _is_never_negative(value: Any) -> bool:
    name = type(value).__name__
    if value.is_nonnegative or name in _NOT_NEGATIVE:
        return True
    if name in _BETWEEN:
        return all(map(_is_never_negative, value.args[:-1]))  # the last says when
    if value.is_Pow and value.exp.is_Integer:
        return bool(value.exp.is_even) or _is_never_negative(value.base)
    return bool(value.is_Add or value.is_Mul) and all(map(_is_never_negative, value.args))


def _is_moderate(value: Exact) -> bool:
    if isinstance(value, Fraction):
        bits = max(abs(value.numerator), value.denominator).bit_length()
        return _LEAST <= abs(value) <= _MOST and bits <= _MOST_BITS
    if not value.free_symbols:
        return _LEAST <= abs(value_of(value) or 0) <= _MOST
    import sympy

    numbers = [Fraction(int(number.p), int(number.q)) for number in value.atoms(sympy.Rational)]
    return all(number == 0 or _is_moderate(number) for number in numbers)
