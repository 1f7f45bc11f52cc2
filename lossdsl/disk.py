"""Files: regular ones of a size that can be are read; what is written is written whole or not at all."""

import os
import shutil
import stat
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, BinaryIO
from uuid import uuid4

import numpy as np

from lossdsl.errors import LossError, error

# A loss has a million characters at most, of up to four bytes each.
MOST_TEXT = 2**22
# An archive of zeros or NaN is a thousandth of what it holds; one that was written without compression may be larger.
MOST_UNPACKED = 2**30
_RATIO = 100
_KINDS = {stat.S_IFIFO: "a pipe", stat.S_IFCHR: "a device", stat.S_IFBLK: "a device", stat.S_IFSOCK: "a socket"}


# What tells that a file is another one than before: when it was written, its size, its number; None for no file.
Stamp = tuple[int, int, int] | None
_NOTED: ContextVar[dict[Path, Stamp] | None] = ContextVar("noted", default=None)


@contextmanager
def noted() -> Iterator[dict[Path, Stamp]]:
    """The files that are read meanwhile, as they were then, those that are not there too."""
    files: dict[Path, Stamp] = {}
    token = _NOTED.set(files)
    try:
        yield files
    finally:
        _NOTED.reset(token)


def note(path: Path) -> None:
    """Take a file for one that is read, where that is noted."""
    files = _NOTED.get()
    if files is not None:
        files.setdefault(path.absolute(), stamp(path))


def stamp(path: Path) -> Stamp:
    """What a file is now."""
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def packaged(*parts: str) -> Path:
    """A file of the top of the repository, which a wheel has inside the package."""
    inside = Path(__file__).parent.joinpath(*parts)
    return inside if inside.exists() else Path(__file__).parents[1].joinpath(*parts)


def read_text(path: Path, advice: str) -> str:
    """The text of a file in UTF-8, its lines ended by newlines.

    Args:
        path: The file.
        advice: What to do where there is none.

    Raises:
        LossDataError: If there is no such file, it is not a regular one, too large, or not a text.
    """
    check_file(path, advice)
    try:
        with open(path, "rb") as file:
            held = file.read(MOST_TEXT + 1)
    except OSError as failure:
        raise error("no-file", path=str(path), advice=f"it cannot be read: {_reason(failure)}") from None
    if len(held) > MOST_TEXT:
        size = max(len(held), path.stat().st_size)
        raise error("too-big", path=str(path), holds="has", size=size, limit=MOST_TEXT)
    try:
        return held.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    except UnicodeDecodeError:
        raise error("not-a-text", path=str(path)) from None


def check_file(path: Path, advice: str) -> None:
    """Refuse what is not a regular file: a pipe blocks whoever opens it, a device may never end.

    Raises:
        LossDataError: With what it is.
    """
    note(path)
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):  # no name of a file can be as long, or hold the character
        raise error("no-file", path=str(path), advice=advice) from None
    if kind := _KINDS.get(stat.S_IFMT(mode)):
        raise error("not-regular", path=str(path), got=kind)
    if not stat.S_ISREG(mode):
        raise error("no-file", path=str(path), advice=advice)


def write_whole(path: Path, write: Callable[[BinaryIO], Any]) -> None:
    """Write a file beside the one that is there and put it in its place, so that there is always a whole one.

    Raises:
        LossDataError: If it cannot be written, with the path that was given; what was there is still there.
    """
    try:
        # As `open` does, write through a link; a temporary file of `tempfile` would be hidden from the group.
        target = Path(os.path.realpath(path))
        if target.is_symlink():
            raise OSError(None, "it is a link to itself")
        if target.exists():
            check_file(target, "")
            if not os.access(target, os.W_OK):
                raise PermissionError(None, "Permission denied")
        partial = target.with_name(f".{uuid4().hex}.tmp")
        try:
            with open(partial, "xb") as file:
                write(file)
                file.flush()
                os.fsync(file.fileno())
            if target.exists():
                shutil.copymode(target, partial)
            os.replace(partial, target)
        finally:
            partial.unlink(missing_ok=True)
    except LossError as failure:
        failure.fields["path"] = str(path)
        raise
    except (OSError, ValueError) as failure:
        raise error("cannot-write", path=str(path), reason=_reason(failure)) from None


def read_npz(path: Path, code: str, advice: str) -> dict[str, np.ndarray]:
    """The arrays of an .npz file, all that it says it holds.

    Args:
        path: The file.
        code: The error for one that cannot be read.
        advice: What to do where there is none.

    Raises:
        LossDataError: If there is no such file, it is not a regular one, damaged, or unpacks to too much.
    """
    check_file(path, advice)
    try:
        with open(path, "rb") as file:
            if file.read(2) != b"PK" or not zipfile.is_zipfile(file):
                raise ValueError("it is cut off, or not an .npz file")
            size = os.fstat(file.fileno()).st_size
            with zipfile.ZipFile(file) as archive:
                return _members(path, archive, _counted(file, size), max(MOST_UNPACKED, _RATIO * size))
    except LossError:
        raise
    except Exception as failure:
        # On a damaged file zipfile, zlib and NumPy raise more kinds of exceptions than can be listed.
        raise error(code, path=str(path), reason=_reason(failure)) from None


def _counted(file: BinaryIO, size: int) -> int:
    """How many members an archive says it has: one whose directory is damaged may show fewer."""
    file.seek(max(0, size - 2**16 - 22))
    end = file.read()
    at = end.rindex(b"PK\5\6")
    return int.from_bytes(end[at + 10 : at + 12], "little")


def _members(path: Path, archive: zipfile.ZipFile, count: int, limit: int) -> dict[str, np.ndarray]:
    members = archive.infolist()
    unpacked = sum(member.file_size for member in members)
    if unpacked > limit:
        raise error("too-big", path=str(path), holds="unpacks to", size=unpacked, limit=limit)
    arrays = {member.filename.removesuffix(".npy"): _array(archive, member) for member in members}
    if len(arrays) < len(members) or min(len(members), 2**16 - 1) != count:
        raise ValueError(f"it says that it holds {count} arrays, {len(arrays)} are there")
    return arrays


def _array(archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> np.ndarray:
    if not member.filename.endswith(".npy"):
        raise ValueError(f"`{member.filename}` is not an array")
    with archive.open(member) as file:
        version = np.lib.format.read_magic(file)
        read_header = {(1, 0): np.lib.format.read_array_header_1_0}.get(version, np.lib.format.read_array_header_2_0)
        shape, _, dtype = read_header(file)
        length = int(np.prod([1, *shape], dtype=object)) * dtype.itemsize
        # One that is not there is not made room for; one that is longer was cut by its header.
        if not dtype.hasobject and file.tell() + length != member.file_size:
            raise ValueError(f"`{member.filename}` has {member.file_size} bytes, not those of the shape {shape}")
    with archive.open(member) as file:
        array: Any = np.lib.format.read_array(file, allow_pickle=False)
        file.read()  # to the end, where the checksum is looked at
    # JAX takes the order of bytes of the machine alone.
    return np.asarray(array, array.dtype.newbyteorder("="))


def _reason(failure: Exception) -> str:
    return getattr(failure, "strerror", None) or str(failure).split("\n")[0] or type(failure).__name__
