"""The command line: its commands by name, and how its words are read."""

import re
import sys
from collections.abc import Callable
from importlib.metadata import version
from itertools import islice
from typing import Annotated, Any

import typer

from lossdsl.errors import error, visible
from lossdsl.shell import (
    PLAIN,
    check,
    colour,
    compare,
    demo,
    evaluate,
    exits,
    explain,
    format_files,
    latex,
    lsp,
    names,
    ops,
    play,
    python,
    report,
    schema,
)

_EPILOG = "An error ends with its code in brackets; `lossdsl explain CODE` says why it comes, and what helps."
app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    # What Rich draws around help has its place on a terminal alone.
    rich_markup_mode=None if PLAIN else "rich",
    # In a pipe there is no width to follow.
    context_settings={"max_content_width": 120, "terminal_width": 100 if PLAIN else None},
)
_LOSSES, _LANGUAGE, _TOOLS = "Losses", "The language", "Files and editors"
_COMMANDS: dict[str, dict[str, Callable[..., None]]] = {
    _LOSSES: {
        "demo": demo,
        "eval": evaluate,
        "check": check,
        "report": report,
        "python": python,
        "latex": latex,
        "diff": compare,
        "play": play,
    },
    _LANGUAGE: {"ops": ops, "names": names, "explain": explain},
    _TOOLS: {"fmt": format_files, "schema": schema, "lsp": lsp},
}
# How many losses a command takes.
_TAKES = {"eval": 1, "check": 1, "report": 1, "python": 1, "latex": 1, "play": 1, "diff": 2}
for _panel, _commands in _COMMANDS.items():
    for _name, _command in _commands.items():
        _first = " ".join((_command.__doc__ or "").split("\n\n")[0].split())
        app.command(_name, rich_help_panel=_panel, short_help=_first)(_command)


def main() -> None:
    """Run the command line; what is wrong with a loss goes to stderr, with exit status 1."""
    with exits(2):
        arguments = _in_order(sys.argv[1:])
    with exits(1):
        app(arguments, color=colour())


def _in_order(arguments: list[str]) -> list[str]:
    """The command, its options, and behind `--` its operands: `-position` is not `-p` and `-o sition`."""
    if not arguments or arguments[0].startswith("-"):
        return arguments
    known = _options(arguments[0])
    options: list[str] = []
    operands: list[str] = []
    strange = False
    given = iter(arguments[1:])
    for argument in given:
        if argument == "--":
            operands += given
        elif re.match("--|-[ho]$", argument):
            options += [argument, *(islice(given, 1) if known.get(argument) else ())]
            # What follows one that is not known may be its value, and the command tells it.
            strange = strange or argument.partition("=")[0] not in known
        else:
            operands.append(argument)
    if not strange:
        _check_quotes(arguments[0], operands)
    return [arguments[0], *options, "--", *operands]


def _check_quotes(name: str, operands: list[str]) -> None:
    """Tell a loss that the shell has taken apart."""
    if len(operands) > _TAKES.get(name, len(operands)):
        text = visible(" ".join(operands)) if _TAKES[name] == 1 else 'position" "2*position'
        advice = f'put a loss in quotes: `lossdsl {name} "{text}"`'
        raise error("bad-argument", argument=name, got=f"given {len(operands)} words", advice=advice)


def _options(name: str) -> dict[str, bool]:
    """The options of a command, and whether a value follows them."""
    commands: dict[str, Any] = getattr(typer.main.get_command(app), "commands", {})
    parameters = commands[name].params if name in commands else []
    found = {
        word: not getattr(parameter, "is_flag", False)
        for parameter in parameters
        for word in (*parameter.opts, *parameter.secondary_opts)
    }
    return {"--help": False, "-h": False, **found}


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"lossdsl {version('lossdsl')}")
        raise typer.Exit


@app.callback(epilog=_EPILOG)
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The loss of a JAX model as one line of text."""
