"""Losses and the gradients of terms -> new weights: learning-rate annealing and GradNorm.

Each is a pair of pure functions in the manner of Optax, for `jit` and `scan`; all their state is arrays.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from lossdsl.errors import error
from lossdsl.loss import LossDict
from lossdsl.training.balance import (
    SHARE,
    AdaptiveWeights,
    balancing,
    check_optimizer,
    checked,
    chosen_labels,
    constant,
    gradient_rows,
    losses_of,
    ratio,
    stepped,
)

if TYPE_CHECKING:
    import optax


class AnnealingState(NamedTuple):
    """The weights of the last update, (terms,)."""

    weights: Array


def learning_rate_annealing(
    reference: str, alpha: float = 0.1, *, terms: Sequence[str] | None = None
) -> AdaptiveWeights:
    r"""Learning-rate annealing: each term is scaled until its gradient is as large as that of one that leads.

    `\hat{w}_i = \max_\theta |w_r \nabla_\theta L_r| / \mathrm{mean}_\theta |\nabla_\theta L_i|`, over all parameters
    `\theta` of the model, and the weights are its moving average: `w_i \leftarrow (1-\alpha) w_i + \alpha \hat{w}_i`,
    from 1. The reference `r`, the residual of an equation in the paper, keeps its weight `w_r`. A term without a
    gradient keeps its weight too. No rate of an optimiser is changed: the paper sees the weights as rates of their own.

    Args:
        reference: The label of the term that leads.
        alpha: The share of the new estimate; 0.1 in the code of the authors.
        terms: The labels of the terms that are adapted; all but the reference if none are given.

    Raises:
        LossValueError: If `alpha` is not between 0 and 1.

    Example:
        >>> from lossdsl import term_gradients
        >>> def objective(x):
        ...     return LossDict({"goal": jnp.sum((x - 1) ** 2), "effort": jnp.sum(x)}, {"goal": 1.0, "effort": 1.0})
        >>> values, gradients = term_gradients(objective, jnp.array([3.0, 0.0]))
        >>> method = learning_rate_annealing("goal", alpha=0.5)
        >>> weights, state = method.update(values, method.init(values), gradients)
        >>> {label: float(weight) for label, weight in weights.items()}
        {'effort': 2.5}

    Source:
        Wang, Teng, Perdikaris (2021), Understanding and mitigating gradient flow pathologies in physics-informed
        neural networks, SIAM Journal on Scientific Computing 43(5), algorithm 1.
    """
    alpha = checked("alpha", alpha, *SHARE)

    def chosen(values: LossDict, weights: Any) -> tuple[str, ...]:
        labels = chosen_labels(values, weights, terms, without=reference)
        if reference in labels:
            advice = "leave the reference out of `terms`: it keeps its weight"
            raise error("bad-argument", argument="reference", got=f"`{reference}`, which is adapted", advice=advice)
        return labels

    def init(labels: tuple[str, ...], values: LossDict) -> AnnealingState:
        return AnnealingState(jnp.ones_like(losses_of(values, labels)))

    def step(labels: tuple[str, ...], values: LossDict, state: AnnealingState, gradients: Any) -> Any:
        sizes = jnp.abs(gradient_rows(gradients, (reference, *labels)))
        lead = jnp.max(sizes[0]) * jnp.abs(constant(values.weights[reference]))
        mean = jnp.mean(sizes[1:], axis=1)
        estimate = jnp.where(mean > 0, lead / jnp.where(mean > 0, mean, 1), state.weights)
        weights = (1 - alpha) * state.weights + alpha * estimate
        return AnnealingState(weights), [losses_of(values, labels), sizes]

    return balancing(chosen, init, step, lambda state: state.weights, "learning_rate_annealing")


class GradNormState(NamedTuple):
    """The first losses and the weights of the last update, each (terms,); the state of the optimiser."""

    initial: Array
    weights: Array
    optimizer: Any


def grad_norm(
    optimizer: "optax.GradientTransformation", alpha: float = 1.5, *, terms: Sequence[str] | None = None
) -> AdaptiveWeights:
    r"""GradNorm: the weights learn to give all terms gradients of one norm, larger for those that train slower.

    The norm of a weighted gradient is `G_i = w_i \|\nabla L_i\|`, its mean over the terms `\bar{G}`, and the relative
    inverse training rate `r_i = \tilde{L}_i / \mathrm{mean}_j \tilde{L}_j` with `\tilde{L}_i = L_i(t) / L_i(0)`. The
    optimiser takes one step down `\sum_i |G_i - \bar{G} r_i^\alpha|`, whose targets `\bar{G} r_i^\alpha` count as
    constants; then the weights are scaled so that they sum to the number of terms. They begin at 1.

    A step that would make a weight negative stops at 0. A loss that was 0 at first counts as unchanged; losses must
    not be negative. The paper takes the gradients with respect to the last layer that all terms share; see
    `TermGradients`.

    Args:
        optimizer: The Optax optimiser of the weights, such as `optax.adam(0.025)`.
        alpha: How strongly a slow term is pulled up; 0 gives all the same norm.
        terms: The labels of the terms that are adapted; all if none are given.

    Raises:
        LossValueError: If `optimizer` is not one, or `alpha` is not a finite number.

    Example:
        >>> import optax
        >>> from lossdsl import term_gradients
        >>> def objective(x):
        ...     return LossDict({"a": 3 * x, "b": x}, {"a": 1.0, "b": 1.0})
        >>> values, gradients = term_gradients(objective, jnp.array(2.0))
        >>> method = grad_norm(optax.sgd(0.1))
        >>> weights, state = method.update(values, method.init(values), gradients)
        >>> {label: round(float(weight), 3) for label, weight in weights.items()}
        {'a': 0.778, 'b': 1.222}

    Source:
        Chen, Badrinarayanan, Lee, Rabinovich (2018), GradNorm: Gradient normalization for adaptive loss balancing in
        deep multitask networks, ICML, equation 2 and algorithm 1.
    """
    alpha = checked("alpha", alpha)
    check_optimizer(optimizer)

    def init(labels: tuple[str, ...], values: LossDict) -> GradNormState:
        losses = losses_of(values, labels)
        weights = jnp.ones_like(losses)
        return GradNormState(losses, weights, optimizer.init(weights))

    def step(labels: tuple[str, ...], values: LossDict, state: GradNormState, gradients: Any) -> Any:
        losses = losses_of(values, labels)
        sizes = jnp.linalg.norm(gradient_rows(gradients, labels), axis=1).astype(state.weights.dtype)
        progress = ratio(losses, state.initial)
        rate = ratio(progress, jnp.mean(progress))
        norms = state.weights * sizes
        slope = jnp.sign(norms - jnp.mean(norms) * rate**alpha) * sizes
        moved, optimizer_state = stepped(optimizer, slope, state.optimizer, state.weights)
        positive = jnp.maximum(moved, 0)
        total = jnp.sum(positive)
        weights = jnp.where(total > 0, len(labels) * positive / jnp.where(total > 0, total, 1), state.weights)
        return GradNormState(state.initial, weights, optimizer_state), [losses, sizes]

    return balancing(partial(chosen_labels, terms=terms), init, step, lambda state: state.weights, "grad_norm")
