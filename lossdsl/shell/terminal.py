"""What is said -> stdout and stderr: tables as wide as the terminal, errors with their codes, colours."""

import os
import re
import shutil
import sys
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from textwrap import wrap

import typer

from lossdsl.errors import LossError, visible
from lossdsl.mathematics.table import aligned

# Whether what Rich would draw has no place: it is no terminal, or it is asked for no colours.
PLAIN = not (sys.stdout and sys.stdout.isatty() and sys.stderr.isatty()) or bool(os.environ.get("NO_COLOR"))
_NARROWEST = 12
_GAP = 2


@contextmanager
def exits(status: int) -> Iterator[None]:
    """End the program with a status where a loss is wrong, after its message."""
    try:
        yield
    except LossError as failure:
        print_error(failure)
        sys.exit(status)


def print_error(failure: LossError, before: str = "") -> None:
    """Print what is wrong, each with its code; on a terminal the first line is bold, and the carets are red."""
    message = before + "\n\n".join(f"{one.own} [{one.code}]" for one in failure.errors)
    message = re.sub(r"(?:\A|(?<=\n\n)).+", lambda first: typer.style(first[0], bold=True), message)
    carets = re.compile(r"(?<=\n) +\^+$", re.MULTILINE)
    message = carets.sub(lambda line: typer.style(line[0], fg=typer.colors.RED), message)
    typer.echo(message, err=True, color=colour())


def colour() -> bool | None:
    """Colours stand only where a terminal shows them, and never where it is asked for none: https://no-color.org."""
    return False if os.environ.get("NO_COLOR") else None


def print_table(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> None:
    """Print rows, the first of which is their header; on a terminal it is bold, and long cells are wrapped."""
    shown = [[visible(cell) for cell in row] for row in rows]
    if sys.stdout and sys.stdout.isatty():
        shown = fitted(shown, shutil.get_terminal_size().columns)
    for i, line in enumerate(aligned(shown, right)):
        typer.secho(line, bold=True if i == 0 else None)


def fitted(rows: Sequence[Sequence[str]], width: int) -> list[list[str]]:
    """The rows in columns that are together no wider, the long cells of the widest columns on several lines.

    Example:
        >>> fitted([["name", "what it is"], ["position", "squared distance from the target"]], 30)
        [['name', 'what it is'], ['position', 'squared distance'], ['', 'from the target']]
    """
    columns = [*zip(*rows, strict=True)]
    widths = [max(map(len, column)) for column in columns]
    words = [max(len(word) for cell in column for word in cell.split() or [""]) for column in columns]
    # Words stay whole as long as that is possible.
    for least in (words, [_NARROWEST] * len(words)):
        while sum(widths) + _GAP * (len(widths) - 1) > width:
            wide = [(have, i) for i, (have, low) in enumerate(zip(widths, least, strict=True)) if have > low]
            if not wide:
                break
            widths[max(wide)[1]] -= 1
    found: list[list[str]] = []
    for row in rows:
        cells = [wrap(cell, most, break_on_hyphens=False) for cell, most in zip(row, widths, strict=True)]
        found += [list(line) for line in zip_longest(*cells, fillvalue="")]
    return found


def shown(text: str) -> str:
    """The text, its lines kept, without what a terminal would obey."""
    return "\n".join(map(visible, text.split("\n")))
