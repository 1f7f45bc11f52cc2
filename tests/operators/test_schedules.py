"""Schedules: the curves of Optax, traced once, and drawn."""

from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from numpy.testing import assert_allclose, assert_array_equal

import lossdsl as ld
from lossdsl.backends import load_npz
from lossdsl.backends.program import Program

PARAMETERS = {"start": 2.0, "stop": 0.5, "rate": 0.25, "n": 8.0, "m": 11.0, "r": 0.75, "epoch": 3.0}
SHARED = ld.FEEDBAX.extend(parameters=PARAMETERS)
STEPS = np.arange(-2, 30)


def cycle(steps, period, ratio):
    """Equations of Fu et al. (2019), from 0 to 1."""
    phase = np.mod(steps, period) / period
    return np.where(phase <= ratio, phase / ratio, 1)


# Text with numbers, the same with parameters, and the curve.
CURVES = [
    ("linear(2, 0.5, 8)", "linear(start, stop, n)", optax.linear_schedule(2.0, 0.5, 8)),
    ("cosine(2, 0.5, 8)", "cosine(start, stop, n)", optax.cosine_decay_schedule(2.0, 8, alpha=0.25)),
    ("exponential(2, 0.25, 8)", "exponential(start, rate, n)", optax.exponential_decay(2.0, 8, 0.25)),
    (
        "piecewise(2, 8, 0.5, 11, 0.25)",
        "piecewise(start, n, stop, m, rate)",
        optax.piecewise_constant_schedule(2.0, {8: 0.25, 11: 0.5}),
    ),
    ("warmup(2, 8)", "warmup(start, n)", optax.warmup_constant_schedule(0.0, 2.0, 8)),
    ("cyclic(0, 1, 8)", "cyclic(0, 1, n)", lambda t: cycle(t, 8, 0.5)),
    ("cyclic(0.5, 2, 8, ratio=0.75)", "cyclic(stop, start, n, r)", lambda t: 0.5 + 1.5 * cycle(t, 8, 0.75)),
    ("minimum(step/8, 1)", "minimum(step/n, 1)", lambda t: np.minimum(t / 8, 1)),
]


@pytest.fixture(scope="module")
def reach():
    return load_npz(Path("examples/reach.npz"))


def weight(loss, step):
    """The weight of the one term of a loss, in the precision of the test."""
    (found,) = loss({"net": {"output": jnp.ones((1, 2, 2))}}, None, step=step).weights.values()
    return found


def weights(text, steps=STEPS):
    """The weight over training, one call for each step."""
    loss = ld.compile(f"{text}*nn_output", SHARED)
    return np.array([weight(loss, step) for step in steps])


@pytest.mark.parametrize("text, with_parameters, curve", CURVES, ids=[text for text, _, _ in CURVES])
def test_the_curve_is_that_of_optax(text, with_parameters, curve, precision):
    # Before 0 Optax's cosine falls again, ours stays.
    expected = [curve(max(t, 0) if "cosine" in text else t) for t in STEPS]
    assert weights(text).dtype == precision
    assert_allclose(weights(text), expected, rtol=2e-6, atol=1e-6)
    assert_array_equal(weights(with_parameters), weights(text))
    assert_array_equal(weights(f"(2*{text} - {text})"), weights(text))


def test_a_boundary_that_is_reached_takes_the_new_value():
    assert_array_equal(weights("piecewise(0, 100, 1)", [99, 100, 101]), [0, 1, 1])


@pytest.mark.parametrize("name", ["linear", "cosine"])
def test_both_ends_are_exact_however_far_apart(name):
    assert_array_equal(weights(f"{name}(1e-5, 1, 7)", [0, 7, 100]), np.float32([1e-5, 1, 1]))
    assert_array_equal(weights(f"{name}(1e5, 1e-5, 7)", [0, 7, 100]), np.float32([1e5, 1e-5, 1e-5]))


def test_a_small_ramp_begins_right():
    assert_allclose(weights("warmup(1, 1e6)", [1, 2]), [1e-6, 2e-6], rtol=1e-6)


def test_at_is_what_it_is_a_schedule_of(reach):
    loss = ld.compile("linear(0, 1, 10, at=epoch)*velocity + warmup(1, 10)*position", SHARED)
    values = loss.with_parameters(epoch=5)(reach.states, reach.trial_specs, step=2)
    assert {label: round(float(w), 6) for label, w in values.weights.items()} == {"velocity": 0.5, "position": 0.2}
    assert not ld.compile("linear(0, 1, 10, at=epoch)*velocity", SHARED).program.uses_step
    with pytest.raises(ld.LossValueError, match="needs the training iteration"):
        loss(reach.states, reach.trial_specs)


def test_a_schedule_in_a_body(reach):
    loss = ld.compile("sqnorm(linear(0, 1, 10)*net.output) as effort + nn_output")
    values = loss(reach.states, reach.trial_specs, step=5)
    assert_allclose(values["effort"], values["nn_output"] / 4, rtol=1e-6)


def test_gradients_with_respect_to_every_parameter():
    text = "+".join(f"{text}*nn_output" for _, text, _ in CURVES)
    found = jax.grad(weight)(ld.compile(text, SHARED), 3.0).parameters
    with jax.enable_x64(True):
        loss = ld.compile(text, SHARED)
        for name, value in found.items():
            above, below = (weight(loss.with_parameters({name: PARAMETERS[name] + by}), 3) for by in (1e-5, -1e-5))
            assert_allclose(value, (above - below) / 2e-5, rtol=1e-4, atol=1e-6)
    assert set(found) == {"start", "stop", "rate", "n", "m", "r"}


@pytest.fixture
def traced(monkeypatch):
    """A loss with all schedules, of a program that nothing has run, and how often it is traced."""
    seen = []
    evaluate = Program.evaluate

    def counted(self, *args):
        seen.append(self)
        return evaluate(self, *args)

    monkeypatch.setattr(Program, "evaluate", counted)
    traced.count += 1
    scale = "+".join(text for _, text, _ in CURVES)
    text = f"({scale})*position + sqnorm(({scale})*net.output - {traced.count}) as body + piecewise(1, 2, n)*velocity"
    return ld.compile(text, SHARED), seen


traced.count = 0


def test_steps_and_parameters_do_not_retrace(reach, traced):
    loss, seen = traced
    for step in (0, 1, np.int64(2), 3.0, jnp.asarray(4), jnp.float32(5)):
        loss(reach.states, reach.trial_specs, step=step)
        loss.with_parameters(n=step + 9.0, rate=0.5)(reach.states, reach.trial_specs, step=step)
    # A Python number, a float and an array of integers are three types to JAX.
    assert len(seen) <= 3
    before = len(seen)
    for step in range(100, 105):
        loss(reach.states, reach.trial_specs, step=step)
    assert len(seen) == before


def test_one_trace_inside_jit_scan_and_filter_jit(reach, traced):
    loss, seen = traced
    each = [loss(reach.states, reach.trial_specs, step=i).total for i in range(12)]
    seen.clear()
    jitted = jax.jit(lambda loss, step: loss(reach.states, reach.trial_specs, step=step))
    filtered = eqx.filter_jit(lambda loss, step: loss(reach.states, reach.trial_specs, step=step))
    for run in (jitted, filtered):
        totals = [run(loss, jnp.asarray(i)).total for i in range(12)]
        assert_allclose(totals, each, rtol=1e-5)
        assert len(seen) <= 1

    def update(carry, step):
        return carry, loss(reach.states, reach.trial_specs, step=step)

    _, history = jax.lax.scan(update, None, jnp.arange(12))
    assert_allclose(history.total, each, rtol=1e-5)
    assert len(seen) <= 1


LATE = [2**24 + 1, 2_000_000_499, 2**31 - 1]


@pytest.mark.parametrize("step", LATE)
@pytest.mark.parametrize("kind", [int, jnp.uint32])
def test_a_step_that_float32_does_not_hold(step, kind):
    def at(text, **parameters):
        return float(weight(ld.compile(f"{text}*nn_output", parameters=parameters), kind(step)))

    for period in (1000, 333.25, 2**24 + 1):
        assert_allclose(at(f"cyclic(0, 1, {period}, 1)"), step % period / period, atol=1e-6)
    for period in (1000, 333.25):
        assert_allclose(at("cyclic(0, 1, p, 1)", p=period), step % period / period, atol=1e-6)
    assert [at(f"piecewise(0, {step + by}, 1)") for by in (-1, 0, 0.5, 1)] == [1, 1, 0, 0]
    boundary = int(np.nextafter(np.float32(step), np.float32(np.inf)))
    assert at("piecewise(0, p, 1)", p=boundary) == (step >= boundary)
    assert_allclose(at("(linear(1, 3, 2e9) + 1e-9*step)"), 1 + min(step / 1e9, 2) + step * 1e-9, rtol=1e-6)


def test_a_late_step_in_a_scan_and_with_float64():
    def run():
        loss = ld.compile("cyclic(0, 1, 1000)*nn_output + piecewise(0, 2e9, 1)*sqnorm(2*net.output) as late")
        states = {"net": {"output": jnp.ones((1, 2, 2))}}
        steps = jnp.arange(2_000_000_000 - 2, 2_000_000_000 + 3)
        values = jax.lax.scan(lambda _, step: (_, loss(states, None, step=step)), None, steps)[1]
        assert_allclose(values.weights["nn_output"], [1, 1, 0, 0.002, 0.004], atol=1e-6)
        assert_array_equal(values.weights["late"], [0, 0, 4, 4, 4])

    run()
    with jax.enable_x64(True):
        run()
        late = ld.compile("cyclic(0, 1, 1000)*nn_output")
        assert_allclose(weight(late, 10**13 + 250), 0.5)
    assert_allclose(weight(late, 10**13), 0, atol=2)  # beyond int32 it is a float


def test_fractions_of_a_step_are_allowed():
    assert_allclose(weights("cyclic(0, 1, 8)", [0.5, -0.5, 7.5]), [0.125, 1, 1])
    assert_array_equal(weights("piecewise(0, 2.5, 1)", [2, 2.25, 2.5, 3]), [0, 0, 1, 1])


def test_a_step_in_arithmetic_does_not_wrap_around():
    assert_allclose(weights("step**4", [-7, 100_000]), [7**4, 1e20], rtol=1e-6)
    assert_allclose(weights("(3*step)", [2**31 - 1]), [3 * 2**31], rtol=1e-6)


# The figure.


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def test_a_plot_shows_every_weight():
    loss = ld.compile("position + linear(0, 2, 4)*velocity + piecewise(1, 2, alpha)*nn_output", parameters={"alpha": 5})
    figure = ld.plot_schedule(loss.with_parameters(alpha=7), 5)
    shown = {label: line.get_ydata().tolist() for label, line in lines(figure).items()}
    assert shown == {"position": [1] * 6, "velocity": [0, 0.5, 1, 1.5, 2, 2], "nn_output": [1, 1, 7, 7, 7, 7]}
    assert_array_equal(lines(figure)["velocity"].get_xdata(), np.arange(6))
    ax = figure.axes[0]
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_yscale()) == ("training iteration", "weight", "linear")
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list(shown)
    # Weights that are equal lie on each other.
    assert ax.lines[0].get_linestyle() == "-" and ax.lines[1].get_linestyle() == "--"


@pytest.mark.parametrize("last", [10**9, 10**12])
def test_a_plot_of_many_iterations_is_one_of_some(last):
    drawn = lines(ld.plot_schedule(ld.compile("position + piecewise(0, 5e8, 1)*velocity"), last))["velocity"]
    at = drawn.get_xdata()
    assert (at[0], at[-1]) == (0, last) and 2000 < len(at) < 5000 and np.all(np.diff(at) > 0)
    assert_array_equal(drawn.get_ydata(), at >= 5e8)


def test_a_plot_is_one_call(monkeypatch):
    calls = []
    weights = Program.weights
    monkeypatch.setattr(Program, "weights", lambda self, *args: calls.append(1) or weights(self, *args))
    ld.plot_schedule(ld.compile("position + warmup(1, 100)*velocity"), 1000)
    assert calls == [1]


def test_a_plot_on_chosen_iterations_and_axes():
    from matplotlib.figure import Figure

    outer = Figure()
    assert ld.plot_schedule(ld.compile("warmup(1, 100)*velocity"), [0, 50.0, 200], outer.subplots()) is outer
    assert lines(outer)["velocity"].get_ydata().tolist() == [0, 0.5, 1]
    assert lines(outer)["velocity"].get_xdata().tolist() == [0, 50, 200]


def test_a_plot_without_a_schedule():
    figure = ld.plot_schedule(ld.compile("2*position + 3*velocity"), 0)
    assert {label: line.get_ydata().tolist() for label, line in lines(figure).items()} == {
        "position": [2],
        "velocity": [3],
    }


@pytest.mark.parametrize(
    "text, scale",
    [
        ("position + warmup(0.1, 3)*velocity", "linear"),
        ("position + exponential(1, 1e-3, 3)*velocity", "linear"),
        ("position + warmup(1e-5, 3)*velocity", "log"),
        ("position - warmup(1, 3)*velocity", "linear"),
        ("position - warmup(1e-5, 3)*velocity", "symlog"),
        ("0*position + warmup(0, 3)*velocity", "linear"),
    ],
)
def test_the_axis_of_a_plot_fits_the_weights(text, scale):
    assert ld.plot_schedule(ld.compile(text), 9).axes[0].get_yscale() == scale


def test_a_plot_of_an_ensemble_of_losses():
    loss = ld.compile("alpha*warmup(1, 2)*position + velocity", parameters={"alpha": 1.0})
    ensemble = jax.vmap(lambda alpha: loss.with_parameters(alpha=alpha))(jnp.array([1.0, 3.0]))
    figure = ld.plot_schedule(ensemble, 2)
    assert lines(figure)["position"].get_ydata().tolist() == [0, 1, 2]
    assert figure.axes[0].get_legend().get_texts()[-1].get_text() == "range of 2 members"


@pytest.mark.parametrize(
    "steps, got",
    [
        (10**30, f"`{10**30}`"),
        (-1, "`-1`"),
        (2.5, "`2.5`"),
        (True, "`True`"),
        ([], "a list"),
        (np.ones((2, 2)), "an array of shape (2, 2)"),
    ],
)
def test_steps_of_a_plot_that_are_none(steps, got):
    with pytest.raises(ld.LossValueError) as caught:
        ld.plot_schedule(ld.compile("position"), steps)
    assert str(caught.value) == f"`steps` cannot be {got}\ngive the last training iteration, or an array of them"
