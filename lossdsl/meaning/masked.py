"""Masks beside each other and along axes -> one, and the operator that has it."""

from collections.abc import Collection, Sequence

from lossdsl.language import Call, Expr, by_default, call
from lossdsl.operators import stated


def reduced(node: Call, args: Sequence[Expr], mask: Expr) -> Call:
    """The operator of these operands, its mask times another one."""
    given = dict(zip(node.op.defaults, args, strict=False))
    own = given.get("where")
    is_all = own is None or own == by_default(node.op.defaults["where"])
    given["where"] = mask if is_all or own is None else call("*", own, mask)
    operands = [given.get(key) or by_default(default) for key, default in node.op.defaults.items()]
    return Call(tuple(operands), node.op, node.static, span=node.span)


def product(masks: Sequence[Expr]) -> Expr:
    """The masks as one, over the axes of all of them."""
    result, *others = sorted(masks, key=lambda mask: -len(mask.axes or ()))
    for mask in others:
        missing = tuple(axis for axis in mask.axes or () if axis not in (result.axes or ()))
        wide = call("expand", result, static=stated(missing)) if missing else result
        result = call("*", wide, mask)
    return result


def any_of(mask: Expr, axes: Collection[str]) -> Expr:
    """Not 0 where the mask is not 0 at any place along these axes, or those of them that it has."""
    ordered = tuple(axis for axis in mask.axes or () if axis in axes)
    return call("max", call("abs", mask), static=stated(ordered)) if ordered else mask
