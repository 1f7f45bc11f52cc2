"""Cox's proportional hazards: who died, against all who were still at risk then."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Cox (1972), Regression models and life-tables, J. R. Stat. Soc. B 34, eq. (12), with ties as in Breslow (1974); for a
network it is Katzman et al. (2018), DeepSurv, eq. (4).
"""
EASIER = "The risk sets are a mask over pairs, so patients need no order and ties are right; `where` censors."
VOCABULARY = ld.Vocabulary(
    quantities={
        "risk": ld.Quantity("states.risk", "batch", r"\eta", doc="the logarithm of the hazard ratio"),
        "followed": ld.Quantity("trial_specs.followed", "batch", "t", "d", doc="until death, or out of sight"),
        "died": ld.Quantity("trial_specs.died", "batch", r"\delta", doc="0 for the censored"),
    },
)
LOSS = """\
gone = less(rename(followed, batch=other), expand(followed, axis=other))
others = expand(rename(risk, batch=other), axis=batch)
mean(logsumexp(others, where=1 - gone, axis=other) - risk, where=died, axis=batch) as partial_likelihood
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    # Whole days, so that there are ties.
    followed = rng.integers(1, 4 * n["batch"], size=n["batch"])
    died = rng.integers(0, 2, size=n["batch"])
    died[0] = 1
    return {"risk": rng.normal(size=n["batch"])}, {"followed": followed, "died": died}, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    risk, followed, died = states["risk"], trial_specs["followed"], trial_specs["died"].astype(bool)
    chances = [np.exp(risk[i]) / np.sum(np.exp(risk[followed >= followed[i]])) for i in np.flatnonzero(died)]
    return {"partial_likelihood": -np.mean(np.log(chances))}


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    risk, followed, died = states["risk"], trial_specs["followed"], trial_specs["died"]
    at_risk = followed[None, :] >= followed[:, None]
    among = jax.nn.logsumexp(jnp.broadcast_to(risk[None, :], at_risk.shape), axis=1, where=at_risk)
    return {"partial_likelihood": jnp.sum(died * (among - risk)) / jnp.sum(died)}
