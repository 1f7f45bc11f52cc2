"""The gradient of each term: how hard it pulls on a model, and against which other terms."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.backends import trainable
from lossdsl.errors import LossError, described, did_you_mean, error, listed
from lossdsl.loss.scalars import is_traced
from lossdsl.loss.values import LossDict
from lossdsl.operators import wide

# A table of more cosines than these is no longer read.
_MOST_COSINES = 12


class TermGradients(eqx.Module):
    """The gradients of the terms, without their weights, with respect to the arrays of floats of a model.

    A PyTree, so that it can be averaged over devices; `gradients["position"]` is the gradient of one term, of the
    structure that `eqx.filter_grad` gives. Those of a part of the model, such as the layer that all terms share, are
    `TermGradients(gradients.stacked.readout, gradients.labels)`.

    Attributes:
        stacked: As the model, each array of floats with a first axis (terms), all else None.
        labels: The labels of the terms, in order.
    """

    stacked: Any
    labels: tuple[str, ...] = eqx.field(static=True)

    def __getitem__(self, label: str) -> Any:
        index = position(self.labels, label)
        return jax.tree.map(lambda leaf: leaf[index], self.stacked)

    def __iter__(self) -> Iterator[str]:
        return iter(self.labels)

    def __len__(self) -> int:
        return len(self.labels)

    def rows(self, labels: Iterable[str] | None = None) -> Array:
        """The gradients of some terms as vectors, (terms, parameters); a complex parameter is two real ones."""
        chosen = np.array([position(self.labels, label) for label in (self.labels if labels is None else labels)])
        parts = []
        for leaf in jax.tree.leaves(self.stacked):
            row = wide(leaf[chosen]).reshape(len(chosen), -1)
            parts += [row.real, row.imag] if jnp.iscomplexobj(row) else [row]
        return jnp.concatenate(parts, axis=1)

    def total(self, weights: Mapping[str, Any]) -> Any:
        r"""The gradient of the weighted sum, `\sum_i w_i \nabla L_i`, for an optimiser.

        Args:
            weights: A weight for each term, as `values.weights`.

        Raises:
            LossNameError: If a term has no weight.
        """
        vector = self._vector(weights)

        def sum_of(leaf: Array) -> Array:
            return jnp.tensordot(vector, wide(leaf), 1, precision="highest").astype(leaf.dtype)

        return jax.tree.map(sum_of, self.stacked)

    def report(self, weights: Mapping[str, Any]) -> "GradientReport":
        """Norms and cosines of the gradients; see `CompositeLoss.gradient_report`.

        Args:
            weights: A weight for each term, as `values.weights`.

        Raises:
            LossNameError: If a term has no weight.
        """
        vector, rows = self._vector(weights), self.rows()
        total = jnp.matmul(vector, rows, precision="highest")
        pulls = jnp.concatenate([jnp.where(vector < 0, -1, 1)[:, None] * rows, total[None]])
        directions, norms = _normalised(pulls)
        cosines = jnp.clip(jnp.matmul(directions, directions.T, precision="highest"), -1, 1)
        return GradientReport(
            norms[:-1], jnp.abs(vector) * norms[:-1], cosines[:-1, :-1], norms[-1], cosines[-1, :-1], self.labels
        )

    def _vector(self, weights: Mapping[str, Any]) -> Array:
        for label in self.labels:
            if label not in weights:
                raise error("no-weight", label=label)
        return jnp.stack([jnp.asarray(weights[label], jnp.result_type(float)) for label in self.labels])


class GradientReport(eqx.Module):
    r"""How hard each term pulls on a model, and which terms pull against each other; immutable, a PyTree.

    The cosine of two terms is that of their weighted gradients, `\cos(w_i \nabla L_i, w_j \nabla L_j)`: below 0, a
    small step down one of them is a step up the other. A weight of 0 counts as positive there, so that a term that is
    not weighted yet can be judged. Where a gradient is 0 it has no direction, and its cosines are NaN.

    Printed, it is a table; the columns with numbers are the cosines with the terms of these numbers.

    Attributes:
        labels: The labels of the terms, in order.
        total_norm: The norm of the gradient of the total.

    Example:
        >>> def objective(x):
        ...     return LossDict({"goal": jnp.sum((x - 1) ** 2), "effort": jnp.sum(x**2)}, {"goal": 1.0, "effort": 0.5})
        >>> values, gradients = term_gradients(objective, jnp.array([0.5, 0.0]))
        >>> report = gradients.report(values.weights)
        >>> report
           term       norm  weighted  to total      1      2
        1  goal    2.23607   2.23607      0.98   1.00  -0.45
        2  effort        1       0.5     -0.24  -0.45   1.00
           total             2.06155      1.00
        >>> float(report.norms["effort"]), round(float(report.cosines["goal", "effort"]), 3)
        (1.0, -0.447)
    """

    _norms: Array
    _weighted: Array
    _cosines: Array
    total_norm: Array
    _total_cosines: Array
    labels: tuple[str, ...] = eqx.field(static=True)

    @property
    def norms(self) -> dict[str, Any]:
        """The Euclidean norm of the gradient of each term without its weight."""
        return self._by(self.labels, self._norms)

    @property
    def weighted_norms(self) -> dict[str, Any]:
        """The norm of the gradient of each weighted term."""
        return self._by(self.labels, self._weighted)

    @property
    def total_cosines(self) -> dict[str, Any]:
        """The cosine between the gradient of each weighted term and that of the total."""
        return self._by(self.labels, _unless_zero(self._total_cosines, self._norms, _known(self.total_norm)[..., None]))

    @property
    def cosines(self) -> dict[tuple[str, str], Any]:
        """The cosine between the gradients of each two weighted terms, by their labels in both orders."""
        pairs = [(left, right) for left in self.labels for right in self.labels]
        norms = _known(self._norms)
        cosines = _unless_zero(self._cosines, norms[..., :, None], norms[..., None, :])
        return self._by(pairs, cosines.reshape(*cosines.shape[:-2], -1))

    @staticmethod
    def _by(keys: Iterable[Any], array: Array) -> dict[Any, Any]:
        known = _known(array)
        return {key: known[..., i] for i, key in enumerate(keys)}

    def __repr__(self) -> str:
        if isinstance(self.total_norm, jax.core.Tracer) or np.ndim(self.total_norm):
            return f"<gradients of {listed(self.labels)}, the shape {np.shape(self.total_norm)}>"
        few = len(self.labels) <= _MOST_COSINES
        numbers = [str(i) for i in range(1, len(self.labels) + 1)]
        rows = [["", "term", "norm", "weighted", "to total", *(numbers if few else [])]]
        weighted, to_total, cosines = self.weighted_norms, self.total_cosines, self.cosines
        for number, (label, norm) in zip(numbers, self.norms.items(), strict=True):
            row = [number, label, f"{norm:.6g}", f"{weighted[label]:.6g}", f"{to_total[label]:.2f}"]
            rows.append(row + [f"{cosines[label, other]:.2f}" for other in self.labels if few])
        total_norm = _known(self.total_norm)[()]
        self_cosine = "nan" if not total_norm > 0 else "1.00"
        rows.append(["", "total", "", f"{total_norm:.6g}", self_cosine, *("" for _ in rows[0][5:])])
        return _table(rows)


def term_gradients(objective: Callable[[Any], LossDict], model: Any) -> tuple[LossDict, TermGradients]:
    r"""The losses of a model, and the gradient `\nabla L_i` of each term without its weight.

    One forward pass, and one backward pass for all terms at once: the memory of the backward pass is that of as many
    as there are terms. Nothing is compiled here, so it belongs inside your own jitted function.

    Args:
        objective: The losses of a model, such as `lambda model: loss(rollout(model), trials, model)`.
        model: The model, a PyTree; the gradients are those with respect to its arrays of floats, `trainable(model)`.

    Returns:
        The losses, and the gradients by label.

    Raises:
        LossDataError: If the objective does not return a `LossDict`.
        LossValueError: If the model has no array of floats.

    Example:
        >>> def objective(model):
        ...     return LossDict({"a": jnp.sum(model["x"] ** 2), "b": 3 * model["x"][0]}, {"a": 0.5, "b": 1.0})
        >>> values, gradients = term_gradients(objective, {"x": jnp.array([1.0, 2.0]), "name": "linear"})
        >>> gradients["a"]
        {'name': None, 'x': Array([2., 4.], dtype=float32)}
        >>> gradients.total(values.weights)["x"]
        Array([4., 2.], dtype=float32)
    """
    trained, rest = eqx.partition(model, trainable(model))
    if not jax.tree.leaves(trained):
        raise error("bad-argument", argument="model", got=described(model), advice="give one that has arrays of floats")

    def terms(trained: Any) -> tuple[Array, LossDict]:
        values = objective(eqx.combine(trained, rest))
        if not isinstance(values, LossDict):
            raise error("no-losses", got="a number" if getattr(values, "shape", None) == () else described(values))
        return jnp.stack(list(values.raw.values())), values

    stacked, values = eqx.filter_jacrev(terms, has_aux=True)(trained)
    return values, TermGradients(stacked, tuple(values))


def gradient_report(loss: Any, rollout: Any, model: Any, trial_specs: Any, step: Any) -> GradientReport:
    """What `CompositeLoss.gradient_report` returns."""
    if not callable(rollout):
        advice = "give a function of the model and the trials that returns the states"
        raise error("bad-argument", argument="rollout", got=described(rollout), advice=advice)
    try:
        # A Python number would be compiled in.
        return _compiled(loss, rollout, model, trial_specs, None if step is None else jnp.asarray(step))
    except LossError as failure:
        raise failure.with_traceback(None) from None


@eqx.filter_jit
def _compiled(loss: Any, rollout: Any, model: Any, trial_specs: Any, step: Any) -> GradientReport:
    def objective(model: Any) -> LossDict:
        return loss(rollout(model, trial_specs), trial_specs, model, step)

    values, gradients = term_gradients(objective, model)
    return gradients.report(values.weights)


def position(labels: tuple[str, ...], label: str) -> int:
    """Where a term stands.

    Raises:
        LossNameError: If there is no such term.
    """
    if label not in labels:
        advice = did_you_mean(str(label), labels, f"its terms are {listed(labels)}")
        raise error("unknown-label", name=str(label), advice=advice)
    return labels.index(label)


def _known(array: Any) -> Any:
    # NumPy's scalars are a hundred times faster to take out one by one.
    return array if isinstance(array, jax.core.Tracer) else np.asarray(array)


def _unless_zero(cosines: Any, first: Any, second: Any) -> Any:
    """The cosines, NaN where a norm is 0: put in at the end, for a NaN that is computed stops `jax_debug_nans`."""
    cosines, first, second = map(_known, (cosines, first, second))
    return (jnp.where if is_traced((cosines, first, second)) else np.where)(
        (first == 0) | (second == 0), np.nan, cosines
    )


def _normalised(rows: Array) -> tuple[Array, Array]:
    """The directions, 0 for that of 0, and norms of vectors; their squares may be out of range where they are not."""
    largest = jnp.max(jnp.abs(rows), axis=1)
    scale = jnp.where(largest > 0, largest, jnp.ones_like(largest))
    scaled = rows / scale[:, None]
    norms = jnp.sqrt(jnp.sum(scaled**2, axis=1))
    return scaled / jnp.where(norms == 0, 1, norms)[:, None], scale * norms


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        cells = [
            cell.ljust(width) if i < 2 else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join(cells).rstrip())
    return "\n".join(lines)
