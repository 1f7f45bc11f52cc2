"""A loss -> its terms, its source, its mathematics."""

from pathlib import Path
from typing import Annotated

import typer

from lossdsl.mathematics import picture
from lossdsl.mathematics.formula import formula
from lossdsl.meaning import expression
from lossdsl.shell.given import compiled
from lossdsl.shell.options import LossText, Names, Set, Watch
from lossdsl.shell.terminal import print_table, shown
from lossdsl.shell.watch import run

_OUTPUT_HELP = "Write a file: .tex, a document, or .svg, .png or .pdf, a picture drawn by Matplotlib."


def check(loss: LossText, given: Set = None, vocabulary: Names = None, watch: Watch = False) -> None:
    """Parse a loss, look its names up, check its axes, and print its terms."""

    def work() -> None:
        terms = compiled(loss, given, vocabulary).terms
        rows = [[term.label, str(expression(term.factor)), str(term.expr)] for term in terms]
        print_table([["term", "weight", "expression"], *rows])

    run(work, loss, watch)


def python(loss: LossText, given: Set = None, vocabulary: Names = None) -> None:
    """Print the Python/JAX source that runs."""
    print(shown(compiled(loss, given, vocabulary).python()), end="")


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
