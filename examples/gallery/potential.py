"""A machine-learned interatomic potential: energy per atom, forces, stress, and an elastic net on the model."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
MACE, `WeightedEnergyForcesStressLoss` in `mace/modules/loss.py`, structures padded to one number of atoms; the elastic
net is Zou and Hastie (2005), Regularization and variable selection via the elastic net, eq. (3).
"""
EASIER = "A mask with fewer axes than what it masks counts all that it stands for; `l1norm` takes a whole model."
VOCABULARY = ld.Vocabulary(
    quantities={
        "energy": ld.Quantity("states.energy", "batch", "E", "eV"),
        "energy.dft": ld.Quantity("trial_specs.energy", "batch", "E^{*}", "eV"),
        "forces": ld.Quantity("states.forces", "batch atom xyz", r"\mathbf{F}", "eV/Å"),
        "forces.dft": ld.Quantity("trial_specs.forces", "batch atom xyz", r"\mathbf{F}^{*}", "eV/Å"),
        "stress": ld.Quantity("states.stress", "batch xyz xyz", r"\sigma", "eV/Å³"),
        "stress.dft": ld.Quantity("trial_specs.stress", "batch xyz xyz", r"\sigma^{*}", "eV/Å³"),
        "exists": ld.Quantity("trial_specs.exists", "batch atom", "m", doc="0 for padded atoms"),
        "model": ld.Quantity("model", "pytree", r"\theta"),
    },
)
LOSS = """\
atoms = sum(exists, axis=atom)
square((energy - energy.dft)/atoms) as energy_per_atom
+ 100*mean(square(forces - forces.dft), where=exists, axis=(batch, atom, xyz)) as forces_error
+ sqnorm(stress - stress.dft)/9 as stress_error
+ 1e-4*l1norm(model) + 1e-3*sqnorm(model)
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    batch, atom = n["batch"], n["atom"]

    def drawn():
        return {
            "energy": rng.normal(size=batch),
            "forces": rng.normal(size=(batch, atom, 3)),
            "stress": rng.normal(size=(batch, 3, 3)),
        }

    states, trial_specs = drawn(), drawn()
    exists = np.arange(atom) < rng.integers(1, atom + 1, size=(batch, 1))
    trial_specs["exists"] = exists
    trial_specs["forces"][~exists] = np.nan
    return states, trial_specs, {"weights": rng.normal(size=(4, 2)), "layers": [rng.normal(size=5)]}


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    exists = trial_specs["exists"].astype(bool)
    missed = (states["energy"] - trial_specs["energy"]) / np.sum(exists, axis=1)
    parameters = np.concatenate([model["weights"].ravel(), model["layers"][0]])
    return {
        "energy_per_atom": np.mean(missed**2),
        "forces_error": 100 * np.mean((states["forces"][exists] - trial_specs["forces"][exists]) ** 2),
        "stress_error": np.mean((states["stress"] - trial_specs["stress"]) ** 2),
        "l1norm(model)": 1e-4 * np.sum(np.abs(parameters)),
        "sqnorm(model)": 1e-3 * np.sum(parameters**2),
    }


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    exists, leaves = trial_specs["exists"], jax.tree.leaves(model)
    missed = (states["energy"] - trial_specs["energy"]) / jnp.sum(exists, axis=1)
    forces = jnp.where(exists[..., None], states["forces"] - trial_specs["forces"], 0)
    return {
        "energy_per_atom": jnp.mean(missed**2),
        "forces_error": 100 * jnp.sum(forces**2) / (3 * jnp.sum(exists)),
        "stress_error": jnp.mean((states["stress"] - trial_specs["stress"]) ** 2),
        "l1norm(model)": 1e-4 * sum(jnp.sum(jnp.abs(leaf)) for leaf in leaves),
        "sqnorm(model)": 1e-3 * sum(jnp.sum(leaf**2) for leaf in leaves),
    }
