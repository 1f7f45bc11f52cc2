"""The command line, its output verbatim."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lossdsl.ops import OPS

DATA = "examples/reach.npz"


def run(*args, status=0):
    done = subprocess.run([sys.executable, "-m", "lossdsl", *args], capture_output=True, text=True, timeout=120)
    assert done.returncode == status, done.stderr
    return done.stderr if status else done.stdout


def test_eval_prints_the_table():
    assert run("eval", "examples/reach.loss", "--data", DATA) == (
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
    found = run("eval", "0*position/(position*0)", "--data", DATA, "--json")
    assert json.loads(found)["total"] is None


def test_eval_with_step():
    assert "0.5" in run("eval", "step/10*position", "--data", DATA, "--step", "5")
    message = run("eval", "step/10*position", "--data", DATA, status=1)
    assert message.startswith("the loss needs the training iteration `step`\n")


def test_check_prints_the_terms():
    assert run("check", "2*final(position + 0.5*velocity) - velocity/3") == (
        "term             weight  expression\n"
        "final(position)  2       final(position)\n"
        "final(velocity)  1       final(velocity)\n"
        "velocity         -1/3    velocity\n"
    )


def test_check_of_a_text_that_begins_with_a_minus():
    assert "position  -1      position\n" in run("check", "-position")


def test_check_points_at_the_mistake():
    assert run("check", "1.0*positon + final(velocity)", status=1) == (
        "there is no name `positon`\n    1.0*positon + final(velocity)\n        ^^^^^^^\ndid you mean `position`?\n"
    )


def test_python_prints_the_source():
    source = run("python", "position")
    assert source.startswith("# position\nimport jax.numpy as jnp\n")
    compile(source, "source", "exec")


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
    assert lines[-1].startswith("step")


def test_files_that_are_not_there_or_not_right(tmp_path):
    assert run("check", "nope.loss", status=1).startswith("there is no file `nope.loss`\n")
    assert run("eval", "position", "--data", "nope.npz", status=1).startswith("there is no file `nope.npz`\n")
    cut = tmp_path / "cut.npz"
    cut.write_bytes(Path(DATA).read_bytes()[:50_000])
    assert run("eval", "position", "--data", str(cut), status=1) == (
        f"`{cut}` cannot be read: it is not an .npz file\ngive an .npz file with keys such as `states.net.hidden`\n"
    )
    np.savez(tmp_path / "key.npz", **{"state.net.hidden": np.zeros(3)})
    message = run("eval", "position", "--data", str(tmp_path / "key.npz"), status=1)
    assert message.endswith("has the key `state.net.hidden`\ndid you mean `states`?\n")
    np.savez(tmp_path / "both.npz", **{"states.net": np.zeros(3), "states.net.hidden": np.zeros(3)})
    message = run("eval", "position", "--data", str(tmp_path / "both.npz"), status=1)
    assert message.endswith("another key is a part of it; rename one\n")
    np.savez(tmp_path / "pickled.npz", **{"states.x": np.array([{}], dtype=object)})
    message = run("eval", "position", "--data", str(tmp_path / "pickled.npz"), status=1)
    assert "cannot be read" in message
    assert run("check", DATA, status=1) == (
        f"`{DATA}` is not a text\nthe first argument is the loss, the data are given as `--data FILE.npz`\n"
    )
