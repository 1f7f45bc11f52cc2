"""What is returned shares no buffer with what is given, nor losses with those that they were made from."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld

VOCABULARY = ld.Vocabulary(
    quantities={"x": ("states.x", "batch time"), "S": ("states.S", "batch")}, parameters={"p": 0.5}
)


class Offset(ld.AbstractLoss):
    by: jax.Array
    label: str = "offset"

    def term(self, states, trial_specs):
        return states["S"] - self.by


def states():
    return {"x": jnp.ones((3, 4)), "S": jnp.arange(3.0)}


def loss():
    return ld.compile("2*x + p*S + offset + S as alone", VOCABULARY, terms=[Offset(jnp.float32(2.0))])


@eqx.filter_jit(donate="all")
def donated(loss, states):
    """What is donated is used up where something of the same shape is returned."""
    following = jax.tree.map(lambda leaf: leaf + 1, eqx.filter((loss, states), eqx.is_array))
    return loss(states, None), following


def read(values):
    str(values), values.flat(), values.weights, values.raw
    return [np.asarray(leaf) for leaf in jax.tree.leaves(values)]


CHANGES = {
    "weights": lambda loss: loss.with_weights(x=3.0),
    "parameters": lambda loss: loss.with_parameters(p=0.7),
    "scaled": lambda loss: 2 * loss,
    "sum": lambda loss: loss + ld.compile("3*S as more", VOCABULARY),
    "without": lambda loss: loss.without("x"),
    "or": lambda loss: loss | ld.compile("3*x", VOCABULARY),
    "group": lambda loss: ld.CompositeLoss({"all": loss}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_donated_loss_leaves_those_made_from_it_alone(name):
    first = loss()
    second = CHANGES[name](first)
    before = [read(first(states(), None)), read(second(states(), None))]
    values = second(states(), None)
    donated(first, states())
    assert first.numbers.is_deleted()
    after = read(second(states(), None))
    jax.tree.map(np.testing.assert_array_equal, after, before[1])
    jax.tree.map(np.testing.assert_array_equal, read(values), before[1])


@pytest.mark.parametrize("name", CHANGES)
def test_and_those_that_it_was_made_from(name):
    first = loss()
    second = CHANGES[name](first)
    values = first(states(), None)
    donated(second, states())
    jax.tree.map(np.testing.assert_array_equal, read(first(states(), None)), read(values))


def test_donated_states_leave_what_was_returned_alone():
    given, one = states(), ld.compile("S + p*x", VOCABULARY)
    values, trials = one(given, None), one.per_trial(given, None)
    jax.jit(lambda states: jax.tree.map(lambda leaf: leaf + 1, states), donate_argnums=0)(given)
    read(values), read(trials)


def test_donated_values_leave_the_loss_and_other_values_alone():
    one, given = loss(), states()
    values, others = one(given, None), one(given, None)
    jax.jit(lambda values: jax.tree.map(lambda leaf: leaf + 1, values), donate_argnums=0)(values)
    read(others), read(one(given, None))
