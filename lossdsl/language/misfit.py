"""Axes that do not fit -> an error that names the operands, with a hint."""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from lossdsl.errors import LossError, Span, did_you_mean, error, listed
from lossdsl.language.text import axis_text, default_text
from lossdsl.operators import BATCH, FREE, TIME, Axes, Misfit, Op

# What has no name in a text.
_CALLED = {"[]": "the index", "@": "the window"}


class Applied(Protocol):
    """An operator with its operands."""

    @property
    def op(self) -> Op: ...
    @property
    def args(self) -> Any: ...
    @property
    def static(self) -> Any: ...
    @property
    def span(self) -> Span | None: ...


def shown_axes(axes: Axes | None) -> str:
    """Axes as a reader writes a shape: `(batch, time)`, with lengths where they are known."""
    if axes is None:
        return "a PyTree"
    parts = [name if length in (None, FREE) else f"{name}={length}" for name, length in axes.items()]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def misfit_error(node: Applied, names: Sequence[str], operands: Sequence[Axes | None], misfit: Misfit) -> LossError:
    """The row of the messages, filled with the texts of the operands, `names`."""
    fields: dict[str, Any] = {"operator": node.op.name, "example": node.op.example, "found": str(node), **misfit.fields}
    axis = fields.get("axis", "")
    if not misfit.operands:
        return error(misfit.code, _axis_span(node, axis) or node.span, **fields)
    first, *others = misfit.operands
    span = node.args[first].span or node.span
    fields |= {"operand": names[first], "axes": shown_axes(operands[first])}
    if others:
        fields |= _pair(names, operands, first, others[0], axis)
        span = node.span
    elif misfit.code == "missing-axis":
        fields["advice"] = _missing_axis_advice(node, first, operands[first], axis)
        span = _axis_span(node, axis) or span
    elif misfit.code == "which-axis":
        fields |= _choices(node, names, operands[first] or {})
    elif misfit.code == "not-vector":
        fields["advice"] = _not_vector_advice(node, names, operands[first] or {})
    elif misfit.code == "time-left":
        fields["example"] = _written(node, [f"sum({names[0]})", *names[1:]])
    elif misfit.code == "one-axis":
        span = _axis_span(node, axis) or span
    elif misfit.code == "axis-there":
        fields["advice"] = _axis_there_advice(node, names[first], axis)
        span = _axis_span(node, axis) or span
    elif misfit.code in ("out-of-range", "empty-window", "beyond-end"):
        length = (operands[first] or {}).get(axis) or 0
        fields |= {"length": length, "first": -length, "last": length - 1}
    return error(misfit.code, span, **fields)


def _choices(node: Applied, names: Sequence[str], axes: Axes) -> dict[str, Any]:
    """The axes that a vector may mean, and how each is chosen."""
    found = [axis for axis in axes if axis not in (TIME, BATCH)]
    written = [f"`{_written(node, names, axis)}`" for axis in found]
    several = (
        f"; over several, `axis={axis_text(tuple(found))}`" if node.op.name not in ("matvec", "quadratic_form") else ""
    )
    return {"choices": listed(found), "advice": f"write {' or '.join(written[:3])}{several}"}


def _written(node: Applied, names: Sequence[str], axis: str = "") -> str:
    """The call with these operands, and with an axis if one is given."""
    given = zip(node.op.parameters(len(names)), names, strict=True)
    operands = [
        name if default is None and key not in node.op.named else f"{key}={name}"
        for (key, default), name in given
        if default is None or name != default_text(default)
    ]
    return f"{node.op.name}({', '.join([*operands, *([f'axis={axis}'] if axis else [])])})"


def _differ_advice(left: str, right: str, axes: tuple[Axes, Axes], wider: str, axis: str) -> str:
    """How to make two operands fit of which each has an axis that the other lacks."""
    reduced = f"reduce one of them, as in `mean({wider}, axis={axis})`"
    own = [[a for a in axes[i] if a not in axes[1 - i]] for i in (0, 1)]
    if not all(own):
        return reduced
    spread = f"write `expand({left}, axis={axis_text(tuple(own[1])) if own[1][1:] else own[1][0]})` for all pairs"
    if len(own[0]) == len(own[1]) == 1 and not {TIME, BATCH} & {own[0][0], own[1][0]}:
        spread += f", or `rename({right}, {own[1][0]}={own[0][0]})` if it is one axis with two names"
    return f"{spread}; or {reduced}"


def _pair(names: Sequence[str], operands: Sequence[Axes | None], first: int, second: int, axis: str) -> dict[str, Any]:
    """What the messages about two operands are filled with."""
    left, right = operands[first] or {}, operands[second] or {}
    wider = names[first if axis in left else second]
    return {
        "advice": _differ_advice(names[first], names[second], (left, right), wider, axis),
        "left": names[first],
        "right": names[second],
        "left_axes": shown_axes(left),
        "right_axes": shown_axes(right),
        "left_length": left.get(axis),
        "right_length": right.get(axis),
        "shapes": "",
    }


def _not_vector_advice(node: Applied, names: Sequence[str], axes: Axes) -> str:
    numbers = {"sqnorm": f"square({names[0]})", "norm": f"abs({names[0]})", "dot": "*".join(names)}
    numbers |= {"l1norm": f"abs({names[0]})"}
    if node.op.name in numbers and len(names) == len(node.op.required):
        return f"write `{numbers[node.op.name]}` for numbers"
    other = TIME if TIME in axes else next(iter(axes), "xy")
    return f"give one with such an axis, or choose it, as in `{_written(node, names, other)}`"


def _missing_axis_advice(node: Applied, first: int, axes: Axes | None, axis: str) -> str:
    if first:
        return f"`{node.op.name}` works along `{axis}` of all that it is given"
    if not axes and node.op.has_length:
        return f"give a value that has the axis `{axis}`"
    if node.op.renames and axes:
        return did_you_mean(axis, axes, "rename one of those")
    if node.op.axis and axes:
        example = f"choose another, as in `{_written(node, [*map(str, node.args)], next(iter(axes)))}`"
        return did_you_mean(axis, axes, example) if node.static else example
    return f"leave {_CALLED.get(node.op.name, f'`{node.op.name}`')} away"


def _axis_there_advice(node: Applied, operand: str, axis: str) -> str:
    if node.op.name == "discounted_sum":
        return f"reduce it, as in `final({operand}{'' if axis == TIME else f', axis={axis}'})`"
    return f"give a name that it lacks; for a second copy of the axis write `rename({operand}, {axis}=other)`"


def _axis_span(node: Applied, axis: str) -> Span | None:
    """Where the axis stands that a call was given: in its text the last one of that name."""
    if node.static is None or node.span is None:
        return None
    *_, last = [None, *re.finditer(rf"axis\s*=\s*(?:\([^()]*?)?\b({re.escape(axis)})(?![\w.'])", str(node.span))]
    start = node.span.start
    return last and node.span.part(start + last.start(1), start + last.end(1))
