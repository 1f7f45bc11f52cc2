"""A batch of trials -> parts of it, each trial with how much it counts."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.backends import is_explicit
from lossdsl.errors import LossError, described, error, listed
from lossdsl.language import check_count


class Batch:
    """The trials of a batch.

    Attributes:
        trials: How many there are.
        parts: In how many parts they are cut.
    """

    def __init__(self, trial_specs: Any, axes: Any, size: int | None):
        found, self._form = jax.tree_util.tree_flatten_with_path(trial_specs)
        leaves = [leaf for _, leaf in found]
        given = zip(_spread(axes, trial_specs) if leaves else [], leaves, strict=True)
        # A number has no axis.
        self._axes = [_checked(axis, leaf) if np.ndim(leaf) else None for axis, leaf in given]
        pairs = list(zip(self._axes, leaves, strict=True))
        self._shared = [leaf if axis is None else None for axis, leaf in pairs]
        self._rows = [None if axis is None else jnp.moveaxis(leaf, axis, 0) for axis, leaf in pairs]
        counts = {
            jax.tree_util.keystr(path): len(rows)
            for (path, _), rows in zip(found, self._rows, strict=True)
            if rows is not None
        }
        self.trials = _one_number(counts)
        if size is not None:
            check_count("size", size, 1, "give the number of trials of a part: `size=32`")
        self.parts = -(-self.trials // min(size or self.trials, self.trials))

    def counting(self, where: Any) -> Array:
        """How much each trial counts; from here on the first that does stands in place of those that do not.

        A NaN there is none of the gradient's then, nor what the rollout makes of zeros.

        Raises:
            LossValueError: If that is not a number for each trial.
        """
        if where is None:
            return jnp.ones(self.trials)
        if getattr(where, "shape", None) != (self.trials,):
            advice = f"give an array with a number for each of the {self.trials} trials"
            raise error("bad-argument", argument="where", got=described(where), advice=advice)
        counts, places = jnp.asarray(where, jnp.result_type(float)), jnp.arange(self.trials)
        inside = counts != 0
        first = places == jnp.min(places, where=inside, initial=self.trials)
        self._rows = [None if rows is None else _filled(jnp.asarray(rows), inside, first) for rows in self._rows]
        return counts

    def split(self, shares: dict[str, Array], keys: Array | None) -> Any:
        """All parts, one after the other; those that lack a trial have one once more that does not count."""
        size = -(-self.trials // self.parts)
        missing = size * self.parts - self.trials

        # Each device has the same share of every part, where the batch is shared out.
        def cut(rows: Array, more: Any = None) -> Array:
            if missing:
                rows = jnp.concatenate([rows, rows[:missing] if more is None else more])
            return jnp.swapaxes(rows.reshape(size, self.parts, *rows.shape[1:]), 0, 1)

        if missing and any(is_explicit(rows) for rows in self._rows if rows is not None):
            even = max(n for n in range(1, size) if self.trials % n == 0)
            advice = f"give one that leaves no trial over, as `size={even}`, or take a mesh with automatic axes"
            got = f"{size} for {self.trials} trials on a mesh with explicit axes"
            raise error("bad-argument", argument="size", got=got, advice=advice)
        rows = jax.tree.map(cut, (self._rows, keys))
        return *rows, {label: cut(share, jnp.zeros(missing, share.dtype)) for label, share in shares.items()}

    def part(self, rows: Sequence[Any]) -> Any:
        """The trials of a part, in the form of the batch."""
        places = zip(rows, self._axes, self._shared, strict=True)
        leaves = [leaf if axis is None else jnp.moveaxis(row, 0, axis) for row, axis, leaf in places]
        return jax.tree.unflatten(self._form, leaves)


def _filled(rows: Array, inside: Array, first: Array) -> Array:
    # A sum and no `rows[first]`: of trials that are shared out over devices it sends that of one.
    if jnp.issubdtype(rows.dtype, jax.dtypes.prng_key):
        return rows
    inside, first = (mask.reshape(-1, *(1 for _ in rows.shape[1:])) for mask in (inside, first))
    return jnp.where(inside, rows, jnp.sum(rows, axis=0, where=first, keepdims=True, dtype=rows.dtype))


def _spread(axes: Any, trial_specs: Any) -> list[Any]:
    """The axis of each array, from those of parts of the tree."""

    def is_none(x: Any) -> bool:
        return x is None

    try:
        return jax.tree.leaves(jax.tree.broadcast(axes, trial_specs, is_leaf=is_none), is_leaf=is_none)
    except ValueError:
        raise _bad_axes(described(axes)) from None


def _checked(axis: Any, leaf: Any) -> Any:
    if axis is None or (isinstance(axis, int) and -np.ndim(leaf) <= axis < np.ndim(leaf)):
        return axis
    raise _bad_axes(f"`{axis!r}` for an array of shape {np.shape(leaf)}")


def _bad_axes(got: str) -> LossError:
    advice = "give the place of `batch`, or None, for all arrays or for each, as `in_axes` of `jax.vmap`"
    return error("bad-argument", argument="axes", got=got, advice=advice)


def _one_number(counts: dict[str, int]) -> int:
    """The number of trials.

    Raises:
        LossValueError: If there is no array with an axis for them, if there are two numbers, or no trial.
    """
    found = sorted(set(counts.values()))
    if not found:
        advice = "give arrays with an axis for the trials"
        raise error("bad-argument", argument="trial_specs", got="without arrays", advice=advice)
    if len(found) > 1:
        odd = listed([f"trial_specs{path}" for path, n in counts.items() if n != found[-1]][:3])
        advice = f"if all trials share {odd}, say so: `axes=`, as `in_axes` of `jax.vmap`"
        got = f"arrays of {' and of '.join(map(str, found))} trials"
        raise error("bad-argument", argument="trial_specs", got=got, advice=advice)
    if not found[0]:
        advice = "give at least one; a loss is a mean over `batch`"
        raise error("bad-argument", argument="trial_specs", got="a batch of no trials", advice=advice)
    return found[0]
