"""A loss -> what is known of each term before any array is there: sign, shape, unit, gradient, and what it can do."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import jax

from lossdsl.backends import build_stream, residuals
from lossdsl.errors import LossError, error, listed
from lossdsl.known.dangers import Danger, Dangers
from lossdsl.known.reading import Reading
from lossdsl.language import Expr
from lossdsl.loss import DELAY, AbstractLoss, check_single, compile, position
from lossdsl.mathematics import aligned, html_table
from lossdsl.meaning import FEEDBAX, Term, Vocabulary
from lossdsl.operators import Known, Range

_COLUMNS = ("term", "sign", "convex", "unit", "gradient", "stream", "residuals")
_UNKNOWN, _NO = "unknown", "no"
_ALL, _LAST = "every step", "last step"


@dataclass(frozen=True)
class TermReport:
    """What is known of one term before any array is there.

    Attributes:
        label: Its label.
        sign: The sign of its value with its weight: `positive`, `never negative`, `zero`, `never positive`, `negative`;
            or `unknown`.
        convex: Its value as a function of the states: `convex`, `concave`, `affine`, `constant`; or `unknown`.
        unit: What its value without its weight is measured in, `none` for a number; or `unknown`; or what does not fit.
        gradient: That with respect to the states and the model: `finite`; `not everywhere`, where it may be NaN or
            infinite at some places; `zero`; or `unknown`.
        stream: Step by step it has its value after `every step`, or after the `last step`, perhaps with the number of
            steps `given`; or `no`.
        residuals: Whether it is a sum of squares: `yes` or `no`.
        notes: What more there is to say, by the name of the attribute: places, reasons, and what to write instead.
    """

    label: str
    sign: str
    convex: str
    unit: str
    gradient: str
    stream: str
    residuals: str
    notes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def cells(self) -> list[str]:
        """Its row of the table."""
        return [self.label, *(getattr(self, column) for column in _COLUMNS[1:])]


@dataclass(frozen=True)
class Report:
    """What is known of the terms of a loss before any array is there; `report["position"]` is that of one term.

    Printed, it is a table with notes below.

    Attributes:
        terms: What is known of each term, in order.
        units: The units that the total adds, of terms that have a known one.
    """

    terms: tuple[TermReport, ...]
    units: tuple[str, ...] = ()

    def __getitem__(self, label: str) -> TermReport:
        return self.terms[position(tuple(term.label for term in self.terms), label)]

    def __iter__(self) -> Iterator[TermReport]:
        return iter(self.terms)

    def __len__(self) -> int:
        return len(self.terms)

    @property
    def table(self) -> list[list[str]]:
        """The rows of its table, the first of which is their header."""
        return [list(_COLUMNS), *(term.cells for term in self.terms)]

    @property
    def notes(self) -> list[list[str]]:
        """The notes as rows: the term, the column, and what there is to say."""
        rows = [
            [term.label, column, note] for term in self.terms for column, notes in term.notes.items() for note in notes
        ]
        if len(self.units) > 1:
            rows.append(["total", "unit", f"it adds {listed(self.units)}: the weights must make them one"])
        return rows

    def __str__(self) -> str:
        table = aligned(self.table)
        return "\n".join([*table, *(["", *aligned(self.notes)] if self.notes else [])])

    def _repr_html_(self) -> str:
        notes = html_table(["term", "column", "note"], self.notes) if self.notes else ""
        return html_table(_COLUMNS, [term.cells for term in self.terms]) + notes

    def to_dict(self) -> dict[str, Any]:
        """The same as data that JSON can hold."""
        return {"terms": [asdict(term) for term in self.terms]}


def report(loss: "str | Mapping[str, Any] | Expr | AbstractLoss", vocabulary: Vocabulary = FEEDBAX) -> Report:
    """What is known of each term of a loss before any array is there.

    Its sign, whether it is convex in the states, its unit, where its gradient may be NaN or infinite and what to write
    instead, whether it can be computed step by step, and whether it is a sum of squares. It follows from the
    declarations of the operators, and holds for all states, trials and models, up to rounding and overflow, with the
    weights and parameters of now. Where it does not follow it is `unknown`.

    Args:
        loss: A loss, anything that `compile` takes.
        vocabulary: What the names of a text mean; Feedbax's if none is given.

    Raises:
        LossError: For a text that is not a loss.
        LossValueError: For an ensemble of losses.

    Example:
        >>> print(report("position + 0.1*norm(effector.vel) as speed"))
        term      sign            convex  unit  gradient  stream      residuals
        position  never negative  convex  m^2   finite    every step  yes
        speed     never negative  convex  m/s   finite    every step  no
        <BLANKLINE>
        speed  residuals  `norm(effector.vel)` is no sum of squares: `norm` has no root that is smooth
        total  unit       it adds `m^2`, `m/s`: the weights must make them one
        >>> report("sqrt(position)")["sqrt(position)"].notes["gradient"]
        ('NaN or infinite where `position` is 0: write `sqrt(position + 1e-6)`, or `norm` of a vector',)
    """
    objective = compile(loss, vocabulary).composite
    check_single(objective.numbers, objective.parameters)
    values = {n: float(v) for n, v in objective.parameters.items() if not isinstance(v, jax.core.Tracer)}
    reading = Reading(values)
    dangers = Dangers(reading)
    rows = tuple(_term(term, reading, dangers) for term in objective.terms)
    units = [reading.unit(reading.body(term)) for term in objective.terms]
    return Report(rows, tuple(dict.fromkeys(str(unit) for unit in units if unit.powers is not None)))


def _term(term: Term, reading: Reading, dangers: Dangers) -> TermReport:
    known, weight, body = reading.term(term), reading.weight(term), reading.body(term)
    gradient, places = _gradient(known, dangers, term)
    stream, late = _stream(term)
    squares, reason = _residuals(term, weight)
    convex = _convex(known)
    lost = [reading.lost(body)] if convex == _UNKNOWN else []
    stopped = [f"no gradient goes through `{node}`" for node in reading.stopped(body)]
    notes = {"convex": lost, "gradient": [*places, *stopped], "stream": late, "residuals": reason}
    kept = {column: tuple(found) for column, found in notes.items() if found}
    return TermReport(term.label, _sign(known.range), convex, str(reading.unit(body)), gradient, stream, squares, kept)


def _sign(known: Range) -> str:
    low, high = known
    if low == high == 0:
        return "zero"
    if low >= 0:
        return "positive" if low > 0 else "never negative"
    if high <= 0:
        return "negative" if high < 0 else "never positive"
    return _UNKNOWN


def _convex(known: Known) -> str:
    if known.fixed:
        return "constant"
    if known.affine:
        return "affine"
    return "convex" if known.convex else "concave" if known.concave else _UNKNOWN


def _gradient(known: Known, dangers: Dangers, term: Term) -> tuple[str, list[str]]:
    found = dangers.term(term)
    notes = [str(each) for each in found]
    if any(isinstance(each, Danger) for each in found):
        return "not everywhere", notes
    return (_UNKNOWN if found else "finite" if known.moves else "zero"), notes


def _stream(term: Term) -> tuple[str, list[str]]:
    """How the term is computed step by step, without the number of steps if that goes."""
    for steps_known in (False, True):
        try:
            program = build_stream((term,), steps_known, None, DELAY)
        except LossError as failure:
            refused = failure
        else:
            when = _ALL if program.running else _LAST
            return f"{when}, given" if steps_known else when, []
    return _NO, [_said(refused)]


def _residuals(term: Term, weight: Range) -> tuple[str, list[str]]:
    try:
        if weight.high < 0:
            raise error("negative-weight", label=term.label, weight=f"{weight.high:g}")
        residuals((term,))
    except LossError as failure:
        return _NO, [_said(failure)]
    return "yes", [] if weight.low >= 0 else ["if its weight is not negative"]


def _said(failure: LossError) -> str:
    """What an error says, where the term is known."""
    failure.term = None
    return failure.message
