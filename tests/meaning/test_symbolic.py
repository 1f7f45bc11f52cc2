"""The tree and SymPy, both ways; and SymPy as a judge of the normal form."""

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
import sympy
from hypothesis import assume, example, given, settings, strategies as st

import lossdsl as ld
from lossdsl.language.expr import Number
from lossdsl.meaning.normal import written
from lossdsl.operators.declaration import OPS
from tests.strategies import programs, trees

X, Y, ALPHA = sympy.symbols("x y alpha", real=True)
F = lambda name: sympy.Function(name, real=True)  # noqa: E731


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("0.1*x + 1/3", X / 10 + sympy.Rational(1, 3)),
        ("-x**2/y - alpha", -(X**2) / Y - ALPHA),
        ("sqrt(x)*square(y)", sympy.sqrt(X) * Y**2),
        ("exp(-x) + log(y) + abs(x)", sympy.exp(-X) + sympy.log(Y) + sympy.Abs(X)),
        ("minimum(x, 2) + maximum(x, y)", sympy.Min(X, 2) + sympy.Max(X, Y)),
        ("sqnorm(x) + huber(x, delta=2)", F("sqnorm")(X) + F("huber")(X, 2)),
        ("mean(x, axis=batch)", F("mean")(X, 1, sympy.Symbol("batch"))),
        ("x[-1] + x[1:]", F("take")(X, -1) + F("take")(X, 1, sympy.Symbol("open"), sympy.Symbol("open"))),
        ("final(x) as last", F("final")(X)),
        ("d = x + 1\nd**2 + d", X + 1 + (X + 1) ** 2),
        (
            "E*S + lambda",
            sympy.Symbol("E", real=True) * sympy.Symbol("S", real=True) + sympy.Symbol("lambda", real=True),
        ),
    ],
)
def test_to_sympy(text, expected):
    assert sympy.sympify(ld.parse(text)) == expected
    assert sympy.sympify(ld.from_sympy(expected)) == expected


def test_sympy_functions_take_a_tree():
    tree = ld.parse("0.5*exp(-x**2) + 2*sqnorm(y)")
    assert sympy.diff(tree, X) == -X * sympy.exp(-(X**2))
    assert sympy.latex(sympy.sympify(tree)) == r"2 \operatorname{sqnorm}\left(y\right) + \frac{e^{- x^{2}}}{2}"
    assert sympy.latex(sympy.sympify(ld.parse("smooth_abs(x)**2"))) == (
        r"\operatorname{smooth\_abs}^{2}\left(x, \frac{1}{1000}\right)"
    )
    assert sympy.srepr(sympy.sympify(ld.parse("sqnorm(x)"))) == "Function('sqnorm')(Symbol('x', real=True))"
    assert sympy.simplify(ld.parse("(x + 1)**2 - x**2 - 2*x")) == 1
    assert sympy.Integer(2) * ld.parse("x + 1") == 2 * X + 2


def test_weights_are_exact_scalars_of_sympy():
    loss = ld.compile("0.1*position + 0.2*position + alpha**2*velocity/3", parameters={"alpha": 2})
    assert [term.weight for term in loss.terms] == [sympy.Rational(3, 10), ALPHA**2 / 3]
    assert sympy.sympify(loss.expr) == sympy.Symbol("position", real=True) * 3 / 10 + (
        ALPHA**2 * sympy.Symbol("velocity", real=True) / 3
    )


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.1 * X, "0.1*x"),
        (sympy.E**X, "exp(x)"),
        (sympy.exp(1) * X, "exp(1)*x"),
        (sympy.Max(X, Y, 1), "maximum(maximum(1, x), y)"),
        (sympy.Function("norm")(X) ** -2, "1/norm(x)**2"),
        (sympy.Symbol("net.hidden") / 2, "net.hidden/2"),
    ],
)
def test_from_sympy(value, text):
    found = ld.from_sympy(value)
    assert found == ld.parse(str(found))
    assert sympy.sympify(found) == sympy.sympify(ld.parse(text))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (sympy.Derivative(X, X, evaluate=False), "`Derivative(x, x)` of SymPy has no counterpart in the language"),
        (sympy.I * X, "`I` of SymPy has no counterpart"),
        (sympy.pi, "`pi` of SymPy has no counterpart"),
        (sympy.oo, "`oo` of SymPy has no counterpart"),
        (sympy.Function("sqnrm")(X), "no counterpart in the language\ndid you mean `sqnorm`"),
        (
            sympy.Function("huber")(X, 1, 2),
            "`huber(x, 1, 2)` of SymPy has no counterpart in the language\ngive x, delta",
        ),
        (sympy.Function("take")(X, 0.5), "give an index, or `start, stop, stride`"),
        (sympy.Symbol("a b"), "`a b` of SymPy has no counterpart"),
        (sympy.Function("+")(X, Y), "no counterpart"),
        (X > 0, "a StrictGreaterThan has no counterpart in the language\ngive an expression of SymPy"),
        (3, "an int has no counterpart in the language\ngive an expression of SymPy"),
    ],
    ids=str,
)
def test_no_counterpart(value, message):
    with pytest.raises(ld.LossValueError) as caught:
        ld.from_sympy(value)
    assert caught.value.code == "no-counterpart"
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("text", "code"), [("9**9**9*x", "too-large"), ("x/0", "not-finite"), ("x*(-2)**0.5", "not-finite")]
)
def test_numbers_that_cannot_be_computed(text, code):
    with pytest.raises(ld.LossValueError) as caught:
        sympy.sympify(ld.parse(text))
    assert caught.value.code == code


@given(trees | programs())
@example(ld.parse("a + b - a"))
@example(ld.parse("abs((0)[0]) + exp(final(2))**sum(1) + minimum(norm(2), cumsum(3))"))
def test_there_and_back_is_the_identity(tree):
    try:
        once = sympy.sympify(tree)
    except ld.LossValueError:
        assume(False)
    back = ld.from_sympy(once)
    assert sympy.sympify(back) == once
    assert back == ld.parse(str(back))


# What SymPy has itself: each text is a function of numbers to it.
VOCABULARY = ld.Vocabulary({name: (f"states.{name}", "batch") for name in "xyz"}, {}, {"alpha": 0.75, "beta": 1.25})
numbers = st.sampled_from(["0", "1", "2", "0.5", "0.1", "3"])
leaves = st.sampled_from(["x", "y", "z", "alpha", "beta"]) | numbers


def grow(inner):
    return st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("({}/{})".format, inner, st.sampled_from(["2", "alpha", "(y**2 + 1)", "0.3"])),
        st.builds("{}({})".format, st.sampled_from(["exp", "sin", "cos", "tanh", "square", "abs"]), inner),
        st.builds("({})**{}".format, inner, st.sampled_from(["0", "1", "2", "3"])),
        st.builds("-{}".format, inner),
    )


@settings(max_examples=200)
@given(st.recursive(leaves, grow, max_leaves=8), st.tuples(*[st.floats(-2, 2)] * 3))
def test_sympy_judges_the_normal_form(text, point):
    try:
        terms = ld.compile(text, VOCABULARY).terms
    except ld.LossError:
        assume(False)
    values = dict(zip("xyz", point, strict=True)) | {"alpha": 0.75, "beta": 1.25}
    at = {sympy.Symbol(name, real=True): value for name, value in values.items()}
    whole = sympy.expand(sympy.sympify(ld.parse(text)))
    parts = [term.weight * sympy.sympify(term.expr) for term in terms]
    expected, found = (float(e.evalf(30, subs=at)) for e in (whole, sympy.Add(*parts)))
    assume(np.isfinite(expected))
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9)
    assert sympy.sympify(written(terms)) == sympy.Add(*parts)


@settings(max_examples=100)
@given(st.lists(st.tuples(numbers, st.sampled_from(["position", "velocity", "nn_output"])), min_size=1, max_size=6))
def test_sympy_collects_the_same_weights(pairs):
    text = " + ".join(f"{number}*({name} - alpha*velocity)" for number, name in pairs)
    whole = sympy.expand(sympy.sympify(ld.parse(text)))
    for term in ld.compile(text, parameters={"alpha": 1}).terms:
        assert sympy.expand(term.weight - whole.coeff(sympy.Symbol(term.label, real=True))) == 0


class TestTrees:
    TREE = ld.parse("alpha*norm(x - y) + 0.5*norm(z)**2")

    def test_rebuilds_itself(self):
        for node in self.TREE.walk():
            assert node == (node.func(*node.args) if node.args else node)

    def test_questions(self):
        assert {str(name) for name in self.TREE.free_symbols} == {"alpha", "x", "y", "z"}
        assert {str(leaf) for leaf in self.TREE.atoms()} == {"alpha", "x", "y", "z", "0.5", "2"}
        assert {str(leaf) for leaf in self.TREE.atoms(Number)} == {"0.5", "2"}
        assert self.TREE.has("x") and self.TREE.has(OPS["norm"]) and self.TREE.has(Number)
        assert self.TREE.has(ld.parse("x - y")) and self.TREE.has("nothing", "x")
        assert not self.TREE.has("norm", OPS["sqnorm"], ld.parse("y - x"))

    def test_changes(self):
        assert str(self.TREE.subs({"alpha": 2, "z": ld.parse("x + y")})) == "2*norm(x - y) + 0.5*norm(x + y)**2"
        assert str(self.TREE.subs({"x": ld.parse("y"), "y": ld.parse("x")})) == "alpha*norm(y - x) + 0.5*norm(z)**2"
        assert str(self.TREE.xreplace({ld.parse("norm(z)**2"): ld.parse("sqnorm(z)")})) == (
            "alpha*norm(x - y) + 0.5*sqnorm(z)"
        )
        assert str(self.TREE.replace(Number, lambda n: ld.parse("a"))) == "alpha*norm(x - y) + a*norm(z)**a"
        with pytest.raises(ld.LossValueError, match="`alpha` cannot be a str\ngive an expression, or a finite number"):
            self.TREE.subs({"alpha": "2"})

    def test_order(self):
        assert [str(n) for n in ld.parse("a*b + c").walk()] == ["a*b + c", "a*b", "a", "b", "c"]
        assert [str(n) for n in ld.parse("a*b + c").walk(leaves_first=True)] == ["a", "b", "a*b", "c", "a*b + c"]

    def test_equal_in_every_process(self):
        code = "import lossdsl as ld; print(ld.parse('alpha*norm(x - y) + 0.5*norm(z)**2').key.hex())"
        for _ in range(2):
            done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
            assert done.stdout.strip() == self.TREE.key.hex()


@pytest.mark.parametrize("value", [Fraction(1, 3), Fraction(-1, 3), Fraction(-2), Fraction(1, 8), Fraction(-7, 10**30)])
def test_exact_numbers_that_are_put_in_stand_in_the_text(value):
    tree = ld.parse("x**a + x/a - a*x + final(x*a)[1:]").subs({"a": value})
    assert ld.parse(str(tree)) == tree
