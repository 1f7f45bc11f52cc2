"""The start of a word on a command line -> what it may become, for the completion of shells."""

import os
from collections.abc import Callable
from pathlib import Path

from lossdsl.errors import MESSAGES, LossError
from lossdsl.meaning import FEEDBAX, NAMED
from lossdsl.operators import OPS
from lossdsl.shell.given import STDIN, vocabulary_at
from lossdsl.shell.near import SUFFIXES

_DEEPEST = 8


def files(*suffixes: str) -> Callable[[str], list[str]]:
    """A completion of the paths of files with one of the suffixes, through folders."""

    def complete(incomplete: str) -> list[str]:
        found = _entries(incomplete, suffixes)
        # A shell sets a blank behind what is the only one, and in a folder one would go on.
        for _ in range(_DEEPEST):
            if len(found) != 1 or not found[0].endswith(os.sep):
                break
            found = _entries(found[0], suffixes)
        return found

    return complete


def _entries(incomplete: str, suffixes: tuple[str, ...]) -> list[str]:
    folder, start = os.path.split(incomplete)
    try:
        there = sorted(os.scandir(os.path.expanduser(folder) or "."), key=lambda entry: entry.name)
    except OSError:
        return []
    kept = [e for e in there if e.name.startswith(start) and (start or not e.name.startswith("."))]
    named = [
        (entry.name + os.sep if entry.is_dir() else entry.name)
        for entry in kept
        if entry.is_dir() or Path(entry.name).suffix.lower() in suffixes
    ]
    return [os.path.join(folder, name) for name in named]


def losses(incomplete: str) -> list[str]:
    """Files of losses, and the names and operators that a text may begin with."""
    try:
        names = vocabulary_at(Path(STDIN)).names
    except LossError:
        names = FEEDBAX.names
    texts = [*names, *(f"{name}(" for name in OPS if name.isidentifier())] if incomplete else []
    return [*files(*SUFFIXES)(incomplete), *(text for text in texts if text.startswith(incomplete))]


def vocabularies(incomplete: str) -> list[str]:
    """Files of vocabularies, and those that have a name."""
    named = [name for name in NAMED if name.startswith(incomplete)]
    return [*named, *files(*SUFFIXES)(incomplete)]


def operators(incomplete: str) -> list[tuple[str, str]]:
    """Operators, with what they are."""
    return [(name, op.summary) for name, op in OPS.items() if name.startswith(incomplete)]


def codes(incomplete: str) -> list[str]:
    """The codes of errors."""
    return [code for code in MESSAGES if code.startswith(incomplete)]
