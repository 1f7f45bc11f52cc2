"""What the command line says of one operator, of one error, and where no data are given."""

import numpy as np
import pytest
from typer.testing import CliRunner

import lossdsl as ld
from lossdsl.cli import app
from lossdsl.errors import MESSAGES
from lossdsl.operators import OPS
from lossdsl.shell.terminal import fitted


def said(*arguments):
    done = CliRunner().invoke(app, arguments)
    if isinstance(done.exception, ld.LossError):
        return f"{done.exception.own} [{done.exception.code}]"
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.parametrize("name", ["huber", "+", "linear", "final"])
def test_one_operator(name):
    shown = said("ops", name).splitlines()
    op = OPS[name]
    assert op.doc.splitlines()[0] in shown
    (example,) = [line.removeprefix("example  ") for line in shown if line.startswith("example")]
    (value,) = [line.split()[1] for line in shown if line.startswith("value")]
    total = float(ld.compile(example)(*ld.example(), step=3).total)
    assert example == op.example and float(value) == pytest.approx(total, rel=1e-5)
    assert shown[-1] == f"formula  {ld.compile(op.example).latex(expand=True)}"


def test_an_operator_that_there_is_not():
    assert said("ops", "hubr") == "there is no operator `hubr`\ndid you mean `huber`? [unknown-operator]"
    assert "it is a name" in said("ops", "position")


@pytest.mark.parametrize("code", ["unknown-name", "[unknown-name]"])
def test_explain(code):
    shown = said("explain", code)
    assert shown.startswith("there is no name `…`\n\ncause  A name ")
    assert shown.endswith("\nclass  lossdsl.LossNameError\n")


def test_a_link_of_the_page_is_a_title():
    assert said("explain", "no-root").splitlines()[3].endswith('See "Your own model" in the documentation.')


def test_explain_lists_the_codes():
    codes = [line.split()[0] for line in said("explain").splitlines()[1:]]
    assert set(codes) == set(MESSAGES)
    assert said("explain", "unkown-name").startswith("there is no error `unkown-name`\ndid you mean `unknown-name`")


def test_without_data():
    assert said("eval", "position") == (
        "there is nothing to evaluate the loss on\n"
        "add `--data FILE.npz`, an archive of NumPy with keys such as `states.net.hidden`, "
        "or `--data example` [no-data]"
    )
    # What is wrong with the loss comes first.
    assert "unknown-name" in said("eval", "positon")


def test_the_example(tmp_path, monkeypatch):
    assert "14.2262" in said("demo")
    assert "48.5405" in said("eval", "position", "--data", "example")
    monkeypatch.chdir(tmp_path)
    np.savez(tmp_path / "example", **{"states.net.hidden": np.ones((1, 2, 3))})
    (tmp_path / "example.npz").rename("example")
    assert " 6 " in said("eval", "nn_hidden", "--data", "example")


@pytest.mark.parametrize("width", [20, 40, 80, 400])
def test_a_table_is_as_wide_as_the_terminal(width):
    rows = [["operator", "what it is"], ["huber(x, delta=1)", "Huber's penalty: a parabola that goes on as a line."]]
    found = fitted(rows, width)
    assert all(sum(map(len, row)) + 2 <= max(width, 26) for row in found)
    assert " ".join(row[1] for row in found).split() == " ".join(row[1] for row in rows).split()
    assert (found == rows) == (width == 400 or width == 80)


def test_names_say_which_of_several_places_the_data_have(tmp_path):
    there = {
        'trial_specs.targets["mechanics.effector.pos"].value': np.zeros((1, 2, 2)),
        "states.net.hidden": np.ones(3),
    }
    np.savez(tmp_path / "later.npz", **there)
    lines = {
        line.split()[0]: line for line in said("names", "--data", str(tmp_path / "later.npz")).splitlines() if line
    }
    assert lines["target.pos"].endswith('(1, 2, 2) float64 at trial_specs.targets["mechanics.effector.pos"].value')
    assert lines["net.hidden"].endswith("(3,) float64") and lines["target.vel"].endswith("missing")
    assert "| trial_specs.targets.pos" in lines["target.pos"]
