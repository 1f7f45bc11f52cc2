"""Tree to weighted terms: sums split, weights collected exactly, bodies rewritten."""

import inspect
import math
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from lossdsl.errors import Span, each, error
from lossdsl.language import MAX_DEPTH, Call, Expr, Label, Name, Number, call
from lossdsl.meaning import weights
from lossdsl.meaning.defined import Defined, each_name, uneven
from lossdsl.meaning.rules import by_rules, rewrite
from lossdsl.meaning.symbolic import expression, to_sympy, value_of
from lossdsl.meaning.vocabulary import Parameter
from lossdsl.meaning.weights import Exact
from lossdsl.operators import BATCH, TIME

_ONE = Fraction(1)
# How many nodes the definitions may add that the weights and the uneven sums of a loss unfold, and for each of its own.
_MAX_UNFOLDED, _MAX_GROWTH = 5_000, 5
_MOST_ROUNDS = 5
# What definitions are as weights and as even sums, so that each is worked out once, however often it is used.
_WEIGHTS: "WeakKeyDictionary[Defined, Exact]" = WeakKeyDictionary()
_EVEN: "WeakKeyDictionary[Defined, Expr]" = WeakKeyDictionary()


@dataclass(frozen=True)
class Term:
    """One row of a loss: `weight * expr`.

    Attributes:
        label: Its key in the `LossDict`.
        factor: Its weight: an exact number, or a SymPy expression of parameters and `step`.
        expr: Its body, bound; still to be summed over `time` and averaged over `batch`.
    """

    label: str
    factor: Exact
    expr: Expr
    span: Span | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"Term({self.label!r}, {expression(self.factor)}, {str(self.expr)!r})"

    @property
    def weight(self) -> Any:
        """The weight as an exact SymPy expression."""
        return to_sympy(expression(self.factor))

    @cached_property
    def number(self) -> Fraction | float | None:
        """The weight where it is a number, a float where it is irrational; `with_weights` can change it then."""
        return self.factor if isinstance(self.factor, Fraction) else value_of(self.factor)


class _Part(NamedTuple):
    """A weighted part of a sum, on its way to become a term."""

    factor: Exact
    body: Expr
    label: str = ""
    span: Span | None = None

    def scaled(self, by: Exact, span: Span | None) -> "_Part":
        return _Part(weights.multiply(self.factor, by, span), self.body, self.label, span)


def normal_form(expr: Expr) -> tuple[Term, ...]:
    """The weighted terms of a bound loss, in the order written.

    Sums split, at the top and through linear operators; what is a number or made of parameters and `step` is
    collected in the weight; equal bodies become one term. A term of weight 0 stays.

    Raises:
        LossNameError: For two different bodies with one label.
        LossAxesError: For a term without any quantity, or with an axis left over.
        LossValueError: For a weight that is not finite, or definitions that unfold to very much.
    """
    _check_growth(expr)
    parts = each(_term_body, _split(expr))
    return merge([Term(part.label, part.factor, part.body, part.span or part.body.span) for part in parts])


def _check_growth(expr: Expr) -> None:
    """Refuse definitions of definitions that would unfold to exponentially many nodes.

    Those that unfold are weights made of parameters, and uneven sums; a number is worked out once.
    """
    added: dict[str, int] = {}
    size = grown = 0
    worst: Expr = expr
    for node in expr.walk():
        size += 1
        if isinstance(node, Name) and isinstance(node.meaning, Defined):
            if node.name not in added:
                added[node.name] = node.meaning.size if _unfolds(node) else 0
                worst = max(worst, node, key=lambda each: added.get(str(each), 0))
            grown += added[node.name]
    if grown > _MAX_UNFOLDED + _MAX_GROWTH * size:
        raise error("too-large", worst.span, found=str(worst))


def _unfolds(node: Name) -> bool:
    if node.constant:
        return any(isinstance(name.meaning, Parameter) for name in each_name([node]).values())
    return uneven(node)


def merge(terms: list[Term]) -> tuple[Term, ...]:
    """Terms of one label and one body become one, with the summed weight.

    Raises:
        LossNameError: For two different bodies with one label.
    """
    rows: dict[str, list[Term]] = {}
    for term in terms:
        row = rows.setdefault(term.label, [])
        if row and row[0].expr != term.expr:
            first, second = str(row[0].expr), str(term.expr)
            raise error("same-label", term.span, label=term.label, first=first, second=second)
        row.append(term)
    return tuple(_settled(row[0] if len(row) == 1 else _summed(row)) for row in rows.values())


def _summed(row: list[Term]) -> Term:
    return replace(row[0], factor=weights.add([term.factor for term in row], row[0].span))


def _settled(term: Term) -> Term:
    """The term with the weight that its text has: SymPy may put the sign of `-(a + 1)*b` into the sum."""
    factor = term.factor if isinstance(term.factor, Fraction) else _settled_weight(term.factor)
    return term if factor is term.factor else replace(term, factor=factor)


@lru_cache(maxsize=1_000)  # one definition may be the weight of many terms
def _settled_weight(factor: Exact) -> Exact:
    for _ in range(_MOST_ROUNDS):
        before, factor = factor, factor if isinstance(factor, Fraction) else weight_of(expression(factor))
        if factor == before:
            break
    return factor


def written(terms: tuple[Term, ...]) -> Expr:
    """The expression that a normal form stands for; its own normal form is the same."""
    first, *others = terms
    addends = [_weighted(first), *(_addend(term) for term in others)]
    return addends[0] if len(addends) == 1 else call("+", *addends)


def _addend(term: Term) -> Expr:
    """A term after the first, a negative one as a subtraction."""
    sign = term.factor if isinstance(term.factor, Fraction) else term.factor.as_coeff_Mul()[0]
    if sign < 0:
        return call("neg", _weighted(replace(term, factor=-term.factor)))
    return _weighted(term)


def _weighted(term: Term) -> Expr:
    match term.factor:
        case 1:
            scaled = term.expr
        case -1:
            scaled = call("neg", term.expr)
        case _:
            scaled = call("*", expression(term.factor), term.expr)
    return scaled if term.label == str(term.expr) else Label((scaled,), name=term.label)


def _split(node: Expr) -> list[_Part]:
    """The weighted parts whose sum is the expression."""
    if node.constant:
        return [_Part(_ONE, node)]
    if isinstance(node, Label):
        return [_whole(node.args[0])._replace(label=node.name)]
    if not isinstance(node, Call):
        return [_Part(_ONE, node)]
    match node.op.name:
        case "+" if not any(arg.constant for arg in node.args):
            return [part for parts in each(_split, node.args) for part in parts]
        case "neg":
            return [part.scaled(-_ONE, node.span) for part in _split(node.args[0])]
        case "*" | "/":
            return _split_product(node)
    return _split_linear(node) if node.op.linear else [_Part(_ONE, rewrite(node))]


def _whole(node: Expr) -> _Part:
    """The expression as one part, its scale outside and its sum unsplit."""
    if isinstance(node, Call) and node.op.name == "+":
        return _Part(_ONE, rewrite(node))
    if isinstance(node, Call) and node.op.name == "neg":
        return _whole(node.args[0]).scaled(-_ONE, node.span)
    if isinstance(node, Call) and node.op.name in ("*", "/") and not node.constant:
        scale, rest = _scale(node)
        if rest is not node:
            return _whole(rest).scaled(scale, node.span)
    parts = _split(node)
    return parts[0] if len(parts) == 1 else _Part(_ONE, rewrite(node))


def _scale(node: Call) -> tuple[Exact, Expr]:
    """A product or quotient as an exact number and what it multiplies."""
    left, right = node.args
    if right.constant:
        by = weight_of(right)
        return by if node.op.name == "*" else weights.power(by, -_ONE, node.span), left
    if left.constant and node.op.name == "*":
        return weight_of(left), right
    return _ONE, node


def _split_product(node: Call) -> list[_Part]:
    scale, rest = _scale(node)
    if rest is not node:
        return [part.scaled(scale, node.span) for part in _split(rest)]
    left, right = node.args
    if left.constant:
        body = rewrite(node.func(Number(value=_ONE), right))
        return [_Part(weight_of(left), body)]
    outer = _whole(left)
    inner = _whole(right) if node.op.name == "*" else _Part(_ONE, right)
    if outer.label or inner.label:
        return [_Part(_ONE, node)]
    body = rewrite(node.func(outer.body, inner.body))
    return [_Part(weights.multiply(outer.factor, inner.factor, node.span), body)]


def _split_linear(node: Call) -> list[_Part]:
    """A linear operator of a sum is the sum of it, where every addend has all the axes of the sum."""
    operand, *others = node.args
    parts = _split(operand)
    if any(set(part.body.axes or ()) != set(operand.axes or ()) for part in parts):
        parts = [_whole(operand)]
    # What is in it is rewritten already; once more at each level would take quadratic time.
    others = [rewrite(other) for other in others]
    return [_Part(part.factor, by_rules(node.func(part.body, *others)), part.label) for part in parts]


def _term_body(part: _Part) -> _Part:
    """The part with its label; refuses a body that is not the body of a term."""
    body = part.body
    if body.constant:
        raise error("no-quantity", body.span, found=str(body))
    for inner in body.walk():
        if isinstance(inner, Label):
            raise error("label-inside", inner.span, operator=str(_unlabelled(body)), name=inner.name)
    even = _even(body)
    if even.axes is None:
        raise error("tree", body.span, operand=str(body))
    for axis in even.axes:
        if axis not in (TIME, BATCH):
            raise error("axis-left", body.span, axis=axis, body=str(body))
    # The label is text that parses, and to the same term.
    label = part.label or str(body if isinstance(body, Name) else even)
    # A definition that is unfolded is rewritten, its scale outside, as where its text is written.
    whole = _whole(even) if isinstance(body, Name) and even is not body else _Part(_ONE, even)
    return whole.scaled(part.factor, part.span)._replace(label=label, span=part.span)


def _unlabelled(node: Expr) -> Expr:
    if isinstance(node, Label):
        return _unlabelled(node.args[0])
    return node.func(*[_unlabelled(arg) for arg in node.args]) if node.args else node


def _even(node: Expr, depth: int = 0) -> Expr:
    """An uneven sum with the addends that have `time` summed over it.

    So a label or a definition never changes the total: aligned to `time`, the others would count once per step.
    """
    if not uneven(node):
        return node
    if depth > MAX_DEPTH:
        raise error("too-deep", node.span, limit=MAX_DEPTH)
    if isinstance(node, Name):
        assert isinstance(node.meaning, Defined)
        found = _EVEN.get(node.meaning)
        if found is None:
            found = _EVEN[node.meaning] = _even(node.meaning.expr, depth + 1)
        return found
    args = [_even(arg, depth + 1) for arg in node.args]
    timed = [TIME in (arg.axes or ()) for arg in args]
    if len({has for has, arg in zip(timed, args, strict=True) if not arg.constant}) > 1:
        args = [call("sum", arg, span=arg.span) if has else arg for has, arg in zip(timed, args, strict=True)]
    return node.func(*args)


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


def check_domains(calls: Iterable[Call]) -> None:
    """Refuse numbers that an operator is not made for, whichever way they are written.

    Raises:
        LossValueError: With the operator, what it needs, and what it is given.
    """
    for node in calls:
        known: dict[str, list[Fraction]] = {}
        spans: dict[str, Span | None] = {}
        for (name, _), arg in zip(node.op.parameters(len(node.args)), node.args, strict=True):
            if arg.constant and isinstance(value := weight_of(arg), Fraction):
                known.setdefault(name, []).append(value)
                spans[name] = arg.span
        for needs, holds in node.op.domain.items():
            names = list(inspect.signature(holds).parameters)
            if all(name in known for name in names) and not holds(
                *(known[name] if name in node.op.repeats else known[name][0] for name in names)
            ):
                given = ", ".join(f"`{name}` is {_shown(known[name])}" for name in names)
                fields = {"operator": node.op.name, "needs": needs, "given": given, "example": node.op.example}
                raise error("out-of-domain", spans[names[-1]] or node.span, **fields)


def _shown(values: Iterable[Fraction]) -> str:
    return ", ".join(str(expression(value)) for value in values)
