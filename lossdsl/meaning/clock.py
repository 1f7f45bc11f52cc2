"""What a vocabulary says of time: epochs, events, the length of a step, where trials begin and end."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from types import MappingProxyType
from typing import Any

from lossdsl.errors import LossError, described, error
from lossdsl.language import described_number, exact_number, is_name, window_of, window_text
from lossdsl.meaning.given import plain
from lossdsl.meaning.quantity import Quantity
from lossdsl.meaning.rows import quantity_of
from lossdsl.operators import END

# The rows of time: those by name, and those of which there is one; two of them say where trials end.
ENDS = ("valid", "length")
BY_NAME, SINGLE = ("epochs", "events"), ("dt", "trials_begin", *ENDS)
TIME_ROWS = (*BY_NAME, *SINGLE)
_BEGIN = ("trials_begin", 1)
# What `@` means without a vocabulary.
_TAKEN = {"epochs": ("final", "initial"), "events": (END,)}


@dataclass(frozen=True, kw_only=True)
class Clock:
    """What the windows of a loss mean.

    Attributes:
        epochs: A mask over `time` by name, not 0 in the epoch: an expression or a `Quantity`. Or a window, as a text or
            a pair of bounds: `"go..end"`, `("go", "go+0.5s")`.
        events: The index of a step in each trial, by name: an expression or a `Quantity`.
        dt: How long a step is in seconds: a number, or the name of a parameter or of a quantity that is one.
        trials_begin: The step at which what belongs to the trials begins: 1 where the states have the initial state
            before it, 0 where both begin at once.
        valid: A mask over `time` that is 0 behind the end of a trial, as an expression or a `Quantity`.
        length: How many steps a trial has, or states if it lies there, likewise.
    """

    epochs: Mapping[str, Any] = field(default_factory=dict)
    events: Mapping[str, Any] = field(default_factory=dict)
    dt: Any = None
    trials_begin: int = 1
    valid: str | Quantity | None = None
    length: str | Quantity | None = None

    @property
    def time_rows(self) -> dict[str, Any]:
        """What it says, by the names of its arguments."""
        return {key: getattr(self, key) for key in TIME_ROWS}

    @property
    def said(self) -> dict[str, Any]:
        """What of it is not as it is by itself."""
        return {key: row for key, row in self.time_rows.items() if row not in ({}, None) and (key, row) != _BEGIN}

    @property
    def shown(self) -> list[list[str]]:
        """What it says, as rows of a table: how it is written, its kind, what it is."""
        rows = [[f"@{name}", "epoch", row_text(row)] for name, row in self.epochs.items()]
        rows += [[name, "event", row_text(row)] for name, row in self.events.items()]
        single = {key: row for key, row in self.said.items() if key in SINGLE}
        return rows + [
            [key, "", str(float(row)) if isinstance(row, Fraction) else row_text(row)] for key, row in single.items()
        ]

    def with_rows(self, more: Mapping[str, Any]) -> dict[str, Any]:
        """What it says with more of it: rows by name besides, the others in place of its own.

        Raises:
            TypeError: For what is none of its rows.
        """
        if unknown := {*more} - {*self.time_rows}:
            raise TypeError(f"a vocabulary has no {min(unknown)!r}")
        given = {key: row for key, row in zip(more, map(plain, more.values()), strict=True) if row is not None}
        ends = dict.fromkeys(ENDS) if {*given} & {*ENDS} else {}
        named = {key: {**getattr(self, key), **given[key]} for key in BY_NAME if isinstance(given.get(key), Mapping)}
        return {**self.time_rows, **ends, **given, **named}

    def check_clock(self) -> None:
        """Refuse what is no row, and bring each into its form.

        Raises:
            LossError: With the name of the row.
        """
        for kind in BY_NAME:
            given = plain(getattr(self, kind))
            if not isinstance(given, Mapping):
                advice = "give a mapping from names to rows"
                raise error("bad-argument", argument=kind, got=described(given), advice=advice)
            rows = {name: self._named_row(kind, name, row) for name, row in given.items()}
            object.__setattr__(self, kind, MappingProxyType(rows))
        for kind in ENDS:
            if (row := plain(getattr(self, kind))) is not None:
                object.__setattr__(self, kind, _array(kind, row))
        if self.valid is not None and self.length is not None:
            raise error("window-row", row="valid", got="given beside `length`", advice="keep one of the two")
        begin = exact_number(self.trials_begin)
        if begin not in (0, 1):
            advice = "give 1 where states begin with the initial one, else 0"
            raise error("window-row", row="trials_begin", got=f"`{self.trials_begin!r}`", advice=advice)
        object.__setattr__(self, "trials_begin", int(begin))
        object.__setattr__(self, "dt", _dt(plain(self.dt)))

    def _named_row(self, kind: str, name: Any, row: Any) -> Any:
        if not isinstance(name, str) or not is_name(name):
            raise error("reserved-name", name=str(name), reason="it is not a name")
        if name in _TAKEN[kind]:
            raise error("reserved-name", name=name, reason="it is a word of the language")
        where = f"{kind}.{name}"
        if kind == "epochs" and isinstance(row, Sequence) and not isinstance(row, str) and len(row) == 2:
            row = "..".join(map(str, row))
        if kind == "epochs" and isinstance(row, str) and ".." in row:
            try:
                return window_text(window_of(row))
            except LossError as failure:
                raise failure.in_term(where) from None
        return _array(where, row)


def row_text(row: Any) -> str:
    """A row as it is shown: an expression, or where the array lies."""
    return row.path if isinstance(row, Quantity) else str(row)


def _array(where: str, row: Any) -> str | Quantity:
    """The name of an array, or a quantity."""
    if isinstance(row, Mapping):
        return quantity_of(where, row)
    if isinstance(row, Quantity | str):
        return row
    advice = "give a name of the vocabulary, an expression, or a `Quantity`"
    raise error("window-row", row=where, got=described(row), advice=advice)


def _dt(given: Any) -> Any:
    if given is None or (isinstance(given, str) and is_name(given)):
        return given
    number = exact_number(given)
    if number is None or number <= 0:
        advice = "give the seconds of a step, as in `dt: 0.01`, or the name of a parameter"
        raise error("window-row", row="dt", got=described_number(given), advice=advice)
    return number
