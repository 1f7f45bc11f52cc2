"""Distributional reinforcement learning: the quantiles of the return, by Huber's loss between all pairs of them."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Dabney, Rowland, Bellemare and Munos (2018), Distributional reinforcement learning with quantile regression (QR-DQN),
eq. (9) and (10) and algorithm 1, with `kappa = 1`.
"""
EASIER = "All pairs are `rename` and `expand`; `stop_gradient` holds the target; `gather` takes what `argmax` picks."
VOCABULARY = ld.Vocabulary(
    quantities={
        "theta": ld.Quantity("states.quantiles", "batch action quantile", r"\theta"),
        "theta.next": ld.Quantity("states.next.quantiles", "batch action quantile", r"\theta'"),
        "taken": ld.Quantity("trial_specs.action", "batch", "a", doc="the number of the action"),
        "reward": ld.Quantity("trial_specs.reward", "batch", "r"),
        "done": ld.Quantity("trial_specs.done", "batch", "d", doc="1 where the episode ends"),
    },
    parameters={"gamma": 0.99},
)
LOSS = """\
best = gather(theta.next, argmax(mean(theta.next, axis=quantile), axis=action), axis=action)
target = stop_gradient(reward + gamma*(1 - done)*best)
error = expand(rename(target, quantile=sample), axis=quantile) - gather(theta, taken, axis=action)
tau = (index(axis=quantile) + 0.5)/length(axis=quantile)
sum(mean(abs(tau - less(error, 0))*huber(error), axis=sample), axis=quantile) as regression
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    quantiles = (n["batch"], n["action"], n["quantile"])
    states = {"quantiles": rng.normal(size=quantiles), "next": {"quantiles": rng.normal(size=quantiles)}}
    trial_specs = {
        "action": rng.integers(0, n["action"], size=n["batch"]),
        "reward": rng.normal(size=n["batch"]),
        "done": rng.integers(0, 2, size=n["batch"]),
    }
    return states, trial_specs, None


def reference(states, trial_specs, model, step, held=None):
    """Each weighted term; what has no gradient is made of what is `held`, states and model."""
    fixed, _ = held or (states, model)
    following, loss = fixed["next"]["quantiles"], 0.0
    for trial, action in enumerate(trial_specs["action"].astype(int)):
        best = following[trial, np.argmax(following[trial].mean(axis=1))]
        target = trial_specs["reward"][trial] + 0.99 * (1 - trial_specs["done"][trial]) * best
        theta = states["quantiles"][trial, action]
        for i, quantile in enumerate(theta):
            for sample in target:
                u, tau = sample - quantile, (2 * i + 1) / (2 * len(theta))
                huber = u**2 / 2 if abs(u) <= 1 else abs(u) - 0.5
                loss += abs(tau - (u < 0)) * huber / len(target) / len(following)
    return {"regression": loss}


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    theta, following = states["quantiles"], states["next"]["quantiles"]
    best = jnp.argmax(jnp.mean(following, axis=-1), axis=-1)
    best = jnp.take_along_axis(following, best[:, None, None], axis=1)[:, 0]
    target = trial_specs["reward"][:, None] + 0.99 * (1 - trial_specs["done"])[:, None] * best
    chosen = jnp.take_along_axis(theta, trial_specs["action"].astype(int)[:, None, None], axis=1)[:, 0]
    error = jax.lax.stop_gradient(target)[:, None, :] - chosen[:, :, None]
    quantiles = theta.shape[-1]
    tau = (jnp.arange(quantiles, dtype=theta.dtype) + 0.5) / quantiles
    size = jnp.abs(error)
    huber = jnp.where(size <= 1, 0.5 * error**2, size - 0.5)
    asymmetric = jnp.abs(tau[:, None] - (error < 0)) * huber
    return {"regression": jnp.mean(jnp.sum(jnp.mean(asymmetric, axis=2), axis=1))}
