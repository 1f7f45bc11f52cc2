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
