"""What is known of operands -> whether the result is a convex or a concave function of the states.

The rules of disciplined convex programming: a convex function of affine ones is convex; of a convex one it is where it
grows with it, of a concave one where it falls. Source: Grant, Boyd and Ye (2006), Disciplined convex programming.
"""

from collections.abc import Callable
from typing import NamedTuple

from lossdsl.operators.signs import At, Known, Range, is_hard, is_numbered


class Curve(NamedTuple):
    """What an operator does.

    Attributes:
        kind: `affine`, `convex` or `concave` in the operands that have a slope together.
        slopes: How it follows each operand: `up` or `down`, `away` if up where that is not negative and down where it
            is not positive, `toward` for the opposite, `any` if that is not known; those beyond must be fixed.
    """

    kind: str
    slopes: tuple[str, ...]


# A text such as `convex up`, with `...` for operands that repeat, or what makes one where an operator stands.
Rule = str | Callable[[At], str]
_TURNED = {"up": "down", "down": "up", "away": "toward", "toward": "away", "any": "any"}


def curve_of(rule: Rule, at: At) -> Curve | None:
    """What an operator does where it stands; None if that is not known."""
    text = rule if isinstance(rule, str) else rule(at)
    if not text:
        return None
    kind, *slopes = text.removesuffix("...").split()
    return Curve(kind, tuple(slopes) * (len(at.args) if text.endswith("...") else 1))


def bend(rule: Rule, at: At) -> tuple[bool, bool]:
    """Whether the result is convex, and whether it is concave."""
    if all(arg.fixed for arg in (*at.args, at.mask)):
        return True, True
    curve = curve_of(rule, at)
    if curve is None or not all(arg.fixed for arg in (*at.args[len(curve.slopes) :], at.mask)):
        return False, False
    pairs = list(zip(at.args, curve.slopes, strict=False))
    convex = curve.kind in ("affine", "convex") and all(_keeps(slope, arg) for arg, slope in pairs)
    concave = curve.kind in ("affine", "concave") and all(_keeps(_TURNED[slope], arg) for arg, slope in pairs)
    return convex, concave


def _keeps(slope: str, arg: Known) -> bool:
    """Whether a convex function that follows an operand so is convex."""
    if slope in ("away", "toward"):
        rising, falling = arg.range.low >= 0, arg.range.high <= 0
        slope = "any" if rising == falling else "up" if rising == (slope == "away") else "down"
    return arg.affine or (slope == "up" and arg.convex) or (slope == "down" and arg.concave)


def _slope(factor: Range) -> str:
    return "up" if factor.low >= 0 else "down" if factor.high <= 0 else "any"


def product(at: At) -> str:
    """Affine in one factor if the other is fixed."""
    x, y = at.args
    if y.fixed:
        return f"affine {_slope(y.range)}"
    return f"affine any {_slope(x.range)}" if x.fixed else ""


def quotient(at: At) -> str:
    """Affine in the first operand, convex or concave in a divisor of a known sign."""
    x, y = at.args
    if y.fixed:
        return f"affine {_slope(y.range)}"
    if not x.fixed or _slope(x.range) == "any" or _slope(y.range) == "any":
        return ""
    same = _slope(x.range) == _slope(y.range)
    return f"{'convex' if same else 'concave'} any {'down' if x.range.low >= 0 else 'up'}"


def power(at: At) -> str:
    """By the exponent, where that is one number; and of a positive number to a power."""
    x, (low, high) = at.args[0].range, at[1]
    if at.args[0].fixed and x.low > 0:
        return f"convex any {'up' if x.low >= 1 else 'down' if x.high <= 1 else 'any'}"
    if low != high:
        return ""
    if low == 1:
        return "affine up"
    if low > 1 and low % 2 == 0:
        return "convex away"
    if x.low < 0:
        return ""
    return "convex up" if low > 1 else "concave up" if low >= 0 else "convex down"


def weighed(rule: str) -> Callable[[At], str]:
    """What holds where the mask, with which the operator multiplies, is not negative."""
    return lambda at: rule if at.mask.range.low >= 0 else ""


def summed(at: At) -> str:
    """A sum with a mask."""
    return "affine up" if at.mask.range.low >= 0 else "affine any"


def quadratic(at: At) -> str:
    """Squares of the first operand times the second, if that is no matrix."""
    slope = "any" if len(at.along) > 1 else _slope(at[1])
    return {"up": "convex away", "down": "concave toward", "any": ""}[slope]


def penalty(at: At) -> str:
    """Huber's, if the bend lies at no negative number."""
    return "convex away" if at[1].low >= 0 else ""


def returned(at: At) -> str:
    """A sum with powers of the second operand."""
    slope = "up" if at[1].low >= 0 else "any"
    return f"affine {slope} any {slope}" if at.args[1].fixed else ""


def quantile(at: At) -> str:
    """The least and the largest number; what lies between is neither convex nor concave."""
    return "concave up" if at[1].high <= 0 else "convex up" if at[1].low >= 1 else ""


def entropic(at: At) -> str:
    """By the sign of the second operand."""
    return "convex up" if at[1].low > 0 else "concave up" if at[1].high < 0 else ""


def entropy(at: At) -> str:
    """The cross entropy, if its labels are not negative; numbers of classes are not."""
    return "convex any" if at[1].low >= 0 or is_numbered(at) else ""


def divergence(at: At) -> str:
    """Of a distribution that is fixed, from another one."""
    return "convex any any" if at.args[0].fixed else ""


def choice(at: At) -> str:
    """What a fixed mask picks."""
    return "affine any up up" if at.args[0].fixed else ""


def hard(rule: str) -> Callable[[At], str]:
    """What holds for extremes that are not smoothed."""
    return lambda at: rule if is_hard(at) else ""
