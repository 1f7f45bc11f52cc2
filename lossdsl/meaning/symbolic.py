"""The tree as a SymPy expression, and back."""

import math
import re
from collections.abc import Mapping
from fractions import Fraction
from functools import lru_cache
from typing import Any

import jax
import numpy as np

from lossdsl.errors import LossAxesError, Span, clip, described, did_you_mean, error
from lossdsl.language import (
    Argument,
    Call,
    Called,
    Expr,
    Function,
    Label,
    Let,
    Name,
    Number,
    axis_text,
    call,
    exact_number,
    given_to,
    is_name,
    of_number,
    window_of,
    window_text,
)
from lossdsl.meaning import weights
from lossdsl.meaning.logical import looked, of_formula
from lossdsl.meaning.vocabulary import Parameter
from lossdsl.meaning.weights import Exact
from lossdsl.operators import OPS, Op, Window

# Operators that are classes of SymPy, which knows their derivatives and values; any other is a function of its name.
_CLASSES = {
    "abs": "Abs",
    "cos": "cos",
    "exp": "exp",
    "log": "log",
    "maximum": "Max",
    "minimum": "Min",
    "sin": "sin",
    "tanh": "tanh",
}
_OPERATORS = {name: op for op, name in _CLASSES.items()}
# How the function is called that stands for an index or a slice, and what for a bound that is not given.
_TAKE, _OPEN = "take", "open"
# The one for a window of time.
_WINDOW = "window"
# Into how many nodes definitions may unfold: SymPy has none.
_MAX_UNFOLDED = 10_000


def to_sympy(node: Expr) -> Any:
    """The expression as SymPy has it, built node by node; `sympy.sympify(node)` gives the same.

    Numbers are exact, names are real symbols, `sqrt` and `square` are powers, operators that SymPy has are its own,
    and all others functions of their name. A label is left away, definitions are put in. SymPy simplifies as it always
    does: `x/x` is 1, and sums are sorted.

    Raises:
        LossValueError: For a number that is infinite, complex, or too large to compute.

    Example:
        >>> import sympy
        >>> from lossdsl.language.parse import parse
        >>> loss = parse("0.5*exp(-x**2) + alpha*sqnorm(y)")
        >>> sympy.sympify(loss)
        alpha*sqnorm(y) + exp(-x**2)/2
        >>> sympy.diff(loss, sympy.Symbol("x", real=True))
        -x*exp(-x**2)
    """
    return weights.as_sympy(_exact(node))


def _exact(node: Expr) -> Exact:
    match node:
        case Number():
            return node.value
        case Name():
            return weights.symbol(node)
        case Label():
            return _exact(node.args[0])
        case Let():
            return _exact(_unfolded(node))
        case Argument(name=name):
            return weights.symbol(Name(name=name))
        case Called(callee=callee):
            return weights.function(callee.name, *map(_exact, node.args))
        case Function():
            return _exact(node.args[0])
        case Call():
            return _called(node, [_exact(arg) for arg in node.args])
    raise AssertionError(f"please report: nothing in SymPy for {type(node)}")


def _unfolded(node: Let) -> Expr:
    """The loss with its definitions put in, those that others need first."""
    values = dict(zip((*node.names, node), node.args, strict=True))
    known: dict[Expr, Expr] = {}
    opened: set[Expr] = set()
    stack: list[Expr] = [node]
    while stack:
        name = stack.pop()
        if name in opened:
            known.setdefault(name, _put_in(values[name], known))
            continue
        opened.add(name)
        stack.append(name)  # once more, after what it is made of
        needed = (part.callee if isinstance(part, Called) else part for part in values[name].walk())
        stack += [part for part in needed if part in values and part not in opened]
    return known[node]


def _put_in(node: Expr, known: Mapping[Expr, Expr]) -> Expr:
    """An expression with the definitions that are known, each put in whole: nothing walks through it again."""
    found = known.get(node, node) if isinstance(node, Name) else node.over([_put_in(arg, known) for arg in node.args])
    callee = known.get(found.callee) if isinstance(found, Called) else None
    if isinstance(found, Called) and isinstance(callee, Function):
        given = given_to(callee, found)
        found = callee.args[0].xreplace({Argument(name=name): value for name, value in given.items()})
    if found.size > _MAX_UNFOLDED:
        found_text = f"`{clip(str(node.span))}`" if node.span else "the loss"
        raise error("too-long-for-sympy", node.span, found=found_text, limit=_MAX_UNFOLDED)
    return found


def _called(node: Call, values: list[Exact]) -> Exact:
    import sympy

    match node.op.name:
        case "sqrt":
            return weights.power(values[0], Fraction(1, 2), node.span)
        case "square":
            return weights.power(values[0], Fraction(2), node.span)
        case "[]":
            bounds = node.static if isinstance(node.static, tuple) else (node.static,)
            at = [sympy.Symbol(_OPEN) if bound is None else sympy.Integer(bound) for bound in bounds]
            return weights.function(_TAKE, values[0], *at)
        case "@":
            return weights.function(_WINDOW, values[0], sympy.Symbol(window_text(node.static)))
        case _ if node.op.formula or node.op.formulas:
            return of_formula(node, values)
        case name if name in _CLASSES:
            return _of_class(name, values, node.span)
        case name if node.static is not None:
            # Unlike a name it is not known to be real.
            return weights.function(name, *values, sympy.Symbol(axis_text(node.static)))
    return weights.apply(node, values)


def _of_class(name: str, values: list[Exact], span: Span | None) -> Any:
    """A function that SymPy has; `exp(1e9*log(2))` is a power to it, which must not be computed."""
    import sympy

    known = [weights.as_sympy(value) for value in values]
    for addend in sympy.Add.make_args(known[0]) if name == "exp" else ():
        by, rest = addend.as_coeff_Mul()
        if isinstance(rest, sympy.log):
            weights.check_power(rest.args[0], weights.checked(by, span), span)
    found = getattr(sympy, _CLASSES[name])(*known)
    # To compare `exp(exp(exp(9)))` with anything SymPy would compute its digits.
    if not found.free_symbols and not math.isfinite(value_of(weights.checked(found, span)) or 0):
        raise error("not-finite", span, weight=str(span) if span else name)
    return found


# SymPy's own functions look for it.
Expr._sympy_ = to_sympy  # type: ignore[attr-defined]


def from_sympy(value: Any) -> Expr:
    """An expression of SymPy as one of ours; symbols are names, not yet looked up.

    Raises:
        LossValueError: For what has no counterpart, such as a derivative.

    Example:
        >>> import sympy
        >>> x, alpha = sympy.symbols("x alpha", real=True)
        >>> from_sympy(alpha * sympy.Function("sqnorm", real=True)(x) / 3 - sympy.exp(-x))
        parse('alpha*sqnorm(x)/3 - exp(-x)')
    """
    import sympy

    if not isinstance(value, sympy.Expr):
        raise error("no-counterpart", found=described(value), advice="give an expression of SymPy")
    exact = value.xreplace({number: _decimal(number) for number in value.atoms(sympy.Float)})
    found = expression(exact)
    return found.xreplace({name: Name(name=name.name) for name in found.free_symbols})


def _decimal(number: Any) -> Any:
    """A float of SymPy as the exact number that its digits say."""
    exact = exact_number(str(number))
    if exact is None:
        raise error("too-large", found=str(number))
    return weights.as_sympy(exact)


def expression(value: Exact) -> Expr:
    """An exact weight as a bound expression of the language; every symbol is a parameter.

    Raises:
        LossValueError: For what the language cannot say.
    """
    return of_number(value) if isinstance(value, Fraction) else _expression(value)


@lru_cache(maxsize=10_000)  # the weights of many terms are made of the same parts
def _expression(value: Any) -> Expr:
    import sympy

    if value.is_Rational:
        return of_number(weights.checked(value, None))
    if isinstance(value, sympy.Symbol) and is_name(value.name):
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
    return _applied(value)


def value_of(weight: Exact) -> float | None:
    """The float64 that a weight is, infinite or NaN where it has no value; None where no number has one.

    That is one made of parameters, or, before names have a meaning, the last step of a number or its sum.
    """
    if isinstance(weight, Fraction):
        return float(weight)
    if weight.free_symbols:
        return None
    with jax.ensure_compile_time_eval(), jax.enable_x64(True), np.errstate(all="ignore"):
        try:
            return float(_value(expression(weight)))
        except LossAxesError:
            return None


def _value(node: Expr) -> Any:
    if isinstance(node, Number):
        return np.float64(node.value)
    assert isinstance(node, Call)
    if node.op.name == "+":
        return sum(map(_value, node.args))
    node.measure([{} for _ in node.args])
    given = list(zip(node.op.parameters(len(node.args)), map(_value, node.args), strict=True))
    named = {name: value for (name, _), value in given if name in node.op.named}
    return node.op.lower(*(value for (name, _), value in given if name not in named), **named)


def _addend(value: Any) -> Expr:
    coefficient, rest = value.as_coeff_Mul()
    if coefficient < 0:
        return call("neg", expression(rest if coefficient == -1 else -coefficient * rest))
    return expression(value)


def _product(value: Any) -> Expr:
    coefficient, rest = value.as_coeff_Mul()
    negative, coefficient = coefficient < 0, abs(coefficient)
    parts = rest.as_ordered_factors()
    # Not `as_numer_denom`, which would also open the sums: `step + 0.1` is not `(10*step + 1)/10`.
    divides = [part.is_Pow and part.exp.is_Rational and part.exp < 0 for part in parts]
    factors = [expression(part) for part, below in zip(parts, divides, strict=True) if not below and part != 1]
    number = Fraction(int(coefficient.p), int(coefficient.q))
    as_number = of_number(number)
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
    result = call("neg", factors[0]) if negative else factors[0]
    for factor in factors[1:]:
        result = call("*", result, factor)
    for factor in bottom:
        result = call("/", result, factor)
    return result


def _applied(value: Any) -> Expr:
    """A function of SymPy that is one of our operators."""
    import sympy

    if value == sympy.E:
        return call("exp", Number(value=Fraction(1)))
    kind = type(value).__name__
    name = kind if isinstance(value, sympy.core.function.AppliedUndef) else _OPERATORS.get(kind, "")
    if name == _TAKE and value.args:
        return _taken(value)
    if name == _WINDOW and len(value.args) == 2 and value.args[1].is_Symbol:
        text = value.args[1].name
        return call("@", expression(value.args[0]), static=window_of(text) if ".." in text else Window(text))
    args = list(value.args)
    name, look = looked(name, args)
    if name not in OPS or not (name.isidentifier() or OPS[name].formula):
        advice = did_you_mean(
            kind, filter(str.isidentifier, OPS), "the command `lossdsl ops` lists what the language can say"
        )
        raise error("no-counterpart", found=f"`{value}` of SymPy", advice=advice)
    if name in ("minimum", "maximum"):
        return call(name, *map(expression, value.args))
    op = OPS[name]
    static = look or _axes(op, args)
    more = len(args) - len(op.defaults)
    if more < -len(op.optional) or (more > 0 and (not op.repeats or more % len(op.repeats))):
        advice = f"give {', '.join([*op.required, *op.repeats, *op.options])}"
        raise error("no-counterpart", found=f"`{value}` of SymPy", advice=advice)
    return call(name, *map(expression, args), static=static)


def _axes(op: Op, args: list[Any]) -> Any:
    """The axes, taken from the end of the arguments: a symbol of which, unlike those of names, nothing is known."""
    least = len(op.defaults) - len(op.optional)
    if not (op.axis or op.renames) or len(args) <= least or not args[-1].is_Symbol:
        return None
    if len(args) <= len(op.defaults) and args[-1].is_real:
        return None
    axes = re.findall(r"[\w.]+", args.pop().name)
    if op.renames:
        return tuple(zip(axes[::2], axes[1::2], strict=True))
    return axes[0] if len(axes) == 1 else tuple(axes)


def _taken(value: Any) -> Expr:
    """An index or a slice."""
    x, *bounds = value.args
    if not all(bound.is_Integer or bound.is_Symbol for bound in bounds) or len(bounds) not in (1, 3):
        advice = "give an index, or `start, stop, stride` where `open` stands for a bound that is not given"
        raise error("no-counterpart", found=f"`{value}` of SymPy", advice=advice)
    at = [int(bound) if bound.is_Integer else None for bound in bounds]
    return call("[]", expression(x), static=at[0] if len(at) == 1 else tuple(at))
