"""A physics-informed network that respects causality: a time counts once the times before it are learnt."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Wang, Sankaran and Perdikaris (2022), Respecting causality is all you need for training physics-informed neural
networks, section 3, for its Allen-Cahn equation: `u_t - 0.0001*u_xx + 5*u**3 - 5*u = 0` from
`u(0, x) = x**2*cos(pi*x)`.
"""
EASIER = (
    "`cumsum` less the present step is the sum of those before; `stop_gradient` keeps the weights out of the slope."
)
VOCABULARY = ld.Vocabulary(
    quantities={
        "u": ld.Quantity("states.u", "time point", "u"),
        "u.t": ld.Quantity("states.u_t", "time point", "u_{t}"),
        "u.xx": ld.Quantity("states.u_xx", "time point", "u_{xx}"),
        "u.start": ld.Quantity("states.start", "point", r"u\big|_{t=0}"),
        "x": ld.Quantity("trial_specs.x", "point", "x"),
    },
    parameters={"epsilon": 1.0, "pi": np.pi},
)
LOSS = """\
residual = mean(square(u.t - 1e-4*u.xx + 5*u**3 - 5*u), axis=point)
weight = exp(-epsilon*stop_gradient(cumsum(residual) - residual))
mean(weight*residual) as equation
+ 100*mean(square(u.start - x**2*cos(pi*x)), axis=point) as initial_values
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    grid = (n["time"], n["point"])
    states = {"u": rng.uniform(-1, 1, size=grid), "u_t": rng.normal(scale=0.3, size=grid)}
    states |= {"u_xx": rng.normal(size=grid), "start": rng.uniform(-1, 1, size=n["point"])}
    return states, {"x": rng.uniform(-1, 1, size=n["point"])}, None


def reference(states, trial_specs, model, step, held=None):
    """Each weighted term; what has no gradient is made of what is `held`, states and model."""

    def residuals(at):
        missed = at["u_t"] - 0.0001 * at["u_xx"] + 5 * at["u"] ** 3 - 5 * at["u"]
        return np.mean(missed**2, axis=1)

    before, now = residuals((held or [states])[0]), residuals(states)
    weights = [np.exp(-np.sum(before[:i])) for i in range(len(before))]
    x = trial_specs["x"]
    return {
        "equation": np.mean(weights * now),
        "initial_values": 100 * np.mean((states["start"] - x**2 * np.cos(np.pi * x)) ** 2),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    u, x = states["u"], trial_specs["x"]
    residual = jnp.mean((states["u_t"] - 1e-4 * states["u_xx"] + 5 * u**3 - 5 * u) ** 2, axis=1)
    weight = jnp.exp(-jax.lax.stop_gradient(jnp.cumsum(residual) - residual))
    return {
        "equation": jnp.mean(weight * residual),
        "initial_values": 100 * jnp.mean((states["start"] - x**2 * jnp.cos(jnp.pi * x)) ** 2),
    }
