"""Losses -> new weights: SoftAdapt, ReLoBRaLo and uncertainty weighting, which look at the losses alone.

Each is a pair of pure functions in the manner of Optax, for `jit` and `scan`; all their state is arrays.
"""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jax import Array

from lossdsl.errors import described, error
from lossdsl.loss import LossDict
from lossdsl.training.balance import (
    SHARE,
    AdaptiveWeights,
    balancing,
    check_optimizer,
    checked,
    chosen_labels,
    losses_of,
    ratio,
    stepped,
)

if TYPE_CHECKING:
    import optax


class SoftAdaptState(NamedTuple):
    """The losses of the last update and its weights, each (terms,)."""

    losses: Array
    weights: Array


def soft_adapt(
    beta: float = 0.1,
    *,
    normalized: bool = False,
    loss_weighted: bool = False,
    terms: Sequence[str] | None = None,
) -> AdaptiveWeights:
    r"""SoftAdapt: a term that falls slowest, or rises, gets the greatest weight.

    `w_i = e^{\beta s_i} / \sum_j e^{\beta s_j}` with the change of a loss since the last update,
    `s_i = L_i(t) - L_i(t-1)`. The weights sum to 1; at the first losses they are equal.

    Args:
        beta: How sharply the weights differ; below 0 the term that falls fastest gets the greatest.
        normalized: Whether the changes are relative, `s_i / \sum_j |s_j|`: the scale of the losses then does not count.
        loss_weighted: Whether to weigh by the losses too, `L_i e^{\beta s_i} / \sum_j L_j e^{\beta s_j}`.
        terms: The labels of the terms that are adapted; all if none are given.

    Raises:
        LossValueError: If `beta` is not a finite number.

    Example:
        >>> def losses(a, b):
        ...     return LossDict({"a": jnp.float32(a), "b": jnp.float32(b)}, {"a": 1.0, "b": 1.0})
        >>> method = soft_adapt(beta=1.0)
        >>> state = method.init(losses(2.0, 2.0))
        >>> weights, state = method.update(losses(2.0, 1.0), state)
        >>> {label: round(float(weight), 3) for label, weight in weights.items()}
        {'a': 0.731, 'b': 0.269}

    Source:
        Heydari, Thompson, Mehmood (2019), SoftAdapt: Techniques for adaptive loss weighting of neural networks with
        multi-part loss functions, arXiv:1912.12355, section 3.1 with its three variants.
    """
    beta = checked("beta", beta)

    def init(labels: tuple[str, ...], values: LossDict) -> SoftAdaptState:
        losses = losses_of(values, labels)
        return SoftAdaptState(losses, jnp.full_like(losses, 1 / len(labels)))

    def step(labels: tuple[str, ...], values: LossDict, state: SoftAdaptState, _: Any) -> Any:
        losses = losses_of(values, labels)
        change = losses - state.losses
        tiny = jnp.finfo(losses.dtype).tiny
        if normalized:
            change = change / (jnp.sum(jnp.abs(change)) + tiny)
        weights = jax.nn.softmax(beta * change)
        if loss_weighted:
            weights = losses * weights / (jnp.sum(losses * weights) + tiny)
        return SoftAdaptState(losses, weights), [losses]

    return balancing(partial(chosen_labels, terms=terms), init, step, lambda state: state.weights)


class RelobraloState(NamedTuple):
    """The key of the next lookback; the first losses, those of the last update, and its weights, each (terms,)."""

    key: Array
    initial: Array
    losses: Array
    weights: Array


def relobralo(
    key: Array,
    alpha: float = 0.999,
    rho: float = 0.999,
    temperature: float = 0.1,
    *,
    terms: Sequence[str] | None = None,
) -> AdaptiveWeights:
    r"""ReLoBRaLo, relative loss balancing with random lookback: a term that made the least progress gets the most.

    With `m` terms, the balance with respect to an earlier time `t'` is
    `\lambda_i^{bal}(t, t') = m \, \mathrm{softmax}_i(L_i(t) / (T L_i(t')))`, and

    `w_i(t) = \alpha \left(\rho w_i(t-1) + (1-\rho) \lambda_i^{bal}(t, 0)\right) + (1-\alpha) \lambda_i^{bal}(t, t-1)`,

    where `\rho` is 1 or 0, drawn anew for each update: else the method looks back to the first losses. The weights
    begin at 1 and sum to `m`. The scale of a loss does not count. A loss that was 0 counts as unchanged.

    Args:
        key: A key of `jax.random`, for the lookbacks.
        alpha: The share of the old weights in the new.
        rho: The expected value of `\rho`, near 1.
        temperature: `T`; below 1 the weights differ more sharply.
        terms: The labels of the terms that are adapted; all if none are given.

    Raises:
        LossValueError: For a key that is not one, a temperature that is not above 0, or an `alpha` or `rho` that is
            not between 0 and 1.

    Example:
        >>> def losses(a, b):
        ...     return LossDict({"a": jnp.float32(a), "b": jnp.float32(b)}, {"a": 1.0, "b": 1.0})
        >>> method = relobralo(jr.key(0), alpha=0.5, temperature=1.0)
        >>> state = method.init(losses(2.0, 2.0))
        >>> weights, state = method.update(losses(2.0, 1.0), state)
        >>> {label: round(float(weight), 3) for label, weight in weights.items()}
        {'a': 1.122, 'b': 0.878}

    Source:
        Bischof, Kraus (2021), Multi-objective loss balancing for physics-informed deep learning, arXiv:2110.09813,
        the equations of the section on ReLoBRaLo.
    """
    if not hasattr(key, "dtype"):
        raise error("bad-argument", argument="key", got=described(key), advice="give a key: `jax.random.key(0)`")
    alpha, rho = checked("alpha", alpha, *SHARE), checked("rho", rho, *SHARE)
    temperature = checked("temperature", temperature, "a number above 0", lambda number: number > 0)

    def init(labels: tuple[str, ...], values: LossDict) -> RelobraloState:
        losses = losses_of(values, labels)
        return RelobraloState(key, losses, losses, jnp.ones_like(losses))

    def step(labels: tuple[str, ...], values: LossDict, state: RelobraloState, _: Any) -> Any:
        losses = losses_of(values, labels)
        next_key, draw = jr.split(state.key)

        def balance(earlier: Array) -> Array:
            return len(labels) * jax.nn.softmax(ratio(losses, earlier) / temperature)

        history = jnp.where(jr.bernoulli(draw, rho), state.weights, balance(state.initial))
        weights = alpha * history + (1 - alpha) * balance(state.losses)
        return RelobraloState(next_key, state.initial, losses, weights), [losses]

    return balancing(partial(chosen_labels, terms=terms), init, step, lambda state: state.weights)


class UncertaintyState(NamedTuple):
    """The log variances `s_i`, (terms,); the state of the optimiser."""

    log_variances: Array
    optimizer: Any


def uncertainty(optimizer: "optax.GradientTransformation", *, terms: Sequence[str] | None = None) -> AdaptiveWeights:
    r"""Uncertainty weighting: each term has a variance of its own, which is learned, and divides it.

    The objective is `\sum_i \tfrac{1}{2} e^{-s_i} L_i + \tfrac{1}{2} s_i` with the log variances
    `s_i = \log \sigma_i^2`, from 0; so `w_i = \tfrac{1}{2} e^{-s_i}`, with the factor 1/2 that squared errors have in
    the likelihood of a Gaussian. The optimiser takes one step for each update, down
    `\partial / \partial s_i = \tfrac{1}{2} (1 - e^{-s_i} L_i)`: at rest, `\sigma_i^2 = L_i` and every weighted term is
    1/2. The model has no part in `\tfrac{1}{2} s_i`: where you want the value of the whole objective, it is
    `values.total + 0.5 * state.log_variances.sum()`.

    Args:
        optimizer: The Optax optimiser of the log variances, such as `optax.adam(1e-2)`.
        terms: The labels of the terms that are adapted; all if none are given.

    Raises:
        LossValueError: If `optimizer` is not one.

    Example:
        >>> import optax
        >>> values = LossDict({"a": jnp.float32(5.0), "b": jnp.float32(1.0)}, {"a": 1.0, "b": 1.0})
        >>> method = uncertainty(optax.sgd(0.1))
        >>> weights, state = method.update(values, method.init(values))
        >>> {label: round(float(weight), 3) for label, weight in weights.items()}
        {'a': 0.409, 'b': 0.5}

    Source:
        Kendall, Gal, Cipolla (2018), Multi-task learning using uncertainty to weigh losses for scene geometry and
        semantics, CVPR, equation 7.
    """
    check_optimizer(optimizer)

    def init(labels: tuple[str, ...], values: LossDict) -> UncertaintyState:
        log_variances = jnp.zeros_like(losses_of(values, labels))
        return UncertaintyState(log_variances, optimizer.init(log_variances))

    def step(labels: tuple[str, ...], values: LossDict, state: UncertaintyState, _: Any) -> Any:
        losses = losses_of(values, labels)
        slope = (1 - jnp.exp(-state.log_variances) * losses) / 2
        log_variances, optimizer_state = stepped(optimizer, slope, state.optimizer, state.log_variances)
        return UncertaintyState(log_variances, optimizer_state), [losses]

    return balancing(partial(chosen_labels, terms=terms), init, step, lambda state: jnp.exp(-state.log_variances) / 2)
