"""`lossdsl play`: what it begins with, what it refuses, and the program itself."""

import http.client
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import lossdsl as ld
from lossdsl.playground import serve as served
from tests.program import finished

ROOT = Path(__file__).parents[2]
REACHES = "the reaches that come with lossdsl"


@pytest.fixture
def began(monkeypatch):
    """What a playground would begin with, in place of a server."""
    found = []
    monkeypatch.setattr(served, "serve", lambda start, port, look, say: found.append((start, port, look)))

    def begin(*arguments, **more):
        done = finished("play", *arguments, **more)
        assert (done.returncode, done.stderr) == (0, ""), done.stderr
        return found.pop()

    return begin


def test_without_a_loss_it_is_that_of_the_demo(began):
    start, port, look = began()
    assert start.text == (ROOT / "examples" / "reach.loss").read_text()
    assert (start.vocabulary, start.said, port, look) == (ld.FEEDBAX, REACHES, 0, False)
    assert ld.compile(start.text, start.vocabulary)(*start.data).total > 0


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["2*position"], "2*position"),
        (["--", "-position"], "-position"),
        (["-"], "from the input"),
        (["a.loss"], "# a comment\nvelocity\n"),
        (["2*positon +"], "2*positon +"),
        (["a.yaml"], "alpha*velocity # why"),
        (["b.yaml"], "2*position as goal"),
    ],
)
def test_the_text_comes_as_it_is_right_or_wrong(began, tmp_path, arguments, text):
    (tmp_path / "a.loss").write_text("# a comment\nvelocity\n")
    (tmp_path / "a.yaml").write_text("loss: 'alpha*velocity # why'\nparameters: {alpha: 0.25}\n")
    (tmp_path / "b.yaml").write_text("loss: {goal: {weight: 2, expr: position}}\n")
    start, *_ = began(*arguments, folder=tmp_path, given="from the input")
    assert start.text == text and start.said == REACHES
    if "a.yaml" in arguments:
        assert float(start.vocabulary.parameters["alpha"].default) == 0.25


def test_names_and_numbers(began, tmp_path):
    (tmp_path / "names.yaml").write_text("vocabulary: none\nquantities: {x: batch time}\n")
    start, *_ = began("alpha*x", "--vocabulary", "names.yaml", "--set", "alpha=2", folder=tmp_path)
    assert start.vocabulary.names == ("x", "alpha", "step")
    assert (start.data, start.said) == (None, "")
    (tmp_path / "pyproject.toml").write_text("[tool.lossdsl]\nterms.effort = 'nn_output'\n")
    start, *_ = began("effort", folder=tmp_path)
    assert "effort" in start.vocabulary.names and start.said == REACHES


@pytest.mark.parametrize(("given", "said"), [("example", REACHES), ("my.npz", "my.npz")])
def test_data(began, tmp_path, given, said):
    (tmp_path / "my.npz").write_bytes((ROOT / "examples" / "reach.npz").read_bytes())
    start, port, look = began("position", "--data", given, "--port", "8123", "--open", folder=tmp_path)
    assert (start.said, port, look) == (said, 8123, True)
    assert ld.compile("position")(*start.data).total > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["reach.los"], "there is no file `reach.los`\ndid you mean `reach.loss`? [no-file]\n"),
        (["./x.loss"], "there is no file `./x.loss`\ngive the path of a file, or the text of a loss [no-file]\n"),
        (["position", "--data", "x.npz"], "there is no file `x.npz`\ngive the path of an .npz file [no-file]\n"),
        (
            ["position", "--set", "alpha"],
            "`--set` cannot be `alpha`\nwrite for example `--set alpha=0.5` [bad-argument]\n",
        ),
        (["position", "velocity"], "`play` cannot be given 2 words\n"),
    ],
)
def test_what_is_wrong_with_the_command(tmp_path, arguments, message):
    (tmp_path / "reach.loss").write_text("position")
    done = finished("play", *arguments, folder=tmp_path)
    assert done.returncode in (1, 2) and done.stderr.startswith(message), done.stderr


def test_a_port_that_is_taken():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = finished("play", "position", "--port", str(port))
    assert done.returncode == 1
    assert done.stderr == (
        f"`--port` cannot be {port}: Address already in use\n"
        "give another one, or leave it out for one that is free [bad-argument]\n"
    )


@pytest.mark.parametrize("package", ["starlette", "uvicorn", "math_core", "anyio"])
def test_without_the_extra_it_says_what_to_install(package):
    code = f"import sys; sys.modules['{package}'] = None; sys.argv[1:] = ['play']; from lossdsl.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        "the playground needs Starlette, uvicorn, math-core and ziamath, which is not installed\n"
        "run `pip install 'lossdsl[play]'` [not-installed]\n"
    )


def test_other_commands_need_nothing_of_it():
    heavy = ("starlette", "uvicorn", "lossdsl.playground")
    code = f"import sys, lossdsl.cli; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


# Which hears Ctrl-C also where these tests run in the background, whose processes a shell lets ignore it.
HEARS = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("lossdsl", run_name="__main__", alter_sys=True)
"""


def test_the_program_says_where_it_is_and_ends_with_ctrl_c():
    command = [sys.executable, "-c", HEARS, "play", "2*position"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment
    ) as program:
        try:
            line = program.stdout.readline()
            found = re.fullmatch(r"the playground is at http://127\.0\.0\.1:(\d+)/ \(Ctrl-C ends\)\n", line)
            connection = http.client.HTTPConnection("127.0.0.1", int(found[1]), timeout=60)
            connection.request("GET", "/")
            assert b"lossdsl playground" in connection.getresponse().read()
            connection.close()
            # On this machine alone.
            with pytest.raises(OSError):
                socket.create_connection((_outward(), int(found[1])), timeout=2).close()
            program.send_signal(signal.SIGINT)
            assert program.wait(60) == 0
            assert program.stderr.read() == ""
        finally:
            program.kill()


def _outward():
    """An address of this machine that is none of the loopback."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # no packet is sent
        except OSError:
            pytest.skip("this machine has no network")
        return probe.getsockname()[0]
