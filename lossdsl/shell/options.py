"""The arguments and options that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

DATA_HELP = "An .npz file with keys such as states.net.hidden; `example` takes the reaches that come with lossdsl."
LossText = Annotated[
    str,
    typer.Argument(
        metavar="LOSS",
        help="A loss, or a file that holds one: a text, or a config in YAML, TOML or JSON; - for the input.",
    ),
]
Data = Annotated[Path | None, typer.Option("--data", metavar="FILE", help=DATA_HELP)]
_SET_HELP = "The value of a parameter; may be repeated. A name that nothing else defines becomes a parameter."
Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=NUMBER", help=_SET_HELP)]
_WEIGHT_HELP = "A new weight of a term; may be repeated."
Weight = Annotated[list[str] | None, typer.Option("--weight", metavar="LABEL=NUMBER", help=_WEIGHT_HELP)]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
