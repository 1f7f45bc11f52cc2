"""Formulas against their definition, step by step in NumPy: values, gradients, trials, windows, what is odd."""

import re

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.language import parse
from tests.oracle import Named, Oracle

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("strict")]

AXES = {
    "x": "batch time",
    "y": "batch time",
    "z": "time batch",
    "gain": "batch",
    "steps": "batch",
    "hold": "batch time",
}
ROWS = {name: ld.Quantity(f"states.{name}", axes) for name, axes in AXES.items()}
PLAIN = ld.Vocabulary(ROWS, dt=0.1, parameters={"beta": 3.0})
OWN = ld.Vocabulary(ROWS, dt=0.1, length="steps", parameters={"beta": 3.0})
GAPS = ld.Vocabulary(ROWS, dt=0.1, valid="hold", parameters={"beta": 3.0})
EPOCH = ld.Vocabulary(ROWS, dt=0.1, epochs={"hold": "hold"}, parameters={"beta": 3.0})
SMOOTH = ("hard", "logsumexp", "softmax", "gmsr")
FORMULAS = [
    "always(x < 1)",
    "always(x < gain)",
    "eventually(x > 0.5 and not y > 1 and z < 1)",
    "eventually(always(x < 0.3, within=0.2s))",
    "always(eventually(x > 0, within=(1, 3)) or y < 0.2)",
    "always(eventually(x > 0, within=(1, 3)) and y < 1, within=(2, 4))",
    "until(x < 1, y > 0.5)",
    "until(x < 1, y > 0.5, within=(2, 5))",
    "always(until(x < 1.5, y > 0, within=3))",
    "eventually(until(x < 1, z > 0.5))",
    "always(until(x < 1.5, y > 0, within=(0.1s, 4)) or z > 0, within=2)",
    "not eventually(always(x > -1, within=3) and z < 2, within=(1, 5)) or final(y) < 0",
    "always(x < 1) and eventually(y > 1, within=(3, 6)) and gain < 2",
]
TOLERANCE = {"float32": {"rtol": 1e-5, "atol": 3e-6}, "float64": {"rtol": 1e-12, "atol": 1e-13}}


def sample(steps=12, batch=3, dtype=np.float64, seed=0):
    rng = np.random.default_rng(seed)
    drawn = {"x": (batch, steps), "y": (batch, steps), "z": (steps, batch)}
    arrays = {name: rng.normal(size=shape).astype(dtype) for name, shape in drawn.items()}
    arrays["gain"] = rng.uniform(0.5, 1.5, batch).astype(dtype)
    arrays["steps"] = np.resize([steps, steps - 4, steps - 3], batch)
    arrays["hold"] = np.arange(steps) < arrays["steps"][:, None]
    return arrays


def robustness(formula, smooth):
    return f"robustness({formula}, smooth={smooth}, sharpness=beta)"


def defined(text, arrays):
    """The robustness of each trial by its definition."""
    named = {name: Named.declared(np.asarray(a, np.float64), AXES[name]) for name, a in arrays.items()}
    return Oracle(named, numbers={"beta": np.float64(3)}, dt=0.1)(parse(text)).data


def trial(arrays, i, steps, start=0):
    """One trial alone, cut to its length."""
    cut = {name: a[:, i : i + 1] if AXES[name] == "time batch" else a[i : i + 1] for name, a in arrays.items()}
    at = slice(start, start + steps)
    return {n: a[at] if AXES[n] == "time batch" else a[:, at] if "time" in AXES[n] else a for n, a in cut.items()}


def values_and_gradients(texts, vocabulary, arrays):
    """Of each trial, and of the sum of all with respect to the floats."""
    loss = ld.compile(texts, vocabulary)
    floats = {name: a for name, a in arrays.items() if a.dtype.kind == "f"}
    rest = {name: a for name, a in arrays.items() if name not in floats}

    def each(floats):
        found = dict(loss.per_trial({**floats, **rest}))
        return sum(map(jnp.sum, found.values())), found

    (_, found), slopes = jax.jit(jax.value_and_grad(each, has_aux=True))(floats)
    return jax.tree.map(np.asarray, (found, slopes))


@pytest.mark.parametrize(("smooth", "dtype"), [*((kind, "float64") for kind in SMOOTH), ("softmax", "float32")])
def test_values_and_gradients(smooth, dtype):
    precision = np.dtype(dtype)
    arrays = sample(dtype=precision)
    texts = {f"r{i}": robustness(formula, smooth) for i, formula in enumerate(FORMULAS)}
    with jax.enable_x64(dtype == "float64"):
        found, slopes = values_and_gradients(texts, PLAIN, arrays)
    for label, text in texts.items():
        assert found[label].dtype == precision
        assert_allclose(found[label], defined(text, arrays), **TOLERANCE[precision.name], err_msg=text)
    if precision == np.float64:
        along = {name: np.random.default_rng(1).normal(size=arrays[name].shape) for name in slopes}
        moved = [{n: a + by * along[n] if n in along else a for n, a in arrays.items()} for by in (1e-6, -1e-6)]
        slope = sum((defined(text, moved[0]) - defined(text, moved[1])).sum() for text in texts.values()) / 2e-6
        assert_allclose(sum(np.sum(slopes[name] * along[name]) for name in along), slope, rtol=1e-7)


# What stands where nothing counts.
POISON = (np.inf, np.nan, -np.inf)


def check_alone(formulas, smooth, vocabulary, arrays, starts, lengths, window=""):
    """Trials of one batch are what each is alone, whatever stands where nothing counts; one of them with gradients."""
    own = {f"r{i}": robustness(formula, smooth) for i, formula in enumerate(formulas)}
    texts = {label: re.sub(r"([xyz]) ", rf"\1{window} ", text) for label, text in own.items()}
    steps = np.arange(arrays["x"].shape[1])
    inside = np.stack([(steps >= a) & (steps < a + n) for a, n in zip(starts, lengths, strict=True)])
    odd = {n: np.array(a) for n, a in arrays.items()}
    for name, poison in zip("xyz", POISON, strict=True):
        by_trial(odd, name)[~inside] = poison
    found, slopes = values_and_gradients(texts, vocabulary, odd)
    for i, (start, length) in enumerate(zip(starts, lengths, strict=True)):
        one = trial(arrays, i, length, start)
        for label, text in own.items():
            assert_allclose(found[label][i], defined(text, one)[0], rtol=1e-5, atol=1e-6, err_msg=text)
    _, wanted = values_and_gradients(own, PLAIN, trial(arrays, 1, lengths[1], starts[1]))
    for name in "xyz":
        assert not by_trial(slopes, name)[~inside].any()
        assert_allclose(by_trial(slopes, name)[1][inside[1]], by_trial(wanted, name)[0], rtol=1e-4, atol=1e-5)


def by_trial(arrays, name):
    return arrays[name].T if AXES[name] == "time batch" else arrays[name]


@pytest.mark.parametrize(("vocabulary", "smooth"), [(OWN, "hard"), (GAPS, "softmax")], ids=["length", "valid"])
def test_trials_of_different_lengths_are_what_each_is_alone(vocabulary, smooth):
    arrays = sample(dtype=np.float32)
    check_alone(FORMULAS[:-2], smooth, vocabulary, arrays, [0, 0, 0], arrays["steps"])


@pytest.mark.parametrize("smooth", ["logsumexp"])
def test_a_window_is_what_a_trial_of_its_steps_is(smooth):
    arrays = sample(dtype=np.float32)
    starts, lengths = [0, 1, 4], [12, 9, 8]
    arrays["hold"] = np.stack(
        [(np.arange(12) >= a) & (np.arange(12) < a + n) for a, n in zip(starts, lengths, strict=True)]
    )
    check_alone(FORMULAS[:-2], smooth, EPOCH, arrays, starts, lengths, window="@hold")


def test_a_trial_without_steps_is_0_and_has_no_gradient():
    """A window that is empty in a trial, and one that is shorter than what a formula looks ahead."""
    arrays = sample(dtype=np.float32)
    arrays["hold"] = np.arange(12) < np.array([12, 3, 0])[:, None]
    formulas = ["always(x@hold < 1)", "eventually(y@hold > 0)", "until(x@hold < 1, y@hold > 0)"]
    longer = ["eventually(always(x@hold < 1, within=5))", "until(x@hold < 1, y@hold > 0, within=(3, 4))"]
    texts = {f"{k}{i}": robustness(f, k) for i, f in enumerate([*formulas, *longer]) for k in ("hard", "softmax")}
    found, slopes = values_and_gradients(texts, EPOCH, arrays)
    for label in texts:
        assert found[label][0] != 0 and found[label][2] == 0
        assert (found[label][1] == 0) == (label[-1] in "34")
    assert not any(slopes[name][2].any() for name in "xy") and all(slopes[name][0].any() for name in "xy")


def test_a_model_of_an_ensemble_is_what_it_is_alone():
    arrays = sample(dtype=np.float32)
    texts = {f"r{i}": f"violation({f}, margin=1)" for i, f in enumerate(FORMULAS[3:9])}
    loss = ld.compile(texts, OWN)
    several = [sample(dtype=np.float32, seed=seed) for seed in (0, 1)]
    stacked = jax.tree.map(lambda *each: jnp.stack(each), *several)
    found = jax.jit(jax.vmap(lambda states: loss(states)))(stacked)
    assert_allclose(found.total[1], loss(several[1]).total, rtol=1e-6)
    short = {n: jnp.asarray(a, jnp.float16) if a.dtype.kind == "f" else a for n, a in arrays.items()}
    values = loss(short)
    assert values.total.dtype == jnp.float32
    assert_allclose(values.total, loss(jax.tree.map(lambda a: jnp.asarray(a, float), short)).total, rtol=1e-6)


def test_what_is_not_finite_is_seen():
    """A value that diverged is no formula that holds, but infinity far away from a limit is far away."""
    x = jnp.array([[0.0, jnp.nan, 1], [0, jnp.inf, 1], [0, -jnp.inf, 1]])
    values = ld.compile("robustness(always(x < 1)) as a + robustness(eventually(x > 0)) as b", PLAIN).per_trial(
        {"x": x}
    )
    assert_allclose(values["a"], [np.nan, -np.inf, 0])
    assert_allclose(values["b"], [np.nan, np.inf, 1])


def test_the_digest_knows_what_is_computed_and_no_more():
    def digest(text, **rows):
        return ld.compile(f"{text} as v", ld.Vocabulary(ROWS, **rows)).digest

    formula = "violation(always(x < 1, within={}))".format
    assert digest(formula("0.5s"), dt=0.1) == digest(formula("500ms"), dt=0.1) == digest(formula(5))
    assert len({digest(formula("0.5s"), dt=0.1), digest(formula("0.5s"), dt=0.2), digest(formula("(1, 5)"))}) == 3
    kinds = {digest(f"robustness(always(x < 1), smooth={kind})") for kind in SMOOTH}
    assert len(kinds) == 4 and digest("robustness(always(x < 1))") in kinds
    assert digest("p = x < 1\nq = always(p)\nviolation(q)") == digest("violation(always(x <= 1))")
    assert digest("violation(always(x < 1))") != digest("violation(always(x > 1))")


def test_sharpness_changes_without_a_new_compilation():
    loss = ld.compile("robustness(always(x < 1), smooth=softmax, sharpness=beta)", PLAIN)
    x, traced = {"x": jnp.asarray(sample()["x"], jnp.float32)}, []

    @jax.jit
    def run(loss):
        traced.append(loss)
        return loss(x).total

    soft, sharp = (float(run(loss.with_parameters(beta=beta))) for beta in (1.0, 100.0))
    hard = float(ld.compile("robustness(always(x < 1))", PLAIN)(x).total)
    assert len(traced) == 1 and abs(sharp - hard) < 0.05 < abs(soft - hard)


def test_dt_must_be_a_number_for_what_looks_ahead():
    vocabulary = ld.Vocabulary(ROWS, dt="step_size", parameters={"step_size": 0.01})
    with pytest.raises(ld.LossValueError) as caught:
        ld.compile("violation(always(x < 1, within=0.5s))", vocabulary)
    assert caught.value.code == "dt-not-fixed"
    assert ld.compile("violation(always(x < 1, within=50))", vocabulary).labels


def test_a_formula_is_a_row_of_a_vocabulary_and_an_argument():
    known = PLAIN.extend(terms={"calm": "x < 1", "settles(p)": "eventually(always(p, within=0.3s))"})
    loss = ld.compile("near(p) = settles(p and calm)\nviolation(near(y > 0)) as goal + violation(always(calm))", known)
    arrays = sample(dtype=np.float32)
    expected = ld.compile("violation(eventually(always(y > 0 and x < 1, within=3))) as a", PLAIN)
    assert_allclose(loss(arrays)["goal"], expected(arrays).total, rtol=1e-6)
    assert ld.compile(loss.to_config()["loss"], known).digest == loss.digest


@pytest.mark.parametrize("poison", POISON)
def test_a_mask_of_a_text_leaves_steps_out(poison):
    arrays = sample(dtype=np.float32)
    arrays["x"][~arrays["hold"]] = poison
    texts = {
        "a": "robustness(always(x < 1, where=hold))",
        "e": "robustness(always(eventually(x > 0, where=hold, within=2)))",
    }
    found, slopes = values_and_gradients(texts, PLAIN, arrays)
    x = np.where(arrays["hold"], arrays["x"], -np.inf)
    assert_allclose(found["a"], 1 - x.max(1))
    ahead = np.stack([x[:, t : t + 3].max(1) for t in range(10)], 1)
    assert_allclose(found["e"], np.where(np.isinf(ahead), 0, ahead).min(1))
    assert not slopes["x"][~arrays["hold"]].any()


@pytest.mark.parametrize("smooth", SMOOTH)
@pytest.mark.parametrize("poison", POISON)
def test_no_slope_is_made_of_what_a_mask_leaves_out(poison, smooth):
    arrays = sample(dtype=np.float32)
    arrays["x"][~arrays["hold"]] = poison
    formulas = ["always(x < 1, where=hold)", "always(eventually(x > 0, where=hold, within=2))"]
    formulas += ["always(eventually(x > 0, where=hold))"]
    texts = {f"r{i}": robustness(formula, smooth) for i, formula in enumerate(formulas)}
    _, slopes = values_and_gradients(texts, PLAIN, arrays)
    assert np.isfinite(slopes["x"]).all() and not slopes["x"][~arrays["hold"]].any()


def test_formulas_that_look_ahead_by_themselves_may_have_other_steps():
    """States have one step more than what belongs to the trials; beside each other at each step they do not fit."""
    vocabulary = ld.Vocabulary({"x": "batch time", "y": "batch time"})
    states = {"x": jnp.array([[0.0, 3, 1]]), "y": jnp.array([[5.0, 1, 0, 0]])}
    both = "p = eventually(x > 2) and always(y < 4, within=(1, 2))\n"
    assert ld.compile(f"{both}robustness(p and always(x < 9)) as r", vocabulary)(states).total == 1
    for text in (f"{both}robustness(always(p))", "robustness(always(x < 1 or not y < 1))"):
        with pytest.raises(ld.LossDataError, match="write `\\[1:\\]` behind the states") as caught:
            ld.compile(text, vocabulary)(states)
        assert caught.value.code == "lengths-differ"
