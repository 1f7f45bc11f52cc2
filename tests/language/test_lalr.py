"""The parser's own loop against Lark's, over the same grammar: what they refuse, and what they make of the rest."""

from functools import cache
from pathlib import Path

import pytest
from hypothesis import example, given, settings, strategies as st
from lark import Lark, Token
from lark.exceptions import UnexpectedToken

from lossdsl.errors import LossSyntaxError
from lossdsl.language.lalr import SOFT, parser
from lossdsl.language.parse import language
from lossdsl.language.syntax import END, UNKNOWN, layout
from lossdsl.language.text import begins
from tests import cases

GRAMMAR = Path(__file__).parents[2] / "grammar" / "loss.lark"
WORDS = "a b.c 1 .5 + - * / ** ( ) [ ] , : ; = as @ @-1 @1:2 axis and or not < >= 2s".split()  # noqa: SIM905
VALID = [case.text for case in cases.read("parse.txt")]


class Rows:
    """Makes a list of each rule: its name and its parts."""

    def __getattr__(self, name):
        # Lark asks for terminals too, and for the rules that it adds for parts that repeat.
        if name.startswith("_") or name.isupper():
            raise AttributeError(name)
        return lambda parts: [str(name), *(part.text if hasattr(part, "kind") else part for part in parts)]


@cache
def ours():
    return parser(Rows())


@cache
def larks():
    options = {"keep_all_tokens": True, "maybe_placeholders": False, "transformer": Rows()}
    return Lark(GRAMMAR.read_text(encoding="utf-8"), parser="lalr", start="program", **options)


def made(text):
    try:
        return ours().read(text)
    except LossSyntaxError:
        return None


def made_by_lark(text):
    try:
        tokens = list(language().tokens(text, layout(text)))
    except LossSyntaxError:
        return None
    reader = larks().parse_interactive("")
    try:
        for token in tokens:
            if token.kind == END:
                return reader.feed_eof()
            word = token.kind in SOFT and (
                token.kind not in reader.accepts() or (token.kind == "NOT" and not begins(text, token.span.end))
            )
            reader.feed_token(Token("NAME" if word else token.kind, token.text))
    except UnexpectedToken:
        return None
    raise AssertionError("a text has an end")


def changed(text):
    """The text with a piece taken out and a word put in."""
    places = st.integers(0, len(text))
    return st.builds(
        lambda i, j, word: f"{text[: min(i, j)]} {word} {text[max(i, j) :]}", places, places, st.sampled_from(WORDS)
    )


@pytest.mark.parametrize("text", VALID)
def test_texts_of_the_language(text):
    assert made(text) is not None
    assert made(text) == made_by_lark(text)


@settings(max_examples=3000)
@given(st.lists(st.sampled_from(WORDS), max_size=12).map(" ".join) | st.sampled_from(VALID).flatmap(changed))
@example("a; ;")
@example("a = 1; ")
@example(f"a {UNKNOWN} ^")
def test_other_texts(text):
    assert made(text) == made_by_lark(text)
