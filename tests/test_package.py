"""The wheel and the sdist, used from another folder in a new environment."""

import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


def run(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    run(sys.executable, "-m", "build", "--outdir", str(folder), str(ROOT), cwd=folder)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def test_both_carry_the_grammar(built):
    wheel, sdist = built
    grammar = (ROOT / "grammar" / "loss.lark").read_bytes()
    with zipfile.ZipFile(wheel) as archive:
        assert archive.read("lossdsl/grammar/loss.lark") == grammar
        assert not [name for name in archive.namelist() if name.startswith(("tests", "examples", "grammar"))]
    with tarfile.open(sdist) as archive:
        (found,) = [name for name in archive.getnames() if name.endswith("/grammar/loss.lark")]
        assert archive.extractfile(found).read() == grammar


def test_the_wheel_does_the_main_job_elsewhere(built, tmp_path):
    run(sys.executable, "-m", "venv", str(tmp_path / "venv"), cwd=tmp_path)
    binaries = tmp_path / "venv" / "bin"
    run(str(binaries / "pip"), "install", "-q", str(built[0]), cwd=tmp_path)
    for name in ("reach.loss", "reach.npz"):
        shutil.copy(ROOT / "examples" / name, tmp_path / name)
    table = run(str(binaries / "lossdsl"), "eval", "reach.loss", "--data", "reach.npz", cwd=tmp_path)
    assert table.splitlines()[-1].split() == ["total", "14.2262"]
