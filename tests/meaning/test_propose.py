"""Rows that are proposed for data: names, paths, and axes from equal lengths."""

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld


def shaped(tree):
    return {k: shaped(v) if isinstance(v, dict) else np.zeros(v) for k, v in tree.items()}


def rows(states, trials=None):
    found = ld.Vocabulary.from_data(shaped(states), trials and shaped(trials))
    return {name: (row.path, row.shape) for name, row in found.quantities.items()}


@pytest.mark.parametrize(
    ("states", "trials", "axes"),
    [
        ({"pos": (64, 101, 2), "h": (64, 101, 50)}, {"goal": (64, 100, 2)}, ["xy", "h", "xy"]),
        ({"pos": (4, 4, 4)}, {"goal": (4, 4, 4)}, ["pos", "pos"]),
        ({"tip": (64, 101, 3), "pressure": (64, 101, 1)}, None, ["xyz", "1"]),
        ({"cov": (64, 101, 6, 6), "batch": (64, 101, 7)}, None, ["cov cov", "axis7"]),
    ],
)
def test_axes_behind_batch_and_time(states, trials, axes):
    assert [row[1] for row in rows(states, trials).values()] == [f"batch time {rest}" for rest in axes]


@pytest.mark.parametrize(
    ("states", "axes"),
    [
        ({"x": (5, 30)}, ["batch time"]),
        ({"x": (5, 30), "y": (5, 30)}, ["batch time", "batch time"]),
        ({"x": (5, 30, 2), "gain": (5,), "t": (30,), "n": ()}, ["batch time xy", "batch", "time", ""]),
        ({"x": (5, 30, 2), "mode": (5, 4), "m": (5, 4)}, ["batch time xy", "batch mode", "batch mode"]),
        ({"mu": (5, 8), "sigma": (5, 8), "y": (5, 3)}, ["batch time", "batch time", "batch xyz"]),
        ({"mu": (5, 8), "y": (5, 3)}, ["batch mu", "batch xyz"]),
        ({"x": (1, 30, 1)}, ["batch time 1"]),
    ],
)
def test_axes_of_other_data(states, axes):
    assert [row[1] for row in rows(states).values()] == axes


def test_names_are_as_short_as_they_can_be():
    found = rows({"arm": {"pos": (3, 9), "vel": (3, 9)}, "eye": {"pos": (3, 9)}, "step": (3, 9)}, {"vel": (3, 9)})
    assert {name: path for name, (path, _) in found.items()} == {
        "arm.pos": "states.arm.pos",
        "arm.vel": "states.arm.vel",
        "eye.pos": "states.eye.pos",
        "states.step": "states.step",
        "trial_specs.vel": "trial_specs.vel",
    }


class State(NamedTuple):
    layers: list
    note: str


def test_what_is_no_array_of_numbers_or_has_no_path_is_left_out():
    layers = [jnp.zeros((3, 9)), np.zeros((3, 9), dtype=bool), jnp.zeros((3, 9), jnp.bfloat16)]
    found = ld.Vocabulary.from_data(State(layers, "x"), {'a"b': np.zeros((3, 9)), "t": np.array(["a"]), "f": 2.0})
    assert {n: row.path for n, row in found.quantities.items()} == {
        f"layers_{i}": f"states.layers.{i}" for i in range(3)
    }
    assert ld.Vocabulary.from_data({}).quantities == {}


def test_a_key_that_is_no_name_stands_in_brackets():
    states = {"joints": {"left elbow": np.zeros((3, 9)), "2nd": np.zeros((3, 9)), "arm.pos": np.zeros((3, 9, 2))}}
    found = ld.Vocabulary.from_data(states)
    assert {n: row.path for n, row in found.quantities.items()} == {
        "left_elbow": 'states.joints["left elbow"]',
        "joints_2nd": 'states.joints["2nd"]',
        "arm_pos": 'states.joints["arm.pos"]',
    }
    assert ld.compile("sqnorm(arm_pos)", found)(states).total == 0


def test_they_are_quantities_of_a_loss():
    example = ld.example()
    names = ld.Vocabulary.from_data(*example)
    text = "sqnorm(effector.pos[1:] - target.pos) + 1e-5*sqnorm(hidden)"
    total = ld.compile("position + 1e-5*nn_hidden")(*example).total
    assert ld.compile(text, names)(*example).total == total
    assert all("guessed" in row.doc for row in names.quantities.values())
    assert ld.Vocabulary.from_data({}, None, {"w": np.ones(3)}).quantities["model"].shape == "pytree"


@pytest.mark.parametrize("given", [{"x": "batch time"}, {"x": ("states.x", "batch time")}])
def test_axes_alone_are_those_of_the_states(given):
    assert ld.compile("x", "none", quantities=given)({"x": np.ones((2, 3))}).total == 3


def test_axes_alone_of_a_path():
    assert ld.Vocabulary({"arm.x": "batch time joint"}).quantities["arm.x"].path == "states.arm.x"
    with pytest.raises(ld.LossNameError) as caught:
        ld.Vocabulary({"x": "trial_specs.x"})
    assert caught.value.message == "`x` of the vocabulary is a path without axes"
    assert caught.value.hint == 'give its axes too, as in `("trial_specs.x", "batch time")`'


def test_unknown_names_list_those_in_use():
    names = {"x": "batch time", "torque": "batch time joint"}
    with pytest.raises(ld.LossNameError) as caught:
        ld.compile("velocity", "none", quantities=names)
    assert caught.value.hint.startswith("the names are `x`, `torque`, `step`; an array of your own: ")
    with pytest.raises(ld.LossNameError) as caught:
        ld.compile("x" * 5000)
    assert len(str(caught.value)) < 1000
