"""Every code block and printed result of Feedbax's page about losses, and the losses of its module."""

import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.backends import load_npz

# Quoted from the page.
PAGE = {
    "effector_final_velocity": 0.13916363,
    "effector_position": 14.086376,
    "nn_hidden": 0.00060537,
    "nn_output": 5.836518e-06,
}
TOTAL = 14.226151


@pytest.fixture(scope="module")
def reach():
    return load_npz(Path("examples/reach.npz"))


def algebra():
    return (
        1.0 * ld.EffectorPositionLoss()
        + 1.0 * ld.EffectorFinalVelocityLoss()
        + 1e-5 * ld.NetworkOutputLoss()
        + 1e-5 * ld.NetworkActivityLoss()
    )


def from_lists():
    return ld.CompositeLoss(
        [
            ld.EffectorPositionLoss(),
            ld.EffectorFinalVelocityLoss(),
            ld.NetworkOutputLoss(),
            ld.NetworkActivityLoss(),
        ],
        weights=[1.0, 1.0, 1e-5, 1e-5],
    )


def mixed():
    loss_func = ld.CompositeLoss(
        [ld.EffectorPositionLoss(), ld.EffectorFinalVelocityLoss(), ld.NetworkOutputLoss()],
        weights=[1.0, 1.0, 1e-5],
    )
    return loss_func + 1e-5 * ld.NetworkActivityLoss()


def from_dicts():
    # Another order than that of the terms: they are matched by key.
    weights = dict(nn_hidden=1e-5, nn_output=1e-5, effector_final_velocity=1.0, effector_position=1.0)  # noqa: C408
    return ld.CompositeLoss(
        dict(  # noqa: C408
            effector_position=ld.EffectorPositionLoss(),
            effector_final_velocity=ld.EffectorFinalVelocityLoss(),
            nn_output=ld.NetworkOutputLoss(),
            nn_hidden=ld.NetworkActivityLoss(),
        ),
        weights=weights,
    )


def from_sum():
    return sum([algebra().without("nn_hidden"), ld.NetworkActivityLoss() / 1e5])


def from_text():
    return ld.compile("effector_position + effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden")


WAYS = [algebra, from_lists, mixed, from_dicts, from_sum, ld.simple_reach_loss, from_text]


@pytest.mark.parametrize("make", WAYS)
def test_every_way_of_the_page_gives_its_numbers(reach, make):
    loss = make()
    assert type(loss) is ld.CompositeLoss
    assert str(loss) == "effector_position + effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden"
    assert loss.digest == from_text().digest
    values = loss(reach.states, reach.trial_specs)
    assert set(values) == set(PAGE)
    for label, value in PAGE.items():
        np.testing.assert_allclose(values[label], value, rtol=1e-5)  # the page prints five digits
    np.testing.assert_allclose(values.total, TOTAL, rtol=1e-6)


def test_the_loss_dict_of_the_page(reach):
    values = algebra()(reach.states, reach.trial_specs)
    with pytest.raises(TypeError):
        values["nn_output"] = 0
    history = jax.tree.map(lambda leaf: jnp.zeros(500), values)
    assert eqx.tree_pformat(history) == (
        "{\n  'effector_position': f32[500],\n  'effector_final_velocity': f32[500],\n"
        "  'nn_output': f32[500],\n  'nn_hidden': f32[500]\n}"
    )


class SomethingLoss(ld.AbstractLoss):
    label: str = "something"

    def term(self, states, trial_specs):
        loss = jnp.sum((states.some_variable - trial_specs.some_target) ** 2, axis=-1)
        loss = jnp.sum(loss, axis=-1)
        return loss


def test_a_new_term_as_on_the_page(reach):
    rng = np.random.default_rng(0)
    variable, target = rng.normal(size=(2, 7, 9, 3)).astype(np.float32)
    states = namedtuple("States", ["some_variable", *reach.states])(variable, **reach.states)
    trial_specs = namedtuple("Trials", ["some_target", *reach.trial_specs])(target, **reach.trial_specs)
    expected = np.mean(np.sum((variable.astype(float) - target) ** 2, (1, 2)))
    np.testing.assert_allclose(SomethingLoss()(states, trial_specs).total, expected, rtol=1e-6)
    position = float(ld.compile("position")(states, trial_specs).total)
    for loss in (
        ld.compile("position + 0.1*something", terms=[SomethingLoss()]),
        ld.compile("position") + 0.1 * SomethingLoss(),
        ld.CompositeLoss({"position": "position", "something": SomethingLoss()}, {"position": 1, "something": 0.1}),
    ):
        assert str(loss) == "position + 0.1*something"
        np.testing.assert_allclose(loss(states, trial_specs).total, position + 0.1 * expected, rtol=1e-6)


def test_a_term_without_a_label_or_with_a_bad_one_is_told():
    class NoLabel(ld.AbstractLoss):
        def term(self, states, trial_specs):
            return jnp.zeros(7)

    with pytest.raises(TypeError, match=r"NoLabel.*label"):
        NoLabel()
    with pytest.raises(ld.LossSyntaxError, match="`Effector position` is not a name that a term can have"):
        2 * SomethingLoss(label="Effector position")


# The constructor.


def test_groups_flatten_with_their_label_as_prefix():
    inner = ld.CompositeLoss(["position", "final(velocity)"], [1.0, 0.5], label="reach")
    assert ld.CompositeLoss([inner, "nn_output"], [2.0, 1e-5]).labels == (
        "reach_position",
        "reach_final_velocity",
        "nn_output",
    )
    outer = ld.CompositeLoss({"a": inner, "b": inner, "c": 3 * ld.NetworkOutputLoss()}, {"a": 2, "b": 10, "c": 1})
    assert {label: float(weight) for label, weight in outer.weights.items()} == {
        "a_position": 2.0,
        "a_final_velocity": 1.0,
        "b_position": 10.0,
        "b_final_velocity": 5.0,
        "c": 3.0,
    }
    assert ld.compile(str(outer)).digest == outer.digest


@pytest.mark.parametrize(
    ("make", "expected"),
    [
        (
            lambda: ld.CompositeLoss({"a": "position", "b": "velocity"}, {"a": 1}),
            "there is no weight for the term `b`\ngive one for every term, or leave `weights` out",
        ),
        (
            lambda: ld.CompositeLoss({"a": "position", "goal": "velocity"}, {"a": 1, "gaol": 1}),
            "the loss has no term `gaol`\ndid you mean `goal`?",
        ),
        (
            lambda: ld.CompositeLoss(["position", "velocity"], [1.0]),
            "there are 1 weights for 2 terms\ngive them by label, in a mapping",
        ),
        (
            lambda: ld.CompositeLoss({"a": "position"}, [1.0]),
            "`weights` cannot be a list\ngive them by label, as in `{'a': 1.0}`",
        ),
        (
            lambda: ld.CompositeLoss([ld.EffectorPositionLoss]),
            "`terms` cannot be the class EffectorPositionLoss\ngive an instance: `EffectorPositionLoss()`",
        ),
        (lambda: ld.CompositeLoss([]), "no term would be left\na loss has at least one term"),
        (
            lambda: ld.CompositeLoss({"a b": "position"}),
            "`a b` is not a name that a term can have\n"
            "a name is made of letters, digits and `_`, with dots between: `final_velocity`",
        ),
        (
            lambda: ld.EffectorPositionLoss() + ld.EffectorPositionLoss(discount_exp=2),
            "two terms are labelled `effector_position`: `effector_position` and `discount(position, exponent=2)`\n"
            "    discount(position, exponent=2)\n    ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^\n"
            "name one of them: `... as effector_position_2`",
        ),
        (
            lambda: ld.EffectorStraightPathLoss(normalize_by="gaol").composite,
            "`normalize_by` cannot be `gaol`\nwrite `actual` or `goal`",
        ),
    ],
)
def test_bad_groups(make, expected):
    with pytest.raises(ld.LossError) as caught:
        make()
    assert str(caught.value) == expected


def test_weights_may_be_scalars_of_any_kind_traced_too(reach):
    for scale in (2, 2.0, np.float32(2), np.array(2.0), jnp.float32(2), jnp.array(2)):
        assert str(scale * ld.NetworkOutputLoss()) == str(ld.NetworkOutputLoss() * scale) == "2*nn_output"
    doubled = jax.jit(lambda scale: ((scale * algebra()) - ld.NetworkOutputLoss() / scale)(*reach).total)(2.0)
    np.testing.assert_allclose(doubled, 2 * TOTAL - 0.58365 / 2, rtol=1e-5)
    grouped = jax.jit(lambda w: ld.CompositeLoss([ld.EffectorPositionLoss()], [w])(*reach).total)(2.0)
    np.testing.assert_allclose(grouped, 2 * PAGE["effector_position"], rtol=1e-6)


# The other terms, against NumPy.


def per_trial(loss, states, trial_specs, model=None):
    (value,) = loss.composite.per_trial(states, trial_specs, model).raw.values()
    np.testing.assert_allclose(value, loss.term(states, trial_specs, model), rtol=5e-7)  # compiled, and step by step
    return np.asarray(value, float)


@pytest.fixture
def arrays(reach):
    pos, vel = (reach.states["mechanics"]["effector"][k].astype(float) for k in ("pos", "vel"))
    return pos, vel, reach.trial_specs["target"]["pos"].astype(float)


def test_terms_by_hand(reach, arrays):
    pos, vel, target = arrays
    error, length = np.sum((pos[:, 1:] - target) ** 2, -1), np.linalg.norm(np.diff(pos, axis=1), axis=-1).sum(1)
    expected = [
        (ld.EffectorVelocityLoss(), np.sum(vel[:, 1:] ** 2, (1, 2))),
        (ld.EffectorPositionLoss(discount_exp=0), error.sum(1)),
        (ld.EffectorPositionLoss(discount_func=lambda n: jnp.arange(n)), (error * np.arange(99)).sum(1)),
        (
            ld.EffectorPositionLoss(discount_func=lambda n: ld.power_discount(n, 6)[None]),
            (error * (np.arange(1, 100) / 99) ** 6).sum(1),
        ),
        (ld.EffectorStraightPathLoss(), length / np.linalg.norm(pos[:, -1] - pos[:, 0], axis=-1)),
        (ld.EffectorStraightPathLoss(normalize_by="goal"), length / np.linalg.norm(target[:, -1] - pos[:, 0], axis=-1)),
    ]
    for loss, value in expected:
        np.testing.assert_allclose(per_trial(loss, *reach), value, rtol=1e-5)


@pytest.mark.parametrize("method", ["softmin", "soft-or"])
def test_stop_at_goal(reach, arrays, method):
    pos, vel, target = arrays
    loss = ld.StopAtGoalLoss(method=method, window_len=5, tau=2000.0, std_dist=0.1, std_vel=0.5)
    cost = np.sum((pos[:, 1:] - target) ** 2, -1) / 0.1**2 + np.sum(vel[:, 1:] ** 2, -1) / 0.5**2
    windows = np.stack([cost[:, i : i + 5].mean(1) for i in range(95)], 1)
    if method == "softmin":
        expected = -2000 * np.log(np.exp(-windows / 2000).sum(1))
    else:
        expected = -np.log(1 - np.prod(1 - 1 / (1 + np.exp(windows / 2000)), 1) + 1e-6)
    np.testing.assert_allclose(per_trial(loss, *reach), expected, rtol=2e-4, atol=2e-6)
    with pytest.raises(ld.LossValueError, match="`window_len` cannot be 100"):
        ld.StopAtGoalLoss(window_len=100)(*reach)
    with pytest.raises(ld.LossValueError, match="`method` cannot be `hard`"):
        ld.StopAtGoalLoss(method="hard")(*reach)


@pytest.mark.parametrize(
    "loss",
    [ld.EffectorStraightPathLoss(), ld.EffectorPositionLoss(), ld.EffectorFinalVelocityLoss(), ld.StopAtGoalLoss()],
    ids=lambda loss: loss.label,
)
def test_gradients_are_finite_at_the_target_and_where_points_repeat(reach, loss):
    target = reach.trial_specs["target"]["pos"]
    pos = np.concatenate([target[:, :1] - 1, target], 1)  # there at once, and then at rest on it
    states = {"mechanics": {"effector": {"pos": jnp.asarray(pos), "vel": jnp.zeros_like(pos)}}}
    gradient = jax.grad(lambda states: loss(states, reach.trial_specs).total)(states)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(gradient))


def test_model_loss(reach):
    loss = 0.5 * ld.ModelLoss("decay", lambda model: jnp.sum(model["w"] ** 2)) + ld.EffectorPositionLoss()
    assert float(loss(reach.states, reach.trial_specs, {"w": jnp.ones(4)})["decay"]) == 2.0
    with pytest.raises(ld.LossDataError, match="`decay` is not there: `model` is None"):
        loss(reach.states, reach.trial_specs)


def test_func_terms_share_their_context(reach):
    built = []

    def speed(states, trial_specs, model):
        built.append(1)
        return jnp.linalg.norm(states["mechanics"]["effector"]["vel"], axis=-1)

    loss = ld.FuncTermsLoss(
        "speed", speed, {"peak": lambda s: s.max(1), "mean": lambda s: s.mean(1)}, {"peak": 2, "mean": 1}
    )
    values = (1.0 * loss)(*reach)
    assert str(1.0 * loss) == "2*speed_peak + speed_mean"
    assert len(built) == 1
    expected = np.linalg.norm(reach.states["mechanics"]["effector"]["vel"].astype(float), axis=-1)
    np.testing.assert_allclose(values.raw["speed_peak"], expected.max(1).mean(), rtol=1e-5)
    np.testing.assert_allclose(values["speed_mean"], expected.mean(), rtol=1e-5)
    with pytest.raises(ld.LossNameError, match="no term `peek`"):
        1.0 * ld.FuncTermsLoss("speed", speed, {"peak": jnp.max}, {"peek": 1})


def test_terms_made_of_other_functions_are_other_terms():
    first, second = (ld.ModelLoss("m", function) for function in (lambda m: m["a"], lambda m: m["b"]))
    assert (1 * first).digest != (1 * second).digest
    with pytest.raises(ld.LossNameError, match="two terms are labelled `m`"):
        first + second


def test_the_other_losses():
    assert str(ld.delayed_reach_loss()) == (
        "effector_fixation + effector_position + effector_final_velocity + 1e-4*nn_output + 1e-5*nn_hidden"
    )
    assert ld.hold_loss().labels == ("effector_position", "effector_velocity", "nn_output", "nn_hidden")
    with pytest.raises(ld.LossNameError, match="no weight for the term `nn_output`"):
        ld.simple_reach_loss({"effector_position": 1, "effector_final_velocity": 1, "nn_hidden": 1})


# Targets.

POS = "mechanics.effector.pos"


def target_state(spec, **more):
    return ld.TargetStateLoss("reach", POS, spec=spec, **more)


def test_target_state(reach, arrays):
    pos, _, target = arrays
    state, ramp = pos[:, 1:], np.linspace(0, 1, 99)
    squares = np.sum(state**2, -1)
    spec = ld.TargetSpec
    expected = [
        (target_state(ld.target_zero), squares.sum(1)),
        (target_state(ld.target_zero & ld.target_final_state), squares[:, -1]),
        (target_state(spec(np.array([1.0, 2.0]))), np.sum((state - [1, 2]) ** 2, (1, 2))),
        (target_state(spec(state[0])), np.sum((state - state[0]) ** 2, (1, 2))),
        (target_state(spec(0.0, time_mask=ramp)), (squares * ramp).sum(1)),
        (target_state(spec(0.0, time_mask=ramp, discount=ramp)), (squares * ramp**2).sum(1)),
        (target_state(spec(0.0, time_idxs=np.array([0, 5]), discount=2.0)), 2 * (squares[:, 0] + squares[:, 5])),
        (target_state(spec(lambda trial: trial["target"]["pos"])), np.sum((state - target) ** 2, (1, 2))),
        (target_state(spec(0.0, time_idxs=lambda trial: jnp.where(trial["target"]["pos"][0, 0] > 0, 3, 4)[None]),),
         np.where(target[:, 0, 0] > 0, squares[:, 3], squares[:, 4])),
        (target_state(ld.target_zero, norm=lambda x: jnp.sum(jnp.abs(x), -1)), np.abs(state).sum((1, 2))),
        (ld.TargetStateLoss("reach", lambda s: s["mechanics"]["effector"]["pos"], spec=ld.target_zero), squares.sum(1)),
    ]  # fmt: skip
    for loss, value in expected:
        np.testing.assert_allclose(per_trial(loss, *reach), value, rtol=1e-5)


def test_targets_of_the_trials_go_before_the_own(reach, arrays):
    pos, _, target = arrays
    state, mask = pos[:, 1:], np.arange(7 * 99).reshape(7, 99) % 3
    where = lambda states: states["mechanics"]["effector"]["pos"]  # noqa: E731
    for value, goal in ((target, target), (target[:, 0], target[:, :1])):
        for given, weights in ((ld.TargetSpec(value), 1), (ld.TargetSpec(value, time_mask=mask), mask)):
            for targets in ({POS: given}, {POS: {"reach": given}}):
                trial_specs = {**reach.trial_specs, "targets": targets}
                expected = np.sum(np.sum((state - goal) ** 2, -1) * weights, 1)
                for loss in (target_state(None), target_state(ld.target_zero), ld.TargetStateLoss("reach", where)):
                    np.testing.assert_allclose(per_trial(loss, reach.states, trial_specs), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (None, 'the term `reach` has no target\ngive `spec=TargetSpec(value)`, or `trial_specs.targets["mechanics'),
        (ld.target_final_state, "the term `reach` has no target"),
        (
            ld.TargetSpec(np.zeros(99)),
            "`value` cannot be an array of shape (99,)\nin the term `reach` it has the shape",
        ),
        (ld.TargetSpec(0.0, time_mask=np.ones(98)), "`time_mask` cannot be an array of shape (98,)"),
    ],
)
def test_bad_targets(reach, spec, expected):
    with pytest.raises(ld.LossValueError) as caught:
        target_state(spec)(*reach)
    assert str(caught.value).startswith(expected)


def test_steps_outside_the_trial_are_never_left_out_silently(reach):
    """Under `jit` nothing can be raised, so the value is NaN."""
    loss = target_state(ld.TargetSpec(0.0, time_idxs=np.array([3, 99])))
    assert np.isnan(loss(*reach).total)
    with pytest.raises(ld.LossValueError, match=r"`time_idxs` cannot be \[3, 99\]\nthere are 99 steps after"):
        loss.term(*reach)


# Feedbax itself.

SCRIPT = """
import jax
jax.tree_map = jax.tree.map  # Feedbax 0.1.2 calls it, JAX has removed it
import json, sys
import equinox as eqx, jax.numpy as jnp, numpy as np
import feedbax.loss as fbx
import lossdsl as ld
from lossdsl.backends import load_npz
from collections import namedtuple

def space(tree):
    if not isinstance(tree, dict):
        return jnp.asarray(tree)
    return namedtuple("Space", tree)(**{k: space(v) for k, v in tree.items()})

reach = load_npz(sys.argv[1])
states, trials = space(reach.states), space(reach.trial_specs)
parameters = {"alpha": 0.5}
page = "effector_position + effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden"
ours = ld.compile(page + " + alpha*sqnorm(effector.vel) as v", parameters=parameters)
theirs = ours.to_feedbax()
assert isinstance(theirs, fbx.CompositeLoss) and all(isinstance(t, fbx.AbstractLoss) for t in theirs.terms.values())
assert list(theirs.terms) == list(ours.labels) == list(theirs.weights)
for label, term in theirs.terms.items():
    assert term.term(states, trials).shape == (7,), label
values, expected = theirs(states, trials), ours(states, trials)
assert isinstance(values, fbx.LossDict)
for label in ours.labels:
    np.testing.assert_allclose(values[label], expected[label], rtol=1e-6)

back = ld.from_feedbax(theirs)
assert back.labels == ours.labels
np.testing.assert_allclose(back(states, trials).total, expected.total, rtol=1e-6)

page = 1.0*fbx.EffectorPositionLoss() + 1.0*fbx.EffectorFinalVelocityLoss()
page = page + 1e-5*fbx.NetworkOutputLoss() + 1e-5*fbx.NetworkActivityLoss()
taken = ld.from_feedbax(page)
assert taken.labels == ("effector_position", "effector_final_velocity", "nn_output", "nn_hidden_activity"), taken.labels
np.testing.assert_allclose(taken(states, trials).total, page(states, trials).total, rtol=1e-6)
single = 2 * ld.from_feedbax(fbx.NetworkOutputLoss())
assert single.labels == ("nn_output",)

try:
    ld.compile("step*position").to_feedbax()
except ld.LossValueError as failure:
    assert "Feedbax does not give" in str(failure)
print("ok")
"""


def test_inside_feedbax(tmp_path):
    """With the released package, which writes a log file where it is imported; `jax.tree_map` is a stand-in."""
    install = [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", str(tmp_path / "packages")]
    subprocess.run([*install, "feedbax==0.1.2", "tqdm", "jaxtyping", "wadler-lindig"], check=True, capture_output=True)
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "packages")}
    data = str(Path("examples/reach.npz").resolve())
    command = [sys.executable, "-c", SCRIPT, data]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.stdout.strip().endswith("ok"), done.stderr


def test_without_feedbax():
    if "feedbax" in sys.modules:
        pytest.skip("Feedbax is here")
    with pytest.raises(ld.LossError) as caught:
        algebra().to_feedbax()
    assert str(caught.value) == "`to_feedbax` needs Feedbax, which is not installed\nrun `pip install feedbax`"


def test_what_is_no_loss_of_feedbax():
    with pytest.raises(ld.LossValueError, match="`loss` cannot be an int"):
        ld.from_feedbax(3)
    assert ld.from_feedbax(algebra()).digest == algebra().digest
