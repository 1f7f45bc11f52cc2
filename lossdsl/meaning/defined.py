"""What a defined name means, what may define it, and the names that expressions are made of through definitions."""

import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lossdsl.errors import did_you_mean, error
from lossdsl.language import Call, Called, Expr, Function, Label, Let, Name
from lossdsl.operators import FREE, Axes, named


@dataclass(frozen=True, eq=False)
class Defined:
    """What a defined name means: an expression, of the vocabulary or of the text itself.

    What is asked of it often is worked out once, so that no question descends a chain of definitions. `size` is
    the number of nodes when all definitions in it are unfolded, `uneven` is what the function of that name says,
    `asks` are the axes whose length comes from where it is used, and `windowed` is whether it says which steps count.
    """

    expr: Expr
    local: bool
    latex: str
    doc: str
    content: bytes
    axes: Axes | None
    constant: bool
    size: int
    uneven: bool
    asks: frozenset[str]
    windowed: bool


def lacks_length(node: Expr) -> bool:
    """Whether it takes the length of an axis from what stands beside it, or is a definition that does."""
    if isinstance(node, Call):
        return node.op.has_length and len(node.args) < len(node.op.defaults)
    return isinstance(node, Name) and isinstance(node.meaning, Defined) and bool(node.meaning.asks)


def asks(expr: Expr) -> frozenset[str]:
    """The axes whose length comes from where an expression is used."""
    free = {axis for axis, length in (expr.axes or {}).items() if length == FREE}
    asked: set[str] = set()
    for node in filter(lacks_length, expr.walk()):
        # An axis that it has itself is told by what stands beside it, or is still free.
        meaning: Any = node.meaning if isinstance(node, Name) else None
        axes = meaning.asks if meaning else named(node.static)
        asked |= {*axes} - {*(node.axes or ())}
    if asked:
        asked -= {axis for name in each_name([expr]).values() for axis in name.axes or ()}
    return frozenset(free | asked)


def aliased(node: Expr) -> Expr:
    """What a name stands for at last that stands for another name, so that no question descends a chain of names."""
    while isinstance(node, Name) and isinstance(node.meaning, Defined) and isinstance(node.meaning.expr, Name):
        node = node.meaning.expr
    return node


def weighs(node: Call) -> bool:
    """Whether it is a sum, or something times a number."""
    divisor = node.op.name == "/" and not node.args[1].constant
    return not divisor and (node.op.name == "+" or sum(not arg.constant for arg in node.args) < 2)


def unfolded_size(node: Expr) -> int:
    """How many nodes a node alone stands for when all definitions are unfolded."""
    return node.meaning.size if isinstance(node, Name) and isinstance(node.meaning, Defined) else 1


def each_name(
    exprs: Iterable[Expr], definition: Callable[[Defined], Expr] = operator.attrgetter("expr")
) -> dict[str, Name]:
    """All names that bound expressions are made of, through their definitions, what is needed first standing first."""
    return in_order(exprs, lambda name: [definition(name.meaning)] if isinstance(name.meaning, Defined) else ())


def in_order(exprs: Iterable[Expr], behind: Callable[[Name], Sequence[Expr]]) -> dict[str, Name]:
    """The names in expressions, and in what stands behind each of them, what is needed first standing first."""
    found: dict[str, Name] = {}
    opened: set[str] = set()
    stack = [*reversed(tuple(exprs))]
    while stack:
        node = stack.pop()
        if not isinstance(node, Name):
            stack += reversed(node.args)
        elif node.name in opened:
            found.setdefault(node.name, node)
        else:
            opened.add(node.name)
            stack.append(node)  # once more, after what it is made of
            stack += reversed(behind(node))
    return found


def check_body(name: str, value: Expr) -> None:
    """Refuse labels and definitions in a definition.

    Raises:
        LossSyntaxError: At the first of them.
    """
    for part in value.walk():
        if isinstance(part, Label):
            raise error("label-inside", part.span, operator=name, name=part.name)
        if isinstance(part, Let):
            raise error("let-inside", part.names[0].span, name=str(part.names[0]))


def check_used(name: Name, used: Mapping[str, Name]) -> None:
    """Refuse a definition that nothing uses.

    Raises:
        LossNameError: With the nearest name that is used.
    """
    if name.name not in used:
        advice = did_you_mean(name.name, used, "use it in a term, or take it away")
        raise error("unused-definition", name.span, name=name.name, advice=advice)


def called_from(loss: Expr, pending: Mapping[str, Expr]) -> dict[str, Name]:
    """The definitions that a loss is made of, with arguments and without, through each other."""
    found: dict[str, Name] = {}
    stack = [loss] if any(isinstance(value, Function) for value in pending.values()) else []
    while stack:
        for node in stack.pop().walk():
            name = node.callee if isinstance(node, Called) else node
            if isinstance(name, Name) and name.name in pending and name.name not in found:
                found[name.name] = name
                stack.append(pending[name.name])
    return found
