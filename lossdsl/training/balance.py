"""What methods that adapt weights have in common: which terms, their losses and gradients, checked arguments."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.errors import described, error
from lossdsl.language import described_number, exact_number
from lossdsl.loss import LossDict, TermGradients, on_device, position

SHARE = ("a number between 0 and 1", lambda number: 0 <= number <= 1)


class AdaptiveWeights(NamedTuple):
    """A method that makes weights of losses.

    Attributes:
        init: `init(values)` gives the state at the first losses, a `LossDict`.
        update: `update(values, state, gradients=None)` gives the new weights by label, for `loss.with_weights`, and
            the new state. The gradients are those of `term_gradients`, for a method that needs them. Where a loss or a
            gradient of an adapted term is not finite, weights and state stay as they were.
    """

    init: Callable[[LossDict], Any]
    update: Callable[..., tuple[dict[str, Array], Any]]


def balancing(
    choose: Callable[[LossDict, Any], tuple[str, ...]],
    init: Callable[[tuple[str, ...], LossDict], Any],
    step: Callable[[tuple[str, ...], LossDict, Any, Any], tuple[Any, Sequence[Array]]],
    weights_of: Callable[[Any], Array],
    needs_gradients: str = "",
) -> AdaptiveWeights:
    """The method with these labels, this first state and this step, which is taken if all in it is finite.

    A step gives the new state and what it looked at: one NaN would stay in the state for ever. Compiled, for the
    constants of single operations go to the device one by one, which a `jax.transfer_guard` may refuse.
    """

    @partial(jax.jit, static_argnums=0)
    def taken(labels: tuple[str, ...], values: LossDict, state: Any, gradients: Any) -> tuple[dict[str, Array], Any]:
        after, seen = step(labels, values, state, gradients)
        leaves = jax.tree.leaves((after, seen, weights_of(after)))
        floats = [leaf for leaf in leaves if jnp.issubdtype(leaf.dtype, jnp.inexact)]
        finite = jnp.stack([jnp.all(jnp.isfinite(leaf)) for leaf in floats]).all()
        state = jax.tree.map(lambda new, old: jnp.where(finite, new, old), after, state)
        weights = weights_of(state)
        return {label: weights[i] for i, label in enumerate(labels)}, state

    def update(values: LossDict, state: Any, gradients: Any = None) -> tuple[dict[str, Array], Any]:
        labels = choose(values, jax.eval_shape(weights_of, state))
        if needs_gradients and not isinstance(gradients, TermGradients):
            raise error("no-gradients", method=needs_gradients, got=described(gradients))
        return taken(labels, *on_device((values, state, gradients if needs_gradients else None)))

    first = jax.jit(init, static_argnums=0)
    return AdaptiveWeights(lambda values: first(choose(values, None), on_device(values)), update)


def chosen_labels(
    values: LossDict, weights: Any, terms: Sequence[str] | None, without: str | None = None
) -> tuple[str, ...]:
    """The labels of the terms that are adapted, in the order of the losses, if they are as many as the weights."""
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
    if weights is not None and len(chosen) != weights.shape[0]:
        advice = f"the state was made for {weights.shape[0]}; begin again with `init`"
        raise error("bad-argument", argument="values", got=f"losses of {len(chosen)} terms", advice=advice)
    return chosen


def losses_of(values: LossDict, labels: tuple[str, ...]) -> Array:
    """The losses without their weights, (terms,)."""
    raw = values.raw
    return jnp.stack([constant(raw[label]) for label in labels])


def constant(value: Any) -> Array:
    """A number without a gradient: none goes through a weight, also where one is made in what is differentiated."""
    return jax.lax.stop_gradient(jnp.asarray(value, jnp.result_type(float)))


def gradient_rows(gradients: TermGradients, labels: tuple[str, ...]) -> Array:
    """The gradients of the terms, (terms, parameters)."""
    return jax.lax.stop_gradient(gradients.rows(labels))


def stepped(optimizer: Any, slope: Array, state: Any, numbers: Array) -> tuple[Array, Any]:
    """Numbers after one step of an optimiser, and its state."""
    change, state = optimizer.update(slope, state, numbers)
    return numbers + change, state


def ratio(now: Array, earlier: Array) -> Array:
    """The quotient, 1 where there is none."""
    return jnp.where(earlier == 0, 1, now / jnp.where(earlier == 0, 1, earlier))


def checked(argument: str, value: Any, wanted: str = "a finite number", fits: Any = lambda number: True) -> Any:
    """The number, if a method can use it; a traced one cannot be looked at."""
    if isinstance(value, jax.core.Tracer):
        return value
    number = exact_number(value)
    if number is None or not fits(number):
        raise error("bad-argument", argument=argument, got=described_number(value), advice=f"give {wanted}")
    return float(number)


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is not an optimiser of Optax."""
    if not (hasattr(optimizer, "init") and hasattr(optimizer, "update")):
        advice = "give an optimiser of Optax, such as `optax.adam(0.025)`"
        raise error("bad-argument", argument="optimizer", got=described(optimizer), advice=advice)
