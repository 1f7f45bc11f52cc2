"""A file and its text -> the losses and vocabularies in it."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from lossdsl.configs import KINDS, project_of, vocabulary_of
from lossdsl.editor import in_config, in_python
from lossdsl.editor.passage import Passage
from lossdsl.editor.unit import Unit
from lossdsl.errors import LossError
from lossdsl.loss import compile
from lossdsl.meaning import FEEDBAX, Vocabulary

LOSS = ".loss"


def units_of(path: Path, text: str) -> list[Unit]:
    """The losses and vocabularies of a file, by the end of its name: `.loss`, YAML, TOML or Python.

    The text has newlines at the ends of its lines, whatever the file has.
    """
    suffix = path.suffix.lower()
    if suffix == LOSS:
        return [_loss(path, text)]
    if suffix in KINDS and suffix != ".json":
        return in_config.units_of(path, text, partial(_project_vocabulary, path))
    return in_python.units_of(path, text) if suffix == ".py" else []


def _loss(path: Path, text: str) -> Unit:
    loss = Passage.of(text, range(len(text) + 1))
    check: Callable[[], Any]
    try:
        project = project_of(path)
        vocabulary = vocabulary_of(project) if project else FEEDBAX
        check = partial(compile, loss, vocabulary)
    except LossError as failure:
        project, vocabulary, check = None, FEEDBAX, partial(_fail, failure)
    file = project.path if project else None
    return Unit(loss.place, check, (loss,), (loss,), vocabulary=vocabulary, extends=file)


def _fail(failure: LossError) -> None:
    raise failure


def _project_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of the project that a file stands in; Feedbax's where it has none, or one that is wrong."""
    try:
        project = project_of(path)
        return vocabulary_of(project) if project else FEEDBAX
    except LossError:
        return FEEDBAX
