"""Operators that users declare."""

import pickle
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.operators.declaration import INNER

VOCABULARY = ld.Vocabulary({"x": ("states.x", "batch time xy"), "m": ("states.m", "batch time")})


def states(precision=np.float32):
    rng = np.random.default_rng(3)
    return {"x": rng.uniform(0.5, 2, (2, 3, 4)).astype(precision), "m": np.array([[1, 1, 0], [1, 0, 0]], precision)}


def declare():
    @ld.operator
    def softsign(x, scale=1, *, power=1):
        """A sign that is soft."""
        return x / (scale + jnp.abs(x) ** power)

    @ld.operator(axis="time", latex=r"\operatorname{{gm}}_{{{axis}}}\left({x}\right)", example="geo_mean(velocity + 1)")
    def geo_mean(x, axis):
        return jnp.exp(jnp.mean(jnp.log(x), axis=axis))

    @ld.operator(name="l_four")
    def of_vectors(x, axis):
        return jnp.sum(x**4, axis=axis)

    return softsign, geo_mean, of_vectors


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("sum(mean(softsign(x, 0.5)), axis=xy)", lambda x: (x / (0.5 + x)).mean(1).sum(-1).mean()),
        ("sum(mean(softsign(x, power=2)), axis=xy)", lambda x: (x / (1 + x**2)).mean(1).sum(-1).mean()),
        ("sum(geo_mean(x), axis=xy)", lambda x: np.exp(np.log(x).mean(1)).sum(-1).mean()),
        ("geo_mean(x, axis=(time, xy))", lambda x: np.exp(np.log(x).mean((1, 2))).mean()),
        ("sum(geo_mean(x, axis=batch), axis=xy)", lambda x: np.exp(np.log(x).mean(0)).sum()),
        ("l_four(x)", lambda x: (x**4).sum(-1).sum(1).mean()),
        ("sum(l_four(x, axis=time), axis=xy)", lambda x: (x**4).sum(1).sum(-1).mean()),
    ],
)
def test_value_and_gradient(text, expected, precision):
    declare()
    loss, data = ld.compile(text, VOCABULARY), states(precision)
    rtol = 1e-5 if precision == np.float32 else 1e-9
    np.testing.assert_allclose(loss(data).total, expected(data["x"].astype(float)), rtol=rtol)
    gradient = jax.grad(lambda x: loss({**data, "x": x}).total)(jnp.asarray(data["x"]))
    for at in [(0, 0, 0), (1, 2, 3)]:
        moved = [data["x"].astype(float) for _ in range(2)]
        moved[0][at] += 1e-5
        moved[1][at] -= 1e-5
        np.testing.assert_allclose(gradient[at], (expected(moved[0]) - expected(moved[1])) / 2e-5, rtol=2e-4)


def test_printed_stored_and_shown():
    declare()
    loss = ld.compile("mean(m*softsign(m, scale=0.1, power=3)) + 2*geo_mean(m + 1) + geo_mean(l_four(x))", VOCABULARY)
    text = "mean(m*softsign(m, 0.1, power=3)) + 2*geo_mean(m + 1) + geo_mean(l_four(x))"
    assert ld.compile(str(loss), VOCABULARY).digest == loss.digest
    assert str(loss).replace("scale=", "") == text
    assert r"\operatorname{softsign}\left(m, \frac{1}{10}, 3\right)" in loss.latex().replace("0.1", r"\frac{1}{10}")
    assert r"\operatorname{gm}_{t}\left(" in loss.latex() and r"\operatorname{l\_four}\left(" in loss.latex()
    assert pickle.loads(pickle.dumps(loss)).digest == loss.digest
    namespace = {}
    exec(loss.python(), namespace)
    assert str(ld.from_sympy(2 * ld.parse("softsign(m)")._sympy_())) == "2*softsign(m)"


def test_it_is_masked_like_any_other():
    """No gradient goes through it where the mask leaves out, whatever it does there."""

    @ld.operator
    def root_of_log(x):
        return jnp.sqrt(jnp.log(x))

    loss = ld.compile("mean(root_of_log(h), where=m)", VOCABULARY.extend(quantities={"h": ("states.h", "batch time")}))
    m = states()["m"]
    for behind in (0.0, -1.0, np.nan, np.inf):
        given = {"m": m, "h": jnp.where(m == 1, 2.0, behind)}
        value, gradient = jax.value_and_grad(lambda h, m=m: loss({"m": m, "h": h}).total)(given["h"])
        np.testing.assert_allclose(value, np.sqrt(np.log(2)), rtol=1e-6)
        assert np.all(gradient[m == 0] == 0) and np.all(gradient[m == 1] > 0)


def test_declared_again():
    """A cell that runs twice: what was compiled before keeps its function, also in the caller's `jit`."""
    data = states()

    def declared(factor):
        ld.operator(lambda x: factor * x, name="scaled")
        return ld.compile("mean(scaled(m))", VOCABULARY)

    jitted = jax.jit(lambda loss: loss(data).total, static_argnums=())
    first = declared(2)
    before = first(data).total, jitted(first)
    second = declared(3)
    np.testing.assert_allclose([second(data).total, jitted(second)], 1.5 * np.array(before), rtol=1e-6)
    assert first(data).total == before[0] and first(states(np.float16)).total == before[0]


def test_it_is_known_to_messages():
    declare()
    with pytest.raises(ld.LossNameError, match="did you mean `softsign`"):
        ld.compile("softsgn(m)", VOCABULARY)
    with pytest.raises(ld.LossNameError, match=r"takes 1 argument \(x\), not 0(?s:.)*for example `geo_mean\(velocity"):
        ld.compile("geo_mean()", VOCABULARY)


def lo(x):
    return x


@pytest.mark.parametrize("name", [*INNER])
def test_a_name_that_trees_have_for_themselves_is_taken(name):
    """What is computed of a window or a square is told by it: an operator of a user would be taken for that."""
    with pytest.raises(ld.LossValueError, match="lossdsl has one of that name"):
        ld.operator(lo, name=name)


BAD = [
    (lambda: ld.operator(lambda x: x), "`<lambda>`", "that is no name of an operator"),
    (lambda: ld.operator(name="return")(lo), "`return`", "that is no name of an operator"),
    (lambda: ld.operator(name="as")(lo), "`as`", "that is no name of an operator"),
    (lambda: ld.operator(name="two words")(lo), "`two words`", "that is no name of an operator"),
    (lambda: ld.operator(lo, name="log"), "`log`", "lossdsl has one of that name"),
    (lambda: ld.operator(3), "`3`", "it is no function"),
    (lambda: ld.operator(lambda *x: x, name="lo"), "`lo`", "its function takes any number of arguments"),
    (lambda: ld.operator(lambda **x: x, name="lo"), "`lo`", "its function takes any number of arguments"),
    (lambda: ld.operator(lambda: 1, name="lo"), "`lo`", "its function has no operand"),
    (lambda: ld.operator(lambda x=1: x, name="lo"), "`lo`", "its function has no operand"),
    (lambda: ld.operator(lambda *, x: x, name="lo"), "`lo`", "its function has no operand"),
    (lambda: ld.operator(lambda x, y=None: x, name="lo"), "`lo`", "the default of `y` is `None`"),
    (lambda: ld.operator(lambda x, y=np.nan: x, name="lo"), "`lo`", "the default of `y` is `nan`"),
    (lambda: ld.operator(lo, axis="time"), "`lo`", "its function has no parameter `axis`"),
    (lambda: ld.operator(lambda x, axis: x, name="lo", axis=1), "`lo`", "its `axis` is `1`"),
    (lambda: ld.operator(lambda x, y=True: x, name="lo"), "`lo`", "the default of `y` is `True`"),
    (lambda: ld.operator(lambda x, y=1, /: x, name="lo"), "`lo`", "`y` cannot be given by name"),
    (lambda: ld.operator(lambda x, axis, /: x, name="lo"), "`lo`", "`axis` cannot be given by name"),
    (lambda: ld.operator(dict, name="lo"), "`lo`", "Python knows no parameters of its function"),
    (lambda: ld.operator(lo, name=3), "`3`", "that is no name of an operator"),
    (lambda: ld.operator(lo, name="__class__"), "`__class__`", "that is no name of an operator"),
    (lambda: ld.operator(lo, name="__dict__"), "`__dict__`", "that is no name of an operator"),
    (lambda: ld.operator(lo, latex=r"\frac{1}{x}"), "`lo`", "its `latex` names `1`"),
    (lambda: ld.operator(lo, latex="{x"), "`lo`", "its `latex` is no template: expected '}' before end of string"),
]


@pytest.mark.parametrize(("declaration", "name", "reason"), BAD, ids=[f"{name} {why}" for _, name, why in BAD])
def test_what_cannot_be_declared(declaration, name, reason):
    with pytest.raises(ld.LossValueError) as caught:
        declaration()
    assert caught.value.code == "bad-operator"
    assert caught.value.message == f"the operator {name} cannot be declared: {reason}"


def test_a_result_of_another_shape():
    ld.operator(lambda x: jnp.sum(x), name="whole")
    ld.operator(lambda x, axis: x, name="kept", axis="time")
    for text, got, expected in (("whole(m)", r"\(\)", r"\(2, 3\)"), ("kept(m)", r"\(2, 3\)", r"\(2,\)")):
        with pytest.raises(ld.LossDataError, match=f"gave the shape {got}, not {expected}"):
            ld.compile(text, VOCABULARY)(states())


def test_a_result_that_is_not_real():
    ld.operator(lambda x: None, name="nothing")
    ld.operator(lambda x: 1j * x, name="turned")
    for name, got in (("nothing", "None"), ("turned", "numbers of complex64")):
        with pytest.raises(ld.LossDataError, match=f"the operator `{name}` gave {got}, not real numbers"):
            ld.compile(f"{name}(m)", VOCABULARY)(states())


def test_a_pickle_where_it_is_not_declared(tmp_path):
    declare()
    path = tmp_path / "loss.pickle"
    path.write_bytes(pickle.dumps(ld.compile("softsign(m)", VOCABULARY)))
    code = f"import pickle; pickle.loads(open({str(path)!r}, 'rb').read())"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert "LossNameError: the operator `softsign` is not declared here\nimport the module" in found.stderr


def test_a_parameter_may_have_the_name_of_a_setting():
    @ld.operator
    def blended(x, first=1, within=2):
        return first * x + within

    loss = ld.compile("mean(blended(velocity, first=3)) as b")
    assert str(loss) == "mean(blended(velocity, first=3)) as b"
