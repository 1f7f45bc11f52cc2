"""The usual losses of Feedbax's tasks."""

from collections.abc import Mapping
from typing import Any

import jax.numpy as jnp
from jax import Array

from lossdsl.feedbax.terms import (
    EffectorFinalVelocityLoss,
    EffectorFixationLoss,
    EffectorPositionLoss,
    EffectorVelocityLoss,
    NetworkActivityLoss,
    NetworkOutputLoss,
)
from lossdsl.loss import CompositeLoss


def power_discount(n_steps: int, discount_exp: float = 6) -> Array:
    """Weights that grow with the steps as a power, `(t/n_steps)**discount_exp` for `t = 1 ... n_steps`.

    Example:
        >>> power_discount(4, 2).tolist()
        [0.0625, 0.25, 0.5625, 1.0]

    Source: `feedbax.loss.power_discount`.
    """
    return (jnp.arange(1, n_steps + 1) / n_steps) ** discount_exp


def simple_reach_loss(loss_term_weights: Mapping[str, Any] | None = None, discount_exp: float = 6) -> CompositeLoss:
    """The usual loss of simple reaches.

    Args:
        loss_term_weights: The weight of every term, by label.
        discount_exp: How much of the position error counts at the end, see `EffectorPositionLoss`.

    Example:
        >>> print(simple_reach_loss())
        effector_position + effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden

    Source: `feedbax.xabdeef.losses.simple_reach_loss`.
    """
    usual = {"effector_position": 1.0, "effector_final_velocity": 1.0, "nn_output": 1e-5, "nn_hidden": 1e-5}
    terms = [EffectorPositionLoss(discount_exp=discount_exp), EffectorFinalVelocityLoss()]
    return CompositeLoss([*terms, NetworkOutputLoss(), NetworkActivityLoss()], loss_term_weights or usual)


def delayed_reach_loss(loss_term_weights: Mapping[str, Any] | None = None, discount_exp: float = 6) -> CompositeLoss:
    """The usual loss of reaches after a delay: that of simple ones, and the fixation before.

    Args:
        loss_term_weights: The weight of every term, by label.
        discount_exp: How much of the position error counts at the end, see `EffectorPositionLoss`.

    Source: `feedbax.xabdeef.losses.delayed_reach_loss`.
    """
    usual = {"effector_fixation": 1.0, "effector_position": 1.0, "effector_final_velocity": 1.0}
    usual |= {"nn_output": 1e-4, "nn_hidden": 1e-5}
    terms = [EffectorFixationLoss(), EffectorPositionLoss(discount_exp=discount_exp), EffectorFinalVelocityLoss()]
    return CompositeLoss([*terms, NetworkOutputLoss(), NetworkActivityLoss()], loss_term_weights or usual)


def hold_loss(loss_term_weights: Mapping[str, Any] | None = None) -> CompositeLoss:
    """The usual loss of holding a posture: position and velocity at all steps alike.

    Args:
        loss_term_weights: The weight of every term, by label.

    Source: `feedbax.xabdeef.losses.hold_loss`.
    """
    usual = {"effector_position": 1.0, "effector_velocity": 1.0, "nn_output": 1e-5, "nn_hidden": 1e-5}
    terms = [EffectorPositionLoss(discount_exp=0), EffectorVelocityLoss()]
    return CompositeLoss([*terms, NetworkOutputLoss(), NetworkActivityLoss()], loss_term_weights or usual)
