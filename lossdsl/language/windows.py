"""The text of a window of time -> a `Window`."""

import re
from fractions import Fraction

from lossdsl.errors import Span, error
from lossdsl.language.exact import read_decimal
from lossdsl.operators import END, Bound, Window

_DURATION = r"(?:[0-9]+(?:\.[0-9]+)?|\.[0-9]+)"
_BOUND = re.compile(rf"([^\W\d][\w.]*?)(?:([-+])({_DURATION})(ms|s))?|(-?)({_DURATION})(\w*)")
_UNITS = {"s": Fraction(1), "ms": Fraction(1, 1000)}


def window_of(written: str, span: Span | None = None) -> Window:
    """The window of a text such as `go+0.1s..end`, `..0.5s` or `last 0.1s`.

    Raises:
        LossSyntaxError: For a duration without a unit that is known, and a window that is all of time.
    """
    if written.startswith("last") and ".." not in written:
        return Window(start=_bound(f"-{written[len('last') :].strip()}", span))
    start, _, stop = written.partition("..")
    found = Window(start=_bound(start, span) if start else Bound(), stop=_bound(stop, span) if stop else Bound(END))
    if found == Window():
        raise error("whole-window", span, found=written)
    return found


def duration(written: str, span: Span | None = None) -> Fraction:
    """The seconds of a text such as `0.5s` or `20ms`."""
    unit = written.lstrip("0123456789.")
    return _seconds(written.removesuffix(unit), unit, span)


def _bound(written: str, span: Span | None) -> Bound:
    match = _BOUND.fullmatch(written)
    if match is None:
        raise error("bad-bound", span, found=written)
    event, after, size, unit, sign, duration, word = match.groups()
    if event:
        seconds = _seconds(size, unit, span) if size else Fraction(0)
        return Bound(event, -seconds if after == "-" else seconds)
    if word not in _UNITS:
        raise error("no-unit", span, found=f"{duration}{word}", number=duration)
    seconds = _seconds(duration, word, span)
    return Bound(END, -seconds) if sign else Bound("", seconds)


def _seconds(number: str, unit: str, span: Span | None) -> Fraction:
    value = read_decimal(number)
    if value is None:
        raise error("number-range", span, found=number)
    return value * _UNITS[unit]
