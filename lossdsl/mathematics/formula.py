"""Terms to a formula: its rows, in one line or aligned, and what its symbols mean."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction

from lossdsl.language import Expr, Name
from lossdsl.mathematics.latex import Meaning, Printer
from lossdsl.mathematics.pieces import joined
from lossdsl.meaning import Parameter, Term

FORMS = ("line", "aligned")
_ESCAPES = {c: f"\\{c}" for c in "$%&#_{}"} | {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
}


@dataclass(frozen=True)
class Formula:
    """A loss as mathematics.

    Attributes:
        addends: Its terms, a minus standing first.
        meanings: What its symbols mean.
    """

    addends: tuple[str, ...]
    meanings: tuple[Meaning, ...] = ()

    def rows(self, form: str) -> list[tuple[str, str]]:
        """The formula, one row or one for each term: what stands left and right of the line of alignment."""
        first, *others = self.addends if form == "aligned" else [joined(self.addends)]
        signed = [rf"\quad - {addend[1:]}" if addend[0] == "-" else rf"\quad + {addend}" for addend in others]
        return [(r"\mathcal{L}", f"= {first}"), *(("", addend) for addend in signed)]

    def latex(self, form: str) -> str:
        """The formula in one line, or as an `aligned` environment; this too where the meanings follow."""
        if form == "line" and not self.meanings:
            return " ".join(self.rows(form)[0])
        rows = [f"{left} &{right}".strip() for left, right in self.rows(form)]
        if self.meanings:
            rows[-1] += r" \\[1ex] \text{where}"
        rows += [_meant(row) for row in self.meanings]
        return "\\begin{aligned}\n" + " \\\\\n".join(rows) + "\n\\end{aligned}"


def formula(terms: Sequence[Term], names: Iterable[Name], *, expand: bool, where: bool = False) -> Formula:
    """The weighted sum of terms.

    Args:
        terms: The normal form of a loss.
        names: Its parameters among others, with their symbols and what they are.
        expand: Unfold definitions, and write the sum over time and the mean over trials.
        where: Say what the symbols mean.
    """
    printer = _printer(terms, names)
    addends = tuple(printer.term(term, expand) for term in terms)
    return Formula(addends, tuple(printer.meanings()) if where else ())


def bodies(terms: Sequence[Term], names: Iterable[Name]) -> list[str]:
    """The mathematics of each term without its weight."""
    printer = _printer(terms, names)
    return [f"{printer.body(term, expand=True)}" for term in terms]


def mathematics(expr: Expr) -> str:
    """The mathematics of a bound expression at the time step t, whatever a loss makes of it."""
    return f"{_printer([Term('', Fraction(1), expr)], ()).stepwise(expr)}"


def _printer(terms: Sequence[Term], names: Iterable[Name]) -> Printer:
    return Printer(tuple(terms), {name.name: name.meaning for name in names if isinstance(name.meaning, Parameter)})


def _meant(row: Meaning) -> str:
    equals = f"= {row.equals}" if row.equals else ""
    text = rf"\quad \text{{{''.join(_ESCAPES.get(c, c) for c in row.text)}}}" if row.text else ""
    return f"{row.symbol} &{equals}{',' if equals and text else ''}{text}"
