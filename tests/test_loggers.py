"""The examples for loggers run, and what they wrote reads back: a curve for each term and weight, and the digest."""

import json
import os
import struct
import subprocess
import sys
from pathlib import Path

import pytest

import lossdsl as ld

ROOT = Path(__file__).parent.parent
STEPS = 3
LOSS = "effector_position + minimum(step/4, 1)*effector_final_velocity + 1e-5*nn_output@final"
DIGEST = ld.compile(LOSS).digest
NAMES = set(ld.compile(LOSS)(*ld.example(), step=0).flat())
BLOCK = 2**15


def write(logger, folder):
    program = str(ROOT / "examples" / f"log_{logger}.py")
    command = [sys.executable, program, "--batches", str(STEPS), "--batch-size", "4", "--out", "runs", "--loss", LOSS]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "WANDB_SILENT": "true"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stderr


def events(file):
    """The records of TensorBoard: a length with its checksum, then the record with its own."""
    from tensorboardX.proto.event_pb2 import Event

    data, at = file.read_bytes(), 0
    while at < len(data):
        (length,) = struct.unpack_from("<Q", data, at)
        yield Event.FromString(data[at + 12 : at + 12 + length])
        at += length + 16


def records(file):
    """The records of Weights & Biases: a log of LevelDB behind seven bytes, in blocks with a header to each part."""
    from wandb.proto.wandb_internal_pb2 import Record

    data, at, whole = file.read_bytes(), 7, b""
    while at < len(data):
        if BLOCK - at % BLOCK < 7:
            at += BLOCK - at % BLOCK
            continue
        length, kind = struct.unpack_from("<HB", data, at + 4)
        whole += data[at + 7 : at + 7 + length]
        at += length + 7
        if kind in (1, 4):  # whole, and the last of several
            yield Record.FromString(whole)
            whole = b""


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboardX", reason="needs the extra `examples`")
    write("tensorboard", tmp_path)
    (file,) = (tmp_path / "runs" / DIGEST[:12]).iterdir()
    values = [(event.step, value) for event in events(file) for value in event.summary.value]
    curves = {(value.tag, step): value.simple_value for step, value in values if not value.HasField("tensor")}
    assert set(curves) == {(name, step) for name in NAMES for step in range(STEPS)}
    assert [curves["loss_weight/effector_final_velocity", step] for step in range(STEPS)] == [0, 0.25, 0.5]
    texts = {value.tag: value.tensor.string_val[0].decode() for _, value in values if value.HasField("tensor")}
    assert texts == {"loss/digest/text_summary": DIGEST, "loss/text/text_summary": f"    {ld.compile(LOSS)}"}


def test_weights_and_biases(tmp_path):
    pytest.importorskip("wandb", reason="needs the extra `examples`")
    write("wandb", tmp_path)
    (file,) = tmp_path.glob("runs/wandb/offline-run-*/*.wandb")
    found = list(records(file))
    (run,) = [record.run for record in found if record.WhichOneof("record_type") == "run"]
    assert list(run.tags) == [DIGEST[:12]]
    assert {item.key: item.value_json for item in run.config.update}["loss"] == json.dumps(str(ld.compile(LOSS)))
    rows = [record.history.item for record in found if record.WhichOneof("record_type") == "history"]
    rows = [{item.key or "/".join(item.nested_key): json.loads(item.value_json) for item in row} for row in rows]
    assert len(rows) == STEPS and all(set(row) >= NAMES for row in rows)
    assert [row["loss_weight/effector_final_velocity"] for row in rows] == [0, 0.25, 0.5]
