"""Frame-aligned point error: each atom as seen from each residue, as in AlphaFold 2."""

import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Jumper et al. (2021), Highly accurate protein structure prediction with AlphaFold, supplementary algorithm 28 (FAPE),
with its clamp of 10 Å, scale of 10 Å and `epsilon` of 1e-4 Å².
"""
EASIER = "Each `dot` along `xyz` joins `frame xyz local` and `atom xyz` by name: every atom, seen from every frame."
VOCABULARY = ld.Vocabulary(
    quantities={
        "atom": ld.Quantity("states.atom", "batch atom xyz", r"\mathbf{x}", "Å"),
        "origin": ld.Quantity("states.origin", "batch frame xyz", r"\mathbf{t}", "Å"),
        "rotation": ld.Quantity("states.rotation", "batch frame xyz local", "R", doc="its axes as columns"),
        "true.atom": ld.Quantity("trial_specs.atom", "batch atom xyz", r"\mathbf{x}^{*}", "Å"),
        "true.origin": ld.Quantity("trial_specs.origin", "batch frame xyz", r"\mathbf{t}^{*}", "Å"),
        "true.rotation": ld.Quantity("trial_specs.rotation", "batch frame xyz local", "R^{*}"),
    },
)
LOSS = """\
seen = dot(rotation, atom, axis=xyz) - dot(rotation, origin, axis=xyz)
true.seen = dot(true.rotation, true.atom, axis=xyz) - dot(true.rotation, true.origin, axis=xyz)
distance = sqrt(sqnorm(seen - true.seen, axis=local) + 1e-4)
mean(minimum(distance, 10), axis=(frame, atom))/10 as fape
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""

    def structure():
        axes = np.linalg.qr(rng.normal(size=(n["batch"], n["frame"], 3, 3)))[0]
        places = {name: rng.normal(scale=5, size=(n["batch"], n[name], 3)) for name in ("atom", "frame")}
        return {"atom": places["atom"], "origin": places["frame"], "rotation": axes}

    return structure(), structure(), None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    total, (trials, frames, atoms) = 0.0, (*states["origin"].shape[:2], states["atom"].shape[1])
    for b, i, j in np.ndindex(trials, frames, atoms):
        seen, wanted = (s["rotation"][b, i].T @ (s["atom"][b, j] - s["origin"][b, i]) for s in (states, trial_specs))
        distance = np.sqrt(np.sum((seen - wanted) ** 2) + 1e-4)
        total += min(10, distance) / 10
    return {"fape": np.float64(total / (trials * frames * atoms))}


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""

    def seen(structure):
        rotation, exact = structure["rotation"], {"precision": "highest"}
        # The order of a batched product of matrices, which nothing has to turn.
        atoms = jnp.einsum("bfxl,bax->bfla", rotation, structure["atom"], **exact)
        return atoms - jnp.einsum("bfxl,bfx->bfl", rotation, structure["origin"], **exact)[..., None]

    missed = seen(states) - seen(trial_specs)
    distance = jnp.sqrt(jnp.sum(missed**2, axis=2) + 1e-4)
    return {"fape": jnp.mean(jnp.minimum(distance, 10)) / 10}
