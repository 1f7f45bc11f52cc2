"""The linear-quadratic regulator: quadratic costs of state and control with full matrices, and a terminal cost."""

import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Kalman (1960), Contributions to the theory of optimal control; in discrete time Anderson and Moore (1990), Optimal
Control: Linear Quadratic Methods, section 2.4.
"""
EASIER = "A square matrix has its axis twice, `state state`; `quadratic_form(x, Q)` checks at compile that it fits."
VOCABULARY = ld.Vocabulary(
    quantities={
        "x": ld.Quantity("states.x", "batch time state", r"\mathbf{x}"),
        "u": ld.Quantity("states.u", "batch time control", r"\mathbf{u}"),
        "Q": ld.Quantity("trial_specs.Q", "state state", "Q"),
        "R": ld.Quantity("trial_specs.R", "control control", "R"),
        "Qf": ld.Quantity("trial_specs.Qf", "state state", "Q_{f}"),
    },
)
LOSS = """\
quadratic_form(x[:-1], Q) as state
+ quadratic_form(u, R) as control
+ quadratic_form(final(x), Qf) as terminal
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    states = {
        "x": rng.normal(size=(n["batch"], n["time"] + 1, n["state"])),
        "u": rng.normal(size=(n["batch"], n["time"], n["control"])),
    }
    sizes = {"Q": n["state"], "R": n["control"], "Qf": n["state"]}
    roots = {name: rng.normal(size=(size, size)) for name, size in sizes.items()}
    return states, {name: root @ root.T for name, root in roots.items()}, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    values = {"state": 0.0, "control": 0.0, "terminal": 0.0}
    trials = len(states["x"])
    for x, u in zip(states["x"], states["u"], strict=True):
        values["state"] += sum(state @ trial_specs["Q"] @ state for state in x[:-1]) / trials
        values["control"] += sum(control @ trial_specs["R"] @ control for control in u) / trials
        values["terminal"] += x[-1] @ trial_specs["Qf"] @ x[-1] / trials
    return {name: np.float64(value) for name, value in values.items()}


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    x, u, Q, R, Qf = states["x"], states["u"], *(trial_specs[name] for name in ("Q", "R", "Qf"))

    def form(vector, matrix):
        return jnp.mean(jnp.sum(vector * jnp.matmul(vector, matrix.T, precision="highest"), axis=(1, 2)))

    return {"state": form(x[:, :-1], Q), "control": form(u, R), "terminal": form(x[:, -1:], Qf)}
