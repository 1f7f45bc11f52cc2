"""One loss on the trials and the states of each of Feedbax's APIs: it is the same, and what is not there is told."""

import warnings

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from tests.feedbax import stand_ins
from tests.feedbax.stand_ins import APIS
from tests.feedbax.test_feedbax import PAGE, TOTAL

LATER = [name for name in APIS if name != "page"]
# Of the command that reaches the plant; it has a test of its own.
pytestmark = pytest.mark.filterwarnings("ignore:the loss reads")


@pytest.mark.parametrize("api", APIS)
def test_the_numbers_of_the_page_in_every_api(api):
    states, trials = APIS[api]()
    values = ld.simple_reach_loss()(states, trials)
    for label, value in PAGE.items():
        np.testing.assert_allclose(values[label], value, rtol=1e-5)
    np.testing.assert_allclose(values.total, TOTAL, rtol=1e-6)


CLASSES = [
    ld.EffectorPositionLoss(),
    ld.EffectorPositionLoss(discount_func=lambda steps: jnp.arange(steps)),
    ld.EffectorVelocityLoss(),
    ld.EffectorFinalVelocityLoss(),
    ld.EffectorStraightPathLoss(normalize_by="goal"),
    ld.StopAtGoalLoss(),
    ld.NetworkOutputLoss(),
    ld.NetworkActivityLoss(),
]


@pytest.mark.parametrize("loss", CLASSES, ids=lambda loss: type(loss).__name__)
@pytest.mark.parametrize("api", LATER)
def test_every_class_gives_what_it_gives_on_the_page(api, loss):
    expected = loss(*stand_ins.page()).total
    assert float(loss(*APIS[api]()).total) == float(expected) != 0
    # Under `jit` the trials are traced, and the mapping is built again.
    assert float(eqx.filter_jit(lambda given: loss(*given).total)(APIS[api]())) == pytest.approx(float(expected))


def test_a_delay_is_a_delay_in_every_api():
    loss = ld.delayed_reach_loss()
    assert float(loss(*stand_ins.delayed()).total) == float(loss(*stand_ins.page()).total)
    with pytest.raises(ld.LossDataError, match=r"^`trial_specs.inputs.hold` is not there"):
        loss(*stand_ins.mapping())


def test_the_first_that_is_there_is_read_however_often_it_is_called():
    """The loss keeps how it has found the arrays, and must not go on so where others are there."""
    states, trials = stand_ins.page()
    later = stand_ins.mapping()[1]
    loss, position = ld.compile("position"), float(ld.compile("position")(states, trials).total)
    plain = {"target": {"pos": trials.target.pos}, "targets": {"pos": trials.target.pos + 1}}
    for _ in range(3):
        assert float(loss(states, trials).total) == position
        assert float(loss(states, later).total) == position
        assert float(loss(states, {"targets": plain["targets"]}).total) != position
        assert float(loss(states, plain).total) == position
        assert float(loss(states, {"target": None, **later.__dict__}).total) == position


def test_an_ensemble_of_models_and_its_gradients():
    states, trials = stand_ins.masked()
    many = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), states)
    loss = ld.simple_reach_loss()
    totals = jax.vmap(lambda states: loss(states, trials).total)(many)
    assert totals.shape == (2,) and float(totals[0]) == pytest.approx(TOTAL)
    gradients = jax.grad(lambda states: loss(states, trials).total)(states)
    page = jax.grad(lambda states: loss(states, stand_ins.page()[1]).total)(states)
    for found, expected in zip(jax.tree.leaves(gradients), jax.tree.leaves(page), strict=True):
        np.testing.assert_array_equal(found, expected)


# The output of the network, and what of it reaches the plant.


def test_a_name_for_each_output_and_a_warning():
    """Once for a loss, as long as the data are built alike."""
    states, trials = stand_ins.mapping()
    loss = ld.compile("nn_output")
    with pytest.warns(UserWarning) as caught:
        loss(states, trials)
    assert [str(one.message) for one in caught] == [
        "the loss reads `states.net.output`, but the data have `states.efferent.output` too, which is what reaches the "
        "plant, delayed and with noise\n"
        "Feedbax's own `nn_output` is that of `states.efferent.output` since April 2024: "
        'write `nn_command` for it, or leave it so with `warnings.filterwarnings("ignore", "the loss reads")`'
    ]
    with pytest.warns(UserWarning, match="the loss reads"):
        eqx.filter_jit(lambda given: loss(*given).total)((states, trials))
    expected = jnp.mean(jnp.sum(states.efferent.output**2, axis=(1, 2)))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        command = ld.compile("nn_command")(states, trials).total
        # Without delay and noise they are one.
        loss(eqx.tree_at(lambda s: s.efferent.output, states, states.net.output), trials)
        loss(*stand_ins.page())
    np.testing.assert_allclose(command, expected, rtol=1e-6)
    assert float(command) != float(loss(states, trials).total)


# Specs of targets.


@pytest.mark.parametrize("api", ["mapping", "masked"])
def test_a_spec_of_the_task_is_the_discounted_position(api):
    states, trials = APIS[api]()
    for where in (stand_ins.POS, "mechanics.effector.pos"):
        loss = ld.TargetStateLoss("effector_position", where)
        np.testing.assert_allclose(loss(states, trials).total, PAGE["effector_position"], rtol=1e-5)


def test_specs_of_both_kinds_in_one_trial():
    """One with a mask, one without, by label in a mapping or behind the path."""
    states, trials = stand_ins.labelled()
    vel, mask = states.mechanics.effector.vel[:, 1:], stand_ins.hold(stand_ins.parts()[2])[..., 0]
    goal = stand_ins.parts()[2].pos
    squares = jnp.sum((vel - goal) ** 2, axis=-1)
    final = ld.target_final_state
    specs = {"held": stand_ins.MaskedSpec(goal, time_mask=mask), "reached": stand_ins.Spec(goal)}
    by_path = stand_ins.WhereDict({f"mechanics.effector.vel#{label}": spec for label, spec in specs.items()})
    for targets in (stand_ins.WhereDict({stand_ins.VEL: specs}), by_path):
        given = eqx.tree_at(lambda t: t.targets, trials, targets)
        for label, spec, expected in [
            ("held", None, squares * mask),
            ("reached", None, squares),
            ("reached", final, squares[:, -1:]),
            ("other", ld.target_zero, jnp.sum(vel**2, axis=-1)),
        ]:
            found = ld.TargetStateLoss(label, stand_ins.VEL, spec=spec)(states, given).total
            np.testing.assert_allclose(found, jnp.mean(jnp.sum(expected, axis=1)), rtol=1e-5)
        with pytest.raises(ld.LossValueError, match="`other` has no target"):
            ld.TargetStateLoss("other", stand_ins.VEL)(states, given)


def test_a_spec_with_nothing_of_a_spec_is_no_target():
    states, trials = stand_ins.masked()
    for targets in (stand_ins.WhereDict({stand_ins.POS: 3}), stand_ins.parts()[2], None):
        given = eqx.tree_at(lambda t: t.targets, trials, targets, is_leaf=lambda leaf: leaf is None)
        with pytest.raises(ld.LossValueError, match="`reach` has no target"):
            ld.TargetStateLoss("reach", stand_ins.POS)(states, given)


@pytest.mark.parametrize(
    ("trials", "expected"),
    [
        (
            lambda given: eqx.tree_at(lambda t: t.targets, given, stand_ins.WhereDict()),
            '`trial_specs.targets["mechanics.effector.pos"].value` is not there: `trial_specs.targets` has no '
            "`mechanics.effector.pos`; nor is `trial_specs.target.pos`, `trial_specs.targets.pos`, "
            "in the term `position`\n"
            'the nearest there are: `trial_specs.inits["mechanics.effector"].vel`, '
            '`trial_specs.inits["mechanics.effector"].pos`, `trial_specs.inputs.effector_target.pos`',
        ),
        (
            lambda given: eqx.tree_at(
                lambda t: t.targets,
                given,
                stand_ins.WhereDict({stand_ins.POS: {"Effector position": given.targets[stand_ins.POS]}}),
            ),
            '`trial_specs.targets["mechanics.effector.pos"].value` is not there: '
            '`trial_specs.targets["mechanics.effector.pos"]` has no `value`; nor is `trial_specs.target.pos`, '
            "`trial_specs.targets.pos`, in the term `position`\n"
            'the nearest there are: `trial_specs.inits["mechanics.effector"].vel`, '
            '`trial_specs.targets["mechanics.effector.pos"]["Effector position"].value`, '
            '`trial_specs.inits["mechanics.effector"].pos`',
        ),
        (
            lambda given: {},
            "`trial_specs.target.pos` is not there: `trial_specs` has no `target`; nor is "
            '`trial_specs.targets["mechanics.effector.pos"].value`, `trial_specs.targets.pos`, in the term `position`\n'
            "there are no arrays in `trial_specs`",
        ),
    ],
)
def test_what_is_in_none_of_the_places_is_told_with_all_of_them(trials, expected):
    states, given = stand_ins.masked()
    with pytest.raises(ld.LossDataError) as caught:
        ld.compile("position")(states, trials(given))
    assert str(caught.value) == expected
