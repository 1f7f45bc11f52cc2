"""A loss of Feedbax -> one of ours."""

import inspect
import re
from collections.abc import Mapping
from typing import Any

from jax import Array

from lossdsl.errors import described, error
from lossdsl.loss import AbstractLoss, CompositeLoss


class _FromFeedbax(AbstractLoss):
    label: str
    loss: Any

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        given = (states, trial_specs, model)
        return self.loss.term(*given[: len(inspect.signature(self.loss.term).parameters)])


def from_feedbax(loss: Any) -> CompositeLoss:
    """A loss of Feedbax as one of ours: the same terms, weights and labels, made names.

    Raises:
        LossValueError: For what is not a loss of Feedbax.

    Example:
        >>> from types import SimpleNamespace
        >>> theirs = SimpleNamespace(label="NN output", term=lambda states, trial_specs: states["output"] ** 2)
        >>> print(2 * from_feedbax(theirs))
        2*nn_output
    """
    terms, weights = getattr(loss, "terms", None), getattr(loss, "weights", None)
    if isinstance(loss, AbstractLoss):
        return loss.composite
    if isinstance(terms, Mapping) and isinstance(weights, Mapping):
        ours = {_as_name(label): _term(label, term) for label, term in terms.items()}
        return CompositeLoss(ours, {_as_name(label): weight for label, weight in weights.items()})
    if not isinstance(getattr(loss, "label", None), str) or not callable(getattr(loss, "term", None)):
        raise error("bad-argument", argument="loss", got=described(loss), advice="give a loss of `feedbax.loss`")
    return _term(loss.label, loss).composite


def _term(label: str, term: Any) -> AbstractLoss:
    ours = getattr(term, "loss", None)
    return ours if isinstance(ours, CompositeLoss) else _FromFeedbax(_as_name(label), term)


def _as_name(label: str) -> str:
    return re.sub(r"\W+", "_", label).strip("_").lower()
