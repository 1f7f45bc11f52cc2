"""Factors leave the operators that say so, no others, and neither value nor gradient changes."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.language.definitions import Let
from lossdsl.language.expr import Call, Label, Name, call
from lossdsl.operators import axes
from lossdsl.operators.declaration import OPS
from tests.operators import test_operators as table
from tests.oracle import Named, Oracle, plain
from tests.strategies import NUMBERS, VOCABULARY, by_position, compiled, losses, oracle, sample

pytestmark = pytest.mark.slow

# What a factor makes of a result, by the degree and the signs of a declaration, the strongest first.
LAWS = {
    (1, "any"): lambda s: s,
    (2, "any"): lambda s: s**2,
    (-1, "any"): lambda s: 1 / s,
    (1, "absolute"): abs,
    (1, "positive"): lambda s: s if s > 0 else None,
}
FACTORS = ["-3", "-alpha/2", "exp(alpha)*alpha**2*step/40", "2**0.5"]
# Operators whose operands are numbers, which are weights.
OF_ARRAYS = [name for name, op in OPS.items() if op.rule is not axes.numbers and not (op.formula or op.formulas)]
BY_HAND = {"alpha": 0.75, "step": float(table.STEP)}


def is_number(node):
    return {name.name for name in node.free_symbols} <= {*BY_HAND}


def uses(name, i):
    """The calls of an operator in its rows, with the row, in which an operand is an array."""
    rows = [ld.parse(text) for operator, text, _ in table.ROWS if operator == name]
    calls = [(tree, node) for tree in rows for node in tree.walk() if isinstance(node, Call) and node.op.name == name]
    return [(tree, node) for tree, node in calls if i < len(node.args) and not is_number(node.args[i])]


def arrays_of(sizes=table.SIZES["distinct"], dtype=np.float64):
    return {name: array for name, array in table.sample(sizes, dtype).items() if name != "net"}


def named(arrays):
    return {name: Named.declared(array, table.SHAPES[name]) for name, array in arrays.items()}


def laws(name, i):
    """The laws that an operator follows in one operand, in all its rows."""
    found = set(LAWS)
    for _, node in uses(name, i):
        args = [Oracle(named(arrays_of()), numbers=BY_HAND, inside=table.late)(arg) for arg in node.args]
        if i == 0:  # above 0 and below
            args[0] = Named(np.random.default_rng(0).normal(size=args[0].data.shape), args[0].axes)
        found = {law for law in found if follows(node, args, i, LAWS[law])}
    return found


def follows(node, args, i, law):
    def value(factor):
        arrays = {f"x{j}": Named(arg.data * (factor if j == i else 1), arg.axes) for j, arg in enumerate(args)}
        names = [arg if is_number(arg) else Name(name=f"x{j}") for j, arg in enumerate(node.args)]
        return Oracle(arrays, numbers=BY_HAND, inside=table.late)(node.func(*names)).data

    with np.errstate(all="ignore"):
        return all(law(s) is None or np.allclose(value(s), law(s) * value(1), rtol=1e-9) for s in (3, 0.7, -2))


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_an_operator_declares_the_degree_that_it_has(name):
    op = OPS[name]
    declared = [(degree, op.signs) for degree in op.degrees]
    for i, law in enumerate(declared):
        assert uses(name, i), "a row with an array there"
        assert law in laws(name, i)
    if next(iter(op.defaults)) not in op.flat:
        strongest = next((law for law in LAWS if law in laws(name, 0)), None)
        assert declared[:1] == ([strongest] if strongest else [])


def times(node, i, factor):
    """The call with one operand times a factor."""
    return node.func(*(call("*", ld.parse(factor), arg) if j == i else arg for j, arg in enumerate(node.args)))


def both(loss, tree, numbers, meant=lambda arrays, **how: Oracle(named(arrays), inside=table.late, **how)):
    """A function to value and gradients of the normal form, those of the tree as it was written, and a size."""
    formulas = {name: by_position(op) for name, op in OPS.items()}

    def normal(parameters, arrays):
        changed = eqx.tree_at(lambda loss: loss.parameters, loss, parameters)
        values = changed(arrays, None, step=numbers["step"])
        return values.total, sum(map(jnp.abs, values.values()))

    def as_written(parameters, arrays):
        known = {**jax.tree.map(jnp.asarray, numbers), **parameters}
        meaning = meant(arrays, numbers=known, formulas=formulas, number=plain)
        return jnp.asarray(meaning.total(tree), float)

    @jax.jit
    def run(arrays, parameters):
        (value, size), gradient = jax.value_and_grad(normal, (0, 1), has_aux=True)(parameters, arrays)
        return (value, gradient), jax.value_and_grad(as_written, (0, 1))(parameters, arrays), size

    def found(arrays, **parameters):
        given = {
            name: jnp.asarray(parameters[name] if name in parameters else numbers[name], float)
            for name in loss.parameters
        }
        return jax.tree.map(np.asarray, run({name: arrays[name] for name in loss.program.quantities}, given))

    return found


def assert_equal(found, written, rtol, atol=0.0):
    """A value is equal, a gradient where it is finite as the tree was written."""
    (value, gradient), (value_before, gradient_before) = found, written
    if not np.isnan(value_before):
        assert_allclose(value, value_before, rtol=rtol, atol=atol)
    for one, other in zip(jax.tree.leaves(gradient), jax.tree.leaves(gradient_before), strict=True):
        there = np.isfinite(other)
        assert_allclose(one[there], other[there], rtol=10 * rtol, atol=atol)


@pytest.mark.parametrize("name", OF_ARRAYS)
def test_a_factor_of_any_operand_changes_neither_value_nor_gradient(name, precision):
    rtol = 1e-10 if precision == np.float64 else 2e-4
    arrays = arrays_of(dtype=precision)
    for i in range(len(OPS[name].defaults)):
        for tree, node in uses(name, i)[:1]:
            trees = [tree.xreplace({node: times(node, i, f)}) for f in FACTORS[0 if OPS[name].degrees else -1 :]]
            oracle = Oracle(named(arrays), numbers=BY_HAND, inside=table.late)
            finite = [tree for tree in trees if np.isfinite(oracle.total(tree))]
            loss = call("+", *(Label((tree,), name=f"t{k}") for k, tree in enumerate([tree, *finite])))
            found, written, size = both(ld.compile(loss, table.VOCABULARY), loss, BY_HAND)(arrays)
            assert_equal(found, written, rtol, rtol * size)


PLANE = ld.Vocabulary(
    {
        "x": ("states.x", "batch time xy"),
        "y": ("states.y", "batch time xy"),
        "c": ("states.c", "batch time"),
        "Q": ("states.Q", "xy xy"),
    },
    parameters={"alpha": 2.0, "beta": -0.5},
)
# Every law that a declaration has, and what a factor is raised to.
ALIKE = [
    ("sqnorm({}*x)", "({})**2*sqnorm(x)"),
    ("norm({}*x)", "abs({})*norm(x)"),
    ("l1norm(-({}*x))", "abs({})*l1norm(x)"),
    ("sum(abs({}*x), axis=xy)", "abs({})*sum(abs(x), axis=xy)"),
    ("sum(square(x/({})), axis=xy)", "sum(square(x), axis=xy)/({})**2"),
    ("final(norm({}*diff(x)))", "abs({})*final(norm(diff(x)))"),
    ("norm(diff({}*x))**2", "({})**2*sqnorm(diff(x))"),
    ("quadratic_form({}*x, Q*({}))", "({})**3*quadratic_form(x, Q)"),
    ("dot(x, {}*y)", "{}*dot(x, y)"),
    ("max(({})**2*c)", "({})**2*max(c)"),
    ("relu(abs({})*c)*c", "abs({})*(relu(c)*c)"),
    ("({}*c)**3", "({})**3*c**3"),
    ("(({})*c)**-2", "({})**-2*c**-2"),
    ("c/({}*norm(x))", "({})**-1*(c/norm(x))"),
    ("norm({}*(x + y))", "abs({})*norm(x + y)"),
    ("norm(final({}*(x + y)))", "abs({})*norm(final(x + y))"),
]


@pytest.mark.parametrize("factor", ["2", "-3", "1/3", "2**0.5", "alpha", "-alpha/2", "(alpha - beta)", "step"])
@pytest.mark.parametrize("ways", ALIKE, ids=lambda ways: ways[0])
def test_two_ways_to_write_a_loss_are_one(ways, factor):
    one, other = (ld.compile(f"{way.replace('{}', factor)} as t", PLANE) for way in ways)
    assert str(one) == str(other)
    assert one.digest == other.digest
    assert ld.compile(str(one), PLANE).digest == one.digest


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("sqnorm(sqrt(2)*x)", "2*sqnorm(x)"),
        ("max(-2*c)", "2*max(-c)"),
        ("max(-2*alpha*c)", "2*max(-alpha*c)"),
        ("max(c*-1)", "max(-c)"),
        ("min(exp(alpha)*beta*c)", "exp(alpha)*min(beta*c)"),
        ("norm(warmup(1, 100)*alpha*x)", "warmup(1, 100)*abs(alpha)*norm(x)"),
        ("norm(linear(1, -1, 100)*x)", "abs(linear(1, -1, 100))*norm(x)"),
        ("norm(alpha*norm(beta*x, axis=xy)*x)", "norm(beta*norm(alpha*x, axis=xy)*x)"),
        ("(4*c)**0.5", "2*c**0.5"),
        ("(-4*c)**0.5", "2*(-c)**0.5"),
        ("norm(2*x)/norm(3*y)", "2/3*norm(x)/norm(y)"),
        ("3/(2*c)", "1.5/c"),
    ],
)
def test_so_are_these(one, other):
    one, other = (ld.compile(f"{text} as t", PLANE) for text in (one, other))
    assert str(one) == str(other)
    assert one.digest == other.digest


@pytest.mark.parametrize(
    "text",
    [
        "sqnorm(0*x)",  # 0 times NaN is NaN, a term of weight 0 is 0
        "c/(0*c)",
        "sqnorm(1e-25*x)",  # float32 has no 1e-50
        "norm(1e30*x)",
        "sqnorm(1e7*x)",
        "sqnorm(1e20*alpha*x)",
        "max(alpha*c)",  # of which sign is it?
        "max((alpha - beta)*c)",
        "(alpha*c)**0.5",
        "(alpha*c)**beta",
        "(alpha*c)**8",  # float32 overflows at 1e38
        "(1.000001*c)**1000",
        "sqnorm(alpha**0.5*x)",  # NaN for a negative number, which is lost in the square
        "(2*c)**0",
        "huber(2*c)",
        "log(2*c)",
        "tanh(norm(2*x))",
        "minimum(2*c, 4)",
        "where(2*c, 2*c, 3*c)",
        "sum(c, where=2*c)",
        "sqnorm(0.12345678901234567890123456789*x)",
        "(2*c + 3)**2",
        "2**(2*c)",
    ],
)
def test_what_stays(text):
    assert str(ld.compile(text, PLANE)) == text


def test_a_definition_keeps_its_own():
    loss = ld.compile("d = 2*x\nsqnorm(d)", PLANE)
    assert str(loss) == "d = 2*x\nsqnorm(d)"


def test_a_name_inside_is_refused_with_the_text_as_it_is():
    with pytest.raises(ld.LossError, match=r"it cannot stand inside `norm\(2\*x\)`"):
        ld.compile("3*norm(2*x as k)", PLANE)


def test_a_factor_is_a_weight_that_changes_without_a_retrace():
    loss = ld.compile("sqnorm(2*x) as t + norm(alpha*x) as s", PLANE)
    assert loss.with_weights(t=3.0).program is loss.program
    states = {"x": jnp.ones((2, 3, 2))}
    loss(states, None)
    traced = loss.program.run._cache_size()
    values = loss.with_weights(t=1.0).with_parameters(alpha=-3.0)(states, None)
    assert loss.program.run._cache_size() == traced
    assert_allclose([values["t"], values["s"]], [6, 3 * 3 * 2**0.5], rtol=1e-6)


# At 0 the slopes of norms have no limit.
SHARP = [
    "sqnorm(alpha*x)",
    "norm(alpha*x)",
    "l1norm(alpha*x)",
    "sum(abs(alpha*x), axis=xy)",
    "max(alpha**2*c)",
    "min(abs(alpha)*c)",
]
SHARP += ["relu(alpha**2*c)", "(alpha*c)**2", "(alpha*c)**3", "quadratic_form(alpha*x, Q)", "c/(alpha*norm(1 + x))"]


@pytest.mark.parametrize("text", SHARP)
def test_values_and_gradients_at_0_and_beyond(text, precision):
    rng = np.random.default_rng(0)
    arrays = {"x": rng.normal(size=(2, 3, 2)), "c": rng.normal(size=(2, 3)), "Q": rng.normal(size=(2, 2))}
    arrays["x"][0, 1], arrays["x"][1, 0, 1], arrays["c"][0, :2] = 0, 0, 0
    arrays = {name: jnp.asarray(array, precision) for name, array in arrays.items()}
    shapes = {"x": "batch time xy", "c": "batch time", "Q": "xy xy"}
    run = both(
        ld.compile(text, PLANE),
        ld.parse(text),
        {"beta": -0.5, "step": 3.0},
        lambda given, **how: Oracle({name: Named.declared(given[name], shapes[name]) for name in given}, **how),
    )
    for alpha in (0.0, -0.0, 1.5, -1.5, np.nan, 1e-10, 1e8):
        assert_equal(*run(arrays, alpha=alpha)[:2], 1e-5 if precision == np.float32 else 1e-12, 1e-30)
    for name in arrays.keys() & ld.compile(text, PLANE).program.quantities:
        for value in (np.inf, -np.inf, np.nan):
            odd = {**arrays, name: arrays[name].at[(0,) * arrays[name].ndim].set(value)}
            found, written, _ = run(odd, alpha=-1.5)
            assert np.isnan(found[0]) == np.isnan(written[0])
            assert_equal(found, written, 1e-5, 1e-30)


def insert(draw, node, top=False):
    """The tree with factors put in at random places; the oracle takes no sum of terms apart that has one."""
    top = top and (isinstance(node, Let | Label) or node.op.name == "+" if node.args else False)
    node = node.over([insert(draw, arg, top) for arg in node.args]) if node.args else node
    return node if top or isinstance(node, Label) or node == Name(name="net") else perhaps(draw, node)


def perhaps(draw, node):
    if {name.name for name in node.free_symbols} <= {*NUMBERS, "rate"} or draw(st.integers(0, 2)):
        return node
    factor = ld.parse(draw(st.sampled_from(["2", "-3", "0.1", "2**0.5", "0", "1e-7", *HIDDEN])))
    return draw(st.sampled_from([call("*", factor, node), call("*", node, factor), call("/", node, factor)]))


HIDDEN = ["alpha", "-alpha*E", "exp(E)", "rate", "step", "(alpha - E)", "alpha**0.5", "warmup(1, 5)"]


@st.composite
def with_factors(draw):
    return insert(draw, draw(losses()), top=True)


@settings(max_examples=100)
@given(with_factors())
def test_a_loss_with_factors_anywhere_is_its_own_normal_form(tree):
    once = compiled(tree)
    twice = ld.compile(str(once), VOCABULARY)
    assert str(twice) == str(once)
    assert twice.digest == once.digest
    assert [(term.weight, term.expr) for term in twice.terms] == [(term.weight, term.expr) for term in once.terms]


@pytest.mark.parametrize("special", [False, True], ids=["finite", "with 0, inf and NaN"])
@settings(max_examples=20)
@given(tree=with_factors(), seed=st.integers(0, 1000))
def test_factors_anywhere_change_neither_value_nor_gradient(special, tree, seed):
    arrays = sample(seed, special)
    with jax.enable_x64(True):
        loss = compiled(tree)
        run = both(loss, tree, NUMBERS, lambda given, **how: oracle({**arrays, **given}, **how))
        found, written, size = run(jax.tree.map(jnp.asarray, arrays))
    assert_equal(found, written, 1e-7, 1e-8 * (1 + np.nan_to_num(size)))
