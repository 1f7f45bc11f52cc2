"""The example that fits by least squares: it finds what gradient descent finds in many more steps."""

import runpy

import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld

pytest.importorskip("optimistix")


def test_least_squares_finds_the_constants():
    example = runpy.run_path("examples/fit_dynamics.py")
    loss = ld.compile(example["LOSS"], example["VOCABULARY"])
    trials = example["measurement"](np.random.default_rng(0))
    found, steps = example["by_least_squares"](loss, trials)
    slow = example["by_gradients"](loss, trials, steps)

    def value(model):
        return loss(example["rollout"](model, trials["start"]), trials, model).total

    assert steps < 50 and value(found) < value(example["TRUE"]) < 0.2 * value(slow)
    np.testing.assert_allclose(jnp.exp(found["spring"]), np.exp(example["TRUE"]["spring"]), rtol=0.01)
