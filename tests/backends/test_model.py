"""A loss that stands in a model is neither trained nor regularised with it."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lossdsl as ld

MODELS = {"model": ("model", "pytree"), "model.first": ("model.first", "pytree")}
PENALTY = ld.compile("sqnorm(model) + 2*l1norm(model.first)", ld.Vocabulary(MODELS))


class Pull(ld.AbstractLoss):
    gain: jax.Array
    label: str = "pull"

    def term(self, states, trial_specs=None, model=None):
        return self.gain * jnp.ones(3)


class Model(eqx.Module):
    first: jax.Array
    losses: list
    name: str = "linear"


def model(first=(3.0, 4.0)):
    composite = ld.compile("100*position + 7*pull", terms=[Pull(jnp.asarray(5.0))])
    return Model(jnp.array(first), [composite, Pull(jnp.asarray(6.0))])


def test_quantities_of_the_model_leave_losses_out():
    given = model()
    assert PENALTY({}, None, given).total == 25 + 2 * 7
    gradient = eqx.filter_grad(lambda given: PENALTY({}, None, given).total)(given)
    np.testing.assert_array_equal(gradient.first, [8, 10])
    assert all(np.all(leaf == 0) for leaf in jax.tree.leaves(gradient.losses))
    members = eqx.filter_vmap(lambda k: model((k, 0.0)))(jnp.array([1.0, 2.0]))
    np.testing.assert_allclose(eqx.filter_vmap(lambda m: PENALTY({}, None, m).total)(members), [3, 8])


def test_what_is_not_finite_in_a_loss_is_no_fault_of_the_model():
    given = eqx.tree_at(lambda m: m.losses[1].gain, model(), jnp.asarray(jnp.nan))
    assert PENALTY.check({}, None, given).total == 39


def test_trainable_is_the_filter_for_both_libraries():
    given = model()
    spec = ld.trainable(given)
    trained, rest = eqx.partition(given, spec)
    assert [leaf.shape for leaf in jax.tree.leaves(trained)] == [(2,)]

    @eqx.filter_jit
    def step(trained, state):
        def objective(trained):
            whole = eqx.combine(trained, rest)
            return PENALTY({}, None, whole).total + whole.losses[1].gain * jnp.sum(whole.first)

        gradient = jax.grad(objective)(trained)
        updates, state = optimizer.update(gradient, state, trained)
        return eqx.apply_updates(trained, updates), state

    optimizer = optax.adamw(0.1)
    state = optimizer.init(trained)
    for _ in range(3):
        trained, state = step(trained, state)
    after = eqx.combine(trained, rest)
    assert np.all(after.first != given.first)
    assert after.losses[0].weights == given.losses[0].weights and after.losses[1].gain == 6


def test_gradients_of_terms_leave_losses_out():
    given = model()
    values, gradients = ld.term_gradients(lambda m: PENALTY({}, None, m), given)
    assert values.total == 39
    assert jax.tree.leaves(gradients["sqnorm(model)"].losses) == []
    np.testing.assert_array_equal(gradients["sqnorm(model)"].first, [6, 8])
    report = PENALTY.gradient_report(lambda m, _: {}, given)
    np.testing.assert_allclose(report.norms["sqnorm(model)"], 10)
    with pytest.raises(ld.LossValueError, match="give one that has arrays of floats"):
        ld.term_gradients(lambda m: PENALTY({}, None, m), [ld.compile("position")])


def test_a_quantity_that_is_a_loss():
    loss = ld.compile("sqnorm(kept)", ld.Vocabulary({"kept": ("model.losses.0", "pytree")}))
    with pytest.raises(ld.LossDataError, match="is a loss, which is no part of a model"):
        loss({}, None, model())


def test_a_mask_of_optax():
    given = {"network": jnp.ones(2), "loss": ld.compile("position")}
    optimizer = optax.masked(optax.adamw(0.1), ld.trainable(given))
    zeros = jax.tree.map(jnp.zeros_like, given)
    updates, _ = optimizer.update(zeros, optimizer.init(given), given)
    assert np.all(updates["network"] < 0) and updates["loss"].weights == {"position": 0}


def test_a_loss_whose_arrays_were_taken_out():
    trained, rest = eqx.partition({"network": jnp.ones(2), "loss": ld.compile("nn_output")}, eqx.is_array)
    loss = rest["loss"]
    for used in (lambda: loss.weights, lambda: loss.state, lambda: loss({}), lambda: loss.per_trial({})):
        with pytest.raises(ld.LossValueError, match="the weights of the loss are not there: its leaves are None"):
            used()
    assert eqx.combine(trained, rest)["loss"].weights == {"nn_output": 1}
    shapes = eqx.filter_eval_shape(lambda: ld.compile("nn_output"))
    assert shapes.weights["nn_output"].shape == ()
