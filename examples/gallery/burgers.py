"""A physics-informed network for Burgers' equation: residual, initial and boundary terms, each on points of its own."""

import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Raissi, Perdikaris and Karniadakis (2019), Physics-informed neural networks, J. Comput. Phys. 378, appendix A.1:
`u_t + u*u_x - (0.01/pi)*u_xx = 0`, `u(0, x) = -sin(pi*x)`, `u(t, -1) = u(t, 1) = 0`.
"""
EASIER = "Point sets are axes of different names, so terms of different sizes need no padding, and none has a batch."
VOCABULARY = ld.Vocabulary(
    quantities={
        "u": ld.Quantity("states.inside.u", "point", "u"),
        "u.t": ld.Quantity("states.inside.u_t", "point", "u_{t}"),
        "u.x": ld.Quantity("states.inside.u_x", "point", "u_{x}"),
        "u.xx": ld.Quantity("states.inside.u_xx", "point", "u_{xx}"),
        "u.start": ld.Quantity("states.start.u", "start", r"u\big|_{t=0}"),
        "x.start": ld.Quantity("trial_specs.start.x", "start", "x"),
        "u.wall": ld.Quantity("states.wall.u", "wall", r"u\big|_{x=\pm 1}"),
    },
    parameters={"nu": 0.01 / np.pi, "pi": np.pi},
)
LOSS = """\
mean(square(u.t + u*u.x - nu*u.xx), axis=point) as residual
+ mean(square(u.start + sin(pi*x.start)), axis=start) as initial_values
+ mean(square(u.wall), axis=wall) as boundary
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    states = {
        "inside": {name: rng.normal(size=n["point"]) for name in ("u", "u_t", "u_x", "u_xx")},
        "start": {"u": rng.normal(size=n["start"])},
        "wall": {"u": rng.normal(size=n["wall"])},
    }
    return states, {"start": {"x": rng.uniform(-1, 1, size=n["start"])}}, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    inside = states["inside"]
    residual = inside["u_t"] + inside["u"] * inside["u_x"] - 0.01 / np.pi * inside["u_xx"]
    wanted = -np.sin(np.pi * trial_specs["start"]["x"])
    return {
        "residual": np.mean(residual**2),
        "initial_values": np.mean((states["start"]["u"] - wanted) ** 2),
        "boundary": np.mean(states["wall"]["u"] ** 2),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    inside, start = states["inside"], states["start"]["u"] + jnp.sin(jnp.pi * trial_specs["start"]["x"])
    residual = inside["u_t"] + inside["u"] * inside["u_x"] - 0.01 / jnp.pi * inside["u_xx"]
    return {
        "residual": jnp.mean(residual**2),
        "initial_values": jnp.mean(start**2),
        "boundary": jnp.mean(states["wall"]["u"] ** 2),
    }
