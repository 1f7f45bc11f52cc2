"""Canonical texts: the tree, the comments and their places stay."""

import re
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st

import lossdsl as ld
from lossdsl.language.definitions import Let
from lossdsl.language.expr import Name, call
from lossdsl.language.fmt import WIDTH, formatted
from tests.strategies import names, trees

LONG = "effector_position + effector_final_velocity + effector_fixation + 1e-5*nn_output + nn_hidden"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1.0 * position+velocity@final", "1*position + final(velocity)\n"),
        ("\n\n# head\n\n\nposition\n\n", "# head\n\nposition\n"),
        ("position#end  ", "position  #end\n"),
        ("position\n# after\n\n\n# last", "position\n# after\n\n# last\n"),
        ("a=1;b=2\n\n\n\nc=3 # c\na*b*c*position", "a = 1\nb = 2\n\nc = 3  # c\na*b*c*position\n"),
        ("a = position # a\n; -a", "a = position;  # a\n-a\n"),
        # A sum in one line, unless a comment stands in it.
        ("position\n+ velocity\n\n- nn_output", "position + velocity - nn_output\n"),
        ("position + velocity # both", "position + velocity  # both\n"),
        ("position # goal\n+ 2*velocity # stop", "position      # goal\n+ 2*velocity  # stop\n"),
        ("position +  # goal\nvelocity", "position  # goal\n+ velocity\n"),
        ("position +\n# stop\nvelocity", "position\n# stop\n+ velocity\n"),
        ("position\n\n+ # stop\nvelocity", "position\n\n# stop\n+ velocity\n"),
        ("e = nn_output # u\n + nn_hidden\ne", "e = nn_output  # u\n    + nn_hidden\ne\n"),
        ("e = nn_output\n # h\n + nn_hidden\ne", "e = nn_output\n    # h\n    + nn_hidden\ne\n"),
        # A term has one line: what stood inside it stands before it.
        ("# 1\nhuber(position, # 2\n # 3\n delta=1/2) # 4", "# 1\n# 2\n# 3\nhuber(position, delta=1/2)  # 4\n"),
        ("a = 1\n\nb = # two\n 2\na*b*position", "a = 1\n\n# two\nb = 2\na*b*position\n"),
        ("f( x,\n y ,)=x*y # f\n;f(2,y = position)", "f(x, y) = x*y  # f\nf(2, y=position)\n"),
        ("f( # of\n x # one\n) = x\n\nf(position)", "# of\n# one\nf(x) = x\n\nf(position)\n"),
        ("f(x)=x # a\n + 2 # b\n;-f(velocity)", "f(x) = x  # a\n    + 2;  # b\n-f(velocity)\n"),
        ("f(x) = x\r\nf(position)\r\n", "f(x) = x\nf(position)\n"),
        ("(position\n+ velocity # v\n) # end", "position\n# v\n+ velocity  # end\n"),
    ],
)
def test_texts(text, expected):
    assert formatted(text) == expected


def test_a_long_sum_has_a_term_a_line():
    assert len(LONG) > WIDTH
    assert formatted(LONG) == LONG.replace(" + ", "\n+ ") + "\n"
    assert formatted(f"e = {LONG}; e") == "e = " + LONG.replace(" + ", "\n    + ") + "\ne\n"
    fits = "p" * (WIDTH - 11) + " - velocity"
    assert formatted(fits) == f"{fits}\n"
    assert formatted(f"q{fits}") == f"q{fits}\n".replace(" - ", "\n- ")


def test_the_example_keeps_its_comments():
    text = Path("examples/reach.loss").read_text(encoding="utf-8")
    assert formatted(text) == text.replace("1.0*effector_position  ", "1*effector_position  ").replace("1.0*", "1*")


def test_what_is_no_loss_is_refused():
    for text in ("# only a comment", "a = position", "position +"):
        with pytest.raises(ld.LossSyntaxError):
            formatted(text)


sums = st.lists(trees, min_size=2, max_size=4).map(lambda addends: call("+", *addends))


@st.composite
def laid_out(draw):
    """A text with comments, blank lines and line breaks wherever the language lets them stand."""
    rows = draw(st.lists(st.tuples(names, trees | sums), max_size=2))
    tree = draw(trees | sums)
    if rows:
        tree = Let((*(value for _, value in rows), tree), names=tuple(Name(name=name) for name, _ in rows))
    statements = re.split(r";?\n", str(tree))
    gaps = st.sampled_from([" ", "  ", " # x\n", "\n# y y\n", "\n\n\n", " #\n\n# z \n\n\n", "\t"])
    text = draw(gaps)
    for statement in statements:
        tokens = re.findall(r"@[\w.+-]*\.\.[\w.+-]*|\d[\w.]*(?:(?<=e)-\d+)?|\w[\w.]*|\*\*|\S", statement)
        for before, token in zip(["", *tokens], tokens, strict=False):
            text += token if not before else draw(gaps if before[-1] in "+-*/=(,[" else st.just(" ")) + token
        text += draw(st.sampled_from(["\n;", " ; ", "; # c\n", "\n;\n\n# d\n"]))
    return text + draw(gaps)


@settings(max_examples=300)
@given(laid_out())
@example("a = 1;\n\n-a")
@example("position #\n")
def test_twice_is_once_and_nothing_is_lost(text):
    once = formatted(text)
    assert formatted(once) == once
    assert ld.parse(once) == ld.parse(text)
    found = [[comment.rstrip() for comment in re.findall("#.*", each)] for each in (text, once)]
    assert found[0] == found[1]
    assert "\n\n\n" not in once and not once.startswith("\n") and re.search(r"[^\n]\n\Z", once)


def test_the_result_is_held_against_the_text(monkeypatch):
    monkeypatch.setattr("lossdsl.language.fmt.addend_texts", lambda node: ["velocity"])
    with pytest.raises(AssertionError, match="please report"):
        formatted("position")
