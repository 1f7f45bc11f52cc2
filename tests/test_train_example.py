"""The training example, a short run: its loss falls, its log reads as Feedbax's, a new weight is not a new trace."""

import importlib.util
import re
from pathlib import Path

import equinox as eqx
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import lossdsl as ld
from lossdsl.backends import Trajectories, load_npz, take

pytest.importorskip("matplotlib")

# The form is that of Feedbax's page, which begins with the losses 3.54e+01 and 6.50e+00.
LOG = re.compile(r"""Training step compiled in \d+\.\d\d seconds\.
Training iteration: 0
    training loss: (\d\.\d\de[+-]\d\d)
    validation loss: (\d\.\d\de[+-]\d\d)
Training iteration: 29
    training loss: (\d\.\d\de[+-]\d\d)
    validation loss: (\d\.\d\de[+-]\d\d)
Completed training run on a total of 1,200 trials\.
""")
QUANTITIES = [name for name in ld.FEEDBAX.quantities if name not in ("inputs.hold", "efferent.output", "model")]


@pytest.fixture(scope="module")
def example():
    spec = importlib.util.spec_from_file_location("train_reach", Path("examples/train_reach.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def reach():
    return load_npz("examples/reach.npz")


@pytest.fixture(scope="module")
def own(example):
    """The trajectories of an untrained model."""
    trials = example.Task().validation_trials()
    model = example.Model(50, jr.key(0))
    _, states = example.eval_with_loss(model, trials, ld.compile(example.LOSS))
    return Trajectories(states, trials, model)


def arrays(trajectories, *names):
    paths = [ld.FEEDBAX.quantities[name].path for name in names]
    return [take(getattr(trajectories, path.split(".")[0]), path) for path in paths]


@pytest.mark.parametrize("name", QUANTITIES)
def test_its_arrays_lie_where_those_of_feedbax_lie(own, reach, name):
    (ours,), (theirs,) = arrays(own, name), arrays(reach, name)
    assert ours.shape == theirs.shape
    if name.startswith("target"):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)


@pytest.mark.parametrize("whose", ["own", "reach"])
def test_its_mass_moves_as_that_of_feedbax(whose, request):
    pos, vel, output = arrays(request.getfixturevalue(whose), "effector.pos", "effector.vel", "net.output")
    np.testing.assert_allclose(np.diff(pos, axis=1), 0.05 * vel[:, :-1], atol=1e-6)
    np.testing.assert_allclose(np.diff(vel, axis=1), 0.05 * output[:, 1:], atol=1e-6)


def test_its_training_trials_fill_the_workspace(example):
    trials = example.Task().training_trials(1000, jr.key(0))
    for ends in (trials.start, trials.target.pos[:, -1]):
        assert np.all((ends.min(axis=0) < -0.95) & (ends.min(axis=0) >= -1))
        assert np.all((ends.max(axis=0) > 0.95) & (ends.max(axis=0) <= 1))
    assert np.all(trials.inputs.target == trials.target.pos[:, :1])


def test_a_new_weight_does_not_retrace_its_training_step(example, monkeypatch):
    traces = []

    def counted(*args):
        traces.append(1)
        return evaluate(*args)

    evaluate = example.eval_with_loss
    monkeypatch.setattr(example, "eval_with_loss", counted)
    model, optimizer = example.Model(8, jr.key(0)), optax.sgd(1e-3)
    opt_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    fixed = {"task": example.Task(steps=5), "batch_size": 4, "optimizer": optimizer}
    first = ld.compile("position + 1e-5*nn_hidden + step/10*velocity + alpha*nn_output", parameters={"alpha": 0})
    seen = []
    for i, loss in enumerate([first, first.with_weights(nn_hidden=0.5), first.with_parameters(alpha=2.0)]):
        _, _, values = example.train_step(model, opt_state, loss, jr.key(0), jnp.asarray(i), **fixed)
        seen.append([float(weight) for weight in values.weights.values()])
    np.testing.assert_allclose(seen, [[1, 1e-5, 0, 0], [1, 0.5, 0.1, 0], [1, 1e-5, 0.2, 2]], rtol=1e-6)
    assert len(traces) == 1


def test_a_short_run_learns_and_draws(example, tmp_path, capsys):
    example.main(batches=30, batch_size=40, out=tmp_path / "new")
    log = capsys.readouterr().out
    first_training, first_validation, training, validation = map(float, LOG.match(log).groups())
    assert training < first_training / 10
    assert validation < first_validation / 10
    figures = sorted((tmp_path / "new").iterdir())
    assert [path.name for path in figures] == ["loss_history.png", "reaches.png"]
    for path in figures:
        assert path.read_bytes().startswith(b"\x89PNG")
        assert path.stat().st_size > 10_000
        assert str(path) in log


def test_a_run_that_streams_has_the_losses_of_one_that_stores(example):
    loss, optimizer = ld.compile(example.LOSS), optax.adam(1e-2)
    fixed = {"task": example.Task(steps=24), "batch_size": 8, "optimizer": optimizer}

    def losses(stream):
        model, found = example.Model(8, jr.key(0)), []
        opt_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
        for i in range(50):
            state = model, opt_state, loss, jr.key(1), jnp.asarray(i)
            model, opt_state, values = example.train_step(*state, **fixed, stream=stream)
            found.append([float(value) for value in values.values()])
        return np.array(found)

    stored = losses(False)
    assert stored[-1].sum() < stored[0].sum()
    np.testing.assert_allclose(losses(True), stored, rtol=1e-5)
