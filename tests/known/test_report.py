"""What a report says of a loss, row by row, and held against values, chords and gradients at many points."""

import dataclasses
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

import lossdsl as ld
from lossdsl.operators import OPS
from lossdsl.operators.signs import At, Known, Range, never_negative, power
from tests import cases, sampled
from tests.strategies import NUMBERS, SHAPES, TERMS, compiled, losses, sample

sys.path.insert(0, str(Path("examples/gallery").resolve()))
import page

from tests.test_gallery import DISTINCT

pytestmark = pytest.mark.slow
WITH = ld.FEEDBAX.extend(parameters={"alpha": 0.1}, dt=0.01)


@cases.parametrize("report.txt")
def test_tables(case):
    assert str(ld.report(case.text, WITH)) == case.expected


def line(name, term):
    return f"{name}: {term.sign}, {term.convex}, {term.unit}, {term.gradient}, {term.stream}, {term.residuals}"


def reports():
    """The last term of the example of each operator, and all terms of the gallery."""
    for op in OPS.values():
        yield op.name, ld.report(op.example).terms[-1]
    for name in page.NAMES:
        example = page.load(name)
        for term in ld.report(example.LOSS, example.VOCABULARY):
            yield f"{name} {term.label}", term


def test_what_is_known_by_name():
    known = Path("tests/cases/report_known.txt").read_text(encoding="utf-8").splitlines()
    assert [line(name, term) for name, term in reports()] == known


# Where all is unknown nothing is wrong: so many are known at least.


def test_most_is_known():
    rows = [term for _, term in reports()]
    assert len(rows) > 140
    for column, least in {"sign": 115, "convex": 75, "gradient": 147, "unit": 105}.items():
        assert sum(getattr(term, column) != "unknown" for term in rows) >= least, column


# Samples.


def reaches():
    """Few and short ones: 3 trials, 56 steps."""
    states, trial_specs, model = ld.example()

    def short(leaf):
        leaf = np.asarray(leaf)[:3]
        return leaf[:, : leaf.shape[1] - 44] if leaf.ndim > 1 and leaf.shape[1] > 90 else leaf

    specs = jax.tree.map(short, trial_specs)
    return jax.tree.map(short, states), {**specs, "inputs": {"hold": np.ones((3, 55, 1))}}, model


CALLED = list(OPS.values())


@pytest.mark.parametrize("first", range(0, len(CALLED), 11))
def test_examples_of_operators(first):
    texts = {f"example_{i}": op.example for i, op in enumerate(CALLED[first : first + 11])}
    loss = ld.CompositeLoss({key: ld.compile(text) for key, text in texts.items()})
    sampled.check(loss, ld.report(loss), reaches(), step=3)


@pytest.mark.parametrize("name", page.NAMES)
def test_gallery(name):
    example = page.load(name)
    loss = ld.compile(example.LOSS, example.VOCABULARY)
    given = example.data(np.random.default_rng(0), DISTINCT)
    sampled.check(loss, ld.report(loss), given, getattr(example, "STEP", None))


# Operators of what has any sign, of what is fixed, and with masks.
VARIABLES = {"x": "batch time", "y": "batch time", "v": "batch time xy"}
FIXED = {"c": "batch time", "m": "batch time", "w": "xy", "Q": "xy xy"}
PLAIN = ld.Vocabulary(
    quantities={name: ld.Quantity(f"states.{name}", shape) for name, shape in VARIABLES.items()}
    | {name: ld.Quantity(f"trial_specs.{name}", shape) for name, shape in FIXED.items()}
)
SEPARATE = Path("tests/cases/report_operators.txt").read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize("first", range(0, len(SEPARATE), 15))
def test_operators_of_anything(first):
    texts = SEPARATE[first : first + 15]
    loss = ld.compile({f"text_{i}": text for i, text in enumerate(texts)}, PLAIN)
    sampled.check(loss, ld.report(loss), plain_data())


def plain_data():
    sizes = {"batch": 3, "time": 5, "xy": 2}
    of = {name: np.ones([sizes[axis] for axis in shape.split()]) for name, shape in {**VARIABLES, **FIXED}.items()}
    return {name: of[name] for name in VARIABLES}, {name: of[name] for name in FIXED}, None


HELD = {"S", "lambda", "aim", "Q", "valid", "hold"}
MIXED = ld.Vocabulary(
    quantities={
        name: ld.Quantity(f"{'trial_specs' if name in HELD else 'states'}.{name}", shape)
        for name, shape in SHAPES.items()
    },
    terms=TERMS,
    parameters={name: value for name, value in NUMBERS.items() if name != "step"},
)


@settings(max_examples=20)
@given(losses())
def test_random_losses(tree):
    loss = compiled(tree, MIXED)
    arrays = sample(0, special=False)
    given = {n: a for n, a in arrays.items() if n not in HELD}, {n: a for n, a in arrays.items() if n in HELD}, None
    sampled.check(loss, ld.report(loss), given, step=NUMBERS["step"])


@pytest.mark.parametrize(
    ("name", "text", "wrong"),
    [
        ("sin", "sin(x)", {"between": never_negative}),
        ("abs", "abs(x)", {"curve": "concave up"}),
        ("abs", "abs(x - 1)", {"curve": "affine up"}),
        ("square", "square(square(x) - 1)", {"curve": "convex up"}),
        ("min", "min(x)", {"curve": "affine up"}),
        ("sqrt", "sqrt(square(x))", {"singular": ()}),
        ("atan2", "atan2(x, y)", {"singular": ()}),
        ("/", "x/y", {"singular": ()}),
        ("relu", "relu(x)", {"flat": ("x",)}),
    ],
)
def test_a_wrong_declaration_is_seen(name, text, wrong, monkeypatch):
    sampled.check(ld.compile(text, PLAIN), ld.report(text, PLAIN), plain_data())
    monkeypatch.setitem(OPS, name, dataclasses.replace(OPS[name], **wrong))
    loss = ld.compile(text, PLAIN)
    with pytest.raises(AssertionError):
        sampled.check(loss, ld.report(loss), plain_data())


# What to write instead.

INSTEAD = {
    "sqrt(x)": 0.0,
    "sqrt(square(x))": 0.0,
    "log(x)": 0.0,
    "log(square(x))": 0.0,
    "log1p(x)": -1.0,
    "exp(x)": 800.0,
    "1/square(x)": 0.0,
    "1/x": 0.0,
    "x**0.5": -1.0,
    "abs(x)**0.5": 0.0,
    "x**-1": 0.0,
    "x**x": 0.0,
    "2**x": 2000.0,
    "atan2(x, 2*x)": 0.0,
}


@pytest.mark.parametrize("text", INSTEAD)
def test_what_to_write_instead(text, precision):
    def slope(text):
        loss = ld.compile(f"{text} as term", PLAIN)
        return jax.grad(lambda x: loss({"x": x})["term"])(jnp.full((1, 2), INSTEAD[text0], precision))

    text0 = text
    (note,) = ld.report(f"{text} as term", PLAIN)["term"].notes["gradient"]
    assert not jnp.isfinite(slope(text)).all()
    assert jnp.isfinite(slope(note.split("write `")[1].split("`")[0])).all()


# What no table shows.


def test_weights_and_parameters_of_now():
    loss = ld.compile("alpha*position + velocity", WITH)
    assert [term.sign for term in ld.report(loss)] == ["never negative"] * 2
    loss = loss.with_parameters(alpha=-1).with_weights(velocity=0)
    assert [(term.sign, term.convex) for term in ld.report(loss)] == [
        ("never positive", "concave"),
        ("zero", "constant"),
    ]
    traced = []
    jax.jit(lambda alpha: traced.append(ld.report(loss.with_parameters(alpha=alpha))) or alpha)(1.0)
    assert traced[0]["position"].convex == "unknown"


def test_a_weight_that_may_be_nan():
    (note,) = ld.report("1/step*position")["position"].notes["gradient"]
    assert note.startswith("NaN or infinite where `step` is 0")


def test_python_terms_and_own_operators_are_unknown():
    @ld.operator
    def softsign(x):
        """A sign that is soft."""
        return x / (1 + jnp.abs(x))

    found = ld.report("mean(softsign(velocity))").terms[0]
    assert (found.sign, found.convex, found.unit, found.gradient) == ("unknown",) * 4
    assert found.notes["gradient"] == ("`softsign` says nothing of its gradient",)

    class Peak(ld.AbstractLoss):
        label: str = "peak"

        def term(self, states, trial_specs=None, model=None):
            return jnp.max(states["x"], axis=1)

    found = ld.report(Peak())["peak"]
    assert (found.sign, found.convex, found.unit, found.gradient) == ("unknown",) * 4
    assert found.notes["gradient"] == ("`peak` is a term in Python",)
    assert (found.stream, found.residuals) == ("no", "no")


def test_it_is_data_and_a_table():
    found = ld.report("position + sqrt(velocity)")
    assert found["position"].sign == "never negative" and len(found) == 2
    assert found.to_dict()["terms"][1]["notes"]["residuals"]
    assert found._repr_html_().count("<table>") == 2
    assert ld.report("position")._repr_html_().count("<table>") == 1
    with pytest.raises(ld.LossNameError, match="the loss has no term `positon`"):
        found["positon"]
    with pytest.raises(ld.LossError):
        ld.report("positon")


def test_an_ensemble_is_refused():
    loss = ld.compile("position")
    many = jax.vmap(lambda weight: loss.with_weights(position=weight))(jnp.arange(3.0))
    with pytest.raises(ld.LossValueError, match="not one loss"):
        ld.report(many)


def test_long_chains_of_definitions():
    chain = "; ".join(["d0 = velocity", *(f"d{i} = d{i - 1} + sqnorm(net.hidden)" for i in range(1, 300))])
    found = ld.report(f"{chain}; tanh(d299)")
    assert found.terms[0].sign == "never negative"
    doubled = "; ".join(["d0 = velocity", *(f"d{i} = d{i - 1}*d{i - 1}" for i in range(1, 30))])
    assert ld.report(f"{doubled}; tanh(d29)").terms[0].gradient == "finite"


@pytest.mark.parametrize(
    ("x", "p", "expected"),
    [
        ((-2, 3), (2, 2), (0, 9)),
        ((-3, -2), (2, 2), (4, 9)),
        ((-2, 3), (3, 3), (-8, 27)),
        ((2, 4), (-1, -1), (0.25, 0.5)),
        ((-1, 1), (-1, -1), (-np.inf, np.inf)),
        ((0, 4), (0.5, 0.5), (0, 2)),
        ((-1, 4), (0.5, 0.5), (0, 2)),
        ((2, 3), (0, 2), (1, 9)),
        ((-1, 1), (0, 2), (-np.inf, np.inf)),
        ((0, np.inf), (2, 2), (0, np.inf)),
        ((10, 20), (400, 400), (np.inf, np.inf)),
    ],
)
def test_ranges_of_powers(x, p, expected):
    assert power(Range(*x), Range(*p)) == expected


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.defaults])
def test_ranges_hold_what_points_give(name):
    """The range of a result holds that of single numbers within the operands, of operators that are elementwise."""
    op = OPS[name]
    if op.rule.option or op.repeats or op.formula or op.name in ("[]", "@", "rename", "robustness", "violation"):
        pytest.skip("not elementwise")
    rng = np.random.default_rng(0)
    for low, high in [(-2.0, 3.0), (0.0, 2.0), (0.5, 1.5), (-3.0, -1.0), (0.0, 0.0)]:
        if low <= 0 and op.domain:
            continue  # numbers that a text cannot give
        args = tuple(Known(Range(low, high)) for _ in op.defaults)
        found = Range(0, 1) if op.indicates else op.between(At(args))
        operands = [jnp.asarray(rng.uniform(low, high, 200)) for _ in op.defaults]
        if name in ("huber", "smooth_abs"):
            operands[1] = jnp.abs(operands[1]) + 0.1
        value = np.asarray(
            op.lower(*operands[: len(op.required)], **dict(zip(op.options, operands[len(op.required) :], strict=False)))
        )
        value = value[~np.isnan(value)]
        assert ((value >= found.low - 1e-5) & (value <= found.high + 1e-5)).all()
