"""What a loss returns: the weighted value of every term, in the order written."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from types import MappingProxyType
from typing import Any, NoReturn, Self

import jax
import jax.numpy as jnp
from jax import Array
from jax.tree_util import DictKey, GetAttrKey


@jax.tree_util.register_pytree_with_keys_class
class LossDict(dict[str, Array]):
    """The weighted values of the terms, immutable, in the order written.

    A dict from label to scalar, and a PyTree that keeps its order through `jit`, `grad`, `vmap` and `scan`.

    Attributes:
        total: The sum of the weighted values.
        raw: The values without their weights.
        weights: The weights.

    Args:
        raw: The values without their weights.
        weights: The weights, one for each of them.

    Example:
        >>> values = LossDict({"a": jnp.float32(3.0)}, {"a": jnp.float32(0.5)})
        >>> float(values["a"]), float(values.raw["a"]), float(values.total)
        (1.5, 3.0, 1.5)
    """

    total: Array

    def __init__(self, raw: Mapping[str, Any], weights: Mapping[str, Any]):
        values = {label: value * jnp.asarray(weights[label], value.dtype) for label, value in raw.items()}
        self._set(values, tuple(raw.values()), tuple(weights[label] for label in raw), sum(values.values()))

    def _set(self, values: Any, raw: Any, weights: Any, total: Any) -> Self:
        super().__init__(values)
        self._parts = raw, weights
        self.total = total
        return self

    @classmethod
    def of(cls, values: Any, raw: Any, weights: Any, total: Any) -> Self:
        """From all its parts: `values` a dict or pairs; `raw` and `weights` sequences, or each one array (faster)."""
        return cls.__new__(cls)._set(values, raw, weights, total)

    @cached_property
    def raw(self) -> Mapping[str, Array]:
        """The values without their weights."""
        return self._by_label(self._parts[0])

    @cached_property
    def weights(self) -> Mapping[str, Array]:
        """The weights, those that are made of parameters with the value that they had."""
        return self._by_label(self._parts[1])

    def _by_label(self, parts: Any) -> Mapping[str, Array]:
        if not isinstance(parts, Sequence):
            parts = [parts[i].astype(value.dtype) for i, value in enumerate(self.values())]
        return MappingProxyType(dict(zip(self, parts, strict=True)))

    def _refuse(self, *_: Any, **__: Any) -> NoReturn:
        raise TypeError("a LossDict cannot be changed; make a dict of it: `dict(values)`")

    __setitem__ = __delitem__ = __ior__ = _refuse
    update = pop = popitem = clear = setdefault = _refuse

    def __hash__(self) -> NoReturn:  # type: ignore[override]
        raise TypeError("unhashable type: 'LossDict'")

    def copy(self) -> Self:
        return self

    def __reduce__(self) -> Any:
        return LossDict.of, (dict(self), tuple(self.raw.values()), tuple(self.weights.values()), self.total)

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
        rows = [(DictKey(label), value) for label, value in self.items()]
        rows += [(GetAttrKey(f"raw.{label}"), value) for label, value in self.raw.items()]
        rows += [(GetAttrKey(f"weights.{label}"), value) for label, value in self.weights.items()]
        return [*rows, (GetAttrKey("total"), self.total)], tuple(self)

    @classmethod
    def tree_unflatten(cls, labels: tuple[str, ...], leaves: Sequence[Any]) -> Self:
        n = len(labels)
        values = dict(zip(labels, leaves[:n], strict=True))
        return cls.of(values, tuple(leaves[n : 2 * n]), tuple(leaves[2 * n : 3 * n]), leaves[3 * n])
