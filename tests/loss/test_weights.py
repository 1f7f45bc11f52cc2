"""Weights, parameters and `step` are alive: they change without a trace, and have gradients."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.backends import load_npz
from lossdsl.backends.program import Program

TEXT = "2*position + alpha*final(velocity) + minimum(step/100, 1)*nn_hidden + huber(nn_output, delta=beta)"


@pytest.fixture(scope="module")
def reach():
    return load_npz(Path("examples/reach.npz"))


@pytest.fixture
def traces(monkeypatch):
    """Counts how often a loss is traced."""
    seen = []
    evaluate = Program.evaluate

    def counted(self, *args):
        seen.append(self)
        return evaluate(self, *args)

    monkeypatch.setattr(Program, "evaluate", counted)
    return seen


@pytest.fixture
def loss():
    # A body of its own for each test: equal programs share what was compiled.
    loss.count += 1
    return ld.compile(f"{TEXT} + 0*sqnorm(effector.vel - {loss.count})", parameters={"alpha": 0.5, "beta": 0.1})


loss.count = 0


def changes(loss):
    """The loss with other weights, parameters and steps, of all kinds of numbers."""
    yield loss, 1
    yield loss.with_weights(position=3), 2
    yield loss.with_weights(position=np.float64(0.25)), 3
    yield loss.with_weights({"position": jnp.float32(7)}).with_parameters(alpha=2), 100
    yield loss.with_parameters(alpha="1e-3", beta=np.float32(3)), 1000


def expected(loss, step, raw):
    alpha = float(loss.parameters["alpha"])
    return [
        float(loss.weights["position"]) * raw["position"],
        alpha * raw["final(velocity)"],
        min(step / 100, 1) * raw["nn_hidden"],
    ]


def check(loss, step, values):
    np.testing.assert_allclose(list(values.values())[:3], expected(loss, step, values.raw), rtol=1e-6)
    np.testing.assert_allclose(values.total, sum(values.values()), rtol=1e-6)
    assert float(values.raw["position"]) == pytest.approx(48.540516, rel=1e-6)


def test_no_retrace_when_called(reach, loss, traces):
    for changed, step in changes(loss):
        check(changed, step, changed(reach.states, reach.trial_specs, step=step))
    assert len(traces) == 1


def test_no_retrace_under_jit(reach, loss, traces):
    run = jax.jit(lambda loss, step: loss(reach.states, reach.trial_specs, step=step))
    for changed, step in changes(loss):
        check(changed, step, run(changed, step))
    assert len(traces) == 1


def test_no_retrace_as_argument_of_filter_jit(reach, loss, traces):
    run = eqx.filter_jit(lambda loss, states, step: loss(states, reach.trial_specs, step=step))
    for changed, step in changes(loss):
        check(changed, step, run(changed, reach.states, jnp.asarray(step)))
    assert len(traces) == 1


def test_nothing_is_compiled_again(reach, loss, caplog):
    loss(reach.states, reach.trial_specs, step=0)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        for changed, step in changes(loss):
            changed(reach.states, reach.trial_specs, step=step)
    assert not [record for record in caplog.records if "evaluate" in record.getMessage()]


def test_a_loss_with_another_weight_in_the_text_is_the_same_program(reach, traces):
    one, two = ld.compile("position + 1e-3*sqnorm(net.output)"), ld.compile("0.5*position + 2*sqnorm(net.output)")
    assert one.program is two.program
    one(reach.states, reach.trial_specs)
    two(reach.states, reach.trial_specs)
    assert len(traces) == 1


def test_gradients_with_respect_to_weights_and_parameters(reach, loss):
    values = loss(reach.states, reach.trial_specs, step=50)
    grads = jax.grad(lambda loss: loss(reach.states, reach.trial_specs, step=50).total)(loss)
    np.testing.assert_allclose(grads.weights["position"], values.raw["position"], rtol=1e-6)
    # alpha is a weight, beta stands in a body: d huber / d beta = |x| - beta beyond beta, summed over time.
    np.testing.assert_allclose(grads.parameters["alpha"], values.raw["final(velocity)"], rtol=1e-6)
    output = np.sum(reach.states["net"]["output"].astype(float) ** 2, -1)
    beta = np.mean(np.sum(np.maximum(output - 0.1, 0), 1))
    np.testing.assert_allclose(grads.parameters["beta"], beta, rtol=1e-5)


def test_gradient_with_respect_to_step(reach):
    loss = ld.compile("step**2*position")
    grad = jax.grad(lambda step: loss(reach.states, reach.trial_specs, step=step).total)(3.0)
    np.testing.assert_allclose(grad, 6 * 48.540516, rtol=1e-6)


def test_a_large_step_does_not_overflow(reach):
    values = ld.compile("step**2*position")(reach.states, reach.trial_specs, step=100_000)
    np.testing.assert_allclose(values.weights["position"], 1e10, rtol=1e-6)


def test_under_vmap_over_an_ensemble_of_models(reach):
    loss = ld.compile("position + 1e-3*sqnorm(model)")
    scales = jnp.array([0.5, 1.0, 2.0])

    def run(scale):
        states = jax.tree.map(lambda leaf: leaf * scale, reach.states)
        return loss(states, reach.trial_specs, model={"w": jnp.full((2, 3), scale), "act": jax.nn.relu})

    values = jax.vmap(run)(scales)
    assert values["position"].shape == values.total.shape == values.raw["position"].shape == (3,)
    np.testing.assert_allclose(values["sqnorm(model)"], 1e-3 * 6 * scales**2, rtol=1e-6)
    np.testing.assert_allclose(values["position"][1], 48.540516, rtol=1e-6)


def test_under_vmap_over_losses(reach):
    loss = ld.compile("position + velocity")
    ensemble = jax.vmap(lambda weight: loss.with_weights(position=weight))(jnp.arange(3.0))
    values = jax.vmap(lambda loss: loss(reach.states, reach.trial_specs))(ensemble)
    np.testing.assert_allclose(values["position"], np.arange(3) * values.raw["position"][0], rtol=1e-6)


def test_in_scan_with_checkpoint_and_grad(reach):
    loss = ld.compile("position*alpha + 0.1*velocity", parameters={"alpha": 1.0})

    @jax.checkpoint
    def objective(scale, step):
        states = jax.tree.map(lambda leaf: leaf * scale, reach.states)
        values = loss.with_weights(velocity=step)(states, reach.trial_specs)
        return values.total, values

    def update(scale, step):
        (_, values), grad = jax.value_and_grad(objective, has_aux=True)(scale, step)
        return scale - 1e-3 * grad, values

    scale, history = jax.lax.scan(update, jnp.float32(1.0), jnp.arange(4.0))
    assert list(history) == ["position", "velocity"]
    assert history.total.shape == (4,)
    np.testing.assert_allclose(history["velocity"], jnp.arange(4.0) * history.raw["velocity"], rtol=1e-6)
    assert float(scale) != 1.0


def test_inside_a_jitted_training_step_of_optax(reach):
    import optax

    loss = ld.compile("position + 1e-4*sqnorm(model)")
    model = {"w": jnp.eye(2), "name": "linear"}
    optimizer = optax.adam(1e-2)
    traced = []

    @eqx.filter_jit
    def step(model, state, loss):
        traced.append(1)

        def objective(model):
            effector = {"pos": reach.states["mechanics"]["effector"]["pos"] @ model["w"]}
            return loss({"mechanics": {"effector": effector}}, reach.trial_specs, model=model).total

        value, grads = eqx.filter_value_and_grad(objective)(model)
        updates, state = optimizer.update(grads, state)
        return eqx.apply_updates(model, updates), state, value

    state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    values = []
    for i in range(5):
        model, state, value = step(model, state, loss.with_weights(position=1 + 1e-6 * i))
        values.append(float(value))
    assert values[-1] < values[0]
    assert len(traced) == 1


def test_x64_weights_are_float64(reach):
    with jax.enable_x64(True):
        states, trials = jax.tree.map(lambda leaf: leaf.astype(float), (reach.states, reach.trial_specs))
        values = ld.compile("0.1*position")(states, trials)
        assert values.total.dtype == np.float64
        assert float(values["position"]) == 0.1 * float(values.raw["position"])


def test_exact_numbers_come_back_from_arrays():
    loss = ld.compile("position").with_weights(position=np.float32(0.1))
    assert str(loss) == "0.1*position"
    assert str(loss.with_weights(position=1e-7)) == "1e-7*position"
    assert str(jax.tree.map(lambda leaf: leaf * 2, loss)) == "0.2*position"


STEPS = [
    7,
    7.0,
    np.int64(7),
    np.float32(7),
    jnp.int32(7),
    jnp.uint8(7),
    np.asarray(7),
    jnp.float32(7),
    jnp.asarray(7),
    jnp.asarray(7.0),
]


@pytest.mark.parametrize("weak", [False, True])
def test_one_trace_for_all_whole_steps_and_one_for_floats(reach, loss, traces, weak):
    steps = [*STEPS, jax.jit(lambda: 1.0 * 7)(), jax.jit(lambda: 1 * 7)()] if weak else STEPS
    totals = [loss(reach.states, reach.trial_specs, step=step).total for step in steps]
    assert len(traces) == 2
    assert {float(total) for total in totals} == {float(totals[0])}


def test_weights_change_without_xla(reach, loss, caplog):
    """Nothing at all is compiled for them, at the first change neither."""
    loss(reach.states, reach.trial_specs, step=0)
    with jax.log_compiles(), caplog.at_level("WARNING"):
        changed = loss.with_weights(position=3).with_parameters(alpha=2)
        changed = changed.with_weights(dict.fromkeys(loss.weights, 4))
        changed(reach.states, reach.trial_specs, step=1)
    assert caplog.records == []


def test_a_loss_made_within_jit_knows_its_weights(reach):
    @jax.jit
    def total(states):
        loss = ld.compile("0.5*position").with_weights(position=0.25)
        assert str(loss) == "0.25*position"
        return loss(states, reach.trial_specs).total

    assert float(total(reach.states)) == pytest.approx(48.540516 / 4, rel=1e-6)


def test_weights_that_are_irrational_numbers(reach):
    loss = ld.compile("2**0.5*position + alpha*sqrt(2)*velocity + cos(1)*nn_output", parameters={"alpha": 1.0})
    values = loss(reach.states, reach.trial_specs)
    expected = [2**0.5, 2**0.5, np.cos(1)]
    np.testing.assert_allclose(list(values.weights.values()), expected, rtol=1e-6)
    assert list(loss.weights) == ["position", "nn_output"]
    assert str(loss) == "2**0.5*position + alpha*sqrt(2)*velocity + cos(1)*nn_output"
    assert str(2 * loss.with_weights(position=3)) == "6*position + 2*alpha*sqrt(2)*velocity + 2*cos(1)*nn_output"
    traced = jax.jit(lambda scale: (scale * loss.without("velocity"))(reach.states, reach.trial_specs))(2.0).weights
    np.testing.assert_allclose(list(traced.values()), [2 * 2**0.5, 2 * np.cos(1)], rtol=1e-6)


def test_per_trial_is_compiled_once(reach, monkeypatch):
    seen = []
    evaluate = Program.evaluate
    monkeypatch.setattr(Program, "evaluate", lambda *args, **how: seen.append(how) or evaluate(*args, **how))
    loss = ld.compile("0.5*position + step*sqnorm(effector.vel + 0.125)")
    for step in (1, 2):
        values = loss.with_weights(position=step).per_trial(reach.states, reach.trial_specs, step=step)
    assert seen == [{"trials": True}]
    assert list(values.raw) == list(values.weights) == list(loss.labels)
    np.testing.assert_allclose(values["position"], 2 * values.raw["position"])
    np.testing.assert_allclose(values.total, sum(values.values()), rtol=1e-6)
    mean = loss.with_weights(position=2)(reach.states, reach.trial_specs, step=2)
    np.testing.assert_allclose(jnp.mean(values.total), mean.total, rtol=1e-6)


def test_weights_that_one_float_type_cannot_hold_are_refused_in_it():
    for text, weight in (
        ("exp(100)*position", "2.6881171418161356e+43"),
        ("exp(-200)*position", "1.3838965267367376e-87"),
    ):
        with pytest.raises(ld.LossValueError) as caught:
            ld.compile(text)
        assert str(caught.value) == (
            f"the weight of `position` is {weight}, which float32 cannot hold\n"
            f"    {text}\n    {'^' * len(text)}\ngive a finite real number"
        )
        with jax.enable_x64(True):
            assert float(ld.compile(text).weights["position"]) == float(weight)


def test_irrational_weights_are_those_of_float64_in_float64():
    with jax.enable_x64(True):
        assert float(ld.compile("sqrt(2)*position").weights["position"]) == 2**0.5


def test_a_traced_weight_and_one_of_parameters_do_not_add(reach):
    one, other = ld.compile("position"), ld.compile("alpha*position", parameters={"alpha": 10.0})
    with pytest.raises(ld.LossValueError) as caught:
        jax.jit(lambda scale: (scale * one + other)(reach.states, reach.trial_specs).total)(2.0)
    assert caught.value.code == "traced-scale"
    total = jax.jit(lambda scale: (scale * one + (other - other))(reach.states, reach.trial_specs).total)
    np.testing.assert_allclose(total(2.0), 2 * 48.540516, rtol=1e-6)


def test_weights_of_numpy_arrays_change_too():
    loss = jax.device_get(ld.compile("position + velocity"))
    assert str(loss.with_weights(velocity=3)) == "position + 3*velocity"


@pytest.mark.parametrize(
    ("text", "weight"),
    [
        ("(1 + sqrt(2) + sqrt(3))*position", 1 + 2**0.5 + 3**0.5),
        ("sqrt(2)*position + sqrt(3)*position + position", 1 + 2**0.5 + 3**0.5),
        ("2*position/(1 + sqrt(2) - sqrt(3))", 2 / (1 + 2**0.5 - 3**0.5)),
        ("exp(-100)*exp(90)*position", np.exp(-10)),
        ("log_cosh(0.001)*position", np.log(np.cosh(0.001))),
        ("sigmoid(2)*position", 1 / (1 + np.exp(-2))),
        ("alpha*sigmoid(2)*position", 1 / (1 + np.exp(-2))),
    ],
)
def test_numbers_of_functions(reach, text, weight):
    shared = ld.FEEDBAX.extend(parameters={"alpha": 1.0})
    loss = ld.compile(text, shared)
    values = loss(reach.states, reach.trial_specs)
    np.testing.assert_allclose(float(values.weights["position"]), weight, rtol=2e-6)
    assert ld.compile(str(loss), shared).digest == loss.digest


def test_an_ensemble_is_no_loss_to_write_down_or_add(tmp_path):
    loss = ld.compile("position + 0.1*velocity")
    ensemble = jax.vmap(lambda weight: loss.with_weights(velocity=weight))(jnp.arange(3.0))
    asked = [lambda: 2 * ensemble, lambda: ensemble + loss, lambda: loss | ensemble, lambda: ensemble.digest]
    asked += [lambda: ensemble.without("position"), ensemble.to_config, lambda: ld.CompositeLoss([ensemble])]
    asked += [lambda: ensemble.terms, lambda: ensemble.expr, lambda: str(ensemble), ensemble.latex, ensemble.python]
    asked += [lambda: ld.diff(loss, ensemble), lambda: ld.diff(ensemble, ensemble), ensemble.to_feedbax]
    asked += [lambda: ld.save(ensemble, tmp_path / "a.yaml"), lambda: ensemble.gradient_report(lambda *_: {}, 1.0, {})]
    for ask in asked:
        with pytest.raises(ld.LossValueError, match="these are losses that are mapped over, not one loss"):
            ask()
    assert (ensemble._repr_latex_(), ensemble._repr_html_()) == (None, None)
    doubled = jax.vmap(lambda loss: 2 * loss)(ensemble)
    np.testing.assert_allclose(doubled.numbers[:, 1], [0, 2, 4])
    np.testing.assert_allclose(ensemble.with_weights(position=5).numbers[:, 0], [5, 5, 5])


def test_parameters_of_an_ensemble_change_for_all():
    loss = ld.compile("alpha*position", parameters={"alpha": 1.0})
    ensemble = jax.vmap(lambda alpha: loss.with_parameters(alpha=alpha))(jnp.arange(3.0))
    np.testing.assert_allclose(ensemble.with_parameters(alpha=2).parameters["alpha"], [2, 2, 2])


def test_a_loss_of_numpy_arrays_knows_its_weights():
    loss = jax.device_get(ld.compile("position + 0.1*velocity").with_weights(velocity=7))
    assert str(loss) == "position + 7*velocity"
    assert str(2 * loss) == "2*position + 14*velocity"


def test_a_loss_that_diverged_says_so():
    loss = jax.tree.map(lambda leaf: leaf * jnp.nan, ld.compile("position"))
    assert repr(loss) == "<a loss: the weight of `position` is `nan`>"
    for ask in (lambda: str(loss), lambda: loss.digest, lambda: 2 * loss):
        with pytest.raises(ld.LossValueError, match="the weight of `position` is `nan`"):
            ask()


def test_weights_stay_on_their_device_and_in_their_type():
    loss = ld.compile("position + alpha*velocity", parameters={"alpha": 1.0})
    placed = jax.device_put(loss, jax.devices()[0])
    for changed in (placed.with_weights(position=2), placed.with_parameters(alpha=2), placed.with_state(loss.state)):
        assert changed.numbers.committed and changed.parameters["alpha"].committed
    assert not loss.with_weights(position=2).numbers.committed
    with jax.enable_x64(True):
        assert loss.with_weights(position=2).numbers.dtype == loss.with_parameters(alpha=2).parameters["alpha"].dtype
        with pytest.raises(ld.LossValueError, match="is 1e\\+300, which float32 cannot hold"):
            loss.with_weights(position=1e300)


def test_x64_that_is_switched_on_after_compile():
    """Weights and parameters are then those that were written, not their roundings to float32."""
    loss = ld.compile("0.1*x + p*x as y", VOCABULARY_OF_X, parameters={"p": 0.3}).with_parameters(p=0.7)
    before = loss(X, None)
    with jax.enable_x64(True):
        values = loss({"x": np.ones((2, 3))}, None)
        assert values.weights["x"] == 0.1
        assert values.weights["y"] == 0.7
        np.testing.assert_allclose(values.total, 3 * 0.8, rtol=1e-15)
        np.testing.assert_allclose(loss.with_weights(x=0.2)({"x": np.ones((2, 3))}, None).total, 2.7, rtol=1e-15)
    assert loss(X, None).total == before.total


VOCABULARY_OF_X = ld.Vocabulary({"x": ("states.x", "batch time")})
X = {"x": np.ones((2, 3), np.float32)}


def member_weights(text="position + alpha*step*velocity"):
    loss = ld.compile(text, parameters={"alpha": 1.0})

    def one(weight, alpha):
        return loss.with_weights(position=weight).with_parameters(alpha=alpha)

    return one


@pytest.mark.parametrize("weights", [[10.0, 20.0], [10.0, 20.0, 30.0], [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]])
def test_an_ensemble_answers_for_each_member(reach, weights):
    """Two members too: this loss has two weights."""
    weights, one = jnp.array(weights), member_weights()
    mapped = jax.vmap(jax.vmap(one)) if weights.ndim == 2 else jax.vmap(one)
    ensemble = mapped(weights, weights / 2)
    assert repr(ensemble) == f"<losses {weights.shape} of 'position + alpha*step*velocity'>"
    np.testing.assert_array_equal(ensemble.weights["position"], weights)
    for call in ("__call__", "per_trial"):
        found = getattr(ensemble, call)(reach.states, reach.trial_specs, step=3)
        for at in np.ndindex(weights.shape):
            alone = one(weights[at], weights[at] / 2)
            expected = getattr(alone, call)(reach.states, reach.trial_specs, step=3)
            for label in expected:
                np.testing.assert_allclose(found[label][at], expected[label], rtol=1e-6)
                np.testing.assert_allclose(found.weights[label][at], expected.weights[label], rtol=1e-6)
            np.testing.assert_allclose(found.total[at], expected.total, rtol=1e-6)


def test_an_ensemble_that_shares_its_weights(reach):
    loss = ld.compile("position + alpha*velocity", parameters={"alpha": 1.0})
    ensemble = eqx.tree_at(lambda loss: loss.parameters["alpha"], loss, jnp.array([1.0, 2.0, 3.0]))
    assert repr(ensemble) == "<losses (3,) of 'position + alpha*velocity'>"
    values = ensemble(*reach)
    np.testing.assert_allclose(values["velocity"], values.raw["velocity"] * jnp.array([1.0, 2.0, 3.0]), rtol=1e-6)
    with pytest.raises(ld.LossValueError, match="mapped over"):
        str(ensemble)


def test_a_loss_is_equal_to_itself_alone(reach):
    loss = ld.compile("position + velocity")
    other = loss.with_weights(position=1)
    assert loss == loss and hash(loss) == hash(loss)
    assert loss != other and not ld.diff(loss, other)
    assert len({loss, other}) == 2
    totals = {float(jax.jit(one)(reach.states, reach.trial_specs).total) for one in (loss, other)}
    assert len(totals) == 1
    traced = []
    jax.jit(lambda loss: traced.append(loss != other) or loss.numbers)(loss)
    assert traced == [True]


def test_a_number_in_a_body_that_float32_cannot_hold():
    """It would be 0 or infinite; also where it stands in a definition."""
    for text, number, label in (
        ("tanh(x + 1e39)", "1e39", "tanh(x + 1e39)"),
        ("tiny = x + 1e-50\nx as y + log(tiny) as z", "1e-50", "z"),
        ("huber(x, delta=1e39) as h", "1e39", "h"),
    ):
        loss = ld.compile(text, VOCABULARY_OF_X)
        with pytest.raises(ld.LossValueError) as caught:
            loss(X)
        assert caught.value.message == f"float32 cannot hold `{number}`, in the term `{label}`"
        with jax.enable_x64(True):
            assert np.isfinite(loss({"x": np.ones((2, 3))}).total)
