"""Two losses -> what changed; files of losses -> written as they are printed."""

import json
import sys
from os.path import lexists
from pathlib import Path
from typing import Annotated

import typer

from lossdsl.disk import read_text, write_whole
from lossdsl.errors import LossError, visible
from lossdsl.language.fmt import formatted
from lossdsl.loss import check_used, diff
from lossdsl.shell.complete import files, losses
from lossdsl.shell.given import GIVE_LOSS, STDIN, compiled, numbers_of, stdin
from lossdsl.shell.near import SUFFIXES, no_file
from lossdsl.shell.options import Json, Names, Set
from lossdsl.shell.terminal import exits, print_error, shown

# What a command ends with that tells by its exit status whether something differs.
_DIFFERENT, _TROUBLE = 1, 2
_TEXTS = (".loss", ".txt")
_LOSS_HELP = "A loss, or a file that holds one; - for the input."
_FILES_HELP = "Files that hold a loss; - for the input."


def compare(
    old: Annotated[
        str,
        typer.Argument(metavar="A", help="A loss, or a file that holds one; - for the input.", autocompletion=losses),
    ],
    new: Annotated[str, typer.Argument(metavar="B", help="Another.", autocompletion=losses)],
    given: Set = None,
    vocabulary: Names = None,
    as_json: Json = False,
) -> None:
    """Print what changed from one objective to another, one row a change.

    How they are written and the order of their terms is no change.
    Exit status: 0 if nothing changed, 1 if something did, 2 if one of them is not a loss.
    """
    with exits(_TROUBLE):
        before, after = (compiled(loss, given, vocabulary, all_used=False) for loss in (old, new))
        check_used(numbers_of("--set", "alpha", given), [*before.parameters, *after.parameters])
        found = diff(before, after)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        colours = {"+": typer.colors.GREEN, "-": typer.colors.RED}
        for line in str(found).splitlines():
            typer.secho(visible(line), fg=colours.get(line[0]))
    raise typer.Exit(_DIFFERENT if found else 0)


def format_files(
    given: Annotated[list[str], typer.Argument(metavar="FILE...", help=_FILES_HELP, autocompletion=files(*_TEXTS))],
    only_check: Annotated[bool, typer.Option("--check", help="Change nothing, tell by the exit status.")] = False,
) -> None:
    """Write losses as they are printed, and print the names of the files that change.

    Comments stay where they stand. The text on the input goes to the output.
    Exit status: 0, with --check 1 if a file would change; 2 if one is not a loss, which then stays as it is.
    """
    status = 0
    for file in given:
        try:
            if file != STDIN and not lexists(file):
                raise no_file(file, SUFFIXES, GIVE_LOSS)
            text = stdin() if file == STDIN else read_text(Path(file), GIVE_LOSS)
            result = formatted(text)
            if result != text and file != STDIN and not only_check:
                write_whole(Path(file), lambda opened, text=result: opened.write(text.encode()))  # type: ignore[misc]
        except LossError as failure:
            print_error(failure, before=f"{visible(file)}: ")
            status = _TROUBLE
            continue
        if file == STDIN and not only_check:
            print(shown(result) if sys.stdout.isatty() else result, end="")
        elif result != text:
            print(visible(file))
            status = max(status, _DIFFERENT if only_check else 0)
    raise typer.Exit(status)
