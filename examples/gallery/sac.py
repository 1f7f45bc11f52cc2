"""Soft actor-critic: critics, actor and temperature in one loss, each with what it does not train held."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Haarnoja et al. (2018), Soft actor-critic algorithms and applications, eq. (7), (5) and (18), with the smallest of two
critics.
"""
EASIER = "`stop_gradient` says in the text what each of three losses leaves alone; their sum is one loss to descend."
VOCABULARY = ld.Vocabulary(
    quantities={
        "q": ld.Quantity("states.q", "batch critic", "Q", doc="of the action taken"),
        "q.next": ld.Quantity("states.next.q", "batch critic", r"\bar{Q}'", doc="by the target network"),
        "q.policy": ld.Quantity("states.policy.q", "batch critic", r"Q^{\pi}", doc="of the policy's own action"),
        "log_prob": ld.Quantity("states.policy.log_prob", "batch", r"\log\pi"),
        "log_prob.next": ld.Quantity("states.next.log_prob", "batch", r"\log\pi'"),
        "log_alpha": ld.Quantity("model.log_alpha", "", r"\log\alpha"),
        "reward": ld.Quantity("trial_specs.reward", "batch", "r"),
        "done": ld.Quantity("trial_specs.done", "batch", "d", doc="1 where the episode ends"),
    },
    parameters={"gamma": 0.99, "entropy": -6.0},
)
LOSS = """\
alpha = exp(log_alpha)
soft_value = min(q.next, axis=critic) - alpha*log_prob.next
target = stop_gradient(reward + gamma*(1 - done)*soft_value)
(stop_gradient(alpha)*log_prob - min(q.policy, axis=critic)) as actor
+ 0.5*sum(square(q - target), axis=critic) as critics
- alpha*stop_gradient(log_prob + entropy) as temperature
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    batch, critics = n["batch"], (n["batch"], n["critic"])
    states = {
        "q": rng.normal(size=critics),
        "next": {"q": rng.normal(size=critics), "log_prob": rng.normal(3, 1, size=batch)},
        "policy": {"q": rng.normal(size=critics), "log_prob": rng.normal(3, 1, size=batch)},
    }
    trial_specs = {"reward": rng.normal(size=batch), "done": rng.integers(0, 2, size=batch)}
    return states, trial_specs, {"log_alpha": np.array(-1.5)}


def reference(states, trial_specs, model, step, held=None):
    """Each weighted term; what has no gradient is made of what is `held`, states and model."""
    fixed, fixed_model = held or (states, model)
    alpha, following = np.exp(fixed_model["log_alpha"]), fixed["next"]
    soft_value = np.min(following["q"], axis=1) - alpha * following["log_prob"]
    target = trial_specs["reward"] + 0.99 * (1 - trial_specs["done"]) * soft_value
    policy, surprise = states["policy"], fixed["policy"]["log_prob"] - 6.0
    return {
        "actor": np.mean(alpha * policy["log_prob"] - np.min(policy["q"], axis=1)),
        "critics": sum(0.5 * np.mean((q - target) ** 2) for q in states["q"].T),
        "temperature": -np.mean(np.exp(model["log_alpha"]) * surprise),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    held, following, policy = jax.lax.stop_gradient, states["next"], states["policy"]
    alpha = jnp.exp(model["log_alpha"])
    soft_value = jnp.min(following["q"], axis=1) - alpha * following["log_prob"]
    target = held(trial_specs["reward"] + 0.99 * (1 - trial_specs["done"]) * soft_value)
    return {
        "actor": jnp.mean(held(alpha) * policy["log_prob"] - jnp.min(policy["q"], axis=1)),
        "critics": 0.5 * jnp.mean(jnp.sum((states["q"] - target[:, None]) ** 2, axis=1)),
        "temperature": -alpha * jnp.mean(held(policy["log_prob"]) - 6.0),
    }
