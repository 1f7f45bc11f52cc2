"""Where arrays lie: every kind of container, and the short way through it against the long one."""

from collections import OrderedDict, UserDict, namedtuple
from types import SimpleNamespace

import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.backends.data import reader, take

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


@pytest.mark.parametrize("part", ["values", "items", "count", "lambda", "ﬁnal"])
def test_names_that_containers_have_themselves(part):
    path, tree = f"states.{part}.torque", {"torque": VALUES}
    loss = ld.compile("x", ld.Vocabulary({"x": (path, "batch time")}))
    for states in ({part: tree}, {part: fields(tree)}, UserDict({part: tree}), SimpleNamespace(**{part: tree})):
        assert take(states, path) is VALUES
        assert loss(states, None).total == pytest.approx(VALUES.sum() / 2)


class Both(dict):
    """A dict with an attribute of the name of a key."""

    arm = SimpleNamespace(torque=-VALUES)


class Indexed:
    """An object whose attribute and key of one name differ; it is no mapping."""

    torque = VALUES

    def __getitem__(self, key):
        return -VALUES


@pytest.mark.parametrize("states", [Both(arm={"torque": VALUES}), {"arm": Indexed()}, {"arm": Both(torque=VALUES)}])
def test_the_short_way_is_that_of_take(states):
    loss = ld.compile("x", ld.Vocabulary({"x": ("states.arm.torque", "batch time")}))
    assert take(states, "states.arm.torque") is VALUES
    assert loss.program.pick(states, None, None) == (VALUES,)


QUANTITIES = [
    ld.Quantity("states.arm.torque", "batch time"),
    ld.Quantity("trial_specs.goal", "batch"),
    ld.Quantity("states.arm.angle", "batch time"),
]


@pytest.mark.parametrize("kind", [dict, fields, OrderedDict])
def test_the_short_way(kind):
    """It gives what is there for roots of the kind that it was made for, and nothing for others."""
    goal = jnp.ones(2)
    states = kind(TREE)
    read = reader(QUANTITIES, {"states": states, "trial_specs": {"goal": goal}, "model": None})
    assert read(kind(TREE), {"goal": goal}, None) == (VALUES, goal, TREE["arm"]["angle"])
    for others, trial_specs in ((tuples(TREE), {"goal": goal}), (states, {}), (states, None), ({}, {"goal": goal})):
        assert read(others, trial_specs, None) is None
    assert reader([], {})(None, None, None) == ()


def test_kinds_of_states_may_change_from_call_to_call():
    loss = ld.compile("sqnorm(x)", ld.Vocabulary({"x": ("states.arm.torque", "batch joint")}))
    for _ in range(2):
        for states in KINDS.values():
            assert loss(states, None).total == np.mean(np.sum(VALUES**2, axis=1))


def test_a_key_is_no_method_of_a_dict():
    loss = ld.compile("sqnorm(x)", ld.Vocabulary({"x": ("states.arm.values", "batch joint")}))
    for states in (fields({"arm": {"values": VALUES}}), {"arm": {"values": VALUES}}):
        assert loss(states, None).total == np.mean(np.sum(VALUES**2, axis=1))
    with pytest.raises(ld.LossDataError, match="has no `values`"):
        loss({"arm": {}}, None)


@pytest.mark.parametrize("quantity", [("model", "pytree"), ("states.x[..., 1]", "batch time"), ("states.x", "pytree")])
def test_no_short_way(quantity):
    roots = {"states": {"x": VALUES}, "trial_specs": None, "model": {}}
    assert reader([ld.Quantity(*quantity)], roots)(*roots.values()) is None


def test_an_error_of_the_states_themselves_is_theirs():
    class Broken:
        @property
        def arm(self):
            raise ValueError("broken")

    loss = ld.compile("x", ld.Vocabulary({"x": ("states.arm.torque", "batch time")}))
    with pytest.raises(ValueError, match="broken"):
        loss(Broken(), None)


def test_a_masked_array_is_refused():
    loss = ld.compile("x", ld.Vocabulary({"x": ("states.x", "batch time")}))
    with pytest.raises(ld.LossDataError, match="`x` is a masked array of shape"):
        loss({"x": np.ma.array(VALUES)}, None)


def test_a_branch_that_is_none_is_not_offered():
    with pytest.raises(ld.LossDataError) as caught:
        ld.compile("nn_output")({"net": None, "mechanics": {"output": VALUES}}, None)
    assert caught.value.hint == "the nearest there are: `states.mechanics.output`"


@pytest.mark.parametrize(("at", "byte"), [(8, 99), (6, 1)])
def test_an_archive_that_cannot_be_unpacked(tmp_path, at, byte):
    """By its compression method, or because it is encrypted, in both headers of its entry."""
    path = tmp_path / "x.npz"
    np.savez(path, **{"states.x": VALUES})
    held = bytearray(path.read_bytes())
    for header, shift in ((b"PK\3\4", 0), (b"PK\1\2", 2)):
        held[held.index(header) + at + shift] = byte
    path.write_bytes(held)
    with pytest.raises(ld.LossDataError, match="cannot be read"):
        ld.load_npz(path)
