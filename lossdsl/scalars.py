"""Numbers that a user gives: to arrays of the default float type, and back to exact numbers."""

import math
import numbers
from collections.abc import Mapping
from fractions import Fraction
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.errors import described, error


def as_vector(values: Mapping[str, Any]) -> Array:
    """Weights as one array; those of a text all at once."""
    if all(isinstance(value, Fraction) for value in values.values()):
        wanted = np.array([float(value) for value in values.values()])
        with np.errstate(over="ignore"):
            held = wanted.astype(jnp.result_type(float))
        if np.all(np.isfinite(held)) and np.all((held != 0) == (wanted != 0)):
            return jnp.asarray(held)
    return jnp.stack([as_scalar(value, "the weight of", label) for label, value in values.items()])


def as_scalar(value: Any, what: str, name: str) -> Array:
    """A number as an array of the default float type, so that a new one never retraces.

    Raises:
        LossValueError: If it is not a finite real number that the type can hold.
    """
    dtype = jnp.result_type(float)
    if isinstance(value, jax.core.Tracer):
        if value.shape or not jnp.issubdtype(value.dtype, jnp.number) or jnp.iscomplexobj(value):
            raise error("bad-weight", what=what, name=name, got=f"an array of {value.dtype} of shape {value.shape}")
        return jnp.asarray(value, dtype)
    number = exact_number(value)
    if number is None:
        raise error("bad-weight", what=what, name=name, got=described_number(value))
    with np.errstate(over="ignore"):
        held = np.asarray(float(number), dtype)
    if not np.isfinite(held) or (number and not held):
        raise error("bad-weight", what=what, name=name, got=f"{float(number)}, which {held.dtype} cannot hold")
    return jnp.asarray(held)


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


def held_number(held: np.generic, written: Fraction) -> Fraction:
    """The exact number that a weight stands for: the written one while the array holds its rounding."""
    return written if held == np.asarray(float(written), held.dtype) else exact_number(held) or Fraction(0)
