"""A word that is no file -> whether it was meant for one, and which is the nearest."""

import re
from difflib import get_close_matches
from itertools import islice
from pathlib import Path

from lossdsl.configs import KINDS
from lossdsl.disk import note
from lossdsl.errors import LossError, error, visible

SUFFIXES = (".loss", ".txt", *KINDS)
_PATH = re.compile(r"(/|~|\.\.?(/|\Z)).*", re.DOTALL)
_ONE_WORD = re.compile(r"[^\s()*+@=;,#<>]+")
_SUFFIX = re.compile(r"\.\w+\Z")
# How like a name must be to be meant; the name of a file without its suffix is short.
_NEAR, _NEAR_STEM = 0.65, 0.8
_MOST_FILES = 10_000


def is_file(text: str) -> bool:
    """Whether there is such a file."""
    try:
        return "\0" not in text and Path(text).is_file()
    except OSError:  # it is longer than the name of a file can be
        return False


def is_path(text: str) -> bool:
    """Whether it can be nothing but a file: a word that ends as files of losses do, or begins as paths do."""
    has_suffix = Path(text).suffix.lower() in SUFFIXES and bool(_ONE_WORD.fullmatch(text))
    return has_suffix or bool(_PATH.fullmatch(text))


def meant_for(text: str, failure: LossError) -> LossError:
    """The error to tell where a text is no loss: that of the text, or that there is no such file.

    A word is meant for a file if it has a suffix like those of losses, goes through a folder that is there, or if
    a file is near and no name of the vocabulary.
    """
    if not _ONE_WORD.fullmatch(text):
        return failure
    suffix, folder = _SUFFIX.search(text.lower()), Path(text).parts[0]
    ends_so = bool(suffix and get_close_matches(suffix[0], SUFFIXES, cutoff=_NEAR))
    is_inside = len(Path(text).parts) > 1 and Path(folder).is_dir()
    near = nearest(Path(text), SUFFIXES)
    if ends_so or is_inside or (near and "did you mean" not in failure.hint):
        return no_file(text, SUFFIXES, "give the path of a file, or the text of a loss")
    return failure


def no_file(path: str, suffixes: tuple[str, ...], otherwise: str, words: tuple[str, ...] = ()) -> LossError:
    """The error that there is no such file, with the nearest one, or the nearest of the words that stand for one."""
    note(Path(path))
    near = nearest(Path(path), suffixes) or "".join(get_close_matches(path, words, 1, _NEAR_STEM))
    return error("no-file", path=path, advice=f"did you mean `{visible(near)}`?" if near else otherwise)


def nearest(path: Path, suffixes: tuple[str, ...]) -> str:
    """The path of the nearest file with one of the suffixes, its folder perhaps misspelt; empty if none is near."""
    try:
        folder = path.parent if path.parent.is_dir() else _folder(path.parent)
        entries = islice(folder.iterdir(), _MOST_FILES)
        there = [entry.name for entry in entries if entry.suffix.lower() in suffixes]
    except OSError:
        return ""
    stems = {Path(name).stem: name for name in there}
    found = [name for name in there if name == path.name]
    found += get_close_matches(path.name, there, 1, _NEAR)
    found += [stems[stem] for stem in get_close_matches(path.name, stems, 1, _NEAR_STEM)]
    return str(folder / found[0]) if found else ""


def _folder(path: Path) -> Path:
    there = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
    found = get_close_matches(path.name, there, 1, _NEAR)
    return path.parent / found[0] if found else path
