"""A loss of Feedbax -> one of ours."""

import inspect
import re
from collections.abc import Iterable, Mapping
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.errors import described, error
from lossdsl.feedbax.functions import FuncTermsLoss
from lossdsl.feedbax.specs import from_spec, is_spec
from lossdsl.loss import AbstractLoss, CompositeLoss


class _FromFeedbax(AbstractLoss):
    label: str
    loss: Any

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        given = (states, trial_specs, model)
        value = self.loss.term(*given[: len(inspect.signature(self.loss.term).parameters)])
        return _of_each(value, _trials(states, trial_specs))


def _of_each(value: Any, trials: int) -> Array:
    """One number for all trials, as that of a penalty on the model, is that of each: their mean is what it was."""
    value = jnp.asarray(value)
    return value if value.ndim else jnp.broadcast_to(value, (trials,))


def _trials(*given: Any) -> int:
    shapes = (np.shape(leaf) for leaf in jax.tree.leaves(given))
    return next((shape[0] for shape in shapes if shape), 1)


def _shared(build_context: Any, states: Any, trial_specs: Any, model: Any) -> tuple[int, Any]:
    return _trials(states, trial_specs), build_context(states, trial_specs, model)


def _from_shared(function: Any, shared: tuple[int, Any]) -> Array:
    trials, context = shared
    return _of_each(function(context), trials)


def from_feedbax(loss: Any, probes: Mapping[str, str] | None = None) -> CompositeLoss:
    """A loss of Feedbax as one of ours: the same terms, weights and labels, made names.

    Groups of terms are flattened, with the label of the group before theirs; a weight that is not there is 1. A term
    that returns one number for all trials counts as that number for each. A declarative one, a `LossTermSpec` or its
    data, becomes a text.

    Args:
        loss: The loss, or its specification.
        probes: Where the probes of a specification lie, by name: paths such as `mechanics.effector.pos`.

    Raises:
        LossNameError: If two labels are the same name.
        LossValueError: For what is not a loss of Feedbax, and one that computes in `__call__`.

    Example:
        >>> from types import SimpleNamespace
        >>> theirs = SimpleNamespace(label="NN output", term=lambda states, trial_specs: states["output"] ** 2)
        >>> print(2 * from_feedbax(theirs))
        2*nn_output
    """
    if isinstance(loss, AbstractLoss):
        return loss.composite
    if is_spec(loss):
        return from_spec(loss, _as_name, probes or {})
    terms = getattr(loss, "terms", None)
    if isinstance(terms, Mapping) and terms:
        return _group(loss, terms, getattr(loss, "weights", None) or {})
    if not isinstance(getattr(loss, "label", None), str):
        raise error("bad-argument", argument="loss", got=described(loss), advice="give a loss of `feedbax.loss`")
    return _term(loss.label, loss).composite


def _group(loss: Any, terms: Mapping[str, Any], weights: Mapping[str, Any]) -> CompositeLoss:
    """Terms by label: losses, which may be groups too, or functions of what they share."""
    names = _names(terms)
    by_name = {names[label]: weights.get(label, 1.0) for label in terms}
    if callable(context := getattr(loss, "build_context", None)):
        functions = {names[label]: partial(_from_shared, function) for label, function in terms.items()}
        return FuncTermsLoss(_as_name(loss.label), partial(_shared, context), functions, by_name).composite
    return CompositeLoss({names[label]: _term(label, term) for label, term in terms.items()}, by_name)


def _term(label: str, term: Any) -> AbstractLoss:
    ours = getattr(term, "loss", None)
    if isinstance(ours, CompositeLoss):
        return ours
    return from_feedbax(term) if hasattr(term, "terms") else _single(label, term)


def _single(label: str, term: Any) -> AbstractLoss:
    if isinstance(term, type) or not callable(getattr(term, "term", None)):
        raise error("bad-argument", argument="loss", got=described(term), advice="give a loss of `feedbax.loss`")
    if getattr(getattr(type(term), "term", None), "__qualname__", "").endswith("AbstractLoss.term"):
        advice = "it computes in `__call__`; give its class `term(states, trial_specs, model)`, one number per trial"
        raise error("bad-argument", argument="loss", got=described(term), advice=advice)
    return _FromFeedbax(_as_name(label), term)


def _names(labels: Iterable[str]) -> dict[str, str]:
    """The labels as names, each another one."""
    found: dict[str, str] = {}
    for label in labels:
        name = _as_name(label)
        if same := next((other for other, known in found.items() if known == name), None):
            raise error("same-name", first=same, second=label, name=name)
        found[label] = name
    return found


def _as_name(label: str) -> str:
    return re.sub(r"\W+", "_", str(label)).strip("_").lower()
