"""How an operator along `time` is computed step by step, of what has one step at a time."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.errors import error

# What is known so far.
Parts = tuple[Array, ...]


def _added(so_far: Parts, new: Parts) -> Parts:
    return tuple(a + b for a, b in zip(so_far, new, strict=True))


def _first(so_far: Parts) -> Array:
    return so_far[0]


@dataclass(frozen=True)
class Fold:
    """An operator as something that grows with each step.

    Attributes:
        merge: What is known of some steps, and of those after them, as what is known of both.
        empty: What is known of no step, a number for each part.
        value: The value of the operator.
        of: What is known of the steps of its operands, one array or several; if not given, the operator itself.
    """

    merge: Callable[[Parts, Parts], Parts] = _added
    empty: tuple[float, ...] = (0,)
    value: Callable[[Parts], Array] = _first
    of: Callable[..., Any] | None = None

    @property
    def adds(self) -> bool:
        """Whether it is the sum of what it is of each step."""
        return self.merge is _added and self.value is _first and self.empty == (0,)

    def named(self, lower: Callable[..., Array]) -> "Fold":
        """The fold of an operator."""
        return self if self.of else replace(self, of=lower)

    def step(self, so_far: Parts | None, inside: Any, *operands: Any, **options: Any) -> Parts:
        """What is known after one more step, which counts if it is `inside`; before the first one nothing is."""
        assert self.of is not None
        found = self.of(*operands, **options)
        new = found if isinstance(found, tuple) else (found,)
        if so_far is None:
            return new if inside else tuple(map(jnp.full_like, new, self.empty))
        for old, part in zip(so_far, new, strict=True):
            check_shape(old.shape, part.shape)
        if inside is False:
            return so_far
        merged = self.merge(so_far, new)
        kept = merged if inside is True else jax.tree.map(lambda a, b: jnp.where(inside, a, b), merged, so_far)
        # The state of a scan has one type throughout.
        return tuple(new.astype(old.dtype) for new, old in zip(kept, so_far, strict=True))


def check_shape(known: tuple[int, ...], found: tuple[int, ...]) -> None:
    """Refuse a step of other trials, which would be stretched to those before.

    Raises:
        LossDataError: With both shapes.
    """
    if found != known:
        raise error("step-shape", found=found, known=known)


class Folds:
    """The folds of the operators, by name: `folds.mean.step(so_far, True, x, axis=1)`."""

    def __init__(self, known: Mapping[str, Fold]):
        self._known = known

    def __getattr__(self, name: str) -> Fold:
        if name not in self._known:
            raise AttributeError(f"there is no fold of {name!r}")
        return self._known[name]


# By the name that an operator has in emitted code.
FOLDED: dict[str, Fold] = {}
folds = Folds(FOLDED)


@jax.custom_jvp
def trace(x: Array) -> Array:
    """0, with the gradient of `x`."""
    return jnp.zeros_like(x)


trace.defjvps(lambda tangent, found, x: tangent)
