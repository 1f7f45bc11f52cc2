"""LaTeX: a case file for the printer; what every formula must be; forms, symbols, pictures and tables."""

import re
from html.parser import HTMLParser
from pathlib import Path

import jax
import numpy as np
import pytest
from hypothesis import given, settings

import lossdsl as ld
from lossdsl.mathematics import picture
from lossdsl.mathematics.formula import formula
from lossdsl.operators.declaration import OPS
from tests import cases
from tests.render.formulas import FIXED, PAGE
from tests.strategies import compiled, losses


@cases.parametrize("latex.txt")
def test_latex(case):
    loss = ld.compile(case.text, ld.FEEDBAX.extend(parameters=PAGE))
    assert f"{loss.latex()}\n{loss.latex(expand=True)}" == case.expected


def test_definitions_that_unfold_without_end_stay_names():
    lines = ["d0 = position"] + [f"d{i} = d{i - 1}*d{i - 1}" for i in range(1, 40)]
    assert len(ld.compile("\n".join([*lines, "d39"])).latex(expand=True, where=True)) < 100_000
    deep = [f"d0 = {'tanh(' * 90}position{')' * 90}", f"d1 = {'sin(' * 90}d0{')' * 90}"]
    aliases = [f"d{i} = d{i - 1}" for i in range(2, 3000)]
    loss = ld.compile("\n".join([*deep, *aliases, f"{'cos(' * 90}d2999{')' * 90}"]))
    assert loss.latex(expand=True, where=True).count(r"\cos") == 90


# Every formula.


def assert_drawn(loss):
    """Braces, `left` and `right` are balanced and nothing has two scripts: else Matplotlib does not parse it."""
    from matplotlib.mathtext import MathTextParser

    parser = MathTextParser("path")
    for expand in (False, True):
        shown = formula(loss.terms, loss.written.local, expand=expand, where=True)
        for left, right in picture.texts(shown, "aligned"):
            assert parser.parse(left or "$x$") and parser.parse(right or "$x$")


@pytest.mark.parametrize("bad", ["x^{a}^{b}", "x_{a}_{b}", r"\left( x", r"x \right)"])
def test_what_is_wrong_is_not_drawn(bad):
    loss = ld.compile("q", ld.Vocabulary({"q": ld.Quantity("states.q", "batch", latex=bad)}))
    with pytest.raises(ValueError):
        assert_drawn(loss)


@pytest.mark.parametrize(("text", "how"), FIXED, ids=range(len(FIXED)))
def test_operators_terms_and_odd_names_are_drawn(text, how):
    assert_drawn(ld.compile(text, **how))


@pytest.mark.slow
@settings(max_examples=25)
@given(losses())
def test_generated_losses_are_drawn(tree):
    assert_drawn(compiled(tree))


def outside(latex):
    """What stands outside braces and outside `left` and `right`."""
    depth, found = 0, ""
    for token in re.findall(r"\\left(?:\\[A-Za-z]+|.)|\\right(?:\\[A-Za-z]+|.)|\\[A-Za-z]+|\\.|.", latex):
        depth += token.startswith((r"\left", r"\begin")) or token == "{"
        found += token if depth == 0 else ""
        depth -= token.startswith((r"\right", r"\end")) or token == "}"
    return found


# Operators that need an axis: how they are called, and what their result stands in.
GIVEN_AXES = {
    "expand": (", axis=xy", "sum({}*effector.vel, axis=xy)"),
    "rename": (", xy=other", "sum({}, axis=other)"),
    "gather": (", axis=xy", "{}*velocity"),
    "one_hot": (", axis=xy", "sum({}*effector.vel, axis=xy)"),
}


def applied(name, shell):
    """`shell` around the operator of a sum, with names that the operator takes: its LaTeX inside `tanh`."""
    op = OPS[name]
    needed = [f"{key}=" if key in op.named else "" for key in (*op.required, *op.repeats)]
    steps = "(final(position) + final(velocity))"
    for operand in ("(position + velocity)", "(effector.pos + effector.vel)", steps, "(alpha + 1)"):
        for others in (operand, "(alpha + 1)"):
            axis, reduced = GIVEN_AXES.get(name, ("", "{}"))
            text = f"{name}({', '.join([operand, *(f'{key}{others}' for key in needed[1:])])}{axis})"
            tanh = f"tanh({shell.format(text)})"
            for whole in (tanh, f"sum({tanh}, axis=xy)", f"{tanh}*velocity", reduced.format(tanh)):
                try:
                    loss = ld.compile(f"{whole} as x", ld.FEEDBAX.extend(parameters=PAGE))
                except ld.LossError:
                    continue
                latex = loss.latex(where=True) + loss.latex(expand=True)
                return re.findall(r"\\tanh\\left\((.*)\\right\)", latex)
    raise AssertionError(f"no operand for {name}")


NAMED = [
    name
    for name, op in OPS.items()
    if name.isidentifier() and name != "neg" and op.required and not (op.formula or op.formulas)
]


@pytest.mark.parametrize("name", NAMED)
def test_an_operator_of_a_sum_is_one_factor(name):
    for latex in applied(name, "{}*velocity"):
        assert not re.search("[+-]", outside(latex)), latex


@pytest.mark.parametrize("name", NAMED)
def test_an_operator_of_a_sum_has_its_power_in_parentheses(name):
    """A power follows a closed delimiter, perhaps with an index, and never a fraction, a root or a name."""
    for latex in applied(name, "{}**3"):
        base, power, rest = latex.rpartition("^{3}")
        assert power and not rest
        assert re.fullmatch(r"\\left.*\\right([)\]]|\\[A-Za-z]+)(_\{.*\})?", base), latex
        assert not outside(base).strip("_ "), latex


# Forms.


def test_forms():
    loss = ld.compile("position - 1e-5*nn_hidden")
    assert loss.latex() == r"\mathcal{L} = \ell_{\mathrm{position}} - 10^{-5}\,\ell_{\mathrm{nn\_hidden}}"
    assert loss.latex(form="aligned") == "\n".join(
        [
            r"\begin{aligned}",
            r"\mathcal{L} &= \ell_{\mathrm{position}} \\",
            r"&\quad - 10^{-5}\,\ell_{\mathrm{nn\_hidden}}",
            r"\end{aligned}",
        ]
    )
    assert loss.latex(where=True).splitlines()[1:4] == [
        r"\mathcal{L} &= \ell_{\mathrm{position}} - 10^{-5}\,\ell_{\mathrm{nn\_hidden}} \\[1ex] \text{where} \\",
        r"\ell_{\mathrm{position}} &= \left\Vert \mathbf{x}_{t} - \mathbf{x}^{*}_{t} \right\Vert^{2},"
        r"\quad \text{squared distance from the target} \\",
        r"\ell_{\mathrm{nn\_hidden}} &= \left\Vert \mathbf{h}_{t} \right\Vert^{2},"
        r"\quad \text{squared activity of the hidden units} \\",
    ]


def test_another_form_is_refused():
    with pytest.raises(ld.LossValueError) as caught:
        ld.compile("position").latex(form="table")
    assert str(caught.value) == "`form` cannot be `table`\nwrite 'line' or 'aligned'"


def meanings(loss, **how):
    return {
        row.symbol: (row.equals, row.text)
        for row in formula(loss.terms, loss.written.local, where=True, **how).meanings
    }


class Speed(ld.AbstractLoss):
    """A term in Python."""

    label: str = "speed"

    def term(self, states, trial_specs):
        return states["v"]


def test_every_symbol_is_said():
    vocabulary = ld.Vocabulary(
        {
            "q": ld.Quantity("states.q", "batch time joint", latex="q_e", unit="rad", doc="angle"),
            "f": ld.Quantity("states.f", "batch time joint", unit="N"),
        },
        {"eff": ld.Definition("sqnorm(q)", latex="E", doc="effort"), "speed": Speed()},
        {"gain": ld.Parameter("gain", 1.0, latex=r"\bar{g}", doc="feedback gain"), "lambda_2": 0.5},
    )
    loss = ld.compile("gain*eff + lambda_2*speed + step*huber(norm(f)) as force", vocabulary)
    assert loss.latex() == (
        r"\mathcal{L} = \bar{g}\,E + \lambda_{2}\,\ell_{\mathrm{speed}} + \mathrm{step}\,\ell_{\mathrm{force}}"
    )
    names = meanings(loss, expand=False)
    assert names["E"] == (r"\left\Vert q_{e,t} \right\Vert^{2}", "effort")
    assert names["q_e"] == ("", "angle (rad)")
    assert names["f"] == ("", "states.f (N)")
    assert names[r"\ell_{\mathrm{force}}"] == (r"H_{1}\left(\left\Vert f_{t} \right\Vert\right)", "")
    assert names[r"\ell_{\mathrm{speed}}"] == ("", "computed in Python by Speed")
    assert names[r"\bar{g}"] == ("", "feedback gain")
    assert names[r"\lambda_{2}"] == ("", "parameter lambda_2")
    assert names[r"\mathrm{step}"] == ("", "training iteration")
    assert names[r"H_{\delta}\left(x\right)"][0].startswith(r"\frac{1}{2}\,x^{2} \text{ where }")
    expanded = meanings(loss + ld.compile("sum(abs(q), axis=joint) as l1", vocabulary), expand=True)
    assert r"\ell_{\mathrm{force}}" not in expanded and "E" not in expanded
    assert expanded[r"\left\langle \cdot \right\rangle"] == ("", "mean over the trials")
    assert [expanded[letter][1] for letter in "tTi"] == ["time step", "last time step", "index over joint"]
    assert expanded[r"\bar{g}"] == ("", "feedback gain")


@pytest.mark.parametrize(
    "name, symbol",
    [
        ("alpha", r"\alpha"),
        ("lambda", r"\lambda"),
        ("Omega", r"\Omega"),
        ("beta_1", r"\beta_{1}"),
        ("lambda_vel_x", r"\lambda_{\mathrm{vel\_x}}"),
        ("w_2", "w_{2}"),
        ("K", "K"),
        ("gain", r"\mathrm{gain}"),
        ("gain_x", r"\mathrm{gain\_x}"),
        ("_x", r"\mathrm{\_x}"),
        ("größe", r"\text{größe}"),
        ("λ", r"\lambda"),
        ("Δ_max", r"\Delta_{\mathrm{max}}"),
        ("Alpha", r"\mathrm{Alpha}"),
    ],
)
def test_symbols_of_parameters(name, symbol):
    loss = ld.compile(f"{name}*position", parameters={name: 2.0})
    assert loss.latex() == rf"\mathcal{{L}} = {symbol}\,\ell_{{\mathrm{{position}}}}"


@pytest.mark.parametrize(
    "own, indexed",
    [
        ("q", "q_{t}"),
        ("q_e", "q_{e,t}"),
        (r"q_\text{max}", r"q_{\text{max},t}"),
        (r"q_{e}^{2}", r"q_{e,t}^{2}"),
        (r"q_e'", r"q_{e,t}'"),
        (r"\mathbf{q}^{*}_{ab}", r"\mathbf{q}^{*}_{ab,t}"),
        (r"\mathrm{x\_y}", r"\mathrm{x\_y}_{t}"),
        (r"\hat{q_1}", r"\hat{q_1}_{t}"),
    ],
)
def test_a_symbol_keeps_the_index_it_has(own, indexed):
    loss = ld.compile("q", ld.Vocabulary({"q": ld.Quantity("states.q", "batch time", latex=own)}))
    assert loss.latex(expand=True) == rf"\mathcal{{L}} = \left\langle \sum_{{t=0}}^{{T}} {indexed} \right\rangle"


def test_what_a_name_stands_for_says_at_which_steps():
    loss = ld.compile("position[-3:] as end + diff(position)@final as jump")
    names = meanings(loss, expand=False)
    distance = r"\left\Vert \mathbf{x}_{%s} - \mathbf{x}^{*}_{%s} \right\Vert^{2}"
    assert names[r"\ell_{\mathrm{end}}"][0] == distance % ("t", "t") + r",\; T - 2 \leq t \leq T"
    assert names[r"\ell_{\mathrm{jump}}"][0] == rf"\Delta \left({distance % ('T', 'T')}\right)"


@pytest.mark.parametrize(
    "text, window",
    [
        ("sqnorm(hand - goal)", r"\sum_{t=0}^{T} \left\Vert \mathrm{hand}_{t} - \mathrm{goal}_{t} \right\Vert^{2}"),
        ("sqnorm(goal - hand[1:])", r"\sum_{t=1}^{T} \left\Vert \mathrm{goal}_{t} - \mathrm{hand}_{t} \right\Vert^{2}"),
        ("sqnorm(goal)", r"\sum_{t=1}^{T} \left\Vert \mathrm{goal}_{t} \right\Vert^{2}"),
        (
            "sqnorm(hand[:-1] - hand[1:])",
            r"\sum_{t=0}^{T - 1} \left\Vert \mathrm{hand}_{t} - \mathrm{hand}_{t + 1} \right\Vert^{2}",
        ),
        ("sqnorm(hand[2:])[3]", r"\left\Vert \mathrm{hand}_{5} \right\Vert^{2}"),
        ("sqnorm(hand[2:-2])[-1]", r"\left\Vert \mathrm{hand}_{T - 2} \right\Vert^{2}"),
        ("sqnorm(hand[::-2])[1]", r"\left\Vert \mathrm{hand}_{T - 2} \right\Vert^{2}"),
        ("sqnorm(hand[5:1:-1])", r"\sum_{t=0}^{3} \left\Vert \mathrm{hand}_{5 - t} \right\Vert^{2}"),
    ],
)
def test_time_steps(text, window):
    """States begin at step 0, and what belongs to trials at 1, or where a loss subtracts them whole at 0."""
    hand, goal = ("states.hand", "batch time xy"), ("trial_specs.goal", "batch time xy")
    loss = ld.compile(text, ld.Vocabulary({"hand": hand, "goal": goal}))
    assert loss.latex(expand=True) == rf"\mathcal{{L}} = \left\langle {window} \right\rangle"


def test_a_step_is_the_one_that_is_computed():
    """The index in the formula is the index of the array, for every start, stop and stride of a few steps."""
    states = {"x": np.arange(7.0)[None]}
    vocabulary = ld.Vocabulary({"x": ("states.x", "batch time")})
    for window in [":", "2:", ":-2", "1:5", "-4:", "::2", "1::3", "::-1", "::-3", "5:1:-2", "-2:0:-1"]:
        for index in (0, 1, -1):
            loss = ld.compile(f"x[{window}][{index}] as x", vocabulary)
            step = re.search(r"x_\{(.*)\} \\right\\rangle", loss.latex(expand=True))[1]
            step = re.sub(r"\\left\\lfloor\{(.*?)\}\\right\\rfloor", r"((\1)//1)", step)
            step = re.sub(r"\\frac\{(\w)\}\{(\w)\}", r"(\1/\2)", step)
            step = re.sub(r"(\d) (?=[(T])", r"\1*", step)
            assert eval(step, {"T": 6}) == loss(states, None).raw["x"], (window, index, step)


# Files.


@pytest.mark.parametrize("suffix", [".png", ".svg", ".pdf", ".tex"])
def test_files(tmp_path, suffix):
    loss = ld.compile("position + 1e-5*nn_hidden")
    shown = formula(loss.terms, loss.written.local, expand=True, where=True)
    first, again = tmp_path / f"one{suffix}", tmp_path / f"two{suffix}"
    for path in (first, again):
        picture.save(shown, "aligned", path)
    begins = {".png": b"\x89PNG", ".svg": b"<?xml", ".pdf": b"%PDF", ".tex": b"\\documentclass"}
    assert first.read_bytes().startswith(begins[suffix])
    if suffix != ".svg":
        assert first.read_bytes() == again.read_bytes()


def test_rows_of_a_picture_do_not_overlap(tmp_path):
    from matplotlib.image import imread

    loss = ld.compile("position + velocity + nn_hidden")
    shown = formula(loss.terms, loss.written.local, expand=False)
    picture.save(shown, "aligned", tmp_path / "rows.png")
    dark = imread(tmp_path / "rows.png")[..., 0].min(axis=1) < 0.5
    assert np.sum(np.diff(dark.astype(int)) == 1) == 3


def test_files_that_cannot_be(tmp_path):
    loss = ld.compile("position")
    shown = formula(loss.terms, (), expand=False)
    with pytest.raises(ld.LossValueError) as caught:
        picture.save(shown, "line", Path("x.jpg"))
    assert str(caught.value) == ("`-o` cannot be `x.jpg`\ngive a name that ends in `.tex`, `.svg`, `.png` or `.pdf`")
    for name in ("none/x.tex", "none/x.png"):
        with pytest.raises(ld.LossDataError) as caught:
            picture.save(shown, "line", tmp_path / name)
        assert caught.value.code == "cannot-write"
        assert str(caught.value).endswith(
            "cannot be written: No such file or directory\ngive the name of a file in a folder that is there"
        )
    matrix = ld.Quantity("states.q", "batch", latex=r"\tfrac{1}")
    loss = ld.compile("q", ld.Vocabulary({"q": matrix}))
    with pytest.raises(ld.LossValueError) as caught:
        picture.save(formula(loss.terms, (), expand=False), "line", tmp_path / "x.png")
    assert str(caught.value) == (
        "`$= \\tfrac{1}$` cannot be drawn by Matplotlib\nwrite a `.tex` file instead, for LaTeX itself"
    )


# Notebooks.


class Cells(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.rows = []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        if tag == "tr":
            self.rows.append([])
        elif tag in ("td", "th"):
            self.rows[-1].append("")

    def handle_data(self, data):
        self.rows[-1][-1] += data


def test_a_loss_in_a_notebook():
    loss = ld.compile("alpha*position + 1e-5*nn_hidden - final(velocity)", parameters={"alpha": 1.0})
    assert loss._repr_latex_() == rf"$\displaystyle {loss.latex()}$"
    assert ld.EffectorPositionLoss()._repr_latex_().endswith(r"\ell_{\mathrm{effector\_position}}$")
    head, *rows = Cells(loss._repr_html_()).rows
    assert head == ["term", "weight", "formula"]
    assert [row[:2] for row in rows] == [["position", "alpha"], ["nn_hidden", "1e-5"], ["final(velocity)", "-1"]]
    assert rows[2][2] == (
        r"$\displaystyle \left\langle \left\Vert \dot{\mathbf{x}}_{T} - \dot{\mathbf{x}}^{*}_{T} \right\Vert^{2}"
        r" \right\rangle$"
    )


def test_values_in_a_notebook():
    values = ld.LossDict({"a<b>": np.float32(3), "c": np.float32(1)}, {"a<b>": np.float32(1e-5), "c": np.float32(-1)})
    assert "<b>" not in values._repr_html_()
    assert Cells(values._repr_html_()).rows == [
        ["term", "weight", "raw", "weighted", "share"],
        ["a<b>", "1e-05", "3", "3e-05", "-0.0%"],
        ["c", "-1", "1", "-1", "100.0%"],
        ["total", "", "", "-0.99997", ""],
    ]
    zero = ld.LossDict({"a": np.float32(0)}, {"a": np.float32(1)})
    assert Cells(zero._repr_html_()).rows[1] == ["a", "1", "0", "0", ""]
    mapped = jax.vmap(lambda x: ld.LossDict({"a": x}, {"a": 2.0}))(np.ones(4, np.float32))
    assert mapped._repr_html_() is None


def test_reprs_are_short():
    loss = ld.compile("alpha*position + 1e-5*nn_hidden", parameters={"alpha": 1.0})
    assert repr(loss.terms) == "(Term('position', alpha, 'position'), Term('nn_hidden', 1e-5, 'nn_hidden'))"
    assert repr(loss.program) == "Program of `position`, `nn_hidden`"
