"""Smooth reaching: minimum jerk and minimum torque change."""

import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Flash and Hogan (1985), The coordination of arm movements, J. Neurosci. 5(7), eq. (1); Uno, Kawato and Suzuki (1989),
Formation and control of optimal trajectory in human multijoint arm movement, Biol. Cybern. 61, the cost `C_T`. The
integrals are sums over steps of length `dt`.
"""
EASIER = "`diff(x, n=3)` is the third difference, so the jerk reads as in the paper."
VOCABULARY = ld.Vocabulary(
    quantities={
        "hand.pos": ld.Quantity("states.hand", "batch time xy", r"\mathbf{x}", "m"),
        "torque": ld.Quantity("states.torque", "batch time joint", r"\mathbf{z}", "N m"),
    },
    parameters={"dt": 0.05},
)
LOSS = """\
0.5*dt*sqnorm(diff(hand.pos, n=3)/dt**3) as jerk
+ 0.5*dt*sqnorm(diff(torque)/dt) as torque_change
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    states = {
        "hand": rng.normal(size=(n["batch"], n["time"], n["xy"])),
        "torque": rng.normal(size=(n["batch"], n["time"], n["joint"])),
    }
    return states, None, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    x, dt = states["hand"], 0.05
    jerk = (x[:, 3:] - 3 * x[:, 2:-1] + 3 * x[:, 1:-2] - x[:, :-3]) / dt**3
    rate = (states["torque"][:, 1:] - states["torque"][:, :-1]) / dt
    return {
        "jerk": 0.5 * np.mean(np.sum(jerk**2, axis=(1, 2)) * dt),
        "torque_change": 0.5 * np.mean(np.sum(rate**2, axis=(1, 2)) * dt),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    dt = 0.05
    jerk, rate = jnp.diff(states["hand"], 3, axis=1) / dt**3, jnp.diff(states["torque"], axis=1) / dt
    return {
        "jerk": 0.5 * dt * jnp.mean(jnp.sum(jerk**2, axis=(1, 2))),
        "torque_change": 0.5 * dt * jnp.mean(jnp.sum(rate**2, axis=(1, 2))),
    }
