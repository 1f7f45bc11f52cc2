"""What is known of operands -> between what numbers the result lies, and so its sign."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

# Beside numbers that are so much larger a sum is 0: what float32 leaves of `0.1 + 0.2 - 0.3`.
_ROUNDING = 1e-6
# What is closer to 0 may be 0 in float32 once it is squared.
TINY = 1e-18


class Range(NamedTuple):
    """The least and the largest number that something can be, up to rounding; what is NaN is none of them."""

    low: float = -math.inf
    high: float = math.inf

    @property
    def has_zero(self) -> bool:
        """Whether it may be 0, or so near that float32 makes no difference."""
        return self.low <= TINY and self.high >= -TINY

    @property
    def is_whole(self) -> bool:
        """Whether it is one whole number."""
        return self.low == self.high and math.isfinite(self.low) and self.low == int(self.low)


ANY, FROM_ZERO = Range(), Range(0)


class Known(NamedTuple):
    """What is known of an expression before any array is there.

    Attributes:
        range: Between what numbers it lies.
        convex: Whether it is a convex function of the states.
        concave: Whether it is a concave one; both for an affine one, and for what is fixed.
        fixed: Whether no state changes it.
        moves: Whether a gradient goes through it, to the states or to the model.
        axes: Its axes.
        place: The axis along which it is a place, where it is one that is there.
    """

    range: Range = ANY
    convex: bool = False
    concave: bool = False
    fixed: bool = False
    moves: bool = True
    axes: tuple[str, ...] = ()
    place: str = ""

    @property
    def affine(self) -> bool:
        """Whether it is an affine function of the states."""
        return self.convex and self.concave


ONE = Known(Range(1, 1), True, True, fixed=True, moves=False)


@dataclass(frozen=True)
class At:
    """Where an operator stands.

    Attributes:
        args: What is known of its operands, in order, but for a mask `where=`.
        mask: What is known of that; it is 1 where there is none.
        along: The axes that the operator works along.
        static: What the text fixes besides: an axis, a subscript, how a formula looks ahead.
    """

    args: tuple[Known, ...]
    mask: Known = ONE
    along: tuple[str, ...] = ()
    static: Any = None

    def __getitem__(self, i: int) -> Range:
        return self.args[i].range


# The sign of an operator: from where it stands to between what its result lies.
Sign = Callable[[At], Range]


def anything(at: At) -> Range:
    """Any number: not known."""
    return ANY


def never_negative(at: At) -> Range:
    """At least 0."""
    return FROM_ZERO


def from_to(low: float, high: float) -> Sign:
    """In all cases between two numbers."""
    return lambda at: Range(low, high)


def by_mask(sign: Sign) -> Sign:
    """What holds if the mask, with which the operator multiplies, is not negative."""
    return lambda at: sign(at) if at.mask.range.low >= 0 else ANY


def increasing(function: Callable[[float], float]) -> Sign:
    """A function that grows with its operand."""
    return lambda at: Range(*(_at(function, end) for end in at[0]))


def hull(*operands: int) -> Sign:
    """Between the least and the largest of some operands, or of all; 0 too where a mask may leave none in."""

    def sign(at: At) -> Range:
        parts = [at[i] for i in operands] if operands else [arg.range for arg in at.args]
        if at.mask.range.has_zero:
            parts.append(Range(0, 0))
        return joined(parts)

    return sign


def joined(parts: Sequence[Range]) -> Range:
    """The range of all of several."""
    return Range(min(part.low for part in parts), max(part.high for part in parts))


def hard(sign: Sign) -> Sign:
    """What holds for extremes that are not smoothed."""
    return lambda at: sign(at) if is_hard(at) else ANY


def is_hard(at: At) -> bool:
    """Whether an extreme is not smoothed."""
    return getattr(at.static, "smooth", "hard") == "hard"


def least(at: At) -> Range:
    """The least of all operands."""
    return Range(min(arg.range.low for arg in at.args), min(arg.range.high for arg in at.args))


def most(at: At) -> Range:
    """The largest of all operands."""
    return Range(max(arg.range.low for arg in at.args), max(arg.range.high for arg in at.args))


def clipped(at: At) -> Range:
    """The first operand, held between the others."""
    x, low, high = (arg.range for arg in at.args)
    raised = Range(max(x.low, low.low), max(x.high, low.high))
    return Range(min(raised.low, high.low), min(raised.high, high.high))


def added(at: At) -> Range:
    """The sum of the operands."""
    return reduce(_plus, (arg.range for arg in at.args))


def _plus(x: Range, y: Range) -> Range:
    return Range(*(_rounded(a + b, a, b) for a, b in zip(x, y, strict=True)))


def _rounded(total: float, a: float, b: float) -> float:
    return 0.0 if math.isfinite(total) and abs(total) <= _ROUNDING * max(abs(a), abs(b)) else total


def opposite(x: Range) -> Range:
    """That of `-x`."""
    return Range(-x.high, -x.low)


def negated(at: At) -> Range:
    """Minus the operand."""
    return opposite(at[0])


def difference(first: int, second: int) -> Sign:
    """One operand less another."""
    return lambda at: _plus(at[first], opposite(at[second]))


def times(x: Range, y: Range) -> Range:
    """That of a product."""
    ends = [_product(a, b) for a in x for b in y]
    return Range(min(ends), max(ends))


def multiplied(at: At) -> Range:
    """The product of the operands."""
    return times(at[0], at[1])


def _product(a: float, b: float) -> float:
    # What is 0 stays so beside a number of any size, and 0 is no sign of its own.
    return 0.0 if 0 in (a, b) else a * b


def divided(at: At) -> Range:
    """The first operand by the second; where that is 0 there is no number."""
    return times(at[0], inverse(at[1]))


def inverse(x: Range) -> Range:
    """That of `1/x`."""
    if x.low < 0 < x.high:
        return ANY
    if x.low >= 0:
        return Range(_over(x.high), math.inf if x.low == 0 else _over(x.low))
    return opposite(inverse(opposite(x)))


def _over(x: float) -> float:
    return math.inf if x == 0 else 1 / x


def squared(at: At) -> Range:
    """The square of the operand."""
    return power(at[0], Range(2, 2))


def rooted(at: At) -> Range:
    """The square root of the operand, which is no number where that is negative."""
    return power(at[0], Range(0.5, 0.5))


def raised(at: At) -> Range:
    """The first operand to the power of the second."""
    return power(at[0], at[1])


def power(x: Range, p: Range) -> Range:
    """That of `x**p`."""
    if p.low != p.high:
        if x.low < 0:
            return ANY
        ends = [_raised(a, b) for a in x for b in p]
        return Range(min(ends), max(ends)) if x.low > 0 else FROM_ZERO
    if p.low < 0:
        return inverse(power(x, opposite(p)))
    if x.low >= 0:
        return Range(_raised(x.low, p.low), _raised(x.high, p.low))
    if p.is_whole and p.low % 2:
        return Range(*(math.copysign(_raised(abs(end), p.low), end) for end in x))
    if p.is_whole and x.high <= 0:
        return power(opposite(x), p)
    return Range(0, max(_raised(abs(x.low), p.low), _raised(abs(x.high), p.low)))


def _raised(x: float, p: float) -> float:
    try:
        return float(x**p)
    except (OverflowError, ZeroDivisionError):
        return math.inf


def _at(function: Callable[[float], float], x: float) -> float:
    try:
        return function(x)
    except OverflowError:
        return math.inf
    except ValueError:  # the logarithm of 0
        return -math.inf


def _many(x: Range) -> Range:
    """That of a sum of one number or more."""
    return Range(x.low if x.low >= 0 else -math.inf, x.high if x.high <= 0 else math.inf)


def summed(at: At) -> Range:
    """The sum of the numbers of the first operand, times a mask."""
    return _many(times(at[0], at.mask.range))


def mean_of(at: At) -> Range:
    """The mean of the numbers of the first operand, with a mask as weights."""
    return hull(0)(at) if at.mask.range.low >= 0 else ANY


def contracted(at: At) -> Range:
    """The sum of products."""
    return _many(times(at[0], at[1]))


def quadratic(at: At) -> Range:
    """The sum of squares of the first operand times the second, if that is no matrix."""
    return ANY if len(at.along) > 1 else _many(times(FROM_ZERO, at[1]))


def by_bend(at: At) -> Range:
    """At least 0, if the second operand is."""
    return FROM_ZERO if at[1].low >= 0 else ANY


def of_pieces(at: At) -> Range:
    """Between the values, of which there is one more than boundaries; the last operand says when."""
    return joined([at[i] for i in range(0, len(at.args) - 1, 2)])


def ramped(at: At) -> Range:
    """The first operand times what is not negative."""
    return times(at[0], FROM_ZERO)


def returned(at: At) -> Range:
    """The sum of the first operand and the third, the later ones times powers of the second."""
    parts = joined([at[0], at[2], Range(0, 0)])
    return _many(parts) if at[1].low >= 0 else ANY


def from_least(at: At) -> Range:
    """At least the least of the first operand, or 0 where a mask leaves none in."""
    return Range(min(at[0].low, 0) if at.mask.range.has_zero else at[0].low)


def entropy(at: At) -> Range:
    """At least 0 if the labels are not negative; the numbers of classes are not."""
    return FROM_ZERO if at[1].low >= 0 or is_numbered(at) else ANY


def is_numbered(at: At) -> bool:
    """Whether labels are the numbers of classes: they lack the axis of these."""
    return not set(at.along) & set(at.args[1].axes)


def binary_entropy(at: At) -> Range:
    """At least 0 if the labels lie between 0 and 1."""
    return FROM_ZERO if at[1].low >= 0 and at[1].high <= 1 else ANY


def scaled(known: Known, weight: Range) -> Known:
    """What is known of something times a weight; one that is 0 leaves nothing of it."""
    if weight == (0, 0):
        return ONE._replace(range=weight)
    found = known._replace(range=times(known.range, weight))
    if weight.low >= 0:
        return found
    if weight.high <= 0:
        return found._replace(convex=known.concave, concave=known.convex)
    return found._replace(convex=known.affine, concave=known.affine)
