"""Trials and states as Feedbax's own tasks give them, one pair for each of its APIs, from the same trajectories.

| API | trials | states |
|---|---|---|
| `page`, February 2024, the released 0.1.2 | `target.pos`, `.vel`; a hold signal in `inputs` | `mechanics`, `net` |
| `mapping`, April 2024, simple reaches | `targets`, from a path to a spec of `value`, `time_idxs`, `discount`;
  what the model is shown in `inputs["effector_target"]` | `efferent` too |
| `delayed`, April 2024, delayed reaches | `targets.pos`, `.vel`; the signals in `inputs` | `efferent` too |
| `masked`, 2025 | as `mapping`, specs with `time_mask` and a `timeline` | `efferent` too |
| `labelled`, the fork of 2026 | as `masked`; a spec or several by label for one path | `efferent` too |

Each is an Equinox module, as there, and `targets` a mapping that knows its keys as functions and as texts. The released
API had no `efferent`; where it is, the command of the network reaches the plant a step late, and with noise.
"""

from collections import OrderedDict
from collections.abc import Callable, MutableMapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld


@jax.tree_util.register_pytree_node_class
class WhereDict(MutableMapping):
    """Values by what functions such as `lambda state: state.mechanics.effector.pos` take, or by its text."""

    def __init__(self, rows=()):
        self.rows = OrderedDict()
        self.update(dict(rows))

    @staticmethod
    def key(where):
        return where if isinstance(where, str) else ".".join(where.__code__.co_names)

    def __getitem__(self, where):
        return self.rows[self.key(where)][1]

    def __setitem__(self, where, value):
        self.rows[self.key(where)] = where, value

    def __delitem__(self, where):
        del self.rows[self.key(where)]

    def __iter__(self):
        return iter([where for where, _ in self.rows.values()])

    def __len__(self):
        return len(self.rows)

    def tree_flatten(self):
        return tuple(value for _, value in self.rows.values()), tuple(self.rows)

    @classmethod
    def tree_unflatten(cls, keys, values):
        return cls(zip(keys, values, strict=True))


class CartesianState(eqx.Module):
    pos: Any
    vel: Any
    force: Any = None


class MechanicsState(eqx.Module):
    effector: CartesianState


class NetworkState(eqx.Module):
    hidden: Any
    output: Any


class ChannelState(eqx.Module):
    output: Any


class PageState(eqx.Module):
    mechanics: MechanicsState
    net: NetworkState


class FeedbackState(eqx.Module):
    mechanics: MechanicsState
    net: NetworkState
    efferent: ChannelState


class SimpleInputs(eqx.Module):
    effector_target: CartesianState


class DelayedInputs(eqx.Module):
    effector_target: CartesianState
    hold: Any
    target_on: Any


class PageTrials(eqx.Module):
    inputs: Any
    target: CartesianState
    inits: WhereDict
    intervene: dict[str, Any] = eqx.field(default_factory=dict)


class Spec(eqx.Module):
    """The target of a state as it was in April 2024."""

    value: Any = None
    time_idxs: Any = None
    discount: Any = None


class MaskedSpec(eqx.Module):
    value: Any = None
    time_idxs: Any = None
    time_mask: Any = None
    discount: Any = None


class Trials(eqx.Module):
    inits: WhereDict
    targets: Any
    inputs: Any
    intervene: dict[str, Any] = eqx.field(default_factory=dict)
    extra: Any = None


class Timeline(eqx.Module):
    epoch_bounds: Any
    n_steps: int = eqx.field(static=True)


class TimelineTrials(eqx.Module):
    inits: WhereDict
    targets: WhereDict
    inputs: Any
    timeline: Timeline
    intervene: dict[str, Any] = eqx.field(default_factory=dict)
    extra: Any = None


POS: Callable[[Any], Any] = lambda state: state.mechanics.effector.pos  # noqa: E731
VEL: Callable[[Any], Any] = lambda state: state.mechanics.effector.vel  # noqa: E731
EFFECTOR: Callable[[Any], Any] = lambda state: state.mechanics.effector  # noqa: E731


def parts():
    """The arrays of the released reaches: effector, network, target, the place where the effector begins."""
    states, trials, _ = ld.example()
    effector = CartesianState(states["mechanics"]["effector"]["pos"], states["mechanics"]["effector"]["vel"])
    target = CartesianState(trials["target"]["pos"], trials["target"]["vel"])
    inits = WhereDict({EFFECTOR: CartesianState(effector.pos[:, 0], effector.vel[:, 0])})
    return jax.tree.map(jnp.asarray, (effector, NetworkState(**states["net"]), target, inits))


def command(output):
    """What of the output of the network reaches the plant: a step late, with noise."""
    late = jnp.concatenate([jnp.zeros_like(output[:, :1]), output[:, :-1]], axis=1)
    noise = np.random.default_rng(0).normal(size=late.shape).astype(np.float32)
    return late + 0.1 * jnp.std(output) * noise


def feedback_state(effector, net):
    return FeedbackState(MechanicsState(effector), net, ChannelState(command(net.output)))


def ramp(target):
    """What the task weighs the distances of a simple reach with."""
    steps = target.pos.shape[1]
    return (jnp.arange(1, steps + 1) / steps) ** 6


def hold(target):
    """Set for the first steps of each trial, for another number of them in each."""
    trials, steps = target.pos.shape[:2]
    return (jnp.arange(steps)[None] < 10 + jnp.arange(trials)[:, None]).astype(jnp.float32)[..., None]


def page():
    effector, net, target, inits = parts()
    inputs = DelayedInputs(target, hold(target), 1 - hold(target))
    return PageState(MechanicsState(effector), net), PageTrials(inputs, target, inits)


def mapping():
    effector, net, target, inits = parts()
    targets = WhereDict({POS: Spec(target.pos, discount=ramp(target))})
    return feedback_state(effector, net), Trials(inits, targets, {"effector_target": target})


def delayed():
    effector, net, target, inits = parts()
    inputs = DelayedInputs(target, hold(target), 1 - hold(target))
    return feedback_state(effector, net), Trials(inits, target, inputs, extra={"epoch_start_idxs": jnp.zeros((7, 3))})


def masked():
    effector, net, target, inits = parts()
    targets = WhereDict({POS: MaskedSpec(target.pos, discount=ramp(target))})
    timeline = Timeline(jnp.zeros((7, 3), int), target.pos.shape[1] + 1)
    return feedback_state(effector, net), TimelineTrials(inits, targets, {"effector_target": target}, timeline)


def labelled():
    effector, net, target, inits = parts()
    specs = {"held": MaskedSpec(target.pos, time_mask=hold(target)[..., 0]), "reached": MaskedSpec(target.pos)}
    targets = WhereDict({POS: MaskedSpec(target.pos), VEL: specs})
    timeline = Timeline(jnp.zeros((7, 3), int), target.pos.shape[1] + 1)
    return feedback_state(effector, net), TimelineTrials(inits, targets, SimpleInputs(target), timeline)


APIS = {"page": page, "mapping": mapping, "delayed": delayed, "masked": masked, "labelled": labelled}
