"""Names, numbers, paths and indexes -> Python text."""

import json
import linecache
from collections.abc import Callable, Iterable
from fractions import Fraction
from hashlib import sha256
from typing import Any
from weakref import finalize

from lossdsl.language import Call, subscript_text
from lossdsl.operators import HARD, TIME, Axes, Look

# A string.
quoted = json.JSONEncoder(ensure_ascii=False).encode


def turned(code: str, axes: list[str], frame: Axes) -> str:
    """The array with the dimensions of the frame, those that it lacks having length 1."""
    order = [axes.index(axis) for axis in frame if axis in axes]
    if order != sorted(order):
        code = f"jnp.transpose({code}, {tuple(order)})"
    index = [":" if axis in axes else "None" for axis in frame]
    return code if not axes or "None" not in index else f"{code}[{', '.join(index)}]"


def steps(node: Call) -> str:
    """The index of the steps that are taken."""
    return ":, " * list(node.fit.frame).index(TIME) + subscript_text(node.static)


def path(path: str) -> str:
    """A path as Python writes it, its keys in quotes as they are."""
    return repr(path) if '"' in path else quoted(path)


def returned(opening: str, rows: list[str], closing: str) -> list[str]:
    """The lines that return a tuple or a dict of rows."""
    return [f"    return {opening}", *rows, f"    {closing}"] if rows else [f"    return {opening}{closing}"]


def literal(value: Fraction) -> str:
    """A number that is not negative."""
    return str(value.numerator) if value.denominator == 1 and value < 10**6 else repr(float(value))


def identifier(name: str) -> str:
    """A Python variable that reads like the name."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    return plain if plain and not plain[0].isdigit() else f"_{plain}"


def settings(node: Call) -> list[str]:
    """How a formula looks ahead and is smoothed, as its function is told."""
    look = node.static
    if not isinstance(look, Look):
        return []
    told = [f"within={look.steps}"] if look.steps else []
    told += [f"smooth={quoted(look.smooth)}"] if look.smooth != HARD else []
    return [*told, *(["first=True"] if look.first else [])]


def functions(source: str, owner: object, names: Iterable[str]) -> dict[str, Callable[..., Any]]:
    """The functions of a source; `linecache` lets a traceback show its lines as long as their owner lives."""
    filename = f"<lossdsl {sha256(source.encode()).hexdigest()[:12]}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    finalize(owner, linecache.cache.pop, filename, None)
    found: dict[str, Any] = {}
    # Our own source: what a user wrote stands in it as checked identifiers, in repr or in comments.
    exec(compile(source, filename, "exec"), found)
    return {name: found[name] for name in names}
