"""Feedbax's own numbers, on the states and trials of its documentation page."""

import json
from pathlib import Path

import jax
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.backends import load_npz

PAGE = "1.0*effector_position + 1.0*effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden"
GOLDEN = json.loads((Path(__file__).parents[1] / "golden" / "reach.json").read_text())


@pytest.fixture(scope="module")
def reach():
    return load_npz(Path("examples/reach.npz"))


@pytest.mark.parametrize("text", [PAGE, Path("examples/reach.loss").read_text()])
def test_the_page(reach, text):
    values = ld.compile(text)(reach.states, reach.trial_specs)
    assert list(values) == ["effector_position", "effector_final_velocity", "nn_output", "nn_hidden"]
    for label, value in values.items():
        assert value.dtype == np.float32
        np.testing.assert_allclose(value, GOLDEN["weighted"][label], rtol=1e-6)
    np.testing.assert_allclose(values.total, GOLDEN["weighted"]["total"], rtol=1e-6)


def test_each_trial_of_the_page(reach):
    values = ld.compile(f"{PAGE} + effector_straight_path").per_trial(reach.states, reach.trial_specs)
    expected = {**GOLDEN["per_trial_unweighted"], "effector_straight_path": GOLDEN["per_trial_straight_path"]}
    assert set(values.raw) == set(expected)
    for label, value in values.raw.items():
        assert value.shape == (7,)
        np.testing.assert_allclose(value, expected[label], rtol=1e-6)
    np.testing.assert_allclose(values["nn_output"], 1e-5 * values.raw["nn_output"], rtol=1e-6)
    total = GOLDEN["weighted"]["total"] + np.mean(GOLDEN["per_trial_straight_path"])
    np.testing.assert_allclose(np.mean(values.total), total, rtol=1e-6)


def test_the_mission_keeps_its_keys_in_order_out_of_jit_too(reach):
    loss = ld.compile("1.0*position + 1e-5*nn_hidden + final(velocity)")
    labels = ["position", "nn_hidden", "final(velocity)"]
    direct = loss(reach.states, reach.trial_specs)
    assert isinstance(direct, ld.LossDict)
    assert list(direct) == labels
    jitted = jax.jit(loss)(reach.states, reach.trial_specs)
    assert list(jitted) == labels
    assert list(jitted.raw) == list(jitted.weights) == labels
    for label in labels:
        np.testing.assert_allclose(jitted[label], direct[label], rtol=1e-6)


def test_the_default_vocabulary_by_hand(reach):
    effector, target = reach.states["mechanics"]["effector"], reach.trial_specs["target"]
    hold = np.linspace(0, 1, 7 * 99).reshape(7, 99, 1).astype(np.float32)
    trial_specs = {**reach.trial_specs, "inputs": {"hold": hold}}
    position = np.sum((effector["pos"][:, 1:].astype(float) - target["pos"]) ** 2, -1)
    velocity = np.sum((effector["vel"][:, 1:].astype(float) - target["vel"]) ** 2, -1)
    expected = {
        "position": np.mean(np.sum(position, 1)),
        "velocity": np.mean(np.sum(velocity, 1)),
        "effector_fixation": np.mean(np.sum(position * hold[..., 0], 1)),
        "effector_position": np.mean(np.sum(position * (np.arange(1, 100) / 99) ** 6, 1)),
        "effector_final_velocity": np.mean(velocity[:, -1]),
    }
    values = ld.compile(" + ".join(expected))(reach.states, trial_specs)
    for label, value in expected.items():
        np.testing.assert_allclose(values[label], value, rtol=1e-6)
