"""What is drawn of each term: against NumPy, and for every operator and random losses."""

import jax
import numpy as np
import pytest
from hypothesis import Phase, given, settings, strategies as st

import lossdsl as ld
from lossdsl.operators import OPS
from lossdsl.playground.courses import MOST_COURSES, MOST_POINTS, Courses
from tests.strategies import VOCABULARY, compiled, losses, sample

NAMES = {
    "x": "batch time xy",
    "turned": "xy time batch",
    "a": "batch time",
    "b": "time batch",
    "one": "time",
    "stay": "batch time",
    "aim": "batch xy",
}
# The text, what is drawn of it, the same in NumPy of `x`, `a`, `b`, `one`, `stay`, its first step, the picked one.
ROWS = [
    ("a", "a", lambda n: n.a, 0, None),
    ("2*a", "a", lambda n: n.a, 0, None),
    ("sum(square(b))", "square(b)", lambda n: n.b.T**2, 0, None),
    ("mean(a*b)", "a*b", lambda n: n.a * n.b.T, 0, None),
    ("3*final(a)", "a", lambda n: n.a, 0, -1),
    ("a[1]", "a", lambda n: n.a, 0, 1),
    ("max(a)/final(a)", "a", lambda n: n.a, 0, None),
    ("final(a)/max(b)", "b", lambda n: n.b.T, 0, None),
    ("a[1:]", "a[1:]", lambda n: n.a[:, 1:], 1, None),
    ("sqnorm(x)", "sqnorm(x)", lambda n: (n.x**2).sum(-1), 0, None),
    ("sum(square(x), axis=(time, xy))", "square(x)", lambda n: (n.x**2).mean(-1), 0, None),
    ("sum(square(turned), axis=(time, xy))", "square(turned)", lambda n: (n.turned**2).mean(0).T, 0, None),
    ("sqnorm(final(x) - aim)", "x", lambda n: n.x.mean(-1), 0, -1),
    ("one", "one", lambda n: n.one[None], 0, None),
    ("mean(a@hold)", "a", lambda n: n.a * n.stay, 0, None),
    ("a@hold", "a@hold", lambda n: n.a * n.stay, 0, None),
    ("final(a@hold)", "a", lambda n: n.a * n.stay, 0, None),
    ("cvar(sum(a), 0.5)", "a", lambda n: n.a, 0, None),
    ("d = a + 1; sum(d*d)", "d*d", lambda n: (n.a + 1) ** 2, 0, None),
    ("d = final(a) + 1; d", "a", lambda n: n.a, 0, -1),
    ("d = max(a); e = d*d; sqrt(e)/d", "a", lambda n: n.a, 0, None),
    ("e(z) = mean(z); e(a) as label", "a", lambda n: n.a, 0, None),
    ("violation(always(a < 1))", "1 - a", lambda n: 1 - n.a, 0, None),
]


class Numbers:
    """Arrays, and the same for a loss."""

    def __init__(self, batch, time, xy):
        rng = np.random.default_rng(batch + 10 * time)
        lengths = {"batch": batch, "time": time, "xy": xy}
        self.__dict__.update({n: rng.normal(size=[lengths[axis] for axis in s.split()]) for n, s in NAMES.items()})
        self.stay = np.arange(time)[None] < np.arange(batch)[:, None] % time + 1
        self.data = {name: getattr(self, name) for name in NAMES}, None, None


def found(text, numbers, **more):
    loss = ld.compile(text, ld.Vocabulary(quantities=NAMES, epochs={"hold": "stay"}), **more)
    return Courses(loss.terms).values(numbers.data, loss.parameters, None)


@pytest.mark.parametrize("sizes", [(4, 5, 3), (3, 3, 3), (1, 4, 2)], ids=str)
@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_against_numpy(row, sizes, precision):
    text, drawn, expected, first, at = row
    numbers = Numbers(*sizes)
    if precision == np.float32:
        numbers.__dict__.update({name: np.asarray(getattr(numbers, name), np.float32) for name in NAMES})
    (course,) = found(text, numbers)
    values = expected(numbers).astype(float)
    within = {"rtol": 1e-9 if precision == np.float64 else 1e-5, "atol": 1e-6}
    assert (course["text"], course["steps"]) == (drawn, [*range(first, first + values.shape[1])])
    np.testing.assert_allclose(course["mean"], values.mean(0), **within)
    if values.shape[0] > 1:
        np.testing.assert_allclose(course["low"], np.quantile(values, 0.25, axis=0), **within)
        np.testing.assert_allclose(course["high"], np.quantile(values, 0.75, axis=0), **within)
    else:
        assert "low" not in course
    if at is None:
        assert course["at"] is None
    else:
        step = range(values.shape[1])[at]
        assert course["at"] == {"step": first + step, "value": course["mean"][step]}


@pytest.mark.parametrize("text", ["sqnorm(mean(aim, axis=batch))", "sqnorm(aim)"])
def test_what_has_no_time_has_no_course(text):
    assert found(text, Numbers(4, 5, 3)) == []


def test_frequencies_are_no_steps():
    (course,) = found("sum(power_spectrum(a)[1:])", Numbers(4, 6, 3))
    assert (course["numbered"], course["steps"]) == (False, [0, 1, 2])


def test_a_chain_of_definitions_is_looked_at_once():
    text = "d0 = max(a)\n" + "".join(f"d{i} = d{i - 1}*d{i - 1}\n" for i in range(1, 60)) + "d59"
    (course,) = found(text, Numbers(4, 6, 3))
    assert course["text"] == "a"


def test_a_parameter_within():
    numbers = Numbers(4, 5, 3)
    (course,) = found("sum(relu(a - alpha))", numbers, parameters={"alpha": 0.5})
    np.testing.assert_allclose(course["mean"], np.maximum(numbers.a - 0.5, 0).mean(0), rtol=1e-5)


@pytest.mark.parametrize("odd", [np.nan, np.inf, -np.inf])
def test_what_is_not_finite_is_a_gap(odd):
    numbers = Numbers(4, 5, 3)
    numbers.data[0]["a"] = np.where(np.arange(5) == 2, [[odd], [-odd], [1.0], [odd]], numbers.a)
    (course,) = found("a", numbers)
    assert [value is None for value in course["mean"]] == [False, False, True, False, False]


@pytest.mark.parametrize("steps", [MOST_POINTS, MOST_POINTS + 1, 100_003])
def test_many_steps_are_told_by_their_means(steps):
    numbers = Numbers(2, steps, 1)
    (course,) = found("a", numbers)
    assert len(course["mean"]) == len(course["steps"]) <= MOST_POINTS
    counts = np.diff([*course["steps"], steps])
    np.testing.assert_allclose(np.dot(course["mean"], counts), numbers.a.mean(0).sum(), rtol=1e-3)
    low = np.quantile(numbers.a, 0.25, axis=0)
    assert course["low"][3] == pytest.approx(low[course["steps"][3] : course["steps"][4]].min(), rel=1e-5)


def test_of_very_many_terms_the_first():
    text = " + ".join(f"square(a - {i})" for i in range(MOST_COURSES + 5))
    assert [row["label"] for row in found(text, Numbers(2, 3, 1))] == [f"square(a - {i})" for i in range(MOST_COURSES)]


@pytest.mark.parametrize("part", [0, 1, 2])
def test_operators_have_a_course(part):
    """Summed over time it is the term, where nothing but that sum takes time away."""
    reach = ld.example()
    hold = np.ones((*reach.trial_specs["target"]["pos"].shape[:2], 1))
    data = (reach.states, {**reach.trial_specs, "inputs": {"hold": hold}}, None)
    texts = {f"of_{i}": op.example for i, op in enumerate(OPS.values())}
    loss = ld.compile(dict([*texts.items()][part * MOST_COURSES : (part + 1) * MOST_COURSES]))
    rows = {row["label"]: row for row in Courses(loss.terms).values(data, loss.parameters, np.int32(3))}
    assert set(rows) == set(loss.labels) and len(OPS) <= 3 * MOST_COURSES
    raw = loss(*data, step=3).raw
    for term in loss.terms:
        if "time" in term.expr.axes:
            mean = rows[term.label]["mean"]
            np.testing.assert_allclose(np.sum(mean), raw[term.label], rtol=2e-4, err_msg=str(term.expr))


@pytest.mark.slow
@settings(max_examples=15, phases=[Phase.generate])
@given(tree=losses(), seed=st.integers(0, 1000), special=st.booleans())
def test_random_losses(tree, seed, special):
    loss = compiled(tree, VOCABULARY, but=ld.LossError)
    with jax.enable_x64(True):
        data = sample(seed, special), None, None
        rows = {row["label"]: row for row in Courses(loss.terms).values(data, loss.parameters, np.int64(3))}
        raw = loss(*data, step=3).raw if not special else {}
        for term in loss.terms:
            if "time" in (term.expr.axes or ()) and term.label in raw:
                np.testing.assert_allclose(np.sum(rows[term.label]["mean"]), raw[term.label], rtol=1e-9, atol=1e-9)
