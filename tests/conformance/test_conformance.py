"""The stored cases, held against this implementation. README.md says what their fields mean."""

from fractions import Fraction

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.errors import MESSAGES
from tests.conformance import stored
from tests.conformance.wrong import ONLY_CALLS

pytestmark = pytest.mark.slow

TOLERANCES = {"float32": (2e-4, 5e-5), "float64": (1e-6, 1e-8)}
ROWS = ("quantities", "terms", "parameters")
BY_NAME = ("epochs", "events")
TIME = {rows: stored.VOCABULARY[rows] for rows in (*BY_NAME, "dt")}
VOCABULARY = ld.Vocabulary(*(stored.VOCABULARY[rows] for rows in ROWS), **TIME)
# Cases of one data set are compiled together and in a hurry: else XLA takes ten times as long as all the rest.
TOGETHER = 40
HURRY = {
    "xla_backend_optimization_level": 0,
    "xla_llvm_disable_expensive_passes": True,
    "xla_cpu_use_fusion_emitters": False,
}


def batches(every):
    """Names and cases of one family and data set; every so manieth case."""
    for family in stored.families():
        sets = {}
        for number, case in list(enumerate(stored.cases(family), start=1))[::every] if family != "errors" else ():
            sets.setdefault(case["data"], []).append((f"{family}:{number}", case))
        for rows in sets.values():
            for i in range(0, len(rows), TOGETHER):
                yield pytest.param(dict(rows[i : i + TOGETHER]), id=rows[i][0])


def compiled(function):
    """The function, compiled with few optimisations where this XLA knows how."""
    try:
        jax.jit(lambda: 0, compiler_options=HURRY)()
    except jax.errors.JaxRuntimeError:
        return jax.jit(function)
    return jax.jit(function, compiler_options=HURRY)


def differentiated(loss, case, arrays):
    def total(changed):
        roots = stored.nested({**arrays, **changed})
        given = [roots.get(root) for root in ("states", "trial_specs", "model")]
        values = loss(*given, step=case.get("step", stored.STEP))
        return values.total, (list(values.raw.values()), list(values.weights.values()))

    return jax.value_and_grad(total, has_aux=True)({path: arrays[path] for path in case["gradient"]})


def faults(batch, dtype):
    """What each case is that does not hold: its name, its text, and why."""
    (data,) = {case["data"] for case in batch.values()}
    arrays = {path: array.astype(dtype) for path, array in stored.dataset(data).items()}
    losses, found = {}, {}

    def each(step, names):
        done = {}
        for name in names:
            try:
                done[name] = step(name)
            except Exception as failure:  # one case must not hide the others
                found[name] = f"{batch[name]['text']!r}: {failure}"
        return done

    losses = each(lambda name: ld.compile(batch[name]["text"], VOCABULARY), batch)
    run = compiled(lambda arrays: each(lambda name: differentiated(losses[name], batch[name], arrays), losses))
    results = run(arrays)
    each(lambda name: check(losses[name], batch[name], *results[name], *TOLERANCES[dtype]), results)
    return found


def check(loss, case, values, gradient, rtol, atol):
    total, (raw, weights) = values
    assert list(loss.labels) == [label for label, _, _ in case["terms"]]
    for term, weight, value, (label, exact, expected) in zip(loss.terms, weights, raw, case["terms"], strict=True):
        if isinstance(exact, str):
            assert term.weight == Fraction(exact), label
        assert_allclose(weight, float(Fraction(exact)), rtol=rtol, atol=1e-12, err_msg=f"weight of {label}")
        assert_allclose(value, expected, rtol=rtol, atol=atol, err_msg=label)
    size = sum(abs(float(Fraction(weight)) * raw) for _, weight, raw in case["terms"])
    assert_allclose(total, case["total"], rtol=rtol, atol=atol * (1 + size), err_msg="total")
    for path, nested in case["gradient"].items():
        expected, found = stored.array(nested), np.asarray(gradient[path])
        assert found.shape == expected.shape
        said = ~np.isnan(expected)
        most = np.max(np.abs(expected), initial=1, where=said)
        assert_allclose(found[said], expected[said], rtol=rtol, atol=atol * most, err_msg=f"gradient of {path}")


@pytest.mark.parametrize("batch", list(batches(every=1)))
def test_value_and_gradient(batch):
    assert faults(batch, "float32") == {}


@pytest.mark.parametrize("batch", list(batches(every=10)))
def test_value_and_gradient_in_float64(batch):
    with jax.enable_x64(True):
        assert faults(batch, "float64") == {}


# Texts, vocabularies and data that are refused.


def refused(case):
    """The error of a case."""
    with pytest.raises(ld.LossError) as caught:
        more = case.get("vocabulary", {})
        rows = [stored.VOCABULARY[kind] | more.get(kind, {}) for kind in ROWS]
        time = TIME | {kind: row for kind, row in more.items() if kind not in ROWS}
        time |= {kind: TIME[kind] | more[kind] for kind in BY_NAME if kind in more}
        loss = ld.compile(stored.text_of(case["text"]), ld.Vocabulary(*rows, **time))
        if "data" in case:
            roots = stored.nested({**stored.dataset(case["data"])})
            for path, value in case.get("changes", {}).items():
                stored.change(roots, path, value)
            given = [roots.get(root) for root in ("states", "trial_specs", "model")]
            loss(*given, step=case.get("step", stored.STEP))
    return caught.value


@pytest.mark.parametrize(
    "case", [pytest.param(c, id=f"errors:{i}") for i, c in enumerate(stored.cases("errors"), start=1)]
)
def test_code_and_place(case):
    failure = refused(case)
    assert failure.code == case["code"], failure
    if "start" in case:
        text, start, end = failure.span
        assert (text, start, min(end, len(text))) == (case.get("of", case["text"]), case["start"], case["end"]), failure


def test_every_code_that_a_case_can_cause_has_one():
    covered = {case["code"] for case in stored.cases("errors")}
    assert sorted(set(MESSAGES) - covered) == sorted(ONLY_CALLS)
