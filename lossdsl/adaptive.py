"""Losses, and the gradients of terms, to new weights: methods that balance the terms while training.

Each is a pair of pure functions in the manner of Optax, for `jit` and `scan`; all their state is arrays.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import jax
import jax.numpy as jnp
import jax.random as jr
from jax import Array

from lossdsl.errors import described, error
from lossdsl.gradients import TermGradients, position
from lossdsl.scalars import described_number, exact_number
from lossdsl.values import LossDict

if TYPE_CHECKING:
    import optax

_SHARE = ("a number between 0 and 1", lambda number: 0 <= number <= 1)


class AdaptiveWeights(NamedTuple):
    """A method that makes weights of losses.

    Attributes:
        init: `init(values)` gives the state at the first losses, a `LossDict`.
        update: `update(values, state, gradients=None)` gives the new weights by label, for `loss.with_weights`, and
            the new state. The gradients are those of `term_gradients`, for a method that needs them.
    """

    init: Callable[[LossDict], Any]
    update: Callable[..., tuple[dict[str, Array], Any]]


class SoftAdaptState(NamedTuple):
    """The losses of the last update, (terms,)."""

    losses: Array


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
    beta = _checked("beta", beta)

    def init(values: LossDict) -> SoftAdaptState:
        return SoftAdaptState(_losses(values, _labels(values, terms)))

    def update(
        values: LossDict, state: SoftAdaptState, gradients: Any = None
    ) -> tuple[dict[str, Array], SoftAdaptState]:
        labels = _labels(values, terms, state.losses)
        losses = _losses(values, labels)
        change = losses - state.losses
        tiny = jnp.finfo(losses.dtype).tiny
        if normalized:
            change = change / (jnp.sum(jnp.abs(change)) + tiny)
        weights = jax.nn.softmax(beta * change)
        if loss_weighted:
            weights = losses * weights / (jnp.sum(losses * weights) + tiny)
        return _by_label(labels, weights), SoftAdaptState(losses)

    return AdaptiveWeights(init, update)


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
    alpha, rho = _checked("alpha", alpha, *_SHARE), _checked("rho", rho, *_SHARE)
    temperature = _checked("temperature", temperature, "a number above 0", lambda number: number > 0)

    def init(values: LossDict) -> RelobraloState:
        losses = _losses(values, _labels(values, terms))
        return RelobraloState(key, losses, losses, jnp.ones_like(losses))

    def update(
        values: LossDict, state: RelobraloState, gradients: Any = None
    ) -> tuple[dict[str, Array], RelobraloState]:
        labels = _labels(values, terms, state.losses)
        losses = _losses(values, labels)
        next_key, draw = jr.split(state.key)

        def balance(earlier: Array) -> Array:
            return len(labels) * jax.nn.softmax(_ratio(losses, earlier) / temperature)

        history = jnp.where(jr.bernoulli(draw, rho), state.weights, balance(state.initial))
        weights = alpha * history + (1 - alpha) * balance(state.losses)
        return _by_label(labels, weights), RelobraloState(next_key, state.initial, losses, weights)

    return AdaptiveWeights(init, update)


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
        >>> from lossdsl.gradients import term_gradients
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
    alpha = _checked("alpha", alpha, *_SHARE)

    def chosen(values: LossDict, state: Array | None = None) -> tuple[str, ...]:
        labels = _labels(values, terms, state, without=reference)
        if reference in labels:
            advice = "leave the reference out of `terms`: it keeps its weight"
            raise error("bad-argument", argument="reference", got=f"`{reference}`, which is adapted", advice=advice)
        return labels

    def init(values: LossDict) -> AnnealingState:
        return AnnealingState(jnp.ones_like(_losses(values, chosen(values))))

    def update(values: LossDict, state: AnnealingState, gradients: Any = None) -> tuple[dict[str, Array], Any]:
        labels = chosen(values, state.weights)
        sizes = jnp.abs(_rows("learning_rate_annealing", gradients, (reference, *labels)))
        lead = jnp.max(sizes[0]) * jnp.abs(_number(values.weights[reference]))
        mean = jnp.mean(sizes[1:], axis=1)
        estimate = jnp.where(mean > 0, lead / jnp.where(mean > 0, mean, 1), state.weights)
        weights = (1 - alpha) * state.weights + alpha * estimate
        return _by_label(labels, weights), AnnealingState(weights)

    return AdaptiveWeights(init, update)


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
        >>> from lossdsl.gradients import term_gradients
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
    alpha = _checked("alpha", alpha)
    _check_optimizer(optimizer)

    def init(values: LossDict) -> GradNormState:
        losses = _losses(values, _labels(values, terms))
        weights = jnp.ones_like(losses)
        return GradNormState(losses, weights, optimizer.init(weights))

    def update(values: LossDict, state: GradNormState, gradients: Any = None) -> tuple[dict[str, Array], GradNormState]:
        labels = _labels(values, terms, state.weights)
        sizes = jnp.linalg.norm(_rows("grad_norm", gradients, labels), axis=1).astype(state.weights.dtype)
        progress = _ratio(_losses(values, labels), state.initial)
        rate = _ratio(progress, jnp.mean(progress))
        norms = state.weights * sizes
        slope = jnp.sign(norms - jnp.mean(norms) * rate**alpha) * sizes
        moved, optimizer_state = _step(optimizer, slope, state.optimizer, state.weights)
        stepped = jnp.maximum(moved, 0)
        total = jnp.sum(stepped)
        weights = jnp.where(total > 0, len(labels) * stepped / jnp.where(total > 0, total, 1), state.weights)
        return _by_label(labels, weights), GradNormState(state.initial, weights, optimizer_state)

    return AdaptiveWeights(init, update)


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
    _check_optimizer(optimizer)

    def init(values: LossDict) -> UncertaintyState:
        log_variances = jnp.zeros_like(_losses(values, _labels(values, terms)))
        return UncertaintyState(log_variances, optimizer.init(log_variances))

    def update(
        values: LossDict, state: UncertaintyState, gradients: Any = None
    ) -> tuple[dict[str, Array], UncertaintyState]:
        labels = _labels(values, terms, state.log_variances)
        slope = (1 - jnp.exp(-state.log_variances) * _losses(values, labels)) / 2
        log_variances, optimizer_state = _step(optimizer, slope, state.optimizer, state.log_variances)
        return _by_label(labels, jnp.exp(-log_variances) / 2), UncertaintyState(log_variances, optimizer_state)

    return AdaptiveWeights(init, update)


def _labels(
    values: LossDict, terms: Sequence[str] | None, state: Array | None = None, without: str | None = None
) -> tuple[str, ...]:
    """The labels of the terms that are adapted, in the order of the losses, if they are those of the state."""
    if not isinstance(values, LossDict):
        raise error("no-losses", got=described(values))
    if jnp.ndim(values.total):
        advice = "map `init` and `update` over an ensemble with `jax.vmap`"
        got = f"losses of the shape {jnp.shape(values.total)}"
        raise error("bad-argument", argument="values", got=got, advice=advice)
    if isinstance(terms, str) or (terms is not None and not terms):
        got = f"`{terms}`" if terms else "empty"
        raise error("bad-argument", argument="terms", got=got, advice='give a list of labels: `["position"]`')
    for label in (*(terms or ()), *([] if without is None else [without])):
        position(tuple(values), label)
    chosen = tuple(label for label in values if (label in terms if terms is not None else label != without))
    if state is not None and len(chosen) != len(state):
        advice = f"the state was made for {len(state)}; begin again with `init`"
        raise error("bad-argument", argument="values", got=f"losses of {len(chosen)} terms", advice=advice)
    return chosen


def _losses(values: LossDict, labels: tuple[str, ...]) -> Array:
    """The losses without their weights, (terms,)."""
    raw = values.raw
    return jnp.stack([_number(raw[label]) for label in labels])


def _number(value: Any) -> Array:
    # No gradient goes through a weight, also where one is made inside of what is differentiated.
    return jax.lax.stop_gradient(jnp.asarray(value, jnp.result_type(float)))


def _rows(method: str, gradients: Any, labels: tuple[str, ...]) -> Array:
    """The gradients of the terms, (terms, parameters)."""
    if not isinstance(gradients, TermGradients):
        raise error("no-gradients", method=method, got=described(gradients))
    return jax.lax.stop_gradient(gradients.rows(labels))


def _by_label(labels: tuple[str, ...], weights: Array) -> dict[str, Array]:
    return {label: weights[i] for i, label in enumerate(labels)}


def _step(optimizer: Any, slope: Array, state: Any, numbers: Array) -> tuple[Array, Any]:
    change, state = optimizer.update(slope, state, numbers)
    return numbers + change, state


def _ratio(now: Array, earlier: Array) -> Array:
    """The quotient, 1 where there is none."""
    return jnp.where(earlier == 0, 1, now / jnp.where(earlier == 0, 1, earlier))


def _checked(argument: str, value: Any, wanted: str = "a finite number", fits: Any = lambda number: True) -> Any:
    """The number, if a method can use it; a traced one cannot be looked at."""
    if isinstance(value, jax.core.Tracer):
        return value
    number = exact_number(value)
    if number is None or not fits(number):
        raise error("bad-argument", argument=argument, got=described_number(value), advice=f"give {wanted}")
    return float(number)


def _check_optimizer(optimizer: Any) -> None:
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        advice = "give an optimiser of Optax, such as `optax.adam(0.025)`"
        raise error("bad-argument", argument="optimizer", got=described(optimizer), advice=advice)
