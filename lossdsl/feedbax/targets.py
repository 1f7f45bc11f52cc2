"""A state against its target: which values, at which steps, with which weights, for each trial."""

from collections.abc import Callable, Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.backends import take
from lossdsl.errors import LossError, described, error
from lossdsl.loss import AbstractLoss
from lossdsl.meaning import taken


class TargetSpec(eqx.Module):
    """The target of a state, and the steps at which it counts.

    Each part is an array, or a function from one trial to an array; what is None is taken from the other of `a & b`.
    The steps are those after the initial one, T of them.

    Attributes:
        value: The target, of shape (), (features,) or (T, features).
        time_idxs: The steps that count, of shape (n,).
        time_mask: The weight of each step, of shape (T,); it goes before `time_idxs`.
        discount: Another weight of each step, of shape () or (T,).

    Example:
        >>> spec = target_zero & target_final_state
        >>> float(spec.value), spec.time_idxs.tolist()
        (0.0, [-1])

    Source: `feedbax.loss.TargetSpec`.
    """

    value: Any = None
    time_idxs: Any = None
    time_mask: Any = None
    discount: Any = None

    def __and__(self, other: "TargetSpec | None") -> "TargetSpec":
        if other is None:
            return self
        pairs = zip(_parts(self), _parts(other), strict=True)
        return TargetSpec(*(theirs if mine is None else mine for mine, theirs in pairs))

    def __rand__(self, other: None) -> "TargetSpec":
        return self


target_zero = TargetSpec(value=np.zeros(()))
target_final_state = TargetSpec(time_idxs=np.array([-1]))


def _parts(spec: Any) -> tuple[Any, ...]:
    """The parts of a spec, of Feedbax's too: it has had `time_mask` since 2025."""
    return tuple(getattr(spec, name, None) for name in ("value", "time_idxs", "time_mask", "discount"))


def squared_distance(difference: Array) -> Array:
    """`sum_i difference_i**2` over the last axis."""
    return jnp.sum(difference**2, axis=-1)


class TargetStateLoss(AbstractLoss):
    """The distance of a state from its target, summed over the steps that count.

    `sum_t mask[t] * discount[t] * norm(state[t] - value[t])` for each trial, over the steps after the initial one.

    Attributes:
        where: The state: a path such as `"mechanics.effector.pos"`, or a function from the states.
        norm: From the differences, of shape (T, features), to a distance for each step; the squared distance if
            not given.
        spec: The target. What `trial_specs.targets[path]` holds for this state goes before it, part by part; there
            `value` has an axis (batch,) in front, and a weight of shape (batch, T) differs between trials.

    Raises:
        LossValueError: If there is no target, or its shape does not fit.

    Example:
        >>> loss = TargetStateLoss("rest", "vel", spec=target_zero & target_final_state)
        >>> float(loss({"vel": jnp.ones((3, 5, 2))}, None).total)
        2.0

    Source: `feedbax.loss.TargetStateLoss`.
    """

    label: str
    where: str | Callable[[Any], Array]
    norm: Callable[[Array], Array] = squared_distance
    spec: TargetSpec | None = None

    @property
    def path(self) -> str:
        """The path of the state, by which `trial_specs.targets` has its target."""
        path = self.where if isinstance(self.where, str) else taken(self.where)
        return path.removeprefix("states.")

    def term(self, states: Any, trial_specs: Any = None, model: Any = None) -> Array:
        """The value of each trial."""
        state = self._state(states)[:, 1:]
        given = self._of_trials(trial_specs)
        spec = self._spec(given)
        batched = [_has_trials(part, i, given) for i, part in enumerate(_parts(given or TargetSpec()))]
        arrays = [part for part, over in zip(_parts(spec), batched, strict=True) if over]
        trials, axes = eqx.partition(trial_specs, lambda leaf: eqx.is_array(leaf) and leaf.shape[:1] == state.shape[:1])

        def one(state: Array, trial: Any, arrays: list[Array]) -> Array:
            left = iter(arrays)
            parts = [next(left) if over else part for part, over in zip(_parts(spec), batched, strict=True)]
            value, *weights = (part(eqx.combine(trial, axes)) if callable(part) else part for part in parts)
            distance = self._distance(state - self._fitted("value", value, state.shape))
            return jnp.sum(distance * self._weights(*weights, length=state.shape[0]))

        return jax.vmap(one)(state, trials, arrays)

    def added(self, trial: Any, steps: int) -> Callable[[Any, Any], Array]:
        """What each of so many steps of one trial adds, as a function of its states and the number of the step."""
        spec = self._spec(self._of_trials(trial))
        value, *parts = (part(trial) if callable(part) else part for part in _parts(spec))
        weights = self._weights(*parts, length=steps - 1)

        def at(states: Any, t: Any) -> Array:
            state = self._state(states)
            values = self._fitted("value", value, (steps - 1, *state.shape))

            def later() -> Array:
                return self._distance((state - values[t - 1])[None])[0] * weights[t - 1]

            return jax.lax.cond(jnp.asarray(t) == 0, lambda: jnp.zeros_like(later()), later)

        return at

    def _state(self, states: Any) -> Array:
        return jnp.asarray(take(states, f"states.{self.path}") if isinstance(self.where, str) else self.where(states))

    def _spec(self, given: TargetSpec | None) -> TargetSpec:
        spec = given & self.spec if given else self.spec
        if spec is None or spec.value is None:
            raise error("no-target", label=self.label, path=self.path)
        return spec

    def _distance(self, difference: Array) -> Array:
        distance = self.norm(difference)
        if distance.shape != difference.shape[:1]:
            advice = f"it returns {difference.shape[:1]}"
            raise error("bad-argument", argument="norm", got=described(distance), advice=advice)
        return distance

    def _of_trials(self, trial_specs: Any) -> TargetSpec | None:
        """What the task says of this state: a `TargetSpec`, or several by label, in one mapping or as `path#label`."""
        try:
            targets = take(trial_specs, "trial_specs.targets") if trial_specs is not None else None
        except LossError:
            return None
        if not isinstance(targets, Mapping):
            return None
        found = next((targets[k] for k in (f"{self.path}#{self.label}", self.path, self.where) if k in targets), None)
        found = found.get(self.label) if isinstance(found, Mapping) else found
        return None if found is None else TargetSpec(*_parts(found))

    def _weights(self, time_idxs: Any, time_mask: Any, discount: Any, *, length: int) -> Array:
        weights = jnp.ones(length)
        if time_mask is not None:
            weights = weights * self._fitted("time_mask", time_mask, (length,))
        elif time_idxs is not None:
            known = not isinstance(time_idxs, jax.core.Tracer)
            if known and np.any((np.asarray(time_idxs) < -length) | (np.asarray(time_idxs) >= length)):
                advice = f"there are {length} steps after the initial one: {-length} to {length - 1}"
                raise error(
                    "bad-argument", argument="time_idxs", got=f"{np.asarray(time_idxs).tolist()}", advice=advice
                )
            inside = jnp.all((time_idxs >= -length) & (time_idxs < length))
            # Traced steps cannot be refused, and JAX would leave out those outside without a word.
            weights = jnp.where(inside, jnp.zeros(length).at[time_idxs].set(1), jnp.nan)
        return weights if discount is None else weights * self._fitted("discount", discount, (length,))

    def _fitted(self, part: str, value: Any, shape: tuple[int, ...]) -> Array:
        """The array in that shape, features last; never stretched along the wrong axis."""
        array = jnp.asarray(value)
        if array.shape not in {(), shape[1:], shape}:
            allowed = " or ".join(str(s) for s in dict.fromkeys([(), shape[1:], shape]))
            advice = f"in the term `{self.label}` it has the shape {allowed}"
            raise error("bad-argument", argument=part, got=f"an array of shape {array.shape}", advice=advice)
        return jnp.broadcast_to(array, shape)


def _has_trials(part: Any, i: int, given: TargetSpec | None) -> bool:
    """Whether a part of the task's own spec has an axis (batch,) in front: the value has, a weight may have."""
    return given is not None and hasattr(part, "ndim") and part.ndim >= (1 if i == 0 else 2)
