"""Our losses in Feedbax's own tasks, in each of the ways in which its versions keep weights."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from tests.feedbax import stand_ins
from tests.feedbax.their_losses import DESIGNS, installed

pytestmark = pytest.mark.filterwarnings("ignore:the loss reads")


@pytest.fixture(params=DESIGNS)
def feedbax(request):
    with installed(request.param) as module:
        yield module


def values_of(found):
    """The weighted values by label, of a mapping or a tree."""
    return dict(found) if isinstance(found, dict) else {name: found[name].total for name in found.names}


class Effort(ld.AbstractLoss):
    label: str = "effort"

    def term(self, states, trial_specs):
        return jnp.sum(states.net.output**2, axis=(1, 2))


LOSSES = [
    ld.simple_reach_loss(),
    ld.EffectorPositionLoss(),
    ld.compile("alpha*position + 0 * nn_hidden", parameters={"alpha": 0.5}),
    Effort(),
    2 * Effort() + ld.StopAtGoalLoss(),
    ld.FuncTermsLoss("net", lambda states, *_: states.net.hidden, {"peak": lambda h: h.max((1, 2))}, {"peak": 3.0}),
    ld.ModelLoss("decay", lambda model: jnp.sum(model["w"] ** 2)),
]


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: loss.composite.labels[0])
def test_every_loss_in_a_task_of_every_version(feedbax, loss):
    states, trials = stand_ins.masked()
    model = {"w": jnp.arange(3.0)}
    theirs = loss.to_feedbax()
    assert isinstance(theirs, feedbax.CompositeLoss)
    if isinstance(loss, ld.ModelLoss) and not hasattr(feedbax, "TermTree"):
        return  # its version gives no model
    expected = loss(states, trials, model)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", "the loss reads")
        found = feedbax.Task(theirs).evaluate(theirs, states, trials, model)
    np.testing.assert_allclose(found.total, expected.total, rtol=1e-6)
    for label, value in values_of(found).items():
        np.testing.assert_allclose(value, expected[label], rtol=1e-6)
    back = ld.from_feedbax(theirs)
    assert back.labels == loss.composite.labels
    assert float(back(states, trials, model).total) == float(expected.total)
    # A weight that is made of parameters is a number there.
    assert (back.digest == loss.composite.digest) is not bool(loss.composite.parameters)


def test_gradients_and_ensembles(feedbax):
    states, trials = stand_ins.masked()
    loss = ld.simple_reach_loss()
    theirs = loss.to_feedbax()
    for found, expected in zip(
        *(jax.tree.leaves(jax.grad(lambda s, f=f: f(s, trials, None).total)(states)) for f in (theirs, loss)),
        strict=True,
    ):
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), states)
    totals = eqx.filter_vmap(lambda states: theirs(states, trials, None).total)(many)
    np.testing.assert_allclose(totals[0], loss(states, trials).total, rtol=1e-6)


def test_weights_are_what_the_version_can_hold():
    for name, kind in [("dicts", jax.Array), ("nodes", jax.Array), ("aside", float)]:
        with installed(name):
            weights = ld.compile("position + 0.1*velocity").to_feedbax().weights
            assert list(map(type, weights.values())) == [float, float] or kind is jax.Array
            assert all(isinstance(weight, kind) for weight in weights.values())


def test_a_new_weight_retraces_only_where_it_must():
    states, trials = stand_ins.masked()
    loss = ld.compile("position + 0.1*velocity")
    for name, times in [("dicts", 1), ("aside", 3)]:
        with installed(name):
            traced = []

            @eqx.filter_jit
            def total(theirs, traced=traced):
                traced.append(1)
                return theirs(states, trials, None).total

            for weight in (1.0, 2.0, 3.0):
                total(loss.with_weights(velocity=weight).to_feedbax())
            assert len(traced) == times


def test_a_traced_weight_where_none_can_be():
    with installed("aside"), pytest.raises(ld.LossValueError) as caught:
        jax.jit(lambda weight: (weight * Effort()).to_feedbax().weights["effort"])(2.0)
    assert str(caught.value) == (
        "the weight of `effort` is traced, and this version of Feedbax keeps weights outside of what is traced\n"
        "call `to_feedbax()` outside of the function that is compiled"
    )


def test_where_the_fork_has_its_losses():
    with installed("aside", "feedbax.objectives.loss") as module:
        assert isinstance(Effort().to_feedbax(), module.CompositeLoss)
