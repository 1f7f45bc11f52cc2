"""The example on many devices: what it prints says that all ways agree, and the loss falls."""

import os
import re
import subprocess
import sys

import pytest

pytestmark = pytest.mark.slow

COMPARED = re.compile(r"losses (\S+), gradient (\S+)$", re.M)


@pytest.mark.parametrize("devices", [1, 8])
def test_it_trains_and_all_ways_agree(devices):
    flags = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count={devices}"
    environment = {**os.environ, "XLA_FLAGS": flags}
    sizes = ["--trials", "88", "--batch-size", "32", "--parts", "4", "--epochs", "3"]
    run = [sys.executable, "examples/train_scale.py", *sizes]
    shown = subprocess.run(run, capture_output=True, text=True, check=True, env=environment, timeout=300).stdout
    assert shown.startswith(f"{devices} devices (cpu), 8 trials at a time\n")
    assert re.findall(r"^batch (\d), (\d+) of 32 trials count", shown, re.M) == [("0", "32"), ("2", "24")]
    apart = [float(number) for pair in COMPARED.findall(shown) for number in pair]
    assert len(apart) == 8 and max(apart) < 2e-6
    losses = [float(value) for value in re.findall(r"last batch: loss (\S+)", shown)]
    assert len(losses) == 3 and losses[-1] < losses[0] / 2
