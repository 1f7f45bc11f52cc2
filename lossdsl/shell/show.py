"""A loss -> its terms, its source, its mathematics."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from lossdsl.backends import Coverage, coverage
from lossdsl.known import report as reported
from lossdsl.mathematics import picture
from lossdsl.mathematics.formula import formula
from lossdsl.meaning import expression
from lossdsl.shell.given import compiled, data_of
from lossdsl.shell.options import Data, Json, LossText, Names, Set, Watch
from lossdsl.shell.terminal import print_table, shown
from lossdsl.shell.watch import run

_OUTPUT_HELP = "Write a file: .tex, a document, or .svg, .png or .pdf, a picture drawn by Matplotlib."


def check(loss: LossText, given: Set = None, vocabulary: Names = None, file: Data = None, watch: Watch = False) -> None:
    """Parse a loss, look its names up, check its axes, and print its terms; with data also what its windows cover."""

    def work() -> None:
        objective = compiled(loss, given, vocabulary)
        rows = [[term.label, str(expression(term.factor)), str(term.expr)] for term in objective.terms]
        print_table([["term", "weight", "expression"], *rows])
        if file is not None:
            print_windows(coverage(objective.terms, data_of(file), objective.parameters))

    run(work, loss, watch)


def print_windows(found: Sequence[Coverage]) -> None:
    """Print how many steps each window has, from which to which, and in how many trials it is empty."""
    if not found:
        return
    rows = [[each.window, each.of, *_steps(each), _empty(each)] for each in found]
    print()
    print_table([["window", "of", "steps", "from", "to", "empty in"], *rows])


def _steps(covered: Coverage) -> list[str]:
    numbers = (covered.steps, covered.first, covered.last)
    return [
        "" if not len(n) else f"{n.min():.0f}" + (f" to {n.max():.0f}" if n.min() < n.max() else "") for n in numbers
    ]


def _empty(covered: Coverage) -> str:
    empty = int((covered.steps == 0).sum())
    return f"{empty} of {len(covered.steps)} trials" if empty else "no trial"


def report(
    loss: LossText, given: Set = None, vocabulary: Names = None, as_json: Json = False, watch: Watch = False
) -> None:
    """Say of each term its sign, if it is convex, its unit, where its gradient is not finite, and what it can do."""

    def work() -> None:
        found = reported(compiled(loss, given, vocabulary))
        if as_json:
            print(json.dumps(found.to_dict(), indent=2))
            return
        print_table(found.table)
        if found.notes:
            print()
            print_table([["term", "column", "note"], *found.notes])

    run(work, loss, watch)


def python(
    loss: LossText,
    given: Set = None,
    vocabulary: Names = None,
    form: Annotated[str, typer.Option("--form", help="`batch`, or `stream` for one step of time after the other.")] = (
        "batch"
    ),
) -> None:
    """Print the Python/JAX source that runs."""
    print(shown(compiled(loss, given, vocabulary).python(form)), end="")


def latex(
    loss: LossText,
    given: Set = None,
    vocabulary: Names = None,
    expand: Annotated[bool, typer.Option("--expand", help="Write the mathematics of each term.")] = False,
    where: Annotated[bool, typer.Option("--where", help="Also say what the symbols mean.")] = False,
    aligned_rows: Annotated[bool, typer.Option("--aligned", help="Write one term a row.")] = False,
    output: Annotated[Path | None, typer.Option("-o", metavar="FILE", help=_OUTPUT_HELP)] = None,
) -> None:
    """Print the loss in LaTeX, or write a document or a picture of it."""
    objective, form = compiled(loss, given, vocabulary), "aligned" if aligned_rows else "line"
    if output:
        rows = formula(objective.terms, objective.written.local, expand=expand, where=where)
        picture.save(rows, form, output)
    else:
        print(shown(objective.latex(expand=expand, form=form, where=where)))
