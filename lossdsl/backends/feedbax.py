"""Terms to a loss of Feedbax's own class, which its tasks and its trainer ask for."""

from collections.abc import Mapping
from functools import cache
from typing import Any

import jax.numpy as jnp

from lossdsl.errors import error


def feedbax_loss(losses: Mapping[str, Any], weights: Mapping[str, Any], label: str) -> Any:
    """A `feedbax.loss.CompositeLoss` with one Feedbax term for each of these losses of one term.

    Raises:
        LossValueError: If Feedbax is not installed.
    """
    try:
        from feedbax.loss import CompositeLoss
    except ModuleNotFoundError as missing:
        if missing.name != "feedbax":
            raise
        raise error("not-installed", package="Feedbax", use="`to_feedbax`", install="feedbax") from None
    term = _term_class()
    return CompositeLoss({name: term(name, loss) for name, loss in losses.items()}, dict(weights), label)


@cache
def _term_class() -> Any:
    from feedbax.loss import AbstractLoss

    class LossdslTerm(AbstractLoss):
        """A term of a loss of lossdsl, for each trial and without its weight."""

        label: str
        loss: Any

        # Released versions of Feedbax give the states and the trials, later ones the model too.
        def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Any:
            (value,) = self.loss.per_trial(states, trial_specs, model).raw.values()
            # Feedbax takes the mean over the first axis, which a term that no trial changes does not have.
            return jnp.atleast_1d(value)

    return LossdslTerm
