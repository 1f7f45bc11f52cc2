"""Two histories, as those of a run and of the one that resumed it -> the rows of both."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.errors import described, error
from lossdsl.loss import LossDict, is_traced
from lossdsl.training.history_file import held_steps


def joined(first: Any, later: Any) -> tuple[LossDict, LossDict | None, Array]:
    """The losses of training and of validation, and the steps, of two histories.

    Raises:
        LossDataError: If one of them is no history, or traced, or their ensembles do not match.
    """
    if not isinstance(later, type(first)):
        advice = "give a `LossHistory`, such as one that `LossHistory.load` read"
        raise error("bad-argument", argument="later", got=described(later), advice=advice)
    leaves = jax.tree.leaves((first, later))
    if is_traced(leaves):
        raise error("bad-argument", argument="later", got="a traced history", advice="join them outside of `jit`")
    shape, other = first.train.total.shape[:-1], later.train.total.shape[:-1]
    if shape != other:
        raise error("history-shape", name="later", shape=(*other, "steps"), expected=(*shape, "steps"))
    labels = tuple(dict.fromkeys([*first.train, *later.train]))
    before, after = (_steps(history.steps) for history in (first, later))
    steps = np.union1d(before, after)
    both = [(history, np.searchsorted(steps, own)) for history, own in ((first, before), (later, after))]

    def rows(name: str) -> LossDict:
        found = [(losses, at) for history, at in both if (losses := getattr(history, name)) is not None]
        dtype = np.result_type(*(float_type(losses) for losses, _ in found))
        whole = _absent(labels, (*shape, len(steps)), dtype)
        for losses, at in found:
            _overwrite(whole, losses, at)
        return jax.tree.map(jax.device_put, whole)

    validation = None if first.validation is later.validation is None else rows("validation")
    held = held_steps(np.broadcast_to(steps, (*first.steps.shape[:-1], len(steps))))
    return rows("train"), validation, held


def _steps(steps: Array) -> np.ndarray:
    """The steps that the members of an ensemble share."""
    rows = np.asarray(steps).reshape(-1, steps.shape[-1])
    if (rows != rows[0]).any():
        raise error("history-steps", got="other ones for each member")
    return rows[0]


def _overwrite(whole: LossDict, losses: LossDict, at: np.ndarray) -> None:
    """Set the rows `at` of arrays in place to those in which anything was recorded, of each member."""
    recorded = ~np.logical_and.reduce([np.isnan(np.asarray(leaf)) for leaf in jax.tree.leaves(losses)])
    pairs: list[tuple[Any, Any]] = [(whole.total, losses.total)]
    parts: list[tuple[Any, Any]] = [(whole, losses), (whole.raw, losses.raw), (whole.weights, losses.weights)]
    for to, source in parts:
        pairs += [(to[label], source.get(label, np.nan)) for label in whole]
    for mine, theirs in pairs:
        mine[..., at] = np.where(recorded, theirs, mine[..., at])


def float_type(like: LossDict) -> Any:
    """The type of the floats of a history of such losses."""
    dtype = jnp.result_type(like.total, *like.values(), *like.raw.values())
    return dtype if jnp.issubdtype(dtype, jnp.floating) else jnp.result_type(float)


def absent(labels: Sequence[str], shape: tuple[int, ...], dtype: Any) -> LossDict:
    """Rows in which nothing was recorded."""
    # One array for all would be a buffer that cannot be donated.
    return jax.tree.map(jax.device_put, _absent(labels, shape, dtype))


def _absent(labels: Sequence[str], shape: tuple[int, ...], dtype: Any) -> LossDict:
    values, raw, weights = ([np.full(shape, np.nan, dtype) for _ in labels] for _ in range(3))
    return LossDict.of(zip(labels, values, strict=True), raw, weights, np.full(shape, np.nan, dtype))
