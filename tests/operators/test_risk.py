"""Risks over the trials, against an optimiser and their limits."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.optimize import minimize_scalar

import lossdsl as ld

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("strict")]

VOCABULARY = ld.Vocabulary({"x": "batch", "good": "batch", "path": "batch time", "both": "batch item"})


def risk(text, x, **more):
    return ld.compile(text, VOCABULARY)({"x": x, **more}).total


def by_optimiser(x, level):
    """The minimum of Rockafellar and Uryasev (2000), theorem 1."""

    def objective(c):
        return c + np.maximum(x - c, 0).mean() / (1 - level)

    found = minimize_scalar(objective, bounds=(x.min(), x.max()), method="bounded", options={"xatol": 1e-12})
    return found.fun


@pytest.mark.parametrize("level", ["0", "0.1", "0.5", "0.77", "0.9", "0.97"])
@pytest.mark.parametrize("number", [1, 2, 10, 37])
def test_cvar_is_the_minimum_that_an_optimiser_finds(level, number):
    with jax.enable_x64(True):
        x = np.random.default_rng(number).normal(size=number)
        found = risk(f"cvar(x, {level})", jnp.asarray(x))
        np.testing.assert_allclose(found, by_optimiser(x, float(level)), rtol=0, atol=1e-6)
        gradient = jax.grad(lambda x: risk(f"cvar(x, {level})", x))(jnp.asarray(x))
        np.testing.assert_allclose(gradient.sum(), 1, rtol=1e-12)
        assert (gradient >= 0).all()


def test_between_the_mean_and_the_worst():
    x = jnp.array([3.0, -1.0, 2.0, 2.0])
    assert risk("cvar(x, 0)", x) == risk("mean(x, axis=batch)", x) == 1.5
    assert risk("cvar(x, 0.75)", x) == risk("worst(x)", x) == 3
    assert risk("cvar(x, 0.5)", x) == 2.5
    np.testing.assert_allclose(risk("entropic(x, 1e-3)", x), 1.5, atol=2e-3)
    np.testing.assert_allclose(risk("entropic(x, 1e3)", x), 3, atol=2e-3)
    np.testing.assert_allclose(risk("entropic(x, -1e3)", x), -1, atol=2e-3)
    assert risk("cvar(2*x, 0.5) - 2*cvar(x, 0.5)", x) == 0


@pytest.mark.parametrize("text", ["cvar(x, 0.5, where=good)", "worst(x, where=good)", "entropic(x, 2, where=good)"])
def test_what_a_mask_leaves_out_is_not_seen(text):
    x, good = jnp.array([1.0, jnp.nan, 2.0, jnp.inf]), jnp.array([1.0, 0.0, 1.0, 0.0])
    value, gradient = jax.value_and_grad(lambda x: risk(text, x, good=good))(x)
    np.testing.assert_allclose(value, risk(text.replace(", where=good", ""), x[::2]), rtol=1e-6)
    assert np.isfinite(gradient).all() and not gradient[1::2].any()
    assert risk(text, x, good=0 * good) == 0


def test_what_is_not_finite_shows():
    for text in ("cvar(x, 0.5)", "worst(x)", "entropic(x, 2)"):
        assert np.isnan(risk(text, jnp.array([1.0, jnp.nan, 2.0])))
        assert risk(text, jnp.array([1.0, jnp.inf, 2.0])) == np.inf


def test_large_values_do_not_overflow():
    x = jnp.array([300.0, 600.0, 100.0])
    np.testing.assert_allclose(risk("entropic(x, 10)", x), 600 - np.log(3) / 10, rtol=1e-6)
    assert np.isfinite(jax.grad(lambda x: risk("entropic(x, 10)", x))(x)).all()


def test_over_trials_and_items():
    both = jnp.arange(12.0).reshape(3, 4)
    assert ld.compile("cvar(both, 0.5, axis=(batch, item))", VOCABULARY)({"both": both}).total == 8.5
    assert ld.compile("mean(cvar(both, 0.5, axis=item), axis=batch)", VOCABULARY)({"both": both}).total == 6.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cvar(path, 0.9)", "`cvar` takes one value of each trial, and `path` has `time`: (batch, time)"),
        ("quantile(path, 0.5)", "as in `quantile(sum(path), 0.5)`, or say `axis=batch` for the trials at each step"),
        ("cvar(x, 1)", "`level` is 1"),
        ("entropic(x, 0)", "`theta` is 0"),
    ],
)
def test_refused(text, says):
    with pytest.raises(ld.LossError) as caught:
        ld.compile(text, VOCABULARY)
    assert says in str(caught.value)
