"""The time that a text takes grows with its length, whatever stands in it: no text of a few kilobytes hangs."""

import time

import numpy as np
import pytest
import sympy

import lossdsl as ld
from lossdsl.meaning import windows

PARAMETERS = {"alpha": 1.0}


def sums(n, *addends):
    return "+".join(addends[i % len(addends)].format(i) for i in range(n))


def chain(first, step, length):
    """Definitions of which each is made of the one before."""
    return f"a0 = {first};" + "".join(f"a{i} = {step.format(f'a{i - 1}')};" for i in range(1, length + 1))


# A text for a number of things in it; of about 5 kB for 300.
PATTERNS = {
    "sum": lambda n: sums(n, "{}*position"),
    "terms": lambda n: sums(n, "{}*position[{}:]".replace("[{}", "[{0}").replace("{}*", "{0}*")),
    "products": lambda n: sums(n // 10, "*".join(["position"] * 30)),
    "parentheses": lambda n: sums(n // 10, "(" * 90 + "position" + ")" * 90),
    "open": lambda n: "(" * 20 * n,
    "signs": lambda n: "-" * 20 * n + "position",
    "newlines after a definition": lambda n: "a=1" + "\n" * 20 * n,
    "newlines": lambda n: "position" + "\n" * 20 * n + "+ velocity",
    "definitions without a loss": lambda n: "".join(f"a{i}=1\n" for i in range(2 * n)),
    "comments": lambda n: "# a (\n" * 4 * n + "position" + " # b\n" * 4 * n,
    "axes in comments": lambda n: "sum(position, axis=xy" + "\n# axis=( " * 2 * n + "\n)",
    "long name": lambda n: "a" * 20 * n + " = position; 2*" + "a" * 20 * n,
    "dotted name": lambda n: "a." * 10 * n + "b",
    "definitions": lambda n: "".join(f"a{i} = position + velocity;" for i in range(n)) + sums(n, "a{}"),
    "misspelt operators": lambda n: sums(n, "cross_entropyy_{}(position)"),
    "misspelt names": lambda n: sums(n, "positon{}"),
    "misspelt options": lambda n: sums(n, "sum(position, axi{}=time)"),
    "piecewise": lambda n: f"piecewise(step, 0, {', '.join(f'{i}, {i}' for i in range(1, n))})*position",
    "rounds of piecewise": lambda n: f"piecewise(0, {', '.join(f'{i}, {i}' for i in range(1, n))})*position",
    "cumsum": lambda n: "cumsum(" * 30 + sums(n, "position", "velocity") + ")" * 30,
    "diff": lambda n: "diff(" * 40 + sums(n // 3, "position[{}:]") + ")" * 40,
    "numbers": lambda n: chain("1 + 1", "{0} + {0}", 13) + sums(n, "a13*position"),
    "uneven": lambda n: chain("position + final(position)", "{0} + {0}", 3) + sums(n, "2*a3 as t{}"),
    "parameters": lambda n: chain("alpha + 1", "sin({0}) + {0}**2", 2) + sums(n // 3, "a2*position[{}:]"),
    "fractions": lambda n: "(" + sums(n, "1/3{}") + ")*position",
    "addends of a weight": lambda n: "(" + sums(n, "sin({}*alpha)") + ")*position",
}


def seconds(text):
    """The least of some times that it takes to compile and print, or to say what is wrong."""
    found = []
    for _ in range(3):
        start = time.process_time()
        try:
            loss = ld.compile(text, parameters=PARAMETERS)
            assert str(loss) and loss.digest
        except ld.LossError as failure:
            assert str(failure)
        found.append(time.process_time() - start)
    return min(found)


@pytest.mark.parametrize("pattern", PATTERNS)
def test_twice_the_text_takes_twice_the_time(pattern):
    ld.compile("alpha*position", parameters=PARAMETERS)  # the parser is built
    short, long = seconds(PATTERNS[pattern](150)), seconds(PATTERNS[pattern](600))
    # Four times the text; quadratic would be sixteen. What takes no time at all has no ratio.
    assert long < 9 * short + 0.05


HOSTILE = [
    "(2*alpha)**1e9*position",
    "(alpha*1.000001)**100000*position",
    "(2**alpha)**(1e9/alpha)*position",
    "((2*abs(alpha))**step)**(1e9/step)*position",
    "(alpha*3**0.5)**1e9*position",
    "1.000001**1000*position",
    chain("position + final(position)", "{0} + {0}", 60) + "a60",
    chain("alpha + 1", "sin({0}) + {0}**2", 60) + "a60*position",
]


@pytest.mark.parametrize("text", HOSTILE, ids=lambda text: text[-20:])
def test_what_would_be_huge_is_refused_with_its_place(text):
    with pytest.raises(ld.LossValueError) as caught:
        ld.compile(text, parameters=PARAMETERS)
    assert caught.value.code == "too-large"
    assert str(caught.value.span) in text


@pytest.mark.parametrize(
    ("text", "code"),
    [
        (chain("x", "{0} + {0}**2", 60) + "a60", "too-long-for-sympy"),
        ("exp(1e9*log(2))", "too-large"),
        ("(2*x)**1e9", "too-large"),
        ("maximum(exp(exp(exp(100))), 1)", "not-finite"),
    ],
    ids=lambda value: value[-20:],
)
def test_sympy_is_not_given_what_it_would_compute_for_ever(text, code):
    with pytest.raises(ld.LossValueError) as caught:
        sympy.sympify(ld.parse(text))
    assert caught.value.code == code


def test_nested_weights_are_asked_once_at_each_level(monkeypatch):
    calls = []
    asked = windows.steps_of
    monkeypatch.setattr(windows, "steps_of", lambda node: calls.append(node) or asked(node))
    ld.compile("d = " + "2*(" * 90 + "position" + ")" * 90 + "; d")
    assert len(calls) < 2_000


ALIASES = "d0 = x; " + "; ".join(f"d{i} = d{i - 1}" for i in range(1, 3_000))


def test_a_long_chain_of_names_is_one_name():
    x = np.arange(6.0).reshape(2, 3)
    vocabulary = ld.Vocabulary({"x": "batch time", "n": "batch"}, length="n", dt=1)
    loss = ld.compile(f"{ALIASES}; square(d2999 - expand(mean(d2999@1s..), axis=time))", vocabulary)
    expected = np.sum((x[:, :2] - x[:, 1:2]) ** 2, 1)
    np.testing.assert_allclose(loss.per_trial({"x": x, "n": np.array([2, 2])}).total, expected)
    behind = ld.compile(f"{ALIASES}; mean(d2999, where=d2999)", vocabulary)
    np.testing.assert_allclose(behind.per_trial({"x": x, "n": np.array([2, 2])}).total, [1, 25 / 7])


def test_a_long_chain_of_sums_is_told():
    with pytest.raises(ld.LossSyntaxError) as caught:
        ld.compile(
            chain("x", "{0} + 1", 1_500) + "mean(a1500, where=greater(a1500, 0))", quantities={"x": "batch time"}
        )
    assert caught.value.code == "too-deep"
