"""Where arrays lie: every kind of container, and the short way through it against the long one."""

from collections import OrderedDict, UserDict, namedtuple
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.data import direct, take

VALUES = np.arange(6.0, dtype=np.float32).reshape(2, 3)


def fields(tree):
    return SimpleNamespace(**{key: fields(value) for key, value in tree.items()}) if isinstance(tree, dict) else tree


def tuples(tree):
    if not isinstance(tree, dict):
        return tree
    return namedtuple("Tuple", tree)(**{key: tuples(value) for key, value in tree.items()})


def user_dicts(tree):
    return UserDict({key: user_dicts(value) for key, value in tree.items()}) if isinstance(tree, dict) else tree


TREE = {"arm": {"torque": VALUES, "angle": 10 * VALUES}}
KINDS = {
    "dicts": TREE,
    "fields": fields(TREE),
    "tuples": tuples(TREE),
    "user dicts": user_dicts(TREE),
    "ordered": OrderedDict(TREE),
    "fields in a dict": {"arm": fields(TREE["arm"])},
    "a dict in fields": SimpleNamespace(arm=TREE["arm"]),
}


@pytest.mark.parametrize("kind", KINDS)
def test_kinds_of_container(kind):
    quantities = {"torque": ("states.arm.torque", "batch time"), "angle": ("states.arm.angle", "batch time")}
    loss = ld.compile("torque + angle", ld.Vocabulary(quantities))
    for other in (kind, *KINDS, kind):  # what it met before changes nothing
        assert loss(KINDS[other], None).total == pytest.approx(11 * VALUES.sum() / 2)


@pytest.mark.parametrize("part", ["values", "items", "count", "lambda", "0", "ﬁnal"])
def test_parts_that_only_take_can_follow(part):
    path = f"states.{part}.torque"
    assert direct([ld.Quantity(path, "batch time")], keys=False) is None
    tree = {"torque": VALUES}
    for states in (
        {part: tree},
        {part: fields(tree)},
        *([[tree]] if part == "0" else [SimpleNamespace(**{part: tree})]),
    ):
        loss = ld.compile("x", ld.Vocabulary({"x": (path, "batch time")}))
        assert loss(states, None).total == pytest.approx(VALUES.sum() / 2)
        assert take(states, path) is VALUES


def test_the_short_way_is_taken():
    quantities = [ld.Quantity("states.arm.torque", "batch time"), ld.Quantity("trial_specs.goal", "batch")]
    goal = jnp.ones(2)
    assert direct(quantities, keys=True)(TREE, {"goal": goal}, None) == (VALUES, goal)
    assert direct(quantities, keys=False)(fields(TREE), SimpleNamespace(goal=goal), None) == (VALUES, goal)
    with pytest.raises(TypeError):
        direct(quantities, keys=True)(fields(TREE), {"goal": goal}, None)


@pytest.mark.parametrize("quantity", [("model", "pytree"), ("states.x[..., 1]", "batch time"), ("states.0.x", "batch")])
def test_no_short_way(quantity):
    assert direct([ld.Quantity(*quantity)], keys=True) is None
