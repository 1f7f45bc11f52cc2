"""The command line as its user sees it, run in this process: what takes time is importing JAX."""

import contextlib
import io
import sys
from pathlib import Path
from typing import NamedTuple
from unittest import mock

from lossdsl.cli import main
from lossdsl.shell import given as inputs


class Done(NamedTuple):
    """What a program leaves, under the names of `subprocess`."""

    returncode: int
    stdout: str
    stderr: str


def finished(*arguments, given="", folder="."):
    """`lossdsl` with these arguments, in a folder, with what it is given on its input."""
    inward, out, err = (io.TextIOWrapper(io.BytesIO(text), encoding="utf-8") for text in (given.encode(), b"", b""))
    streams = mock.patch.multiple(sys, argv=["lossdsl", *arguments], stdin=inward, stdout=out, stderr=err)
    inputs.stdin.cache_clear()
    status = 0
    with contextlib.chdir(Path(folder)), streams:
        try:
            main()
        except SystemExit as ended:
            status = ended.code or 0
    shown = []
    for stream in (out, err):
        stream.flush()
        shown.append(stream.buffer.getvalue().decode())
    return Done(status, *shown)
