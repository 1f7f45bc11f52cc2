"""A loss, a rollout and a batch of trials -> values and gradient of the whole batch, in the memory of a part of it."""

from collections.abc import Callable
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.backends import Apart, Program, apart, bound_terms, trainable, weighted
from lossdsl.errors import described, error
from lossdsl.loss.batch import Batch
from lossdsl.loss.evaluate import arguments, given_step
from lossdsl.loss.parts import check_single
from lossdsl.loss.summed import Summed
from lossdsl.loss.values import LossDict
from lossdsl.operators import wide

_FOUND: "WeakKeyDictionary[Program, Apart]" = WeakKeyDictionary()


def accumulate(
    loss: Any,
    rollout: Callable[..., Any],
    model: Any,
    trial_specs: Any,
    step: Any = None,
    *,
    size: int | None = None,
    where: Any = None,
    key: Array | None = None,
    axes: Any = 0,
) -> tuple[LossDict, Any]:
    r"""The losses of a batch and the gradient of their total, computed in parts of the batch, one after the other.

    With shares `s_b` that sum to 1, `L = \sum_b s_b L_b` and `\nabla L = \sum_b s_b \nabla L_b`: those of the whole
    batch to rounding, also where the parts differ in size and some of the trials are padding. The gradient is taken in
    each part, so the memory is that of one part. A loss whose terms need several trials at once is refused before
    there are data. One that ends with a mean or a sum over `batch` is not, nor is one with a mask made of the trials.

    Nothing is compiled here, so it belongs inside your own jitted function, as `eqx.filter_value_and_grad` does.

    Args:
        loss: The loss.
        rollout: The states of a model on some trials, `rollout(model, trial_specs)`; with a `key` it is given the keys
            of these trials too, `rollout(model, trial_specs, keys)`.
        model: The model; the gradient is that with respect to its arrays of floats, `trainable(model)`.
        trial_specs: The trials of the batch.
        step: The training iteration, for a loss that needs it.
        size: How many trials a part has at most; all of them if None. Part j of k has every k-th trial from j on: so a
            batch that is shared out over devices stays where it is, if their number divides that of a part.
        where: How much each trial counts, an array: 0 for padding. All alike if None. In place of padding `rollout`
            is given the first trial that counts once more, so that whatever stands there is in nothing.
        key: For noise: each trial is given a key that is made of this one and its place in the batch, whatever the
            parts are.
        axes: Where the arrays of the trials have `batch`, and None for what all trials share, as `in_axes` of
            `jax.vmap`.

    Returns:
        The losses, and the gradient, in the types of the model. Both are added up in float32 at least. They are 0 where
        no trial counts.

    Raises:
        LossAxesError: For a term that needs several trials at once, with the place and the reason.
        LossDataError: For arrays that are missing or do not fit.
        LossValueError: If the loss needs `step` and is not given it; for a model without arrays of floats, a batch
            without trials, and numbers of trials that differ.

    Example:
        >>> from lossdsl import Vocabulary, compile
        >>> rows = {"y": "batch time", "x": ("trial_specs", "batch time"), "model": ("model", "pytree")}
        >>> loss = compile("mean(square(y - x)) + 0.1*sqnorm(model)", Vocabulary(rows))
        >>> def rollout(model, x):
        ...     return {"y": model["gain"] * x}
        >>> x = jnp.arange(12.0).reshape(6, 2)
        >>> values, gradient = accumulate(loss, rollout, {"gain": jnp.array(2.0)}, x, size=4)
        >>> print(values)
        term                 weight      raw  weighted  share
        mean(square(y - x))       1  42.1667   42.1667  99.1%
        sqnorm(model)           0.1        4       0.4   0.9%
        total                                 42.5667
        >>> print(f"{gradient['gain']:.3f}")
        84.733
    """
    loss = _single(loss)
    found = _apart(loss)
    trained, rest = eqx.partition(model, trainable(model))
    if not jax.tree.leaves(trained):
        raise error("bad-argument", argument="model", got=described(model), advice="give one that has arrays of floats")
    if not callable(rollout):
        advice = "give a function of the model and the trials that returns the states"
        raise error("bad-argument", argument="rollout", got=described(rollout), advice=advice)
    batch = Batch(trial_specs, axes, size)
    numbers, parameters, _ = arguments(loss, vars(loss))
    step = given_step(loss.program, step)
    weights = dict(zip(loss.labels, loss.program.weights(numbers, parameters, step), strict=True))
    shares = _shares(loss, found, trial_specs, (parameters, step), batch.counting(where))
    keys = None if key is None else jax.vmap(partial(jax.random.fold_in, key))(jnp.arange(batch.trials))

    def of_part(trained: Any, given: Any) -> tuple[Any, dict[str, Array]]:
        rows, keys, shares = given
        model, trials = eqx.combine(trained, rest), batch.part(rows)
        states = rollout(model, trials) if keys is None else rollout(model, trials, keys)
        raw = _summed(_each(loss, found, (states, trials, model), (parameters, step)), shares)
        return sum(weighted(value, weights[label]) for label, value in raw.items()), raw

    raw, gradient = _added(jax.value_and_grad(of_part, has_aux=True), trained, batch.split(shares, keys))
    # `scan` sorts the keys.
    raw = {label: raw[label] for label in loss.labels}
    return LossDict(raw, {label: jnp.asarray(weights[label], raw[label].dtype) for label in raw}), gradient


def _single(loss: Any) -> Any:
    if not isinstance(loss, Summed):
        advice = "compile a text: `ld.compile(...)`"
        raise error("bad-argument", argument="loss", got=described(loss), advice=advice)
    loss = loss.composite
    check_single(loss.numbers, loss.parameters)
    return loss


def _apart(loss: Any) -> Apart:
    """What each trial has of the loss, worked out once."""
    if loss.program.objects:
        return apart(loss.written.terms)
    if loss.program not in _FOUND:
        _FOUND[loss.program] = apart(loss.written.terms)
    return _FOUND[loss.program]


def _shares(loss: Any, found: Apart, trial_specs: Any, given: tuple[Any, Any], counting: Array) -> dict[str, Array]:
    """The share of each trial in each term: how much it counts, over how much all of them do."""
    parts: dict[str, Any] = {}
    if found.counts is not None:
        parts = found.counts.per_trial(*given, found.counts.pick(None, trial_specs, None))
    shares = {}
    for label in loss.labels:
        share = jnp.where(counting == 0, 0, counting * parts[label]) if label in parts else counting
        total = jnp.sum(share)
        shares[label] = share if label in found.sums else share / jnp.where(total == 0, 1, total)
    return shares


def _each(loss: Any, found: Apart, data: tuple[Any, ...], given: tuple[Any, Any]) -> dict[str, Array]:
    """What each trial has of each term, without its weight."""
    # In the words of the loss itself.
    loss.program.check(loss.program.pick(*data))
    program = found.program
    objects = bound_terms(eqx.combine(loss.objects, loss.rest), data) if program.objects else {}
    return program.per_trial(*given, program.pick(*data), objects)


def _summed(each: dict[str, Array], shares: dict[str, Array]) -> dict[str, Array]:
    """The part of each term: what a trial has times its share; nothing of one without, though it be NaN."""
    parts = {}
    for label, value in each.items():
        value, share = wide(value), shares[label]
        share = share.astype(value.dtype)
        parts[label] = jnp.sum(jnp.where(share == 0, 0, value) * share) if value.ndim else value * jnp.sum(share)
    return parts


def _added(run: Callable[..., Any], trained: Any, given: Any) -> tuple[dict[str, Array], Any]:
    """The values and the gradient of all parts, each in turn."""
    start = jax.tree.map(lambda x: jnp.zeros_like(x, jnp.promote_types(x.dtype, jnp.float32)), trained)

    def body(gradient: Any, part: Any) -> tuple[Any, dict[str, Array]]:
        (_, raw), more = run(trained, part)
        return jax.tree.map(lambda x, y: x + y.astype(x.dtype), gradient, more), raw

    gradient, raw = jax.lax.scan(body, start, given)
    totals = {label: jnp.sum(values) for label, values in raw.items()}
    return totals, jax.tree.map(lambda x, like: x.astype(like.dtype), gradient, trained)
