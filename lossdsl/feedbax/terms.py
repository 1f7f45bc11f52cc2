"""The terms of Feedbax's reaches, as Python objects; those that the language can say are their text."""

from abc import abstractmethod
from collections.abc import Callable
from functools import cached_property
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.backends import take
from lossdsl.errors import error
from lossdsl.loss import AbstractLoss, CompositeLoss, compile
from lossdsl.meaning import FEEDBAX

_POSITION, _VELOCITY, _GOAL = (FEEDBAX.quantities[name].path for name in ("effector.pos", "effector.vel", "target.pos"))


class TextLoss(AbstractLoss):
    """A term that is a text of the language over Feedbax's vocabulary: it prints, has LaTeX and joins other texts."""

    @property
    @abstractmethod
    def text(self) -> str:
        """The text."""

    @cached_property
    def composite(self) -> CompositeLoss:
        """The text, compiled."""
        return compile({self.label: self.text})

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        """The value of each trial."""
        return self.composite.term(states, trial_specs, model)

    def __str__(self) -> str:
        return str(self.composite)


class EffectorPositionLoss(TextLoss):
    """The squared distance of the effector from its target, mostly that of the last steps.

    `sum_t (t/T)**discount_exp * |pos[t] - target.pos[t]|**2` over the T steps after the initial one; in m**2.

    Attributes:
        discount_exp: The exponent; 0 counts all steps equally.
        discount_func: In its place a function from the number of steps to their weights; the term is then no text.

    Example:
        >>> print(EffectorPositionLoss(discount_exp=2))
        discount(position, exponent=2) as effector_position

    Source: `feedbax.loss.EffectorPositionLoss`.
    """

    label: str = "effector_position"
    discount_exp: float = 6
    discount_func: Callable[[int], Array] | None = None

    @property
    def text(self) -> str:
        return "effector_position" if self.discount_exp == 6 else f"discount(position, exponent={self.discount_exp})"

    @cached_property
    def composite(self) -> CompositeLoss:
        """The text, compiled; with a function for the discount a term in Python."""
        if self.discount_func is None:
            return compile({self.label: self.text})
        return _DiscountedPosition(self.label, self.discount_func).composite


class _DiscountedPosition(AbstractLoss):
    label: str
    discount_func: Callable[[int], Array]

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        difference = take(states, _POSITION)[:, 1:] - take(trial_specs, _GOAL)
        squares = jnp.sum(difference**2, axis=-1)
        return jnp.sum(squares * jnp.reshape(self.discount_func(squares.shape[1]), (1, -1)), axis=1)


class EffectorVelocityLoss(TextLoss):
    """The squared velocity error, `sum_t |vel[t] - target.vel[t]|**2` over the steps after the initial one.

    In (m/s)**2. Source: `feedbax.loss.EffectorVelocityLoss`.

    Example:
        >>> print(EffectorVelocityLoss())
        velocity as effector_velocity
    """

    label: str = "effector_velocity"

    @property
    def text(self) -> str:
        return "velocity"


class EffectorFinalVelocityLoss(TextLoss):
    """The squared velocity error at the last step, `|vel[T] - target.vel[T]|**2`.

    In (m/s)**2. Source: `feedbax.loss.EffectorFinalVelocityLoss`.

    Example:
        >>> print(1e-3 * EffectorFinalVelocityLoss())
        0.001*effector_final_velocity
    """

    label: str = "effector_final_velocity"

    @property
    def text(self) -> str:
        return "effector_final_velocity"


class EffectorFixationLoss(TextLoss):
    """The squared distance from the target while `inputs.hold` is set.

    `sum_t hold[t] * |pos[t] - target.pos[t]|**2` over the steps after the initial one; in m**2.
    Source: `feedbax.loss.EffectorFixationLoss`.

    Example:
        >>> print(EffectorFixationLoss())
        effector_fixation
    """

    label: str = "effector_fixation"

    @property
    def text(self) -> str:
        return "effector_fixation"


class EffectorStraightPathLoss(TextLoss):
    """The length of the path over the straight distance, 1 for a straight one; without a unit.

    `sum_t |pos[t+1] - pos[t]| / |end - pos[0]|`. Where a position repeats, the gradient of its step is 0.

    Attributes:
        normalize_by: `end` is the last position, `"actual"`, or the last target, `"goal"`.

    Raises:
        LossValueError: For another `normalize_by`, when the term is used.

    Example:
        >>> print(EffectorStraightPathLoss())
        effector_straight_path

    Source: `feedbax.loss.EffectorStraightPathLoss`.
    """

    label: str = "effector_straight_path"
    normalize_by: Literal["actual", "goal"] = "actual"

    @property
    def text(self) -> str:
        texts = {
            "actual": "effector_straight_path",
            "goal": "sum(norm(diff(effector.pos)))/norm(final(target.pos) - initial(effector.pos))",
        }
        if self.normalize_by not in texts:
            advice = "write `actual` or `goal`"
            raise error("bad-argument", argument="normalize_by", got=f"`{self.normalize_by}`", advice=advice)
        return texts[self.normalize_by]


class NetworkOutputLoss(TextLoss):
    """The squared output of the network, `sum_t |output[t]|**2`.

    Source: `feedbax.loss.NetworkOutputLoss`.

    Example:
        >>> print(NetworkOutputLoss())
        nn_output
    """

    label: str = "nn_output"

    @property
    def text(self) -> str:
        return "nn_output"


class NetworkActivityLoss(TextLoss):
    """The squared activity of the hidden units, `sum_t |hidden[t]|**2`.

    Source: `feedbax.loss.NetworkActivityLoss`.

    Example:
        >>> print(NetworkActivityLoss())
        nn_hidden
    """

    label: str = "nn_hidden"

    @property
    def text(self) -> str:
        return "nn_hidden"


class StopAtGoalLoss(AbstractLoss):
    """How far the effector is, at its best, from resting at the goal for a while.

    `c[t] = |pos[t] - goal|**2/std_dist**2 + vel_weight*|vel[t]|**2/std_vel**2`, averaged over windows of `window_len`
    steps; then the soft minimum over the windows, `-tau*log(sum exp(-c/tau))`, or `-log` of the soft probability that
    there is a window with the effector at rest at the goal, `1 - prod(1 - sigmoid(-c/tau))`. Without a unit.

    Attributes:
        method: `"softmin"` or `"soft-or"`.
        std_dist: How close is at the goal, in m.
        std_vel: How slow is at rest, in m/s.
        vel_weight: What the velocity counts.
        window_len: The number of steps to rest.
        tau: How soft the minimum, or the probability, is.
        eps: What keeps the logarithm finite.

    Raises:
        LossValueError: For another method, or a window longer than the trial.

    Source: `feedbax.loss.StopAtGoalLoss`; each trial is reduced by itself.
    """

    label: str = "effector_stop_at_goal"
    method: Literal["softmin", "soft-or"] = "softmin"
    std_dist: float = 0.025
    std_vel: float = 0.05
    vel_weight: float = 1.0
    window_len: int = 5
    tau: float = 0.2
    eps: float = 1e-6

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        """The value of each trial."""
        goal = take(trial_specs, _GOAL)
        distance = jnp.sum((take(states, _POSITION)[:, 1:] - goal) ** 2, axis=-1)
        speed = jnp.sum(take(states, _VELOCITY)[:, 1:] ** 2, axis=-1)
        cost = distance / self.std_dist**2 + self.vel_weight * speed / self.std_vel**2
        if not 1 <= self.window_len <= cost.shape[1]:
            advice = f"a window has 1 to {cost.shape[1]} steps"
            raise error("bad-argument", argument="window_len", got=f"{self.window_len}", advice=advice)
        windows = jnp.cumsum(jnp.pad(cost, ((0, 0), (1, 0))), axis=1)
        rest = (windows[:, self.window_len :] - windows[:, : -self.window_len]) / self.window_len
        match self.method:
            case "softmin":
                return -self.tau * jax.nn.logsumexp(-rest / self.tau, axis=1)
            case "soft-or":
                none_rests = jnp.sum(jax.nn.log_sigmoid(rest / self.tau), axis=1)
                return -jnp.log(-jnp.expm1(none_rests) + self.eps)
        advice = "write `softmin` or `soft-or`"
        raise error("bad-argument", argument="method", got=f"`{self.method}`", advice=advice)
