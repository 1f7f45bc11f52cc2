"""Help where it is read by a program: whole, without boxes."""

import os
import subprocess
import sys

import pytest

from lossdsl.cli import app

COMMANDS = [command.name for command in app.registered_commands]


def shown(*arguments, **environment):
    command = [sys.executable, "-m", "lossdsl", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, **environment})
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_all_commands_with_all_of_their_first_sentence():
    text = " ".join(shown("--help").split())
    for command in app.registered_commands:
        first = " ".join(command.callback.__doc__.split("\n\n")[0].split())
        assert f"{command.name} {first}" in text
    assert "..." not in text.replace("[ARGS]...", "")


@pytest.mark.parametrize("name", ["eval", "latex"])
def test_all_options_of_a_command(name):
    text = shown(name, "--help")
    assert text.isascii() and "--vocabulary FILE" in text
    assert "..." not in text


@pytest.mark.parametrize("columns", ["60", "200"])
def test_on_a_terminal_it_follows_the_width(columns):
    pty = pytest.importorskip("pty")
    terminal, end = pty.openpty()
    environment = {**os.environ, "COLUMNS": columns, "NO_COLOR": ""}
    with os.fdopen(terminal, "rb", buffering=0) as screen:
        command = [sys.executable, "-m", "lossdsl", "ops"]
        process = subprocess.Popen(command, stdout=end, stderr=end, env=environment)
        os.close(end)
        found = b""
        while chunk := _read(screen):
            found += chunk
        assert process.wait() == 0
    lines = found.decode().replace("\r", "").replace("\x1b[1m", "").replace("\x1b[0m", "").splitlines()
    assert int(columns) - 30 < max(map(len, lines)) <= int(columns)


def _read(screen):
    try:
        return screen.read(100_000)
    except OSError:  # the other end is closed
        return b""
