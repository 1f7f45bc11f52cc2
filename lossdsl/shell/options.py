"""The arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

from lossdsl.shell.complete import files, losses, vocabularies

DATA_HELP = "An .npz file with keys such as states.net.hidden; `example` takes the reaches that come with lossdsl."
LossText = Annotated[
    str,
    typer.Argument(
        metavar="LOSS",
        help="A loss, or a file that holds one: a text, or a config in YAML, TOML or JSON; - for the input.",
        autocompletion=losses,
    ),
]
Data = Annotated[Path | None, typer.Option("--data", metavar="FILE", help=DATA_HELP, autocompletion=files(".npz"))]
_SET_HELP = "The value of a parameter; may be repeated. A name that nothing else defines becomes a parameter."
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=NUMBER", help=_SET_HELP)]
_WEIGHT_HELP = "A new weight of a term; may be repeated."
Weight = Annotated[list[str] | None, typer.Option("--weight", metavar="LABEL=NUMBER", help=_WEIGHT_HELP)]
_NAMES_HELP = "What names mean: a file, `feedbax` or `none`; without it, what the config or the project says."
Names = Annotated[
    str | None, typer.Option("--vocabulary", metavar="FILE", help=_NAMES_HELP, autocompletion=vocabularies)
]
Watch = Annotated[bool, typer.Option("--watch", help="Again, whenever a file that it reads is saved; Ctrl-C ends.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
