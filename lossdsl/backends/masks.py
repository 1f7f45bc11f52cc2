"""Expressions -> the quantities that stand as masks, and those that stand as numbers; what is 0 or 1 alone."""

from collections.abc import Callable, Iterable

from lossdsl.language import ONE, ZERO, Call, Expr, Name, Number
from lossdsl.meaning import Defined, Quantity, aliased

Definition = Callable[[Defined], Expr]
# What gives one of its operands back or 0, and the operands that it may give.
_GIVES = dict.fromkeys(("[]", "own_slice", "rename", "expand", "max", "min", "abs"), (0,)) | {
    "where": (1, 2),
    "*": (0, 1),
}


def is_mask(node: Call, i: int) -> bool:
    """Whether an operand is a mask."""
    return bool(node.op.mask) and list(node.op.defaults).index(node.op.mask) == i


def viewed(node: Expr) -> Name | None:
    """The quantity of which an expression is a slice or has other names of its axes, or which it is."""
    while isinstance(node, Call) and (node.op.renames or node.op.name == "[]"):
        node = node.args[0]
    return node if isinstance(node, Name) and isinstance(node.meaning, Quantity) else None


def stand(exprs: Iterable[Expr]) -> tuple[set[str], set[str]]:
    """The quantities that stand as masks somewhere, and those that stand as numbers."""
    masks: set[str] = set()
    numbers: set[str] = set()
    seen: set[bytes] = set()
    stack = [(expr, False) for expr in exprs]
    while stack:
        node, masking = stack.pop()
        name = viewed(node)
        if name is not None and (masking or node is name):
            (masks if masking else numbers).add(name.name)
        elif isinstance(node, Call) and node.content not in seen:
            seen.add(node.content)
            stack += [(arg, is_mask(node, i)) for i, arg in enumerate(node.args)]
    return masks, numbers


def denied(node: Expr, is_flag: Callable[[Expr], bool]) -> Expr | None:
    """The expression that is 0 where, and only where, this one is not: `x` of `1 - x` and of `where(x, 0, 1)`."""
    if not isinstance(node, Call):
        return None
    if node.op.name == "where" and node.args[1:] == (ZERO, ONE):
        return node.args[0]
    less = _less_than_one(node)
    return less if less is not None and is_flag(less) else None


def _less_than_one(node: Call) -> Expr | None:
    """The expression `x` of `1 - x`."""
    if node.op.name != "+" or len(node.args) != 2 or node.args[0] != ONE:
        return None
    minus = node.args[1]
    return minus.args[0] if isinstance(minus, Call) and minus.op.name == "neg" else None


def is_flag(node: Expr, definition: Definition, known: dict[bytes, bool]) -> bool:
    """Whether an expression is 0 or 1 whatever its quantities are; what is `known` of others is looked up, and kept."""
    node = aliased(node)
    if isinstance(node, Number):
        return node.value in (0, 1)
    if isinstance(node, Name) and not isinstance(node.meaning, Defined):
        return False
    if node.content not in known:
        known[node.content] = _is_flag(node, lambda part: is_flag(part, definition, known), definition)
    return known[node.content]


def _is_flag(node: Expr, is_flag: Callable[[Expr], bool], definition: Definition) -> bool:
    if isinstance(node, Name):
        assert isinstance(node.meaning, Defined)
        return is_flag(definition(node.meaning))
    assert isinstance(node, Call)
    less = _less_than_one(node)
    if less is not None:
        return is_flag(less)
    parts = _GIVES.get(node.op.name)
    return node.op.indicates or (parts is not None and all(is_flag(node.args[i]) for i in parts))
