"""What holds for every loss: random trees, texts and data, against the oracle and against each other."""

import pickle
import re
import time
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import sympy
from hypothesis import assume, example, given, settings, strategies as st
from lark import Lark
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.language.definitions import Let
from lossdsl.language.expr import Call, Expr, Label, Name, Number, call
from lossdsl.operators.declaration import OPS
from tests.oracle import FORMULAS
from tests.strategies import (
    NUMBERS,
    SHAPES,
    TERMS,
    VOCABULARY,
    compiled,
    decimals,
    losses,
    lowered,
    oracle,
    products,
    programs,
    sample,
    trees,
    with_label,
)

pytestmark = pytest.mark.slow


def weight_now(term):
    """The exact weight of a term as a float."""
    names = [str(symbol) for symbol in term.weight.free_symbols]
    function = sympy.lambdify(list(term.weight.free_symbols), term.weight, [FORMULAS, "numpy"])
    with np.errstate(all="ignore"):  # the root of a negative schedule is NaN
        return function(*(NUMBERS[name] for name in names))


@settings(max_examples=300)
@given(trees | programs())
@example(call("neg", call("neg", Name(name="x"))))
@example(call("**", call("neg", Name(name="x")), call("neg", Name(name="x"))))
def test_printed_tree_parses_to_itself(tree):
    assert ld.parse(str(tree)) == tree
    assert str(ld.parse(str(tree))) == str(tree)
    if not isinstance(tree, Let):
        assert ld.parse(f"({tree})") == tree


@given(losses(), st.randoms())
def test_layout_means_nothing(tree, random):
    """Spaces anywhere, comments and newlines where the line asks to go on."""
    *definitions, loss = str(tree).replace(";\n", "\n").split("\n")

    def laid_out(text):
        laid = ""
        for token in re.findall(r"\d[\w.]*(?:(?<=e)-\d+)?|\w[\w.]*|\*\*|\S", text):
            words = re.match(r"\w", token) and re.search(r"[\w.]$", laid)
            gap = " # x\n " if laid and laid[-1] in "+-*/(," else "\t"
            laid += random.choice([" " if words else "", "  ", gap]) + token
        return laid

    text = random.choice([" ;\n", ";"]).join(laid_out(part) for part in (*definitions, loss))
    assert ld.parse(text) == tree


@given(losses())
def test_normal_form_is_idempotent(tree):
    once = compiled(tree)
    twice = ld.compile(str(once), VOCABULARY)
    assert str(twice) == str(once)
    assert twice.labels == once.labels
    assert [term.weight for term in twice.terms] == [term.weight for term in once.terms]
    assert [term.expr for term in twice.terms] == [term.expr for term in once.terms]
    assert twice.digest == once.digest


@pytest.mark.parametrize("special", [False, True], ids=["finite", "with 0, inf and NaN"])
@given(tree=losses(), seed=st.integers(0, 1000))
def test_normal_form_keeps_value_and_gradient(special, tree, seed):
    """Every term is what the oracle says; the total and its gradient are those of the tree as it was written."""
    arrays = sample(seed, special)
    with jax.enable_x64(True):
        loss = compiled(tree)
    used = {name: arrays[name] for name in loss.program.quantities}

    def total(used):
        values = loss(used, None, step=NUMBERS["step"])
        return values.total, values

    @jax.jit
    def run(used):
        return jax.value_and_grad(total, has_aux=True)(used), jax.grad(lambda u: lowered({**arrays, **u}).total(tree))(
            used
        )

    with jax.enable_x64(True):
        ((_, values), gradient), gradient_before = jax.tree.map(np.asarray, run(used))

    meaning = oracle(arrays)
    whole = meaning.total(tree)  # notes the local definitions too
    for term in loss.terms:
        assert_allclose(values.raw[term.label], meaning.total(term.expr), rtol=1e-7, atol=1e-9)
        assert_allclose(values.weights[term.label], weight_now(term), rtol=1e-12)
    # Equal terms are one with the summed weight: `2*inf - inf` is then inf, where it was NaN.
    # A weight of 0 is off: the term counts as 0, whatever it is.
    if np.isnan(whole):
        assert not np.isfinite(values.total) or 0 in values.weights.values()
    else:
        assert_allclose(values.total, whole, rtol=1e-7, atol=1e-9 * (1 + sum(map(abs, values.values()))))
    for found, before in zip(jax.tree.leaves(gradient), jax.tree.leaves(gradient_before), strict=True):
        there = ~np.isnan(before)
        assert_allclose(found[there], before[there], rtol=1e-6, atol=1e-8)


@given(losses())
def test_labels_and_definitions_do_not_change_the_total(tree):
    """Every addend under a label, or in a definition of its own."""
    *definitions, loss = tree.args if isinstance(tree, Let) else [tree]
    names = [name.name for name in tree.names] if isinstance(tree, Let) else []
    bare = _unlabelled(loss)
    addends = bare.args if isinstance(bare, Call) and bare.op.name == "+" else (bare,)
    # A number alone is no term, and a term of weight 0 is off whatever it is, where a definition in it is not.
    assume(all({str(n) for n in addend.walk() if isinstance(n, Name)} - {*NUMBERS, "rate"} for addend in addends))
    assume(all(term.weight != 0 for term in compiled(tree).terms))
    labelled = [with_label(addend, f"part_{i}") for i, addend in enumerate(addends)]
    moved = [Name(name=f"part_{i}") for i in range(len(addends))]
    arrays = sample(0, False)

    def total(definitions, names, loss):
        named = tuple(Name(name=name) for name in names)
        tree = Let((*definitions, loss), names=named) if names else loss
        return compiled(tree)(jax.tree.map(jnp.asarray, arrays), None, step=3).total

    with jax.enable_x64(True), jax.disable_jit():
        before = total(definitions, names, loss)
        rows = total(definitions, names, _sum(labelled))
        parts = total([*definitions, *addends], [*names, *(name.name for name in moved)], _sum(moved))
    assert_allclose([rows, parts], before, rtol=1e-7, atol=1e-9)


scaled_sums = st.recursive(
    st.sampled_from(["cost", "S", "lambda", "exp(cost)"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-"), inner),
        st.builds("{}{}".format, st.sampled_from(["-", "2*", "alpha*", "-alpha/3*"]), inner.map("({})".format)),
    ),
    max_leaves=6,
)


@settings(max_examples=200)
@given(scaled_sums, st.sampled_from(["d", "3*d - cost", "-d/2 + S as z", "alpha*d"]))
@example("cost - (-S)", "d")
@example("-(cost - S - cost)", "d + tanh(cost)")
def test_a_definition_of_terms_with_and_without_time_is_what_its_text_says(body, loss):
    try:
        loss = ld.compile(f"d = {body};\n{loss}", VOCABULARY)
    except ld.LossAxesError:
        assume(False)
    assert ld.compile(str(loss), VOCABULARY).digest == loss.digest


def _sum(addends):
    return addends[0] if len(addends) == 1 else call("+", *addends)


def _unlabelled(node: Expr) -> Expr:
    if isinstance(node, Label):
        return _unlabelled(node.args[0])
    return node.func(*map(_unlabelled, node.args)) if node.args else node


# Weights.


@pytest.mark.parametrize(
    "text, weight",
    [
        ("(0.1 + 0.2)*cost", sympy.Rational(3, 10)),
        ("0.1*cost + 0.2*cost", sympy.Rational(3, 10)),
        ("alpha*2*cost - alpha*cost", sympy.Symbol("alpha", real=True)),
        ("cost - cost", sympy.Integer(0)),
        ("0*cost", sympy.Integer(0)),
        ("cost/3*3", sympy.Integer(1)),
        ("-(-cost)/7", sympy.Rational(1, 7)),
        ("1e-300*(1e300*cost)", sympy.Integer(1)),
        ("0.1**20*cost", sympy.Rational(1, 10**20)),
        ("2*final(0.3*cost)", sympy.Rational(3, 5)),
        ("(alpha**2)**0.5*cost", sympy.Abs(sympy.Symbol("alpha", real=True))),
    ],
)
def test_weight_is_exact(text, weight):
    (term,) = ld.compile(text, VOCABULARY).terms
    assert term.weight == weight


def exact(node):
    """The value of a tree of numbers, in fractions; None where something is divided by 0."""
    values = [exact(arg) for arg in node.args]
    if isinstance(node, Number):
        return node.value
    if None in values:
        return None
    match node.op.name:
        case "+":
            return sum(values)
        case "neg":
            return -values[0]
        case "*":
            return values[0] * values[1]
    return values[0] / values[1] if values[1] else None


arithmetic = st.recursive(
    decimals,
    lambda inner: products(inner, inner) | st.builds(lambda x: call("neg", x), inner),
    max_leaves=8,
)


@settings(max_examples=200)
@given(arithmetic, arithmetic)
def test_weights_are_exact(of_number, of_parameter):
    """`a*cost + b*alpha*cost` is one row of weight `a + b*alpha`."""
    a, b = exact(of_number), exact(of_parameter)
    assume(a is not None and b is not None)
    cost, alpha = Name(name="cost"), Name(name="alpha")
    tree = call("+", call("*", of_number, cost), call("*", call("*", alpha, cost), of_parameter))
    (term,) = ld.compile(tree, VOCABULARY).terms
    a, b = (sympy.Rational(x.numerator, x.denominator) for x in (a, b))
    assert sympy.expand(term.weight - a - b * sympy.Symbol("alpha", real=True)) == 0


# Texts that no one should write.

TOKENS = [*"+-*/()[]@:,=;\n#.^ ", "**", "as", "1", "0", "1e-5", ".5", "1e999", "9**9", *SHAPES, *TERMS, *NUMBERS]
TOKENS += [
    *(f"{name}(" for name in OPS if name.isidentifier()),
    "axis=",
    "time",
    "xy",
    "[-1]",
    "@final",
    "x = ",
    "f(x) = x",
    "f(cost)",
    "f(x=",
    "é",
    "²",
]


@st.composite
def mutations(draw):
    """A valid text with a few pieces taken out, doubled or put in."""
    text = str(draw(losses()))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        stop = draw(st.integers(start, min(len(text), start + 8)))
        put = draw(st.one_of(st.just(""), st.just(text[start:stop] * 2), st.sampled_from(TOKENS), st.text(max_size=3)))
        text = text[:start] + put + text[stop:]
    return text


texts = st.one_of(
    st.text(st.characters(exclude_categories=())),
    st.binary(max_size=60).map(lambda raw: raw.decode("latin-1")),
    st.lists(st.sampled_from(TOKENS), max_size=30).map("".join),
    st.lists(st.sampled_from(TOKENS), max_size=30).map(" ".join),
    mutations(),
)


def refused(text):
    """The error of a text, or None; nothing but a `LossError` may come, and soon."""
    start = time.process_time()
    try:
        loss = ld.compile(text, VOCABULARY)
        assert str(loss) and loss.digest
        assert loss.program.functions, "the source is not Python"
        return None
    except ld.LossError as failure:
        return failure
    finally:
        assert time.process_time() - start < 3


@settings(max_examples=300)
@given(texts)
@example("(" * 5000)
@example("-" * 5000 + "cost")
@example("cost" + "**2" * 5000)
@example("cost@final" * 5000)
@example("f(x) = f(x)**9; f(9)*cost")
@example("f(x) = x**9; f(f(f(9)))*cost")
@example("f(x) = cost;" * 3000)
@example("9**9**9*cost")
@example("2**0.5**0.5**0.5*cost")
@example("1e-100000000*cost")
@example("0.1**400*cost")
@example("cost" + " + cost" * 5000)
@example("\x00")
@example("\ud800")
@example("cost\u2028+ cost")
@example("cost as é\u0301")
def test_any_text_is_a_loss_or_a_loss_error(text):
    failure = refused(text)
    if failure is None:
        return
    copy = pickle.loads(pickle.dumps(failure))
    assert type(copy) is type(failure)
    assert (copy.code, copy.span, copy.term, copy.hint) == (failure.code, failure.span, failure.term, failure.hint)
    assert str(copy) == str(failure)


@given(st.dictionaries(st.text(max_size=5), texts | st.integers() | st.none() | st.floats(), max_size=3))
def test_any_mapping_is_a_loss_or_a_loss_error(mapping):
    refused(mapping)


def test_grammar_has_no_colliding_terminals():
    """`strict` refuses ambiguities of rules and, with `interegular`, of terminals."""
    grammar = (Path(__file__).parent.parent / "grammar" / "loss.lark").read_text(encoding="utf-8")
    Lark(grammar, parser="lalr", start="program", strict=True)
