"""Windows of time and trials of different lengths, against each trial cut by NumPy and evaluated alone."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, settings, strategies as st

import lossdsl as ld
from lossdsl.meaning import bind, unwindowed
from tests import strategies
from tests.oracle import Named, Oracle

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("strict")]

TRIALS, STEPS = 6, 9
SHAPES = {
    "x": ("states.x", "batch time xy"),
    "p": ("states.p", "batch time"),
    "turned": ("states.turned", "xy time batch"),
    "aim": ("trial_specs.aim", "batch time xy"),
    "q": ("trial_specs.q", "batch time"),
    "gain": ("trial_specs.gain", "batch"),
}
QUANTITIES = {name: ld.Quantity(*row) for name, row in SHAPES.items()}
MASKS = {
    "hold_mask": ld.Quantity("trial_specs.hold", "batch time 1"),
    "move_mask": ld.Quantity("states.move", "batch time"),
    "cue_step": ld.Quantity("states.cue", "batch"),
    "n": ld.Quantity("trial_specs.n", "batch"),
    "valid_mask": ld.Quantity("trial_specs.valid", "batch time"),
}
TERMS = {"error": "sqnorm(x[1:] - aim)", "effort": "square(p)"}
TIME = {
    "epochs": {"hold": "hold_mask", "move": "move_mask", "late": "go+0.2s..end", "early": ("0.1s", "go")},
    "events": {"go": ld.Quantity("trial_specs.go", "batch"), "cue": "cue_step"},
    "dt": 0.1,
}
VOCABULARY = ld.Vocabulary({**QUANTITIES, **MASKS}, TERMS, **TIME)
BY_LENGTH, BY_MASK = VOCABULARY.extend(length="n"), VOCABULARY.extend(valid="valid_mask")
LENGTHS = np.array([9, 4, 1, 7, 0, 6])


def drawn(seed=0):
    rng = np.random.default_rng(seed)
    lengths = {"batch": TRIALS, "xy": 2}
    arrays = {}
    for name, (path, shape) in SHAPES.items():
        lengths["time"] = STEPS + path.startswith("states")
        arrays[name] = rng.normal(size=[lengths[axis] for axis in shape.split()])
    at = rng.integers(0, STEPS, (TRIALS, 2))
    starts, stops = at.min(1), at.max(1) + 1
    steps = np.arange(STEPS + 1)
    arrays["hold"] = ((steps[:-1] >= starts[:, None]) & (steps[:-1] < stops[:, None])).astype(float)[..., None]
    arrays["move"] = (steps >= starts[:, None]) & (steps < stops[:, None])
    arrays["go"] = rng.integers(0, STEPS + 2, TRIALS)
    arrays["cue"] = rng.integers(-1, STEPS, TRIALS).astype(float)
    arrays["n"] = LENGTHS
    arrays["valid"] = steps[:-1] < LENGTHS[:, None]
    return arrays


def data(arrays, change=lambda name, array: array):
    found = {"states": {}, "trial_specs": {}}
    paths = {name: quantity.path for name, quantity in (QUANTITIES | MASKS).items()} | {"go": "trial_specs.go"}
    for path in paths.values():
        root, key = path.split(".")
        found[root][key] = jnp.asarray(change(key, arrays[key]))
    return found["states"], found["trial_specs"]


def alone(arrays, trial, begins=0, length=None):
    """The oracle for one trial, cut to its own length; windows are of values that begin at the step `begins`."""
    named = {}
    for name, (path, shape) in SHAPES.items():
        value = Named.declared(arrays[name], shape)
        kept = np.take(value.data, [trial], value.axes.index("batch"))
        if length is not None and "time" in value.axes:
            kept = np.take(kept, range(length + path.startswith("states")), value.axes.index("time"))
        named[name] = Named(kept, value.axes)
    last = STEPS if length is None else length
    of_trial = {name: arrays[name][trial] for name in ("hold", "move", "go", "cue")}
    definitions = {name: ld.parse(text) for name, text in TERMS.items()}
    return Oracle(named, definitions, inside=lambda window, steps: inside(window, steps, begins, last, **of_trial))


def inside(window, steps, begins, last, hold, move, go, cue):
    """Which steps lie in a window, said again in the words of the documentation."""
    number = begins + np.arange(steps)
    bounds = {"late": (go + 1 + 2, last + 1), "early": (1, go + 1)}
    if window.epoch == "hold":
        return np.array([0 < n <= len(hold) and hold[n - 1, 0] != 0 for n in number])
    if window.epoch == "move":
        return move[number]
    events = {"": 0, "go": go + 1, "cue": cue, "end": last + 1}
    ends = [events[b.event] + round(float(b.seconds) / 0.1) for b in (window.start, window.stop)]
    start, stop = bounds.get(window.epoch, ends)
    return (number >= start) & (number < stop)


# A loss, and the step at which what has the window begins.
WINDOWED = [
    ("effort@hold", 0),
    ("error@hold", 1),
    ("q@move", 1),
    ("effort@go..end", 0),
    ("error@go..end", 1),
    ("q@0.2s..0.5s", 1),
    ("effort@0.2s..0.5s", 0),
    ("effort@..go", 0),
    ("effort@cue..go", 0),
    ("effort@cue-0.1s..cue+0.3s", 0),
    ("error@go-200ms..end", 1),
    ("effort@-0.3s..end", 0),
    ("q@last 0.3s", 1),
    ("effort@..end-0.2s", 0),
    ("effort@late", 0),
    ("error@early", 1),
    ("2*effort@hold - alpha*effort@late", 0),
    ("sum((effort + square(p))@hold)", 0),
    ("sum(x@move, axis=(time, xy))", 0),
    ("sum(turned@move, axis=(xy, time))", 0),
    ("mean(error@..go)", 1),
    ("max(p@cue..end)", 0),
    ("min(abs(x[1:] - aim)@move, axis=(time, xy))", 1),
    ("norm(p@move, axis=time)", 0),
    ("sum(norm(x@move), axis=time)", 0),
    ("sqnorm(x@move, axis=(time, xy))", 0),
    ("l1norm(p@cue..end, axis=time)", 0),
    ("logsumexp(p@cue..end, axis=time)", 0),
    ("var(p@0.1s..0.6s)", 0),
    ("std(q@0.1s..0.6s, ddof=1)", 1),
    ("quantile(p@0.1s..0.6s, 0.3, axis=time)", 0),
    ("final(error@move)", 1),
    ("initial(p@cue..end)", 0),
    ("final((p + effort)@late)", 0),
    ("final((p*effort)@cue..end)", 0),
    ("(effort@move)[-1] + (p@move)[0]", 0),
    ("sum(diff(p@move))", 0),
    ("sqnorm(diff(x, 2)@late)", 2),
    ("sum(diff(x@cue..end, 2), axis=(time, xy))", 0),
    ("sum(cumsum(q@move))", 1),
    ("max(cummax(p@cue..end) - cummin(p@cue..end))", 0),
    ("discount(error@move, exponent=3)", 1),
    ("discount(effort@0.2s..end, exponent=6)", 0),
    ("sum(discounted_sum(q@cue..end, 0.9))", 1),
    ("initial(discounted_sum(q@cue..end, 0.9))", 1),
    ("sum(softmax(p@cue..end, axis=time)*effort@cue..end)", 0),
    ("dot(p@move, effort@move, axis=time)", 0),
    ("gain*mean(effort@hold)/(1 + max(p@move))", 0),
    ("square(final(p@move)) + initial(square(p)@move)", 0),
    ("part = square(x)@move; sum(sum(part, axis=xy)) + mean(max(part, axis=xy))", 0),
    ("spread(z) = std(z@0.1s..0.7s); spread(p) + spread(2*p)", 0),
    ("mean(where(greater(p, 0), p, 2*p)@move)", 0),
    ("sum(p@move, where=greater(effort, 0.5)@move)", 0),
    ("sum(square(p[2:8])@move)", 2),
    ("sum(stop_gradient(p@move)*(p@move))", 0),
    ("mean(p@move - expand(mean(p), axis=time))", 0),
    ("sum(p[:6]@move)", 0),
]


def expected(loss, arrays, begins, **how):
    """The loss of each trial alone; what has no step is 0."""
    values = []
    for trial in range(TRIALS):
        oracle = alone(arrays, trial, begins, **how)
        oracle.numbers["alpha"] = 0.3
        try:
            values.append(float(oracle.total(ld.parse(loss))))
        except (ValueError, IndexError):
            values.append(np.nan)
    return np.array(values)


@pytest.mark.parametrize(("loss", "begins"), WINDOWED)
def test_a_window_is_the_trial_cut_to_it(loss, begins, precision):
    arrays = drawn()
    parameters = {"alpha": 0.3} if "alpha" in loss else {}
    found = ld.compile(loss, VOCABULARY, parameters=parameters)
    values = np.asarray(found.per_trial(*data(arrays)).total)
    wanted = expected(loss, arrays, begins)
    known = np.isfinite(wanted)
    assert known.sum() > 2
    np.testing.assert_allclose(values[known], wanted[known], rtol=2e-5 if precision == np.float32 else 1e-12)
    assert np.isfinite(values).all()
    assert ld.compile(str(found), VOCABULARY, parameters=parameters).digest == found.digest


# Losses without a window, of trials that end by themselves.
ENDING = [
    "error + 1e-2*effort",
    "final(error)",
    "initial(p)",
    "p[-1] + p[0]",
    "error[-1]",
    "p[2]",
    "p[-3]",
    "sum(p[:-1])",
    "sum(p[-3:])",
    "sum(p[1:-1])",
    "sum(p[-5:-2])",
    "sum(p[:3])",
    "sum(p[2:5])",
    "sum(p[::2])",
    "sum(p[1::3])",
    "final(p[::-1])",
    "sum(p[-3:]*square(p)[-3:])",
    "sum(index(axis=time)*p)",
    "sum(index(axis=time)*p[-3:])",
    "p[1:][-2:][0]",
    "sum(p)/length(axis=time, like=p)",
    "sum(p/length(axis=time))",
    "sqnorm(x[1:] - aim)[1:]",
    "sum(diff(p))",
    "sqnorm(diff(x, 2))",
    "sum(diff(p)*q)",
    "sqnorm(diff(turned) - diff(x))",
    "mean(error)",
    "max(p)",
    "min(q)",
    "max(x, axis=(time, xy))",
    "norm(p, axis=time)",
    "sum(norm(x), axis=time)",
    "var(p)",
    "std(q, ddof=1)",
    "quantile(p, 0.3, axis=time)",
    "logsumexp(q, axis=time)",
    "sum(softmax(p, axis=time)*effort)",
    "sum(log_softmax(x, axis=(time, xy)), axis=(time, xy))",
    "cumsum(q)",
    "max(cummax(p) - cummin(p))",
    "discount(error, exponent=3)",
    "sum(discounted_sum(q, 0.9))",
    "discounted_sum(p, 0.9, last=gain)[0]",
    "dot(p, effort, axis=time)",
    "dot(x, turned)",
    "gain*mean(effort)/(2 + max(p))",
    "sum(p, where=greater(effort, 0.5))",
    "mean(q, where=greater(q, 0))",
    "final(p, where=greater(p, 0))",
    "mean(where(greater(p, 0), sqrt(abs(p)), 2*p))",
    "square(p - expand(mean(p), axis=time))",
    "sum(expand(gain, axis=time, like=p))",
    "gather(p, 0, axis=time)",
    "sum(stop_gradient(p)*p)",
    "part = square(x); sum(sum(part, axis=xy)) + mean(max(part, axis=xy))",
    "spread(z) = std(z); spread(p) + spread(2*p)",
    "sum(log(abs(x)), axis=xy)[0]",
    "std(x, axis=xy)[1] + entropic(x, 0.5, axis=xy)[0]",
    "diff(log(abs(p)))[0]",
    "sqnorm(one_hot(greater(p, 0), axis=xy) - x)",
]


def spoiled(arrays):
    """What is behind the end of a trial is NaN or infinite."""

    def change(name, array):
        shape = next((shape for path, shape in SHAPES.values() if path.endswith(f".{name}")), "")
        if "time" not in shape:
            return array
        array = np.array(array)
        begins = next(path for path, _ in SHAPES.values() if path.endswith(f".{name}")).startswith("states")
        for trial, length in enumerate(LENGTHS):
            at = [
                trial if a == "batch" else slice(length + begins, None) if a == "time" else slice(None)
                for a in shape.split()
            ]
            array[tuple(at)] = np.inf if trial % 2 else np.nan
        return array

    return change


@pytest.mark.parametrize("vocabulary", [BY_LENGTH, BY_MASK], ids=["length", "valid"])
@pytest.mark.parametrize("loss", ENDING)
def test_a_trial_counts_up_to_its_end(loss, vocabulary):
    with jax.enable_x64(True):
        arrays = drawn(1)
        found = ld.compile(loss, vocabulary)
        values = np.asarray(found.per_trial(*data(arrays, spoiled(arrays))).total)
        wanted = np.array([expected_alone(loss, arrays, trial) for trial in range(TRIALS)])
        known = np.isfinite(wanted)
        assert known.sum() > 2
        np.testing.assert_allclose(values[known], wanted[known], rtol=1e-11, atol=1e-12)
        assert np.isfinite(values).all()


def expected_alone(loss, arrays, trial, begins=0):
    try:
        return float(alone(arrays, trial, begins, LENGTHS[trial]).total(ld.parse(loss)))
    except (ValueError, IndexError):
        return np.nan


@pytest.mark.parametrize("loss", ENDING)
def test_what_is_behind_the_end_has_no_gradient(loss):
    with jax.enable_x64(True):
        arrays = drawn(1)
        found = ld.compile(loss, BY_LENGTH)
        states, trial_specs = data(arrays, spoiled(arrays))
        clean = data(arrays)
        total = jax.jit(lambda p, x, states: found.per_trial({**states, "p": p, "x": x}, trial_specs).total.sum())
        gradients = jax.grad(total, (0, 1))(states["p"], states["x"], states)
        direction = [np.random.default_rng(2).normal(size=g.shape) for g in gradients]
        there = [np.isfinite(states[name]) for name in ("p", "x")]
        for gradient, inside in zip(gradients, there, strict=True):
            assert np.isfinite(gradient).all()
            np.testing.assert_array_equal(np.asarray(gradient)[~inside], 0)
        if "stop_gradient" in loss:
            return
        moved = [
            total(*(clean[0][n] + h * d for n, d in zip("px", direction, strict=True)), clean[0]) for h in (1e-6, -1e-6)
        ]
        slope = sum(float(np.sum(np.asarray(g) * d)) for g, d in zip(gradients, direction, strict=True))
        np.testing.assert_allclose(slope, (moved[0] - moved[1]) / 2e-6, rtol=1e-5, atol=1e-7)


SHORT = np.array([5, 2, 3])
ENDING_THERE = strategies.VOCABULARY.extend(length=ld.Quantity("states.n", "batch"), trials_begin=0)


def alone_there(arrays, trial):
    """The arrays of one trial, cut to its own length."""
    found = {}
    for name, array in arrays.items():
        axes = strategies.SHAPES[name].split()
        if name == "net":
            found[name] = array
            continue
        at = [slice(trial, trial + 1) if a == "batch" else slice(SHORT[trial] if a == "time" else None) for a in axes]
        found[name] = array[tuple(at)]
    return found


@settings(max_examples=40)
@given(strategies.losses(), st.integers(0, 99))
def test_any_loss_of_trials_that_end_is_that_of_each_alone(loss, seed):
    assume("batch" not in str(loss) and "lambda" not in str(loss))
    try:
        found = ld.compile(loss, ENDING_THERE)
        arrays = strategies.sample(seed, special=False)
        with jax.enable_x64(True):
            values = np.broadcast_to(found.per_trial({**arrays, "n": SHORT}, step=3).total, SHORT.shape)
    except (ld.LossAxesError, ld.LossValueError, ld.LossDataError):
        assume(False)
    for trial, value in enumerate(values):
        try:
            wanted = strategies.oracle(alone_there(arrays, trial)).total(loss)
        except (ValueError, IndexError):
            continue
        if np.isfinite(wanted):
            np.testing.assert_allclose(value, wanted, rtol=1e-9, atol=1e-9, err_msg=str(loss))


IN_SECONDS = strategies.VOCABULARY.extend(dt=1, trials_begin=0)
SPANS = {"1s..4s": (1, 4), "..2s": (0, 2), "-2s..end": (3, 9), "2s..end-1s": (2, 4)}
OVER_TIME = ["sum", "mean", "max", "final", "initial", "std", "sum(cumsum", "max(discount", "sum(diff"]


@settings(max_examples=40)
@given(
    strategies.expressions(frozenset({"batch", "time"}), 2),
    st.sampled_from(OVER_TIME),
    st.sampled_from(sorted(SPANS)),
    st.integers(0, 99),
)
def test_any_expression_in_a_window(expr, how, span, seed):
    more = ", exponent=2" if "discount" in how else ""
    text = f"{how}(({expr})@{span}{more}){')' * how.count('(')}"
    arrays = strategies.sample(seed, special=False)
    try:
        # `long` has one step more, and so another end.
        assume("long" not in str(expr) and "diff" not in str(expr))
        begins = unwindowed(bind(expr, IN_SECONDS).expr)[1].first
        with jax.enable_x64(True):
            value = float(ld.compile(text, IN_SECONDS)(arrays, step=3).total)
    except (ld.LossAxesError, ld.LossValueError):
        assume(False)

    def inside(window, steps):
        number = begins + np.arange(steps)
        return (SPANS[span][0] <= number) & (number < SPANS[span][1])

    wanted = strategies.oracle(arrays, inside=inside).total(ld.parse(text))
    if np.isfinite(wanted):
        np.testing.assert_allclose(value, wanted, rtol=1e-9, atol=1e-9, err_msg=text)
