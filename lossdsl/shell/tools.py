"""What editors and other programs ask for: schemas, and the language server."""

from importlib import resources
from typing import Annotated

import typer

from lossdsl.errors import error


def schema(
    kind: Annotated[str, typer.Argument(metavar="[loss|vocabulary]", help="The kind of file.")] = "loss",
) -> None:
    """Print the JSON Schema of the files that hold a loss or a vocabulary, for editors."""
    if kind not in ("loss", "vocabulary"):
        advice = "write `lossdsl schema loss` or `lossdsl schema vocabulary`"
        raise error("bad-argument", argument="kind", got=f"`{kind}`", advice=advice)
    print(resources.files("lossdsl.configs").joinpath("schemas", f"{kind}.json").read_text("utf-8"), end="")


def lsp() -> None:
    """Run the language server, which an editor starts: it reads from stdin and writes to stdout."""
    try:
        from lossdsl.editor.server import serve
    except ImportError:
        install = "'lossdsl[lsp]'"
        raise error("not-installed", use="the language server", package="pygls", install=install) from None
    serve()
