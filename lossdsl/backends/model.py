"""A model -> what of it is trained: its arrays of floats, but those of losses that it holds."""

from typing import Any

import equinox as eqx
import jax


class Aside:
    """What may stand in a model and is no part of it, as a loss that is kept beside the network."""


def is_aside(value: Any) -> bool:
    """Whether it is no part of the model that it stands in."""
    return isinstance(value, Aside)


def trainable(model: Any) -> Any:
    """What of a model is trained: a PyTree of bools with True for arrays of floats, and False for a loss as a whole.

    The weights of a loss would else be trained and regularised with the model that holds it, and go to 0. For
    `eqx.partition`, `eqx.filter`, and `optax.masked`; `gradient_report`, `term_gradients` and quantities with the path
    `model` leave losses out by themselves.

    Example:
        >>> import jax.numpy as jnp
        >>> from lossdsl import compile
        >>> model = {"weights": jnp.ones(2), "loss": compile("position"), "name": "linear"}
        >>> trainable(model)
        {'loss': False, 'name': False, 'weights': True}
        >>> trained, rest = eqx.partition(model, trainable(model))
        >>> jax.tree.leaves(trained)
        [Array([1., 1.], dtype=float32)]
    """
    return jax.tree.map(eqx.is_inexact_array, model, is_leaf=is_aside)
