"""Every weight that compiles has a text, which is the same weight; what has none is refused at once."""

import pickle
from decimal import Decimal
from fractions import Fraction

import jax
import numpy as np
import pytest
import sympy
from hypothesis import assume, example, given, settings, strategies as st

import lossdsl as ld
from lossdsl.language import exact_number
from lossdsl.meaning import from_sympy

SHARED = ld.FEEDBAX.extend(parameters={"alpha": 0.5, "beta": 2.0})

decimals = st.builds(
    "{}{}{}".format,
    st.integers(0, 10**30),
    st.sampled_from(["", ".", ".5", ".000001", ".12345678901234567"]),
    st.sampled_from(["", "e-20", "e14", "e40", "e-300"]),
)
leaves = decimals | st.sampled_from(["1", "3", "0.1", "0.99", "alpha", "beta", "step"])
weights = st.recursive(
    leaves,
    lambda parts: (
        st.builds("({}{}{})".format, parts, st.sampled_from("+-*/"), parts)
        | st.builds("({}**{})".format, parts, st.sampled_from(["2", "30", "-7", "0.5", "1000", "(1/3)", "alpha"]))
    ),
    max_leaves=6,
)


@given(weights, st.sampled_from(["{}*position", "{}*position - {}*final(velocity)", "position/{}"]))
@settings(max_examples=100, deadline=None)
@example("1.1**30", "{}*position")
@example("0.99**15", "{}*position")
@example("(1e14 + 1e-12)", "{}*position")
@example("0.12345678901234*0.98765432109876", "{}*position")
@example("12345678901234567890123456*alpha", "{}*position")
@example("-1.1**30*alpha", "position/{}")
@example("1.000001**1000", "{}*position")
@example("." + 399 * "3", "{}*position")
@example("." + 990 * "0" + "1e990", "{}*position")
@example("(1/3**190 + 1e-20)", "{}*position")
def test_every_weight_that_compiles_has_a_text(weight, text):
    with jax.enable_x64(True):
        try:
            loss = ld.compile(text.format(weight, weight), SHARED)
        except ld.LossError as failure:
            assume(False)
            assert failure.code in ("too-large", "not-finite", "no-quantity", "bad-weight")
        again = ld.compile(str(loss), SHARED)
        assert str(again) == str(loss)
        assert again.digest == loss.digest
        assert again.terms == loss.terms
        assert ld.compile(loss.to_config()["loss"], SHARED).digest == loss.digest
        assert pickle.loads(pickle.dumps(loss)).digest == loss.digest
        for shown in (repr(loss), loss.latex(), loss.latex(expand=True), loss.python()):
            assert shown
        assert [from_sympy(term.weight) for term in loss.terms]


UNSAYABLE = {
    "tiny text": "1e-99999999",
    "huge text": "1e99999999",
    "long text": "1" * 5_000,
    "long decimal": "0." + "1" * 500,
    "huge int": 10**5_000,
    "subnormal": 5e-324,
    "decimal": Decimal("1e-99999999"),
    "tiny fraction": Fraction(1, 10**400),
    "long fraction": Fraction(3**700, 7**390),
    "sympy": sympy.Rational(1, 10**400),
    "sympy float": sympy.Float("1e-400"),
}


@pytest.mark.parametrize("value", UNSAYABLE.values(), ids=UNSAYABLE)
def test_a_number_without_a_text_is_refused_before_it_is_computed(value):
    assert exact_number(value) is None
    with pytest.raises(ld.LossValueError):
        ld.compile("alpha*position", parameters={"alpha": value})


def test_a_weight_that_shrank_to_a_subnormal_is_refused():
    with jax.enable_x64(True):
        loss = ld.compile("position").with_weights(position=5e-324)
        with pytest.raises(ld.LossValueError, match="5e-324"):
            str(loss)


@pytest.mark.parametrize(
    ("value", "exact"),
    [
        ("1e-5", Fraction(1, 10**5)),
        (" -.5 ", Fraction(-1, 2)),
        ("+2.E1", 20),
        ("0e99999999", 0),
        (np.float32(0.1), Fraction(1, 10)),
        (np.int8(3), 3),
        (sympy.Rational(1, 3), Fraction(1, 3)),
        (Fraction(2, 7), Fraction(2, 7)),
        (0.1, Fraction(1, 10)),
    ],
    ids=str,
)
def test_numbers_are_exact(value, exact):
    assert exact_number(value) == exact


def test_a_parameter_of_the_vocabulary_may_be_given_another_value():
    """Its symbol stays; a name of another kind is refused."""
    vocabulary = ld.Vocabulary({"x": "batch time"}, parameters={"al": {"default": 1, "latex": r"\alpha"}})
    loss = ld.compile("al*x", vocabulary, parameters={"al": 0.5})
    assert float(loss.parameters["al"]) == 0.5
    assert loss.program is ld.compile("al*x", vocabulary).program
    assert r"\alpha" in loss.latex()
    with pytest.raises(ld.LossNameError, match="it has one already"):
        ld.compile("al*x", vocabulary, parameters={"x": 0.5})
