"""Exact numbers to arrays of the default float type, and back."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.tree_util import DictKey

from lossdsl.errors import Span, described, error
from lossdsl.language import described_number, exact_number


@jax.tree_util.register_pytree_with_keys_class
@dataclass(frozen=True, eq=False)
class Held:
    """Weights by label as one array; the labels stand in the path of the array, as keys of a checkpoint do."""

    labels: tuple[str, ...]
    array: Any

    def tree_flatten(self) -> tuple[tuple[Any], tuple[str, ...]]:
        return (self.array,), self.labels

    def tree_flatten_with_keys(self) -> tuple[tuple[tuple[DictKey, Any]], tuple[str, ...]]:
        return ((DictKey(", ".join(self.labels)), self.array),), self.labels

    @classmethod
    def tree_unflatten(cls, labels: tuple[str, ...], arrays: tuple[Any]) -> "Held":
        return cls(labels, *arrays)


def is_traced(values: Iterable[Any]) -> bool:
    """Whether JAX traces one of these, so that its numbers are not known."""
    return any(isinstance(value, jax.core.Tracer) for value in values)


def as_vector(values: Mapping[str, Any], spans: Mapping[str, Span | None] | None = None, dtype: Any = None) -> Array:
    """Weights by label as one array: all at once where they are all well, else one by one, each with its place."""
    if is_traced(values.values()):
        return jnp.stack([as_scalar(value, "the weight of", label) for label, value in values.items()])
    dtype, places = dtype or jnp.result_type(float), spans or {}
    if all(isinstance(value, Fraction | float) for value in values.values()):
        with np.errstate(over="ignore"):
            held = np.array([_nearest(value) for value in values.values()]).astype(dtype)
        if np.all(np.isfinite(held)) and np.all((held != 0) == [value != 0 for value in values.values()]):
            return _known(held)
    scalars = [_held(value, "the weight of", label, places.get(label), dtype) for label, value in values.items()]
    return _known(np.array(scalars, dtype))


def as_scalar(value: Any, what: str, name: str, dtype: Any = None) -> Array:
    """A number as an array of the default float type, so that a new one never retraces.

    Raises:
        LossValueError: If it is not a finite real number that the type can hold.
    """
    if isinstance(value, jax.core.Tracer):
        if value.shape or not jnp.issubdtype(value.dtype, jnp.number) or jnp.iscomplexobj(value):
            raise error("bad-weight", what=what, name=name, got=f"an array of {value.dtype} of shape {value.shape}")
        return jnp.asarray(value, jnp.result_type(float))
    return _known(_held(value, what, name, None, dtype))


def with_values(array: Array, at: Any, values: Array) -> Array:
    """The array with some values changed; what is known is not given to XLA, which would compile it.

    It stays on its device, and the values are those of all losses where the array is that of an ensemble.
    """
    if isinstance(array, jax.core.Tracer) or isinstance(values, jax.core.Tracer):
        return jnp.asarray(array).at[at].set(values.astype(array.dtype))
    changed = np.array(array)
    changed[at] = values
    return _known(changed, array.sharding if isinstance(array, jax.Array) and array.committed else None)


def on_device(given: Any) -> Any:
    """What is known on the host, put to where JAX computes if `jax.transfer_guard` wants transfers to be asked for.

    Else it stays where it is, for JAX puts the arguments of a compiled function there in a fifth of the time.
    """
    if jax.config.jax_transfer_guard_host_to_device in (None, "allow"):  # type: ignore[attr-defined]
        return given
    on_host = np.ndarray | np.generic | int | float
    return jax.tree.map(lambda leaf: jax.device_put(leaf) if isinstance(leaf, on_host) else leaf, given)


def check_there(numbers: Any) -> None:
    """Refuse the weights of a loss whose arrays were taken out, as `eqx.partition` does.

    Raises:
        LossValueError: With what stands there instead.
    """
    if not hasattr(numbers, "shape"):
        raise error("no-leaves", got=described(numbers))


def copied(array: Any) -> Any:
    """The array in a buffer of its own, where it lies; nothing is compiled."""
    if isinstance(array, jax.core.Tracer) or not isinstance(array, jax.Array):
        return array
    return jax.device_put(array, array.sharding if array.committed else None, may_alias=False)


def _known(array: np.ndarray, device: Any = None) -> Array:
    """The array in JAX, known in `jit` too; `jnp.asarray` would compile a copy for each length."""
    with jax.ensure_compile_time_eval():
        return jax.device_put(array, device)


def _held(value: Any, what: str, name: str, span: Span | None = None, dtype: Any = None) -> np.ndarray:
    number = exact_number(value)
    if number is None:
        raise error("bad-weight", span, what=what, name=name, got=described_number(value))
    with np.errstate(over="ignore"):
        held = np.asarray(float(number), dtype or jnp.result_type(float))
    if not np.isfinite(held) or (number and not held):
        got = f"{float(number)}, which {held.dtype} cannot hold"
        raise error("bad-weight", span, what=what, name=name, got=got)
    return held


def _nearest(number: Fraction | float) -> float:
    try:
        return float(number)
    except OverflowError:
        return math.inf


def held_number(held: np.generic, number: Fraction | float, written: Any, label: str) -> Any:
    """The exact weight: the written one while the array holds the rounding of its number.

    Raises:
        LossValueError: For one that is not finite, as after a training that diverged, or too small for a text.
    """
    exact = exact_number(held)
    if exact is None:
        raise error("bad-weight", what="the weight of", name=label, got=f"`{held}`")
    with np.errstate(over="ignore"):
        rounded = np.asarray(float(number), held.dtype)
    return written if held == rounded else exact
