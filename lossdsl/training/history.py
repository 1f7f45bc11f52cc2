"""The losses of a training run: one row per iteration, of training and of validation; saved as one file."""

import os
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from lossdsl.errors import described, error, listed
from lossdsl.language import described_number
from lossdsl.loss import LossDict, on_device
from lossdsl.training.history_feedbax import losses_of
from lossdsl.training.history_file import held_steps, read_history, write_history
from lossdsl.training.history_join import absent, float_type, joined


class LossHistory(eqx.Module):
    """The losses of a training run, immutable, a row for each recorded iteration; what is absent is NaN.

    A PyTree that goes through `jit`, `scan` and `vmap`; the leading axes `...` are those of an ensemble.

    Attributes:
        train: The losses of training; its values, `raw`, `weights` and `total` have the shape (..., steps).
        validation: The losses of validation, likewise; or None.
        steps: The training iterations of the rows, (steps,) or, after `vmap`, (..., steps).

    Example:
        >>> history = LossHistory.start(["a", "b"], 3)
        >>> values = LossDict({"a": jnp.float32(2.0), "b": jnp.float32(4.0)}, {"a": 1.0, "b": 0.5})
        >>> history = history.record(0, values).record(1, values).record_validation(1, values)
        >>> history.train["b"], history.train.raw["b"], history.validation.total
        (Array([ 2.,  2., nan], dtype=float32),
         Array([ 4.,  4., nan], dtype=float32),
         Array([nan,  4., nan], dtype=float32))
    """

    train: LossDict
    validation: LossDict | None
    steps: Array

    @classmethod
    def start(cls, losses: LossDict | Iterable[str], steps: ArrayLike | Sequence[int]) -> Self:
        """A history in which every row is absent, for `record`.

        Args:
            losses: The labels, as `loss.labels`; or values like those to be recorded (or their shapes, from
                `jax.eval_shape`), which also give the axes of an ensemble, the shape (...), and the float type.
            steps: The number of iterations, or the iterations that have a row, increasing, the shape (steps,).

        Raises:
            LossDataError: For labels or steps that are not such.

        Example:
            >>> LossHistory.start(["position", "velocity"], range(0, 1000, 10)).train.total.shape
            (100,)
        """
        if isinstance(losses, LossDict):
            like = jax.eval_shape(lambda losses: losses, losses)
            labels, shape, dtype = tuple(like), like.total.shape, float_type(like)
        else:
            labels, shape, dtype = _labels(losses), (), jnp.result_type(float)
        iterations = _iterations(steps)
        shape = (*shape, len(iterations))
        return cls(absent(labels, shape, dtype), absent(labels, shape, dtype), iterations)

    @classmethod
    def from_scan(
        cls,
        losses: LossDict,
        steps: ArrayLike | Sequence[int] | None = None,
        validation: LossDict | None = None,
        *,
        axis: int = -1,
    ) -> Self:
        """A history from the losses of all iterations, such as `lax.scan` stacks them.

        Args:
            losses: The losses of training, the shape (..., steps).
            steps: The iteration of each row, increasing, the shape (steps,); 0, 1, 2, ... if none are given.
            validation: The losses of validation, of the same shape; NaN where there are none.
            axis: The axis of the steps: the last after a `vmap` of `scan`, 0 after a `scan` over a `vmap`.

        Raises:
            LossDataError: For arrays that do not fit each other.
            LossNameError: If the validation has other labels than the training.

        Example:
            >>> def body(x, i):
            ...     return 0.5 * x, LossDict({"a": x}, {"a": 2.0})
            >>> _, losses = jax.lax.scan(body, 1.0, length=3)
            >>> LossHistory.from_scan(losses).train
            {'a': Array([2. , 1. , 0.5], dtype=float32)}
        """
        if not isinstance(losses, LossDict):
            raise error("no-losses", got=described(losses))
        shape = np.shape(losses.total)
        if not -len(shape) <= axis < len(shape):
            raise error("not-stacked", axis=axis, shape=shape)
        iterations = _iterations(shape[axis] if steps is None else steps)
        if len(iterations) != shape[axis]:
            raise error("history-steps", got=f"{len(iterations)} iterations for {shape[axis]} rows")
        labels = tuple(losses)

        def rows(losses: LossDict) -> LossDict:
            dtype = float_type(jax.eval_shape(lambda losses: losses, losses))
            fitting = on_device(_fitting(losses, labels, shape))
            whole = (jnp.broadcast_to(jnp.asarray(leaf, dtype), shape) for leaf in jax.tree.leaves(fitting))
            return jax.tree.unflatten(jax.tree.structure(fitting), [jnp.moveaxis(leaf, axis, -1) for leaf in whole])

        return cls(rows(losses), None if validation is None else rows(validation), iterations)

    @classmethod
    def from_feedbax(cls, history: Any) -> Self:
        """A history from the one that Feedbax's trainer returns, or from its losses.

        Its labels are kept. What its versions with a mapping hold is weighted already: the weights are 1 here. A row of
        a validation that is 0 throughout was not recorded, and is NaN here.

        Raises:
            LossDataError: For what is no history of Feedbax.

        Example:
            >>> from types import SimpleNamespace
            >>> theirs = SimpleNamespace(loss={"Effector position": np.ones(3), "NN output": np.zeros(3)})
            >>> LossHistory.from_feedbax(theirs).train.total
            Array([1., 1., 1.], dtype=float32)
        """
        train, validation = losses_of(history)
        return cls.from_scan(train, validation=validation, axis=0)

    def record(self, step: ArrayLike, values: LossDict) -> Self:
        """The history with the losses of one training iteration set, or of several at once.

        A traced `step` that has no row leaves the history as it is; any other is an error.

        Args:
            step: The iteration, the shape () or (n,).
            values: Its losses, the shape (...) or (..., n).

        Raises:
            LossNameError: If the values have other labels than the history.
            LossDataError: If there is no row for `step`, or the values have another shape.

        Example:
            >>> values = LossDict({"a": jnp.float32(2.0)}, {"a": 1.0})
            >>> history = LossHistory.start(values, [0, 10, 20])
            >>> jax.jit(lambda history, i: history.record(i, values))(history, 10).train
            {'a': Array([nan,  2., nan], dtype=float32)}
        """
        return type(self)(_recorded(self.train, self.steps, step, values), self.validation, self.steps)

    def record_validation(self, step: ArrayLike, values: LossDict) -> Self:
        """The history with the validation losses of one training iteration set, or of several; see `record`."""
        total, validation = self.train.total, self.validation
        if validation is None:
            validation = absent(tuple(self.train), total.shape, total.dtype)
        return type(self)(self.train, _recorded(validation, self.steps, step, values), self.steps)

    def join(self, later: "LossHistory") -> Self:
        """The rows of both histories, as of a run that was resumed.

        A row that both have is that of `later`, whole, if anything was recorded in it there; else the one of this
        history. A term that only one of them has is NaN in the rows of the other. Validation is joined likewise. It is
        done on the host, outside of `jit`.

        Raises:
            LossDataError: If `later` is no history or of an ensemble of another shape, or if one of them is traced.

        Example:
            >>> values = LossDict({"a": jnp.float32(2.0)}, {"a": 1.0})
            >>> first = LossHistory.start(["a"], 3).record(0, values).record(1, values)
            >>> both = first.join(LossHistory.start(["a"], [1, 2, 3]).record(2, values))
            >>> both.steps, both.train["a"]
            (Array([0, 1, 2, 3], dtype=int32), Array([ 2.,  2.,  2., nan], dtype=float32))
        """
        return type(self)(*joined(self, later))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the history to a file, an `.npz` without pickles, whole or not at all.

        A float type that NumPy does not have, such as bfloat16, is written as float32.

        Args:
            path: The file, whatever it ends with; one that is there is replaced.

        Raises:
            LossDataError: If it cannot be written; what was there before is still there.

        Example:
            >>> import tempfile
            >>> path = Path(tempfile.mkdtemp(), "run.npz")
            >>> LossHistory.start(["final(velocity)"], 3).save(path)
            >>> list(LossHistory.load(path).train)
            ['final(velocity)']
        """
        write_history(Path(path), self.train, self.validation, self.steps)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a history that `save` wrote.

        Raises:
            LossDataError: If there is no such file, it is damaged, of another kind, or of another version; or it has
                numbers that only x64 holds.
        """
        return cls(*read_history(Path(path)))


def _labels(given: Any) -> tuple[str, ...]:
    labels = tuple(given) if isinstance(given, Iterable) and not isinstance(given, str) else (given, None)
    if not all(isinstance(label, str) for label in labels):
        raise error("no-losses", got=described(given))
    if len(set(labels)) < len(labels):
        raise error("no-losses", got=f"{listed(labels)}, one of them twice,")
    return labels


def _iterations(given: Any) -> Array:
    """The iterations of the rows, from their number or as they are."""
    if isinstance(given, int | np.integer) and not isinstance(given, bool):
        if given < 1:
            raise error("history-steps", got=int(given))
        return held_steps(np.arange(given))
    steps = given if isinstance(given, jax.core.Tracer) else np.asarray(given)
    if steps.ndim != 1 or not steps.size or not jnp.issubdtype(steps.dtype, jnp.integer):
        raise error("history-steps", got=described(given))
    if isinstance(steps, jax.core.Tracer):
        return jnp.asarray(steps)
    if len(later := np.flatnonzero(steps[1:] <= steps[:-1])):
        raise error("history-steps", got=f"..., {steps[later[0]]}, {steps[later[0] + 1]}, ...")
    return held_steps(steps)


def _fitting(values: Any, labels: tuple[str, ...], shape: tuple[int, ...]) -> LossDict:
    """The values in the order of the labels, if all have the shape; a weight may be one for all.

    Raises:
        LossDataError: If they are not a `LossDict`, or have another shape.
        LossNameError: If they have other labels.
    """
    if not isinstance(values, LossDict):
        raise error("no-losses", got=described(values))
    if values.keys() != set(labels):
        lacking = [label for label in labels if label not in values]
        strange = [label for label in values if label not in labels]
        pieces = [f"{listed(lacking)} missing"] * bool(lacking) + [f"{listed(strange)} new"] * bool(strange)
        raise error("history-labels", difference=", ".join(pieces), labels=listed(labels))
    arrays = [("total", values.total), *values.items(), *values.raw.items()]
    arrays += [(label, weight) for label, weight in values.weights.items() if np.shape(weight)]
    for name, value in arrays:
        if np.shape(value) != shape:
            raise error("history-shape", name=name, shape=np.shape(value), expected=shape)
    return LossDict.of(
        {label: values[label] for label in labels},
        [values.raw[label] for label in labels],
        [values.weights[label] for label in labels],
        values.total,
    )


def _recorded(losses: LossDict, steps: Array, step: ArrayLike, values: LossDict) -> LossDict:
    # Not a method: Equinox flattens the whole module each time that one is called.
    kind = step.dtype if hasattr(step, "dtype") else np.asarray(step).dtype
    if not jnp.issubdtype(kind, jnp.number):
        raise error("bad-step", got=described_number(step))
    fitting = _fitting(values, tuple(losses), (*losses.total.shape[:-1], *np.shape(step)))
    if steps.ndim > 1:
        # The members of an ensemble share their steps.
        steps = steps[(0,) * (steps.ndim - 1)]
    # What is absent is NaN, and no mistake.
    with jax.debug_nans(False), jax.debug_infs(False):
        return _set_rows(losses, *on_device((_rows(steps, step), fitting)))


def _rows(steps: Any, step: Any) -> Any:
    """Where the iterations stand; one that is nowhere gets a row past the end where that cannot be an error."""
    traced = isinstance(steps, jax.core.Tracer) or isinstance(step, jax.core.Tracer)
    if traced:
        # The other methods look at every row in each training step, or are loops, slow on a GPU.
        rows = jnp.searchsorted(steps, step, method="scan_unrolled")
        return jnp.where(jnp.take(steps, rows, mode="clip") == step, rows, len(steps))
    steps, step = np.asarray(steps), np.asarray(step)
    rows = np.searchsorted(steps, step)
    there = steps.take(rows, mode="clip") == step
    if not np.all(there):
        raise error("no-row", step=step[~there].flat[0], number=len(steps), first=steps[0], last=steps[-1])
    return rows


@jax.jit
def _set_rows(losses: LossDict, rows: Any, values: LossDict) -> LossDict:
    def set_rows(old: Array, new: Any) -> Array:
        return old.at[..., rows].set(jnp.asarray(new, old.dtype), mode="drop")

    return jax.tree.map(set_rows, losses, values)
