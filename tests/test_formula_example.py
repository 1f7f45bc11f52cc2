"""The example that trains on a formula: the sentence means what it says, and a short run of it ends."""

import importlib
import re

import numpy as np
import pytest

import lossdsl as ld


@pytest.fixture
def example(monkeypatch):
    monkeypatch.syspath_prepend("examples")
    return importlib.import_module("train_formula")


def test_its_sentence_holds_for_a_reach_that_is_held_and_gentle(example):
    sentence = ld.compile(f"{example.SENTENCE}robustness({example.GOAL}) as r", example.REACHES)
    # Held for 7 states, which is 0.3 s; for 6; for long enough, but with one strong push; never.
    held = np.array([[7], [6], [12], [0]]) > np.arange(20)[::-1]
    pos = np.where(held[..., None], [0.004, 0], [0.5, 0])
    force = np.zeros((4, 20, 2))
    force[2, 3] = [0, 1.8]
    states = {"mechanics": {"effector": {"pos": pos, "force": force}}}
    found = sentence.per_trial(states, {"target": {"pos": np.zeros((4, 19, 2))}})["r"]
    np.testing.assert_allclose(found, [0.6, -49, -0.2, -49], atol=1e-5)


def test_a_short_run_says_where_the_sentence_holds(example, capsys):
    share = example.main(batches=2, batch_size=4, hidden=4, trials=8)
    assert share == 0  # nobody reaches within two batches
    assert re.search(
        r"The sentence holds in 0\.0% of 8 new trials; its robustness is -\d+\.\d\d on average\.",
        capsys.readouterr().out,
    )
