"""Every formula that lossdsl makes, and those of the pages, as MathML: nothing is lost or written out on the way."""

import re
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

for needed in ("docutils", "math_core"):
    pytest.importorskip(needed, reason="needs the extra `docs`")
ROOT = Path(__file__).parents[2]
sys.path.append(str(ROOT / "docs"))

from math_core import LatexError  # noqa: E402
from mathml import CHARACTERS, mathml  # noqa: E402

from tests.render.formulas import fixed, formulas, generated  # noqa: E402

PAGES = "".join(page.read_text() for page in (ROOT / "docs").rglob("*.md"))
SHOWN = [*re.findall(r"^```math\n(.*?)^```", PAGES, re.DOTALL | re.M), *re.findall(r"\$`(.+?)`\$", PAGES)]
RANGES = [[int(end, 16) for end in (span.split("-") * 2)[:2]] for span in CHARACTERS.split()]


def read(latex):
    # HTML knows it by this name, XML does not.
    tree = ElementTree.fromstring(mathml(latex).replace("&ApplyFunction;", "\u2061"))
    text = "".join(tree.itertext())
    assert not re.search(r"\\[a-zA-Z]", text) and not tree.findall(".//merror")
    return tree, text


@pytest.mark.parametrize("loss", fixed(), ids=lambda loss: str(loss)[:40])
def test_formulas_of_the_language(loss):
    for latex in formulas(loss):
        tree, text = read(latex)
        # An empty row stands for each length.
        rows = latex.count(r"\\") + latex.count(r"\begin{") + latex.count("[1ex]")
        assert (len(tree.findall(".//mtr")), "1ex" in text) == (rows, False)
        assert_drawn(text)


@pytest.mark.slow
def test_generated_formulas():
    for loss in generated(40):
        for latex in formulas(loss):
            assert_drawn(read(latex)[1])


def test_formulas_of_the_pages():
    assert len(SHOWN) > 100
    for latex in SHOWN:
        assert_drawn(read(latex.replace(r"\|", "|"))[1])


def assert_drawn(text):
    """The font of the site has it."""
    assert not [letter for letter in text if not any(first <= ord(letter) <= last for first, last in RANGES)]


@pytest.mark.parametrize("latex", [r"\norm{x}", r"a & b", r"\left( x", r"x_1_2"])
def test_what_is_no_formula_is_told(latex):
    with pytest.raises(LatexError):
        mathml(latex)


@pytest.mark.parametrize(
    ("latex", "tag", "number"),
    [
        (r"\begin{aligned} a &= b \\ &\quad + c \end{aligned}", "mtr", 2),
        (r"\begin{aligned} a &= b \\[1ex] \text{where} \\ c & d \end{aligned}", "mtr", 4),
        (r"\begin{cases} 1 & x > 0 \\ 0 & \text{else} \end{cases}", "mtr", 2),
        (r"\begin{pmatrix} 1 & 2 \\ 3 & 4 \end{pmatrix}", "mtd", 4),
        (r"\operatorname{CVaR}_{0.9} \mathbf{x}^{\top} \dot{\mathbf{x}}", "mover", 1),
        (r"\left. \ell_{\mathrm{velocity}} \right|_{T}", "msub", 2),
        (r"\sum_{t=1}^{T} \sqrt{x} \frac{1}{2}", "munderover", 1),
        (r"\square_{[a,b]} \lozenge \, \mathcal{U} \, \lfloor x \rfloor", "msub", 1),
    ],
)
def test_what_formulas_are_made_of(latex, tag, number):
    assert len(read(latex)[0].findall(f".//{tag}")) == number


def test_spaces_of_words_stay():
    assert read(r"\text{5 \% \& more: \$ \_ \# x}")[1].replace("\xa0", " ") == "5 % & more: $ _ # x"
