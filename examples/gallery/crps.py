"""The score of an ensemble forecast: how far its members are from what came, less half of how far they are apart."""

import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Gneiting and Raftery (2007), Strictly proper scoring rules, prediction, and estimation, J. Am. Stat. Assoc. 102,
eq. (21), the continuous ranked probability score of an ensemble; places count by their area.
"""
EASIER = "A second copy of the ensemble is `rename(forecast, member=other)`, and `expand` sets it against the first."
VOCABULARY = ld.Vocabulary(
    quantities={
        "forecast": ld.Quantity("states.forecast", "batch member place", "x", "K"),
        "observed": ld.Quantity("trial_specs.observed", "batch place", "y", "K"),
        "latitude": ld.Quantity("trial_specs.latitude", "place", r"\phi", "rad"),
    },
)
LOSS = """\
area = cos(latitude)/mean(cos(latitude), axis=place)
apart = abs(expand(forecast, axis=other) - rename(forecast, member=other))
mean(area*mean(abs(forecast - observed), axis=member), axis=place) as error
- 0.5*mean(area*mean(apart, axis=(member, other)), axis=place) as spread
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    batch, place = n["batch"], n["place"]
    trial_specs = {
        "observed": rng.normal(280, 10, size=(batch, place)),
        "latitude": np.arcsin(rng.uniform(-1, 1, size=place)),
    }
    spread = rng.normal(scale=2, size=(batch, n["member"], place))
    return {"forecast": trial_specs["observed"][:, None] + spread}, trial_specs, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    x, y, area = states["forecast"], trial_specs["observed"], np.cos(trial_specs["latitude"])
    members = x.shape[1]
    error = sum(np.abs(x[:, i] - y) for i in range(members)) / members
    spread = sum(np.abs(x[:, i] - x[:, j]) for i in range(members) for j in range(members)) / members**2
    return {
        "error": np.mean(np.average(error, axis=1, weights=area)),
        "spread": -0.5 * np.mean(np.average(spread, axis=1, weights=area)),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    x, y, area = states["forecast"], trial_specs["observed"], jnp.cos(trial_specs["latitude"])
    area = area / jnp.mean(area)
    error = jnp.mean(jnp.abs(x - y[:, None]), axis=1)
    spread = jnp.mean(jnp.abs(x[:, :, None] - x[:, None]), axis=(1, 2))
    return {"error": jnp.mean(area * error), "spread": -0.5 * jnp.mean(area * spread)}
