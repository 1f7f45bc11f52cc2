"""Per-term gradients and their report: against gradients taken one by one, and by hand; one compiled call."""

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld
from lossdsl.loss.gradients import TermGradients

PLANE = ld.Vocabulary(
    quantities={
        "pos": ld.Quantity("states.pos", "batch time xy", doc="where it is"),
        "goal": ld.Quantity("trial_specs.goal", "batch time xy", doc="where it should be"),
        "model": ld.Quantity("model", "pytree", doc="the model itself"),
    }
)
LOSS = ld.compile(
    "2*sqnorm(pos - goal) as reach + alpha*sqnorm(pos) as effort - 0.5*dot(final(pos), final(goal)) as push"
    " + 0*sqnorm(model) as decay",
    PLANE,
    parameters={"alpha": 0.1},
)


class Linear(eqx.Module):
    """A model with arrays of two floats, a count and things that are no arrays."""

    weight: jax.Array
    bias: jax.Array
    count: jax.Array
    act: object = jnp.tanh
    name: str = "linear"


@pytest.fixture
def model():
    return Linear(jnp.array([[0.5, -1.0], [0.25, 2.0]]), jnp.array([0.1, -0.2]), jnp.arange(3))


@pytest.fixture
def trials():
    keys = jax.random.split(jax.random.key(0))
    return {name: jax.random.normal(key, (3, 5, 2)) for name, key in zip(("start", "goal"), keys, strict=True)}


def rollout(model, trials):
    return {"pos": model.act(trials["start"] @ model.weight + model.bias[None, None])}


def one_by_one(loss, model, trials, weighted=False):
    """The gradients of the terms as rows of NumPy, each from a backward pass of its own, in float64."""

    def value(model, label):
        values = loss(rollout(model, trials), trials, model)
        return (values if weighted else values.raw)[label]

    rows = []
    for label in loss.labels:
        grads = eqx.filter_grad(value)(model, label)
        rows.append(np.concatenate([np.ravel(leaf) for leaf in jax.tree.leaves(grads)]).astype(float))
    return np.array(rows)


def cosine(a, b):
    return a @ b / np.linalg.norm(a) / np.linalg.norm(b)


def test_gradients_are_those_of_each_term_alone(precision, trials):
    # Made here, for the fixtures know nothing of the precision.
    model = Linear(jnp.array([[0.5, -1.0], [0.25, 2.0]]), jnp.array([0.1, -0.2]), jnp.arange(3))
    trials = jax.tree.map(lambda leaf: leaf.astype(float), trials)
    values, gradients = ld.term_gradients(lambda model: LOSS(rollout(model, trials), trials, model), model)
    rtol = 1e-12 if precision == np.float64 else 1e-5
    np.testing.assert_allclose(gradients.rows(), one_by_one(LOSS, model, trials), rtol=rtol, atol=rtol)
    assert gradients.rows().dtype == precision
    np.testing.assert_allclose(values.total, LOSS(rollout(model, trials), trials, model).total, rtol=1e-6)
    assert list(gradients) == list(LOSS.labels)
    assert len(gradients) == 4


def test_the_gradient_of_one_term_and_the_total_are_as_equinox_has_them(model, trials):
    def objective(model):
        return LOSS(rollout(model, trials), trials, model)

    values, gradients = ld.term_gradients(objective, model)
    for mine, label in [(gradients["push"], "push"), (gradients.total(values.weights), None)]:

        def value(model, label=label):
            return objective(model).raw[label] if label else objective(model).total

        theirs = eqx.filter_grad(value)(model)
        assert jax.tree.structure(mine) == jax.tree.structure(theirs)
        assert mine.name is mine.count is None
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=2e-5), mine, theirs)


def test_report_against_numpy(model, trials):
    report = LOSS.gradient_report(rollout, model, trials)
    raw = one_by_one(LOSS, model, trials)
    weights = np.array([2, 0.1, -0.5, 0])
    assert report.labels == LOSS.labels == ("reach", "effort", "push", "decay")
    np.testing.assert_allclose(list(report.norms.values()), np.linalg.norm(raw, axis=1), rtol=1e-5)
    weighted = weights[:, None] * raw
    np.testing.assert_allclose(list(report.weighted_norms.values()), np.linalg.norm(weighted, axis=1), rtol=1e-5)
    total = weighted.sum(0)
    np.testing.assert_allclose(report.total_norm, np.linalg.norm(total), rtol=1e-5)
    # A negative weight turns the direction, one of 0 leaves it as it is.
    pulls = np.array([1, 1, -1, 1])[:, None] * raw
    for i, a in enumerate(report.labels):
        np.testing.assert_allclose(report.total_cosines[a], cosine(pulls[i], total), atol=1e-6)
        for j, b in enumerate(report.labels):
            np.testing.assert_allclose(report.cosines[a, b], cosine(pulls[i], pulls[j]), atol=1e-6)
    assert list(report.norms) == list(report.total_cosines) == list(LOSS.labels)


def test_one_trace_for_all_values(model, trials):
    traces = []

    def counted(model, trials):
        traces.append(1)
        return rollout(model, trials)

    loss = LOSS + ld.compile("step*sqnorm(pos[1:]) as late", PLANE)
    reports = [
        loss.gradient_report(counted, model, trials, step=1),
        loss.with_weights(reach=3).gradient_report(counted, model, trials, step=2),
        loss.with_parameters(alpha=5).gradient_report(counted, model, trials, jnp.asarray(3)),
        loss.gradient_report(
            counted, eqx.tree_at(lambda m: m.bias, model, jnp.ones(2)), {**trials, "goal": 2 * trials["goal"]}, step=4
        ),
    ]
    assert len(traces) == 1
    late = [float(report.weighted_norms["late"] / report.norms["late"]) for report in reports]
    np.testing.assert_allclose(late, [1, 2, 3, 4], rtol=1e-6)
    np.testing.assert_allclose(reports[1].weighted_norms["reach"], 3 * reports[0].norms["reach"], rtol=1e-6)
    np.testing.assert_allclose(reports[2].weighted_norms["effort"], 5 * reports[0].norms["effort"], rtol=1e-6)


def test_a_report_goes_through_jit_scan_and_vmap(model, trials):
    expected = LOSS.gradient_report(rollout, model, trials)

    @eqx.filter_jit
    def inside(loss, model):
        report = loss.gradient_report(rollout, model, trials)
        assert "reach" in repr(report)
        return report, report.cosines["reach", "push"]

    report, pair = inside(LOSS, model)
    assert str(report) == str(expected)
    np.testing.assert_allclose(pair, expected.cosines["reach", "push"], rtol=1e-5)

    def body(loss, weight):
        report = loss.gradient_report(rollout, model, trials)
        return loss.with_weights(reach=weight), report

    _, stacked = jax.lax.scan(body, LOSS, jnp.array([4.0, 8.0]))
    np.testing.assert_allclose(stacked.weighted_norms["reach"], expected.norms["reach"] * [2, 4], rtol=1e-5)
    mapped = jax.vmap(lambda w: LOSS.with_weights(reach=w).gradient_report(rollout, model, trials))(jnp.arange(1.0, 4))
    np.testing.assert_allclose(mapped.weighted_norms["reach"], expected.norms["reach"] * np.arange(1, 4), rtol=1e-5)
    assert mapped.cosines["reach", "push"].shape == (3,)
    assert repr(mapped) == "<gradients of `reach`, `effort`, `push`, `decay`, the shape (3,)>"


def by_hand(weights, *rows):
    labels = tuple("abcdefghijklmnopqrstuvwxyz"[: len(rows)])
    gradients = TermGradients({"x": jnp.array(rows)}, labels)
    return gradients.report(dict(zip(labels, weights, strict=True)))


def test_report_by_hand_as_a_table():
    # (3, 4) has the norm 5, (-6, 8) has 10; their product is -18 + 32 = 14, the cosine 14/50 = 0.28.
    # The total is (3, 4) + 0.5*(-6, 8) = (0, 8); its cosines are 4/5 and 8/10. The third has no direction.
    report = by_hand([1, 0.5, 2], [3.0, 4.0], [-6.0, 8.0], [0.0, 0.0])
    assert (
        str(report)
        == repr(report)
        == (
            "   term   norm  weighted  to total     1     2    3\n"
            "1  a         5         5      0.80  1.00  0.28  nan\n"
            "2  b        10         5      0.80  0.28  1.00  nan\n"
            "3  c         0         0       nan   nan   nan  nan\n"
            "   total               8      1.00"
        )
    )
    assert np.isnan(report.cosines["a", "c"])
    assert np.isnan(report.total_cosines["c"])


def test_a_table_of_many_terms_leaves_the_cosines_out():
    report = by_hand([1] * 13, *np.eye(13).tolist())
    assert str(report).splitlines()[0] == "    term   norm  weighted  to total"
    assert float(report.cosines["a", "m"]) == 0


def test_a_conflict_of_almost_opposite_terms_is_not_lost_in_rounding():
    # The total is (0, 1e-4), ten thousand times smaller than its terms; the squares of their norms differ by less
    # than float32 resolves.
    report = by_hand([1, 1], [1.0, 1e-4], [-1.0, 0.0])
    np.testing.assert_allclose(report.total_norm, 1e-4, rtol=1e-5)
    np.testing.assert_allclose(report.cosines["a", "b"], -1, rtol=1e-6)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_squares_out_of_range(scale):
    report = by_hand([1, 1], [3 * scale, 4 * scale], [-6 * scale, 8 * scale])
    np.testing.assert_allclose(list(report.norms.values()), [5 * scale, 10 * scale], rtol=1e-6)
    np.testing.assert_allclose(report.cosines["a", "b"], 0.28, rtol=1e-5)


def test_a_nan_gradient_stays_with_its_term():
    report = by_hand([1, 0, 1], [3.0, 4.0], [np.nan, 1.0], [-6.0, 8.0])
    assert np.isnan(report.norms["b"])
    assert np.isnan(report.total_norm)  # as in training: 0*nan is nan
    np.testing.assert_allclose(report.cosines["a", "c"], 0.28, rtol=1e-6)


def test_parameters_of_other_types():
    # A complex parameter is two real ones; the gradients of bfloat16 are summed in float32.
    gradients = TermGradients(
        {"z": jnp.array([[3 + 4j], [0 + 1j]]), "h": jnp.full((2, 1024), 0.1, jnp.bfloat16)}, ("a", "b")
    )
    tenth = float(jnp.bfloat16(0.1))
    report = gradients.report({"a": 1.0, "b": 2.0})
    np.testing.assert_allclose(report.norms["a"], np.sqrt(25 + 1024 * tenth**2), rtol=1e-6)
    np.testing.assert_allclose(
        report.cosines["a", "b"],
        (4 + 1024 * tenth**2) / np.sqrt((25 + 1024 * tenth**2) * (1 + 1024 * tenth**2)),
        rtol=1e-5,
    )
    total = gradients.total({"a": 1.0, "b": 2.0})
    assert total["h"].dtype == jnp.bfloat16
    np.testing.assert_allclose(total["z"], [3 + 6j])


def test_a_model_of_16_bit_floats():
    tenth = float(jnp.bfloat16(0.1))
    gradients = TermGradients(jnp.full((1, 1000), 0.1, jnp.bfloat16), ("a",))
    assert gradients.rows().dtype == jnp.float32
    report = gradients.report({"a": 1e-5})
    np.testing.assert_allclose(report.norms["a"], tenth * np.sqrt(1000), rtol=1e-6)
    np.testing.assert_allclose(report.total_norm, 1e-5 * tenth * np.sqrt(1000), rtol=1e-5)


def test_no_cosine_leaves_its_range():
    rows = np.random.default_rng(0).normal(size=(50, 7)).astype("float32")
    labels = tuple(map(str, range(50)))
    cosines = TermGradients(jnp.array(rows), labels).report(dict.fromkeys(labels, 1.0)).cosines
    assert max(cosines.values()) == 1
    np.testing.assert_allclose([cosines[label, label] for label in labels], 1, rtol=1e-6)


def test_gradients_of_a_part_of_the_model(model, trials):
    _, gradients = ld.term_gradients(lambda model: LOSS(rollout(model, trials), trials, model), model)
    part = TermGradients(gradients.stacked.bias, gradients.labels)
    np.testing.assert_array_equal(part.rows(), gradients.stacked.bias)


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (
            lambda model, trials: LOSS.gradient_report("rollout", model, trials),
            "`rollout` cannot be a str\ngive a function of the model and the trials that returns the states",
        ),
        (
            lambda model, trials: LOSS.gradient_report(rollout, {"n": 3}, trials),
            "`model` cannot be a dict\ngive one that has arrays of floats",
        ),
        (
            lambda model, trials: LOSS.gradient_report(lambda model, trials: {}, model, trials),
            "`states.pos` is not there: `states` has no `pos`, in the term `reach`\nthere are no arrays in `states`",
        ),
        (
            lambda model, trials: ld.compile("step*sqnorm(pos)", PLANE).gradient_report(rollout, model, trials),
            "the loss needs the training iteration `step`\n"
            "call it as `loss(states, trial_specs, step=i)`; `lossdsl eval` has `--step`",
        ),
        (
            lambda model, trials: ld.term_gradients(lambda model: model.bias.sum(), model),
            "a number is not a `LossDict`\n"
            "give what the loss returns; `LossHistory.start` takes labels too, as `loss.labels`",
        ),
        (
            lambda model, trials: TermGradients(jnp.eye(2), ("a", "b")).total({"a": 1.0}),
            "there is no weight for the term `b`\ngive one for every term, or leave `weights` out",
        ),
        (
            lambda model, trials: TermGradients(jnp.eye(2), ("reach", "effort"))["reech"],
            "the loss has no term `reech`\ndid you mean `reach`?",
        ),
    ],
)
def test_mistakes(model, trials, call, expected):
    with pytest.raises(ld.LossError) as caught:
        call(model, trials)
    assert str(caught.value) == expected


def test_no_frames_of_the_compiled_call_in_the_traceback(model, trials):
    with pytest.raises(ld.LossError) as caught:
        LOSS.gradient_report(lambda model, trials: {}, model, trials)
    paths = [str(entry.path) for entry in caught.traceback]
    assert not [path for path in paths if "jax" in path or "_jit" in path]
