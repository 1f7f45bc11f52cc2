"""VICReg: two views of a trial agree, each component varies over the batch, and no two vary together."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Bardes, Ponce and LeCun (2022), VICReg: variance-invariance-covariance regularization for self-supervised learning,
eq. (1) to (6), with the weights 25, 25 and 1 of its experiments.
"""
EASIER = "What is done to both views is written once; `one_hot` of `index` is the identity matrix."
VOCABULARY = ld.Vocabulary(
    quantities={
        "z.a": ld.Quantity("states.a", "batch latent", r"\mathbf{z}", doc="the code of one view"),
        "z.b": ld.Quantity("states.b", "batch latent", r"\mathbf{z}'", doc="the code of the other"),
    },
)
LOSS = """\
a = z.a - mean(z.a, axis=batch)
b = z.b - mean(z.b, axis=batch)
spread(c) = sqrt(sum(square(c), axis=batch)/(length(axis=batch) - 1) + 1e-4)
covariance(c) = dot(c, rename(c, latent=other), axis=batch)/(length(axis=batch) - 1)
others = 1 - one_hot(index(axis=latent), axis=other)
together(c) = mean(sqnorm(covariance(c)*others, axis=other), axis=latent)
25*sqnorm(z.a - z.b) as invariance
+ 25*mean(relu(1 - spread(a)) + relu(1 - spread(b)), axis=latent) as variance
+ (together(a) + together(b)) as covariance
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    return {view: rng.normal(scale=0.9, size=(n["batch"], n["latent"])) for view in ("a", "b")}, None, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    z, other = states["a"], states["b"]
    variance, covariance, latent = 0.0, 0.0, z.shape[1]
    for code in (z, other):
        c = np.cov(code.T)
        variance += 25 * np.mean([max(0, 1 - np.sqrt(c[j, j] + 1e-4)) for j in range(latent)])
        covariance += sum(c[i, j] ** 2 for i in range(latent) for j in range(latent) if i != j) / latent
    return {
        "invariance": 25 * np.mean(np.sum((z - other) ** 2, axis=1)),
        "variance": variance,
        "covariance": covariance,
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    z, other = states["a"], states["b"]

    def of_one(code):
        trials, latent = code.shape
        code = code - jnp.mean(code, axis=0)
        spread = jnp.sqrt(jnp.sum(code**2, axis=0) / (trials - 1) + 1e-4)
        covariance = jnp.matmul(code.T, code, precision="highest") / (trials - 1)
        off_diagonal = jnp.where(jnp.eye(latent, dtype=bool), 0, covariance)
        return 25 * jnp.mean(jax.nn.relu(1 - spread)), jnp.sum(off_diagonal**2) / latent

    pairs = of_one(z), of_one(other)
    return {
        "invariance": 25 * jnp.mean(jnp.sum((z - other) ** 2, axis=1)),
        "variance": pairs[0][0] + pairs[1][0],
        "covariance": pairs[0][1] + pairs[1][1],
    }
