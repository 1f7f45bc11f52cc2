"""What changed between two losses."""

import json
import re

import jax.numpy as jnp
import pytest
from hypothesis import given, strategies as st

import lossdsl as ld
from lossdsl.loss.diff import Change
from tests.strategies import VOCABULARY, compiled, losses


class Peak(ld.AbstractLoss):
    limit: object
    label: str = "peak"

    def term(self, states, trial_specs):
        return jnp.zeros(len(states["effector"]))


class Other(Peak):
    pass


class Duck:
    label = "peak"

    def term(self, states, trial_specs):
        return jnp.zeros(3)


def rows(old, new, vocabulary=ld.FEEDBAX):
    changes = ld.diff(old, new, vocabulary).changes
    return [(change.kind, change.name, change.old, change.new) for change in changes]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("position", "position + 0.1*velocity", [("term", "velocity", None, "0.1*velocity")]),
        ("position - velocity", "position", [("term", "velocity", "-velocity", None)]),
        ("2*mean(position) as m + position", "position", [("term", "m", "2*mean(position)", None)]),
        ("1e-5*position", "1e-4*position", [("weight", "position", "1e-5", "1e-4")]),
        ("position/3", "-position", [("weight", "position", "1/3", "-1")]),
        ("0.1*position + 0.2*position", "0.3*position", []),
        ("final(position) as x", "mean(position) as x", [("body", "x", "final(position)", "mean(position)")]),
        ("position as x", "position as y", [("label", "x", "x", "y")]),
        ("v = final(velocity); v", "final(velocity)", [("label", "v", "v", "final(velocity)")]),
        (
            "2*position as x",
            "3*position as y",
            [("label", "x", "x", "y"), ("weight", "x", "2", "3")],
        ),
        (
            "position as a + 2*position as b",
            "2*position as c + position as d",
            [("label", "a", "a", "d"), ("label", "b", "b", "c")],
        ),
        (
            "position as a + position as b",
            "position as c",
            [("label", "a", "a", "c"), ("term", "b", "position", None)],
        ),
        (
            "position as a + 2*position as b",
            "2*position as c",
            [("term", "a", "position", None), ("label", "b", "b", "c")],
        ),
        ("e = position; e", "e = velocity; e", [("body", "e", "position", "velocity")]),
        ("e = position; 2*mean(e)", "e = velocity; 2*mean(e)", [("body", "mean(e)", "e = position", "e = velocity")]),
        # The definition that `e` needs is what changed, not `e`.
        (
            "d = net.hidden; e = sqnorm(d); e",
            "d = net.output; e = sqnorm(d); e",
            [("body", "e", "d = net.hidden", "d = net.output")],
        ),
        ({"x": "position"}, "velocity as x", [("body", "x", "position", "velocity")]),
    ],
)
def test_changes(old, new, expected):
    assert rows(old, new) == expected


def test_changes_stand_in_the_order_of_the_old_loss_then_the_new():
    found = rows("velocity + nn_output + position", "nn_hidden + 2*position + 3*velocity")
    assert [(kind, name) for kind, name, _, _ in found] == [
        ("weight", "velocity"),
        ("term", "nn_output"),
        ("weight", "position"),
        ("term", "nn_hidden"),
    ]


def test_parameters():
    vocabulary = ld.FEEDBAX.extend(parameters={"alpha": 0.5, "beta": 2.0})
    old = ld.compile("alpha*position + velocity", vocabulary)
    assert rows(old, old.with_parameters(alpha=1e-4)) == [("parameter", "alpha", "0.5", "1e-4")]
    assert rows("alpha*position", "beta*position/2", vocabulary) == [
        ("weight", "position", "alpha", "0.5*beta"),
        ("parameter", "alpha", "0.5", None),
        ("parameter", "beta", None, "2"),
    ]


def test_weights_as_they_are_now():
    loss = ld.compile("position + 0.1*velocity")
    assert rows(loss, loss.with_weights(velocity=0.7)) == [("weight", "velocity", "0.1", "0.7")]
    assert rows(loss.with_weights(velocity=0.1), loss) == []


def test_quantities_of_two_vocabularies():
    first = ld.Vocabulary(quantities={"x": ("states.x", "batch time")})
    second = ld.Vocabulary(quantities={"x": ("states.y", "batch time 1")})
    assert rows(ld.compile("x", first), ld.compile("x", second)) == [
        ("body", "x", "states.x (batch, time)", "states.y (batch, time, 1)")
    ]
    number = ld.FEEDBAX.extend(parameters={"limit": 0.1})
    old = ld.compile("limit = 0.1; huber(position, delta=limit)")
    (change,) = ld.diff(old, ld.compile("huber(position, delta=limit)", number)).changes[:1]
    assert (change.old, change.new) == ("limit = 0.1", "limit = a parameter")


def test_terms_in_python():
    def change(old, new):
        (found,) = rows(old, new)
        assert found[:2] == ("body", "peak")
        return found[2:]

    assert rows(Peak(0.1), Peak(0.1)) == []
    assert change(Peak(0.1), Peak(0.2)) == ("Peak(limit=0.1)", "Peak(limit=0.2)")
    assert change(Peak(1), Other(1)) == ("Peak(limit=1)", "Other(limit=1)")
    assert change(ld.compile("peak", terms={"peak": Duck()}), Peak(1)) == ("Duck", "Peak(limit=1)")
    old, new = change(Peak(lambda x: x), Peak(lambda x: 2 * x))
    assert re.fullmatch(r"Peak\(limit=<function .*<lambda>>\) [0-9a-f]{7}", old) and old != new
    old, new = change(Peak(jnp.zeros(2000)), Peak(jnp.zeros(2000).at[500].set(1.0)))
    assert old != new and "\n" not in old and len(old) < 300
    assert rows(Peak(0.1), ld.CompositeLoss({"goal": Peak(0.1)})) == [("label", "peak", "peak", "goal")]


def test_text_and_data():
    found = ld.diff("position + velocity", "2*position + final(velocity)")
    assert str(found) == (
        "~ position         weight  1 -> 2\n"
        "- velocity         term    velocity\n"
        "+ final(velocity)  term    final(velocity)"
    )
    assert json.loads(json.dumps(found.to_dict()))["changes"][1] == {
        "kind": "term",
        "name": "velocity",
        "old": "velocity",
        "new": None,
    }
    assert found and hash(found) == hash(ld.diff("position + velocity", "2*position + final(velocity)"))
    with pytest.raises(AttributeError):
        found.changes = ()
    assert isinstance(found.changes[0], Change)


def test_no_difference():
    found = ld.diff("position + 0.5*velocity", "velocity/2 + position")
    assert not found
    assert ld.compile("position + 0.5*velocity").digest == ld.compile("velocity/2 + position").digest
    assert str(found) == "no difference"
    assert found.to_dict() == {"changes": []}


def test_what_is_wrong_with_a_text_is_told():
    with pytest.raises(ld.LossNameError, match="positon"):
        ld.diff("position", "positon")


ATOMS = ["cost", "hold", "2*cost", "alpha*cost", "cost + hold", "final(cost)", "cost as a", "hold as a", "2*hold as b"]
sums = st.lists(st.sampled_from(ATOMS), min_size=1, max_size=3).map(" + ".join)


def loss_of(text):
    try:
        return ld.compile(text, VOCABULARY)
    except ld.LossNameError:
        return ld.compile("cost", VOCABULARY)


@given(sums, sums, st.sampled_from([0.75, 2.0]))
def test_empty_where_the_digests_are_equal_and_only_there(first, second, alpha):
    old, new = loss_of(first), loss_of(second)
    new = new.with_parameters(alpha=alpha) if new.parameters else new
    assert bool(ld.diff(old, new)) == (old.digest != new.digest)


@pytest.mark.slow
@given(losses(), losses())
def test_random_losses(first, second):
    old, new = compiled(first), compiled(second)
    assert bool(ld.diff(old, new)) == (old.digest != new.digest)
    assert not ld.diff(old, ld.compile(str(old), VOCABULARY))
    for change in ld.diff(old, new).changes:
        assert change.old != change.new and "" not in (change.old, change.new)
