"""What a shell is offered, asked as bash asks."""

import os
import subprocess
import sys

import pytest
from typer.testing import CliRunner

from lossdsl.cli import app
from lossdsl.errors import MESSAGES
from lossdsl.operators import OPS
from lossdsl.shell.complete import codes, files, losses, operators, vocabularies


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    for name in ("runs/old/a.loss", "runs/old/b.npz", "reach.loss", "reach.npz", "names.toml", ".hidden.loss"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("start", "offered"),
    [
        ("", ["names.toml", "reach.loss", "runs/"]),
        ("reac", ["reach.loss"]),
        (".", [".hidden.loss"]),
        ("./r", ["./reach.loss", "./runs/"]),
        ("runs", ["runs/old/a.loss"]),
        ("nowhere/", []),
        ("pos", ["position"]),
        ("hub", ["huber("]),
        ("net.", ["net.hidden", "net.output"]),
    ],
)
def test_losses(start, offered):
    assert losses(start) == offered


def test_others(tmp_path):
    assert files(".npz")("re") == ["reach.npz"]
    assert files(".npz")(f"{tmp_path}/runs") == [f"{tmp_path}/runs/old/b.npz"]
    assert vocabularies("n") == ["none", "names.toml"]
    assert operators("hube") == [("huber", OPS["huber"].summary)]
    assert codes("unknown-n") == ["unknown-name"] and set(codes("")) == set(MESSAGES)


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["ops", "hube"], "huber"),
        (["explain", "caret"], "caret-power"),
        (["eval", "position", "--data", "re"], "reach.npz"),
        (["check", "--vocabulary", "nam"], "names.toml"),
        (["dem"], "demo"),
    ],
)
def test_bash(words, offered):
    asked = {"COMP_WORDS": " ".join(["lossdsl", *words]), "COMP_CWORD": str(len(words))}
    done = CliRunner().invoke(app, [], prog_name="lossdsl", env={"_LOSSDSL_COMPLETE": "complete_bash", **asked})
    assert done.output.split() == [offered]


def test_the_script_of_the_shell():
    done = CliRunner().invoke(app, [], prog_name="lossdsl", env={"_LOSSDSL_COMPLETE": "source_bash"})
    assert "complete -o default" in done.output and "_LOSSDSL_COMPLETE=complete_bash" in done.output


def test_a_process_is_asked(monkeypatch):
    """The entry point leaves the words of the shell alone."""
    asked = {"_LOSSDSL_COMPLETE": "complete_bash", "COMP_WORDS": "lossdsl ops hube", "COMP_CWORD": "2"}
    code = "import sys; sys.argv[:] = ['lossdsl']; from lossdsl.cli import main; main()"
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, env={**os.environ, **asked}).stdout == "huber\n"
