"""Bodies of terms -> what each trial has of them alone, and how much it counts in their mean or sum."""

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from lossdsl.backends.joined import joined, reads, trials_joined
from lossdsl.backends.program import Program, build
from lossdsl.backends.sizes import sized
from lossdsl.errors import LossError
from lossdsl.language import ONE, ZERO, Call, Expr, Name, call, descending
from lossdsl.meaning import Defined, Term, computed, lacks_length, summed
from lossdsl.operators import BATCH, stated


@dataclass(frozen=True, eq=False)
class Apart:
    """A loss as what each trial has of it.

    Attributes:
        program: Computes the terms of each trial.
        counts: Computes, of the trials alone, how much each counts in the terms that are a mean with a mask over all
            trials; None if there are none.
        sums: The terms that are a sum over all trials, and no mean.
    """

    program: Program
    counts: Program | None
    sums: frozenset[str]


@descending()
def apart(terms: tuple[Term, ...]) -> Apart:
    """What each trial has of the terms alone.

    A term is the mean over the trials of what each has. One that ends with a `mean` or a `sum` over `batch` is that of
    what each trial has; where the mean has a mask, a trial counts as much as the mask has of it.

    Raises:
        LossAxesError: For a term that needs more than one trial at a time, with the place and the reason.
    """
    bodies: dict[str, Expr] = {}
    counts: dict[str, Expr] = {}
    sums: set[str] = set()
    for term in terms:
        try:
            bodies[term.label] = _Ending(term.label, counts, sums).of(summed(term.expr))
            if found := joined([bodies[term.label], *(counts[label] for label in (term.label,) if label in counts)]):
                raise trials_joined(*found)
        except LossError as failure:
            raise failure.in_term(term.label) from None
    return Apart(_built(bodies), _built(counts) if counts else None, frozenset(sums))


@dataclass(frozen=True)
class _Ending:
    """How one term ends."""

    label: str
    counts: dict[str, Expr]
    sums: set[str]

    def of(self, node: Expr) -> Expr:
        """What a trial has of a body, a factor of all trials and its last reduction over them left behind."""
        if isinstance(node, Name) and isinstance(node.meaning, Defined):
            inner = computed(node.meaning)
            return found if (found := self.of(inner)) is not inner else node
        if not isinstance(node, Call):
            return node
        if node.op.name in ("*", "/") and not node.args[1].axes:
            return node.over([self.of(node.args[0]), node.args[1]])
        if node.op.name == "*" and not node.args[0].axes:
            return node.over([node.args[0], self.of(node.args[1])])
        if node.op.name in ("mean", "sum") and BATCH in node.along:
            return self.ended(node)
        return node

    def ended(self, node: Call) -> Expr:
        x, mask = node.args
        rest = tuple(axis for axis in node.along if axis != BATCH)
        if node.op.name == "sum":
            self.sums.add(self.label)
        elif BATCH in (mask.axes or ()):
            self.counts[self.label] = self.count(node, mask)
        if rest:
            return Call((x, mask), node.op, stated(rest), span=node.span)
        if mask == ONE:
            return x
        left = call("where", mask, x, ZERO)
        return call("*", left, mask) if node.op.name == "sum" else left

    def count(self, node: Call, mask: Expr) -> Expr:
        """How much a mask has of each trial."""
        if node.axes:
            left = ", ".join(f"`{axis}`" for axis in node.axes)
            raise trials_joined(node, f"the mask counts the trials for each of {left}", f"reduce {left} too")
        told = sized(mask)
        # It may ask the states how many steps there are.
        if reads(told, "states", "model") or any(map(lacks_length, told.walk())):
            reason = f"how much its mask `{mask}` counts is known at the end only"
            raise trials_joined(node, reason, "give the mask in `trial_specs`")
        others = tuple(axis for axis in mask.axes or () if axis != BATCH)
        return call("sum", told, static=stated(others)) if others else told


def _built(bodies: Mapping[str, Expr]) -> Program:
    return build(tuple(Term(label, Fraction(1), body) for label, body in bodies.items()), windowed=False)
