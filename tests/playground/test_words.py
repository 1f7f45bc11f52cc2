"""What an editor shows of a text: colours, mistakes, words, in the units that browsers count in."""

import json

import pytest
from hypothesis import given, strategies as st

import lossdsl as ld
from lossdsl.playground.words import colours, read
from tests.editor.test_any_text import LOSSES, TEXTS

FEEDBAX = ld.FEEDBAX


def units(text):
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def cut(text, start, end):
    return text.encode("utf-16-le")[2 * start : 2 * end].decode("utf-16-le")


@given(TEXTS | LOSSES | st.text(max_size=30), st.integers(0, 60))
def test_any_text(text, at):
    found = json.loads(json.dumps(read(text, at, FEEDBAX), allow_nan=False))
    assert "".join(piece for _, piece in found["colours"]) == text
    for place in (*found["errors"], *found["offers"]):
        assert 0 <= place["start"] <= place["end"] <= units(text)


def test_colours():
    assert colours("f = 2*final(x, axis=time) as last # end") == [
        ["definition", "f"],
        ["space", " "],
        ["operator", "="],
        ["space", " "],
        ["number", "2"],
        ["operator", "*"],
        ["function", "final"],
        ["punctuation", "("],
        ["name", "x"],
        ["punctuation", ","],
        ["space", " "],
        ["option", "axis"],
        ["operator", "="],
        ["name", "time"],
        ["punctuation", ")"],
        ["space", " "],
        ["keyword", "as"],
        ["space", " "],
        ["label", "last"],
        ["space", " "],
        ["comment", "# end"],
    ]


def test_places_count_as_browsers_do():
    text = "# 😀 \N{MATHEMATICAL ITALIC SMALL ALPHA}\nposition + positon + velocty"
    found = read(text, units(text), FEEDBAX)
    assert [cut(text, one["start"], one["end"]) for one in found["errors"]] == ["positon", "velocty"]
    assert [(offer["text"], cut(text, offer["start"], offer["end"])) for offer in found["offers"]] == []
    found = read(text[:-2], units(text) - 2, FEEDBAX)
    assert [(offer["text"], cut(text, offer["start"], offer["end"])) for offer in found["offers"]] == [
        ("velocity", "veloc")
    ]


def test_every_mistake_has_its_cause():
    (one,) = read("2 ^ position", 0, FEEDBAX)["errors"]
    assert one == {
        "start": 2,
        "end": 3,
        "code": "caret-power",
        "message": "`^` is not an operator",
        "hint": "write `**` for a power",
        "calls": [],
        "cause": one["cause"],
        "cure": "Write `**`.",
    }
    assert "](" not in one["cause"]


def test_a_mistake_in_a_definition_says_its_call():
    (one,) = read("f(z) = norm(z)\nf(position)", 0, FEEDBAX)["errors"]
    assert one["message"].endswith("in `f(position)`") and one["calls"] == ["in the call `f(position)`"]


@pytest.mark.parametrize(
    ("text", "at", "kinds", "says"),
    [
        ("2*position", 4, ["code", "prose", "prose", "formula"], "squared distance from the target"),
        ("2*position", 0, [], ""),
        ("final(velocity)", 2, ["code", "prose", "prose", "prose", "formula"], "The value at the last time step"),
        ("nope", 2, [], ""),
    ],
)
def test_what_a_word_means(text, at, kinds, says):
    about = read(text, at, FEEDBAX)["about"]
    assert [part["kind"] for part in about] == kinds
    assert says in " ".join(part["text"] for part in about)


def test_documentation_stays_text():
    known = FEEDBAX.extend(terms={"bad": ld.Definition("position", doc="<img src=x onerror=alert(1)> ```html\n<b>")})
    about = read("bad", 1, known)["about"]
    assert {"kind": "prose", "text": "<img src=x onerror=alert(1)> ```html\n<b>"} in about


def test_offers():
    found = read("2*me", 4, FEEDBAX)["offers"]
    assert [(offer["text"], offer["kind"], offer["call"]) for offer in found] == [("mean", "operator", True)]
    assert len(read("2*", 2, FEEDBAX)["offers"]) == 40
