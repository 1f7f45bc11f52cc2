"""JSON and TOML are read where PyYAML is not installed, and written, TOML by `tomli-w`."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCKED = "import sys; sys.modules.update(dict.fromkeys({blocked!r})); import lossdsl as ld; {code}"


def run(code, folder, *blocked):
    command = [sys.executable, "-c", BLOCKED.format(blocked=blocked, code=code)]
    return subprocess.run(command, capture_output=True, text=True, cwd=folder)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    (tmp_path / "a.toml").write_text('vocabulary = "names.json"\nloss = "alpha*tip"\n')
    (tmp_path / "names.json").write_text(
        '{"vocabulary": "none", "quantities": {"tip": ["states.tip", "batch time"]}, "parameters": {"alpha": 1e-3}}'
    )
    (tmp_path / "a.yaml").write_text("loss: position")
    return tmp_path


@pytest.mark.parametrize("kind", ["json", "toml"])
def test_json_and_toml(folder, kind):
    code = f"loss = ld.load('a.toml'); ld.save(loss, 'b.{kind}'); print(ld.load('b.{kind}').digest == loss.digest)"
    done = run(code, folder, "yaml")
    assert (done.stdout, done.stderr) == ("True\n", "")


@pytest.mark.parametrize(
    ("code", "blocked", "says"),
    [
        ("ld.load('a.yaml')", "yaml", "a YAML file needs PyYAML, which is not installed"),
        ("ld.save(ld.load('a.toml'), 'b.yaml')", "yaml", "a YAML file needs PyYAML, which is not installed"),
        ("ld.save(ld.load('a.toml'), 'b.toml')", "tomli_w", "a TOML file needs tomli-w, which is not installed"),
    ],
)
def test_what_needs_a_package_says_so(folder, code, blocked, says):
    assert says in run(code, folder, blocked).stderr


def test_json_needs_neither(folder):
    code = "ld.save(ld.load('a.toml'), 'b.json'); print(ld.load('b.json'))"
    assert run(code, folder, "yaml", "tomli_w").stdout == "alpha*tip\n"
