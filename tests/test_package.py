"""The wheel and the sdist, used from another folder in a new environment."""

import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import zipfile
from pathlib import Path

import pytest

import lossdsl as ld

ROOT = Path(__file__).parent.parent
READ = ("grammar/loss.lark", "docs/errors.md", "examples/reach.loss", "examples/reach.npz")


def run(*command, cwd):
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "COV"))}
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    folder = tmp_path_factory.mktemp("dist")
    # CI builds once more, with what the build needs in an environment of its own.
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", str(folder), str(ROOT), cwd=folder)
    (wheel,), (sdist,) = folder.glob("*.whl"), folder.glob("*.tar.gz")
    return wheel, sdist


def test_both_carry_what_the_package_reads(built):
    wheel, sdist = built
    with zipfile.ZipFile(wheel) as archive:
        for name in READ:
            assert archive.read(f"lossdsl/{name}") == (ROOT / name).read_bytes()
        assert not [name for name in archive.namelist() if name.startswith(("tests", "examples", "grammar"))]
        for file in (ROOT / "lossdsl" / "playground" / "page").iterdir():
            assert archive.read(f"lossdsl/playground/page/{file.name}") == file.read_bytes()
    with tarfile.open(sdist) as archive:
        for name in READ:
            (found,) = [held for held in archive.getnames() if held.endswith(f"/{name}")]
            assert archive.extractfile(found).read() == (ROOT / name).read_bytes()


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="needs a checkout")
def test_the_sdist_is_the_checkout(built):
    kept = set(run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines())
    with tarfile.open(built[1]) as archive:
        held = {name.partition("/")[2] for name in archive.getnames()}
    assert kept - held == set()
    assert held - kept == {"PKG-INFO"}


def test_the_changes_begin_with_this_version():
    assert re.findall(r"^## (\S+), ", (ROOT / "CHANGELOG.md").read_text(), re.M)[0] == ld.__version__


def test_an_unpacked_wheel_finds_them(built, tmp_path):
    with zipfile.ZipFile(built[0]) as archive:
        archive.extractall(tmp_path / "site")
    code = "import sys, lossdsl as ld; from lossdsl.explain import page; print(ld.compile('position')(*ld.example()))"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "site")}
    command = [sys.executable, "-c", f"{code}; assert page().is_relative_to({str(tmp_path)!r}), page()"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert "48.5405" in done.stdout, done.stderr


def test_the_wheel_does_the_main_job_elsewhere(built, tmp_path):
    """With the packages that are here; that those it names are all is what README's first command shows in CI."""
    run(sys.executable, "-m", "venv", "--without-pip", str(tmp_path / "venv"), cwd=tmp_path)
    binaries = tmp_path / "venv" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", str(binaries / "python"))
    run(*pip, "install", "-q", "--no-deps", "--no-index", str(built[0]), cwd=tmp_path)
    (site,) = (tmp_path / "venv" / "lib").glob("*/site-packages")
    # A path in it counts for modules alone: an editable install beside the packages does not.
    (site / "packages.pth").write_text(sysconfig.get_path("purelib"))
    assert "14.2262\n" in run(str(binaries / "lossdsl"), "demo", cwd=tmp_path)
    where = run(str(binaries / "python"), "-c", "import lossdsl; print(lossdsl.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(site)
