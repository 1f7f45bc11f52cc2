"""Beta-VAE with a warm-up: Bernoulli reconstruction from logits, and the divergence from the standard normal."""

import jax.numpy as jnp
import numpy as np
import optax

import lossdsl as ld

SOURCE = """
Higgins et al. (2017), beta-VAE, eq. (4); the divergence is Kingma and Welling (2014), Auto-encoding variational Bayes,
appendix B; the warm-up is Sønderby et al. (2016), Ladder variational autoencoders, section 2.3.
"""
EASIER = "`sigmoid_cross_entropy` takes logits, safe where they are large; the warm-up is part of a weight."
VOCABULARY = ld.Vocabulary(
    quantities={
        "logits": ld.Quantity("states.decoder.logits", "batch pixel", r"\mathbf{l}"),
        "image": ld.Quantity("trial_specs.image", "batch pixel", r"\mathbf{x}"),
        "code.mean": ld.Quantity("states.encoder.mean", "batch latent", r"\mu"),
        "code.log_var": ld.Quantity("states.encoder.log_var", "batch latent", r"\log\sigma^{2}"),
    },
    parameters={"beta": 4.0, "warmup_steps": 1000.0},
)
STEP = 250
LOSS = """\
kl = 0.5*sum(exp(code.log_var) + square(code.mean) - code.log_var - 1, axis=latent)
sum(sigmoid_cross_entropy(logits, image), axis=pixel) as reconstruction
+ warmup(beta, warmup_steps)*kl
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    states = {
        "decoder": {"logits": rng.normal(size=(n["batch"], n["pixel"]))},
        "encoder": {name: rng.normal(size=(n["batch"], n["latent"])) for name in ("mean", "log_var")},
    }
    return states, {"image": rng.integers(0, 2, size=(n["batch"], n["pixel"])).astype(float)}, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    p = 1 / (1 + np.exp(-states["decoder"]["logits"]))
    likelihood = np.where(trial_specs["image"] == 1, p, 1 - p)
    mean, sigma = states["encoder"]["mean"], np.exp(states["encoder"]["log_var"] / 2)
    divergence = -0.5 * np.sum(1 + np.log(sigma**2) - mean**2 - sigma**2, axis=1)
    return {
        "reconstruction": np.mean(np.sum(-np.log(likelihood), axis=1)),
        "kl": 4.0 * min(step / 1000, 1) * np.mean(divergence),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    logits, image = states["decoder"]["logits"], trial_specs["image"]
    mean, log_var = states["encoder"]["mean"], states["encoder"]["log_var"]
    cost = optax.sigmoid_binary_cross_entropy(logits, image)
    divergence = 0.5 * jnp.sum(jnp.exp(log_var) + mean**2 - log_var - 1, axis=1)
    return {
        "reconstruction": jnp.mean(jnp.sum(cost, axis=1)),
        "kl": 4.0 * jnp.minimum(step / 1000, 1) * jnp.mean(divergence),
    }
