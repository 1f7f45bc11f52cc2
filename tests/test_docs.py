"""Every example of the docs runs: files, Python, commands, and the tables of traps."""

import doctest
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.errors import HydraException
from hydra.utils import instantiate

import lossdsl as ld
from lossdsl.operators.declaration import OPS
from tests.program import finished

ROOT = Path(__file__).parent.parent
DOCS = sorted((ROOT / "docs").rglob("*.md"))
# `docs/` is no package: what makes its tables is a program beside the pages.
sys.path.append(str(ROOT / "docs"))
import made  # noqa: E402

CONFIGS = (ROOT / "docs" / "configs.md").read_text()


@pytest.fixture
def folder(tmp_path):
    """An empty folder where `examples/` is that of the repository."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    return tmp_path


def write_files(text, folder):
    """The files that the YAML and TOML blocks of a page name."""
    for name, body in re.findall(r"^```(?:yaml|toml)\n# (\S+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        (folder / name).write_text(f"# {name}\n{body}")


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.stem)
def test_page(page, folder, monkeypatch):
    write_files(page.read_text(), folder)
    monkeypatch.chdir(folder)
    assert doctest.testfile(str(page), module_relative=False, optionflags=doctest.ELLIPSIS).failed == 0


SHOWN = "".join(page.read_text() for page in DOCS)
COMMANDS = re.findall(r"^\$ ((?:python examples/|lossdsl ).*)\n((?:(?!\$|```).*\n)*)", SHOWN, re.M)


@pytest.mark.parametrize(("command", "output"), COMMANDS)
def test_command(command, output, folder):
    write_files((ROOT / "docs" / "time.md").read_text(), folder)
    program, *arguments = shlex.split(command)
    if program == "lossdsl":
        done = finished(*arguments, folder=folder)
        assert done.stdout + done.stderr == output
        return
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
    run, environment = [sys.executable, *arguments], {**os.environ, "PYTHONPATH": path}
    done = subprocess.run(run, capture_output=True, text=True, cwd=folder, env=environment)
    assert done.returncode == 0, done.stderr
    assert "".join(line for line in done.stdout.splitlines(True) if not line.startswith("[")) == output


def table(title):
    rows = CONFIGS.partition(f"## {title}")[2].partition("\n## ")[0]
    cells = [re.split(r"(?<!\\)\|", line)[1:-1] for line in rows.splitlines() if line.startswith("| `")]
    # The first and the last cell are code; in a table `|` is written `\|`.
    return [
        (a.strip().strip("`"), b.strip().replace("\\|", "|"), c.strip().strip("`"))
        for a, b, c in ([cell.replace("\\|", "|") for cell in row] for row in cells)
        if a.strip() not in ("`loss:` and then",)
    ]


@pytest.mark.parametrize(("written", "says", "right"), table("Traps of YAML"))
def test_trap_of_yaml(written, says, right, tmp_path):
    file = tmp_path / "loss.yaml"
    file.write_text(f"loss: {written}\n")
    with pytest.raises(ld.LossError) as caught:
        ld.load(file)
    assert says in str(caught.value)
    assert f"{file}:1: " in str(caught.value)
    file.write_text(f"loss: {right}\n")
    assert ld.load(file).labels


@pytest.mark.parametrize(("written", "says", "right"), table("Traps of Hydra's command line"))
def test_trap_of_hydra(written, says, right):
    ConfigStore.instance().store(name="loss_config", node=ld.LossConfig)
    with initialize_config_dir(str(ROOT / "examples" / "conf"), version_base=None):
        with pytest.raises((HydraException, ld.LossError)) as caught:
            instantiate(compose("reach", overrides=[written]))
        assert says in _whole(caught.value)
        assert instantiate(compose("reach", overrides=[right])).labels


def _whole(failure):
    return str(failure) + (_whole(failure.__cause__) if failure.__cause__ else "")


def test_tables_are_read():
    assert len(table("Traps of YAML")) == 13
    assert len(table("Traps of Hydra's command line")) == 11
    assert len(COMMANDS) == len(re.findall(r"^\$ ", SHOWN, re.M)) >= 6


@pytest.mark.parametrize(
    "page", [page for page in DOCS if "<!-- made: " in page.read_text()], ids=lambda page: page.stem
)
def test_what_is_made_of_the_code_is_fresh(page):
    assert made.filled(page.read_text()) == page.read_text(), "run `python docs/made.py`"


def test_what_is_made_of_the_code_is_whole():
    assert set(re.findall(r"^<!-- made: (\w+) -->$", SHOWN, re.M)) == set(made.MADE)
    assert made.operators().count("\n") == len(OPS) + 2
    assert all(f"| `{name}` |" in made.vocabulary() for name in (*ld.FEEDBAX.quantities, *ld.FEEDBAX.terms))
    files = {path.name for path in (ROOT / "lossdsl").rglob("*.py")} - {"__init__.py", "__main__.py"}
    assert set(re.findall(r"`(\w+\.py)`", made.rooms())) == files


def test_public_names_are_told_apart():
    rows = re.findall(r"^\| `(\w+)` \| (.+) \|$", made.names(), re.M)
    assert [name for name, _ in rows] == ld.__all__
    assert len({what for _, what in rows}) == len(rows)
