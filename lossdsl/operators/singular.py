"""What is known of operands -> where an operator has no finite gradient, and what to write instead."""

from collections.abc import Callable
from typing import NamedTuple

from lossdsl.operators.signs import TINY, At, is_numbered, power

# In float32 the exponential function is infinite from 88.7 on, and a sum of some before.
LARGEST_EXPONENT = 80
_LARGEST = 1e30
_EPS = "1e-6"


class Singular(NamedTuple):
    """A place where an operator has no finite gradient.

    Attributes:
        where: The place in words, with the operands as `{x}` and `{y}`.
        write: What to write instead, likewise; nothing if the data must be mended.
        safe: Whether what is known of the operands rules it out.
        value: Whether the value is not finite either, so that it counts where no gradient goes, too.
    """

    where: str
    write: str
    safe: Callable[[At], bool]
    value: bool = False


# The first row of an operator that is not ruled out is the one that is told.
Rows = tuple[Singular, ...]


def _not_negative(at: At) -> bool:
    return at[0].low >= 0


def _positive(at: At) -> bool:
    return at[0].low > TINY


def _outside(i: int) -> Callable[[At], bool]:
    return lambda at: not at[i].has_zero


def _value_unless(where: str, write: str, safe: Callable[[At], bool]) -> Rows:
    """One place, where the value is not finite."""
    return (Singular(where, write, safe, value=True),)


ROOT: Rows = (
    Singular("`{x}` is 0 or less", f"`sqrt(maximum({{x}}, {_EPS}))`", _not_negative, value=True),
    Singular("`{x}` is 0", f"`sqrt({{x}} + {_EPS})`, or `norm` of a vector", _positive),
)
LOGARITHM: Rows = (
    Singular("`{x}` is 0 or less", f"`log(maximum({{x}}, {_EPS}))`", _not_negative, value=True),
    Singular("`{x}` is 0", f"`log({{x}} + {_EPS})`", _positive, value=True),
)
LOGARITHM_OF_MORE = _value_unless("`{x}` is -1 or less", "`log1p(maximum({x}, -0.999))`", lambda at: at[0].low > -1)
EXPONENTIAL = _value_unless(
    f"`{{x}}` is above {LARGEST_EXPONENT}",
    f"`exp(minimum({{x}}, {LARGEST_EXPONENT}))`",
    lambda at: at[0].high <= LARGEST_EXPONENT,
)
DIVISION: Rows = (
    Singular(
        "`{y}` is 0",
        f"`{{x:product}}/({{y}} + {_EPS})`",
        lambda at: at[1].low < 0 or not at[1].has_zero,
        value=True,
    ),
    Singular("`{y}` is 0", f"`{{x:product}}*{{y:atom}}/(square({{y}}) + {_EPS})`", _outside(1), value=True),
)
POWER: Rows = (
    Singular(
        "`{x}` is 0 or less",
        f"`maximum({{x}}, {_EPS})**{{y:atom}}`",
        lambda at: _positive(at) or not at.args[1].moves,
        value=True,
    ),
    Singular(
        "`{x}` is negative",
        f"`maximum({{x}}, {_EPS})**{{y:atom}}`",
        lambda at: _not_negative(at) or at[1].is_whole,
        value=True,
    ),
    Singular(
        "`{x}` is 0", f"`({{x}} + {_EPS})**{{y:atom}}`", lambda at: not at[0].has_zero or at[1].low >= 0, value=True
    ),
    Singular("`{x}` is 0", f"`({{x}} + {_EPS})**{{y:atom}}`", lambda at: not at[0].has_zero or at[1].low >= 1),
    Singular(
        "`{y}` is so large that the power is infinite",
        "`{x:atom}**minimum({y}, 20)`",
        lambda at: not at.args[1].moves or power(at[0], at[1]).high <= _LARGEST,
        value=True,
    ),
)
ANGLE: Rows = (
    Singular(
        "`{x}` and `{y}` are both 0",
        f"`where(greater(abs({{x}}) + abs({{y}}), {_EPS}), atan2({{x}}, {{y}}), 0)`",
        lambda at: not (at[0].has_zero and at[1].has_zero),
    ),
)
SMOOTHED: Rows = (Singular("`{x}` and `{y}` are both 0", "`smooth_abs({x}, eps=1e-3)`", lambda at: not at[1].has_zero),)
RISK = _value_unless("`{y}` is 0", "`entropic({x}, 1)`", _outside(1))
# What a mask makes negative has no root.
OF_MASK = _value_unless("its mask is negative", "`greater(..., 0)` for the mask", lambda at: at.mask.range.low >= 0)
LABELS = _value_unless("`{y}` is no number of a class", "", lambda at: not is_numbered(at))
PLACE = _value_unless("`{y}` is no place along the axis", "", lambda at: at.args[1].place in at.along)
