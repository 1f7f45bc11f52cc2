"""Definitions with arguments: a call is what its text says, written out; what is wrong is told soon, and once."""

import pickle
import time

import pytest
import sympy
from hypothesis import assume, given, settings, strategies as st

import lossdsl as ld
from lossdsl.language.definitions import Argument, Called, Function, Let
from lossdsl.language.expr import Call, Label, Name, Number
from lossdsl.language.fmt import formatted
from tests.strategies import VOCABULARY, losses


@st.composite
def moved(draw):
    """A loss, and the same with parts of it moved into definitions with arguments, parts of those too."""
    original = draw(losses())
    rows = list(zip(original.names, original.args, strict=False)) if isinstance(original, Let) else []
    rows.append((None, original.args[-1] if isinstance(original, Let) else original))
    for number in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(rows) - 1))
        name, value = rows[at]
        parts = [part for part in value.walk() if isinstance(part, Call) and not part.has(Label)]
        if not parts:
            continue
        part = max(draw(st.lists(st.sampled_from(parts), min_size=1, max_size=3)), key=lambda part: part.size)
        body, given = draw(without(part, f"x{number}_"))
        if not given:
            continue
        arguments = tuple(Name(name=f"x{number}_{i}") for i in range(len(given)))
        in_order = draw(st.integers(0, len(given)))
        order = [*range(in_order), *draw(st.permutations(range(in_order, len(given))))]
        keys = (*[None] * in_order, *(arguments[i] for i in order[in_order:]))
        call = Called(tuple(given[i] for i in order), callee=Name(name=f"f{number}"), keys=keys)
        rows[at] = (name, value.xreplace({part: call}))
        defined = Name(name=f"f{number}"), Function((body,), arguments=arguments)
        rows.insert(draw(st.integers(0, len(rows) - 1)), defined)
    *definitions, (_, loss) = rows
    assume(definitions)
    return original, Let((*(v for _, v in definitions), loss), names=tuple(n for n, _ in definitions))


@st.composite
def without(draw, part, prefix):
    """A part with some parts of it as arguments, those of the definition that it stands in among them; and these."""
    known = [node for node in part.walk() if isinstance(node, Argument)]
    inner = [node for node in part.walk() if node is not part and _may_be_given(node)] or [part]
    chosen = dict.fromkeys([*draw(st.lists(st.sampled_from(inner), max_size=4)), *known, inner[-1]])
    given = []
    for value in chosen:
        changed = part.xreplace({value: Argument(name=f"{prefix}{len(given)}")})
        names = {node.name for node in changed.walk() if isinstance(node, Argument)}
        if changed != part and names >= {f"{prefix}{i}" for i in range(len(given) + 1)}:
            part = changed
            given.append(value)
    return part, given


def _may_be_given(node):
    """Whether it is a value of its own; a sum at the top of a loss need not be one."""
    return isinstance(node, Name | Number) or (isinstance(node, Call) and node.op.name not in ("+", "neg", "*", "/"))


@pytest.mark.slow
@settings(max_examples=60)
@given(moved())
def test_a_call_is_what_its_definition_says_written_out(pair):
    original, tree = pair
    try:
        expected = ld.compile(original, VOCABULARY)
    except ld.LossError:
        assume(False)
    loss = ld.compile(tree, VOCABULARY)
    assert loss.digest == expected.digest
    assert str(loss) == str(expected)
    assert loss.labels == expected.labels
    assert loss.python() == expected.python()
    assert loss.latex(expand=True) == expected.latex(expand=True)
    assert ld.compile(str(tree), VOCABULARY).digest == loss.digest


@pytest.mark.slow
@settings(max_examples=60)
@given(moved())
def test_text_and_canonical_text_are_the_same_definitions(pair):
    _, tree = pair
    assert ld.parse(str(tree)) == tree
    assert str(ld.parse(str(tree))) == str(tree)
    once = formatted(str(tree))
    assert ld.parse(once) == tree
    assert formatted(once) == once


SPREAD = "spread(z) = mean(square(z), axis=batch)\n"


def test_a_tree_with_calls_is_a_tree():
    tree = ld.parse(f"{SPREAD}spread(velocity)*z + spread(z=position)")
    for node in tree.walk():
        assert node == (node.func(*node.args) if node.args else node)
        assert hash(node) == hash(pickle.loads(pickle.dumps(node)))
    # The argument is no name of the loss.
    assert str(tree.subs({"z": 2})) == f"{SPREAD}spread(velocity)*2 + spread(z=position)"
    assert tree != ld.parse(f"{SPREAD}spread(velocity)*z + spread(position)")
    assert ld.parse("f(x) = x; f(a)") != ld.parse("f(y) = y; f(a)")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("f(x, k) = x**2*k; a = 3; 2*f(y, k=a) + f(z, 2)", "6*y**2 + 2*z**2"),
        ("f(x) = g(x + 1); g(x) = 2*x; f(f(x))", "4*x + 6"),
        ("f(x) = x + y; y = 2; f(x)", "x + 2"),
        ("f(x) + g(x, y)", "f(x) + g(x, y)"),
    ],
)
def test_sympy_has_calls_written_out(text, expected):
    known = {name: sympy.Symbol(name, real=True) for name in "xyz"}
    known |= {name: sympy.Function(name, real=True) for name in "fg"}
    assert sympy.expand(sympy.sympify(ld.parse(text)) - sympy.sympify(expected, known)) == 0


def test_losses_with_definitions_of_one_name_are_added():
    first = ld.compile(f"{SPREAD}spread(velocity) as a")
    second = ld.compile("spread(z) = max(z, axis=batch); 2*spread(velocity) as b")
    both = 0.5 * first + second
    assert str(both) == "0.5*mean(square(velocity), axis=batch) as a + 2*max(velocity, axis=batch) as b"
    assert str(both.with_weights(a=3).without("b")) == "3*mean(square(velocity), axis=batch) as a"
    assert pickle.loads(pickle.dumps(both)).digest == both.digest
    assert ld.compile({"a": f"{SPREAD}spread(velocity)", "b": "spread(position)"}).labels == ("a", "b")


def test_a_mistake_says_term_call_and_place():
    with pytest.raises(ld.LossAxesError) as caught:
        ld.compile({"a": "f(x) = norm(x); f(velocity)", "b": "position"})
    failure = caught.value
    assert failure.message.endswith("its axes are (batch, time), in `f(velocity)`, in the term `a`")
    assert (str(failure.span), str(failure.span.within), failure.span.calls) == ("x", "f(velocity)", ["f(velocity)"])
    assert str(pickle.loads(pickle.dumps(failure))) == str(failure)


def test_what_is_wrong_whatever_is_given_is_told_once():
    with pytest.raises(ld.LossError) as caught:
        ld.compile("f(x) = x*norm(position) + foo; g(x) = f(x)*f(2*x); f(1) + f(2) + g(velocity) + fou")
    assert [(one.code, str(one.span)) for one in caught.value.errors] == [
        ("not-vector", "position"),
        ("unknown-name", "foo"),
        ("unknown-name", "fou"),
    ]


def chain(body, number=60, last="x + x"):
    lines = [f"f0(x) = {last}", *(f"f{i}(x) = {body.replace('f(', f'f{i - 1}(')}" for i in range(1, number))]
    return lines, f"f{number - 1}(position)"


def test_what_does_not_fit_inside_a_sum_is_told_once_too():
    with pytest.raises(ld.LossError) as caught:
        ld.compile("f(x) = x + (sum(velocity, axis=batch) + final(velocity)); tanh(f(1)) + tanh(f(2)) + f(3)")
    (failure,) = caught.value.errors
    assert failure.message.endswith("do not fit: (time,) and (batch,)")


@pytest.mark.parametrize("body", ["f(x) + f(x)", "f(x + x)", "f(x)", "f(f(x))", "f(x*x) - f(-x)", "tanh(f(x))"])
@pytest.mark.parametrize("last", ["x + x", "norm(x)", "x*unknown", "huber(x, delta=-1)", "x**999"])
@pytest.mark.parametrize("number", [15, 60, 1_000])
@pytest.mark.parametrize("backwards", [False, True])
def test_definitions_of_definitions_end_soon(body, last, number, backwards):
    lines, call = chain(body, number, last)
    start = time.process_time()
    try:
        ld.compile("\n".join([*(lines[::-1] if backwards else lines), call]))
    except ld.LossError as failure:
        assert len(str(failure)) < 5_000
    assert time.process_time() - start < 1.5


def test_what_goes_too_far_is_one_error_at_the_call_where_it_begins():
    for body, code in {"f(x + x)": "too-long-written-out", "f(x)": "too-deep"}.items():
        lines, call = chain(body, 120 if code == "too-deep" else 60)
        with pytest.raises(ld.LossError) as caught:
            ld.compile("\n".join([*lines, f"{call} + 2*{call}"]))
        (failure,) = caught.value.errors
        assert (failure.code, str(failure.span)) == (code, call)


@pytest.mark.parametrize(
    "text",
    [
        f"f({', '.join(f'x{i}' for i in range(3_000))}) = x0; f(position)",
        f"f({','.join(f'x{i}' for i in range(3_000))}) = {'+'.join(f'x{i}' for i in range(3_000))}; f(1)",
        f"f({','.join(['x'] * 3_000)}) = x; f(position)",
        f"f(x) = {'+'.join(['x'] * 2_000)}; {'+'.join(['f(position)'] * 2_000)}",
        f"f(x) = x; {'f(' * 99}position{')' * 99}",
        f"f(x) = x; {'f(' * 5_000}position{')' * 5_000}",
        f"{'f(x) = ' * 3_000}x",
        "f(" * 5_000 + ")" * 5_000 + " = x",
        "; ".join(f"f{i}(x) = x + f{i + 1}(x)*g{i}; g{i} = 2" for i in range(2_000)) + "; f0(position)",
    ],
)
def test_long_texts_end_soon(text):
    start = time.process_time()
    try:
        ld.compile(text)
    except ld.LossError as failure:
        assert str(failure)
    assert time.process_time() - start < 3


def test_many_calls_of_short_definitions_are_no_matter():
    text = f"{SPREAD}{' + '.join(f'{i}e-3*spread(velocity - {i})' for i in range(1, 1_001))}"
    assert len(ld.compile(text).terms) == 1_000


# In a vocabulary.

SHARED = ld.FEEDBAX.extend(
    terms={
        "spread(z)": "mean(square(z), axis=batch)",
        "both( x,y, )": {"expr": "sum(spread(x)) + late.part(y)", "doc": "of two"},
        "late.part(x)": ld.Definition("mean(x@-1, axis=batch)", doc="at the end"),
        "fixed": "both(velocity, y=position)",
    }
)


def test_rows_of_a_vocabulary_have_arguments():
    assert str(ld.compile("both(position, velocity)", SHARED)) == (
        "sum(mean(square(position), axis=batch)) + mean(velocity[-1], axis=batch)"
    )
    assert ld.compile("fixed", SHARED).labels == ("fixed",)
    assert SHARED.terms["both"].arguments == ("x", "y")
    assert SHARED.terms["both"].called("both") == "both(x, y)"
    assert "spread" in SHARED.names
    assert pickle.loads(pickle.dumps(SHARED)).terms == SHARED.terms
    assert (ld.FEEDBAX | SHARED).terms["spread"] == SHARED.terms["spread"]
    replaced = SHARED.extend(terms={"spread(x)": "max(x, axis=batch)"})
    assert str(ld.compile("spread(position)", replaced)) == "max(position, axis=batch)"
    given = ld.compile("twice(position)", terms={"twice(x)": "2*x"})
    assert str(given) == "2*position"
    assert ld.compile(**given.to_config()).digest == given.digest
    again = ld.compile(**ld.compile("fixed + spread(velocity)", SHARED).to_config())
    assert again.digest == ld.compile("fixed + spread(velocity)", SHARED).digest


@pytest.mark.parametrize(
    ("terms", "loss", "message"),
    [
        ({"spread()": "velocity"}, "velocity", "the vocabulary cannot give `spread()` a meaning: it is not a name"),
        ({"f(x.y)": "x.y"}, "velocity", "the vocabulary cannot give `f(x.y)` a meaning: it is not a name"),
        ({"f(x)": "x", "f": "velocity"}, "velocity", "the vocabulary cannot give `f` a meaning: it has one already"),
        ({"position(x)": "x"}, "velocity", "the vocabulary cannot give `position` a meaning: it has one already"),
        ({"f(x)": {"expr": "x", "latex": "f"}}, "velocity", "`f(x)` of the vocabulary is given a symbol"),
        ({"f(x)": "x"}, "f", "`f` is a definition with arguments"),
        ({"f(x)": "y"}, "f(velocity)", "the definition `f` does not use its argument `x`, in the term `f`"),
        (
            {"f(x)": "norm(x)"},
            "f(velocity)",
            "`velocity` is not a vector: its axes are (batch, time), in `f(velocity)`",
        ),
        ({"f(x)": "x*foo"}, "f(velocity)", "there is no name `foo`, in the term `f`"),
        ({"f(x)": "x*("}, "f(velocity)", "`(` is never closed, in the term `f`"),
        ({"f(x)": "g(x)", "g(x)": "f(x)"}, "f(velocity)", "`f` is defined by itself: f -> g -> f, in the term `g`"),
        ({"f(x)": "a = 2; a*x"}, "f(velocity)", "a term of the vocabulary has no definitions of its own, here `a`"),
        ({"sum(x)": "x"}, "velocity", "the definition hides the operator `sum`"),
        (
            {"f(sum)": "sum"},
            "f(velocity)",
            "the argument `sum` of `f` hides the operator of that name, in the term `f`",
        ),
        ({"f(velocity)": "velocity"}, "f(1)", "the argument `velocity` of `f` hides a name of the vocabulary"),
        ({"f(x)": "x"}, "f(x) = 2*x; f(velocity)", "the definition hides `f` of the vocabulary"),
        ({"f(x)": "x"}, "ff(velocity)", "there is no operator `ff`"),
    ],
)
def test_rows_that_cannot_be(terms, loss, message):
    with pytest.raises(ld.LossError) as caught:
        ld.compile(loss, terms=terms)
    assert caught.value.message.removesuffix(", in the term `f`") == message.removesuffix(", in the term `f`")


def test_numbers_in_bodies_and_arguments_are_exact():
    loss = ld.compile("f(a, x) = (a + 0.1)*x; f(0.2, position)")
    (term,) = loss.terms
    assert (term.label, term.weight) == ("position", sympy.Rational(3, 10))
    assert not any(isinstance(node, Number) for node in term.expr.walk())
