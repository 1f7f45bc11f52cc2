"""A window of time, and the end of a trial -> masks made of operators, for an array that begins at a known step."""

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from functools import cached_property
from hashlib import blake2b
from typing import Any, Protocol

from lossdsl.errors import LossError, Span, did_you_mean, error, listed
from lossdsl.language import ZERO, Call, Expr, Name, Number, call, is_name, of_number, parse, window_of, window_text
from lossdsl.meaning.clock import Clock
from lossdsl.meaning.defined import Defined, each_name, unfolded_size
from lossdsl.meaning.quantity import Quantity
from lossdsl.operators import BATCH, END, OPS, PLACED, TIME, Bound, Window

_HALF = Fraction(1, 2)
# What says where trials end stands in each mask.
_MOST_UNFOLDED = 1_000


@dataclass(frozen=True)
class Ends:
    """Where trials end.

    Attributes:
        name: A mask over `time`, or how many steps each trial has.
        is_mask: Which of the two.
        first: The step at which the mask begins; of a count, the first that is counted.
        rows: What the vocabulary says of it, as in `Window`.
    """

    name: Name
    is_mask: bool
    first: int
    rows: tuple[tuple[str, str, Any], ...]

    @cached_property
    def by(self) -> Expr:
        """The same without definitions: what their names stand for elsewhere ends with the trial."""
        return _unfolded(self.name)

    def mask(self, first: int) -> Expr:
        """Not 0 up to the end of the trial, for an array that begins at a step."""
        if self.is_mask:
            return _placed(self.by, self.first - first, before=1)
        return call("less", _steps(first), _plus(_over_time(self.last), _HALF))

    @property
    def last(self) -> Expr:
        """The number of the last step of each trial."""
        if not self.is_mask:
            return _plus(self.by, Fraction(self.first - 1))
        before = of_number(Fraction(self.first - 1))
        return call("max", call("where", self.by, _steps(self.first), before), static=TIME)


@dataclass(frozen=True)
class Timed(Quantity):
    """A quantity of a vocabulary that says more of time: where its steps begin, and where trials end."""

    first: int = 0
    ends: Ends | None = None
    begins: int = 1

    @cached_property
    def content(self) -> bytes:
        if self.ends is None:
            return super().content
        made = [super().content, self.ends.by.content, repr((self.ends.is_mask, self.ends.first)).encode()]
        return blake2b(b"".join(made), digest_size=16).digest()


def timed(quantity: Quantity, clock: Clock, ends: Ends | None) -> Quantity:
    """The quantity, which knows its time where a vocabulary says more of that."""
    first = first_of(quantity, clock)
    if TIME not in (quantity.axes or ()) or first is None or (ends is None and clock.trials_begin == 1):
        return quantity
    given = {field.name: getattr(quantity, field.name) for field in fields(Quantity)}
    return Timed(**given, first=first, ends=ends, begins=clock.trials_begin)


def first_of(quantity: Quantity, clock: Clock | None = None) -> int | None:
    """The step at which what lies at a path begins: states at 0, what belongs to the trials mostly at 1."""
    if isinstance(quantity, Timed):
        return quantity.first
    begin = {"states": 0, "trial_specs": clock.trials_begin if clock else 1}
    firsts = {begin.get(place.root) for place in quantity.places}
    return firsts.pop() if len(firsts) == 1 else None


class Binding(Protocol):
    """What gives names and expressions their meaning."""

    known: dict[str, Name]

    def name(self, node: Name) -> Name: ...
    def defined(self, node: Name, value: Expr, local: bool) -> Defined: ...


class Spans:
    """The masks of one vocabulary.

    Args:
        clock: What it says of time.
        binding: What gives the names in its rows a meaning.
        bind: Makes another such from a vocabulary.
    """

    def __init__(self, clock: Clock, binding: Binding, bind: Callable[[Any], Binding]):
        self.clock = clock
        self.binding = binding
        self.bind = bind
        self.failed: LossError | None = None

    @cached_property
    def ends(self) -> Ends | None:
        """Where trials end, if the vocabulary says so; what is wrong with it is told once."""
        if self.failed:
            raise self.failed
        try:
            return self.found_ends()
        except LossError as failure:
            self.failed = failure
            raise

    def found_ends(self) -> Ends | None:
        row = self.clock.valid if self.clock.length is None else self.clock.length
        if row is None:
            return None
        key = "valid" if self.clock.length is None else "length"
        endless = self.bind(replace(self.clock, valid=None, length=None))
        name, first = self.array(key, row, endless)
        _check_axes(key, name, (BATCH, TIME) if key == "valid" else (BATCH,))
        size = sum(map(unfolded_size, name.walk()))
        if size > _MOST_UNFOLDED:
            got = f"{size:,} steps of computation, where at most {_MOST_UNFOLDED:,} can be"
            raise error("window-row", row=key, got=got, advice="give an array that is in the data")
        rows = self.rows((key, "", row))
        return Ends(name, key == "valid", first, rows)

    def mask(self, window: Window, first: int, source: Name, span: Span | None) -> tuple[Expr, Window]:
        """The mask of a window for an array that begins at a step, and the window with its rows.

        Raises:
            LossNameError: For an epoch or an event that is not there.
            LossValueError: For a duration without `dt`, and a window in which no step can be.
        """
        if not window.epoch:
            mask, rows = self.between(window, first, source, span)
            return mask, window._replace(rows=rows)
        row = self.row("epochs", window.epoch, span)
        if isinstance(row, str) and ".." in row:
            mask, rows = self.between(window_of(row), first, source, span)
        else:
            where = f"epochs.{window.epoch}"
            name, begins = self.array(where, row, self.binding)
            _check_axes(where, name, (BATCH, TIME))
            mask, rows = _placed(name, begins - first, before=0), ()
        return mask, window._replace(rows=self.rows(("epochs", window.epoch, row), *rows))

    def between(
        self, window: Window, first: int, source: Name, span: Span | None
    ) -> tuple[Expr, tuple[tuple[str, str, Any], ...]]:
        """The mask of the steps from one bound up to the other."""
        start, stop = (self.place(bound, source, span) for bound in (window.start, window.stop))
        self.check_order(window, span)
        steps, parts = _steps(first), []
        if window.start != Bound():
            parts.append(call("greater", steps, _plus(_over_time(start), -_HALF)))
        if window.stop != Bound(END):
            parts.append(call("less", steps, _plus(_over_time(stop), -_HALF)))
        used = [("events", event, self.row("events", event, span)) for event in window.events]
        if self.clock.dt is not None and (window.start.seconds or window.stop.seconds):
            used.append(("dt", "", self.clock.dt))
        return (parts[0] if len(parts) == 1 else call("*", *parts)), self.rows(*used)

    def place(self, bound: Bound, source: Name, span: Span | None) -> Expr:
        """The number of the step at a bound."""
        after = self.steps(bound.seconds, span)
        if not bound.event:
            return after
        if bound.event == END:
            return _sum(self.behind_last(source), after)
        row = self.row("events", bound.event, span)
        where = f"events.{bound.event}"
        name, first = self.array(where, row, self.binding)
        _check_axes(where, name, (BATCH,))
        return _sum(_plus(name, Fraction(first)), after)

    def behind_last(self, source: Name) -> Expr:
        """The number of the step behind the last of each trial."""
        if isinstance(source.meaning, Timed) and source.meaning.ends:
            return _plus(source.meaning.ends.last, Fraction(1))
        assert isinstance(source.meaning, Quantity)
        return _plus(Call((source,), OPS["length"], TIME), Fraction(first_of(source.meaning) or 0))

    def steps(self, seconds: Fraction, span: Span | None) -> Expr:
        """A duration in steps: a whole number, where the vocabulary says how long one is."""
        dt = self.clock.dt
        if not seconds:
            return ZERO
        if dt is None:
            raise error("no-dt", span, found=str(span) if span else f"{seconds}s")
        if isinstance(dt, Fraction):
            return of_number(Fraction((seconds / dt + _HALF).__floor__()))
        name = bound_row("dt", dt, self.binding)
        _check_axes("dt", name, ())
        return call("/", of_number(seconds), name)

    def check_order(self, window: Window, span: Span | None) -> None:
        """Refuse a window in which no step is, in whichever trial."""
        if window.start.event != window.stop.event:
            return
        start, stop = window.start.seconds, window.stop.seconds
        dt = self.clock.dt
        if isinstance(dt, Fraction):
            start, stop = (Fraction((seconds / dt + _HALF).__floor__()) for seconds in (start, stop))
        if start >= stop:
            raise error("window-order", span, found=window_text(window._replace(epoch="")))

    def row(self, kind: str, name: str, span: Span | None) -> Any:
        """What the vocabulary says of an epoch or an event."""
        rows = getattr(self.clock, kind)
        if name in rows:
            return rows[name]
        raise error("unknown-window", span, kind=kind[:-1], found=name, advice=self.advice(kind, name))

    def advice(self, kind: str, name: str) -> str:
        one = "an epoch" if kind == "epochs" else "an event"
        other = "events" if kind == "epochs" else "epochs"
        if name in getattr(self.clock, other):
            return f"it is an event: write `@{name}..end`" if kind == "epochs" else f"it is an epoch: write `@{name}`"
        if kind == "epochs" and name in OPS and "time" not in name:
            return f"write `{name}(x)` for the operator"
        known = [*self.clock.epochs, "final", "initial"] if kind == "epochs" else [*self.clock.events, END]
        example = "a mask over `time`" if kind == "epochs" else "the index of a step in each trial"
        yours = f"{one} of your own is a row of the vocabulary: `{kind}={{{name!r}: ...}}`, {example}"
        return did_you_mean(name, known, f"there are {listed(known)}; {yours}")

    def array(self, where: str, row: str | Quantity, binding: Binding) -> tuple[Name, int]:
        """The array of a row by its name, and the step at which it begins, or by which it counts."""
        found = bound_row(where, row, binding) if isinstance(row, str) else Name(name=f"@{where}", meaning=row)
        arrays = [each.meaning for each in each_name([found]).values() if isinstance(each.meaning, Quantity)]
        firsts = {first_of(quantity, self.clock) for quantity in arrays}
        if len(firsts) != 1 or None in firsts:
            advice = "give one whose data lie in `states` or in `trial_specs`"
            raise error("window-row", row=where, got="made of states and trials, or of neither", advice=advice)
        (first,) = firsts
        return found, first or 0

    def rows(self, *used: tuple[str, str, Any]) -> tuple[tuple[str, str, Any], ...]:
        begins = () if self.clock.trials_begin == 1 else (("trials_begin", "", self.clock.trials_begin),)
        return tuple(dict.fromkeys([*used, *begins]))


def bound_row(where: str, text: str, binding: Binding) -> Name:
    """What a row says that windows are made of: a name, or an expression, which has a name that no text has."""
    if is_name(text):
        return binding.name(Name(name=text))
    name = f"@{where}"
    try:
        if name not in binding.known:
            meaning = binding.defined(Name(name=name), parse(text), local=False)
            binding.known[name] = Name(name=name, meaning=meaning)
    except LossError as failure:
        raise failure.in_term(where) from None
    return binding.known[name]


def _unfolded(node: Expr) -> Expr:
    if isinstance(node, Name) and isinstance(node.meaning, Defined) and not node.meaning.windowed:
        return _unfolded(node.meaning.expr)
    return node.over([_unfolded(arg) for arg in node.args])


def shifted(mask: Expr, by: int) -> Expr:
    """The mask for an array that begins so many steps later."""
    if not by or TIME not in (mask.axes or ()):
        return mask
    assert isinstance(mask, Call)
    if mask.op is PLACED:
        given, shift, before = mask.args[:3]
        return _placed(given, int(_value(shift)) - by, before=int(_value(before)))
    if mask.op.name == "+" and isinstance(mask.args[0], Call) and mask.args[0].op.name == "index":
        return _plus(mask.args[0], _value(mask.args[1]) + by)
    if mask.op.name == "index":
        return _plus(mask, Fraction(by))
    return mask.over([shifted(arg, by) for arg in mask.args])


def _check_axes(where: str, name: Name, wanted: tuple[str, ...]) -> None:
    axes = name.axes
    fits = axes is not None and {*axes} <= {*wanted} and (TIME in axes) == (TIME in wanted)
    if not fits:
        shown = {
            (): "a number",
            (BATCH,): "one number per trial, with the axis `batch`",
            (BATCH, TIME): "a mask, with the axes `batch` and `time`",
        }[wanted]
        there = "a PyTree" if axes is None else f"an array over {listed(axes)}" if axes else "a number"
        raise error("window-row", row=where, got=there, advice=f"give {shown}")


def _steps(first: int) -> Expr:
    """The numbers of the steps of an array that begins at a step."""
    return _plus(Call((), OPS["index"], TIME), Fraction(first))


def _over_time(value: Expr) -> Expr:
    return call("expand", value, static=TIME) if value.axes else value


def _placed(mask: Expr, shift: int, before: int) -> Expr:
    """The mask for an array whose first step is so many before its own, and which may end earlier."""
    return Call((mask, of_number(Fraction(shift)), of_number(Fraction(before))), PLACED, TIME)


def _sum(value: Expr, other: Expr) -> Expr:
    if other.constant and not other.free_symbols:
        return _plus(value, _value(other))
    return call("+", value, other)


def _value(number: Expr) -> Fraction:
    if isinstance(number, Number):
        return number.value
    assert isinstance(number, Call) and isinstance(number.args[0], Number)
    return -number.args[0].value


def _plus(value: Expr, by: Fraction) -> Expr:
    """The value and a number, as one number where it is one itself."""
    if value.constant and not value.free_symbols and (isinstance(value, Number) or _is_negated(value)):
        return of_number(_value(value) + by)
    return call("+", value, of_number(by)) if by else value


def _is_negated(value: Expr) -> bool:
    return isinstance(value, Call) and value.op.name == "neg" and isinstance(value.args[0], Number)
