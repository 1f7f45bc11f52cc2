"""Data -> a row for each array in them: a name, its path, and axes that are guessed from equal lengths."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax.numpy as jnp

from lossdsl.meaning.held import paths
from lossdsl.meaning.path import path_fault, places
from lossdsl.meaning.quantity import Quantity, is_axis
from lossdsl.operators import BATCH, STEP, TIME

Shape = tuple[int, ...]
# What a vector of so many components is likely to be along.
_SPACES = {2: "xy", 3: "xyz"}
_RESERVED = ("as", STEP)


def proposed(roots: Mapping[str, Any]) -> dict[str, Quantity]:
    """A row for each array of numbers below some roots, by the shortest name that tells it from the others.

    The first axis that most arrays have is `batch`, the next `time`, where states may be one step longer than targets;
    other axes of one length have one name.
    """
    found = {path: leaf for root, value in roots.items() for path, leaf in paths(value, root) if _is_numbers(leaf)}
    shapes = {path: tuple(leaf.shape) for path, leaf in found.items() if not path_fault(path)}
    names, axes = _names([*shapes]), _axes(shapes)
    return {
        names[path]: Quantity(path, axes[path], doc=f"axes guessed from the lengths {shape}")
        for path, shape in shapes.items()
    }


def _is_numbers(leaf: Any) -> bool:
    kinds = (jnp.bool_, jnp.integer, jnp.floating)
    return hasattr(leaf, "dtype") and any(jnp.issubdtype(leaf.dtype, kind) for kind in kinds)


def _names(found: Sequence[str]) -> dict[str, str]:
    """The last parts of each path, as many as tell it from the others; the root too where two have all others alike."""
    parts = {path: _words([place.root, *place.parts]) for path in found for place in places(path)}
    names: dict[str, str] = {}
    for path, words in parts.items():
        ends = [".".join(words[-count:]) for count in range(1, len(words) + 1)]
        others = [f".{'.'.join(other)}" for name, other in parts.items() if name != path]
        free = [end for end in ends if end not in _RESERVED and not any(other.endswith(f".{end}") for other in others)]
        names[path] = free[0] if free else ends[-1]
    return names


def _words(parts: Sequence[str]) -> list[str]:
    """The parts of a path as names: an index is written behind what it is an index of."""
    words = [re.sub(r"\W+", "_", part) for part in parts]
    pairs = zip(["", *words], words, strict=False)
    return [part if part.isidentifier() else f"{above}_{part}" for above, part in pairs]


def _axes(shapes: Mapping[str, Shape]) -> dict[str, str]:
    batch = _most_common(shape[0] for shape in shapes.values() if shape)
    time = _time([shape for shape in shapes.values() if shape[:1] == (batch,)])
    named: dict[int, str] = {}
    return {path: " ".join(_axes_of(path, shape, batch, time, named)) for path, shape in shapes.items()}


def _time(shapes: Sequence[Shape]) -> int | None:
    """The length behind `batch` that most arrays have: of those with components, else of several or the only one."""
    whole = [shape[1] for shape in shapes if len(shape) > 2]
    flat = [shape[1] for shape in shapes if len(shape) == 2]
    if not whole and len(flat) > 1 and len({*flat}) == len(flat):
        return None
    return _most_common(whole or flat)


def _most_common(lengths: Iterable[int]) -> int | None:
    return next((length for length, _ in Counter(lengths).most_common(1)), None)


def _axes_of(path: str, shape: Shape, batch: int | None, time: int | None, named: dict[int, str]) -> list[str]:
    found: list[str] = []
    for i, length in enumerate(shape):
        if i == 0 and length == batch:
            found.append(BATCH)
        elif TIME not in found and i == len(found) <= 1 and time is not None and abs(length - time) <= 1:
            found.append(TIME)
        elif length == 1:
            found.append("1")
        else:
            name = named.setdefault(length, _SPACES.get(length) or _fresh(path, length, named))
            found.append(name if found.count(name) < 2 else f"{name}{i}")
    return found


def _fresh(path: str, length: int, named: Mapping[int, str]) -> str:
    """The name of the first array with an axis of that length, if it can be that of an axis."""
    name = re.sub(r"\W", "_", path.rsplit(".", 1)[-1])
    return name if is_axis(name) and name not in named.values() else f"axis{length}"
