"""The losses of Feedbax's module `feedbax.loss`, as Python objects; those that the language can say are their text."""

import inspect
import re
from abc import abstractmethod
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any, ClassVar, Literal

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.data import take
from lossdsl.errors import described, error
from lossdsl.loss import AbstractLoss, CompositeLoss, compile

_POSITION, _VELOCITY = "states.mechanics.effector.pos", "states.mechanics.effector.vel"


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

    def term(self, states: Any, trial_specs: Any, model: Any = None) -> Array:
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
        discount(position, 2) as effector_position

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

    def term(self, states: Any, trial_specs: Any, model: Any = None) -> Array:
        difference = take(states, _POSITION)[:, 1:] - take(trial_specs, "trial_specs.target.pos")
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


class ModelLoss(AbstractLoss):
    """A number that a function makes of the model alone, as a penalty on its parameters.

    Attributes:
        loss_fn: The function, from the model to a scalar.

    Raises:
        LossDataError: If the loss is called without a model.

    Example:
        >>> decay = ModelLoss("decay", lambda model: jnp.sum(model["weights"] ** 2))
        >>> float(decay(None, None, {"weights": jnp.ones(3)}).total)
        3.0

    Source: `feedbax.loss.ModelLoss`.
    """

    label: str
    loss_fn: Callable[[Any], Array]
    axes: ClassVar[tuple[str, ...]] = ()

    def term(self, states: Any, trial_specs: Any, model: Any = None) -> Array:
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

    def term(self, states: Any, trial_specs: Any, model: Any = None) -> Array:
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

    def term(self, states: Any, trial_specs: Any, model: Any = None) -> Array:
        """The value of each trial."""
        return self.term_in(self.build_context(states, trial_specs, model))


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

    def term(self, states: Any, trial_specs: Any, model: Any = None) -> Array:
        """The value of each trial."""
        goal = take(trial_specs, "trial_specs.target.pos")
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


class _FromFeedbax(AbstractLoss):
    label: str
    loss: Any

    def term(self, states: Any, trial_specs: Any, model: Any = None) -> Array:
        given = (states, trial_specs, model)
        return self.loss.term(*given[: len(inspect.signature(self.loss.term).parameters)])


def from_feedbax(loss: Any) -> CompositeLoss:
    """A loss of Feedbax as one of ours: the same terms, weights and labels, made names.

    Raises:
        LossValueError: For what is not a loss of Feedbax.

    Example:
        >>> from types import SimpleNamespace
        >>> theirs = SimpleNamespace(label="NN output", term=lambda states, trial_specs: states["output"] ** 2)
        >>> print(2 * from_feedbax(theirs))
        2*nn_output
    """
    terms, weights = getattr(loss, "terms", None), getattr(loss, "weights", None)
    if isinstance(loss, AbstractLoss):
        return loss.composite
    if isinstance(terms, Mapping) and isinstance(weights, Mapping):
        ours = {_as_name(label): _term(label, term) for label, term in terms.items()}
        return CompositeLoss(ours, {_as_name(label): weight for label, weight in weights.items()})
    if not isinstance(getattr(loss, "label", None), str) or not callable(getattr(loss, "term", None)):
        raise error("bad-argument", argument="loss", got=described(loss), advice="give a loss of `feedbax.loss`")
    return _term(loss.label, loss).composite


def _term(label: str, term: Any) -> AbstractLoss:
    ours = getattr(term, "loss", None)
    return ours if isinstance(ours, CompositeLoss) else _FromFeedbax(_as_name(label), term)


def _as_name(label: str) -> str:
    return re.sub(r"\W+", "_", label).strip("_").lower()
