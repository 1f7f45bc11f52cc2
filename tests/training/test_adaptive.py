"""Adaptive weights: each method against its paper's formula by hand, on a toy problem, and in `scan`."""

import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import lossdsl as ld
from lossdsl import adaptive
from lossdsl.loss.gradients import TermGradients

pytestmark = pytest.mark.slow


def losses(weights=None, /, **raw):
    """The losses of terms; weights of 1 if none are given."""
    raw = {label: jnp.asarray(value, float) for label, value in raw.items()}
    return ld.LossDict(raw, weights or dict.fromkeys(raw, 1.0))


def gradients(**rows):
    return TermGradients({"x": jnp.array(list(rows.values()), float)}, tuple(rows))


def run(method, *steps, gradients=None):
    """The weights after each step, from the state at the first losses."""
    state, found = method.init(steps[0]), []
    for values in steps[1:]:
        weights, state = method.update(values, state, gradients)
        found.append(list(weights.values()))
    return found


def settle(method, first, now, steps, gradients=None):
    """The weights after many steps of the same losses."""

    def body(state, _):
        weights, state = method.update(now, state, gradients)
        return state, jnp.stack(list(weights.values()))

    return jax.lax.scan(body, method.init(first), length=steps)[1][-1]


# By hand.


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        # s = (2-2, 1-2, 5-4) = (0, -1, 1); beta = ln 2, so e^(beta s) = 2^s = (1, 1/2, 2), the sum 7/2.
        ({"beta": np.log(2)}, [2 / 7, 1 / 7, 4 / 7]),
        # sum |s| = 2, s = (0, -1/2, 1/2); beta = 2 ln 2, so 4^s = (1, 1/2, 2) again.
        ({"beta": 2 * np.log(2), "normalized": True}, [2 / 7, 1 / 7, 4 / 7]),
        # (2*1, 1*1/2, 5*2) = (2, 1/2, 10), the sum 25/2.
        ({"beta": np.log(2), "loss_weighted": True}, [0.16, 0.04, 0.8]),
    ],
)
def test_soft_adapt_by_hand(precision, options, expected):
    method = adaptive.soft_adapt(**options)
    (first, second) = run(method, losses(a=2, b=2, c=4), losses(a=2, b=1, c=5), losses(a=2, b=1, c=5))
    np.testing.assert_allclose(first, expected, rtol=1e-6)
    # Nothing changed since: weights by the losses alone, (2, 1, 5)/8, or equal ones.
    unchanged = [0.25, 0.125, 0.625] if "loss_weighted" in options else [1 / 3] * 3
    np.testing.assert_allclose(second, unchanged, rtol=1e-6)
    assert first[0].dtype == precision


def test_relobralo_by_hand(precision):
    # T = 1/ln 2, so e^(ratio/T) = 2^ratio. L(0) = (1, 2), L(1) = (1, 4): the ratios to L(0) are (1, 2), 2^ratio is
    # (2, 4), the balance 2*(2, 4)/6 = (2/3, 4/3). L(2) = (2, 4): the ratios to L(1) are (2, 1), the balance (4/3, 2/3);
    # those to L(0) are (2, 2), the balance (1, 1).
    steps = losses(a=1, b=2), losses(a=1, b=4), losses(a=2, b=4)

    def method(rho):
        return adaptive.relobralo(jr.key(0), alpha=0.25, rho=rho, temperature=1 / np.log(2))

    # rho = 1: (1, 1)/4 + (2/3, 4/3)*3/4 = (3/4, 5/4), then (3/4, 5/4)/4 + (4/3, 2/3)*3/4 = (19/16, 13/16).
    np.testing.assert_allclose(run(method(1), *steps), [[0.75, 1.25], [1.1875, 0.8125]], rtol=1e-6)
    # rho = 0: (2/3, 4/3), then (1, 1)/4 + (4/3, 2/3)*3/4 = (5/4, 3/4).
    np.testing.assert_allclose(run(method(0), *steps), [[2 / 3, 4 / 3], [1.25, 0.75]], rtol=1e-6)


def test_relobralo_looks_back_as_often_as_rho_says():
    def first(key):
        # With alpha = 1 the weights are the old ones, 1, or those of the lookback, which differ.
        method = adaptive.relobralo(key, alpha=1.0, rho=0.75)
        weights, state = method.update(losses(a=1, b=2), method.init(losses(a=1, b=1)))
        again, _ = method.update(losses(a=2, b=1), state)
        return weights["a"] == 1, again["a"] == weights["a"]

    kept, kept_again = jax.vmap(first)(jr.split(jr.key(1), 4000))
    assert 0.72 < float(kept.mean()) < 0.78
    assert 0.72 < float(kept_again.mean()) < 0.78
    # The two draws are independent: 0.75**2.
    assert 0.53 < float((kept & kept_again).mean()) < 0.6


def test_learning_rate_annealing_by_hand(precision):
    # max |(3, -8)| = 8; mean |(1, 3)| = 2 and mean |(0, -1/2)| = 1/4, so the estimates are (4, 32).
    # 3/4 + 4/4 = 1.75 and 3/4 + 32/4 = 8.75; then 1.75*3/4 + 1 = 2.3125 and 8.75*3/4 + 8 = 14.5625.
    method, values = adaptive.learning_rate_annealing("lead", alpha=0.25), losses(a=1, lead=1, b=1)
    pulls = gradients(a=[1, 3], lead=[3, -8], b=[0, -0.5])
    found = run(method, values, values, values, gradients=pulls)
    np.testing.assert_allclose(found, [[1.75, 8.75], [2.3125, 14.5625]], rtol=1e-6)
    weights, _ = method.update(values, method.init(values), pulls)
    assert list(weights) == ["a", "b"]
    # With the weight 1/2 on the one that leads, the estimates are (2, 16).
    halved = losses({"a": 1.0, "lead": 0.5, "b": 1.0}, a=1, lead=1, b=1)
    np.testing.assert_allclose(run(method, halved, halved, gradients=pulls), [[1.25, 4.75]], rtol=1e-6)
    # A term without a gradient keeps its weight.
    still = gradients(a=[0, 0], lead=[3, -8], b=[0, -0.5])
    np.testing.assert_allclose(run(method, values, values, gradients=still), [[1, 8.75]], rtol=1e-6)


def test_grad_norm_by_hand(precision):
    # |grad| = (5, 1). L/L(0) = (1/2, 1), the mean 3/4, r = (2/3, 4/3), alpha = 1.
    # w = (1, 1): G = (5, 1), the mean 3, the targets (2, 4); the slope is (+5, -1).
    # w - slope/10 = (0.5, 1.1), the sum 1.6; scaled to the sum 2: (0.625, 1.375).
    # Then G = (3.125, 1.375), the mean 2.25, the targets (1.5, 3); the slope is (+5, -1) again.
    # w = (0.125, 1.475), the sum 1.6; scaled: (0.15625, 1.84375).
    method = adaptive.grad_norm(optax.sgd(0.1), alpha=1.0)
    now = losses(a=2, b=3)
    found = run(method, losses(a=4, b=3), now, now, gradients=gradients(a=[3, 4], b=[0, 1]))
    np.testing.assert_allclose(found, [[0.625, 1.375], [0.15625, 1.84375]], rtol=1e-6)
    # Targets to the power of 2: r^2 = (4/9, 16/9), the targets of w = (1, 1) are 3*r^2 = (4/3, 16/3); now with
    # |grad| = (1, 4): G = (1, 4), the mean 5/2, the targets (10/9, 40/9), both above: the slope is (-1, -4).
    # w = (1.1, 1.4), scaled by 2/2.5: (0.88, 1.12). With alpha = 1 the targets are (5/3, 10/3): (-1, +4), (1.1, 0.6).
    pulls = gradients(a=[1, 0], b=[0, 4])
    squared = run(adaptive.grad_norm(optax.sgd(0.1), alpha=2.0), losses(a=4, b=3), now, gradients=pulls)
    np.testing.assert_allclose(squared, [[0.88, 1.12]], rtol=1e-6)
    plain = run(method, losses(a=4, b=3), now, gradients=pulls)
    np.testing.assert_allclose(plain, [[1.1 * 2 / 1.7, 0.6 * 2 / 1.7]], rtol=1e-6)


def test_grad_norm_stops_at_zero_and_comes_back():
    method = adaptive.grad_norm(optax.sgd(1.0), alpha=0.0)
    now = losses(a=1, b=1)
    # The slopes (+5, -1) take w = (1, 1) to (-4, 2), that is (0, 2). Then G = (0, 2), the mean 1: the slopes (-5, +1)
    # take it to (5, 1), scaled (5/3, 1/3).
    found = run(method, now, now, now, gradients=gradients(a=[5, 0], b=[1, 0]))
    np.testing.assert_allclose(found, [[0, 2], [5 / 3, 1 / 3]], rtol=1e-6)


def test_uncertainty_by_hand(precision):
    # s = (0, 0), L = (5, 3): the slopes (1 - e^-s L)/2 are (-2, -1), so s = (0.2, 0.1) and w = e^-s/2.
    # Then (1 - 0.8187308*5)/2 = -1.5468269, s = 0.3546827; (1 - 0.9048374*3)/2 = -0.8572561, s = 0.1857256.
    method, values = adaptive.uncertainty(optax.sgd(0.1)), losses(a=5, b=3)
    expected = [np.exp([-0.2, -0.1]) / 2, np.exp([-0.3546827, -0.1857256]) / 2]
    np.testing.assert_allclose(run(method, values, values, values), expected, rtol=1e-6)


def test_uncertainty_goes_down_its_objective():
    # Equation 7: L/(2 sigma^2) + log sigma, in s = log sigma^2.
    values = losses(a=5, b=3)
    method = adaptive.uncertainty(optax.sgd(1.0))
    state = method.init(values)._replace(log_variances=jnp.array([0.3, -0.2]))

    def objective(s):
        sigma = jnp.exp(s / 2)
        return jnp.sum(jnp.array([5.0, 3.0]) / (2 * sigma**2) + jnp.log(sigma))

    weights, after = method.update(values, state)
    np.testing.assert_allclose(
        state.log_variances - after.log_variances, jax.grad(objective)(state.log_variances), rtol=1e-5
    )
    total = sum(weights[label] * values.raw[label] for label in values) + 0.5 * after.log_variances.sum()
    np.testing.assert_allclose(total, objective(after.log_variances), rtol=1e-6)


# What the papers claim, on two terms.


def test_soft_adapt_prefers_the_term_that_falls_slowest():
    slow_first = run(adaptive.soft_adapt(beta=5.0), *(losses(a=10 - 0.1 * t, b=10 - t) for t in range(4)))
    assert all(a > 0.9 and b < 0.1 for a, b in slow_first)
    best_first = run(adaptive.soft_adapt(beta=-5.0), *(losses(a=10 - 0.1 * t, b=10 - t) for t in range(4)))
    assert all(a < 0.1 and b > 0.9 for a, b in best_first)


def test_relobralo_does_not_see_scales_and_prefers_the_term_without_progress():
    def weights(scale):
        method = adaptive.relobralo(jr.key(3), alpha=0.9, rho=0.9, temperature=1.0)
        return np.array(run(method, *(losses(a=0.99**t, b=scale * 0.5**t) for t in range(30))))

    np.testing.assert_allclose(weights(1e-6), weights(1e6), rtol=1e-4)
    assert weights(1.0)[-1, 0] > 1.1
    np.testing.assert_allclose(weights(1.0).sum(1), 2, rtol=1e-5)


def test_learning_rate_annealing_makes_the_gradients_alike():
    lead, other = np.array([2.0, -4.0, 1.0]), np.array([1e-4, 3e-4, -2e-4])
    values = losses(lead=1, b=1)
    method = adaptive.learning_rate_annealing("lead", alpha=0.2)
    (weight,) = settle(method, values, values, 60, gradients(lead=lead, b=other))
    np.testing.assert_allclose(weight * np.abs(other).mean(), np.abs(lead).max(), rtol=1e-4)


def test_grad_norm_makes_the_norms_alike_or_favours_the_slow_term():
    now, pulls = losses(a=1, b=1), gradients(a=[3, 4], b=[0, 0.5])
    same = settle(adaptive.grad_norm(optax.sgd(1e-3), alpha=1.5), now, now, 3000, pulls)
    np.testing.assert_allclose(same[0] * 5, same[1] * 0.5, rtol=0.05)
    # The first has come down to a tenth, the second not at all.
    slow = adaptive.grad_norm(optax.sgd(1e-3), alpha=1.5)
    weights = settle(slow, losses(a=10, b=1), now, 3000, gradients(a=[1, 0], b=[1, 0]))
    assert weights[1] > 5 * weights[0]


def test_uncertainty_makes_every_weighted_term_one_half():
    values = losses(a=40, b=1e-3)
    weights = settle(adaptive.uncertainty(optax.adam(0.05)), values, values, 2000)
    np.testing.assert_allclose(weights * jnp.array([40, 1e-3]), 0.5, rtol=1e-3)


# In training.


PLANE = ld.Vocabulary(
    quantities={"pos": ld.Quantity("states.pos", "batch time xy", doc="where it is")},
    parameters={"alpha": 0.3},
)
TEXT = "1.0*sqnorm(pos - 3) as far + 1.0*sqnorm(final(pos)) as near + alpha*sqnorm(pos) as effort"
LOSS = ld.compile(TEXT, PLANE)
TERMS = ["near", "far"]
METHODS = {
    "soft_adapt": lambda: adaptive.soft_adapt(1.0, normalized=True, terms=TERMS),
    "relobralo": lambda: adaptive.relobralo(jr.key(0), 0.9, 0.5, 1.0, terms=TERMS),
    "learning_rate_annealing": lambda: adaptive.learning_rate_annealing("effort", terms=TERMS),
    "grad_norm": lambda: adaptive.grad_norm(optax.adam(0.025), terms=TERMS),
    "uncertainty": lambda: adaptive.uncertainty(optax.adam(0.025), terms=TERMS),
}


def rollout(model):
    return {"pos": jnp.tanh(jnp.outer(jnp.arange(1.0, 5), model["w"]))[None] + model["b"]}


def training_step(method, optimizer, carry):
    model, opt_state, state, loss = carry
    values, gradients = ld.term_gradients(lambda model: loss(rollout(model), None), model)
    updates, opt_state = optimizer.update(gradients.total(values.weights), opt_state)
    weights, state = method.update(values, state, gradients)
    return (optax.apply_updates(model, updates), opt_state, state, loss.with_weights(weights)), values


@pytest.mark.parametrize("name", METHODS)
def test_scan_is_a_python_loop(precision, name):
    method, optimizer = METHODS[name](), optax.sgd(1e-2)
    model = {"w": jnp.array([0.3, -0.2]), "b": jnp.full((1, 1, 1), 0.1)}
    # Traced, a loss has the rounding of the float type in which it was compiled.
    loss = ld.compile(TEXT, PLANE)
    first = (model, optimizer.init(model), method.init(loss(rollout(model), None)), loss)
    traces = []

    def body(carry, _):
        traces.append(1)
        return training_step(method, optimizer, carry)

    carry, seen = jax.jit(lambda carry: jax.lax.scan(body, carry, length=4))(first)
    looped, values = first, []
    for _ in range(4):
        looped, one = training_step(method, optimizer, looped)
        values.append(one)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *values)
    rtol = 1e-9 if precision == np.float64 else 1e-3
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol), seen, stacked)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=rtol), carry[3].weights, looped[3].weights)
    assert len(traces) == 1
    # They do adapt; the term whose weight is a parameter is left alone.
    assert np.ptp(seen.weights["near"]) > 1e-3
    np.testing.assert_allclose(seen.weights["effort"], 0.3, rtol=1e-6)
    assert seen.total.dtype == precision


@pytest.mark.parametrize("name", METHODS)
def test_no_gradient_goes_through_a_weight(name):
    method, model = METHODS[name](), {"w": jnp.array([0.3, -0.2]), "b": jnp.full((1, 1, 1), 0.1)}

    def objective(model, weights=None):
        values, gradients = ld.term_gradients(lambda model: LOSS(rollout(model), None), model)
        made, _ = method.update(values, state, gradients)
        return LOSS.with_weights(weights or made)(rollout(model), None).total, made

    state = method.init(LOSS(rollout({"w": jnp.array([0.5, -0.1]), "b": jnp.zeros((1, 1, 1))}), None))
    grads, weights = jax.grad(objective, has_aux=True)(model)
    constant, _ = jax.grad(objective, has_aux=True)(model, weights)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), grads, constant)


@pytest.mark.parametrize("name", METHODS)
def test_an_ensemble_is_mapped_over(name):
    method = METHODS[name]()
    pulls = gradients(far=[3, 4], near=[1, 0], effort=[0, 2])

    def first(scale):
        before, after = losses(far=scale, near=2, effort=3), losses(far=1, near=1, effort=1)
        return method.update(after, method.init(before), pulls)[0]

    mapped = jax.vmap(first)(jnp.array([1.0, 4.0, 9.0]))
    for i, scale in enumerate([1.0, 4.0, 9.0]):
        alone = first(scale)
        assert list(alone) == ["far", "near"]  # in the order of the losses, not of `terms`
        np.testing.assert_allclose([mapped[label][i] for label in alone], list(alone.values()), rtol=1e-5)


@pytest.mark.parametrize("name", METHODS)
def test_terms_that_are_zero_give_finite_weights(name):
    method, nothing = METHODS[name](), losses(far=0, near=0, effort=0)
    for values in (nothing, losses(far=1, near=0, effort=2)):
        still = gradients(far=[0, 0], near=[0, 0], effort=[0, 0])
        found = run(method, nothing, values, values, gradients=still)
        assert np.all(np.isfinite(found))


FINITE = (losses(far=3, near=2, effort=1), gradients(far=[3, 4], near=[1, 2], effort=[0, 2]))
BROKEN = {
    "a loss is NaN": (losses(far=np.nan, near=2, effort=1), FINITE[1]),
    "a loss is inf": (losses(far=3, near=np.inf, effort=1), FINITE[1]),
    "a gradient is NaN": (FINITE[0], gradients(far=[3, np.nan], near=[1, 2], effort=[0, 2])),
    "a gradient is inf": (FINITE[0], gradients(far=[3, 4], near=[-np.inf, 2], effort=[0, 2])),
}


@pytest.mark.parametrize("broken", BROKEN)
@pytest.mark.parametrize("name", METHODS)
def test_a_step_that_is_not_finite_changes_nothing(name, broken):
    method = METHODS[name]()
    first = method.init(losses(far=4, near=4, effort=4))
    weights, state = method.update(*_first(FINITE, first))
    values, pulls = BROKEN[broken]
    if "gradient" in broken and name in ("soft_adapt", "relobralo", "uncertainty"):
        return  # it does not look at gradients
    for at in (state, method.init(losses(far=4, near=4, effort=4))):
        kept, after = method.update(values, at, pulls)
        assert jax.tree.all(jax.tree.map(lambda one, other: bool(jnp.all(one == other)), after, at))
        if at is state:
            assert kept == weights
        assert np.all(np.isfinite(list(kept.values())))
        # And it goes on as if that step had not been.
        assert method.update(*_first(FINITE, after))[0] == method.update(*_first(FINITE, at))[0]


def _first(given, state):
    return given[0], state, given[1]


def test_a_gradient_whose_square_is_not_finite_changes_nothing():
    method = adaptive.uncertainty(optax.adam(0.1))
    state = method.init(losses(a=1))
    _, after = method.update(losses(a=3e30), state)
    assert jax.tree.all(jax.tree.map(lambda one, other: bool(jnp.all(one == other)), after, state))


def test_losses_that_are_all_zero_have_no_weight_by_loss():
    nothing = losses(a=0, b=0)
    assert run(adaptive.soft_adapt(loss_weighted=True), nothing, nothing) == [[0, 0]]


def test_labels_of_any_text_and_large_losses():
    values = ld.LossDict({"final(velocity)": jnp.float32(1e30), "b": jnp.float32(1e30)}, {"final(velocity)": 1, "b": 1})
    weights, _ = adaptive.soft_adapt(10.0).update(values, adaptive.soft_adapt().init(values))
    assert {label: float(weight) for label, weight in weights.items()} == {"final(velocity)": 0.5, "b": 0.5}


# Mistakes.

VALUES = losses(position=1, velocity=1)
EFFORT = losses(effort=1)
GRADIENTS = gradients(position=[1, 0], other=[1, 0])


@pytest.mark.parametrize(
    ("call", "code", "expected"),
    [
        (
            lambda: adaptive.soft_adapt(terms=["positon"]).init(VALUES),
            "unknown-label",
            "the loss has no term `positon`\ndid you mean `position`?",
        ),
        (
            lambda: adaptive.soft_adapt(terms="position").init(VALUES),
            "bad-argument",
            '`terms` cannot be `position`\ngive a list of labels: `["position"]`',
        ),
        (
            lambda: adaptive.soft_adapt(terms=[]).init(VALUES),
            "bad-argument",
            '`terms` cannot be empty\ngive a list of labels: `["position"]`',
        ),
        (
            lambda: adaptive.soft_adapt().init({"position": 1.0}),
            "no-losses",
            "a dict is not a `LossDict`\n"
            "give what the loss returns; `LossHistory.start` takes labels too, as `loss.labels`",
        ),
        (
            lambda: adaptive.soft_adapt().init(losses(a=np.ones(3))),
            "bad-argument",
            "`values` cannot be losses of the shape (3,)\nmap `init` and `update` over an ensemble with `jax.vmap`",
        ),
        (
            lambda: adaptive.soft_adapt().update(VALUES, adaptive.soft_adapt().init(losses(a=1, b=1, c=1))),
            "bad-argument",
            "`values` cannot be losses of 2 terms\nthe state was made for 3; begin again with `init`",
        ),
        (
            lambda: adaptive.soft_adapt(beta=np.nan),
            "bad-argument",
            "`beta` cannot be `nan`\ngive a finite number",
        ),
        (
            lambda: adaptive.relobralo(jr.key(0), temperature=0),
            "bad-argument",
            "`temperature` cannot be `0`\ngive a number above 0",
        ),
        (
            lambda: adaptive.relobralo(jr.key(0), rho=1.5),
            "bad-argument",
            "`rho` cannot be `1.5`\ngive a number between 0 and 1",
        ),
        (
            lambda: adaptive.relobralo(0),
            "bad-argument",
            "`key` cannot be an int\ngive a key: `jax.random.key(0)`",
        ),
        (
            lambda: adaptive.learning_rate_annealing("position", alpha=-0.1),
            "bad-argument",
            "`alpha` cannot be `-0.1`\ngive a number between 0 and 1",
        ),
        (
            lambda: adaptive.learning_rate_annealing("speed").init(VALUES),
            "unknown-label",
            "the loss has no term `speed`\nits terms are `position`, `velocity`",
        ),
        (
            lambda: adaptive.learning_rate_annealing("position", terms=["position"]).init(VALUES),
            "bad-argument",
            "`reference` cannot be `position`, which is adapted\n"
            "leave the reference out of `terms`: it keeps its weight",
        ),
        (
            lambda: adaptive.grad_norm(0.025),
            "bad-argument",
            "`optimizer` cannot be a float\ngive an optimiser of Optax, such as `optax.adam(0.025)`",
        ),
        (
            lambda: adaptive.grad_norm(optax.sgd(1.0)).update(VALUES, adaptive.grad_norm(optax.sgd(1.0)).init(VALUES)),
            "no-gradients",
            "`grad_norm` needs the gradients of the terms, it is given None\n"
            "call `update(values, state, gradients)` with those of `ld.term_gradients`",
        ),
        (
            lambda: run(adaptive.grad_norm(optax.sgd(1.0)), VALUES, VALUES, gradients=GRADIENTS),
            "unknown-label",
            "the loss has no term `velocity`\nits terms are `position`, `other`",
        ),
        (
            lambda: LOSS.with_weights(adaptive.soft_adapt().update(EFFORT, adaptive.soft_adapt().init(EFFORT))[0]),
            "weight-of-parameters",
            "the weight of `effort` is `alpha`\nchange it with `with_parameters(alpha=...)`",
        ),
    ],
)
def test_mistakes(call, code, expected):
    with pytest.raises(ld.LossError) as caught:
        call()
    assert caught.value.code == code
    assert str(caught.value) == expected
