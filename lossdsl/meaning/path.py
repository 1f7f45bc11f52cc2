"""The path of a quantity -> its parts: the places where the array may lie, each by attributes, keys and indexes."""

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, NamedTuple

from lossdsl.errors import listed

ROOTS = ("states", "trial_specs", "model")
_QUOTED = r"""\["[^"\\\n]+"\]|\['[^'\\\n]+'\]"""
_PARTS = re.compile(rf"(?:{_QUOTED}|[^.\[\]]+)(?:\.(?=[^.\[])|(?=\[)|\Z)")
_COMPONENTS = re.compile(r"(.+?)\[\.\.\., ?(?:(-?\d{1,9})|(-?\d{,9}):(-?\d{,9}))\]")


class Key(str):
    """A part in brackets and quotes: the key of a mapping, and nothing else."""


class Place(NamedTuple):
    """One place where an array may lie.

    Attributes:
        text: As it is written.
        root: The argument of the loss that it begins with.
        parts: What leads from there to the array.
        at: What takes components of a vector, `[..., 2]` or `[..., :2]`, or None.
    """

    text: str
    root: str
    parts: tuple[str, ...]
    at: int | slice | None

    @property
    def base(self) -> str:
        """The same without what takes components."""
        return path_text(self.root, self.parts)


@lru_cache(maxsize=1000)
def places(path: str) -> tuple[Place, ...]:
    """The places that a path names, in the order in which they are tried; ` | ` stands between them."""
    return tuple(map(_place, _split(path)))


def _split(path: str) -> list[str]:
    # In a key the separator means itself.
    hidden = re.sub(_QUOTED, lambda key: key[0].replace("|", "\0"), path)
    return [text.replace("\0", "|") for text in hidden.split(" | ")]


def _place(text: str) -> Place:
    base, at = components(text)
    root, *parts = steps(base)
    return Place(text, root, tuple(parts), at)


def steps(text: str) -> list[str]:
    """The root and the parts of one place."""
    return _parts(text) or text.split(".")


def _parts(text: str) -> list[str] | None:
    """The parts of a place, or nothing where its brackets and dots are not what they must be."""
    found = [match.group() for match in _PARTS.finditer(text)]
    if "".join(found) != text:
        return None
    return [Key(part[2:-2]) if part.startswith("[") else part for part in (p.removesuffix(".") for p in found)]


def components(path: str) -> tuple[str, Any]:
    """A place without what takes components of a vector, and that: `[..., 2]` or `[..., :2]`, or None."""
    match = _COMPONENTS.fullmatch(path)
    if not match:
        return path, None
    base, *bounds = match.groups()
    if bounds[0]:
        return base, int(bounds[0])
    return base, slice(*(int(bound) if bound else None for bound in bounds[1:]))


def path_fault(path: object) -> str:
    """Why it cannot be the path of a quantity; nothing for one that can."""
    if not isinstance(path, str):
        return "is not a text"
    reasons = [_place_fault(text) for text in _split(path)]
    roots = dict.fromkeys(place.root for place in places(path))
    many = f"leads from {listed(roots)}, and must from one of them" if len(roots) > 1 else ""
    return next((reason for reason in reasons if reason), many)


def _place_fault(text: str) -> str:
    parts = _parts(components(text)[0])
    first = re.match(r"\w*", text)
    if first is None or first[0] not in ROOTS:
        return "does not begin with `states`, `trial_specs` or `model`"
    if parts is None:
        return "has a part that is neither a name nor an index"
    if any(part.startswith("__") for part in parts):
        return "holds a dunder"
    if not all(isinstance(p, Key) or p.isidentifier() or (p.isdecimal() and len(p) < 10) for p in parts):
        return "has a part that is neither a name nor an index"
    return ""


def path_text(root: str, parts: Iterable[Any]) -> str:
    """The path that leads there; a key that is no name stands in brackets, one that is a function by what it takes."""
    return root + "".join(map(_part_text, parts))


def _part_text(part: Any) -> str:
    text = (taken(part) if callable(part) else "") or str(part)
    if not isinstance(part, Key) and (text.isidentifier() or text.isdecimal()):
        return f".{text}"
    return f'["{text}"]'


def taken(function: Callable[[Any], Any]) -> str:
    """Which attributes and keys a function takes: `net.hidden` for `lambda states: states.net.hidden`.

    Nothing for a function that does anything else.
    """
    try:
        found = function(Taken())
    except Exception:  # it is a user's
        return ""
    return str(found) if isinstance(found, Taken) else ""


class Taken:
    """Notes which attributes and keys are taken of it, and prints them with dots between."""

    def __init__(self, parts: tuple[str, ...] = ()):
        self._parts = parts

    def __getattr__(self, name: str) -> "Taken":
        if name.startswith("__"):
            raise AttributeError(name)
        return Taken((*self._parts, name))

    def __getitem__(self, key: Any) -> "Taken":
        return Taken((*self._parts, str(key)))

    def __str__(self) -> str:
        return ".".join(self._parts)
