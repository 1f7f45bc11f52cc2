"""Bodies of terms -> expressions whose squares sum to them, for solvers of nonlinear least squares."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import count

from lossdsl.backends.joined import is_free
from lossdsl.backends.masks import is_flag
from lossdsl.backends.program import Program, build
from lossdsl.backends.sizes import sized
from lossdsl.errors import LossError, error
from lossdsl.language import ZERO, Call, Expr, Name, Number, call, descending
from lossdsl.meaning import Defined, Object, Term, computed, summed
from lossdsl.operators import OPS, RAVELED, ROOT, TIME, WEIGHING, Op, stated

# As many as this come of a chain of definitions that doubles a few times.
_MOST = 1_000


@dataclass(frozen=True, eq=False)
class Residuals:
    """What squares to the terms of a loss.

    Attributes:
        program: Computes the arrays, each under a label of its own.
        labels: Those labels, by the label of the term.
    """

    program: Program
    labels: dict[str, list[str]]


@descending()
def residuals(terms: tuple[Term, ...]) -> Residuals:
    """What squares to the terms.

    Raises:
        LossValueError: For a term that is not a sum of squares, with the reason.
    """
    made: list[Term] = []
    labels: dict[str, list[str]] = {}
    for term in terms:
        try:
            found = _Squares().body(sized(summed(term.expr)))
        except LossError as failure:
            raise failure.in_term(term.label) from None
        labels[term.label] = [f"{term.label} {i}" for i in range(len(found))]
        made += [Term(name, Fraction(1), expr) for name, expr in zip(labels[term.label], found, strict=True)]
    return Residuals(build(tuple(made), windowed=False), labels)


class _Squares:
    """The body of one term; an axis that is taken away stays, under a name that no text has."""

    def __init__(self) -> None:
        self.numbers = count()
        self.found = 0
        self.flags: dict[bytes, bool] = {}

    def body(self, node: Expr) -> list[Expr]:
        """What squares to a body, with no `time` that would be summed."""
        return [self.unsummed(expr, (TIME,)) for expr in self.of(node)]

    def of(self, node: Expr) -> list[Expr]:
        """Expressions whose squares, summed over the axes that this one lacks, are the expression."""
        if isinstance(node, Name) and isinstance(node.meaning, Defined):
            return self.of(sized(computed(node.meaning)))
        if not isinstance(node, Call):
            return [self.free(node)]
        rule = _RULES.get(node.op.name) or _KINDS.get(node.op.squares if isinstance(node.op.squares, str) else "root")
        if rule is None:
            return [self.free(node)]
        found = rule(self, node)
        self.found += len(found)
        if self.found > _MOST:
            raise _refused(node, f"it is a sum of more than {_MOST:,} squares", "give what is large a name in the data")
        return found

    def free(self, node: Expr) -> Expr:
        """What neither states nor model change is the square of its root, if it is not negative."""
        if is_free(node, "states", "model") and not (isinstance(node, Call) and node.op.name == "neg"):
            return _root(node)
        if isinstance(node, Name):
            reason = "it is a term in Python" if isinstance(node.meaning, Object) else "it is not a square"
            advice = (
                "leave it out: `loss.without(...)`" if isinstance(node.meaning, Object) else f"write `square({node})`"
            )
            raise _refused(node, reason, advice)
        assert isinstance(node, Call)
        symbol = {"neg": "a subtraction", "+": "a sum"}.get(node.op.name, f"`{node.op.name}`")
        advice = "write it as a sum of squares, or leave the term out: `loss.without(...)`"
        if node.op.name == "norm":
            advice = f"its square is one: `sqnorm({node.args[0]})`"
        raise _refused(node, f"{symbol} has no root that is smooth", advice)

    def unsummed(self, expr: Expr, axes: tuple[str, ...]) -> Expr:
        """The expression, of which these axes are called otherwise."""
        names = tuple((axis, f"{axis} {next(self.numbers)}") for axis in axes if axis in (expr.axes or ()))
        return call("rename", expr, static=names) if names else expr

    def times(self, exprs: list[Expr], factor: Expr, op: Op = OPS["*"]) -> list[Expr]:
        """The expressions times the root of a factor, along the axes of both."""
        return [Call((_wide(expr, factor), _root(factor)), op) for expr in exprs]

    def sum(self, node: Call) -> list[Expr]:
        """What one addend lacks of the axes it counts along as often as there are places."""
        pairs = [(arg, self.of(arg)) for arg in node.args]
        return [_wide(expr, other) for arg, exprs in pairs for expr in exprs for other in [self.widest(node)]]

    def widest(self, node: Call) -> Expr:
        return max(node.args, key=lambda arg: len(arg.axes or ()))

    def product(self, node: Call) -> list[Expr]:
        """Squares times what is not negative."""
        x, factor = node.args
        if x == factor:
            return [x]
        if is_free(node, "states", "model"):
            return [self.free(node)]
        for square, other in ((x, factor), (factor, x)):
            if is_free(other) or self.is_flag(other):
                return self.times(self.of(square), other)
        advice = "write it as one square, or leave the term out: `loss.without(...)`"
        raise _refused(node, "both factors are made of the states", advice)

    def quotient(self, node: Call) -> list[Expr]:
        x, divisor = node.args
        if is_free(node, "states", "model"):
            return [self.free(node)]
        if not is_free(divisor):
            advice = "write it as a square, or leave the term out: `loss.without(...)`"
            raise _refused(node, f"its divisor `{divisor}` is made of the states", advice)
        return self.times(self.of(x), divisor, OPS["/"])

    def power(self, node: Call) -> list[Expr]:
        base, exponent = node.args
        if not isinstance(exponent, Number) or exponent.value <= 0 or exponent.value % 2:
            return [self.free(node)]
        half = exponent.value / 2
        return [base] if half == 1 else [call("**", base, Number(value=half))]

    def choice(self, node: Call) -> list[Expr]:
        mask, x, y = node.args
        taken: list[Expr] = [call("where", mask, _wide(expr, node), ZERO) for expr in self.of(x)]
        return taken + [call("where", mask, ZERO, _wide(expr, node)) for expr in self.of(y)]

    def operand(self, node: Call) -> list[Expr]:
        """The operand, where a mask leaves it in, times the root of the mask."""
        x, *masks = node.args
        if x.axes is None:
            return [self.unsummed(Call((x,), RAVELED), ("leaf",))]
        found: list[Expr] = [x]
        for mask in self.checked(node, masks):
            if mask.axes:
                found = self.times([call("where", mask, x, ZERO)], mask)
        return [self.unsummed(expr, node.along) for expr in found]

    def root(self, node: Call) -> list[Expr]:
        assert isinstance(node.op.squares, Op)
        rooted = Call(node.args, node.op.squares, node.static, span=node.span)
        return [self.unsummed(rooted, tuple(axis for axis in rooted.axes or () if axis not in (node.axes or ())))]

    def sums(self, node: Call) -> list[Expr]:
        x, *others = node.args
        self.checked(node, others)
        found = [Call((expr, *others), WEIGHING[node.op.name], node.static, span=node.span) for expr in self.of(x)]
        return [
            self.unsummed(expr, tuple(axis for axis in node.along if axis not in (node.axes or ()))) for expr in found
        ]

    def checked(self, node: Call, others: Sequence[Expr]) -> Sequence[Expr]:
        """The masks and exponents of an operator, whose roots are taken."""
        if not all(is_free(other) or self.is_flag(other) for other in others):
            raise _refused(node, "its mask is made of the states, and not 0 or 1", "write the mask with `greater`")
        return others

    def is_flag(self, node: Expr) -> bool:
        return is_flag(node, computed, self.flags)

    def picks(self, node: Call) -> list[Expr]:
        x, *others = node.args
        return [Call((expr, *others), node.op, node.static, span=node.span) for expr in self.of(x)]


Rule = Callable[[_Squares, Call], list[Expr]]
_RULES: dict[str, Rule] = {
    "+": _Squares.sum,
    "*": _Squares.product,
    "/": _Squares.quotient,
    "**": _Squares.power,
    "where": _Squares.choice,
}
_KINDS: dict[str, Rule] = {
    "operand": _Squares.operand,
    "root": _Squares.root,
    "sums": _Squares.sums,
    "picks": _Squares.picks,
}


def _refused(node: Expr, reason: str, advice: str) -> LossError:
    return error("no-residuals", node.span, found=str(node), reason=reason, advice=advice)


def _root(node: Expr) -> Expr:
    """The square root; of numbers and parameters exactly."""
    return call("sqrt", node) if node.constant else Call((node,), ROOT)


def _wide(expr: Expr, other: Expr) -> Expr:
    """The expression with the axes of another too, along which it is the same."""
    missing = tuple(axis for axis in other.axes or () if axis not in (expr.axes or ()))
    return Call((expr, other), OPS["expand"], stated(missing)) if missing else expr
