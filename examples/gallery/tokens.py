"""The cross entropy of a language model: smoothed labels, a normaliser held near 1, and padding left out."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Chowdhery et al. (2022), PaLM: scaling language modeling with pathways, section 5, for the z-loss; the smoothing is
Szegedy et al. (2016), Rethinking the Inception architecture for computer vision, section 7.
"""
EASIER = "Labels are whole numbers by their axes; `where=valid` counts the tokens that there are, over all texts."
VOCABULARY = ld.Vocabulary(
    quantities={
        "logits": ld.Quantity("states.logits", "batch time word", r"\mathbf{l}"),
        "target": ld.Quantity("trial_specs.target", "batch time", "y", doc="the number of the next word"),
        "valid": ld.Quantity("trial_specs.valid", "batch time", "m", doc="0 for padding"),
    },
    parameters={"epsilon": 0.1},
)
LOSS = """\
log_z = logsumexp(logits)
to_uniform = log_z - mean(logits, axis=word)
smoothed = (1 - epsilon)*cross_entropy(logits, target) + epsilon*to_uniform
1e-4*mean(square(log_z), where=valid, axis=(batch, time)) as z_loss
+ mean(smoothed, where=valid, axis=(batch, time)) as prediction
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    texts = (n["batch"], n["time"])
    valid = np.arange(n["time"]) < rng.integers(1, n["time"] + 1, size=(n["batch"], 1))
    trial_specs = {"target": np.where(valid, rng.integers(0, n["word"], size=texts), -1), "valid": valid}
    return {"logits": rng.normal(size=(*texts, n["word"]))}, trial_specs, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    prediction, z_loss, there = 0.0, 0.0, np.argwhere(trial_specs["valid"])
    for text, time in there:
        powers = np.exp(states["logits"][text, time])
        labels = 0.9 * (np.arange(len(powers)) == trial_specs["target"][text, time]) + 0.1 / len(powers)
        prediction -= np.sum(labels * np.log(powers / powers.sum())) / len(there)
        z_loss += 1e-4 * np.log(powers.sum()) ** 2 / len(there)
    return {"z_loss": z_loss, "prediction": prediction}


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    logits, valid = states["logits"], trial_specs["valid"]
    log_z = jax.nn.logsumexp(logits, axis=-1)
    target = jnp.where(valid, trial_specs["target"], 0).astype(int)
    chosen = jnp.take_along_axis(logits, target[..., None], axis=-1)[..., 0]
    smoothed = log_z - 0.9 * chosen - 0.1 * jnp.mean(logits, axis=-1)
    count = jnp.sum(valid)
    return {
        "z_loss": 1e-4 * jnp.sum(jnp.where(valid, log_z**2, 0)) / count,
        "prediction": jnp.sum(jnp.where(valid, smoothed, 0)) / count,
    }
