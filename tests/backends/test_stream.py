"""A loss over states that come one step at a time: what it gives for whole trajectories, or a refusal that says why."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import assume, given, strategies as st
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.operators import OPS
from tests.strategies import COMPILED, NUMBERS, SHAPES, TERMS, compiled, losses, sample
from tests.streaming import axes_of_time, both, hold, rewarded, rollout
from tests.test_gallery import DISTINCT, drawn, page

pytestmark = pytest.mark.slow

EXACT = {"rtol": 1e-9, "atol": 1e-11}
# The window of an example ends at 50.
STEPS = 52


def reach(steps=STEPS):
    """A few steps of the example, with a mask for each trial."""
    states, trial_specs, _ = ld.example()
    rng = np.random.default_rng(0)
    states = jax.tree.map(lambda x: x[:3, :steps].astype(float), states)
    target = {name: value[:3, : steps - 1].astype(float) for name, value in trial_specs["target"].items()}
    mask = rng.integers(0, 2, (3, steps - 1, 1)).astype(float)
    model = {"weights": rng.normal(size=(2, 3))}
    return states, {"target": target, "inputs": {"hold": mask}}, model


def at(states, place, axis=1):
    """The states at a step, or at several."""
    return jax.tree.map(lambda x: x[(slice(None),) * axis + (place,)], states)


# The operators whose example is refused.
REFUSED = {
    "expand": "stream-late",
    **dict.fromkeys(["power_spectrum", "discounted_sum"], "stream-whole"),
    # A formula looks ahead.
    **dict.fromkeys(["<", ">", "and", "or", "not", "always", "eventually", "until"], "stream-whole"),
    **dict.fromkeys(["robustness", "violation"], "stream-whole"),
}


def refusal(loss, given, **more):
    """The code of the refusal, or nothing."""
    try:
        loss.stream(given[1], model=given[2], **more)
    except ld.LossError as failure:
        assert failure.code.startswith("stream-"), failure
        return failure.code
    return None


def test_examples_of_all_operators():
    given = reach()
    with jax.enable_x64(True):
        refused = {n: refusal(ld.compile({"x": op.example}), given, steps=STEPS, step=3) for n, op in OPS.items()}
        assert {name: code for name, code in refused.items() if code} == REFUSED
        streamed = [name for name, code in refused.items() if not code]
        texts = {f"term_{i}": OPS[name].example for i, name in enumerate(streamed)}
        axes = axes_of_time(ld.FEEDBAX, given[0])
        hold(both(ld.compile(texts), given, axes, STEPS, step=3), **EXACT)
        rewarded(ld.compile(texts), given, axes, STEPS, step=3)


# What lies in the states there has no `time`.
NO_TIME = (
    "crps beta_vae causal_pinn contrastive vicreg distillation heatmaps quantile_td sac potential fape cox burgers"
)


def as_long(x, steps):
    """With its last step once more, if it is shorter: one step has all states."""
    return np.concatenate([x, x[:, -1:]], axis=1) if x.shape[1] < steps else x


@pytest.mark.parametrize("name", page.NAMES)
def test_losses_of_the_gallery(name):
    example = page.load(name)
    loss, step = ld.compile(example.LOSS, example.VOCABULARY), getattr(example, "STEP", None)
    with jax.enable_x64(True):
        given = drawn(example, DISTINCT, np.dtype("float64"))
        if name in NO_TIME.split():
            assert refusal(loss, given, steps=5, step=step) == "stream-no-time"
            return
        steps = max(x.shape[1] for x in jax.tree.leaves(given[0]))
        given = (jax.tree.map(lambda x: as_long(x, steps), given[0]), *given[1:])
        axes = axes_of_time(example.VOCABULARY, given[0])
        hold(both(loss, given, axes, steps, step), **EXACT)
        rewarded(loss, given, axes, steps, step)


# A random loss, of what lies in the states with the same number of steps, and all else in the trials.
STATES = ("pos", "turned", "cost", "lambda")
ROOTS = {name: "states" if name in STATES else "model" if name == "net" else "trial_specs" for name in SHAPES}
VOCABULARY = ld.Vocabulary(
    quantities={name: ld.Quantity(f"{ROOTS[name]}.{name}", shape) for name, shape in SHAPES.items()},
    terms=TERMS,
    parameters={name: value for name, value in NUMBERS.items() if name != "step"},
)
AXES = {name: SHAPES[name].split().index("time") for name in STATES}


def split(arrays):
    return [
        {name: arrays[name] for name in SHAPES if ROOTS[name] == root} for root in ("states", "trial_specs", "model")
    ]


@COMPILED
@given(tree=losses(), seed=st.integers(0, 1000))
def test_random_losses(tree, seed):
    loss = compiled(tree, VOCABULARY, but=ld.LossError)
    with jax.enable_x64(True):
        arrays = split(sample(seed, False))
        assume(refusal(loss, arrays, steps=5, step=3.0) is None)
        found = both(loss, arrays, AXES, 5, 3.0)
        # A mask jumps at 0: what it leaves out has no gradient.
        for _, slopes in found:
            slopes[1].pop("valid")
        hold(found, rtol=1e-7, atol=1e-8)
        rewarded(loss, arrays, AXES, 5, 3.0)


# What stands at which steps: delays, strides, windows, masks, trials that end early. `x` counts from 0, `y` from 1.
TIMED = ld.Vocabulary(
    quantities={
        "x": ld.Quantity("states.x", "batch time"),
        "v": ld.Quantity("states.v", "xy time batch"),
        "y": ld.Quantity("trial_specs.y", "batch time"),
        "ramp": ld.Quantity("trial_specs.ramp", "time 1"),
        "gain": ld.Quantity("trial_specs.gain", "batch"),
        "hold": ld.Quantity("trial_specs.hold", "batch time"),
        "go": ld.Quantity("trial_specs.go", "batch"),
        "net": ld.Quantity("model", "pytree"),
    },
    parameters={"alpha": 0.75},
    epochs={"hold": "hold", "late": "0.2s..end", "fast": "greater(x, 0.9)"},
    events={"go": "go"},
    dt=0.1,
)
# These need not know how many steps there are.
ENDLESS = """
x
final(x)*gain
x[3]
x[1:]*x[0]
x[2:] - 2*x[1:-1] + x[:-2]
x[:-3]*x[3:]
square(x[1:] - y)
sqnorm(v[1:] - v[:-1])
diff(x, n=4)
sqnorm(diff(v, n=2))
log(x[3:6] - 0.1)
sum(sqrt(x[2:]))/final(x)
x[1:7:2]*x[2:8:2]
x[::3]
x[2:][1:][::2]
x[0] - x[1]*x[5]
cumsum(x)*x
square(cumsum(x, where=greater(x, 0.8)))
cummax(x)*cummin(x)
square(x - initial(x))*expand(initial(x), axis=time)
mean(x[5:]) - final(x[:5])
max(x)*min(v[1:], axis=(time, xy))
std(v, axis=(time, xy))*var(x[2:], ddof=1)
norm(v, axis=(time, xy)) + l1norm(x, axis=time)
dot(x[1:], y, axis=time)
logsumexp(x, axis=time)
argmax(x)*gain
x*index(axis=time)
sum(sqnorm(v)*one_hot(3, axis=time))
sqnorm(net)*alpha
tanh(sum(x))*sqnorm(net)
mean(x, axis=batch)*expand(length(axis=batch, like=x), axis=time)
worst(sum(x))
x@late
mean(x@hold)
max(x@go..)
final(norm(v)@0.3s..0.5s)
sqrt(x - 0.9)@fast
mean(sqnorm(v)@fast)
initial(x@fast)*y[0]
where(greater(x, 1), log(x - 1), 0)
sum(log(x - 0.9), where=greater(x, 1))
huber(x[1:] - y, delta=alpha)
"""
# These do.
ENDING = """
discount(x, exponent=alpha)
discount(x@hold, exponent=2)
cumsum(x@hold)
x[-3:]
x[:-2]
x[-2]*gain
x[1:-1]*ramp[1:]
mean(x[-4:-1])
x@-300ms..end
x@last 0.2s
x/length(axis=time, like=x)
final(x[:-2])
sqnorm(diff(v)@last 0.3s)
0.9**(8 - index(axis=time))*x
expand(gain, axis=time)*x
"""
COUNT = 9


def timed(rng, batch=3, steps=COUNT):
    states = {"x": rng.uniform(0.5, 2, (batch, steps)), "v": rng.normal(size=(2, steps, batch))}
    trials = {"y": rng.normal(size=(batch, steps - 1)), "ramp": rng.normal(size=(steps - 1, 1))}
    trials |= {"hold": rng.integers(0, 2, (batch, steps - 1)).astype(float), "gain": rng.normal(size=batch)}
    trials["go"] = np.arange(1.0, batch + 1)
    return states, trials, {"w": rng.normal(size=(2, 3))}


def rows(lines):
    """All as terms of one loss."""
    return {f"row_{i}": line for i, line in enumerate(lines)}


TIMED_AXES = {"x": 1, "v": 1}


@pytest.mark.parametrize("known", [True, False], ids=["known", "unknown"])
def test_steps_meet(known):
    with jax.enable_x64(True):
        endless, ending = ENDLESS.strip().splitlines(), ENDING.strip().splitlines()
        # Where it is not known how many steps there will be, all that differs is when a mask is computed.
        loss = ld.compile(rows(endless + ending if known else [*endless[:-10:2], *endless[-10:]]), TIMED)
        given = timed(np.random.default_rng(0))
        found = both(loss, given, TIMED_AXES, COUNT, known=known)
        hold(found, **EXACT)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found[1][1]))
        if known:
            rewarded(loss, given, TIMED_AXES, COUNT)


@pytest.mark.parametrize("text", ENDING.strip().splitlines())
def test_what_needs_the_number_of_steps_says_so(text):
    loss = ld.compile(text, TIMED)
    given = timed(np.random.default_rng(0))
    if "expand(gain" in text or "index" in text:
        assert refusal(loss, given) is None
        return
    assert refusal(loss, given) == "stream-steps"


# Trials that end early, with NaN behind their end.
EARLY = {"r": ld.Quantity("states.r", "batch time"), "n": ld.Quantity("trial_specs.n", "batch")}
EARLY |= {"v": ld.Quantity("states.v", "batch time xy"), "aim": ld.Quantity("trial_specs.aim", "batch time")}
EARLY_ROWS = """
r
mean(r)
r[-1] + final(norm(v))
r[0]*r[2]
max(r) - min(r)
var(r)
square(r[1:] - aim)
norm(diff(v))
sqnorm(v)@0.1s..end
sqnorm(v)@last 0.2s
cumsum(r)*cummax(r)
discount(r, exponent=2)
r/length(axis=time, like=r)
logsumexp(r, axis=time)
"""


def test_trials_of_different_lengths():
    """Each trial is what it is in batch, and NaN behind its end is seen by nothing."""
    rng = np.random.default_rng(0)
    ends = np.array([1, 4, 6, 2])
    behind = np.arange(6) >= ends[:, None]
    r, v = np.where(behind, np.nan, rng.uniform(0.5, 2, (4, 6))), rng.normal(size=(4, 6, 2))
    v[behind] = np.nan
    # At rest, where a norm has no direction.
    v[1, 1] = v[1, 0] = 0
    trials = {"n": ends, "aim": np.where(behind, np.nan, rng.normal(size=(4, 6)))[:, 1:]}
    with jax.enable_x64(True):
        loss = ld.compile(rows(EARLY_ROWS.strip().splitlines()), ld.Vocabulary(EARLY, length="n", dt=0.1))
        given = {"r": r, "v": v}, {**trials, "n": ends - 1}, None
        found = both(loss, given, {"r": 1, "v": 1}, 6)
        hold(found, **EXACT)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found[1][1][0]))
        assert all(np.isfinite(value) for value in found[1][0][1].values())


def test_gradients_at_zeros_and_of_equal_steps():
    """At rest a norm has no direction; of equal steps each has its share of the gradient of the largest."""
    texts = [
        "max(x)",
        "min(x, where=greater(index(axis=time), 1))",
        "norm(x, axis=time)",
        "std(x)",
        "sum(norm(v))",
        "sum(norm(diff(v)))",
        "worst(max(x))",
        "logsumexp(x, axis=time)",
    ]
    given = timed(np.random.default_rng(0))
    given[0]["v"][:] = 0
    given[0]["x"] = np.array([[0.0] * COUNT, [1.0, 2, 2, 1, 2, 0, 0, 2, 1], [3.0] * COUNT])
    with jax.enable_x64(True):
        found = both(ld.compile(rows(texts), TIMED), given, TIMED_AXES, COUNT)
        hold(found, **EXACT)
        assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(found[1][1]))


REFUSALS = {
    "sum(sqnorm(effector.pos - final(effector.pos)))": (
        "stream-late",
        "`effector.pos - final(effector.pos)` cannot be streamed: `final(effector.pos)` is known at step 99 only, and "
        "every step of `effector.pos` needs it",
    ),
    "sum(sqnorm(effector.pos - effector.pos[3]))": (
        "stream-late",
        "`effector.pos - effector.pos[3]` cannot be streamed: `effector.pos[3]` is known at step 3 only, and every "
        "step of `effector.pos` needs it",
    ),
    "square(velocity - mean(velocity))": ("stream-late", "`mean(velocity)` is known at step 99 only"),
    "dot(effector.pos[:-70], effector.vel[70:])": (
        "stream-delay",
        "`effector.pos[:-70]` would have to be kept for 70 steps, and the limit is 64",
    ),
    "dot(effector.pos[:10], effector.vel[-10:])": ("stream-apart", "`effector.pos[:10]` and `effector.vel[-10:]`"),
    "dot(effector.pos[:50], effector.vel[::2])": ("stream-apart", "grows with the number of steps"),
    "quantile(velocity, 0.5, axis=time)": ("stream-whole", "`quantile(velocity, 0.5, axis=time)` cannot be streamed"),
    "nn_output[::-1]": ("stream-whole", "it needs all steps at once"),
    "mean(discount(nn_output, exponent=2, where=greater(nn_output, 1)))": ("stream-whole", "all steps at once"),
}


@pytest.mark.parametrize("text", REFUSALS)
def test_refused_with_the_reason(text):
    """Before there are data: the trials are not looked at."""
    code, message = REFUSALS[text]
    loss = ld.compile({"term": text})
    with pytest.raises(ld.LossAxesError) as caught:
        loss.stream(steps=100)
    assert caught.value.code == code
    assert message in caught.value.message
    assert caught.value.message.endswith(", in the term `term`")
    assert caught.value.span is None or str(caught.value.span) in text


@pytest.mark.parametrize("text", ["x[:-1]", "x[::2]", "x[-3:]", "sum(x[1:]*x[:-1])"])
def test_slices_of_trials_that_end_are_refused(text):
    rows = {"x": "batch time", "n": ("trial_specs.n", "batch")}
    with pytest.raises(ld.LossAxesError, match="which steps a slice takes of a trial that ends early") as caught:
        ld.compile({"term": text}, ld.Vocabulary(rows, length="n")).stream({"n": jnp.array([4, 2])}, steps=5)
    assert caught.value.code == "stream-ends"


def test_a_delay_may_be_allowed():
    states, trial_specs, _ = reach()
    states = jax.tree.map(lambda x: jnp.tile(x, (1, 2) + (1,) * (x.ndim - 2)), states)
    loss = ld.compile("dot(effector.pos[:-70], effector.vel[70:])")
    stream = loss.stream(trial_specs, steps=2 * STEPS, delay=70)
    carry = rollout(stream, states, axes_of_time(ld.FEEDBAX, states), 2 * STEPS)
    assert_allclose(stream.finish(carry).total, loss(states, trial_specs).total, rtol=2e-5)


def test_what_lies_outside_of_the_language_is_refused():
    class Mine(ld.AbstractLoss):
        label: str = "mine"

        def term(self, states, trial_specs=None, model=None):
            return jnp.zeros(3)

    with pytest.raises(ld.LossAxesError, match="the Python term `mine` cannot be streamed"):
        (ld.compile("position") + Mine()).stream(steps=5)
    with pytest.raises(ld.LossAxesError, match="`n` cannot be streamed: it lies in the states and has no `time`"):
        ld.compile("x*n", ld.Vocabulary({"x": "batch time", "n": "batch"})).stream(steps=5)
    for steps in (0, 2.5, True, "5"):
        with pytest.raises(ld.LossValueError, match="`steps`"):
            ld.compile("position").stream(steps=steps)
    for delay in (-1, 2.5, True, None):
        with pytest.raises(ld.LossValueError, match="`delay`"):
            ld.compile("position").stream(steps=5, delay=delay)
    with pytest.raises(ld.LossValueError, match="`form`"):
        ld.compile("position").python("rewards")


def test_data_that_do_not_fit_are_refused_at_the_first_step():
    states, trial_specs, _ = reach()
    first = at(states, 0)
    loss = ld.compile("position + final(velocity)")
    with pytest.raises(ld.LossDataError, match="`trial_specs`"):
        loss.stream(steps=STEPS)
    with pytest.raises(ld.LossDataError, match="differ in the length of `time`: 59 and 51, in the term `position`"):
        loss.stream(trial_specs, steps=60).init(first)
    stream = loss.stream(trial_specs, steps=STEPS)
    with pytest.raises(ld.LossDataError, match="must have 3 dimensions"):
        stream.init(states)
    with pytest.raises(ld.LossDataError, match="in the term `position`"):
        stream.init({"mechanics": {}})
    with pytest.raises(ld.LossDataError, match="`batch`"):
        stream.init(jax.tree.map(lambda x: x[:2], first))
    for t in (0, -1, STEPS):
        with pytest.raises(ld.LossValueError, match=f"`t` cannot be {t}\n.* from 1 to {STEPS - 1}"):
            stream.update(stream.init(first), first, t)
    # One trial is not stretched to those of the steps before, or to those of the targets.
    one = jax.tree.map(lambda x: x[:1], first)
    with pytest.raises(ld.LossDataError, match=r"`batch` has two lengths: .* \(1, 52, 2\)"):
        stream.update(stream.init(first), one, 1)
    for text in ("sum(nn_hidden)", "final(nn_hidden)", "sum(dot(effector.vel[:-2], effector.vel[2:]))"):
        alone = ld.compile(text).stream(steps=STEPS)
        with pytest.raises(ld.LossDataError, match=r"another shape than those before: \(1,.*\) where it was \(3,"):
            alone.update(alone.init(first), one, 1)
    for carry in (None, (), stream.init(first)[0], (*stream.init(first), 0)):
        for use in (stream.finish, stream.per_trial, lambda carry: stream.update(carry, first, 1)):
            with pytest.raises(ld.LossValueError, match="`carry` cannot be"):
                use(carry)
    # Where it is not known how many steps there will be, their number is that of the trials.
    assert loss.stream(trial_specs).init(first)
    with pytest.raises(ld.LossDataError, match="`batch`"):
        loss.stream(trial_specs).init(jax.tree.map(lambda x: x[:2], first))


def test_an_episode_may_end_when_it_will():
    """Without a number of steps the loss is that of the steps there were; none is made up behind the trials."""
    states, trial_specs, _ = reach()
    loss = ld.compile("position + final(velocity) + max(nn_hidden)")
    stream = loss.stream(trial_specs)
    carry = stream.init(at(states, 0))
    for t in range(1, 5):
        carry = stream.update(carry, at(states, t), t)
        target = {name: value[:, :t] for name, value in trial_specs["target"].items()}
        batch = loss(at(states, slice(t + 1)), {"target": target})
        # The final velocity is compared with the target of the last step that the trials have.
        for label in ("position", "max(nn_hidden)"):
            assert_allclose(stream.finish(carry)[label], batch[label], rtol=1e-5)
    carry = stream.update(carry, at(states, 5), STEPS)
    assert np.isnan(stream.finish(carry)["position"])


def test_it_is_compiled_once_for_all_weights():
    states, trial_specs, _ = reach(6)
    axes, traces = axes_of_time(ld.FEEDBAX, states), []
    loss = ld.compile(
        "position + 0.1*final(velocity) + alpha*sum(huber(nn_output, delta=beta)) + linear(1, 0, 4)*nn_hidden",
        parameters={"alpha": 2, "beta": 0.5},
    )

    @jax.jit
    def run(loss, step):
        traces.append(1)
        stream = loss.stream(trial_specs, steps=6, step=step)
        carry = rollout(stream, states, axes, 6)
        return stream.finish(carry), stream.per_trial(carry)

    changed = [loss, loss.with_weights(position=3), loss.with_parameters(alpha=5, beta=2), loss]
    streamed = [run(each, jnp.asarray(step)) for step, each in enumerate(changed)]
    assert len(traces) == 1
    for step, each in enumerate(changed):
        wanted = each(states, trial_specs, step=step), each.per_trial(states, trial_specs, step=step)
        jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=2e-5, atol=1e-7), streamed[step], wanted)


def test_an_ensemble_and_its_carry():
    """Models and losses are mapped over; nothing that is fixed, and no trajectory, goes from step to step."""
    states, trial_specs, _ = reach(6)
    axes = axes_of_time(ld.FEEDBAX, states)
    loss = ld.compile("position + 0.1*final(velocity) + effector_straight_path")
    ensemble = jax.vmap(lambda w: loss.with_weights(position=w))(jnp.arange(3.0))
    members = jax.tree.map(lambda x: jnp.stack([x, 2 * x, -x]), states)

    def run(loss, states):
        stream = loss.stream(trial_specs, steps=6)
        return stream.finish(rollout(stream, states, axes, 6))

    found = jax.vmap(run)(ensemble, members)
    for i in range(3):
        one = loss.with_weights(position=float(i))(at(members, i, 0), trial_specs)
        assert_allclose(found.total[i], one.total, rtol=1e-5)
    stream = loss.stream(trial_specs, steps=6)
    carry = stream.init(at(states, 0))
    assert sum(leaf.size for leaf in jax.tree.leaves(carry)) < 60
    assert set(stream.program.fixed) == {"target.pos", "target.vel"}


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "int8", "bool"])
def test_other_types_are_wide_in_the_carry(dtype):
    vocabulary = ld.Vocabulary({"x": "batch time", "m": ld.Quantity("trial_specs.m", "batch time")})
    loss = ld.compile("mean(square(300*x)) + max(x) + final(x) + sum(x, where=m) + diff(x)", vocabulary)
    x = (np.arange(1, 9).reshape(2, 4) % 2).astype(jnp.dtype(dtype))
    states, trials = {"x": jnp.asarray(x)}, {"m": jnp.asarray(x[::-1])}
    stream = loss.stream(trials, steps=4)
    carry = rollout(stream, states, {"x": 1}, 4)
    assert {leaf.dtype for leaf in jax.tree.leaves(carry)} <= {np.dtype("float32"), np.dtype("bool")}
    jax.tree.map(lambda a, b: assert_allclose(a, b, rtol=1e-6), stream.finish(carry), loss(states, trials))


def test_the_source_can_be_read():
    source = ld.compile("position + final(velocity)").python("stream")
    assert "position = ops.sqnorm(effector_pos - target_pos_t_1, axis=(2,))" in source
    assert "sum_position_so_far = folds.sum.step(sum_position_so_far, later, position, axis=1)" in source
    # States are compared with targets from the first step on, and nothing has to be left out for that.
    assert "where" not in source
    loss = ld.compile("sum(sqnorm(diff(effector.pos, n=3)))")
    assert loss.stream(steps=9).program is ld.compile("sum(sqnorm(diff(effector.pos, n=3)))").stream(steps=7).program


def test_rewards_of_an_episode_sum_to_minus_the_loss():
    states, trial_specs, _ = reach(6)
    text = "position + 0.1*final(velocity) + alpha*max(nn_hidden) - mean(nn_output) + effector_straight_path"
    loss = ld.compile(f"{text} + 2*sqnorm(model)", parameters={"alpha": 2})
    stream = loss.stream(trial_specs, steps=6, model={"w": jnp.arange(3.0)})
    before, rewards = stream.init(at(states, 0)), []
    for t in range(1, 6):
        after = stream.update(before, at(states, t), t)
        rewards.append(stream.reward(before, after, t))
        before = after
    assert_allclose(sum(rewards), -stream.per_trial(before).total, rtol=1e-5)
    assert_allclose(np.mean(sum(rewards)), -stream.finish(before).total, rtol=1e-5)
    # A sum gives its addends, those of the initial states with the first.
    sums = ld.compile("nn_hidden").stream(steps=3)
    first = sums.init(at(states, 0))
    second = sums.update(first, at(states, 1), 1)
    third = sums.update(second, at(states, 2), 2)
    each = np.square(states["net"]["hidden"]).sum(2)
    assert_allclose(sums.reward(first, second, 1), -each[:, 0] - each[:, 1], rtol=1e-5)
    assert_allclose(sums.reward(second, third, 2), -each[:, 2], rtol=1e-5)
    with pytest.raises(ld.LossAxesError, match="without the number of steps"):
        stream = ld.compile("final(velocity)").stream(trial_specs)
        stream.reward(*[stream.init(at(states, 0))] * 2, 1)


def test_chains_of_definitions_are_not_descended():
    """Behind a window too, where each definition is one of its own."""
    chain = "; ".join(f"d{i + 1} = d{i}*0.999 + x" for i in range(1500))
    loss = ld.compile(f"d0 = x; {chain}; mean(d1500[3:])", TIMED)
    _, trials, _ = timed(np.random.default_rng(0))
    stream = loss.stream(trials, steps=COUNT)
    assert "d1500" in stream.program.source


def test_what_is_no_array_is_refused():
    states, trial_specs, _ = reach(6)
    for wrong, message in ((3.0, "is a float"), ([1, 2], "is a list"), (np.zeros((3, 5)), "must have 3 dimensions")):
        with pytest.raises(ld.LossDataError, match=message):
            ld.compile("position").stream({"target": {"pos": wrong}}, steps=6)
    stream = ld.compile("position + sqnorm(model)").stream(trial_specs, steps=6, model={"w": jnp.ones(2), "name": "x"})
    carry = jax.jit(lambda stream, states: stream.init(states))(stream, at(states, 0))
    assert jax.jit(lambda stream, carry: stream.finish(carry))(stream, carry).raw["sqnorm(model)"] == 2
