"""What README shows is what happens, from any folder and pasted into a script."""

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import lossdsl as ld

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text()
SHOWN = re.findall(r"```console\n\$ lossdsl (.*)\n((?:.*\n)*?)```", README)
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


def run(*arguments, folder):
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, *arguments]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder, env=environment)


def test_python(tmp_path):
    """Below each `print` stands what it prints."""
    (tmp_path / "pasted.py").write_text("\n".join(BLOCKS))
    done = run("pasted.py", folder=tmp_path)
    said = [line for block in BLOCKS for line in printed(block)]
    assert (done.stdout.splitlines(), done.stderr) == (said, "")


def printed(block):
    below = False
    for line in block.splitlines():
        below = line.startswith("print(") or (below and line.startswith("# "))
        if below and line.startswith("# "):
            yield line[2:]


@pytest.mark.parametrize(("command", "output"), SHOWN)
def test_console(command, output, tmp_path):
    done = run("-m", "lossdsl", *shlex.split(command), folder=tmp_path)
    assert done.stdout + done.stderr == output


def test_readme_is_short_and_shows_both():
    assert len(SHOWN) == len(BLOCKS) == 2
    assert README.count("\n") < 120 and ">>>" not in README


def test_what_it_links_is_there():
    links = re.findall(r"\]\(([^)#]+)", README)
    assert len(links) > 10 and all((ROOT / link).exists() for link in links)


def test_its_picture_is_drawn(monkeypatch, tmp_path):
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from readme_picture import LOSS, drawn

    loss = ld.compile(LOSS)
    history = ld.LossHistory.start(loss.labels, 2)
    for step in range(2):
        history = history.record(step, loss(*ld.example()))
    drawn(history).savefig(tmp_path / "readme.png")
    assert (tmp_path / "readme.png").stat().st_size > 20_000
