"""Values and arrays -> which of them are not finite, and where."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from lossdsl.backends import Program
from lossdsl.errors import error
from lossdsl.loss.scalars import is_traced
from lossdsl.meaning import Quantity

_MOST_NAMED = 4


def check_finite(values: Any, program: Program | None = None, arrays: Sequence[Any] = ()) -> None:
    """Refuse values that are not finite; with the arrays that they were made of, say what is not finite there.

    Raises:
        LossDataError: With the terms, the quantities, and the place of the first number that is not finite.
    """
    if is_traced(jax.tree.leaves(values)):
        raise error("values-unknown")
    found = [text for label, value in values.items() if (text := _first(label, value))]
    found = found or [text for text in [_first("total", values.total)] if text]
    if not found:
        return
    advice = "`loss.check(states, trial_specs)` names the arrays that are not"
    if program is not None:
        given = zip(program.quantities.items(), arrays, strict=True)
        places = [place for (name, quantity), array in given if (place := _place(name, quantity, array))]
        advice = _listed(places) if places else "all that it reads is finite: a step of the term itself is not"
    raise error("values-not-finite", found=_listed(found), advice=advice)


def _first(label: str, value: Any) -> str:
    numbers = np.asarray(value, float)
    wrong = numbers[~np.isfinite(numbers)]
    return f"`{label}` is {wrong.flat[0]}" if wrong.size else ""


def _place(name: str, quantity: Quantity, array: Any) -> str:
    """What is not finite in an array, or in those of a PyTree."""
    for path, leaf in jax.tree_util.tree_leaves_with_path(array):
        if not jnp.issubdtype(leaf.dtype, jnp.inexact):
            continue
        for start, numbers in _pieces(leaf):
            wrong = np.argwhere(~np.isfinite(numbers))
            if len(wrong):
                place = [begin + int(i) for begin, i in zip(start, wrong[0], strict=True)]
                at: Mapping[str, Any] = dict(zip(quantity.dimensions, place, strict=False))
                shown = ", ".join(f"{axis}={i}" for axis, i in at.items()) if not path else jax.tree_util.keystr(path)
                more = f" and {len(wrong) - 1} more" if len(wrong) > 1 else ""
                return f"`{name}` is {numbers[tuple(wrong[0])]} at {shown}{more}"
    return ""


def _pieces(leaf: Any) -> Iterator[tuple[list[int], np.ndarray]]:
    """The pieces of an array that are not finite, and where each begins.

    One that is shared out over devices is never gathered: each looks at its own piece, on a machine of several the
    pieces that lie there.
    """
    if not isinstance(leaf, jax.Array) or len(leaf.sharding.device_set) == 1:
        yield [0] * np.ndim(leaf), np.asarray(leaf)
        return
    for shard in leaf.addressable_shards:
        if not jnp.isfinite(shard.data).all():
            yield [part.start or 0 for part in shard.index], np.asarray(shard.data)


def _listed(texts: Sequence[str]) -> str:
    more = f" and {len(texts) - _MOST_NAMED} more" if len(texts) > _MOST_NAMED else ""
    return ", ".join(texts[:_MOST_NAMED]) + more
