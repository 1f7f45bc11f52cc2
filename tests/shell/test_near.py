"""Words that are no files: which are losses, and which were meant for a file that is near."""

import pytest
from typer.testing import CliRunner

import lossdsl as ld
from lossdsl.cli import app
from tests.program import finished


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    (tmp_path / "runs").mkdir()
    for name in ("reach.loss", "runs/track.yaml", "posit.loss"):
        (tmp_path / name).write_text("loss: position" if name.endswith("yaml") else "position")
    monkeypatch.chdir(tmp_path)


def failure(*arguments):
    return CliRunner().invoke(app, arguments).exception


@pytest.mark.parametrize(
    ("word", "hint"),
    [
        ("reach.los", "did you mean `reach.loss`?"),
        ("reach", "did you mean `reach.loss`?"),
        ("rech.loss", "did you mean `reach.loss`?"),
        ("reach.yaml", "did you mean `reach.loss`?"),
        ("./reach", "did you mean `reach.loss`?"),
        ("runs/trak.yaml", "did you mean `runs/track.yaml`?"),
        ("runs/track", "did you mean `runs/track.yaml`?"),
        ("rums/track.yaml", "did you mean `runs/track.yaml`?"),
        ("runs/other", "give the path of a file, or the text of a loss"),
        ("other.los", "give the path of a file, or the text of a loss"),
        ("nowhere/at/all.loss", "give the path of a file, or the text of a loss"),
    ],
)
def test_a_word_that_was_meant_for_a_file(word, hint):
    found = failure("check", word)
    assert (found.code, found.message, found.hint) == ("no-file", f"there is no file `{word}`", hint)


@pytest.mark.parametrize(
    "word", ["positon", "net.hiden", "positon/velocity", "reach*2", "zzz", "runs", "\0", "x" * 5000]
)
def test_a_word_that_was_meant_for_a_loss(word):
    assert isinstance(failure("check", word), ld.LossError)
    assert failure("check", word).code != "no-file"


def test_data_and_a_loss_that_is_one():
    assert failure("check", "position/2") is None
    assert failure("eval", "position", "--data", "reach.npz").hint == "give the path of an .npz file"


@pytest.mark.parametrize(
    ("word", "hint"),
    [("exmple", "did you mean `example`?"), ("other.npz", "give the path of an .npz file")],
)
def test_data_that_are_not_there(word, hint):
    assert failure("eval", "position", "--data", word).hint == hint


@pytest.mark.parametrize(
    ("word", "hint"),
    [("reach.los", "did you mean `reach.loss`?"), ("other", "give the path of a file, or the text of a loss")],
)
def test_a_file_to_format_that_is_not_there(word, hint):
    assert finished("fmt", word) == (2, "", f"{word}: there is no file `{word}`\n{hint} [no-file]\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            ["check", "position", "+", "velocity"],
            '`check` cannot be given 3 words\nput a loss in quotes: `lossdsl check "position + velocity"`',
        ),
        (
            ["eval", "2", "-position", "--data", "example"],
            '`eval` cannot be given 2 words\nput a loss in quotes: `lossdsl eval "2 -position"`',
        ),
        (
            ["diff", "position", "+", "velocity"],
            '`diff` cannot be given 3 words\nput a loss in quotes: `lossdsl diff "position" "2*position"`',
        ),
    ],
)
def test_a_loss_without_quotes(arguments, said):
    assert finished(*arguments) == (2, "", f"{said} [bad-argument]\n")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["check", "position", "--vocab", "none"], "No such option: --vocab (Possible options: --vocabulary)"),
        (["eval", "position", "--dat=example", "velocity"], "No such option: --dat"),
    ],
)
def test_an_option_that_there_is_not(arguments, said):
    """What follows it is taken for no word of a loss."""
    status, _, told = finished(*arguments)
    assert status == 2
    assert said in told
