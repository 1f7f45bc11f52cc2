"""What README shows is what happens."""

import doctest
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

README = Path("README.md").read_text()
SHOWN = re.findall(r"```console\n\$ lossdsl (.*)\n((?:.*\n)*?)```", README)


def test_python():
    assert doctest.testfile("../README.md").failed == 0


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_console(command, output):
    done = subprocess.run([sys.executable, "-m", "lossdsl", *shlex.split(command)], capture_output=True, text=True)
    assert done.stdout + done.stderr == output


def test_readme_shows_both():
    assert len(SHOWN) == 2
