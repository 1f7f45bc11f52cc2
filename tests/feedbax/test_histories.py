"""The histories of Feedbax's trainer, of each of its versions, as ours: values, figures, what is not there."""

import equinox as eqx
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest

import lossdsl as ld
from tests.feedbax.their_losses import DESIGNS, Aside, Node, Values


class History(eqx.Module):
    """What the trainer of the page returns."""

    loss: object
    learning_rate: object = None


class ValidatedHistory(eqx.Module):
    loss: object
    loss_validation: object


A, B = np.array([[4.0, 2.0, 1.0], [0.5, 0.25, 0.125]], np.float32)


def tree(kind, values):
    nodes = {name: kind.leaf(name, value).with_weight(weight) for name, (value, weight) in values.items()}
    return kind.branch("", nodes)


def test_a_mapping_is_of_weighted_values():
    history = ld.LossHistory.from_feedbax(History(Values({"Effector position": A, "NN output": B})))
    assert list(history.train) == ["Effector position", "NN output"] and history.validation is None
    np.testing.assert_array_equal(history.train["NN output"], B)
    np.testing.assert_array_equal(history.train.total, A + B)
    assert history.steps.tolist() == [0, 1, 2]


@pytest.mark.parametrize("kind", [Node, Aside])
def test_a_tree_has_values_and_weights(kind):
    inner = tree(kind, {"peak": (A, 2.0), "mean": (B, 1.0)}).with_weight(0.5)
    whole = kind.branch("", {"net": inner, "position": kind.leaf("Effector position", B).with_weight(3.0)})
    history = ld.LossHistory.from_feedbax(History(whole))
    expected = {"net_peak": (A, 1.0), "net_mean": (B, 0.5), "position": (B, 3.0)}
    for label, (raw, weight) in expected.items():
        np.testing.assert_array_equal(history.train.raw[label], raw)
        np.testing.assert_array_equal(history.train[label], raw * weight)
    np.testing.assert_allclose(history.train.total, sum(r * w for r, w in expected.values()))


def test_an_ensemble_and_a_single_term():
    many = ld.LossHistory.from_feedbax(History({"a": np.stack([A, B], axis=1)}))
    np.testing.assert_array_equal(many.train["a"], [A, B])
    assert ld.LossHistory.from_feedbax(History(jnp.asarray(A))).train.keys() == {"loss"}


def test_a_validation_has_rows_that_were_not_recorded():
    history = ld.LossHistory.from_feedbax(
        ValidatedHistory({"a": A, "b": B}, {"a": np.array([4.0, 0.0, 0.0]), "b": np.array([0.0, 0.0, 1.0])})
    )
    np.testing.assert_array_equal(history.validation["a"], [4.0, np.nan, 0.0])
    np.testing.assert_array_equal(history.validation["b"], [0.0, np.nan, 1.0])


def test_it_can_be_drawn_saved_and_joined(tmp_path):
    theirs = History(Values({"Effector position": A, "NN output": B}))
    figure = ld.plot_loss_history(theirs)
    lines = {line.get_label(): line.get_ydata() for line in figure.axes[0].lines}
    np.testing.assert_array_equal(lines["Effector position"], A)
    assert set(lines) == {"total", "Effector position", "NN output"}
    plt.close(figure)
    history = ld.LossHistory.from_feedbax(theirs)
    history.save(tmp_path / "history.npz")
    assert ld.LossHistory.load(tmp_path / "history.npz").train.keys() == history.train.keys()


@pytest.mark.parametrize(
    "given", [3, None, {}, History(None), History({"a": 3.0}), History({"a": np.float32(3)}), DESIGNS["dicts"]]
)
def test_what_is_no_history(given):
    with pytest.raises(ld.LossError):
        ld.LossHistory.from_feedbax(given)
    with pytest.raises(ld.LossError):
        ld.plot_loss_history(given)
    with pytest.raises(ld.LossValueError, match="`history` cannot be"):
        ld.plot_loss_history(ld.LossDict({"a": A}, {"a": 1.0}))
