"""A loss as an object: algebra, Python terms, and the LossDict that it returns."""

import copy
import gc
import pickle
from pathlib import Path
from types import SimpleNamespace

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.backends import load_npz


@pytest.fixture(scope="module")
def reach():
    return load_npz(Path("examples/reach.npz"))


LOSS = ld.compile("1.0*position + 1e-5*nn_hidden + final(velocity)")


@pytest.mark.parametrize(
    ("made", "text"),
    [
        (LOSS + LOSS, "2*position + 2e-5*nn_hidden + 2*final(velocity)"),
        (LOSS - 2 * LOSS, "-position - 1e-5*nn_hidden - final(velocity)"),
        (-LOSS / 4, "-0.25*position - 2.5e-6*nn_hidden - 0.25*final(velocity)"),
        (sum([LOSS, ld.compile("nn_output")]), "position + 1e-5*nn_hidden + final(velocity) + nn_output"),
        (np.float64(0.1) * LOSS.without("nn_hidden"), "0.1*position + 0.1*final(velocity)"),
        (jnp.float32(0.1) * ld.compile("position"), "0.1*position"),
        (LOSS | ld.compile("3*position + nn_output"), "3*position + 1e-5*nn_hidden + final(velocity) + nn_output"),
        (2 * ld.compile("alpha*position", parameters={"alpha": 3.0}), "2*alpha*position"),
        (LOSS - LOSS, "0*position + 0*nn_hidden + 0*final(velocity)"),
        (ld.compile("a = 2*position; a") + ld.compile("b = 3*velocity; b"), "a = 2*position\nb = 3*velocity\na + b"),
    ],
)
def test_algebra(made, text):
    assert isinstance(made, ld.CompositeLoss)
    assert str(made) == text


def test_algebra_with_traced_numbers(reach):
    def run(scale):
        return (scale * LOSS + LOSS.without("position") / scale)(reach.states, reach.trial_specs)

    values = jax.jit(run)(2.0)
    np.testing.assert_allclose(values.weights["position"], 2.0)
    np.testing.assert_allclose(values.weights["final(velocity)"], 2.5)
    assert float(jax.grad(lambda scale: run(scale).total)(2.0)) > 0


class Effort(ld.AbstractLoss):
    """A term in Python, with an array of its own."""

    scale: jax.Array
    label: str = "effort"

    def term(self, states, trial_specs):
        return self.scale * jnp.sum(states["net"]["output"] ** 2, axis=(1, 2))


class WithModel(ld.AbstractLoss):
    label: str = "with_model"

    def term(self, states, trial_specs, model):
        return jnp.full(7, model["gain"])


class Wrong(ld.AbstractLoss):
    label: str = "wrong"
    value: object = None

    def term(self, states, trial_specs):
        return self.value


EFFORT = 0.58365196  # of Feedbax's page


def test_a_term_in_python_by_name_and_in_algebra(reach):
    effort = Effort(jnp.float32(2.0))
    by_name = ld.compile("position + 0.1*effort", terms=[effort])
    by_algebra = ld.compile("position") + 0.1 * effort
    for loss in (by_name, by_algebra):
        values = loss(reach.states, reach.trial_specs)
        assert list(values) == ["position", "effort"]
        np.testing.assert_allclose(values["effort"], 0.1 * 2 * EFFORT, rtol=1e-6)
        np.testing.assert_allclose(
            np.mean(loss.per_trial(reach.states, reach.trial_specs).total), values.total, rtol=1e-6
        )
    assert str(by_name) == str(by_algebra) == "position + 0.1*effort"
    np.testing.assert_allclose(effort(reach.states, reach.trial_specs)["effort"], 2 * EFFORT, rtol=1e-6)


def test_a_term_in_python_inside_an_expression_and_with_its_gradient(reach):
    loss = ld.compile("position*sqrt(effort)", terms={"effort": Effort(jnp.float32(2.0))})
    output = np.sum(reach.states["net"]["output"].astype(float) ** 2, (1, 2))
    effector, target = reach.states["mechanics"]["effector"]["pos"], reach.trial_specs["target"]["pos"]
    position = np.sum((effector[:, 1:].astype(float) - target) ** 2, (1, 2))
    values = loss(reach.states, reach.trial_specs)
    np.testing.assert_allclose(values.total, np.mean(position * np.sqrt(2 * output)), rtol=1e-5)
    grads = eqx.filter_grad(lambda loss: loss(reach.states, reach.trial_specs).total)(loss)
    np.testing.assert_allclose(grads.objects["effort"].scale, values.total / 4, rtol=1e-5)


def test_a_term_in_python_sees_the_model(reach):
    loss = 2.0 * WithModel()
    model = {"gain": jnp.float32(3.0), "activation": jax.nn.relu, "name": "gru"}
    assert float(loss(reach.states, reach.trial_specs, model).total) == 6.0


def test_changing_a_python_term_does_not_retrace(reach):
    seen = []

    class Counted(ld.AbstractLoss):
        scale: jax.Array
        label: str = "counted"

        def term(self, states, trial_specs):
            seen.append(1)
            return self.scale * jnp.ones(7)

    loss = ld.compile("position") + Counted(jnp.float32(1.0))
    for scale in (1.0, 2.0, 3.0):
        changed = eqx.tree_at(lambda loss: loss.objects["counted"].scale, loss, jnp.float32(scale))
        assert float(changed(reach.states, reach.trial_specs)["counted"]) == scale
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("value", "got"),
    [
        (jnp.zeros((7, 100)), "an array of shape (7, 100), for 7 trials"),
        (jnp.zeros(5), "an array of shape (5,), for 7 trials"),
        ("text", "a str"),
        (None, "None"),
    ],
)
def test_a_term_in_python_with_the_wrong_axes(reach, value, got):
    loss = ld.compile("position") + Wrong(value=value)
    for call in (loss, loss.per_trial):
        with pytest.raises(ld.LossDataError) as caught:
            call(reach.states, reach.trial_specs)
        assert str(caught.value) == (
            f"`wrong` returned {got}\n`term` returns one number per trial, with `time` and all other axes reduced"
        )


class Regulariser(ld.AbstractLoss):
    label: str = "decay"
    axes = ()

    def term(self, states, trial_specs, model):
        return 0.5


def test_a_term_that_no_trial_changes(reach):
    """A scalar is most often a forgotten batch; a class says so where it is meant."""
    loss = ld.compile("position") + Wrong(value=jnp.float32(3.0))
    with pytest.raises(ld.LossDataError) as caught:
        loss(reach.states, reach.trial_specs)
    assert str(caught.value) == (
        "`wrong` returned an array of shape (), for 7 trials\n"
        "`term` returns one number per trial, with `time` and all other axes reduced; "
        "if no trial changes it, write `axes = ()` in the class"
    )
    values = (ld.compile("position") + 2 * Regulariser())(reach.states, reach.trial_specs)
    assert float(values["decay"]) == 1.0


def test_terms_in_python_with_other_fields_are_other_terms():
    first, same, second = (ld.compile("position") + Wrong(value=jnp.ones(3) * i) for i in (1, 1, 2))
    assert first.digest == same.digest != second.digest
    assert (first + same).labels == ("position", "wrong")
    with pytest.raises(ld.LossNameError, match="two terms are labelled `wrong`"):
        first + second
    with pytest.raises(ld.LossNameError, match="two terms are labelled `wrong`"):
        ld.compile("wrong", terms=[Wrong(value=1), Wrong(value=2)])


def test_a_loss_can_be_pickled_and_copied(reach):
    loss = ld.compile("alpha*position + 0.5*d as goal", parameters={"alpha": 2}, terms={"d": "norm(effector.vel)"})
    loss = (loss + 0.1 * ld.compile("nn_hidden[1:]")).with_weights(goal=3)
    for other in (pickle.loads(pickle.dumps(loss)), copy.deepcopy(loss)):
        assert str(other) == str(loss)
        assert other.digest == loss.digest
        assert other.program is loss.program
        assert other(*reach).total == loss(*reach).total


def test_an_ensemble_of_losses_prints(reach):
    losses = jax.vmap(lambda w: ld.compile("position + velocity").with_weights(velocity=w))(jnp.arange(3.0))
    assert repr(losses) == "<losses (3,) of 'position + velocity'>"
    totals = jax.vmap(lambda loss: loss(*reach).total)(losses)
    assert totals.shape == (3,)


def test_states_may_be_modules_mappings_sequences_or_namespaces(reach):
    class Effector(eqx.Module):
        pos: jax.Array

    vocabulary = ld.Vocabulary({"pos": ld.Quantity("states.arm.1.effector.pos", "batch time xy")})
    pos = reach.states["mechanics"]["effector"]["pos"]
    loss = ld.compile("sqnorm(pos)", vocabulary)
    expected = np.mean(np.sum(pos.astype(float) ** 2, (1, 2)))
    for effector in (Effector(pos), {"pos": pos}, SimpleNamespace(pos=pos)):
        for states in (
            {"arm": [None, {"effector": effector}]},
            SimpleNamespace(arm=(0, SimpleNamespace(effector=effector))),
        ):
            np.testing.assert_allclose(loss(states, None).total, expected, rtol=1e-6)


# LossDict.


@pytest.fixture
def values(reach):
    return LOSS(reach.states, reach.trial_specs)


def test_loss_dict_is_a_dict(values):
    assert isinstance(values, dict)
    assert list(values) == list(LOSS.labels)
    assert values["position"] == values.get("position")
    assert {**values} == dict(values)
    assert repr(values) == repr(dict(values))
    np.testing.assert_allclose(values.total, sum(values.values()), rtol=1e-6)
    for label in values:
        np.testing.assert_allclose(values[label], values.raw[label] * values.weights[label], rtol=1e-6)


def test_loss_dict_cannot_be_changed(values):
    for change in (
        lambda: values.__setitem__("position", 1),
        lambda: values.__delitem__("position"),
        lambda: values.update(position=1),
        lambda: values.pop("position"),
        lambda: values.popitem(),
        lambda: values.clear(),
        lambda: values.setdefault("x", 1),
        lambda: values.__ior__({"position": 1}),
    ):
        with pytest.raises(TypeError, match="a LossDict cannot be changed"):
            change()
    with pytest.raises(TypeError):
        values.raw["position"] = 1
    with pytest.raises(TypeError, match="unhashable"):
        hash(values)
    assert len(values) == 3


def test_loss_dict_keeps_its_order_and_parts_through_transformations(values):
    for made in (
        jax.tree.map(lambda leaf: leaf, values),
        jax.jit(lambda v: v)(values),
        jax.vmap(lambda v: v)(jax.tree.map(lambda leaf: leaf[None], values)),
        pickle.loads(pickle.dumps(values)),
    ):
        assert isinstance(made, ld.LossDict)
        assert list(made) == list(made.raw) == list(made.weights) == list(LOSS.labels)
        np.testing.assert_array_equal(np.squeeze(made.total), values.total)
        np.testing.assert_array_equal(np.squeeze(made.raw["nn_hidden"]), values.raw["nn_hidden"])


def test_loss_dict_names_its_leaves(values):
    paths = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(values)]
    assert paths[:3] == ["['final(velocity)']", "['nn_hidden']", "['position']"]
    assert ".raw.position" in paths
    assert paths[-1] == ".total"
    assert len(paths) == 10


def test_loss_dict_prints_its_values(values):
    assert eqx.tree_pformat(values) == "{'position': f32[], 'nn_hidden': f32[], 'final(velocity)': f32[]}"


def test_a_term_in_python_needs_states_that_are_a_pytree(reach):
    loss = ld.compile("position") + Regulariser()
    with pytest.raises(ld.LossDataError) as caught:
        loss(SimpleNamespace(**reach.states), reach.trial_specs)
    assert str(caught.value) == (
        "`states` holds a SimpleNamespace, which JAX cannot look into\n"
        "a term in Python sees `states` whole: give dicts, named tuples or Equinox modules"
    )


def test_the_collector_is_on_again_after_compilations_that_overlap():
    from lossdsl.loss.compiler import collector_paused

    gc.enable()
    first, second = collector_paused(), collector_paused()
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert not gc.isenabled()
    second.__exit__(None, None, None)
    assert gc.isenabled()
    gc.disable()
    try:
        ld.compile("position + 0.875*velocity")
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alhpa": 1}, "no term uses the parameter `alhpa`\ndid you mean `alpha`?"),
        ({"gain": 1}, "no term uses the parameter `gain`\ntake it away; one that several losses share stands in "),
    ],
)
def test_parameters_given_with_a_loss_are_used(given, message):
    text, names = "alpha*position", {"alpha": 0.5}
    with pytest.raises(ld.LossNameError) as caught:
        ld.compile(text, parameters={**names, **given})
    assert str(caught.value).startswith(message)
    with pytest.raises(ld.LossValueError, match="cannot be given with a loss that is compiled"):
        ld.compile(ld.compile(text, parameters=names), parameters=given)
    assert ld.compile(text, ld.FEEDBAX.extend(parameters={**names, **given})).parameters.keys() == {"alpha"}


@pytest.mark.parametrize("text", ["k = 2; k*position", "k = 2*alpha; m = 2*k; m*position"])
def test_definitions_that_are_unfolded_or_left_over_are_not_printed(text):
    loss = ld.compile(text, ld.FEEDBAX.extend(parameters={"alpha": 1.0}))
    assert "=" not in str(loss)
    assert ld.compile(**loss.to_config()).digest == loss.digest


def test_a_definition_goes_with_its_last_term():
    loss = ld.compile("speed = norm(effector.vel); half = speed/2; half + position")
    assert str(loss.without("half")) == "position"
    other = loss.without("half") + ld.compile("speed = 2*position; max(speed)")
    assert str(other) == "speed = 2*position\nposition + max(speed)"


GAIN = jnp.ones(())


def test_trials_are_given_where_a_loss_reads_them(reach):
    class Speed(ld.AbstractLoss):
        label: str = "speed"

        def term(self, states, trial_specs=None, model=None):
            return jnp.mean(states["mechanics"]["effector"]["vel"] ** 2, axis=(1, 2))

    for loss in (ld.compile("nn_output"), ld.compile("nn_output + 2*speed", terms=[Speed()]), Speed()):
        full = loss(reach.states, reach.trial_specs)
        assert loss(reach.states).total == full.total
        np.testing.assert_array_equal(loss.composite.per_trial(reach.states).total, loss.composite.term(reach.states))
        report = loss.composite.gradient_report(lambda gain, _: jax.tree.map(lambda x: gain * x, reach.states), GAIN)
        assert report.total_norm > 0
    with pytest.raises(ld.LossDataError, match=r"`trial_specs.target.pos` is not there: `trial_specs` is None"):
        ld.compile("position")(reach.states)


def test_an_error_of_the_data_points_into_the_text_of_its_own_loss():
    """Losses of one source share what is compiled, whichever came first."""
    names = {"quantities": {"cost": "batch time"}}
    losses = [ld.compile(text, "none", **names) for text in ("cost[7] - 0*cost[7] + 2*cost[7]", "3*cost[7]")]
    assert losses[0].program is losses[1].program
    for loss, text in zip(losses, ("cost[7] - 0*cost[7] + 2*cost[7]", "3*cost[7]"), strict=True):
        with pytest.raises(ld.LossDataError) as caught:
            loss({"cost": np.zeros((2, 3))})
        assert caught.value.span.text == text
