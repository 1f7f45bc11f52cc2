"""A batch that is shared out over 8 devices: one sum over them where the mathematics allows it, and no gather."""

import json
import subprocess
import sys

import pytest

from lossdsl.operators import OPS
from tests.scale.on_devices import PAGE, filled
from tests.test_gallery import page

pytestmark = pytest.mark.slow

ONE = {"all-reduce": 1}
KINDS = ("automatic", "explicit")
# Losses without trials, whose axes are others.
NO_TRIALS = {"burgers", "causal_pinn"}
# What needs several trials at once: pairs of them, or what a covariance takes off.
TOGETHER = {"contrastive", "vicreg", "cox"}
# A mean over all steps of all trials is one number, before and after the mean over the trials.
MEANS = {"tokens", "ppo", "potential"}
# Operators that work along `batch` in their example, and what is sent for them.
ALONG = {
    "std": {"all-reduce": 3},
    "quantile": {"all-gather": 1, "all-reduce": 1},
    "cvar": {"all-gather": 1, "all-reduce": 1},
    "worst": {"all-reduce": 2},
    "entropic": {"all-reduce": 2},
    "rename": {"all-gather": 2, "all-reduce": 1},
    # XLA gathers for its Fourier transform, though each trial has its own.
    "power_spectrum": {"all-gather": 2, "all-reduce": 1},
}
# XLA does not share out its `erf` by itself.
AUTOMATIC = {"erf": {"all-gather": 1}}


def reported(what):
    """What a process with 8 devices finds."""
    run = [sys.executable, "-m", "tests.scale.on_devices", what]
    return json.loads(subprocess.run(run, capture_output=True, text=True, check=True, timeout=500).stdout)


def test_losses_of_the_gallery():
    """What they send is also what the page says; if not: `python -m tests.scale.on_devices page`."""
    gallery = reported("gallery")
    assert list(gallery) == page.NAMES
    for kind in KINDS:
        for name, found in gallery.items():
            sent = found[kind]
            if name in TOGETHER:
                assert sum(sent["values"].values()) > 1
            else:
                wanted = {} if name in NO_TRIALS else ONE
                assert (name, sent["values"], sent["gradient"]) == (name, wanted, wanted)
                assert (name, sent["per_trial"]) == (name, ONE if name in MEANS else {})
            assert sent["apart"] < 2e-6, name
    assert PAGE.read_text(encoding="utf-8") == filled(PAGE.read_text(encoding="utf-8"), gallery)


def test_operators():
    operators = reported("operators")
    assert list(operators) == [*OPS]
    for kind in KINDS:
        found = {name: found[kind]["gradient"] for name, found in operators.items() if found[kind]["gradient"] != ONE}
        assert found == ALONG | (AUTOMATIC if kind == "automatic" else {})
        assert {name: found[kind]["apart"] for name, found in operators.items() if found[kind]["apart"] > 5e-6} == {}


def test_what_else_is_computed_on_them():
    """Streams, parts of a batch, residuals and checks; and no array of the data comes to the host whole."""
    others = reported("others")
    for kind in KINDS:
        found = others[kind]
        assert found["stream"]["sent"] == ONE and found["stream"]["apart"] < 2e-6
        assert found["parts"]["sent"] == ONE and found["parts"]["apart"] < 2e-6
        assert found["padded"] < 2e-6
        assert found["residuals"] < 2e-6
        assert found["python"] < 2e-6
        assert found["largest"] <= 16
        assert found["not finite"] == "`net.hidden` is nan at batch=11, time=3, hidden=2"
