"""A loss and data -> a playground in the browser."""

from pathlib import Path
from typing import Annotated, Any

import typer

from lossdsl.backends import Trajectories, example
from lossdsl.configs import document, vocabulary_of
from lossdsl.disk import packaged, read_text
from lossdsl.errors import LossError, error, visible
from lossdsl.loss import compile
from lossdsl.meaning import FEEDBAX, Vocabulary
from lossdsl.shell.complete import losses
from lossdsl.shell.given import GIVE_LOSS, STDIN, compiled, data_of, is_config, numbers_of, text_of, vocabulary_at
from lossdsl.shell.near import is_file, meant_for
from lossdsl.shell.options import Data, Names, Set

_LOSS_HELP = "A loss, or a file that holds one; - for the input. Without one, that of `lossdsl demo`."
_PORT_HELP = "The port; without it, one that is free."
_EXAMPLE = "the reaches that come with lossdsl"


def play(
    loss: Annotated[
        str | None, typer.Argument(metavar="[LOSS]", help=_LOSS_HELP, autocompletion=losses, show_default=False)
    ] = None,
    file: Data = None,
    given: Set = None,
    vocabulary: Names = None,
    port: Annotated[int, typer.Option(min=0, max=65_535, help=_PORT_HELP, show_default=False)] = 0,
    look: Annotated[bool, typer.Option("--open", help="Open it in the browser.")] = False,
) -> None:
    """Try a loss in the browser: mistakes in place, formula, values and plots while one types, sliders for weights.

    It prints its address, on this machine alone, and runs until Ctrl-C. Without --data it takes the reaches that come
    with lossdsl, if the names are those of Feedbax.
    """
    try:
        from lossdsl.playground.serve import Start, serve
    except ImportError:
        install, packages = "'lossdsl[play]'", "Starlette, uvicorn, math-core and ziamath"
        raise error("not-installed", use="the playground", package=packages, install=install) from None
    known, text = _text(loss, numbers_of("--set", "alpha", given), vocabulary)
    data, said = _data(file, known)
    serve(Start(text, known, data, said), port, look, _say)


def _text(loss: str | None, parameters: dict[str, Any], names: str | None) -> tuple[Vocabulary, str]:
    """What names mean, and the text, right or wrong."""
    if loss is None:
        text = packaged("examples", "reach.loss").read_text(encoding="utf-8")
        return vocabulary_at(Path(STDIN), names).extend(parameters=parameters), text
    path = Path(loss)
    if is_config(loss):
        written = document(path, read_text(path, GIVE_LOSS))
        known = vocabulary_of(written, "loss", known=vocabulary_at(path, names) if names else None)
        text = written.data["loss"]
        return known.extend(parameters=parameters), text if isinstance(text, str) else str(compiled(loss, None, names))
    known = vocabulary_at(path if is_file(loss) else Path(STDIN), names).extend(parameters=parameters)
    text = text_of(loss)
    if text == loss:
        _check_meant(loss, known)
    return known, text


def _check_meant(loss: str, known: Vocabulary) -> None:
    """Refuse a word that was meant for a file; any other mistake is shown by the page."""
    try:
        compile(loss, known)
    except LossError as failure:
        meant = meant_for(loss, failure)
        if meant is not failure:
            raise meant from None


def _data(file: Path | None, known: Vocabulary) -> tuple[Trajectories | None, str]:
    """The data, and what they are."""
    if file is not None:
        return data_of(file), visible(file.name) if file.exists() else _EXAMPLE
    has_names = FEEDBAX.quantities.items() <= known.quantities.items()
    return (example(), _EXAMPLE) if has_names else (None, "")


def _say(address: str) -> None:
    print(f"the playground is at {address} (Ctrl-C ends)", flush=True)
