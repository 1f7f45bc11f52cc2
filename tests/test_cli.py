"""The command line, its output verbatim."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import lossdsl as ld
from lossdsl.operators.declaration import OPS
from tests.program import finished

DATA = "examples/reach.npz"
BESIDE = Path(sys.executable).parent


def run(*args, status=0):
    done = finished(*args)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


@pytest.mark.parametrize(
    "command", [[str(BESIDE / "lossdsl")], [sys.executable, "-m", "lossdsl"]], ids=["script", "module"]
)
def test_eval_prints_the_table(command):
    """As a program of its own."""
    arguments = [*command, "eval", "examples/reach.loss", "--data", DATA]
    assert subprocess.run(arguments, capture_output=True, text=True, check=True).stdout == (
        "term                     weight       raw     weighted  share\n"
        "effector_position             1   14.0864      14.0864  99.0%\n"
        "effector_final_velocity       1  0.139164     0.139164   1.0%\n"
        "nn_output                 1e-05  0.583652  5.83652e-06   0.0%\n"
        "nn_hidden                 1e-05   60.5371  0.000605371   0.0%\n"
        "total                                          14.2262\n"
    )


def test_eval_json():
    found = json.loads(run("eval", "position + 1e-5*nn_hidden", "--data", DATA, "--json"))
    assert [row["label"] for row in found["terms"]] == ["position", "nn_hidden"]
    assert found["terms"][1]["weight"] == 1e-5
    assert found["total"] == pytest.approx(sum(row["weighted"] for row in found["terms"]), rel=1e-6)
    assert sum(row["share"] for row in found["terms"]) == pytest.approx(1)
    assert len(found["digest"]) == 16


def test_eval_json_has_no_nan():
    found = finished("eval", "position/(position*0)", "--data", DATA, "--json")
    assert found.returncode == 1 and json.loads(found.stdout)["total"] is None


def test_eval_with_step():
    assert "0.5" in run("eval", "step/10*position", "--data", DATA, "--step", "5")
    message = run("eval", "step/10*position", "--data", DATA, status=1)
    assert message.startswith("the loss needs the training iteration `step`\n")


def test_eval_with_parameters_and_weights():
    text = "alpha*position + huber(position, delta=0.5) + final(velocity)"
    weights = ["--weight", "huber(position, delta=0.5)=2", "--weight", "final(velocity)=0"]
    found = json.loads(run("eval", text, "--data", DATA, "--set", "alpha=1e-3", *weights, "--json"))
    assert [row["weight"] for row in found["terms"]] == [1e-3, 2.0, 0.0]


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        (
            "alpha*position",
            ["--set", "alpha"],
            "`--set` cannot be `alpha`\nwrite for example `--set alpha=0.5` [bad-argument]\n",
        ),
        ("alpha*position", ["--set", "alpha=x"], "the parameter `alpha` is `x`\n"),
        ("alpha*position", ["--set", "alhpa=1"], "there is no name `alpha`\n"),
        ("alpha*position", ["--set", "alpha=1", "--set", "b=1"], "no term uses the parameter `b`\n"),
        (
            "alpha*position",
            ["--set", "alpha=1", "--set", "alhpa=2"],
            "the parameter `alhpa`\ndid you mean `alpha`? [unused-parameter]\n",
        ),
        ("a = 1; a*position", ["--set", "a=1"], "the loss has no parameter `a`\nthe text defines it; "),
        ("position", ["--set", "position=1"], "the loss has no parameter `position`\nit is a name of the vocabulary"),
        (
            "position",
            ["--weight", "positon=1"],
            "the loss has no term `positon`\ndid you mean `position`? [unknown-label]\n",
        ),
        ("position", ["--weight", "position="], "the weight of `position` is ``\n"),
    ],
)
def test_eval_refuses_numbers(text, options, message):
    assert message in run("eval", text, "--data", DATA, *options, status=1)


def test_diff_prints_a_row_a_change():
    done = finished("diff", "examples/reach.loss", "effector_position + 1e-4*nn_hidden + 1e-5*nn_output")
    assert done.returncode == 1
    assert done.stdout == (
        "- effector_final_velocity  term    effector_final_velocity\n~ nn_hidden                weight  1e-5 -> 1e-4\n"
    )
    assert run("diff", "position - velocity", "-velocity + 1.0*position") == "no difference\n"


def test_diff_json_and_parameters():
    done = finished("diff", "-alpha*position", "2*position", "--set", "alpha=3", "--json")
    assert done.returncode == 1
    assert json.loads(done.stdout)["changes"] == [
        {"kind": "weight", "name": "position", "old": "-alpha", "new": "2"},
        {"kind": "parameter", "name": "alpha", "old": "3", "new": None},
    ]


def test_diff_tells_trouble_from_a_difference():
    assert run("diff", "position", "positon", status=2).startswith("there is no name `positon`\n")
    assert run("diff", "nope.loss", "position", status=2).startswith("there is no file `nope.loss`\n")
    assert finished("diff", "position").returncode == 2


def test_fmt_writes_files(tmp_path):
    untidy, tidy, bad = (tmp_path / name for name in ("untidy.loss", "tidy.loss", "bad.loss"))
    untidy.write_text("position+velocity # both")
    tidy.write_text("position\n")
    bad.write_text("position +")
    assert finished("fmt", "--check", str(untidy), str(tidy)).stdout == f"{untidy}\n"
    assert finished("fmt", "--check", str(untidy), str(tidy)).returncode == 1
    assert untidy.read_text() == "position+velocity # both"
    done = finished("fmt", str(bad), str(untidy), str(tidy))
    assert (done.returncode, done.stdout) == (2, f"{untidy}\n")
    assert done.stderr.startswith(f"{bad}: the text ends where a value should follow\n    position +\n")
    assert (untidy.read_text(), bad.read_text()) == ("position + velocity  # both\n", "position +")
    assert run("fmt", str(untidy), str(tidy)) == ""


def test_fmt_of_the_input():
    done = finished("fmt", "-", given="1.0*position@final # goal")
    assert (done.returncode, done.stdout) == (0, "1*final(position)  # goal\n")
    assert finished("fmt", "-", "--check", given="position\n").returncode == 0
    assert finished("fmt", "-", "--check", given=" position\n").returncode == 1
    assert finished("fmt", "nope", given="").stderr.startswith("nope: there is no file `nope`\n")


def test_version():
    assert run("--version") == f"lossdsl {ld.__version__}\n"


def test_check_prints_the_terms():
    assert run("check", "2*final(position + 0.5*velocity) - velocity/3") == (
        "term             weight  expression\n"
        "final(position)  2       final(position)\n"
        "final(velocity)  1       final(velocity)\n"
        "velocity         -1/3    velocity\n"
    )


def test_report():
    text = "position + 0.1*sqrt(velocity)"
    table = run("report", text)
    assert "position        never negative  convex   m^2   finite          every step  yes\n" in table
    assert "sqrt(velocity)  gradient   NaN or infinite where `velocity` is 0: write `sqrt(velocity + 1e-6)`" in table
    assert json.loads(run("report", text, "--json")) == json.loads(json.dumps(ld.report(text).to_dict()))
    assert "\n\n" not in run("report", "alpha*position", "--set", "alpha=2")
    assert run("report", "positon", status=1).startswith("there is no name `positon`")


def test_check_says_what_windows_cover(tmp_path):
    flat = dict(np.load(DATA))
    flat["trial_specs.cue"] = np.array([3, 10, 50, 98, 120, 0, 40])
    np.savez(tmp_path / "reach.npz", **flat)
    names = tmp_path / "names.yaml"
    names.write_text("dt: 0.01\nevents: {cue: {path: trial_specs.cue, axes: batch}}\nepochs: {late: cue+0.1s..end}\n")
    given = ("--vocabulary", str(names), "--data", str(tmp_path / "reach.npz"))
    table = run("check", "position@late + sum(velocity@0.2s..0.5s) + nn_output[0]", *given).partition("\n\n")[2]
    assert table == (
        "window      of        steps    from      to  empty in\n"
        "late        position  0 to 89  11 to 61  99  2 of 7 trials\n"
        "0.2s..0.5s  velocity  30       20        49  no trial\n"
    )
    assert "late" in run("names", "--vocabulary", str(names))
    assert "\n\n" not in run("check", "position", *given)


def test_check_of_a_text_that_begins_with_a_minus():
    assert "position  -1      position\n" in run("check", "-position")


def test_check_points_at_the_mistake():
    assert run("check", "1.0*positon + final(velocity)", status=1) == (
        "there is no name `positon`\n    1.0*positon + final(velocity)\n        ^^^^^^^\n"
        "did you mean `position`? [unknown-name]\n"
    )


@pytest.mark.parametrize(("asked", "coloured"), [({}, True), ({"NO_COLOR": ""}, True), ({"NO_COLOR": "1"}, False)])
def test_colours_stand_on_a_terminal(asked, coloured):
    pty = pytest.importorskip("pty")
    bold, red, end = ("\x1b[1m", "\x1b[31m", "\x1b[0m") if coloured else ("", "", "")
    environment = {name: value for name, value in os.environ.items() if name != "NO_COLOR"} | asked
    terminal, stderr = pty.openpty()
    with os.fdopen(terminal, "rb", buffering=0) as shown:
        command = [sys.executable, "-m", "lossdsl", "check", "positon + velocty"]
        assert subprocess.run(command, stderr=stderr, env=environment, timeout=120).returncode == 1
        message = shown.read(10_000).decode().replace("\r\n", "\n")
        os.close(stderr)
    assert message == (
        f"{bold}there is no name `positon`{end}\n    positon + velocty\n{red}    ^^^^^^^{end}\n"
        "did you mean `position`? [unknown-name]\n\n"
        f"{bold}there is no name `velocty`{end}\n    positon + velocty\n{red}              ^^^^^^^{end}\n"
        "did you mean `velocity`? [unknown-name]\n"
    )


def test_python_prints_the_source():
    assert run("python", "position", "--form", "stream") == ld.compile("position").python("stream")
    assert "`form` cannot be `steps`" in run("python", "position", "--form", "steps", status=1)
    source = run("python", "position")
    assert source.startswith("# position\nimport jax.numpy as jnp\n")
    compile(source, "source", "exec")


def test_latex(tmp_path):
    text = "position - 1e-5*nn_hidden"
    assert run("latex", text) == (
        "\\mathcal{L} = \\ell_{\\mathrm{position}} - 10^{-5}\\,\\ell_{\\mathrm{nn\\_hidden}}\n"
    )
    shown = run("latex", text, "--expand", "--where", "--aligned")
    assert "\\sum_{t=1}^{T}" in shown and "\\text{position of the effector (m)}" in shown and shown.count("&") > 4
    file = tmp_path / "loss.tex"
    assert run("latex", text, "--expand", "--where", "--aligned", "-o", str(file)) == ""
    assert f"$\\displaystyle {shown.strip()}$" in file.read_text()
    assert run("latex", "-position") == "\\mathcal{L} = -\\ell_{\\mathrm{position}}\n"
    assert run("latex", text, "-o", "x.jpg", status=1).startswith("`-o` cannot be `x.jpg`\n")


def test_ops_lists_every_operator_on_a_line():
    lines = run("ops").splitlines()
    assert len(lines) == 1 + len(OPS)
    assert any(line.startswith("huber(x, delta=1)  ") and line.endswith("axis=xy)") for line in lines)


def test_names_says_what_the_data_has():
    lines = run("names", "--data", DATA).splitlines()
    (hidden,) = [line for line in lines if line.startswith("net.hidden")]
    assert hidden.endswith("(7, 100, 50) float32")
    (hold,) = [line for line in lines if line.startswith("inputs.hold")]
    assert hold.endswith("missing")
    assert any(line.startswith("position  ") and "sqnorm(effector.pos[1:] - target.pos)" in line for line in lines)
    assert any(line.startswith("step") for line in lines)
    assert [line.split() for line in lines[-3:]] == [
        ["@hold", "epoch", "inputs.hold"],
        ["@move", "epoch", "go..end"],
        ["go", "event", "sum(inputs.hold)"],
    ]


def test_files_that_are_not_there_or_not_right(tmp_path):
    assert run("check", "nope.loss", status=1).startswith("there is no file `nope.loss`\n")
    assert run("eval", "position", "--data", "nope.npz", status=1).startswith("there is no file `nope.npz`\n")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(Path(DATA).read_bytes()[:50_000])
    assert run("eval", "position", "--data", str(cut), status=1) == (
        f"`{cut}` cannot be read: it is cut off, or not an .npz file\n"
        "give an .npz file with keys such as `states.net.hidden` [bad-file]\n"
    )
    np.savez(tmp_path / "key.npz", **{"state.net.hidden": np.zeros(3)})
    message = run("eval", "position", "--data", str(tmp_path / "key.npz"), status=1)
    assert message.endswith("has the key `state.net.hidden`\ndid you mean `states`? [bad-key]\n")
    np.savez(tmp_path / "both.npz", **{"states.net": np.zeros(3), "states.net.hidden": np.zeros(3)})
    message = run("eval", "position", "--data", str(tmp_path / "both.npz"), status=1)
    assert message.endswith("another key is a part of it; rename one [bad-key]\n")
    np.savez(tmp_path / "pickled.npz", **{"states.x": np.array([{}], dtype=object)})
    message = run("eval", "position", "--data", str(tmp_path / "pickled.npz"), status=1)
    assert "cannot be read" in message
    assert run("check", DATA, status=1) == (
        f"`{DATA}` is not a text\n"
        "the first argument is the loss, the data are given as `--data FILE.npz` [not-a-text]\n"
    )


def test_a_loss_may_be_a_config(tmp_path):
    config = tmp_path / "loss.yaml"
    config.write_text("parameters: {alpha: 1e-5}\nloss: position + alpha*nn_hidden\n")
    assert run("check", str(config)).splitlines()[2].split() == ["nn_hidden", "alpha", "nn_hidden"]
    shown = run("eval", str(config), "--data", DATA, "--set", "alpha=1e-3", "--weight", "position=2")
    assert shown.splitlines()[1].split()[:2] == ["position", "2"]
    assert shown.splitlines()[2].split()[:2] == ["nn_hidden", "0.001"]
    assert run("diff", str(config), "position + 1e-5*nn_hidden", status=1) == ""
    config.write_text("loss: positon\n")
    assert run("check", str(config), status=1).startswith(f"{config}:1: loss: there is no name `positon`\n")


@pytest.mark.parametrize("kind", ["loss", "vocabulary"])
def test_schema_is_the_shipped_one(kind):
    assert run("schema", kind) == (Path(ld.__file__).parent / "configs" / "schemas" / f"{kind}.json").read_text()
    assert run("schema", "losses", status=1).startswith("`kind` cannot be `losses`\n")


def test_a_long_text_is_not_taken_for_a_file():
    text = " + ".join(f"{i}e-3*final(velocity)" for i in range(1, 16))
    assert "0.12" in run("check", text)
    assert "there is no name" in run("check", f"{text} + {'x' * 2000}", status=1)


@pytest.mark.parametrize("path", ["/nowhere", "./nofile", "../a b", "~/reach", ".", "..", "examples/nofile.loss"])
def test_what_looks_like_a_path_is_one(path):
    assert run("check", path, status=1).startswith(f"there is no file `{path}`\n")


def test_a_mark_of_byte_order_is_no_part_of_a_loss(tmp_path):
    (tmp_path / "marked.loss").write_text("position", encoding="utf-8-sig")
    assert "position" in run("check", str(tmp_path / "marked.loss"))


@pytest.mark.parametrize("command", ["eval", "check", "python", "latex", "diff"])
def test_a_slip_in_an_option_is_told(command):
    done = finished(command, "position", "--jsn")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--jsn" in done.stderr


def test_help_is_plain_where_it_is_no_terminal():
    assert run("eval", "--help").isascii()


@pytest.mark.parametrize("text", ["-position", "-p", "- position"])
def test_a_loss_that_begins_with_a_sign(text):
    done = finished("check", text)
    assert "-1" in done.stdout if "pos" in text else f"    {text}\n     ^\n" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["check", "--", "-position"], ["check", "-position"], ["check", "--set", "a=1", "-a*position"]]
)
def test_what_begins_with_a_sign_is_no_option(arguments):
    assert "position  -" in run(*arguments)


def test_values_of_options_stay_as_they_are(tmp_path):
    done = finished("latex", "position", "-o", "-x.tex", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["-x.tex"]


def test_files_that_begin_with_a_sign_or_a_blank(tmp_path):
    for name in ("-x.loss", " x.loss"):
        (tmp_path / name).write_text("position\n")
    for arguments in (["fmt", "-x.loss"], ["fmt", "--", "-x.loss"], ["check", " x.loss"], ["check", "./-x.loss"]):
        done = finished(*arguments, folder=tmp_path)
        assert done.returncode == 0, done.stderr


def test_without_an_output():
    assert subprocess.run(f"{sys.executable} -m lossdsl check position >&-", shell=True).returncode == 0


def test_a_mark_of_byte_order_on_the_input():
    assert finished("fmt", "-", given="\N{ZERO WIDTH NO-BREAK SPACE}position*2").stdout == "position*2\n"


def test_what_a_terminal_would_obey_is_not_printed(tmp_path):
    """Keys, names of files, units and labels are shown as carets show them."""
    config = tmp_path / "a\x1b[31m.json"
    config.write_text(json.dumps({"loss": "position", "\x1b[32mx": 1}))
    loss = tmp_path / "\x1b[33m.loss"
    loss.write_text("position+velocity # \x1b[34m")
    shown = [finished("check", str(config)), finished("check", "\x1b[35m"), finished("fmt", "--check", str(loss))]
    config.write_text(
        json.dumps({"loss": "x", "quantities": {"x": {"path": "states.x", "axes": "batch", "unit": "\x1b[1mm"}}})
    )
    shown += [finished("latex", str(config), "--where"), finished("fmt", str(tmp_path / "\x1b[33mno.loss"))]
    for done in shown:
        assert "\x1b" not in done.stdout + done.stderr
        assert "\N{REPLACEMENT CHARACTER}[" in done.stdout + done.stderr
    assert finished("fmt", "-", given="position # \x1b[34m").stdout == "position  # \x1b[34m\n"  # no terminal reads it


def test_fmt_leaves_what_it_cannot_replace(tmp_path):
    (tmp_path / "loop.loss").symlink_to(tmp_path / "loop.loss")
    os.mkfifo(tmp_path / "pipe.loss")
    done = finished("fmt", str(tmp_path / "loop.loss"), str(tmp_path / "pipe.loss"))
    assert done.returncode == 2
    assert "loop.loss: there is no file" in done.stderr
    assert "is a pipe, not a regular file" in done.stderr
    (tmp_path / "a.loss").write_text("position+velocity")
    (tmp_path / "link.loss").symlink_to("a.loss")
    (tmp_path / "a.loss").chmod(0o640)
    assert finished("fmt", str(tmp_path / "link.loss")).returncode == 0
    assert (tmp_path / "a.loss").read_text() == "position + velocity\n"
    assert (tmp_path / "link.loss").is_symlink() and (tmp_path / "a.loss").stat().st_mode & 0o777 == 0o640
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.loss", "link.loss", "loop.loss", "pipe.loss"]


def test_what_is_no_text_on_the_input():
    done = subprocess.run([sys.executable, "-m", "lossdsl", "fmt", "-"], input=b"\xff\xfe", capture_output=True)
    assert (done.returncode, done.stderr.split(b"\n")[0]) == (2, b"-: `-` is not a text")


def test_names_say_which_numbers_are_not_held(tmp_path):
    np.savez(tmp_path / "x.npz", **{"states.net.hidden": np.full((1, 2, 3), 2**40)})
    assert "`states.net.hidden` holds 1099511627776, which int32 cannot" in run(
        "names", "--data", str(tmp_path / "x.npz")
    )
