"""Colours agree with the parser's tokens and the table of operators; the files for editors are up to date."""

import importlib.util
import json
import re
from pathlib import Path

import pytest
from pygments.lexers import get_lexer_by_name
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation

from lossdsl.language.highlight import LossLexer, rules
from lossdsl.language.lalr import SOFT
from lossdsl.language.parse import language
from lossdsl.language.syntax import END, layout
from lossdsl.operators.declaration import OPS
from tests.tokens import TEXTS, coloured

EDITORS = Path(__file__).parents[2] / "editors"
COLOURS = {"NAME": Name, "NUMBER": Number, "AT_STEPS": Number, "AS": Keyword, "PLUS": Operator, "LPAR": Punctuation}


def textmate():
    spec = importlib.util.spec_from_file_location("textmate", EDITORS / "textmate.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def tokens(text):
    """What the parser is given; a newline that ends a definition is no token of the text."""
    found = language().tokens(text, layout(text))
    return [token for token in found if token.kind != END and text[token.span.start] != "\n"]


def colours(text):
    return [(text[i:j], kind) for i, j, kind in coloured(text)]


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_are_those_of_the_parser(text):
    found = [token for token in coloured(text) if token[2] is not Comment.Single]
    expected = tokens(text)
    assert [(i, j) for i, j, _ in found] == [(token.span.start, token.span.end) for token in expected]
    for (_, _, kind), token in zip(found, expected, strict=True):
        assert kind in COLOURS.get(token.kind, kind)


def test_texts_have_every_terminal():
    assert {token.kind for text in TEXTS for token in tokens(text)} == set(language().terminals) - {"SPACE", "COMMENT"}


@pytest.mark.parametrize("name", [name for name, op in OPS.items() if op.is_called])
def test_operators_are_functions(name):
    assert colours(f"{name} (x)")[0] == (name, Name.Function)
    assert colours(name) == [(name, Name)]
    assert colours(f"x@{name}")[-1] == (name, Name.Function)
    assert colours(f"{name}s(x)")[0] == (f"{name}s", Name.Function.Magic)


def test_names_are_told_apart():
    text = "a = 2*step; huber(a, delta=3) as step.b # c"
    assert [token for token in colours(text) if token[1] is not Operator and token[1] is not Punctuation] == [
        ("a", Name.Variable),
        ("2", Number),
        ("step", Name.Builtin.Pseudo),
        ("huber", Name.Function),
        ("a", Name),
        ("delta", Name.Attribute),
        ("3", Number),
        ("as", Keyword),
        ("step.b", Name.Label),
        ("# c", Comment.Single),
    ]


def test_definitions_with_arguments_are_told_apart():
    text = "spread(z) = mean(square(z), axis=batch); scaled.x(a,\nb) = a*b; scaled.x(spread(v), b=2)"
    named = [token for token in colours(text) if token[0].strip(".").isidentifier() or "." in token[0]]
    assert named == [
        ("spread", Name.Variable),
        ("z", Name),
        ("mean", Name.Function),
        ("square", Name.Function),
        ("z", Name),
        ("axis", Name.Attribute),
        ("batch", Name),
        ("scaled.x", Name.Variable),
        ("a", Name),
        ("b", Name),
        ("a", Name),
        ("b", Name),
        ("scaled.x", Name.Function.Magic),
        ("spread", Name.Function.Magic),
        ("v", Name),
        ("b", Name.Attribute),
    ]


@pytest.mark.parametrize("text", ["as_ + assume", "a)*b", "x$y", "sum((x)"])
def test_any_text_has_colours(text):
    assert "".join(token for token, _ in colours(text)) == text.replace(" ", "")


def test_sphinx_finds_the_lexer():
    assert isinstance(get_lexer_by_name("loss"), LossLexer)


def test_files_for_editors_are_up_to_date():
    made = textmate()
    assert {path.name: path.read_text(encoding="utf-8") for path in made.FOLDER.iterdir()} == made.texts()


@pytest.mark.parametrize("within", [False, True])
def test_editors_have_the_terminals_of_the_grammar(within):
    found = textmate().loss()["repository"]
    patterns = {row["match"] for row in found["within" if within else "outside"]["patterns"] if "match" in row}
    patterns |= {found["parentheses"]["begin"], found["parentheses"]["end"]}
    assert patterns >= {pattern for name, pattern in language().terminals.items() if name not in ("SPACE", "AS", *SOFT)}
    assert all(re.compile(rule.pattern) for rule in rules(within=within))


def test_extension_carries_the_files():
    folder = EDITORS / "vscode"
    contributed = json.loads((folder / "package.json").read_text())["contributes"]
    paths = [row["path"] for row in contributed["grammars"]] + [
        row["configuration"] for row in contributed["languages"]
    ]
    assert all((folder / path).is_file() for path in paths)
    scopes = {json.loads(text)["scopeName"] for text in textmate().texts().values()}
    assert {row["scopeName"] for row in contributed["grammars"]} == scopes
