"""Expressions -> the same, in which each axis that nothing has a length for is told it by what stands beside it."""

from collections.abc import Iterable, Mapping
from typing import Any

from lossdsl.errors import error
from lossdsl.language import Call, Expr, Name
from lossdsl.meaning import Defined, Quantity, aliased, computed, each_name, lacks_length, own_length
from lossdsl.operators import FREE, TIME, Axes, named

# An expression that has an axis, by the axis.
Likes = Mapping[str, Expr]
# A definition that asks for lengths is worked out wherever it is used.
_MOST_UNFOLDED = 5_000
_SMALL = 2


def sized(node: Expr) -> Expr:
    """The expression with `like=...` wherever an operator takes the length of an axis from what stands beside it."""
    if not any(map(lacks_length, node.walk())):
        return node
    return _sized(node, _of_quantities([node]))


def _of_quantities(exprs: Iterable[Expr]) -> dict[str, Expr]:
    """A quantity that has the axis, for each axis that there is."""
    found: dict[str, Expr] = {}
    for name in each_name(exprs).values():
        if isinstance(name.meaning, Quantity):
            found |= {axis: name for axis in name.axes or () if axis not in found}
    return found


def _sized(node: Expr, likes: Likes) -> Expr:
    if isinstance(node, Name):
        return _sized(_unfolded(node), likes) if lacks_length(node) else node
    if not isinstance(node, Call):
        return node
    args = [_sized(arg, _beside(node, i, likes)) for i, arg in enumerate(node.args)]
    return _told(node.over(args), likes) if lacks_length(node) else node.over(args)


def _unfolded(node: Name) -> Expr:
    assert isinstance(node.meaning, Defined)
    if node.meaning.size > _MOST_UNFOLDED:
        raise error("too-large", node.span, found=node.name)
    return computed(node.meaning)


def _beside(node: Call, i: int, likes: Likes) -> Likes:
    """What has the axes of an operand: the other operands, or what has those of the whole."""
    kept = node.fit.result
    found = {axis: like for axis, like in likes.items() if axis not in (node.args[i].axes or ()) or axis in kept}
    for j, other in enumerate(node.args):
        if j != i:
            found |= {axis: _holder(other, axis) for axis, length in (other.axes or {}).items() if length != FREE}
    return found


def _holder(node: Expr, axis: str) -> Expr:
    """What is as long along an axis as an expression, and takes no lengths itself; as little of it as that needs."""
    passed: list[Name] = []
    while True:
        node = aliased(node)
        if isinstance(node, Name) and isinstance(node.meaning, Defined):
            if not lacks_length(node) and node.meaning.size > _MOST_UNFOLDED:
                break
            passed.append(node)
            node = _unfolded(node)
        elif not isinstance(node, Call):
            break
        elif (like := _alike(node, axis)) is None:
            node = _sized(node, {})
            break
        else:
            node = like
    for name in reversed(passed):
        # An array, or steps of one; what else is made in it is made already.
        node = node if lacks_length(name) or node.size <= _SMALL else name
    return node


def _alike(node: Call, axis: str) -> Expr | None:
    """An operand that is as long, of what is elementwise or works along other axes; one that has its lengths if any."""
    others = axis not in named(node.static) if node.op.rule.each_step else node.along and axis not in node.along
    if not others or node.op.renames:
        return None
    found = [arg for arg in node.args if (arg.axes or {}).get(axis, FREE) != FREE]
    return next((arg for arg in found if not any(map(lacks_length, arg.walk()))), next(iter(found), None))


def _told(node: Call, likes: Likes) -> Expr:
    """The operator with a value that has its axes: one after the other, where no one value has all of them."""
    axes = named(node.static)
    if not {*axes} <= {*likes}:
        return node
    like = next((likes[axis] for axis in axes if {*axes} <= {*(likes[axis].axes or ())}), None)
    if like is not None:
        told = Call((*node.args, like), node.op, node.static, span=node.span)
        own = own_length(told)
        return told if own is told else _sized(own, {})
    result: Expr = node.args[0]
    for axis in axes:
        result = Call((result, likes[axis]), node.op, axis, span=node.span)
    return result


def check_one_time(expr: Expr, sizes: Mapping[str, Axes | None], arrays: Mapping[str, Any]) -> None:
    """Refuse `length(axis=time)` where two quantities of a term have different ones.

    Raises:
        LossDataError: With both of them.
    """
    names = each_name([expr])
    bodies = [expr, *(name.meaning.expr for name in names.values() if isinstance(name.meaning, Defined))]
    # Those that nothing beside them tells.
    sizing = (_sized(body, {}) for body in bodies if any(map(lacks_length, body.walk())))
    asking = (n for body in sizing for n in body.walk() if isinstance(n, Call) and lacks_length(n))
    node = next((n for n in asking if TIME in named(n.static)), None)
    timed = [name for name in names if TIME in (sizes.get(name) or {})] if node else []
    for other in timed[1:]:
        first, second = ((sizes[name] or {})[TIME] for name in (timed[0], other))
        if node and first != second:
            shown = {"first_shape": tuple(arrays[timed[0]].shape), "second_shape": tuple(arrays[other].shape)}
            fields = {"first": timed[0], "second": other, "first_length": first, "second_length": second, **shown}
            raise error("which-length", node.span, found=str(node), axis=TIME, **fields)
