"""Losses of both kinds together: refused where they meet, and what to write instead."""

import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from tests.feedbax import stand_ins
from tests.feedbax.their_losses import DESIGNS, installed

ours, term = ld.compile("position"), ld.EffectorPositionLoss()


@pytest.mark.parametrize("name", DESIGNS)
@pytest.mark.parametrize(
    "mix",
    [
        lambda theirs: ours + theirs,
        lambda theirs: ours - theirs,
        lambda theirs: term + theirs,
        lambda theirs: ours | theirs,
        lambda theirs: ld.CompositeLoss([ours, theirs]),
        lambda theirs: ld.CompositeLoss({"ours": ours, "theirs": theirs}),
        lambda theirs: ld.compile(theirs),
        lambda theirs: ld.compile({"ours": "position", "theirs": theirs}),
        lambda theirs: ld.compile({"ours": ours, "theirs": theirs}),
    ],
)
def test_it_is_refused_where_they_meet(name, mix):
    feedbax = DESIGNS[name]
    single = feedbax.ModelLoss("NN decay", jnp.sum)
    for theirs, kind in [(single, "ModelLoss"), (feedbax.CompositeLoss({"decay": single}), "CompositeLoss")]:
        with pytest.raises(ld.LossValueError) as caught:
            mix(theirs)
        assert str(caught.value) == (
            f"a {kind} is not a loss of lossdsl, and cannot be part of one\n"
            "make it one, `ld.from_feedbax(...)`, or make ours one of Feedbax, `.to_feedbax()`"
        )


@pytest.mark.parametrize("name", DESIGNS)
def test_what_the_message_says_to_write(name):
    states, trials = stand_ins.page()

    with installed(name) as feedbax:

        class Output(feedbax.AbstractLoss):
            label: str = "NN output"

            def term(self, states, trial_specs, model=None):
                return jnp.sum(states.net.output**2, axis=(1, 2))

        expected = ld.compile("effector_position + nn_output")(states, trials).total
        np.testing.assert_allclose((term + ld.from_feedbax(Output()))(states, trials).total, expected, rtol=1e-6)
        both = feedbax.CompositeLoss({"theirs": Output(), **term.to_feedbax().terms})
        np.testing.assert_allclose(both(states, trials).total, expected, rtol=1e-6)


def test_what_is_no_loss_is_refused_as_ever():
    with pytest.raises(TypeError, match="unsupported operand"):
        ours + "velocity"
    with pytest.raises(ld.LossValueError, match="give an instance"):
        ld.CompositeLoss([ld.EffectorPositionLoss])
