"""The history that Feedbax's trainer returns -> the losses of training and of validation, as ours."""

from collections.abc import Iterator, Mapping
from typing import Any

import jax.numpy as jnp
import numpy as np

from lossdsl.errors import described, error
from lossdsl.loss import LossDict


def losses_of(history: Any) -> tuple[LossDict, LossDict | None]:
    """The losses of training and of validation, the shape (steps, ...); what was not recorded is NaN.

    Raises:
        LossDataError: For what is no history of Feedbax.
    """
    train = _losses(getattr(history, "loss", history))
    checked = getattr(history, "loss_validation", None)
    if train is None:
        raise error("no-losses", got=described(history))
    return train, None if checked is None else _recorded(_losses(checked))


def _losses(loss: Any) -> LossDict | None:
    """From a mapping of weighted values, a tree of terms with values and weights, or the values of a single term."""
    if isinstance(loss, LossDict):
        return loss
    rows = list(_rows("", loss, 1.0))
    if not rows or not all(hasattr(value, "shape") and value.shape for _, value, _ in rows):
        return None
    raw = {label: jnp.asarray(value) for label, value, _ in rows}
    weights = {
        label: jnp.broadcast_to(jnp.asarray(weight, raw[label].dtype), raw[label].shape) for label, _, weight in rows
    }
    return LossDict(raw, weights)


def _rows(label: str, loss: Any, weight: Any) -> Iterator[tuple[str, Any, Any]]:
    """The values of the terms with their weights; the label of one in a group has that of the group before it."""
    if hasattr(loss, "children") and hasattr(loss, "weight"):
        weight = weight * loss.weight
        inner = dict(zip(loss.names, loss.children, strict=True))
        if loss.value is not None:
            yield label or loss.label, loss.value, weight
    elif isinstance(loss, Mapping):
        inner = dict(loss)
    else:
        inner = {}
        yield label or "loss", loss, weight
    for name, part in inner.items():
        yield from _rows(f"{label}_{name}" if label else str(name), part, weight)


def _recorded(losses: LossDict | None) -> LossDict | None:
    """The losses without the rows that are 0 throughout: so are those of iterations without a validation."""
    if losses is None:
        return None
    some = np.any([np.asarray(value) != 0 for value in losses.raw.values()], axis=0)
    raw = {label: jnp.where(some, value, jnp.nan) for label, value in losses.raw.items()}
    return LossDict(raw, losses.weights)
