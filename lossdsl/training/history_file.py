"""The losses of a training run <-> one file."""

import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.backends import unfit
from lossdsl.disk import read_npz, write_whole
from lossdsl.errors import LossError, error, listed
from lossdsl.loss import LossDict

_FORMAT = "lossdsl history"
_VERSION = 1
_PARTS = ("values", "raw", "weights", "total")


def write_history(path: Path, train: LossDict, validation: LossDict | None, steps: Array) -> None:
    """Write losses and their steps, whole or not at all.

    Raises:
        LossDataError: If the file cannot be written.
    """
    header = json.dumps({"format": _FORMAT, "version": _VERSION, "labels": list(train)})
    arrays = {"header": np.array(header), "steps": np.asarray(steps)}
    for name, losses in (("train", train), ("validation", validation)):
        if losses is not None:
            arrays |= _arrays(name, losses)
    write_whole(path, lambda file: np.savez_compressed(file, **arrays))  # type: ignore[arg-type]


def held_steps(steps: np.ndarray) -> Array:
    """The iterations as an array of JAX, which holds no whole numbers beyond 2**31 without x64.

    Raises:
        LossDataError: For one that the type cannot hold.
    """
    if found := unfit(steps):
        raise error("not-held", name="steps", got=found[0], advice=found[1])
    return jax.device_put(np.array(steps, jax.dtypes.canonicalize_dtype(steps.dtype)))


def read_history(path: Path) -> tuple[LossDict, LossDict | None, Array]:
    """The losses of training and of validation, and the steps, that `write_history` wrote.

    Raises:
        LossDataError: If there is no such file, it is damaged, of another kind, or of another version; or it has
            numbers that only x64 holds.
    """
    try:
        labels, arrays = _read(path)
        train, validation = _losses("train", labels, arrays), None
        if any(key.startswith("validation.") for key in arrays):
            validation = _losses("validation", labels, arrays)
        return train, validation, held_steps(arrays["steps"])
    except LossError:
        raise
    except Exception as failure:
        # Of a strange header json raises more kinds of exceptions than can be listed.
        reason = str(failure).split("\n")[0] or type(failure).__name__
        raise error("bad-history", path=str(path), reason=reason) from None


def _arrays(name: str, losses: LossDict) -> dict[str, np.ndarray]:
    """The arrays of a file: of all terms together, for a label can be any text and a file name cannot."""
    stacks = (losses.values(), losses.raw.values(), losses.weights.values())
    shape = losses.total.shape
    arrays = [np.asarray([np.asarray(a) for a in stack], _storable(losses)).reshape(-1, *shape) for stack in stacks]
    arrays.append(np.asarray(losses.total, _storable(losses)))
    return {f"{name}.{part}": array for part, array in zip(_PARTS, arrays, strict=True)}


def _storable(losses: LossDict) -> Any:
    dtype = np.dtype(jnp.result_type(*jax.tree.leaves(losses)))
    return dtype if dtype.kind == "f" else np.dtype("float32")


def _read(path: Path) -> tuple[list[str], dict[str, np.ndarray]]:
    """The labels and the arrays of a file; a ValueError says why it is not one of ours."""
    arrays = read_npz(path, "bad-history", "give a file that `history.save` wrote")
    header = json.loads(str(arrays.pop("header", "{}")))
    if not isinstance(header, dict) or header.get("format") != _FORMAT:
        raise ValueError("it was not written by `history.save`")
    if header.get("version") != _VERSION:
        raise error("history-version", path=str(path), found=str(header.get("version")), known=_VERSION)
    labels = header.get("labels")
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise ValueError("it has no labels")
    return labels, _whole(labels, arrays)


def _whole(labels: list[str], arrays: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of a file if none is missing, strange, or of another shape or type than the others say."""
    names = ["train", "validation"] if any(key.startswith("validation.") for key in arrays) else ["train"]
    keys = ["steps", *(f"{name}.{part}" for name in names for part in _PARTS)]
    if arrays.keys() != set(keys):
        missing, strange = sorted(set(keys) - arrays.keys()), sorted(arrays.keys() - set(keys))
        raise ValueError(f"it has no {listed(missing)}" if missing else f"it has {listed(strange)} too")
    shape = np.shape(arrays["train.total"])
    for key, array in arrays.items():
        kinds, shapes = "f", [(len(labels), *shape)]
        if key == "steps":
            kinds, shapes = "iu", [shape, shape[-1:]]
        elif key.endswith(".total"):
            shapes = [shape]
        if array.dtype.kind not in kinds or array.shape not in shapes or not array.shape or not shape[-1]:
            raise ValueError(f"`{key}` is an array of {array.dtype} of shape {array.shape}")
        if found := unfit(array):
            raise error("not-held", name=key, got=found[0], advice=found[1])
    return arrays


def _losses(name: str, labels: list[str], arrays: dict[str, np.ndarray]) -> LossDict:
    values, raw, weights, total = (arrays[f"{name}.{part}"] for part in _PARTS)
    rows = {label: jax.device_put(value) for label, value in zip(labels, values, strict=True)}
    if len(rows) < len(labels):
        raise ValueError("a label stands there twice")
    return LossDict.of(rows, list(map(jax.device_put, raw)), list(map(jax.device_put, weights)), jax.device_put(total))
