"""The answer to a text: what stands in it, what is wrong, and that other numbers trace nothing."""

import json

import jax
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.loss import cells
from lossdsl.playground.answers import MOST_CHARACTERS, Numbers, Played, answer, shown
from lossdsl.playground.formulas import tree
from tests.playground.traces import traced
from tests.render.formulas import fixed, formulas

FEEDBAX = ld.FEEDBAX.extend(parameters={"alpha": ld.Parameter("alpha", 0.1, doc="how much <b>effort</b> counts")})
TEXT = "position + alpha*velocity - 1e-5*nn_hidden + linear(1, 0, 10)*final(velocity) as end"


def plain(text, numbers=None, vocabulary=FEEDBAX, data="example"):
    found = answer(text, vocabulary, ld.example() if data == "example" else data, numbers)
    return json.loads(json.dumps(found, allow_nan=False))


def test_all_of_a_text():
    found = plain(TEXT)
    loss = ld.compile(TEXT, FEEDBAX)
    *rows, total = cells(loss(*ld.example(), step=0))[1:]
    assert (found["values"]["rows"], found["values"]["total"]) == (rows, total[3])
    assert found["errors"] == []
    assert [tuple(term.values()) for term in found["terms"]] == [
        ("position", "position", "(batch, time)", "1", True),
        ("velocity", "velocity", "(batch, time)", "alpha", False),
        ("nn_hidden", "nn_hidden", "(batch, time)", "-1e-5", True),
        ("end", "final(velocity)", "(batch,)", "linear(1, 0, 10)", False),
    ]
    assert found["parameters"] == [{"name": "alpha", "value": "0.1", "doc": "how much <b>effort</b> counts"}]
    assert (found["uses_step"], found["digest"]) == (True, loss.digest)
    assert [addend["minus"] for addend in found["formula"]["short"]] == [False, False, True, False]
    signed = [("- " if addend["minus"] else "+ ") + addend["latex"] for addend in found["formula"]["long"]]
    assert r"\mathcal{L} = " + " ".join(signed).removeprefix("+ ") == loss.latex(expand=True)


def test_what_is_copied():
    copies = plain(TEXT, Numbers({"position": "2.5"}, {"alpha": "0.25"}))["copies"]
    loss = ld.compile(TEXT, FEEDBAX).with_weights(position=2.5).with_parameters(alpha=0.25)
    assert copies["text"] == str(loss)
    assert copies["python"] == loss.python()
    assert copies["latex"] == loss.latex(form="aligned")
    assert copies["latex_long"] == loss.latex(form="aligned", expand=True)


def test_the_yaml_is_the_loss(tmp_path):
    found = plain(TEXT, Numbers({"position": "2.5"}, {"alpha": "0.25"}))
    (tmp_path / "a.yaml").write_text(found["copies"]["yaml"])
    assert ld.load(tmp_path / "a.yaml").digest == found["digest"]


def test_other_numbers():
    found = plain(TEXT, Numbers({"position": "0", "nn_hidden": "1e-3"}, {"alpha": "0.25"}, "5"))
    loss = ld.compile(TEXT, FEEDBAX).with_weights(position=0, nn_hidden=1e-3).with_parameters(alpha=0.25)
    assert found["values"]["rows"] == cells(loss(*ld.example(), step=5))[1:-1]
    assert found["values"]["rows"][0][1:] == ["0", "48.5405", "0", "0.0%"]


@pytest.mark.parametrize(
    ("numbers", "message"),
    [
        (Numbers({"position": "nan"}), "the weight of `position` is `nan`"),
        (Numbers({"position": "1e999"}), "the weight of `position` is `1e999`"),
        (Numbers({"position": "__import__('os')"}), "the weight of `position` is `__import__('os')`"),
        (Numbers({"positon": "1"}), "the loss has no term `positon`"),
        (Numbers({"velocity": "1"}), "the weight of `velocity` is `alpha`"),
        (Numbers({}, {"beta": "1"}), "the loss has no parameter `beta`"),
        (Numbers({}, {"alpha": ""}), "the parameter `alpha` is ``"),
        (Numbers(step="0.5"), "the training iteration `step` is `0.5`"),
        (Numbers(step="1e30"), "the training iteration `step` is `1e30`"),
        (Numbers(step="x"), "the training iteration `step` is `x`"),
    ],
)
def test_numbers_that_are_none(numbers, message):
    (wrong,) = plain(TEXT, numbers)["errors"]
    assert (wrong["message"], wrong["start"]) == (message, None)


@pytest.mark.parametrize(
    ("text", "message", "place"),
    [
        ("positon", "there is no name `positon`", None),
        ("2*positon", "there is no name `positon`", "positon"),
        ("", "the loss is empty", None),
        ("position +", "the text ends where a value should follow", "+"),
        ("position", None, None),
        ("velocity + effector_fixation", "`trial_specs.inputs.hold` is not there", "effector_fixation"),
        ("1/(position - position)", "the loss is not finite", None),
    ],
)
def test_what_is_wrong(text, message, place):
    found = plain(text)
    assert [one["message"].startswith(message) for one in found["errors"]] == ([True] if message else [])
    for one in found["errors"]:
        assert (one["start"] is None) == (place is None)
        assert place is None or text[one["start"] : one["end"]] == place
        assert one["cause"].endswith(".") and one["hint"]


def test_what_fails_on_the_data_has_all_the_rest():
    found = plain("velocity + effector_fixation")
    assert found["values"] is None and found["courses"] == []
    assert len(found["terms"]) == len(found["formula"]["short"]) == 2


def test_what_is_not_finite_has_its_values():
    found = plain("1/(position - position)")
    assert found["values"]["rows"][0][2] == "inf"
    assert found["values"]["numbers"][0]["raw"] is None


def test_without_data():
    found = plain(TEXT, data=None)
    assert (found["values"], found["courses"], found["errors"]) == (None, [], [])
    assert len(found["terms"]) == 4


def test_a_text_over_the_limit():
    (wrong,) = plain(" " * MOST_CHARACTERS + "1")["errors"]
    assert wrong["message"] == f"the text has {MOST_CHARACTERS + 1:,} characters, the limit is {MOST_CHARACTERS:,}"
    assert plain(" " * (MOST_CHARACTERS - 8) + "position")["errors"] == []


def test_other_numbers_trace_nothing():
    numbers = [Numbers({"position": f"{i + 2}"}, {"alpha": f"{i + 0.5}"}, f"{i + 3}") for i in range(3)]
    with traced() as events:
        played = Played(TEXT, FEEDBAX, ld.example())
        shown(played, numbers[0])
    assert events
    with traced() as events:
        found = [shown(played, each)["values"]["total"] for each in numbers[1:]]
    assert events == [] and found[0] != found[1]


def test_courses_are_computed_again_for_parameters_alone(monkeypatch):
    played = Played("sum(relu(velocity - alpha)) + 0*position", FEEDBAX, ld.example())
    first = shown(played, Numbers())["courses"]
    assert shown(played, Numbers({"position": "2"}))["courses"] is first
    assert shown(played, Numbers({}, {"alpha": "0"}))["courses"][0]["mean"] != first[0]["mean"]


def test_formulas_are_trees_of_mathematics():
    """Whole, and with nothing that a page would run."""
    tags, attributes = set(), set()

    def look(node):
        tags.add(node[0])
        attributes.update(node[1])
        for child in node[2]:
            if not isinstance(child, str):
                look(child)

    for loss in fixed():
        for latex in formulas(loss):
            look(tree(latex))
    assert {tag for tag in tags if not tag.startswith("m")} == set()
    assert attributes <= {"style", "lspace", "rspace", "width", "accent", "stretchy", "mathvariant", "scriptlevel"} | {
        "displaystyle"
    }


@pytest.mark.parametrize("latex", [r"\norm{x}", r"\left( x", ""])
def test_what_is_no_formula(latex):
    assert tree(latex) is None or latex == ""


def test_in_float64_too():
    with jax.enable_x64(True):
        found = plain(TEXT, Numbers({"position": "2"}))
    assert found["values"]["rows"][0][1:4] == ["2", "48.5405", "97.081"]
    assert np.isfinite(found["courses"][0]["mean"]).all()
