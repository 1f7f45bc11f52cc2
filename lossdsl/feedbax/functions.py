"""Terms of functions: of the model alone, and several that share what is costly to compute."""

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar

from jax import Array

from lossdsl.errors import error
from lossdsl.loss import AbstractLoss, CompositeLoss


class ModelLoss(AbstractLoss):
    """A number that a function makes of the model alone, as a penalty on its parameters.

    Attributes:
        loss_fn: The function, from the model to a scalar.

    Raises:
        LossDataError: If the loss is called without a model.

    Example:
        >>> import jax.numpy as jnp
        >>> decay = ModelLoss("decay", lambda model: jnp.sum(model["weights"] ** 2))
        >>> float(decay(None, None, {"weights": jnp.ones(3)}).total)
        3.0

    Source: `feedbax.loss.ModelLoss`.
    """

    label: str
    loss_fn: Callable[[Any], Array]
    axes: ClassVar[tuple[str, ...]] = ()

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        """The number."""
        if model is None:
            raise error("no-root", name=self.label, root="model")
        return self.loss_fn(model)


class FuncTermsLoss(AbstractLoss):
    """Several terms that share what is costly to compute.

    Attributes:
        build_context: From `(states, trial_specs, model)` to what the terms share; called once for all of them.
        terms: By name, functions from that to a value per trial.
        weights: By name; 1 if not given.

    Example:
        >>> import jax.numpy as jnp
        >>> loss = FuncTermsLoss(
        ...     "speed",
        ...     lambda states, trial_specs, model: jnp.linalg.norm(states["vel"], axis=-1),
        ...     {"peak": lambda speed: speed.max(axis=1), "mean": lambda speed: speed.mean(axis=1)},
        ...     {"peak": 0.1, "mean": 1.0},
        ... )
        >>> print(1.0 * loss)
        0.1*speed_peak + speed_mean

    Source: `feedbax.loss.FuncTermsLoss`.
    """

    label: str
    build_context: Callable[[Any, Any, Any], Any]
    terms: Mapping[str, Callable[[Any], Array]]
    weights: Mapping[str, Any] | None = None

    @cached_property
    def composite(self) -> CompositeLoss:
        """One term for each function, `label_name`."""
        labels = {name: f"{self.label}_{name}" for name in self.terms}
        terms = [ContextTerm(labels[name], self.build_context, function) for name, function in self.terms.items()]
        weights = self.weights and {labels.get(name, name): weight for name, weight in self.weights.items()}
        return CompositeLoss(terms, weights)

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        """The weighted sum of the terms of each trial."""
        return self.composite.term(states, trial_specs, model)


class ContextTerm(AbstractLoss):
    """One term of a `FuncTermsLoss`."""

    label: str
    build_context: Callable[[Any, Any, Any], Any]
    function: Callable[[Any], Array]

    def term_in(self, context: Any) -> Array:
        """The value of each trial, from what the terms share."""
        return self.function(context)

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        """The value of each trial."""
        return self.term_in(self.build_context(states, trial_specs, model))
