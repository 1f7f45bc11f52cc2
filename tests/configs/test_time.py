"""Windows of time on the command line of Hydra, unquoted, and in files."""

from pathlib import Path

import pytest
from hydra import compose, initialize_config_dir
from hydra.core.config_store import ConfigStore
from hydra.utils import instantiate

import lossdsl as ld

CONF = Path(__file__).parents[2] / "examples" / "conf"
WINDOWS = [
    "position@hold",
    "position@move*2 + velocity@hold",
    "position@go..end",
    "position@..go",
    "position@go+0.1s..end",
    "position@go-50ms..go+200ms",
    "position@0.2s..0.5s",
    "position@-100ms..end",
    "position@-100ms..",
    "velocity@go..end-0.5*position@-1",
]


@pytest.mark.parametrize("loss", WINDOWS)
def test_a_window_needs_no_quotes(loss):
    ConfigStore.instance().store(name="loss_config", node=ld.LossConfig)
    with initialize_config_dir(str(CONF), version_base=None):
        config = compose("reach", overrides=[f"loss={loss}", "dt=0.01"])
    assert instantiate(config).digest == ld.compile(loss, dt=0.01).digest


@pytest.mark.parametrize("loss", [*WINDOWS, "position@last 0.1s"])
def test_nor_in_yaml(loss, tmp_path):
    file = tmp_path / "loss.yaml"
    file.write_text(f"dt: 0.01\nloss: {loss}\n")
    assert ld.load(file).digest == ld.compile(loss, dt=0.01).digest
