"""What a loss returns: the weighted value of every term, in the order written."""

import math
import re
from collections.abc import Mapping, Sequence
from functools import cached_property, lru_cache
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NoReturn, Self

import jax
import numpy as np
from jax import Array
from jax.tree_util import DictKey, GetAttrKey

from lossdsl.backends import weighted
from lossdsl.errors import error
from lossdsl.loss.finite import check_finite
from lossdsl.mathematics import aligned, html_table

_COLUMNS = ("term", "weight", "raw", "weighted", "share")
_PLAIN = re.compile(r"[A-Za-z0-9_]+")
_HASHED = re.compile(r"__[0-9a-f]{6}$")
_PREFIX = re.compile(r"[A-Za-z_][A-Za-z0-9_]*(/[A-Za-z0-9_]+)*")


class _PartKey(GetAttrKey):
    """The key of what is no value of the dict; JAX asks each key of a dict for `key` when two do not match."""

    @property
    def key(self) -> str:
        return str(self.name)


@lru_cache(maxsize=1000)
def _places(labels: tuple[str, ...]) -> tuple[list[int], list[int]]:
    """Where each label of the sorted ones stands in the order written, and where each of those stands when sorted."""
    there = sorted(range(len(labels)), key=labels.__getitem__)
    return there, sorted(range(len(labels)), key=there.__getitem__)


@jax.tree_util.register_pytree_with_keys_class
class LossDict(dict[str, Array]):
    """The weighted values of the terms, immutable, in the order written.

    A dict from label to scalar, and a PyTree that keeps its order through `jit`, `grad`, `vmap` and `scan`.

    Attributes:
        total: The sum of the weighted values.

    Args:
        raw: The values without their weights.
        weights: The weights, one for each of them.

    Example:
        >>> import jax.numpy as jnp
        >>> values = LossDict({"a": jnp.float32(3.0)}, {"a": jnp.float32(0.5)})
        >>> float(values["a"]), float(values.raw["a"]), float(values.total)
        (1.5, 3.0, 1.5)
        >>> print(values)
        term   weight  raw  weighted   share
        a         0.5    3       1.5  100.0%
        total                    1.5
    """

    total: Array

    def __init__(self, raw: Mapping[str, Any], weights: Mapping[str, Any]):
        values = {label: weighted(value, weights[label]) for label, value in raw.items()}
        self._set(values, tuple(raw.values()), tuple(weights[label] for label in raw), sum(values.values()))

    def _set(self, values: Any, raw: Any, weights: Any, total: Any) -> Self:
        dict.__init__(self, values)
        self._parts = raw, weights
        self.total = total
        return self

    @classmethod
    def of(cls, values: Any, raw: Any, weights: Any, total: Any) -> Self:
        """From all its parts: `values` a dict or pairs, `raw` and `weights` in their order."""
        return cls.__new__(cls)._set(values, raw, weights, total)

    @cached_property
    def raw(self) -> Mapping[str, Array]:
        """The values without their weights."""
        return self._by_label(self._parts[0])

    @cached_property
    def weights(self) -> Mapping[str, Array]:
        """The weights, those that are made of parameters with the value that they had."""
        with jax.ensure_compile_time_eval():
            return self._by_label([jax.device_put(w) if isinstance(w, np.generic) else w for w in self._parts[1]])

    def flat(self, prefix: str = "loss") -> dict[str, Array]:
        """The values under the names that TensorBoard and Weights & Biases take, `loss/position`.

        `{prefix}/{term}` is the weighted value, `{prefix}_raw/{term}` the raw one, `{prefix}_weight/{term}` the
        weight, `{prefix}/total` their total. What a label has besides ASCII letters, digits and `_` becomes `_`, and
        six characters made of the label follow: a name is that of its label, whatever other terms there are. A term
        named with `as` in the text has a shorter one. The values stay arrays: convert them where they are logged.

        Raises:
            LossValueError: For a prefix that the loggers would not take.

        Example:
            >>> import jax.numpy as jnp
            >>> values = LossDict({"x": jnp.float32(3.0), "v@final": jnp.float32(1.0)}, {"x": 0.5, "v@final": 1.0})
            >>> list(values.flat())[:4]
            ['loss/x', 'loss/v_final__6a483d', 'loss_raw/x', 'loss_raw/v_final__6a483d']
        """
        if not isinstance(prefix, str) or not _PREFIX.fullmatch(prefix):
            advice = "write it with letters, digits and `_`, and `/` between parts: `train/loss`"
            raise error("bad-argument", argument="prefix", got=f"`{prefix}`", advice=advice)
        groups = {prefix: self, f"{prefix}_raw": self.raw, f"{prefix}_weight": self.weights}
        names = {label: _plain_name(label) for label in self}
        found = {f"{group}/{names[label]}": given[label] for group, given in groups.items() for label in self}
        return {**found, f"{prefix}/total": self.total}

    def check(self) -> Self:
        """The values, if all are finite; those of a term that is off, with the weight 0, count as 0.

        Raises:
            LossDataError: With the terms that are not; `CompositeLoss.check` says what in the data is not finite.

        Example:
            >>> import jax.numpy as jnp
            >>> LossDict({"a": jnp.float32(jnp.inf)}, {"a": 0.0}).check()
            {'a': Array(0., dtype=float32)}
        """
        check_finite(self)
        return self

    def __str__(self) -> str:
        """A table of the terms; the plain dict where the values are not known, or are not scalars."""
        return "\n".join(table(self)) if self._is_known() else repr(self)

    def _is_known(self) -> bool:
        return all(map(_is_known_scalar, jax.tree.leaves(self, is_leaf=lambda x: x is None)))

    def _by_label(self, parts: Sequence[Any]) -> Mapping[str, Array]:
        return MappingProxyType(dict(zip(self, parts, strict=True)))

    def _repr_html_(self) -> str | None:
        """The table for a notebook, which shows the plain dict where there is none."""
        return html_table(_COLUMNS, cells(self)[1:], right=_COLUMNS[1:]) if self._is_known() else None

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

    def tree_flatten(self) -> tuple[tuple[Any, ...], tuple[str, ...]]:
        """The leaves, sorted by label as those of a dict: a file of them fits the same terms in another order."""
        labels, (raw, weights) = tuple(self), self._parts
        there = _places(labels)[0]
        parts = (tuple(self.values()), raw, weights)
        return (*(part[i] for part in parts for i in there), self.total), labels

    def tree_flatten_with_keys(self) -> tuple[list[tuple[Any, Any]], tuple[str, ...]]:
        leaves, labels = self.tree_flatten()
        keys = [*map(DictKey, sorted(labels))]
        keys += [_PartKey(f"{part}.{label}") for part in ("raw", "weights") for label in sorted(labels)]
        return list(zip([*keys, _PartKey("total")], leaves, strict=True)), labels

    @classmethod
    def tree_unflatten(cls, labels: tuple[str, ...], leaves: Sequence[Any]) -> Self:
        n, back = len(labels), _places(labels)[1]
        values, raw, weights = (tuple(leaves[start + i] for i in back) for start in (0, n, 2 * n))
        return cls.of(zip(labels, values, strict=True), raw, weights, leaves[3 * n])


def summary(values: LossDict) -> list[dict[str, Any]]:
    """Label, weight, raw value, weighted value and share of each term, as Python numbers."""
    total = shortest(values.total)
    return [
        {
            "label": label,
            "weight": shortest(values.weights[label]),
            "raw": shortest(values.raw[label]),
            "weighted": shortest(value),
            "share": shortest(value) / total if total else math.nan,
        }
        for label, value in values.items()
    ]


def in_json(values: LossDict) -> list[dict[str, Any]]:
    """The same as JSON can hold it."""
    return [{key: finite(value) for key, value in row.items()} for row in summary(values)]


def finite(value: Any) -> Any:
    """What JSON can hold: None for a number that is not finite."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def table(values: LossDict) -> list[str]:
    """The lines of a table: a header, the terms, the total."""
    return aligned(cells(values), right=range(1, len(_COLUMNS)))


def cells(values: LossDict) -> list[list[str]]:
    """The rows of that table."""
    rows = [
        [row["label"], *(f"{row[key]:.6g}" for key in _COLUMNS[1:4]), _percent(row["share"])] for row in summary(values)
    ]
    return [[*_COLUMNS], *rows, ["total", "", "", f"{shortest(values.total):.6g}", ""]]


def shortest(value: Any) -> float:
    """The number as few digits tell it: 1e-05, where float32 holds 9.999999747378752e-06."""
    return float(str(np.asarray(value)))


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if math.isfinite(share) else ""


def _is_known_scalar(value: Any) -> bool:
    known = isinstance(value, int | float | np.generic | np.ndarray | jax.Array)
    return known and not isinstance(value, jax.core.Tracer) and np.shape(value) == ()


def _plain_name(label: str) -> str:
    """A name of ASCII letters, digits and `_` for a label alone, whatever other terms there are.

    A label that is one already keeps it. Else a part of its hash follows, as after `total`, and after a label that ends
    as such a name would: no two labels have one name, but for equal hashes, one in 16 million.
    """
    if _PLAIN.fullmatch(label) and not _HASHED.search(label) and label != "total":
        return label
    letters = re.sub(r"[^A-Za-z0-9_]+", "_", label).strip("_") or "term"
    return f"{letters}__{sha256(label.encode(errors='surrogatepass')).hexdigest()[:6]}"
