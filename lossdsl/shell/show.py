"""A loss -> its terms, its source, its mathematics."""

from pathlib import Path
from typing import Annotated

import typer

from lossdsl.mathematics import picture
from lossdsl.mathematics.formula import formula
from lossdsl.meaning import expression
from lossdsl.shell.given import compiled
from lossdsl.shell.options import LossText, Set
from lossdsl.shell.terminal import print_table, shown

_OUTPUT_HELP = "Write a file: .tex, a document, or .svg, .png or .pdf, a picture drawn by Matplotlib."


def check(loss: LossText, given: Set = None) -> None:
    """Parse a loss, look its names up, check its axes, and print its terms."""
    rows = [[term.label, str(expression(term.factor)), str(term.expr)] for term in compiled(loss, given).terms]
    print_table([["term", "weight", "expression"], *rows])


def python(loss: LossText, given: Set = None) -> None:
    """Print the Python/JAX source that runs."""
    print(shown(compiled(loss, given).python()), end="")


def latex(
    loss: LossText,
    given: Set = None,
    expand: Annotated[bool, typer.Option("--expand", help="Write the mathematics of each term.")] = False,
    where: Annotated[bool, typer.Option("--where", help="Also say what the symbols mean.")] = False,
    aligned_rows: Annotated[bool, typer.Option("--aligned", help="Write one term a row.")] = False,
    output: Annotated[Path | None, typer.Option("-o", metavar="FILE", help=_OUTPUT_HELP)] = None,
) -> None:
    """Print the loss in LaTeX, or write a document or a picture of it."""
    objective, form = compiled(loss, given), "aligned" if aligned_rows else "line"
    if output:
        rows = formula(objective.terms, objective.written.local, expand=expand, where=where)
        picture.save(rows, form, output)
    else:
        print(shown(objective.latex(expand=expand, form=form, where=where)))
