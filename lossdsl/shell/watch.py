"""A command and the files that it reads -> the command again whenever one of them is saved."""

import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import typer

from lossdsl.disk import Stamp, noted, stamp
from lossdsl.errors import LossError, error, visible
from lossdsl.shell.near import is_file
from lossdsl.shell.terminal import colour, print_error

# In seconds: how often the files are looked at, and how long they stay when an editor has written them.
_PAUSE, _SETTLED = 0.3, 0.05


def run(work: Callable[[], None], loss: str, again: bool) -> None:
    """Do some work on a loss, once, or again and again until it is interrupted.

    Raises:
        LossError: If it is to be done again, and the loss is no file; if it is done once, what is wrong.
    """
    if not again:
        return work()
    if not is_file(loss):
        work()
        advice = "give the path of a file that holds the loss"
        raise error("bad-argument", argument="--watch", got="used where the loss is no file", advice=advice)
    try:
        while True:
            with noted() as files:
                _try(work)
            _say(f"watching {', '.join(sorted({visible(path.name) for path in files}))}; Ctrl-C ends")
            changed = _wait(files)
            _say(f"\n{time.strftime('%H:%M:%S')} {', '.join(sorted(visible(path.name) for path in changed))} changed")
    except KeyboardInterrupt:
        _say("")


def _try(work: Callable[[], None]) -> None:
    try:
        work()
    except LossError as failure:
        print_error(failure)
    sys.stdout.flush()


def _wait(files: Mapping[Path, Stamp]) -> list[Path]:
    """Wait until a file is another one than when it was read, and all of them stay for a moment."""
    while not (changed := [path for path, before in files.items() if stamp(path) != before]):
        time.sleep(_PAUSE)
    before: list[Stamp] = []
    while (now := [stamp(path) for path in changed]) != before:
        before = now
        time.sleep(_SETTLED)
    return changed


def _say(text: str) -> None:
    typer.secho(text, dim=True, err=True, color=colour())
