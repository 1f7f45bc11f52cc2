"""Terms to a loss of Feedbax's own class, which its tasks and its trainer ask for."""

from collections.abc import Mapping
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from lossdsl.errors import error

# Where its losses are; the later place is that of a fork.
_MODULES = ("feedbax.loss", "feedbax.objectives.loss")


def feedbax_loss(losses: Mapping[str, Any], weights: Mapping[str, Any], label: str) -> Any:
    """A `CompositeLoss` of Feedbax with one term of its own class for each of these losses of one term.

    Its weights are arrays, so that a new one does not retrace; where a version keeps weights outside of the leaves of
    what its losses return, they are numbers of Python, as an array there would leak out of `jit`.

    Raises:
        LossValueError: If Feedbax is not installed, or a weight must be a number of Python and is traced.
    """
    theirs = _feedbax()
    term = _term_class(theirs.AbstractLoss, hidden=hasattr(theirs, "TermTree"))
    terms = {name: term(name, _Hidden(loss) if term.hidden else loss) for name, loss in losses.items()}
    if not _weights_are_leaves(theirs):
        weights = {name: _number(name, weight) for name, weight in weights.items()}
    return theirs.CompositeLoss(terms, dict(weights), label)


def _feedbax() -> ModuleType:
    for module in _MODULES:
        try:
            return import_module(module)
        except ModuleNotFoundError as missing:
            if missing.name not in ("feedbax", "feedbax.loss", "feedbax.objectives", "feedbax.objectives.loss"):
                raise
    raise error("not-installed", package="Feedbax", use="`to_feedbax`", install="feedbax")


def _weights_are_leaves(theirs: ModuleType) -> bool:
    """Whether a weight goes through `jit` with the values that it belongs to."""
    if not hasattr(theirs, "TermTree"):
        return True
    weight = jnp.ones(())
    tree = theirs.TermTree.leaf("", jnp.zeros(1)).with_weight(weight)
    return any(leaf is weight for leaf in jax.tree.leaves(tree))


def _number(label: str, weight: Any) -> float:
    if isinstance(weight, jax.core.Tracer):
        raise error("feedbax-traced", label=label)
    # The shortest that is the same in its own type: 1e-5, not what float32 makes of it.
    return float(str(np.asarray(weight)))


class _Hidden:
    """A loss whose arrays are no leaves: versions with a tree of terms keep the term that made a node beside it."""

    def __init__(self, loss: Any):
        self.loss = loss


@cache
def _term_class(base: Any, *, hidden: bool) -> Any:
    class LossdslTerm(base):
        """A term of a loss of lossdsl, for each trial and without its weight."""

        label: str
        held: Any = eqx.field(static=hidden)

        @property
        def loss(self) -> Any:
            return self.held.loss if hidden else self.held

        # Released versions of Feedbax give the states and the trials, later ones the model too.
        def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Any:
            (value,) = self.loss.per_trial(states, trial_specs, model).raw.values()
            # Feedbax takes the mean over the first axis, which a term that no trial changes does not have.
            return jnp.atleast_1d(value)

    LossdslTerm.hidden = hidden
    return LossdslTerm
