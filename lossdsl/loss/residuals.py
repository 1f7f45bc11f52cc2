"""A loss on trajectories -> arrays whose squares sum to its terms."""

from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.backends import Program, Residuals, residuals
from lossdsl.errors import LossError, error
from lossdsl.loss.evaluate import arguments, given_step
from lossdsl.loss.parts import check_single
from lossdsl.loss.scalars import is_traced
from lossdsl.operators import BATCH

_FOUND: "WeakKeyDictionary[Program, Residuals]" = WeakKeyDictionary()


def residuals_of(loss: Any, states: Any, trial_specs: Any, model: Any, step: Any) -> dict[str, Array]:
    """The arrays of each term, flat.

    Raises:
        LossDataError: For arrays that are missing or do not fit.
        LossValueError: For a term that is not a sum of squares, and a weight or a factor that is negative.
    """
    check_single(loss.numbers, loss.parameters)
    program: Program = loss.program
    if program not in _FOUND:
        _FOUND[program] = residuals(loss.written.terms)
    found = _FOUND[program]
    numbers, parameters, by_label = arguments(loss, vars(loss))
    step = given_step(program, step)
    weights = dict(zip(program.terms, program.weights(numbers, parameters, step), strict=True))
    for label, weight in {**weights, **by_label}.items():
        if not isinstance(weight, jax.core.Tracer) and np.asarray(weight) < 0:
            raise error("negative-weight", label=label, weight=f"{float(weight):g}")
    try:
        made, odd = _run(program, found, weights, parameters, step, found.program.pick(states, trial_specs, model))
    except LossError:
        # Its labels are those of the residuals: the loss has its own words.
        program.check(program.pick(states, trial_specs, model))
        raise
    # Under `grad` this is known, and the values are not.
    if not is_traced((odd, *made.values())) and odd.any():
        _check_factors(loss, np.asarray(odd), (states, trial_specs, model, step))
    # `jit` sorts the keys.
    return {label: made[label] for label in program.terms}


def _check_factors(loss: Any, odd: Any, given: tuple[Any, ...]) -> None:
    """Refuse what is not a number as the root of a negative factor; in the data it may have been so before."""
    values = loss(*given)
    for label in np.array(loss.labels)[odd]:
        if np.isfinite(values[label]):
            raise error("negative-factor", label=str(label))


@partial(jax.jit, static_argnums=(0, 1))
def _run(
    program: Program, found: Residuals, weights: Any, parameters: Any, step: Any, arrays: Any
) -> tuple[dict[str, Array], Array]:
    """The arrays, and for each term whether some of it is not a number."""
    each = found.program.per_trial(parameters, step, arrays)

    def flat(label: str) -> Array:
        parts = [_averaged(each[name], found.program.terms[name]) for name in found.labels[label]]
        root = jnp.sqrt(jnp.asarray(weights[label], parts[0].dtype))
        # A term of weight 0 is off, whatever stands there.
        return jnp.concatenate([jnp.where(root == 0, 0, part) * root for part in parts])

    made = {label: flat(label) for label in program.terms}
    return made, jnp.stack([jnp.isnan(array).any() for array in made.values()])


def _averaged(array: Array, expr: Any) -> Array:
    """What squares to the mean over the trials of what the array squares to."""
    axes = list(expr.axes)
    trials = array.shape[axes.index(BATCH)] if BATCH in axes else 1
    return jnp.ravel(array) / trials**0.5
