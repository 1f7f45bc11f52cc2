"""Body to body: what is rewritten, by a table of rules."""

from functools import lru_cache
from typing import Any

from lossdsl.language import Call, Expr, Name, Number, parse

# A rule is a row: left, right; x stands for any expression. Value and gradient are the same, NaN and inf included,
# wherever neither overflows: norm(x)**2 overflows where sqnorm(x) does, its gradient a little earlier.
RULES = (
    ("norm(x)**2", "sqnorm(x)"),  # the gradient at 0 is 0 in both
    ("square(norm(x))", "sqnorm(x)"),  # likewise
    ("sqnorm(-x)", "sqnorm(x)"),
    ("norm(-x)", "norm(x)"),
    ("abs(-x)", "abs(x)"),  # the gradient at 0 is 0 in both
    ("--x", "x"),
)


@lru_cache(maxsize=1)
def _rules() -> dict[str, list[tuple[Expr, Expr]]]:
    """The rules by the operator that they begin with."""
    found: dict[str, list[tuple[Expr, Expr]]] = {}
    for left, right in RULES:
        pattern = parse(left)
        assert isinstance(pattern, Call)
        found.setdefault(pattern.op.name, []).append((pattern, parse(right)))
    return found


def rewrite(node: Expr) -> Expr:
    """The expression with the rules applied, from the leaves up."""
    if not isinstance(node, Call) or node.constant:
        return node
    return by_rules(node.over([rewrite(arg) for arg in node.args]))


def by_rules(node: Call) -> Expr:
    """The expression with the rules applied to itself, not to what is in it."""
    result: Expr = node
    for left, right in _rules().get(node.op.name, ()):
        if (bound := _match(left, result)) is not None:
            result = _build(right, *bound).at(node.span)
    return result


def _match(pattern: Expr, node: Expr) -> tuple[Expr, Any] | None:
    """What x stands for, and the axis of the operator that takes one; None where the pattern does not fit."""
    if isinstance(pattern, Name):
        return node, None
    if not isinstance(pattern, Call) or not isinstance(node, Call) or pattern.op is not node.op:
        return None
    if len(pattern.args) != len(node.args):
        return None
    found = None
    for part, arg in zip(pattern.args, node.args, strict=True):
        if isinstance(part, Number):
            if part != arg:
                return None
            continue
        found = _match(part, arg)
        if found is None:
            return None
    return found and (found[0], node.static if node.op.axis else found[1])


def _build(pattern: Expr, x: Expr, axis: Any) -> Expr:
    if isinstance(pattern, Name):
        return x
    assert isinstance(pattern, Call)
    return Call(tuple(_build(arg, x, axis) for arg in pattern.args), pattern.op, axis if pattern.op.axis else None)
