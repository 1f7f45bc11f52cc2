"""What a vocabulary says of time: its rows, what they do to windows, and how they go through configs."""

import pickle

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from omegaconf import OmegaConf

import lossdsl as ld
from tests.meaning.test_windows import BY_LENGTH, BY_MASK, STEPS, TIME, TRIALS, VOCABULARY, data, drawn

pytestmark = pytest.mark.usefixtures("strict")

WINDOWS = [
    "effort@hold",
    "error@late",
    "sum(p@cue-0.1s..end)",
    "q@0.2s..0.5s",
    "p[-1]",
    "spread(z) = std(z@early); spread(p)",
]


def value(loss, arrays, **roots):
    states, trial_specs = data(arrays)
    return np.asarray(loss.per_trial(states | roots.get("states", {}), trial_specs).total)


@pytest.mark.parametrize("vocabulary", [VOCABULARY, BY_LENGTH, BY_MASK], ids=["whole", "length", "valid"])
@pytest.mark.parametrize("loss", WINDOWS)
def test_configs_and_files_hold_what_windows_need(loss, vocabulary, tmp_path):
    found = ld.compile(loss, vocabulary)
    config = found.to_config()
    again = [ld.compile(**config), ld.compile(**OmegaConf.to_container(OmegaConf.create(config)))]
    for suffix in ("yaml", "toml", "json"):
        ld.save(found, tmp_path / f"loss.{suffix}")
        again.append(ld.load(tmp_path / f"loss.{suffix}"))
    again.append(pickle.loads(pickle.dumps(found)))
    assert {each.digest for each in again} == {found.digest}
    np.testing.assert_array_equal(value(again[0], drawn()), value(found, drawn()))


def test_a_config_has_the_rows_that_are_used_alone():
    assert ld.compile("effort@late", VOCABULARY).to_config() == {
        "vocabulary": "none",
        "quantities": {"p": {"path": "states.p", "axes": "batch time"}},
        "terms": {"effort": "square(p)"},
        "epochs": {"late": "go+0.2s..end"},
        "events": {"go": {"path": "trial_specs.go", "axes": "batch"}},
        "dt": 0.1,
        "loss": "effort@late",
    }
    assert "epochs" not in ld.compile("position@hold").to_config()


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"dt": 0.2}, False),
        ({"dt": "0.10"}, True),
        ({"events": {"go": ld.Quantity("trial_specs.hold", "batch")}}, False),
        ({"epochs": {"late": ("go+200ms", "end")}}, True),
        ({"epochs": {"late": "go+0.3s..end"}}, False),
        ({"length": "n"}, False),
        ({"valid": "valid_mask"}, False),
        ({"trials_begin": 0}, False),
        ({"epochs": {"other": "hold_mask"}}, True),
    ],
)
def test_what_changes_the_value_changes_the_digest(change, same):
    digests = [ld.compile("q@late", v).digest for v in (VOCABULARY, VOCABULARY.extend(**change))]
    assert (digests[0] == digests[1]) is same


def test_rows_are_added_and_replaced():
    longer = VOCABULARY.extend(epochs={"first": "..go"}, dt=0.5, length="n")
    assert {*longer.epochs} == {*VOCABULARY.epochs, "first"} and longer.events == VOCABULARY.events
    assert (longer.dt, longer.length) == (0.5, "n")
    assert (VOCABULARY | ld.Vocabulary(dt=2)).dt == 2 and (VOCABULARY | ld.Vocabulary()).dt == VOCABULARY.dt
    assert BY_MASK.extend(length="n").valid is None
    assert pickle.loads(pickle.dumps(longer)).time_rows == longer.time_rows
    with pytest.raises(ld.LossNameError, match="`hold` a meaning: it has one already"):
        ld.compile("effort@hold", VOCABULARY, epochs={"hold": "move_mask"})
    with pytest.raises(TypeError, match="no 'when'"):
        VOCABULARY.extend(when=3)


def test_arguments_of_compile_are_rows():
    loss = ld.compile("sum(x@0.1s..0.3s)", "none", quantities={"x": "batch time"}, dt=0.1)
    assert loss({"x": jnp.arange(6.0)[None]}).total == 3
    with pytest.raises(ld.LossValueError, match="given with a loss that is compiled"):
        ld.compile(loss, dt=0.2)


def test_a_step_may_be_a_parameter():
    """Rounded to the nearest step, as a number is."""
    arrays = drawn()
    named = VOCABULARY.extend(parameters={"step_size": 0.1}, dt="step_size")
    for loss in ("p@0.2s..0.5s", "effort@cue+0.1s..end", "q@last 0.3s", "p@0.24s..0.46s"):
        numbers, parameter = (ld.compile(loss, vocabulary) for vocabulary in (VOCABULARY, named))
        np.testing.assert_allclose(value(parameter, arrays), value(numbers, arrays), rtol=1e-6)
        coarse = ld.compile(loss, VOCABULARY.extend(dt=0.15))
        np.testing.assert_allclose(
            value(parameter.with_parameters(step_size=0.15), arrays), value(coarse, arrays), rtol=1e-6
        )


def test_trials_may_begin_with_the_states():
    both = ld.Vocabulary({"x": "batch time", "goal": ("trial_specs.goal", "batch time")}, dt=0.1, trials_begin=0)
    loss = ld.compile("square(x - goal)@0.2s..0.4s", both)
    x, goal = jnp.arange(12.0).reshape(2, 6), jnp.ones((2, 6))
    assert loss({"x": x}, {"goal": goal}).total == np.mean(np.sum((x[:, 2:4] - 1) ** 2, 1))


def test_a_length_counts_along_its_own_data():
    rows = {
        "x": "batch time",
        "goal": ("trial_specs.goal", "batch time"),
        "n": "batch",
        "m": ("trial_specs.m", "batch"),
    }
    x, goal = jnp.arange(12.0).reshape(2, 6), jnp.ones((2, 5))
    states, trial_specs = {"x": x, "n": jnp.array([6, 3])}, {"goal": goal, "m": jnp.array([5, 2])}
    for length in ("n", "m"):
        loss = ld.compile("sum(x) + sum(goal) + final(x)", ld.Vocabulary(rows, length=length))
        values = loss.per_trial(states, trial_specs)
        assert [*map(list, values.values())] == [[15, 6 + 7 + 8], [5, 2], [5, 8]]


@pytest.mark.parametrize("rows", [{"epochs": {"hold": "h"}}, {"valid": "h"}])
def test_a_mask_is_zero_or_not(rows):
    rng = np.random.default_rng(0)
    x, h = rng.normal(size=(3, 5)), (rng.random((3, 5)) > 0.4)
    x_of = "x@hold" if "epochs" in rows else "x"
    forms = ("{}", "mean({})", "var({})", "norm({}, axis=time)", "cumsum({})", "diff({})", "final({})")
    texts = {f"t{i}": form.format(x_of) for i, form in enumerate(forms)}
    loss = ld.compile(texts, ld.Vocabulary({"x": "batch time", "h": "batch time"}, **rows))
    expected = loss({"x": x, "h": h})
    for mask in (h.astype(float), h * rng.choice([2, -1, 0.5], h.shape), np.where(h, np.nan, 0)):
        np.testing.assert_array_equal([*loss({"x": x, "h": mask}).values()], [*expected.values()])


def test_what_says_where_trials_end_does_not_end_there_itself():
    """A name in such a row is of whole trials; the same name in a loss ends with them."""
    x = jnp.arange(12.0).reshape(3, 4)
    terms = {"top": "max(x)", "inside": "less(x, expand(0.7*top, axis=time))"}
    by_mask = ld.compile("x + top", ld.Vocabulary({"x": "batch time"}, terms, valid="inside"))
    assert [*map(list, by_mask.per_trial({"x": x}).values())] == [[0 + 1 + 2, 4, 0], [2, 4, 0]]
    by_number = ld.compile("top", ld.Vocabulary({"x": "batch time"}, terms, length="1 + 0*top"))
    assert [*by_number.per_trial({"x": x})["top"]] == [0, 4, 8]
    for loss in (by_mask, by_number):
        assert ld.compile(**loss.to_config()).digest == loss.digest
    growing = {"v0": "less(x, 1)"} | {f"v{i}": "*".join([f"v{i - 1}"] * 8) for i in range(1, 5)}
    with pytest.raises(ld.LossValueError, match=r"the row `valid` is .* steps of computation"):
        ld.compile("x", ld.Vocabulary({"x": "batch time"}, growing, valid="v4"))


def test_an_empty_window_is_zero_and_has_no_gradient():
    arrays = drawn()
    arrays["go"] = np.array([3, 99, -99, np.nan, STEPS, 3.0])
    states, trial_specs = data(arrays)
    for text in (
        "sum({})",
        "mean({})",
        "max({})",
        "final({})",
        "std({})",
        "norm({}, axis=time)",
        "discount({}, exponent=2)",
    ):
        loss = ld.compile(text.format("p@go..end"), VOCABULARY)

        def per_trial(p, loss=loss):
            return loss.per_trial({**states, "p": p}, trial_specs).total

        values, gradients = per_trial(states["p"]), jax.grad(lambda p: per_trial(p).sum())(states["p"])
        assert np.isfinite(values).all() and np.isfinite(gradients).all()
        for trial in (1, 3, 4):
            assert values[trial] == 0 and not gradients[trial].any()
        assert values[0] != 0 and values.shape == (TRIALS,)


def test_what_is_outside_is_not_seen():
    """It may be NaN: in no value and no gradient."""
    arrays = drawn()
    loss = ld.compile("sum(sqrt(effort@0.2s..0.5s)) + error@0.2s..0.5s + final(norm(diff(x)@0.4s..0.5s))", VOCABULARY)
    states, trial_specs = data(arrays)
    moving = {name: states[name] for name in ("p", "x")}
    spoiled = {name: leaf.at[:, :2].set(jnp.nan).at[:, 5:].set(jnp.inf) for name, leaf in moving.items()}
    total = jax.value_and_grad(lambda moving: loss({**states, **moving}, trial_specs).total)
    (found, gradient), (seen, _) = total(spoiled), total(moving)
    np.testing.assert_allclose(found, seen, rtol=1e-6)
    assert all(np.isfinite(leaf).all() for leaf in gradient.values())


def test_ensembles_and_batches_of_one():
    arrays = drawn()
    loss = ld.compile("mean(effort@cue..end) + error@late", BY_LENGTH)
    states, trial_specs = data(arrays)
    stacked = jax.tree.map(
        lambda leaf: jnp.stack([leaf, 2 * leaf if leaf.ndim > 1 and leaf.dtype != bool else leaf]),
        (states, trial_specs),
    )
    both = jax.vmap(lambda s, t: loss(s, t).total)(*stacked)
    np.testing.assert_allclose(both[0], loss(states, trial_specs).total, rtol=1e-6)

    def one(trial):
        def cut(leaf):
            at = leaf.shape.index(TRIALS)
            return jax.lax.slice_in_dim(leaf, trial, trial + 1, axis=at)

        return jax.tree.map(cut, (states, trial_specs))

    alone = [loss(*one(trial)).total for trial in range(TRIALS)]
    np.testing.assert_allclose(np.mean(alone), both[0], rtol=1e-5)


def test_a_window_over_trials_counts_those_that_are_in_it():
    """And a step counts where any trial is."""
    with jax.enable_x64(True):
        arrays = drawn()
        found = ld.compile("std(p@move, axis=batch) + mean(sum(p@move, axis=batch))", VOCABULARY)
        values = found(*data(arrays))
    p, move = arrays["p"], arrays["move"].astype(bool)
    steps = [step for step in range(p.shape[1]) if move[:, step].any()]
    np.testing.assert_allclose(values["std(p@move, axis=batch)"], sum(p[move[:, s], s].std() for s in steps))
    np.testing.assert_allclose(
        values["mean(sum(p@move, axis=batch))"], np.mean([p[move[:, s], s].sum() for s in steps])
    )


@pytest.mark.parametrize("dtype", [np.float16, jnp.bfloat16])
def test_sixteen_bits(dtype):
    def narrow(array):
        return array.astype(dtype) if array.dtype.kind == "f" else array

    loss = ld.compile("mean(effort@cue..end) + q@late", BY_LENGTH)
    assert np.isfinite(value(loss, {name: narrow(np.asarray(array)) for name, array in drawn().items()})).all()


def test_time_is_said_by_a_table():
    assert TIME["dt"] == 0.1
    assert VOCABULARY.extend(trials_begin=0).shown == [
        ["@hold", "epoch", "hold_mask"],
        ["@move", "epoch", "move_mask"],
        ["@late", "epoch", "go+0.2s..end"],
        ["@early", "epoch", "0.1s..go"],
        ["go", "event", "trial_specs.go"],
        ["cue", "event", "cue_step"],
        ["dt", "", "0.1"],
        ["trials_begin", "", "0"],
    ]
