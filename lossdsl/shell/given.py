"""The words of a command line -> losses, numbers and data."""

import sys
from functools import cache
from pathlib import Path
from typing import Any

from lossdsl.backends import Trajectories, example, load_npz
from lossdsl.configs import KINDS, document, load_vocabulary, loss_of, project_of, vocabulary_of
from lossdsl.disk import MOST_TEXT, read_text
from lossdsl.errors import LossError, error
from lossdsl.language import Let, parse
from lossdsl.loss import CompositeLoss, compile
from lossdsl.meaning import FEEDBAX, NAMED, Vocabulary
from lossdsl.shell.near import SUFFIXES, is_file, is_path, meant_for, no_file

STDIN = "-"
EXAMPLE = "example"
GIVE_LOSS = "give the path of a file, or the text of a loss"


def compiled(loss: str, set_: list[str] | None, names: str | None = None, *, all_used: bool = True) -> CompositeLoss:
    """The loss of a text, of a file with a text or a config, or of the input.

    What a text does not define and nothing knows may be a parameter. Names mean what `names` says, see `vocabulary_at`.
    """
    numbers = numbers_of("--set", "alpha", set_)
    path = Path(loss)
    if is_config(loss):
        written = document(path, read_text(path, GIVE_LOSS))
        loaded = loss_of(written, known=vocabulary_at(path, names) if names else None)
        return loaded.with_parameters({n: v for n, v in numbers.items() if all_used or n in loaded.parameters})
    text = text_of(loss)
    try:
        return _of_text(text, vocabulary_at(path if is_file(loss) else Path(STDIN), names), numbers, all_used)
    except LossError as failure:
        raise (failure if text != loss else meant_for(loss, failure)) from None


def is_config(loss: str) -> bool:
    """Whether it is a file of YAML, TOML or JSON."""
    return is_file(loss) and Path(loss).suffix.lower() in KINDS


def text_of(loss: str) -> str:
    """The text itself, that of a file, or that on the input."""
    if is_file(loss):
        return read_text(Path(loss), GIVE_LOSS)
    if is_path(loss):
        raise no_file(loss, SUFFIXES, GIVE_LOSS)
    return stdin() if loss == STDIN else loss


def _of_text(text: str, vocabulary: Vocabulary, parameters: dict[str, str], all_used: bool) -> CompositeLoss:
    tree = parse(text)
    local = {name.name for name in tree.names} if isinstance(tree, Let) else set()
    taken = dict.fromkeys(vocabulary.names, "it is a name of the vocabulary; `--weight` changes the weight of a term")
    taken |= dict.fromkeys(local, "the text defines it; take the definition away")
    for name in parameters:
        if name in taken and name not in vocabulary.parameters and all_used:
            raise error("unknown-parameter", name=name, advice=taken[name])
    declared: Any = {n: value for n, value in parameters.items() if n not in taken or n in vocabulary.parameters}
    if not all_used:
        return compile(tree, vocabulary.extend(parameters=declared))
    return compile(tree, vocabulary, parameters=declared)


def vocabulary_at(path: Path, name: str | None = None) -> Vocabulary:
    """What names mean in a text that stands in a file: what is asked for, or what the project says, or Feedbax's."""
    if name in NAMED:
        return NAMED[name]
    if name:
        if not is_file(name):
            raise no_file(name, tuple(KINDS), "give a file with the keys `quantities`, `terms` and `parameters`")
        return load_vocabulary(name)
    project = project_of(path)
    return vocabulary_of(project) if project else FEEDBAX


def numbers_of(option: str, name: str, given: list[str] | None) -> dict[str, str]:
    """`NAME=NUMBER` by name; a label may hold a `=` itself, as `huber(position, delta=0.1)` does."""
    found = {}
    for pair in given or []:
        label, equals, number = pair.rpartition("=")
        if not equals:
            advice = f"write for example `{option} {name}=0.5`"
            raise error("bad-argument", argument=option, got=f"`{pair}`", advice=advice)
        found[label.strip()] = number
    return found


def data_of(file: Path) -> Trajectories:
    """What an .npz file holds; `example` is what ships with the package, where no file has that name."""
    if file.exists():
        return load_npz(file)
    if str(file) == EXAMPLE:
        return example()
    raise no_file(str(file), (".npz",), "give the path of an .npz file", (EXAMPLE,))


@cache  # what is read is gone, and `diff` may name it twice
def stdin() -> str:
    """The text on the input."""
    try:
        return sys.stdin.buffer.read(MOST_TEXT).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise error("not-a-text", path=STDIN) from None
