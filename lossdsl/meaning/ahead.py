"""The mask of steps, and how far a formula looks ahead -> the steps from which all that it sees counts."""

from fractions import Fraction

from lossdsl.errors import Span, error
from lossdsl.language import Call, Expr, Number, moment_text, of_number
from lossdsl.meaning.spans import Spans, shifted
from lossdsl.operators import LASTING, PLACED, TIME, Look, Moment


def lasting(mask: Expr, steps: int) -> Expr:
    """Not 0 where the mask is not 0 at that step and so many after it."""
    if not steps or TIME not in (mask.axes or ()):
        return mask
    assert isinstance(mask, Call)
    if mask.op is PLACED:
        return Call((*mask.args[:3], of_number(Fraction(steps))), LASTING, TIME)
    if mask.op.name == "less":
        return shifted(mask, steps)
    return mask if mask.op.name == "greater" else mask.over([lasting(arg, steps) for arg in mask.args])


def in_steps(node: Call, spans: Spans) -> Call:
    """An operator that looks ahead, which knows how many steps that is.

    Raises:
        LossValueError: For seconds without the length of a step as a number, and bounds in the wrong order.
    """
    look = node.static
    if not isinstance(look, Look) or not look.within:
        return node
    start, stop = (_steps(moment, spans, node.span) for moment in look.within)
    if start > stop:
        first, second = map(moment_text, look.within)
        raise error("within-order", node.span, found=f"({first}, {second})", turned=f"{second}, {first}")
    rows = (("dt", "", spans.clock.dt),) if any(moment.seconds for moment in look.within) else ()
    return Call(node.args, node.op, look._replace(steps=(start, stop), rows=rows), span=node.span)


def _steps(moment: Moment, spans: Spans, span: Span | None) -> int:
    if not moment.seconds:
        return int(moment.number)
    found = spans.steps(moment.number, span)
    if not isinstance(found, Number):
        raise error("dt-not-fixed", span, found=moment_text(moment), dt=spans.clock.dt)
    return int(found.value)
