"""Delayed reaches: hold still as long as the trial says, then go straight to the target and stop there."""

import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Feedbax, `delayed_reach_loss` in `feedbax/xabdeef/losses.py`; the straightness of the path is `EffectorStraightPathLoss`
in `feedbax/loss.py`.
"""
EASIER = "All of it is Feedbax's vocabulary, the one by default; the hold period is a mask, one for each trial."
VOCABULARY = ld.FEEDBAX
LOSS = """\
effector_fixation              # while the trial says hold
+ effector_position            # mostly in the last steps
+ effector_final_velocity
+ 0.1*effector_straight_path   # the way over the distance
+ 1e-4*nn_output
+ 1e-5*nn_hidden
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    batch, time, xy = n["batch"], n["time"], n["xy"]
    goes_at = rng.integers(1, time, size=(batch, 1))
    states = {
        "mechanics": {"effector": {name: rng.normal(size=(batch, time + 1, xy)) for name in ("pos", "vel")}},
        "net": {name: rng.normal(size=(batch, time, n[name])) for name in ("output", "hidden")},
    }
    trial_specs = {
        "target": {name: rng.normal(size=(batch, time, xy)) for name in ("pos", "vel")},
        "inputs": {"hold": (np.arange(time) < goes_at)[:, :, None].astype(float)},
    }
    return states, trial_specs, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    pos, vel = states["mechanics"]["effector"]["pos"], states["mechanics"]["effector"]["vel"]
    target, hold = trial_specs["target"], trial_specs["inputs"]["hold"][:, :, 0]
    away = np.sum((pos[:, 1:] - target["pos"]) ** 2, axis=-1)
    steps = away.shape[1]
    way = np.sum(np.linalg.norm(pos[:, 1:] - pos[:, :-1], axis=-1), axis=1)
    return {
        "effector_fixation": np.mean(np.sum(away * hold, axis=1)),
        "effector_position": np.mean(np.sum(away * (np.arange(1, steps + 1) / steps) ** 6, axis=1)),
        "effector_final_velocity": np.mean(np.sum((vel[:, -1] - target["vel"][:, -1]) ** 2, axis=-1)),
        "effector_straight_path": 0.1 * np.mean(way / np.linalg.norm(pos[:, -1] - pos[:, 0], axis=-1)),
        "nn_output": 1e-4 * np.mean(np.sum(states["net"]["output"] ** 2, axis=(1, 2))),
        "nn_hidden": 1e-5 * np.mean(np.sum(states["net"]["hidden"] ** 2, axis=(1, 2))),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    effector, net = states["mechanics"]["effector"], states["net"]
    pos, vel, target = effector["pos"], effector["vel"], trial_specs["target"]
    away = jnp.sum((pos[:, 1:] - target["pos"]) ** 2, axis=-1)
    steps = away.shape[1]
    late = (jnp.arange(1, steps + 1, dtype=pos.dtype) / steps) ** 6
    way = jnp.sum(jnp.linalg.norm(jnp.diff(pos, axis=1), axis=-1), axis=1)
    return {
        "effector_fixation": jnp.mean(jnp.sum(away * trial_specs["inputs"]["hold"][:, :, 0], axis=1)),
        "effector_position": jnp.mean(jnp.sum(away * late, axis=1)),
        "effector_final_velocity": jnp.mean(jnp.sum((vel[:, -1] - target["vel"][:, -1]) ** 2, axis=-1)),
        "effector_straight_path": 0.1 * jnp.mean(way / jnp.linalg.norm(pos[:, -1] - pos[:, 0], axis=-1)),
        "nn_output": 1e-4 * jnp.mean(jnp.sum(net["output"] ** 2, axis=(1, 2))),
        "nn_hidden": 1e-5 * jnp.mean(jnp.sum(net["hidden"] ** 2, axis=(1, 2))),
    }
