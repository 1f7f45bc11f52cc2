"""A command that is done again when a file is saved, run as its own process."""

import os
import queue
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from typer.testing import CliRunner

from lossdsl.cli import app

ROOT = Path(__file__).parents[2]
# The program, which hears Ctrl-C also where these tests run in the background, whose processes a shell lets ignore it.
HEARS = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("lossdsl", run_name="__main__", alter_sys=True)
"""


class Watching:
    """The command, its lines as they come."""

    def __init__(self, folder, *arguments):
        command = [sys.executable, "-c", HEARS, *arguments, "--watch"]
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        self.lines = queue.Queue()
        self.reader = threading.Thread(target=self._read)
        self.reader.start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def until(self, start):
        """The lines up to one with that start, which comes last."""
        found = [self.lines.get(timeout=60)]
        while not found[-1].startswith(start):
            found.append(self.lines.get(timeout=60))
        return "\n".join(found)


@pytest.fixture
def watch(tmp_path):
    started = []

    def start(*arguments):
        started.append(Watching(tmp_path, *arguments))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()
        one.process.wait()
        one.reader.join()
        one.process.stdout.close()


def save(path, text):
    """As editors do, a new file in the place of the old."""
    path.with_suffix(".new").write_text(text)
    os.replace(path.with_suffix(".new"), path)


def test_the_loss_and_what_it_builds_on(tmp_path, watch):
    (tmp_path / "a.yaml").write_text("vocabulary: names.toml\nloss: 2*effort\n")
    (tmp_path / "names.toml").write_text("terms.effort = 'sqnorm(net.output)'\n")
    shown = watch("check", "a.yaml")
    assert "effort  2       effort" in shown.until("watching a.yaml, names.toml; ")
    save(tmp_path / "a.yaml", "vocabulary: names.toml\nloss: 2*efort\n")
    found = shown.until("watching")
    assert "a.yaml changed" in found and "did you mean `effort`? [unknown-name]" in found
    save(tmp_path / "names.toml", "terms.efort = 'sqnorm(net.output)'\n")
    found = shown.until("watching")
    assert "names.toml changed" in found and "efort  2       efort" in found
    (tmp_path / "a.yaml").unlink()
    assert "there is no file `a.yaml`" in shown.until("watching")
    (tmp_path / "a.yaml").write_text("loss: position\n")
    assert "position  1       position" in shown.until("watching")
    shown.process.send_signal(signal.SIGINT)
    assert shown.process.wait(60) == 0
    assert "Traceback" not in "".join(shown.lines.queue)


def test_values(tmp_path, watch):
    (tmp_path / "a.loss").write_text("position")
    shown = watch("eval", "a.loss", "--data", "example")
    assert "total" in shown.until("watching a.loss, reach.npz; ")
    save(tmp_path / "a.loss", "2*position")
    assert "97.081" in shown.until("watching")


def test_what_is_no_file_is_not_watched():
    found = CliRunner().invoke(app, ["check", "position", "--watch"]).exception
    assert str(found).startswith("`--watch` cannot be used where the loss is no file\n")
    assert CliRunner().invoke(app, ["check", "nope.loss", "--watch"]).exception.code == "no-file"
