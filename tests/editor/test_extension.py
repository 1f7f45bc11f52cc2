"""The extension for VS Code: its files are there, and it starts the server that is meant."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import lossdsl as ld

FOLDER = Path(__file__).parents[2] / "editors" / "vscode"
LANGUAGES = ["loss", "yaml", "toml", "python"]


def test_the_package_names_files_that_are_there():
    package = json.loads((FOLDER / "package.json").read_text())
    contributes = package["contributes"]
    named = [package["main"], *(row["path"] for row in contributes["grammars"])]
    named += [row["configuration"] for row in contributes["languages"]]
    assert all((FOLDER / name).is_file() for name in named)
    assert package["version"] == ld.__version__
    assert [f"onLanguage:{name}" for name in LANGUAGES[1:]] == package["activationEvents"]


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize(
    ("setting", "python", "command"),
    [
        ([], "", ["lossdsl", "lsp"]),
        ([], "/env/bin/python", ["/env/bin/python", "-m", "lossdsl", "lsp"]),
        (["/my/lossdsl", "lsp"], "/env/bin/python", ["/my/lossdsl", "lsp"]),
    ],
)
def test_what_it_starts(setting, python, command):
    for fails in ("", "yes"):
        script = [str(Path(__file__).with_name("extension.mjs")), json.dumps(setting), python, fails]
        done = subprocess.run(["node", *script], capture_output=True, text=True, check=True, timeout=60)
        seen = json.loads(done.stdout)
        program, *args = command
        assert seen["started"] == [["lossdsl", {"command": program, "args": args}, LANGUAGES]]
        assert seen["commands"] == ["lossdsl.restart"]
        assert [text.startswith(f"`{' '.join(command)}` does not start") for text in seen["said"]] == [True] * bool(
            fails
        )
