"""Numbers that a user gives: to arrays of the default float type, and back to exact numbers."""

import math
import numbers
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.errors import Span, described, error


def as_vector(values: Mapping[str, Any], spans: Mapping[str, Span | None] | None = None) -> Array:
    """Weights by label as one array: all at once where they are all well, else one by one, each with its place."""
    if any(isinstance(value, jax.core.Tracer) for value in values.values()):
        return jnp.stack([as_scalar(value, "the weight of", label) for label, value in values.items()])
    dtype = jnp.result_type(float)
    if all(isinstance(value, Fraction | float) for value in values.values()):
        wanted = np.array([float(value) for value in values.values()])
        with np.errstate(over="ignore"):
            held = wanted.astype(dtype)
        if np.all(np.isfinite(held)) and np.all((held != 0) == (wanted != 0)):
            return _known(held)
    places = spans or {}
    return _known(np.array([_held(v, "the weight of", label, places.get(label)) for label, v in values.items()], dtype))


def with_values(vector: Array, places: Sequence[int], values: Array) -> Array:
    """The vector with some values changed; what is known is not given to XLA, which would compile it."""
    if isinstance(vector, jax.core.Tracer) or isinstance(values, jax.core.Tracer):
        return vector.at[..., np.array(places)].set(values.astype(vector.dtype))
    changed = np.array(vector)
    changed[..., places] = values
    return _known(changed, vector.sharding if isinstance(vector, jax.Array) and vector.committed else None)


def as_scalar(value: Any, what: str, name: str) -> Array:
    """A number as an array of the default float type, so that a new one never retraces.

    Raises:
        LossValueError: If it is not a finite real number that the type can hold.
    """
    if isinstance(value, jax.core.Tracer):
        if value.shape or not jnp.issubdtype(value.dtype, jnp.number) or jnp.iscomplexobj(value):
            raise error("bad-weight", what=what, name=name, got=f"an array of {value.dtype} of shape {value.shape}")
        return jnp.asarray(value, jnp.result_type(float))
    return _known(_held(value, what, name))


def _known(array: np.ndarray, device: Any = None) -> Array:
    """The array in JAX, known in `jit` too; `jnp.asarray` would compile a copy for each length."""
    with jax.ensure_compile_time_eval():
        return jax.device_put(array, device)


def _held(value: Any, what: str, name: str, span: Span | None = None) -> np.ndarray:
    dtype = jnp.result_type(float)
    number = exact_number(value)
    if number is None:
        raise error("bad-weight", span, what=what, name=name, got=described_number(value))
    with np.errstate(over="ignore"):
        held = np.asarray(float(number), dtype)
    if not np.isfinite(held) or (number and not held):
        got = f"{float(number)}, which {held.dtype} cannot hold"
        raise error("bad-weight", span, what=what, name=name, got=got)
    return held


def exact_number(value: Any) -> Fraction | None:
    """The exact value of a real scalar of any kind, of a numeric text too; None for anything else."""
    if isinstance(value, Fraction):
        return value
    if isinstance(value, bool | np.bool_) or value is None:
        return None
    if isinstance(value, str | numbers.Integral):
        shown = str(value).strip()
    elif isinstance(value, numbers.Real | np.generic):
        shown = str(value)
    elif isinstance(value, np.ndarray | jax.Array) and value.shape == () and value.dtype.kind in "fiuV":
        shown = str(np.asarray(value)[()])
    else:
        return None
    try:
        return Fraction(shown) if math.isfinite(float(shown)) and "/" not in shown else None
    except ValueError:
        return None


def described_number(value: Any) -> str:
    """What was given for a number, for a message."""
    return f"`{value}`" if isinstance(value, str | numbers.Number) else described(value)


def held_number(held: np.generic, number: Fraction | float, written: Any) -> Any:
    """The exact weight: the written one while the array holds the rounding of its number."""
    return written if held == np.asarray(float(number), held.dtype) else exact_number(held) or Fraction(0)
