"""The history of a training: recorded in a loop, in `scan` and under `vmap`; saved, loaded, drawn."""

import io
import json
import os
import pickle
import sys
import zipfile

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

import lossdsl as ld
from lossdsl.errors import LossDataError, LossError, LossNameError
from lossdsl.loss.values import LossDict
from lossdsl.training.history import LossHistory
from lossdsl.training.plot import plot_loss_history

LABELS = ("position", "final(velocity)")
WEIGHTS = {"position": 1.0, "final(velocity)": 0.5}
N = 6


def loss(x):
    """Two terms of a model `x`, each a number."""
    raw = {"position": jnp.sum(x**2), "final(velocity)": jnp.sum(jnp.abs(x))}
    return LossDict(raw, {label: jnp.asarray(weight, x.dtype) for label, weight in WEIGHTS.items()})


OPTIMIZER = optax.sgd(0.1)


def train_step(x, state):
    values, gradient = jax.value_and_grad(lambda x: (loss(x).total, loss(x)), has_aux=True)(x)
    updates, state = OPTIMIZER.update(gradient, state)
    return x + updates, state, values[1]


def by_hand(x, n=N):
    """What a training records, in plain NumPy: values, raw, weights, total of each iteration."""
    rows, x = [], np.asarray(x, float)
    for _ in range(n):
        raw = np.array([np.sum(x**2), np.sum(np.abs(x))])
        weights = np.array([1.0, 0.5])
        rows.append([raw * weights, raw, weights, np.sum(raw * weights)])
        x = x - 0.1 * (2 * x + 0.5 * np.sign(x))
    values, raw, weights, total = (np.array(column).T for column in zip(*rows, strict=True))
    return values, raw, weights, total


def parts(losses):
    stacks = (losses.values(), losses.raw.values(), losses.weights.values())
    return *(np.stack([np.asarray(value) for value in stack]) for stack in stacks), np.asarray(losses.total)


def same(losses, expected):
    for found, wanted in zip(parts(losses), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5)


def equal(first, second):
    assert jax.tree.structure(first) == jax.tree.structure(second)
    for one, other in zip(jax.tree.leaves(first), jax.tree.leaves(second), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)


X = jnp.array([1.0, -2.0])


def trained_in_python():
    step, history = jax.jit(train_step), LossHistory.start(LABELS, N)
    x, state = X, OPTIMIZER.init(X)
    for i in range(N):
        x, state, values = step(x, state)
        history = history.record(i, values)
    return history


def trained_in_jit():
    @jax.jit
    def step(x, state, history, i):
        x, state, values = train_step(x, state)
        return x, state, history.record(i, values)

    x, state, history = X, OPTIMIZER.init(X), LossHistory.start(LABELS, N)
    for i in range(N):
        x, state, history = step(x, state, history, i)
    return history


def trained_with_carry(x=X):
    def body(carry, i):
        x, state, history = carry
        x, state, values = train_step(x, state)
        return (x, state, history.record(i, values)), None

    start = (x, OPTIMIZER.init(x), LossHistory.start(LABELS, N))
    return jax.lax.scan(body, start, jnp.arange(N))[0][2]


def scanned(x=X):
    def body(carry, _):
        *carry, values = train_step(*carry)
        return tuple(carry), values

    return jax.lax.scan(body, (x, OPTIMIZER.init(x)), length=N)[1]


@pytest.mark.parametrize(
    "train",
    [
        trained_in_python,
        trained_in_jit,
        trained_with_carry,
        jax.jit(trained_with_carry),
        lambda: LossHistory.from_scan(scanned()),
        jax.jit(lambda: LossHistory.from_scan(scanned())),
    ],
)
def test_every_way_of_training_records_the_same(train):
    history = train()
    same(history.train, by_hand(X))
    assert tuple(history.train) == tuple(history.train.raw) == tuple(history.train.weights) == LABELS
    np.testing.assert_array_equal(history.steps, np.arange(N))
    assert jnp.issubdtype(history.steps.dtype, jnp.integer)


ENSEMBLE = jnp.array([[1.0, -2.0], [0.5, 3.0], [-1.0, -1.0]])


def ensemble_in_python():
    step = jax.jit(jax.vmap(train_step))
    x, state = ENSEMBLE, jax.vmap(OPTIMIZER.init)(ENSEMBLE)
    history = LossHistory.start(jax.eval_shape(step, x, state)[2], N)
    for i in range(N):
        x, state, values = step(x, state)
        history = history.record(i, values)
    return history


def scan_over_vmap():
    def body(carry, _):
        *carry, values = jax.vmap(train_step)(*carry)
        return tuple(carry), values

    return jax.lax.scan(body, (ENSEMBLE, jax.vmap(OPTIMIZER.init)(ENSEMBLE)), length=N)[1]


@pytest.mark.parametrize(
    "train",
    [
        ensemble_in_python,
        lambda: jax.vmap(trained_with_carry)(ENSEMBLE),
        jax.jit(lambda: jax.vmap(trained_with_carry)(ENSEMBLE)),
        lambda: jax.vmap(lambda x: LossHistory.from_scan(scanned(x)))(ENSEMBLE),
        lambda: LossHistory.from_scan(jax.vmap(scanned)(ENSEMBLE)),
        lambda: LossHistory.from_scan(scan_over_vmap(), axis=0),
    ],
)
def test_an_ensemble_has_a_leading_axis(train):
    history = train()
    assert history.train.total.shape == (3, N)
    for i, x in enumerate(ENSEMBLE):
        same(jax.tree.map(lambda leaf, i=i: leaf[i], history.train), by_hand(x))
    if history.steps.ndim == 2:  # it went through `vmap`
        values = jax.tree.map(lambda leaf: leaf[:, 0] * 2, history.train)
        np.testing.assert_array_equal(history.record(2, values).train.total[:, 2], values.total)


def numbers(**raw):
    return LossDict({k: jnp.float32(v) for k, v in raw.items()}, {k: jnp.float32(0.5) for k in raw})


def test_what_is_not_recorded_is_nan():
    history = LossHistory.start(["a", "b"], 3)
    assert all(np.isnan(leaf).all() and leaf.dtype == np.float32 for leaf in jax.tree.leaves(history.train))
    assert all(np.isnan(leaf).all() for leaf in jax.tree.leaves(history.validation))
    later = history.record(1, numbers(b=4.0, a=2.0)).record_validation(2, numbers(a=6.0, b=8.0))
    nan = np.nan
    same(
        later.train,
        [[[nan, 1, nan], [nan, 2, nan]], [[nan, 2, nan], [nan, 4, nan]], [[nan, 0.5, nan]] * 2, [nan, 3, nan]],
    )
    same(
        later.validation,
        [[[nan, nan, 3], [nan, nan, 4]], [[nan, nan, 6], [nan, nan, 8]], [[nan, nan, 0.5]] * 2, [nan, nan, 7]],
    )
    assert np.isnan(history.train.total).all() and np.isnan(history.validation.total).all()


def test_validation_now_and_then_inside_scan():
    def body(history, i):
        def validated(history):
            return history.record_validation(i, loss(X * (i + 1.0)))

        return jax.lax.cond(i % 3 == 0, validated, lambda history: history, history), None

    history = jax.jit(lambda: jax.lax.scan(body, LossHistory.start(LABELS, 6), jnp.arange(6))[0])()
    np.testing.assert_allclose(history.validation["position"], [5, np.nan, np.nan, 80, np.nan, np.nan])
    assert np.isnan(history.train.total).all()


def test_rows_for_some_iterations_only():
    history = LossHistory.start(["a"], range(10, 40, 10))
    filled = jax.lax.fori_loop(0, 100, lambda i, history: history.record(i, numbers(a=2.0 * i)), history)
    np.testing.assert_array_equal(filled.train["a"], [10.0, 20.0, 30.0])
    np.testing.assert_array_equal(filled.steps, [10, 20, 30])
    for step in (-1, 9, 15, 40):
        equal(jax.jit(lambda history, i: history.record(i, numbers(a=1.0)))(filled, step), filled)
    for step in (-1, 9, 11, 40, jnp.asarray(25), np.array([10, 12])):
        values = jax.tree.map(lambda leaf, step=step: jnp.full(np.shape(step), leaf), numbers(a=1.0))
        with pytest.raises(LossDataError) as caught:
            history.record(step, values)
        assert caught.value.code == "no-row"
    assert str(caught.value) == "the history has no row for the iteration 12\nrecord one of its 3, from 10 to 30"


def test_several_rows_at_once():
    history = LossHistory.from_scan(scanned())
    assert history.validation is None
    checks = jax.vmap(loss)(jnp.array([[1.0, 0.0], [3.0, 0.0]]))
    for record in (LossHistory.record_validation, jax.jit(LossHistory.record_validation)):
        after = record(history, jnp.array([0, 4]), checks)
        np.testing.assert_array_equal(after.validation["position"], [1, *[np.nan] * 3, 9, np.nan])
        np.testing.assert_array_equal(after.validation.weights["final(velocity)"], [0.5, *[np.nan] * 3, 0.5, np.nan])


def test_from_scan_with_steps_and_validation():
    losses = scanned()
    checked = jax.tree.map(lambda leaf: jnp.where(jnp.arange(N) % 2 == 0, leaf, jnp.nan), losses)
    history = LossHistory.from_scan(losses, range(0, 60, 10), checked)
    np.testing.assert_array_equal(history.steps, range(0, 60, 10))
    np.testing.assert_array_equal(np.isnan(history.validation.total), [False, True] * 3)
    # One weight for all, and another order of the labels.
    bare = LossDict({"a": jnp.arange(3.0), "b": jnp.ones(3)}, {"a": 2.0, "b": 3.0})
    other = LossDict({"b": jnp.ones(3), "a": jnp.arange(3.0)}, {"a": 2.0, "b": 3.0})
    history = LossHistory.from_scan(bare, validation=other)
    np.testing.assert_array_equal(history.train.weights["b"], [3.0, 3.0, 3.0])
    assert tuple(history.validation) == ("a", "b")
    np.testing.assert_array_equal(history.validation["a"], [0.0, 2.0, 4.0])


def test_the_float_type_is_that_of_the_losses():
    with jax.enable_x64(True):
        x = X.astype(jnp.float64)
        assert LossHistory.start(loss(x), 2).record(0, loss(x)).train.total.dtype == np.float64
        assert LossHistory.from_scan(scanned(x)).train["position"].dtype == np.float64
        assert LossHistory.start(["a"], 2).train["a"].dtype == np.float64
    assert LossHistory.start(loss(X.astype(jnp.bfloat16)), 2).train.total.dtype == jnp.bfloat16
    whole = LossDict({"a": jnp.int32(3)}, {"a": jnp.int32(2)})
    np.testing.assert_array_equal(LossHistory.start(whole, 2).record(1, whole).train["a"], [np.nan, 6.0])


def test_a_step_may_donate_the_history():
    step = jax.jit(lambda history, i: history.record(i, numbers(a=i)), donate_argnums=0)
    history = LossHistory.start(["a"], 3)
    for i in range(3):
        history = step(history, i)
    np.testing.assert_array_equal(history.train.raw["a"], [0.0, 1.0, 2.0])
    assert step._cache_size() == 1


def test_it_prints_its_shapes():
    assert "train={'a': f32[3]}" in eqx.tree_pformat(LossHistory.start(["a"], 3))


def losses_of(shape, **labels):
    return LossDict({label: jnp.ones(shape) for label in labels}, {label: jnp.ones(shape) for label in labels})


AB = {"a": 1, "b": 1}
HISTORY = LossHistory.start(AB, 3)


@pytest.mark.parametrize(
    ("make", "code", "message"),
    [
        (lambda h: h.record(0, numbers(a=1.0)), "history-labels", "than the history: `b` missing"),
        (lambda h: h.record(0, numbers(a=1.0, b=1.0, c=1.0)), "history-labels", "than the history: `c` new"),
        (lambda h: h.record_validation(0, numbers(a=1.0, c=1.0)), "history-labels", "`b` missing, `c` new"),
        (
            lambda h: LossHistory.from_scan(losses_of(3, **AB), validation=losses_of(3, a=1)),
            "history-labels",
            "`b` missing",
        ),
        (
            lambda h: h.record(0, losses_of(7, **AB)),
            "history-shape",
            "`total` has the shape (7,), the history needs ()",
        ),
        (
            lambda h: h.record([0, 1], losses_of(3, **AB)),
            "history-shape",
            "`total` has the shape (3,), the history needs (2,)",
        ),
        (
            lambda h: h.record(0, LossDict.of(dict.fromkeys("ab", 1.0), (1.0, 1.0), (1.0, np.ones(2)), 2.0)),
            "history-shape",
            "`b` has the shape (2,)",
        ),
        (
            lambda h: LossHistory.from_scan(losses_of((2, 3), **AB), validation=losses_of(3, **AB)),
            "history-shape",
            "`total` has the shape (3,), the history needs (2, 3)",
        ),
        (lambda h: h.record(0, {"a": 1.0, "b": 1.0}), "no-losses", "a dict is not a `LossDict`"),
        (lambda h: LossHistory.from_scan(None), "no-losses", "None is not a `LossDict`"),
        (lambda h: LossHistory.start("ab", 3), "no-losses", "a str is not a `LossDict`"),
        (lambda h: LossHistory.start(3, 3), "no-losses", "an int is not a `LossDict`"),
        (lambda h: LossHistory.start(["a", 3], 3), "no-losses", "a list is not a `LossDict`"),
        (lambda h: LossHistory.start(["a", "a"], 3), "no-losses", "`a`, `a`, one of them twice,"),
        (lambda h: LossHistory.from_scan(numbers(a=1.0)), "not-stacked", "have no axis -1 of steps: their shape is ()"),
        (lambda h: LossHistory.from_scan(losses_of(3, **AB), axis=1), "not-stacked", "no axis 1 of steps"),
        (lambda h: LossHistory.from_scan(losses_of(3, **AB), [1, 2]), "history-steps", "be 2 iterations for 3 rows"),
        (lambda h: LossHistory.start(["a"], 0), "history-steps", "cannot be 0"),
        (lambda h: LossHistory.start(["a"], True), "history-steps", "cannot be a bool"),
        (lambda h: LossHistory.start(["a"], 3.0), "history-steps", "cannot be a float"),
        (lambda h: LossHistory.start(["a"], []), "history-steps", "cannot be a list"),
        (lambda h: LossHistory.start(["a"], np.zeros(0, int)), "history-steps", "cannot be an array of shape (0,)"),
        (lambda h: LossHistory.start(["a"], np.ones(1)), "history-steps", "cannot be an array of shape (1,)"),
        (lambda h: LossHistory.start(["a"], np.ones((2, 2), int)), "history-steps", "be an array of shape (2, 2)"),
        (lambda h: LossHistory.start(["a"], [1, 5, 5]), "history-steps", "cannot be ..., 5, 5, ..."),
    ],
)
def test_what_does_not_fit(make, code, message):
    with pytest.raises(LossError) as caught:
        make(HISTORY)
    assert caught.value.code == code
    assert message in caught.value.message
    assert caught.value.hint
    assert type(caught.value) is (LossNameError if code == "history-labels" else LossDataError)


def test_what_does_not_fit_inside_jit():
    with pytest.raises(LossError, match="`b` missing"):
        jax.jit(lambda i: LossHistory.start(["a", "b"], 3).record(i, numbers(a=1.0)))(0)


ODD = (
    "final(velocity)",
    "a/b",
    "é",
    "x*y",
    "",
    "  two words ",
    "../up",
    "nul\0",
    "🎯",
    "header",
    "a\nb",
    ".npy",
)


def odd_history(shape=(), dtype=np.float32):
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=(len(ODD), *shape, N)).astype(dtype) for _ in range(3)]
    values, raw, weights = ([jnp.asarray(row) for row in array] for array in arrays)
    losses = LossDict.of(zip(ODD, values, strict=True), raw, weights, values[0])
    checked = jax.tree.map(lambda leaf: jnp.asarray(np.where(np.arange(N) % 2, leaf, np.nan), dtype), losses)
    return [LossHistory.from_scan(losses, range(0, 60, 10), validation) for validation in (None, checked)]


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_saved_and_loaded(tmp_path, shape, dtype):
    with jax.enable_x64(dtype is np.float64):
        for history in odd_history(shape, dtype):
            history.save(tmp_path / "run")
            loaded = LossHistory.load(str(tmp_path / "run"))
            equal(loaded, history)
            assert tuple(loaded.train) == ODD
            assert loaded.train.total.dtype == dtype
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_saved_and_loaded_after_vmap_half_filled_and_then_recorded(tmp_path):
    history = jax.vmap(lambda x: LossHistory.start(loss(x), N).record(0, loss(x)))(ENSEMBLE)
    history.save(tmp_path / "run.npz")
    loaded = LossHistory.load(tmp_path / "run.npz")
    equal(loaded, history)
    equal(loaded.record(1, jax.vmap(loss)(ENSEMBLE)), history.record(1, jax.vmap(loss)(ENSEMBLE)))


def test_a_float_type_that_numpy_does_not_have_is_saved_as_float32(tmp_path):
    history = LossHistory.start(loss(X.astype(jnp.bfloat16)), 2).record(0, loss(X.astype(jnp.bfloat16)))
    history.save(tmp_path / "run")
    equal(LossHistory.load(tmp_path / "run").train, jax.tree.map(lambda leaf: leaf.astype(jnp.float32), history.train))


def test_a_history_without_terms(tmp_path):
    LossHistory.start([], 2).save(tmp_path / "run")
    assert LossHistory.load(tmp_path / "run").train.total.shape == (2,)


def test_saving_is_atomic(tmp_path, monkeypatch):
    path = tmp_path / "run.npz"
    first, second = odd_history()
    first.save(path)

    def full(*args, **kwargs):
        args[0].write(b"PK")
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(np, "savez_compressed", full)
        with pytest.raises(LossDataError, match=r"run.npz` cannot be written: No space left"):
            second.save(path)
    assert [found.name for found in tmp_path.iterdir()] == ["run.npz"]
    equal(LossHistory.load(path), first)
    second.save(path)
    equal(LossHistory.load(path), second)


@pytest.mark.skipif(os.name != "posix", reason="links and permissions")
def test_saving_goes_through_a_link_and_obeys_the_umask(tmp_path):
    (tmp_path / "link").symlink_to(tmp_path / "run.npz")
    odd_history()[0].save(tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    (tmp_path / "plain").write_bytes(b"")
    assert (tmp_path / "run.npz").stat().st_mode == (tmp_path / "plain").stat().st_mode


# A run that was resumed.


def odd_rows(steps, recorded=None, **scale):
    """A history in which the loss of a term at a step is the step times its scale."""
    history = LossHistory.start(list(scale), steps)
    for step in steps if recorded is None else recorded:
        history = history.record(step, numbers(**{label: step * by for label, by in scale.items()}))
    return history


def test_join_puts_the_steps_together():
    both = odd_rows([0, 2, 4], a=1.0).join(odd_rows([1, 2, 3, 9], a=10.0))
    assert both.steps.tolist() == [0, 1, 2, 3, 4, 9]
    np.testing.assert_array_equal(both.train.raw["a"], [0, 10, 20, 30, 4, 90])
    np.testing.assert_array_equal(both.train.total, [0, 5, 10, 15, 2, 45])
    np.testing.assert_array_equal(both.train.weights["a"], [0.5] * 6)
    assert both.train["a"].dtype == jnp.float32 and both.steps.dtype == jnp.int32
    # It is a history: more can be recorded.
    assert float(both.record(3, numbers(a=7.0)).train.raw["a"][3]) == 7


def test_join_leaves_what_the_later_run_did_not_record():
    first, later = odd_rows([0, 1, 2, 3], [0, 1, 2], a=1.0), odd_rows([0, 1, 2, 3], [2, 3], a=10.0)
    np.testing.assert_array_equal(first.join(later).train.raw["a"], [0, 1, 20, 30])
    # A loss that is NaN was recorded, for its weight is known.
    later = later.record(1, numbers(a=np.nan))
    np.testing.assert_array_equal(first.join(later).train.raw["a"], [0, np.nan, 20, 30])


def test_join_of_terms_that_came_and_went():
    both = odd_rows([0, 1, 2], a=1.0, b=2.0).join(odd_rows([2, 3], b=20.0, c=30.0))
    assert list(both.train) == ["a", "b", "c"]
    np.testing.assert_array_equal(both.train.raw["a"], [0, 1, np.nan, np.nan])
    np.testing.assert_array_equal(both.train.raw["b"], [0, 2, 40, 60])
    np.testing.assert_array_equal(both.train["c"], [np.nan, np.nan, 30, 45])
    np.testing.assert_array_equal(both.train.weights["c"], [np.nan, np.nan, 0.5, 0.5])
    np.testing.assert_array_equal(both.train.total, [0, 1.5, 50, 75])
    drawn(plot_loss_history(both))
    assert legend(plot_loss_history(both)) == ["total", "a", "b", "c"]


def test_join_of_validation():
    first, later = odd_rows([0, 1], a=1.0), odd_rows([1, 2], a=10.0)
    without = LossHistory.from_scan(first.train, [0, 1])
    assert without.join(LossHistory.from_scan(later.train, [1, 2])).validation is None
    checked = later.record_validation(2, numbers(a=6.0))
    np.testing.assert_array_equal(without.join(checked).validation.raw["a"], [np.nan, np.nan, 6])
    np.testing.assert_array_equal(checked.join(without).validation.raw["a"], [np.nan, np.nan, 6])
    both = first.record_validation(0, numbers(a=5.0)).join(checked)
    np.testing.assert_array_equal(both.validation.raw["a"], [5, np.nan, 6])


def test_join_of_ensembles():
    def of(*members):
        return jax.tree.map(lambda *leaves: jnp.stack(leaves), *members)

    first = of(odd_rows([0, 1], a=1.0), odd_rows([0, 1], a=2.0))
    # The second member recorded nothing at 1.
    later = of(odd_rows([1, 2], a=10.0), odd_rows([1, 2], [2], a=20.0))
    both = first.join(later)
    np.testing.assert_array_equal(both.train.raw["a"], [[0, 10, 20], [0, 2, 40]])
    np.testing.assert_array_equal(both.steps, [[0, 1, 2], [0, 1, 2]])
    with pytest.raises(LossDataError) as caught:
        first.join(odd_rows([1, 2], a=1.0))
    assert caught.value.message == "`later` has the shape ('steps',), the history needs (2, 'steps')"
    members = eqx.tree_at(lambda pair: pair.steps, later, jnp.array([[1, 2], [1, 3]]))
    with pytest.raises(LossDataError, match="cannot be other ones for each member"):
        first.join(members)


def test_join_agrees_with_saving_and_with_one_run(tmp_path):
    whole = odd_rows(range(6), a=1.0, b=-2.0).record_validation([1, 4], _stack(numbers(a=1.0, b=2.0), 2))
    first, later = (jax.tree.map(lambda leaf, cut=cut: leaf[cut], whole) for cut in (slice(0, 3), slice(3, 6)))
    equal(first.join(later), whole)
    equal(whole.join(whole), whole)
    equal(LossHistory.start(["a", "b"], 6).join(whole), whole)
    equal(whole.join(LossHistory.start(["a", "b"], 6)), whole)
    first.save(tmp_path / "first")
    later.save(tmp_path / "later")
    joined = LossHistory.load(tmp_path / "first").join(LossHistory.load(tmp_path / "later"))
    equal(joined, whole)
    joined.save(tmp_path / "both")
    equal(LossHistory.load(tmp_path / "both"), whole)


def _stack(values, n):
    return jax.tree.map(lambda leaf: jnp.stack([jnp.asarray(leaf)] * n), values)


def test_what_cannot_be_joined():
    history = odd_rows([0, 1], a=1.0)
    with pytest.raises(LossError, match=r"`later` cannot be a dict\ngive a `LossHistory`"):
        history.join({"a": 1.0})
    with pytest.raises(LossError, match=r"`later` cannot be a traced history\njoin them outside of `jit`"):
        jax.jit(lambda later: history.join(later))(history)


def test_steps_that_the_type_of_whole_numbers_cannot_hold(tmp_path):
    late = [2**31 - 1, 2**31, 2**40]
    expected = "`steps` holds 2147483648, which int32 cannot"
    with pytest.raises(LossDataError) as caught:
        LossHistory.start(["a"], late)
    assert caught.value.message == expected
    with pytest.raises(LossDataError):
        LossHistory.from_scan(_stack(numbers(a=1.0), 3), np.array(late))
    assert LossHistory.start(["a"], np.array(late[:2], np.uint32)).steps.tolist() == late[:2]
    with jax.enable_x64(True):
        history = LossHistory.start(["a"], late).record(2**40, numbers(a=2.0))
        assert history.steps.tolist() == late and float(history.train.raw["a"][2]) == 2
        history.save(tmp_path / "late")
        early = LossHistory.start(["a"], 3)
        assert early.join(history).steps.tolist() == [0, 1, 2, *late]
        equal(LossHistory.load(tmp_path / "late"), history)
    with pytest.raises(LossDataError) as caught:
        LossHistory.load(tmp_path / "late")
    assert caught.value.message == expected


@pytest.mark.parametrize(("step", "got"), [(None, "None"), ("1", "`1`"), (True, "True")])
def test_a_step_that_is_no_number(step, got):
    history = LossHistory.start(["a"], 3)
    for record in (history.record, history.record_validation):
        with pytest.raises(LossError, match="the training iteration `step` is ") as caught:
            record(step, numbers(a=1.0))
        assert caught.value.code == "bad-step"


def test_saving_to_a_folder_that_is_not_there(tmp_path):
    with pytest.raises(LossDataError) as caught:
        LossHistory.start(["a"], 3).save(tmp_path / "no" / "run.npz")
    path = tmp_path / "no" / "run.npz"
    assert str(caught.value).startswith(f"`{path}` cannot be written: No such file or directory\n")


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    path = tmp_path_factory.mktemp("saved") / "run.npz"
    odd_history()[1].save(path)
    return path.read_bytes()


def test_a_file_that_is_cut_off_is_never_loaded(tmp_path, saved):
    path = tmp_path / "cut.npz"
    for cut in sorted({*range(0, len(saved), 37), *range(40), *range(len(saved) - 60, len(saved))}):
        path.write_bytes(saved[:cut])
        with pytest.raises(LossDataError, match=r"cannot be loaded: it is cut off, or not an \.npz file"):
            LossHistory.load(path)


def test_a_damaged_file_is_loaded_whole_or_not_at_all(tmp_path, saved):
    path, original = tmp_path / "damaged.npz", odd_history()[1]
    rng = np.random.default_rng(1)
    refused = 0
    for place in rng.choice(len(saved), 200, replace=False):
        path.write_bytes(saved[:place] + bytes([saved[place] ^ rng.integers(1, 256)]) + saved[place + 1 :])
        try:
            equal(LossHistory.load(path), original)
        except LossDataError:
            refused += 1
    assert refused > 130


def arrays_of(saved):
    with np.load(io.BytesIO(saved)) as file:
        return {key: file[key] for key in file.files}


def header(**changed):
    known = {"format": "lossdsl history", "version": 1, "labels": list(ODD)}
    return np.array(json.dumps(known | changed))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"header": None}, "it was not written by `history.save`"),
        ({"header": np.array("not json")}, "Expecting value"),
        ({"header": np.array("[" * 100_000)}, ""),
        ({"header": np.array("[]")}, "it was not written by `history.save`"),
        ({"header": header(format="other")}, "it was not written by `history.save`"),
        ({"header": header(labels=None)}, "it has no labels"),
        ({"header": header(labels=[1] * len(ODD))}, "it has no labels"),
        ({"header": header(labels=list(ODD[:-1]))}, "is an array of float32 of shape (12, 6)"),
        ({"header": header(labels=["a"] * len(ODD))}, "a label stands there twice"),
        ({"steps": None}, "it has no `steps`"),
        ({"steps": np.arange(5)}, "`steps` is an array of int64 of shape (5,)"),
        ({"steps": np.arange(6.0)}, "`steps` is an array of float64 of shape (6,)"),
        ({"train.total": None}, "it has no `train.total`"),
        ({"train.total": np.zeros(())}, "is an array of"),
        ({"train.raw": np.zeros((len(ODD), 5))}, "`train.raw` is an array of float64 of shape (12, 5)"),
        ({"train.weights": np.zeros((len(ODD), 6), complex)}, "`train.weights` is an array of complex128"),
        ({"validation.raw": None}, "it has no `validation.raw`"),
        ({"validation.total": np.zeros(5)}, "`validation.total` is an array of float64 of shape (5,)"),
        ({"more": np.zeros(5)}, "it has `more` too"),
    ],
)
def test_arrays_that_are_missing_or_misshapen(tmp_path, saved, change, reason):
    path = tmp_path / "changed.npz"
    changed = {key: value for key, value in (arrays_of(saved) | change).items() if value is not None}
    np.savez(path, **changed)
    with pytest.raises(LossDataError) as caught:
        LossHistory.load(path)
    assert caught.value.code == "bad-history"
    assert reason in caught.value.message
    np.savez(path, **arrays_of(saved))
    LossHistory.load(path)


def test_another_version(tmp_path, saved):
    np.savez(tmp_path / "new.npz", **(arrays_of(saved) | {"header": header(version=2)}))
    with pytest.raises(LossDataError, match=r"new.npz` is a history of version 2\nthis is a lossdsl for version 1"):
        LossHistory.load(tmp_path / "new.npz")


class Bomb:
    """A pickle that leaves a mark when it is loaded."""

    def __init__(self, mark):
        self.mark = mark

    def __reduce__(self):
        return os.mkdir, (self.mark,)


def test_a_pickle_is_never_loaded(tmp_path, saved):
    path, mark = tmp_path / "bad.npz", str(tmp_path / "mark")
    bomb = np.empty((len(ODD), 6), object)
    bomb[0, 0] = Bomb(mark)
    for key in ("header", "steps", "train.raw", "more"):
        np.savez(path, **(arrays_of(saved) | {key: bomb}))
        with pytest.raises(LossDataError, match=r"cannot be loaded: Object arrays cannot be loaded"):
            LossHistory.load(path)
    path.write_bytes(pickle.dumps(Bomb(mark)))
    with pytest.raises(LossDataError, match=r"not an \.npz file"):
        LossHistory.load(path)
    path.write_bytes(pickle.dumps(Bomb(mark)) + saved)
    with pytest.raises(LossDataError):
        LossHistory.load(path)
    assert not os.path.exists(mark)


def test_files_of_another_kind(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros(3))
    np.savez(tmp_path / "foreign.npz", a=np.zeros(3))
    with zipfile.ZipFile(tmp_path / "text.zip", "w") as file:
        file.writestr("readme.txt", "hello")
    for name, reason in [
        ("array.npy", "it is cut off, or not an .npz file"),
        ("foreign.npz", "it was not written by `history.save`"),
        ("text.zip", "`readme.txt` is not an array"),
    ]:
        with pytest.raises(LossDataError) as caught:
            LossHistory.load(tmp_path / name)
        assert caught.value.message == f"`{tmp_path / name}` cannot be loaded: {reason}"
    for name in ("nothing.npz", "."):
        with pytest.raises(LossDataError) as caught:
            LossHistory.load(tmp_path / name)
        assert caught.value.code == "no-file"


def test_numbers_that_32_bits_do_not_hold(tmp_path, saved):
    path = tmp_path / "run.npz"
    for large, got in (
        (np.full((len(ODD), 6), 1e300), "1e+300, which float32 cannot"),
        (np.zeros((len(ODD), 6), "longdouble"), "numbers of float128"),
    ):
        np.savez(path, **(arrays_of(saved) | {"train.values": large}))
        with pytest.raises(LossDataError) as caught:
            LossHistory.load(path)
        assert caught.value.message == f"`train.values` holds {got}"


def lines(figure):
    return {line.get_label(): line for line in figure.axes[0].lines}


def legend(figure):
    return [text.get_text() for text in figure.axes[0].get_legend().get_texts()]


def drawn(figure):
    """Draw it: Matplotlib warns only then, and a warning is an error here."""
    figure.savefig(io.BytesIO(), format="png", dpi=30)
    return figure


def single(**raw):
    losses = {label: jnp.asarray(values, float) for label, values in raw.items()}
    return LossHistory.from_scan(LossDict(losses, dict.fromkeys(losses, 0.5)), range(0, 30, 10))


def test_a_plot_shows_terms_and_total():
    history = single(a=[4.0, 2.0, 1.0], b=[8.0, 6.0, 4.0])
    figure = drawn(plot_loss_history(history))
    ax = figure.axes[0]
    assert list(lines(figure)) == legend(figure) == ["total", "a", "b"]
    np.testing.assert_array_equal(lines(figure)["total"].get_xdata(), [0, 10, 20])
    np.testing.assert_array_equal(lines(figure)["total"].get_ydata(), [6.0, 4.0, 2.5])
    np.testing.assert_array_equal(lines(figure)["b"].get_ydata(), [4.0, 3.0, 2.0])
    assert ax.get_yscale() == "log" and ax.get_xscale() == "linear"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("training iteration", "weighted loss")
    assert lines(figure)["total"].get_color() == "black"
    assert lines(figure)["total"].get_linewidth() > lines(figure)["a"].get_linewidth()


def test_a_plot_of_raw_values_without_total_on_a_linear_scale():
    history = single(a=[4.0, 2.0, 1.0], b=[8.0, 6.0, 4.0])
    figure = plot_loss_history(history, weighted=False, log=False)
    assert legend(figure) == ["total (weighted)", "a", "b"]
    np.testing.assert_array_equal(lines(figure)["b"].get_ydata(), [8.0, 6.0, 4.0])
    np.testing.assert_array_equal(lines(figure)["total (weighted)"].get_ydata(), [6.0, 4.0, 2.5])
    assert figure.axes[0].get_yscale() == "linear"
    assert figure.axes[0].get_ylabel() == "loss without weights"
    assert list(lines(plot_loss_history(history, total=False))) == ["a", "b"]


def test_a_plot_of_an_ensemble_is_a_mean_in_a_band():
    raw = np.array([[2.0, 4.0, 8.0], [4.0, 8.0, 24.0], [np.nan, 6.0, np.nan]])
    losses = LossDict({"a": jnp.asarray(raw)}, {"a": 1.0})
    history = jax.vmap(lambda losses: LossHistory.from_scan(losses))(
        jax.tree.map(lambda x: jnp.broadcast_to(x, (3, 3)), losses)
    )
    history = history.record_validation(1, jax.tree.map(lambda leaf: leaf[:, 1] / 2, history.train))
    figure = drawn(plot_loss_history(history))
    np.testing.assert_array_equal(lines(figure)["a"].get_ydata(), [3.0, 6.0, 16.0])
    np.testing.assert_array_equal(lines(figure)["a (validation)"].get_ydata(), [3.0])
    noted = ["total (1 of 3 not finite)", "a (1 of 3 not finite)"]
    assert legend(figure) == [*noted, "range of 3 members", "validation", "the last finite value"]
    band, bar = figure.axes[0].collections[2:]
    corners = {tuple(corner) for corner in band.get_paths()[0].vertices}
    assert corners == {(0, 2), (0, 4), (1, 4), (1, 8), (2, 8), (2, 24)}
    np.testing.assert_array_equal(bar.get_segments(), [[[1, 2], [1, 4]]])


def test_a_plot_of_members_that_diverge_or_are_of_a_short_type():
    raw = jnp.asarray([[6e4, jnp.inf, 2.0], [6e4, -jnp.inf, jnp.inf]], jnp.float16)
    figure = drawn(plot_loss_history(LossHistory.from_scan(LossDict({"a": raw}, {"a": 1.0}))))
    np.testing.assert_array_equal(lines(figure)["a"].get_xydata(), [[0, np.float16(6e4)], [1, np.nan], [2, 2]])
    assert legend(figure)[1] == "a (2 of 2 not finite)"


def test_a_member_that_diverges_leaves_the_others():
    raw = jnp.asarray([[4.0, 4.0, 2.0, 2.0], [8.0, 8.0, jnp.inf, jnp.nan], [3.0, 3.0, 2.0, 1.0]])
    figure = drawn(plot_loss_history(LossHistory.from_scan(LossDict({"a": raw, "b": raw * 0 + 1}, {"a": 1, "b": 1}))))
    np.testing.assert_array_equal(lines(figure)["a"].get_ydata(), [5, 5, 2, 1.5])
    np.testing.assert_array_equal(lines(figure)["a (not finite)"].get_xydata(), [[1, 8]])
    noted = [f"{label} (1 of 3 not finite)" for label in ("total", "a", "b")]
    assert legend(figure) == [*noted, "range of 3 members", "the last finite value"]


def test_a_line_breaks_off_where_a_loss_is_not_finite():
    history = LossHistory.start(["a", "b"], 8)
    for step, value in [(0, 4.0), (2, 3.0), (3, np.nan), (4, np.inf), (6, 2.0), (7, 1.0)]:
        history = history.record(step, numbers(a=value, b=2.0))
    figure = drawn(plot_loss_history(history))
    # What was never recorded, the steps 1 and 5, does not break the line.
    np.testing.assert_array_equal(lines(figure)["a"].get_xdata(), [0, 2, 3, 4, 6, 7])
    np.testing.assert_array_equal(lines(figure)["a"].get_ydata(), [2.0, 1.5, np.nan, np.nan, 1.0, 0.5])
    np.testing.assert_array_equal(lines(figure)["a (not finite)"].get_xydata(), [[2, 1.5]])
    assert legend(figure) == ["total (not finite)", "a (not finite)", "b", "the last finite value"]
    assert "b (not finite)" not in lines(figure)


def test_validation_that_is_not_finite_is_told():
    history = single(a=[4.0, 2.0, 1.0]).record_validation(0, numbers(a=1.0)).record_validation(10, numbers(a=np.nan))
    figure = drawn(plot_loss_history(history))
    np.testing.assert_array_equal(lines(figure)["a (validation)"].get_xdata(), [0])
    assert legend(figure) == ["total (not finite)", "a (not finite)", "validation"]


def test_a_weight_that_is_not_finite_in_a_plot_of_a_schedule():
    loss = ld.compile("position + alpha*warmup(1, 4)*velocity", parameters={"alpha": 1.0})
    loss = eqx.tree_at(lambda loss: loss.parameters["alpha"], loss, jnp.nan)
    assert legend(drawn(ld.plot_schedule(loss, 5))) == ["position", "velocity (not finite)"]


@pytest.mark.parametrize("given", [{"a": 1.0}, None])
def test_a_plot_of_something_else(given):
    with pytest.raises(LossError, match=r"`history` cannot be (a dict|None)\ngive a `LossHistory`"):
        plot_loss_history(given)


def test_validation_is_circles_in_the_colour_of_the_term():
    history = single(a=[4.0, 2.0, 1.0], b=[8.0, 6.0, 4.0])
    figure = plot_loss_history(history)
    assert not any("validation" in label for label in [*lines(figure), *legend(figure)])
    history = history.record_validation(20, numbers(a=3.0, b=5.0))
    found = lines(drawn(plot_loss_history(history)))
    assert list(found) == ["total", "total (validation)", "a", "a (validation)", "b", "b (validation)"]
    marks = found["b (validation)"]
    np.testing.assert_array_equal(marks.get_xydata(), [[20, 2.5]])
    assert marks.get_color() == found["b"].get_color() != found["a"].get_color()
    assert (marks.get_marker(), marks.get_linestyle()) == ("o", "None")
    np.testing.assert_array_equal(lines(plot_loss_history(history, weighted=False))["b (validation)"].get_ydata(), [5])
    assert list(lines(plot_loss_history(history, validation=False))) == ["total", "a", "b"]


@pytest.mark.parametrize(
    ("raw", "scale", "shown"),
    [
        ({"a": [4.0, 2.0, 1.0], "b": [0.0, 0.0, 0.0]}, "log", ["total", "a", "b (0)"]),
        ({"a": [4.0, 2.0, 1.0], "b": [0.0, 1.0, 0.0]}, "log", ["total", "a", "b"]),
        ({"a": [4.0, 2.0, 1.0], "b": [1.0, 0.0, -1.0]}, "symlog", ["total", "a", "b"]),
        ({"a": [-4.0, -2.0, -1.0]}, "symlog", ["total", "a"]),
        ({"a": [0.0, 0.0, 0.0]}, "linear", ["total", "a"]),
        ({"a": [np.nan, np.nan, np.nan]}, "linear", ["total (not finite)", "a (not finite)"]),
        ({"a": [np.nan, np.nan, 1.0]}, "log", ["total (not finite)", "a (not finite)"]),
        (
            {"a": [1.0, np.inf, np.nan]},
            "log",
            ["total (not finite)", "a (not finite)", "the last finite value"],
        ),
        ({"a": [1.0, np.inf, -np.inf]}, "log", ["total (not finite)", "a (not finite)", "the last finite value"]),
        ({"a": [3e38, 3e38, 1e-30]}, "log", ["total", "a"]),
        ({"$a$ $": [1.0, 1.0, 1.0], "_b": [1.0, 1.0, 1.0]}, "log", ["total", r"\$a\$ \$", "_b"]),
        ({}, "linear", ["total"]),
    ],
)
def test_values_that_a_logarithm_does_not_have(raw, scale, shown):
    history = single(**raw) if raw else LossHistory.start([], 3)
    figure = drawn(plot_loss_history(history))
    assert figure.axes[0].get_yscale() == scale
    assert legend(figure) == shown
    for label, values in raw.items():
        line = lines(figure)[label]
        known = np.isfinite(values)
        half = np.where(known, np.float32(0.5) * np.asarray(values, np.float32), np.nan)
        np.testing.assert_array_equal(line.get_ydata(), half)
        np.testing.assert_array_equal(line.get_xdata(), np.arange(0, 30, 10))
        assert line.get_marker() == ("." if sum(known) == 1 else "None")


def test_a_zero_does_not_stretch_the_axis():
    plain = plot_loss_history(single(a=[4.0, 2.0, 1.0])).axes[0]
    zeros = plot_loss_history(single(a=[4.0, 2.0, 1.0], b=[0.0, 0.0, 0.0])).axes[0]
    assert plain.get_ylim() == zeros.get_ylim()


def test_many_terms_are_told_apart_and_have_room():
    labels = [f"a term with a rather long name {i}" for i in range(50)]
    figure = plot_loss_history(single(**{label: [3.0, 2.0, 1.0] for label in labels}))
    figure.draw_without_rendering()
    looks = {(line.get_color(), str(line._dash_pattern)) for line in figure.axes[0].lines}
    assert len(looks) == 51
    axes, box = figure.axes[0].get_window_extent(), figure.axes[0].get_legend().get_window_extent()
    assert axes.x1 <= box.x0 and box.x1 <= figure.bbox.x1 and box.y0 >= 0
    assert axes.width > 3 * figure.dpi


def test_a_plot_on_given_axes_changes_nothing_else():
    import matplotlib as mpl
    from matplotlib.figure import Figure

    before = dict(mpl.rcParams)
    outer = Figure(figsize=(5, 4), layout="constrained")
    ax = outer.subfigures(1, 2)[0].subplots()
    assert plot_loss_history(single(a=[4.0, 2.0, 1.0]), ax=ax) is outer
    assert [line.get_label() for line in ax.lines] == ["total", "a"]
    assert tuple(outer.get_size_inches()) == (5, 4)
    assert dict(mpl.rcParams) == before
    assert "matplotlib.pyplot" not in sys.modules or not sys.modules["matplotlib.pyplot"].get_fignums()


def test_members_with_different_steps():
    history = single(a=[4.0, 2.0, 1.0])
    pair = jax.tree.map(lambda one, other: jnp.stack([one, other]), history, history)
    assert len(plot_loss_history(pair).axes[0].lines) == 2
    pair = eqx.tree_at(lambda pair: pair.steps, pair, jnp.array([[0, 1, 2], [0, 1, 3]]))
    with pytest.raises(LossDataError, match="the steps of a history cannot be other ones for each member"):
        plot_loss_history(pair)


def test_without_matplotlib(monkeypatch):
    for name in ("matplotlib", "matplotlib.figure", "matplotlib.ticker"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(LossError) as caught:
        plot_loss_history(single(a=[4.0, 2.0, 1.0]))
    assert str(caught.value) == "a plot needs Matplotlib, which is not installed\nrun `pip install 'lossdsl[plot]'`"
