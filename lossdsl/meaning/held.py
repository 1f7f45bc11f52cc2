"""Data -> the arrays in them, with their paths."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from lossdsl.meaning.path import path_text

_MOST_PATHS = 200


def paths(value: Any, prefix: str) -> Iterator[tuple[str, Any]]:
    """The arrays below a value with their paths, the first few hundred of them."""
    stack, left = [(prefix, value)], _MOST_PATHS
    while stack and left:
        path, here = stack.pop()
        children = _children(here)
        if children is None:
            left -= 1
            yield path, here
        else:
            stack.extend((path_text(path, [key]), child) for key, child in reversed(children))


def _children(value: Any) -> list[tuple[Any, Any]] | None:
    if hasattr(value, "shape") or value is None or isinstance(value, str | int | float):
        return None
    if isinstance(value, Mapping):
        return [*value.items()]
    if hasattr(value, "_asdict"):
        return list(value._asdict().items())
    if isinstance(value, Sequence):
        return [(str(i), child) for i, child in enumerate(value)]
    fields = getattr(value, "__dict__", None)
    return [(k, v) for k, v in fields.items() if not k.startswith("_")] if fields else None
