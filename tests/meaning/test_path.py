"""The path of a quantity: its places and their parts, and why a text is none."""

import itertools

import numpy as np
import pytest

import lossdsl as ld
from lossdsl.meaning.path import Key, path_fault, path_text, places, taken
from tests.feedbax.stand_ins import WhereDict


def test_the_places_and_their_parts():
    first, second, third = places("trial_specs.target.pos | trial_specs.t[\"a.b\"]['c | d'].2 | trial_specs.x[..., :2]")
    assert (first.root, first.parts, first.at) == ("trial_specs", ("target", "pos"), None)
    assert second.parts == ("t", "a.b", "c | d", "2") and [isinstance(p, Key) for p in second.parts] == [0, 1, 1, 0]
    assert (third.base, third.at) == ("trial_specs.x", slice(None, 2))
    assert path_text(second.root, second.parts) == 'trial_specs.t["a.b"]["c | d"].2'


@pytest.mark.parametrize(
    ("path", "reason"),
    [
        ("", "does not begin with `states`, `trial_specs` or `model`"),
        ("states.a | ", "does not begin with `states`, `trial_specs` or `model`"),
        ("states.a | statesman.b", "does not begin with `states`, `trial_specs` or `model`"),
        ("states.a|states.b", "has a part that is neither a name nor an index"),
        ("states.a | model.b", "leads from `states`, `model`, and must from one of them"),
        ('states["__class__"]', "holds a dunder"),
        ('states.a | states["b"].__dict__', "holds a dunder"),
        *(
            (path, "has a part that is neither a name nor an index")
            for path in (
                "states..a",
                "states.a.",
                'states.["a"]',
                'states["a"]b',
                'states["a',
                'states[""]',
                "states[0]",
            )
        ),
    ],
)
def test_what_is_no_path(path, reason):
    assert path_fault(path) == reason
    with pytest.raises(ld.LossNameError):
        ld.Quantity(path, "batch")


def test_what_a_function_takes():
    assert taken(lambda states: states.mechanics["effector"].pos) == "mechanics.effector.pos"
    assert taken(lambda states: states.pos + 1) == taken(lambda states: 1 / 0) == taken(int) == taken(lambda s: 3) == ""


def test_it_goes_through_a_config():
    path = 'trial_specs.target.x | trial_specs.targets["arm.x"].value[..., 0]'
    loss = ld.compile("square(x)", quantities={"x": ld.Quantity(path, "batch time")})
    again = ld.compile(**loss.to_config())
    assert again.digest == loss.digest and again.to_config()["quantities"]["x"]["path"] == path
    # What it is does not change with the other places that it may have.
    assert ld.compile("square(x)", quantities={"x": ("trial_specs.target.x", "batch time")}).digest == loss.digest
    assert ld.compile("square(x)", quantities={"x": ("trial_specs.targets.x", "batch time")}).digest != loss.digest
    trials = {"targets": {"arm.x": {"value": np.full((2, 3, 2), [2.0, 5.0])}}}
    assert float(loss(None, trials).total) == 12
    with pytest.raises(ld.LossDataError, match=r"^`trial_specs.targets\[\"arm.x\"\].value\[..., 0\]` is not there"):
        loss(None, {"targets": {"arm.x": {"value": np.zeros(())}}})


class Slotted:
    __slots__ = ("pos",)


class Asked:
    def __getattr__(self, name):
        if name == "target":
            return self.later
        raise AttributeError(name)


class Missing(dict):
    def __missing__(self, name):
        if name == "target" and "later" in self:
            return self["later"]
        raise KeyError(name)


KINDS = [dict, Missing, WhereDict, Slotted, Asked, type("Plain", (), {})]


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_what_is_found_does_not_depend_on_what_was_found_before(kind):
    """Every order of calls on trials that have the one, the other, both or an empty first place."""

    def trials(**places):
        if kind is dict:
            return places
        if kind is Missing:
            return Missing({"later": places["target"], **places} if "target" in places else places)
        if kind is WhereDict:
            return WhereDict(places)
        if kind is Slotted:
            return {name: slotted(**value) for name, value in places.items()}
        made = kind()
        made.__dict__.update({"later": {}, **places})
        return made

    def slotted(**values):
        made = Slotted()
        if values.get("pos") is not None:
            made.pos = values["pos"]
        return made

    one, two = np.ones((2, 3)), np.full((2, 3), 2.0)
    given = [
        (trials(target={"pos": one}), 3),
        (trials(targets={"pos": two}), 12),
        (trials(target={"pos": one}, targets={"pos": two}), 3),
        (trials(target={"pos": None}, targets={"pos": two}), 12),
        (trials(target={}, targets={"pos": two}), 12),
    ]
    path = "trial_specs.target.pos | trial_specs.targets.pos"
    for order in itertools.permutations(given):
        loss = ld.compile("square(x)", quantities={"x": (path, "batch time")})
        for trial, expected in order:
            assert float(loss(None, trial).total) == expected
