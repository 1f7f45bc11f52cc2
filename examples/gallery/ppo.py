"""Proximal policy optimisation: clipped surrogate, value error and entropy bonus, means over the valid steps."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Schulman, Wolski, Dhariwal, Radford and Klimov (2017), Proximal policy optimization algorithms, eq. (7) and (9), for a
categorical policy; trials shorter than the longest are padded.
"""
EASIER = "`where=valid` leaves padded steps out, with their gradients, even where they are NaN."
VOCABULARY = ld.Vocabulary(
    quantities={
        "logits": ld.Quantity("states.policy.logits", "batch time action", r"\mathbf{l}"),
        "value": ld.Quantity("states.value", "batch time", "V"),
        "action": ld.Quantity("trial_specs.action", "batch time", "a", doc="the number of the action"),
        "old_log_prob": ld.Quantity("trial_specs.log_prob", "batch time", r"\log\pi_{\mathrm{old}}"),
        "advantage": ld.Quantity("trial_specs.advantage", "batch time", r"\hat{A}"),
        "return": ld.Quantity("trial_specs.return", "batch time", r"\hat{V}"),
        "valid": ld.Quantity("trial_specs.valid", "batch time", "m", doc="0 for padded steps"),
    },
    parameters={"epsilon": 0.2},
)
LOSS = """\
ratio = exp(-cross_entropy(logits, action) - old_log_prob)
clipped = minimum(ratio*advantage, clip(ratio, 1 - epsilon, 1 + epsilon)*advantage)
entropy = -dot(softmax(logits), log_softmax(logits))
mean(-clipped, where=valid, axis=(batch, time)) as surrogate
+ 0.5*mean(square(value - return), where=valid, axis=(batch, time)) as value_error
- 0.01*mean(entropy, where=valid, axis=(batch, time)) as entropy_bonus
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    steps = (n["batch"], n["time"])
    valid = np.arange(n["time"]) < rng.integers(1, n["time"], size=(n["batch"], 1))
    states = {
        "policy": {"logits": rng.normal(size=(*steps, n["action"]))},
        "value": rng.normal(size=steps),
    }
    trial_specs = {
        "action": rng.integers(0, n["action"], size=steps),
        "log_prob": np.where(valid, rng.normal(-1, 0.5, size=steps), np.nan),
        "advantage": rng.normal(size=steps),
        "return": np.where(valid, rng.normal(size=steps), np.nan),
        "valid": valid,
    }
    return states, trial_specs, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    surrogate, error, entropy, count = 0.0, 0.0, 0.0, 0
    for trial, time in np.argwhere(trial_specs["valid"]):
        logits = states["policy"]["logits"][trial, time]
        p = np.exp(logits) / np.sum(np.exp(logits))
        old, advantage, wanted = (trial_specs[name][trial, time] for name in ("log_prob", "advantage", "return"))
        ratio = p[int(trial_specs["action"][trial, time])] / np.exp(old)
        surrogate += min(ratio * advantage, max(0.8, min(1.2, ratio)) * advantage)
        error += (states["value"][trial, time] - wanted) ** 2
        entropy += -np.sum(p * np.log(p))
        count += 1
    return {
        "surrogate": -surrogate / count,
        "value_error": 0.5 * error / count,
        "entropy_bonus": -0.01 * entropy / count,
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    valid, action = trial_specs["valid"], trial_specs["action"].astype(int)
    # Before anything is made of them, since NaN behind a mask would reach the gradient.
    old, wanted = (jnp.where(valid, trial_specs[name], 0) for name in ("log_prob", "return"))
    log_p, advantage = jax.nn.log_softmax(states["policy"]["logits"]), trial_specs["advantage"]
    ratio = jnp.exp(jnp.take_along_axis(log_p, action[..., None], axis=-1)[..., 0] - old)
    surrogate = jnp.minimum(ratio * advantage, jnp.clip(ratio, 0.8, 1.2) * advantage)
    entropy = -jnp.sum(jnp.exp(log_p) * log_p, axis=-1)
    count = jnp.sum(valid)

    def mean(x):
        return jnp.sum(jnp.where(valid, x, 0)) / count

    return {
        "surrogate": -mean(surrogate),
        "value_error": 0.5 * mean((states["value"] - wanted) ** 2),
        "entropy_bonus": -0.01 * mean(entropy),
    }
