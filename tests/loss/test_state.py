"""The state of a loss: its numbers by label, whatever the order of the terms, through any kind of file."""

import io
import pickle

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st

import lossdsl as ld
from lossdsl.backends.program import Program

TEXT = "3*nn_hidden + 2e-5*position + alpha*velocity + step*final(velocity)"
OTHER = "step*final(velocity) + position + nn_hidden + alpha*velocity"


def loss(text=TEXT, alpha=0.25):
    return ld.compile(text, parameters={"alpha": alpha})


def flat(state):
    return {(kind, name): value for kind, part in state.items() for name, value in part.items()}


def test_a_state_is_plain_arrays_by_label():
    state = loss().state
    assert state == {
        "weights": {"nn_hidden": np.float32(3), "position": np.float32(2e-5)},
        "parameters": {"alpha": np.float32(0.25)},
    }
    assert all(type(leaf) is np.ndarray and leaf.shape == () for leaf in flat(state).values())
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(state)]
    assert paths == ["['parameters']['alpha']", "['weights']['nn_hidden']", "['weights']['position']"]


def test_a_state_is_restored_by_label():
    restored = loss(OTHER, alpha=7).with_state(loss().state)
    assert restored.labels == loss(OTHER).labels
    assert str(restored) == "step*final(velocity) + 2e-5*position + 3*nn_hidden + alpha*velocity"
    assert restored.digest == loss().digest
    assert restored.state == loss().state


@settings(max_examples=20, deadline=None)
@given(st.permutations(["position", "velocity", "nn_hidden"]), st.permutations(["position", "velocity", "nn_hidden"]))
def test_no_order_counts(one, other):
    first = ld.compile(" + ".join(f"{len(label)}*{label}" for label in one))
    second = ld.compile(" + ".join(other)).with_state(first.state)
    assert {label: float(weight) for label, weight in second.weights.items()} == {
        label: len(label) for label in sorted(one)
    }


def _npz(state):
    file = io.BytesIO()
    np.savez(file, **{"/".join(key): value for key, value in flat(state).items()})
    file.seek(0)
    found = {}
    for key, value in np.load(file).items():
        kind, name = key.split("/", 1)
        found.setdefault(kind, {})[name] = value
    return found


def _equinox(state):
    file = io.BytesIO()
    eqx.tree_serialise_leaves(file, state)
    file.seek(0)
    return eqx.tree_deserialise_leaves(file, loss(OTHER).state)  # of another order


@pytest.mark.parametrize(
    "through",
    [
        lambda state: pickle.loads(pickle.dumps(state)),
        _npz,
        _equinox,
        lambda state: jax.tree.map(jnp.asarray, state),
        lambda state: jax.tree.map(float, state),
        lambda state: jax.tree.map(np.float64, state),
    ],
)
def test_a_state_goes_through_any_file(through):
    assert loss(OTHER).with_state(through(loss().state)).digest == loss().digest


def test_restoring_neither_traces_nor_compiles(monkeypatch, caplog):
    reach = ld.load_npz("examples/reach.npz")
    seen = []
    evaluate = Program.evaluate
    monkeypatch.setattr(Program, "evaluate", lambda *args, **how: seen.append(1) or evaluate(*args, **how))
    first = loss("3*nn_hidden + 2e-5*position + alpha*velocity + 0.125*nn_output")
    first(reach.states, reach.trial_specs)
    jitted = jax.jit(lambda loss: loss(reach.states, reach.trial_specs).total)
    jitted(first)
    seen.clear()
    with jax.log_compiles(), caplog.at_level("WARNING"):
        again = first.with_state({**first.state, "parameters": {"alpha": 2.0}})
        again(reach.states, reach.trial_specs)
        jitted(again)
    assert seen == caplog.records == []


def test_an_ensemble_keeps_its_shape():
    single = ld.compile("position + alpha*velocity", parameters={"alpha": 1.0})
    ensemble = jax.vmap(lambda w: single.with_weights(position=w).with_parameters(alpha=2 * w))(jnp.arange(3.0))
    state = ensemble.state
    np.testing.assert_array_equal(state["weights"]["position"], [0, 1, 2])
    for like in (ensemble, single, ld.compile("alpha*velocity + position", parameters={"alpha": 5.0})):
        restored = like.with_state(state)
        np.testing.assert_array_equal(restored.numbers, ensemble.numbers)
        np.testing.assert_array_equal(restored.parameters["alpha"], [0, 2, 4])
    with pytest.raises(ld.LossDataError) as caught:
        ensemble.with_state(single.state)
    assert str(caught.value) == (
        "the weight `position` of the state is float32 of the shape (), the loss has float32 of the shape (3,)\n"
        "give the state of a loss that was made like this one"
    )


class Pull(ld.AbstractLoss):
    """A term in Python that holds arrays."""

    goal: jax.Array
    inner: dict
    label: str = "pull"

    def term(self, states, trial_specs, model=None):
        return jnp.sum((states["pos"] - self.goal[None, None]) ** 2, axis=(1, 2)) * self.inner["scale"]


def pulls(goal, scale, text="2*pull + position"):
    return ld.compile(text, terms=[Pull(jnp.asarray(goal, float), {"scale": jnp.asarray(scale, float), "n": 3})])


def test_arrays_of_terms_in_python():
    state = pulls([1.0, 2.0], 0.5).state
    assert {key: value.tolist() for key, value in state["terms"]["pull"].items()} == {
        "goal": [1.0, 2.0],
        "inner['scale']": 0.5,
    }
    restored = pulls([0.0, 0.0], 0.0, "position + pull").with_state(state)
    assert flat(restored.state["terms"])["pull", "goal"].tolist() == [1.0, 2.0]
    assert restored.state["weights"] == {"position": 1, "pull": 2}
    states = {"pos": jnp.zeros((1, 3, 2))}
    alone = pulls([0.0, 0.0], 0.0, "pull").with_state({"weights": {"pull": 2.0}, "terms": state["terms"]})
    assert float(alone(states, None).total) == 2 * 0.5 * 3 * 5
    with pytest.raises(ld.LossDataError, match=r"the array `pull\.goal` of the state is float32 of the shape"):
        pulls([0.0, 0.0, 0.0], 0.0).with_state(state)


class Noise(ld.AbstractLoss):
    """A term in Python that holds a key."""

    key: jax.Array
    label: str = "noise"

    def term(self, states, trial_specs, model=None):
        return jr.normal(self.key, (1,))


def test_a_key_in_a_term():
    first, second = (ld.compile("noise", terms=[Noise(jr.key(seed))]) for seed in (1, 2))
    assert second.with_state(first.state).objects["noise"].key == jr.key(1)
    with pytest.raises(ld.LossDataError, match="key<fry>"):
        second.with_state({**first.state, "terms": {"noise": {"key": 1.0}}})


def test_within_jit():
    @jax.jit
    def run(loss, scale):
        state = loss.state
        state["weights"]["position"] *= scale
        return loss.with_state(state)

    found = run(loss(), 3.0)
    assert float(found.weights["position"]) == pytest.approx(6e-5)
    assert found.digest == loss().with_weights(position=found.weights["position"]).digest


def test_a_diverged_run_is_restored_as_it_was():
    broken = eqx.tree_at(lambda loss: loss.numbers, loss(), jnp.array([np.nan, np.inf]))
    np.testing.assert_array_equal(loss().with_state(broken.state).numbers, [np.nan, np.inf])


def test_the_type_is_that_of_the_loss():
    with jax.enable_x64(True):
        double = loss().with_weights(position=0.1)
    assert float(loss(OTHER).with_state(double.state).weights["position"]) == np.float32(0.1)
    assert loss(OTHER).with_state(double.state).numbers.dtype == np.float32
    for value in (1e300, 1e-300):
        with pytest.raises(
            ld.LossValueError, match="in the state the weight `position` is beyond what float32 can hold"
        ):
            loss().with_state({**loss().state, "weights": {"nn_hidden": 1.0, "position": value}})


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights": {"position": 1.0}}, "the weight `nn_hidden` is missing"),
        ({"weights": {"nn_hidden": 1.0, "position": 1.0, "jerk": 1.0}}, "the weight `jerk` is unknown"),
        ({"parameters": {"beta": 1.0}}, "the parameter `alpha` is missing, the parameter `beta` is unknown"),
        ({"parameters": {}}, "the parameter `alpha` is missing"),
        ({"terms": {"pull": {"goal": 1.0}}}, "the array `pull.goal` is unknown"),
        ({"optimizer": {"x": 1.0}}, "the optimizer `x` is unknown"),
        (
            {"weights": {**{f"a{i}": 1.0 for i in range(9)}}},
            "the weight `nn_hidden` is missing, the weight `position` is missing, the weight `a0` is unknown, "
            "the weight `a1` is unknown, the weight `a2` is unknown, the weight `a3` is unknown, and 5 more",
        ),
    ],
)
def test_a_state_of_another_loss(change, message):
    with pytest.raises(ld.LossNameError) as caught:
        loss().with_state({**loss().state, **change})
    assert caught.value.message == f"the state is that of another loss: {message}"
    assert caught.value.hint == "restore what both have with `with_weights` and `with_parameters`"


@pytest.mark.parametrize("state", [None, 3, "x", {"weights": 3}, [1, 2]])
def test_what_is_no_state(state):
    with pytest.raises(ld.LossValueError, match=r"`state` cannot be .*\ngive what `loss.state` gave"):
        loss().with_state(state)


@pytest.mark.parametrize("value", ["1.0", None, 1j, [1.0, 2.0]])
def test_values_that_are_no_weight(value):
    with pytest.raises(ld.LossDataError, match="the weight `position` of the state is "):
        loss().with_state({**loss().state, "weights": {"nn_hidden": 1.0, "position": value}})


def test_labels_stand_in_the_key_paths():
    found = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(loss(OTHER))]
    assert found == [".held['nn_hidden, position']", ".parameters['alpha']"]
    values = ld.LossDict({"a b": jnp.ones(()), "c": jnp.ones(())}, {"a b": 1.0, "c": 2.0})
    names = "['a b'] ['c'] .raw.a b .raw.c .weights.a b .weights.c .total"
    found = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(values)]
    assert " ".join(found) == names
    history = ld.LossHistory.start(values, 2)
    found = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(history)]
    assert found[0] == ".train['a b']" and ".validation.raw.a b" in found


def leaves_into(given, like):
    """`like` with the leaves of `given`, one after the other, through a file."""
    file = io.BytesIO()
    eqx.tree_serialise_leaves(file, given)
    file.seek(0)
    return eqx.tree_deserialise_leaves(file, like)


@settings(max_examples=20, deadline=None)
@given(st.permutations(["position", "velocity", "nn_hidden"]), st.permutations(["position", "velocity", "nn_hidden"]))
def test_leaves_in_order_fit_the_same_terms_in_any_order(one, other):
    """A loss, its values and their history: `jax.tree.leaves` sorts them by label."""
    weights = {"position": 3, "velocity": 5, "nn_hidden": 7}
    first, second = (ld.compile(" + ".join(f"{weights[x]}*{x}" for x in names)) for names in (one, other))
    loaded = leaves_into(2 * first, second)
    assert loaded.labels == second.labels and loaded.digest == (2 * first).digest
    values = [
        ld.LossDict({x: jnp.asarray(k * weights[x]) for x in names}, dict.fromkeys(names, k))
        for names, k in ((one, 1), (other, 2))
    ]
    loaded = leaves_into(*values)
    assert list(loaded) == other
    for part in (lambda v: v, lambda v: v.raw, lambda v: v.weights):
        assert dict(part(loaded)) == dict(part(values[0]))
    histories = [ld.LossHistory.start(v, 2).record(0, v) for v in values]
    loaded = leaves_into(*histories).train
    assert {x: float(loaded.raw[x][0]) for x in other} == weights


def test_trees_of_other_labels_do_not_fit():
    one, other = (ld.LossDict(dict.fromkeys(names, jnp.ones(())), dict.fromkeys(names, 1.0)) for names in ("ab", "abc"))
    with pytest.raises(ValueError, match=r"(?s)4 child keys.* a raw.a weights.a total|a b raw.a raw.b .*a b c raw.a"):
        jax.tree.map(jnp.add, one, other)
