"""The input, and the names of a project."""

import pytest
from typer.testing import CliRunner

import lossdsl as ld
from lossdsl.cli import app
from lossdsl.shell import given

PROJECT = '[tool.lossdsl]\nquantities.tip = {path = "states.tip", axes = "batch time"}\nparameters.alpha = 0.5\n'


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    given.stdin.cache_clear()
    return tmp_path


def said(*arguments, given=None):
    done = CliRunner().invoke(app, arguments, input=given)
    if isinstance(done.exception, ld.LossError):
        return f"{done.exception.own} [{done.exception.code}]"
    return done.output


def test_a_loss_on_the_input():
    assert "position  2       position\n" in said("check", "-", given="2*position # twice\n")


def test_a_mistake_on_the_input():
    assert "unknown-name" in said("check", "-", given="positon")


def test_the_input_is_read_once():
    assert said("diff", "-", "-", given="2*position") == "no difference\n"


def test_a_text_in_a_folder_of_a_project(folder):
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "a.loss").write_text("alpha*tip")
    assert "tip   alpha   tip\n" in said("check", "a.loss")
    assert "tip   alpha   tip\n" in said("check", "alpha*tip")
    assert "tip   alpha   tip\n" in said("check", "-", given="alpha*tip")


def test_a_project_that_is_wrong_is_told(folder):
    (folder / "pyproject.toml").write_text(PROJECT.replace("path", "paht"))
    (folder / "a.loss").write_text("tip")
    assert "pyproject.toml" in said("check", "a.loss") and "paht" in said("check", "a.loss")


NAMES = 'vocabulary = "none"\nquantities.tip = {path = "states.tip", axes = "batch time"}\n'


@pytest.mark.parametrize("command", ["check", "python", "latex"])
def test_names_that_are_asked_for(folder, command):
    (folder / "names.toml").write_text(NAMES)
    (folder / "pyproject.toml").write_text(PROJECT)
    (folder / "a.json").write_text('{"loss": "2*tip"}')
    assert "tip" in said(command, "2*tip", "--vocabulary", "names.toml")
    assert "tip" in said(command, "a.json", "--vocabulary", "names.toml")
    assert "unknown-name" in said(command, "alpha*tip", "--vocabulary", "names.toml")
    assert "unknown-name" in said(command, "tip", "--vocabulary", "feedbax")


def test_names_that_are_not_there(folder):
    (folder / "names.toml").write_text(NAMES)
    assert said("check", "tip", "--vocabulary", "nmes.toml").endswith("did you mean `names.toml`? [no-file]")
    assert "no difference" in said("diff", "tip", "1.0*tip", "--vocabulary", "names.toml")
    listed = said("names", "--vocabulary", "names.toml")
    assert "tip" in listed and "effector" not in listed


def test_names_are_written(folder):
    shown = said("names", "--data", "example", "--write", "mine.toml")
    assert "trial_specs.target.pos" in shown and "Correct them in mine.toml" in shown
    assert "48.5405" in said(
        "eval", "sqnorm(effector.pos[1:] - target.pos)", "--data", "example", "--vocabulary", "mine.toml"
    )
    assert "mine.toml`, a file that is there" in said("names", "--data", "example", "--write", "mine.toml")
    assert "used without data" in said("names", "--write", "other.toml")
