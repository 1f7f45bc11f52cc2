"""Two processes that share a batch out, as two hosts would: each has the values and the gradient of the whole."""

import json
import socket
import subprocess
import sys

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

import lossdsl as ld
from tests.scale.on_devices import LOSS, moved, reaches

pytestmark = pytest.mark.slow


def test_two_processes_have_one_loss():
    with socket.socket() as one:
        one.bind(("localhost", 0))
        port = one.getsockname()[1]
    run = [sys.executable, "-m", "tests.scale.on_hosts", f"localhost:{port}"]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    processes = [subprocess.Popen([*run, str(i), "2"], **pipes) for i in range(2)]
    try:
        written = [process.communicate(timeout=240) for process in processes]
    finally:
        for process in processes:
            process.kill()
    assert [process.returncode for process in processes] == [0, 0], written
    # What connects the processes writes there too.
    found = [json.loads(out.strip().splitlines()[-1]) for out, _ in written]

    loss, (states, trials) = ld.compile(LOSS), reaches(8)
    values, gradient = ld.accumulate(loss, moved, 1.0 * np.ones((), np.float32), {**trials, "states": states})
    each = loss.per_trial(states, trials).total
    slopes = jax.grad(lambda states: loss(states, trials).total)(states)["mechanics"]["effector"]["pos"]
    for process, report in enumerate(found):
        mine = slice(4 * process, 4 * process + 4)
        assert set(report) == {"automatic", "explicit"}
        for one in report.values():
            assert one["devices"] == [4, 2]
            assert_allclose(one["total"], [float(values.total)] * 3, rtol=1e-5)
            assert_allclose(one["gradient"], gradient, rtol=1e-5)
            assert_allclose(one["mine"], np.mean(each[mine]), rtol=1e-5)
            assert_allclose(one["slopes"], np.abs(slopes[mine]).sum(), rtol=1e-4)
