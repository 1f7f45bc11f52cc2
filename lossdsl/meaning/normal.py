"""Tree to weighted terms: sums split, weights collected exactly, bodies rewritten."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from lossdsl.errors import LossError, Span, error, listed
from lossdsl.language import MAX_DEPTH, PRODUCT, Call, Expr, Label, Name, Number, axis_text, call
from lossdsl.meaning import weights
from lossdsl.meaning.defined import Defined, asks, each_name, lacks_length
from lossdsl.meaning.formulas import check_term
from lossdsl.meaning.rules import by_rules, rewrite
from lossdsl.meaning.scale import is_homogeneous, parted, weight_of
from lossdsl.meaning.symbolic import expression, to_sympy, value_of
from lossdsl.meaning.vocabulary import Parameter
from lossdsl.meaning.weights import Exact
from lossdsl.meaning.windows import check_windows, steps_of, uneven
from lossdsl.operators import BATCH, TIME
from lossdsl.several import each

_ONE = Fraction(1)
# How many nodes the definitions may add that the weights and the uneven sums of a loss unfold, and for each of its own.
_MAX_UNFOLDED, _MAX_GROWTH = 5_000, 5
_MOST_ROUNDS = 5
# What definitions are as even sums, so that each is worked out once, however often it is used.
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
    check_windows(expr)
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
    scaled = _times(term.factor, term.expr)
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
    return _split_linear(node) if node.op.linear else [_factored(node)]


def _whole(node: Expr) -> _Part:
    """The expression as one part, its scale outside and its sum unsplit."""
    if not isinstance(node, Call) or node.constant:
        return _split(node)[0]
    match node.op.name:
        case "+":
            return _Part(_ONE, rewrite(node))
        case "neg":
            return _whole(node.args[0]).scaled(-_ONE, node.span)
        case "*" | "/":
            scale, rest = _scale(node)
            if rest is not node:
                return _whole(rest).scaled(scale, node.span)
            return _split_product(node)[0]
    return _factored(node)


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
        return [_factored(node.func(Number(value=_ONE), right)).scaled(weight_of(left), node.span)]
    return [_factored(node)]


def _factored(node: Call) -> _Part:
    """An operator, before it what may go there of the factors of its operands."""
    if not node.op.degrees and node.op.name != "**":
        return _Part(_ONE, rewrite(node))
    factor, label, args = _ONE, "", []
    for i, arg in enumerate(node.args):
        # What is in a part is rewritten already; once more at each level would take quadratic time.
        part = _whole(arg) if is_homogeneous(node, i) else _Part(_ONE, rewrite(arg))
        if part.label and not node.op.linear:
            return _Part(_ONE, node)
        goes, stays = parted(node, i, part.factor)
        factor, label = weights.multiply(factor, goes, node.span), label or part.label
        args.append(rewrite(arg) if stays == part.factor and abs(stays) != 1 else _times(stays, part.body))
    return _Part(factor, by_rules(node.func(*args)), label)


def _times(factor: Exact, body: Expr) -> Expr:
    match factor:
        case 1:
            return body
        case -1:
            return call("neg", body)
    return call("*", expression(factor), body)


def _split_linear(node: Call) -> list[_Part]:
    """A linear operator of a sum is the sum of it, where every addend has all the axes of the sum."""
    operand, *others = node.args
    parts = _split(operand)
    # An axis that only the other addends have a length for would have none.
    if any(dict(part.body.axes or {}) != dict(operand.axes or {}) for part in parts):
        parts = [_whole(operand)]
    # What is in it is rewritten already; once more at each level would take quadratic time.
    others = [rewrite(other) for other in others]
    made = []
    for part in parts:
        goes, stays = parted(node, 0, part.factor)
        made.append(_Part(goes, by_rules(node.func(_times(stays, part.body), *others)), part.label))
    return made


def _term_body(part: _Part) -> _Part:
    """The part with its label; refuses a body that is not the body of a term."""
    body = part.body
    if body.constant:
        raise error("no-quantity", body.span, found=str(body))
    check_term(body)
    for inner in body.walk():
        if lacks_length(inner):
            _check_lengths(body, inner)
        if isinstance(inner, Label):
            raise error("label-inside", inner.span, operator=_unlabelled(body).written.at(PRODUCT), name=inner.name)
    even = _even(body)
    if even.axes is None:
        raise error("tree", body.span, operand=str(body))
    left = [axis for axis in even.axes if axis not in (TIME, BATCH)]
    if left:
        raise _left_over(body, left)
    # The label is text that parses, and to the same term.
    label = part.label or str(body if isinstance(body, Name) else even)
    # A definition that is unfolded is rewritten, its scale outside, as where its text is written.
    whole = _whole(even) if isinstance(body, Name) and even is not body else _Part(_ONE, even)
    return whole.scaled(part.factor, part.span)._replace(label=label, span=part.span)


def _left_over(body: Expr, left: Sequence[str]) -> LossError:
    axes, axis = listed(left), axis_text(left[0] if len(left) == 1 else left)
    if len(left) == 1:
        said = {"axes": f"the axis {axes} is", "them": "it", "vector": str(body)}
    else:
        said = {"axes": f"the axes {axes} are", "them": "them", "vector": f"{body}, axis={axis}"}
    return error("axis-left", body.span, axis=axis, body=str(body), **said)


def _check_lengths(body: Expr, part: Expr) -> None:
    """Refuse a body that takes the length of an axis from what stands beside it: nothing does."""
    for axis in sorted(asks(body)):
        raise error("no-length", part.span, axis=axis, operand=str(part))


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
    if len({steps_of(arg) for arg in args if not arg.constant}) > 1:
        args = [call("sum", arg, span=arg.span) if TIME in (arg.axes or ()) else arg for arg in args]
    return node.func(*args)
