"""Bodies of terms -> what each step of the states adds to them, of that step and a few before alone."""

from collections.abc import Callable
from dataclasses import dataclass
from fractions import Fraction
from typing import NamedTuple

from lossdsl.backends.joined import is_free, joined, trials_joined
from lossdsl.backends.lines import Earlier, Folded, Line, Whole, reached
from lossdsl.backends.lower import Lowering
from lossdsl.backends.stepwise import StreamProgram, built, summed_over_time
from lossdsl.backends.when import LAST, Edge
from lossdsl.errors import LossError, error
from lossdsl.language import ONE, ZERO, Call, Expr, Name, call, descending
from lossdsl.meaning import Defined, Term
from lossdsl.operators import OPS, TIME, stated

# What takes the value of one step.
_PICKS = "final"


@dataclass(frozen=True, eq=False)
class Added:
    """What of a loss is compiled to be added step by step.

    Attributes:
        program: Computes the parts, each under a label of its own.
        labels: Those labels, by the label of the term.
        ready: The step at which a part has its value, for those that are no sums over the steps.
        order: How many steps before the present one it reads.
    """

    program: StreamProgram
    labels: dict[str, list[str]]
    ready: dict[str, int]
    order: int


@descending()
def added(terms: tuple[Term, ...], steps: int, delay: int) -> Added:
    """What each of so many steps adds to the terms.

    Raises:
        LossAxesError: For a term that cannot be computed step by step, that needs more than one trial at a time, or
            that needs to know at a step what was long before.
    """
    lowering = Lowering()
    addends: dict[str, list[_Addend]] = {}
    for term in terms:
        body = summed_over_time(lowering.body(term.expr))
        if found := joined([body], lowering.definition):
            raise trials_joined(*found).in_term(term.label)
        addends[term.label] = _Addends(lowering.definition).of(body)
    parts = {f"{term.label} {i}": (term, addend) for term in terms for i, addend in enumerate(addends[term.label])}
    rows = tuple(Term(label, Fraction(1), term.expr) for label, (term, _) in parts.items())
    try:
        bodies = {label: addend.expr for label, (_, addend) in parts.items()}
        program, planned = built(rows, bodies, lowering, True, steps, delay)
    except LossError as failure:
        if failure.term in parts:
            failure.term = parts[failure.term][0].label
        raise
    ready: dict[str, int] = {}
    order = 0
    for label, (term, addend) in parts.items():
        picked = _picked(planned[label].tree, addend.is_sum, steps)
        apart = max(picked) - min(picked) if picked else 0
        if picked is None or apart > delay:
            raise error("not-added", term.expr.span, found=str(term.expr)).in_term(term.label)
        order = max(order, _back(planned[label].tree) + apart)
        if not addend.is_sum:
            ready[label] = max(picked, default=0)
    labels = {term.label: [label for label, (of, _) in parts.items() if of is term] for term in terms}
    return Added(program, labels, ready, order)


class _Addend(NamedTuple):
    """One of what a term is a sum of."""

    expr: Expr
    is_sum: bool  # over the steps


class _Addends:
    """What the body of one term is a sum of."""

    def __init__(self, definition: Callable[[Defined], Expr]) -> None:
        self.definition = definition

    def of(self, node: Expr) -> list[_Addend]:
        found = self.found(node)
        return found if any(addend.is_sum for addend in found) else [_Addend(node, False)]

    def found(self, node: Expr) -> list[_Addend]:
        if isinstance(node, Name) and isinstance(node.meaning, Defined):
            return self.of(self.definition(node.meaning))
        if not isinstance(node, Call):
            return []
        if node.op.name == "+":
            return [addend for arg in node.args for addend in self.of(arg)]
        if TIME in node.along:
            adds = node.op.name == "mean" or (node.op.fold is not None and node.op.fold.adds)
            return [_Addend(_as_sum(node), True)] if adds else []
        i = next((i for i in range(len(node.args)) if _is_linear(node, i)), None)
        if i is None:
            return []
        around = node.args[:i], node.args[i + 1 :]
        return [_Addend(node.over([*around[0], expr, *around[1]]), is_sum) for expr, is_sum in self.of(node.args[i])]


def _as_sum(node: Call) -> Expr:
    """A mean over the steps as a sum, if what divides it is known before them."""
    if node.op.name != "mean" or not is_free(node.args[1]):
        return node
    x, mask = node.args
    others = tuple(axis for axis in node.along if axis != TIME)
    if TIME in (mask.axes or ()):
        masked = tuple(axis for axis in node.along if axis in (mask.axes or ()))
        even = tuple(axis for axis in others if axis not in masked)
        x = call("mean", x, static=stated(even)) if even else x
        total = call("sum", mask, static=stated(masked))
        return call("/", call("sum", x, mask, static=stated(masked)), call("where", total, total, ONE))
    if others:
        x = call("mean", x, mask, static=stated(others))
    elif mask.axes:
        x = call("where", mask, x, ZERO)
    return call("/", call("sum", x, static=TIME), Call((x,), OPS["length"], TIME))


def _is_linear(node: Call, i: int) -> bool:
    """Whether an operator that leaves `time` alone is linear in an operand, the others being known before."""
    linear = node.op.name in ("neg", "*") or (i == 0 and (node.op.linear or node.op.name == "/"))
    return linear and all(is_free(arg) for j, arg in enumerate(node.args) if j != i)


def _folded(tree: Expr, ends: type | tuple[type, ...]) -> list[Folded]:
    return [name.meaning for name in reached([tree], ends) if isinstance(name.meaning, Folded)]


def _picked(tree: Expr, is_sum: bool, steps: int) -> list[int] | None:
    """The steps whose values a part is made of at the end, none of a sum; None if it grows in another way."""
    last = _folded(tree, (Whole, Folded))
    if len(last) < len(_folded(tree, Whole)):
        return None
    if is_sum:
        return [] if [fold.adds for fold in last] == [True] else None
    places = [_place(fold, steps) for fold in last]
    picked = [place for place in places if place is not None]
    return picked if len(picked) == len(places) else None


def _place(fold: Folded, steps: int) -> int | None:
    """The step whose value is taken, if it is one that is known before."""
    if fold.node.op.name != _PICKS or len(fold.node.args) > 1 or len(fold.when.stops) > 1:
        return None
    stops = fold.when.stops
    edge = stops[0].later(-1) if stops else LAST
    return _number(edge, steps)


def _number(edge: Edge, steps: int) -> int:
    return max(steps + edge.number, edge.least) if edge.from_end else edge.number


def _back(tree: Expr) -> int:
    """How many steps before the present one an expression is made of."""
    backs: dict[str, int] = {}
    for name in reached([tree], Whole):
        needs = name.meaning.needs if isinstance(name.meaning, Line) else ()
        inner = max(
            (backs.get(part.name, 0) for need in needs for part in need.walk() if isinstance(part, Name)), default=0
        )
        own = name.meaning.steps * name.meaning.when.stride if isinstance(name.meaning, Earlier) else 0
        backs[name.name] = inner + own
    return max(backs.values(), default=0)
