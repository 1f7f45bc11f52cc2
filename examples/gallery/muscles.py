"""An arm with muscles: the L1 distance to the target, squared activations, hidden activity and its derivative."""

import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
MotorNet, `PositionLoss`, `ActivationSquaredLoss` and `L2xDxRegularizer` in `motornet/nets/losses.py`; Codol, Michaels,
Kashefi, Pruszynski and Gribble (2024), MotorNet, eLife 12:RP88591.
"""
EASIER = "`axis=(time, xy)` reduces several axes at once, with NumPy's meaning: a mean over all their numbers."
VOCABULARY = ld.Vocabulary(
    quantities={
        "hand.pos": ld.Quantity("states.hand", "batch time xy", r"\mathbf{x}", "m"),
        "target.pos": ld.Quantity("trial_specs.target", "batch time xy", r"\mathbf{x}^{*}", "m"),
        "activation": ld.Quantity("states.muscle.activation", "batch time muscle", r"\mathbf{a}"),
        "max_force": ld.Quantity("model.max_force", "muscle", r"\mathbf{f}_{\max}", "N"),
        "hidden": ld.Quantity("states.hidden", "batch time unit", r"\mathbf{h}"),
    },
    parameters={"dt": 0.01},
)
LOSS = """\
strength = max_force/mean(max_force, axis=muscle)
mean(abs(hand.pos - target.pos), axis=(time, xy)) as position
+ 5*mean(square(activation*strength), axis=(time, muscle)) as activations
+ 0.1*mean(square(hidden), axis=(time, unit)) as activity
+ 1e-4*mean(square(diff(hidden)/dt), axis=(time, unit)) as derivative
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    batch, time = n["batch"], n["time"]
    states = {
        "hand": rng.normal(size=(batch, time, n["xy"])),
        "muscle": {"activation": rng.uniform(size=(batch, time, n["muscle"]))},
        "hidden": rng.normal(size=(batch, time, n["unit"])),
    }
    model = {"max_force": rng.uniform(300, 900, size=n["muscle"])}
    return states, {"target": rng.normal(size=(batch, time, n["xy"]))}, model


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    strength = model["max_force"] / np.mean(model["max_force"])
    speed = np.diff(states["hidden"], axis=1) / 0.01
    return {
        "position": np.mean(np.abs(states["hand"] - trial_specs["target"])),
        "activations": 5 * np.mean((states["muscle"]["activation"] * strength) ** 2),
        "activity": 0.1 * np.mean(states["hidden"] ** 2),
        "derivative": 1e-4 * np.mean(speed**2),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    hidden, force = states["hidden"], model["max_force"]
    strength = force / jnp.mean(force)
    return {
        "position": jnp.mean(jnp.abs(states["hand"] - trial_specs["target"])),
        "activations": 5 * jnp.mean((states["muscle"]["activation"] * strength) ** 2),
        "activity": 0.1 * jnp.mean(hidden**2),
        "derivative": 1e-4 * jnp.mean((jnp.diff(hidden, axis=1) / 0.01) ** 2),
    }
