"""Terms that are off, and values that are not finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld

VOCABULARY = ld.Vocabulary(
    quantities={"x": ("states.x", "batch time"), "kl": ("states.kl", "batch")}, parameters={"p": 0.0}
)
STATES = {"x": jnp.ones((3, 4)), "kl": jnp.array([1.0, jnp.inf, jnp.nan])}
OFF = [
    "x + warmup(0.1, 10)*kl",
    "x + 0*kl",
    "x + p*kl",
    "x + piecewise(0, 10, 1)*kl",
    "x + linear(0, 1, 9)*log(kl - 1)",
]


@pytest.mark.parametrize("text", OFF)
def test_a_weight_of_zero_contributes_zero(text):
    loss = ld.compile(text, VOCABULARY)
    values = loss(STATES, None, step=0)
    off = loss.labels[1]
    assert (values.total, values[off], values.weights[off]) == (4.0, 0.0, 0.0)
    assert not np.isfinite(values.raw[off])
    trials = loss.per_trial(STATES, None, step=0)
    assert trials.total.tolist() == [4.0, 4.0, 4.0]


@pytest.mark.parametrize("text", OFF[:-1])
def test_nor_does_its_gradient(text):
    loss = ld.compile(text, VOCABULARY)
    gradient = jax.grad(lambda states: loss(states, None, step=0).total)(STATES)
    assert gradient["kl"].tolist() == [0, 0, 0]


def test_a_weight_of_zero_has_a_gradient_of_its_own():
    """A parameter that begins at 0 can be learned."""
    loss = ld.compile("x + p*kl", VOCABULARY)
    states = {**STATES, "kl": jnp.array([1.0, 2.0, 3.0])}
    slope = jax.grad(lambda loss, states: loss(states, None).total)
    assert slope(loss, states).parameters["p"] == 2.0
    assert slope(loss, STATES).parameters["p"] == 0.0


def test_values_that_are_not_finite_are_named():
    loss = ld.compile("x + kl + sum(kl*x) as both", VOCABULARY)
    with pytest.raises(ld.LossDataError) as caught:
        loss(STATES, None).check()
    assert caught.value.message == "the loss is not finite: `kl` is nan, `both` is nan"
    assert caught.value.hint == "`loss.check(states, trial_specs)` names the arrays that are not"
    with pytest.raises(ld.LossDataError) as caught:
        loss.check(STATES, None)
    assert caught.value.hint == "`kl` is inf at batch=1 and 1 more"


def test_values_that_are_finite_are_handed_back():
    loss = ld.compile("x + 0*kl", VOCABULARY)
    assert loss.check(STATES, None).total == loss(STATES, None).check().total == 4.0


def test_a_term_that_is_not_finite_on_finite_data():
    loss = ld.compile("log(x - 1)", VOCABULARY)
    with pytest.raises(ld.LossDataError, match="`log\\(x - 1\\)` is -inf\nall that it reads is finite"):
        loss.check(STATES, None)


def test_arrays_of_a_tree_that_are_not_finite():
    loss = ld.compile("sqnorm(model)")
    with pytest.raises(ld.LossDataError, match=r"`model` is nan at \['layer'\]\['w'\] and 1 more"):
        loss.check(None, None, {"layer": {"b": jnp.ones(2), "w": jnp.array([1.0, jnp.nan, jnp.nan])}})


def test_traced_values_cannot_be_looked_at():
    loss = ld.compile("x", VOCABULARY)
    with pytest.raises(ld.LossDataError, match="the values are traced"):
        jax.jit(lambda states: loss(states, None).check().total)(STATES)


def test_members_of_an_ensemble_are_looked_at():
    loss = ld.compile("x", VOCABULARY)
    ensemble = jax.vmap(lambda w: loss.with_weights(x=w))(jnp.array([1.0, 3e38]))
    with pytest.raises(ld.LossDataError, match="`x` is inf"):
        ensemble(STATES, None).check()
