"""Axes that do not fit -> an error that names the operands, with a hint."""

import re
from collections.abc import Sequence
from typing import Any, Protocol

from lossdsl.errors import LossError, Span, did_you_mean, error
from lossdsl.operators import Axes, Misfit, Op


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
    parts = [name if length is None else f"{name}={length}" for name, length in axes.items()]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def misfit_error(node: Applied, names: Sequence[str], operands: Sequence[Axes | None], misfit: Misfit) -> LossError:
    """The row of the messages, filled with the texts of the operands, `names`."""
    fields: dict[str, Any] = dict(misfit.fields)
    first, *others = misfit.operands
    span = node.args[first].span or node.span
    fields |= {"operand": names[first], "axes": shown_axes(operands[first]), "operator": node.op.name}
    if others:
        fields |= _pair(names, operands, first, others[0], fields["axis"])
        span = node.span
    elif misfit.code == "missing-axis":
        fields["advice"] = _missing_axis_advice(node, first, operands[first], fields["axis"])
        span = _axis_span(node, fields["axis"]) or span
    elif misfit.code == "not-vector":
        fields["advice"] = _not_vector_advice(node.op.name, names, operands[first] or {})
    elif misfit.code in ("out-of-range", "empty-window"):
        length = (operands[first] or {}).get("time") or 0
        fields |= {"length": length, "found": str(node), "first": -length, "last": length - 1}
    return error(misfit.code, span, **fields)


def _pair(names: Sequence[str], operands: Sequence[Axes | None], first: int, second: int, axis: str) -> dict[str, Any]:
    """What the messages about two operands are filled with."""
    left, right = operands[first] or {}, operands[second] or {}
    return {
        "left": names[first],
        "right": names[second],
        "wider": names[first if axis in left else second],
        "left_axes": shown_axes(left),
        "right_axes": shown_axes(right),
        "left_length": left.get(axis),
        "right_length": right.get(axis),
        "shapes": "",
    }


def _not_vector_advice(operator: str, names: Sequence[str], axes: Axes) -> str:
    numbers = {"sqnorm": f"square({names[0]})", "norm": f"abs({names[0]})", "dot": "*".join(names)}
    numbers |= {"l1norm": f"abs({names[0]})"}
    if operator in numbers:
        return f"write `{numbers[operator]}` for numbers"
    other = "time" if "time" in axes else next(iter(axes), "xy")
    return f"give one with such an axis, or choose it, as in `{operator}({', '.join(names)}, axis={other})`"


def _missing_axis_advice(node: Applied, first: int, axes: Axes | None, axis: str) -> str:
    if first:
        return f"`{node.op.name}` works along `{axis}` of all that it is given"
    if node.op.axis and axes:
        example = f"choose another, as in `{node.op.name}({node.args[0]}, axis={next(iter(axes))})`"
        return did_you_mean(axis, axes, example) if node.static else example
    return f"leave `{node.op.name}` away" if node.op.name != "[]" else "leave the index away"


def _axis_span(node: Applied, axis: str) -> Span | None:
    """Where the axis stands that a call was given: in its text the last one of that name."""
    if node.static is None or node.span is None:
        return None
    *_, last = [None, *re.finditer(rf"axis\s*=\s*(?:\([^()]*?)?\b({re.escape(axis)})\b", str(node.span))]
    start = node.span.start
    return last and node.span.part(start + last.start(1), start + last.end(1))
