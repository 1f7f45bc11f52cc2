"""Contrastive language-image pre-training: which text belongs to which image, and which image to which text."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Radford et al. (2021), Learning transferable visual models from natural language supervision (CLIP), section 2.3 and
figure 3; in one direction it is InfoNCE, van den Oord, Li and Vinyals (2018), eq. (4).
"""
EASIER = "`rename(x, batch=other)` is a second copy of the trials, so `dot` makes all pairs; the labels are `index`."
VOCABULARY = ld.Vocabulary(
    quantities={
        "image": ld.Quantity("states.image", "batch latent", r"\mathbf{v}", doc="the code of the image"),
        "text": ld.Quantity("states.text", "batch latent", r"\mathbf{w}", doc="the code of its text"),
        "log_scale": ld.Quantity("model.log_scale", "", "s", doc="minus the logarithm of the temperature"),
    },
)
LOSS = """\
cosine = dot(image/norm(image), rename(text/norm(text), batch=other))
logits = exp(log_scale)*cosine
0.5*cross_entropy(logits, index(axis=batch), axis=other) as texts
+ 0.5*mean(cross_entropy(logits, index(axis=other), axis=batch), axis=other) as images
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    codes = (n["batch"], n["latent"])
    states = {"image": rng.normal(size=codes), "text": rng.normal(size=codes)}
    return states, None, {"log_scale": np.array(np.log(1 / 0.07))}


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    image, text = (code / np.linalg.norm(code, axis=1, keepdims=True) for code in (states["image"], states["text"]))
    powers = np.exp(np.exp(model["log_scale"]) * image @ text.T)
    return {
        "texts": -0.5 * np.mean(np.log(np.diag(powers) / powers.sum(axis=1))),
        "images": -0.5 * np.mean(np.log(np.diag(powers) / powers.sum(axis=0))),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    image, text = (code / jnp.linalg.norm(code, axis=1, keepdims=True) for code in (states["image"], states["text"]))
    logits = jnp.exp(model["log_scale"]) * jnp.matmul(image, text.T, precision="highest")
    own = jnp.diagonal(logits)
    return {
        "texts": 0.5 * jnp.mean(jax.nn.logsumexp(logits, axis=1) - own),
        "images": 0.5 * jnp.mean(jax.nn.logsumexp(logits, axis=0) - own),
    }
