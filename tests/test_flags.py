"""What JAX offers to find mistakes finds none in what is public: each call under each of its flags."""

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import pytest

import lossdsl as ld
from lossdsl import adaptive

pytestmark = pytest.mark.slow

PLANE = ld.Vocabulary(quantities={"pos": ld.Quantity("states.pos", "batch time xy")})
TEXT = "warmup(1, 10)*sqnorm(pos) as near + alpha*sqnorm(pos - 3) as far + 0.5*final(sqnorm(pos)) as end"


class Bias(ld.AbstractLoss):
    """A term in Python that holds an array."""

    size: jax.Array
    label: str = "bias"

    def term(self, states, trial_specs, model=None):
        return jnp.sum(states["pos"], axis=(1, 2)) * self.size


STATES = jax.device_put({"pos": np.linspace(-1, 2, 24, dtype=np.float32).reshape(2, 4, 3)})
MODEL = jax.device_put({"w": np.float32([0.3, -0.2, 0.1]), "still": np.zeros(2, np.float32)})
STEPS = jax.device_put(np.arange(3))
KEY = jr.key(0)
LOSS = ld.compile(TEXT, PLANE, parameters={"alpha": 0.25})
STILL = ld.compile("sqnorm(pos) as near + 0*sqnorm(0*pos) as nothing", PLANE)


def rollout(model, trials):
    return {"pos": jnp.tanh(jnp.outer(jnp.arange(1.0, 5), model["w"])[None])}


def total(loss, states):
    return loss(states, None, step=3).total


def scanned():
    return jax.jit(lambda steps: jax.lax.scan(lambda _, step: (_, LOSS(STATES, None, step=step)), None, steps)[1])(
        STEPS
    )


def history():
    values = LOSS(STATES, None, step=0)
    found = ld.LossHistory.start(LOSS.labels, 3).record(0, values).record([1, 2], scanned_rows())
    return found.record_validation(1, values)


def scanned_rows():
    rows = scanned()
    return jax.tree.map(lambda leaf: jax.device_put(np.asarray(leaf)[1:]), rows)


def adapted(method):
    objective = jax.jit(lambda model: ld.term_gradients(lambda model: LOSS(rollout(model, None), None, step=3), model))
    values, gradients = objective(MODEL)
    weights, state = method.update(values, method.init(values), gradients)
    weights, state = method.update(values, state, gradients)
    return LOSS.with_weights({"end": weights["end"]})


def saved(tmp_path):
    history().save(tmp_path / "run.npz")
    return ld.LossHistory.load(tmp_path / "run.npz").join(history()).train


CALLS = {
    "compile": lambda path: ld.compile(TEXT, PLANE, parameters={"alpha": 0.25}),
    "call": lambda path: LOSS(STATES, None, step=3),
    "call at half a step": lambda path: LOSS(STATES, None, step=3.5),
    "values": lambda path: (str(LOSS(STATES, None, step=3)), LOSS(STATES, None, step=3).flat()),
    "per_trial": lambda path: LOSS.per_trial(STATES, None, step=3),
    "a term in Python": lambda path: ld.compile("1*bias", PLANE, terms=[Bias(jnp_scalar())])(STATES, None),
    "grad": lambda path: jax.jit(jax.grad(total, argnums=1))(LOSS, STATES),
    "grad in weights": lambda path: eqx.filter_jit(eqx.filter_grad(total))(LOSS, STATES),
    "scan": lambda path: scanned(),
    "an ensemble": lambda path: jax.jit(
        jax.vmap(lambda alpha: LOSS.with_parameters(alpha=alpha)(STATES, None, step=1))
    )(STEPS),
    "new weights": lambda path: LOSS.with_weights(end=2).with_parameters(alpha=1),
    "algebra": lambda path: str((2 * LOSS.with_weights(end=2) + LOSS.without("far")) | LOSS),
    "shown": lambda path: (str(LOSS), LOSS.latex(), LOSS.python(), LOSS.digest, LOSS.to_config(), LOSS.terms),
    "weights": lambda path: (LOSS.weights, LOSS.state, LOSS.with_state(LOSS.state)),
    "diff": lambda path: str(ld.diff(LOSS, LOSS.with_weights(end=2))),
    "gradient_report": lambda path: (
        repr(LOSS.gradient_report(rollout, MODEL, None, step=3)),
        repr(STILL.gradient_report(rollout, MODEL, None)),
    ),
    "history": lambda path: history(),
    "from_scan": lambda path: ld.LossHistory.from_scan(scanned()),
    "a history in jit": lambda path: jax.jit(
        lambda step: ld.LossHistory.from_scan(scanned()).record(step, LOSS(STATES, None, step=step))
    )(jax.device_put(np.int32(1))),
    "saved": saved,
    "plots": lambda path: (ld.plot_loss_history(history()), ld.plot_schedule(LOSS, 5)),
    "soft_adapt": lambda path: adapted(adaptive.soft_adapt(normalized=True, loss_weighted=True)),
    "relobralo": lambda path: adapted(adaptive.relobralo(KEY)),
    "uncertainty": lambda path: adapted(adaptive.uncertainty(OPTIMIZER)),
    "learning_rate_annealing": lambda path: adapted(adaptive.learning_rate_annealing("near")),
    "grad_norm": lambda path: adapted(adaptive.grad_norm(OPTIMIZER)),
}
OPTIMIZER = optax.sgd(0.1)
FLAGS = {
    "debug_nans": lambda: jax.debug_nans(True),
    "debug_infs": lambda: jax.debug_infs(True),
    "transfer_guard": lambda: jax.transfer_guard("disallow"),
    "check_tracer_leaks": lambda: jax.checking_leaks(),
    "disable_jit": lambda: jax.disable_jit(),
}


def jnp_scalar():
    return jax.device_put(np.float32(2))


@pytest.mark.parametrize("flag", FLAGS)
@pytest.mark.parametrize("name", CALLS)
def test_a_call_under_a_flag(name, flag, tmp_path):
    with FLAGS[flag]():
        CALLS[name](tmp_path)


def test_the_flags_are_on():
    with FLAGS["debug_nans"](), pytest.raises(FloatingPointError):
        jnp.zeros(()) / 0
    with FLAGS["debug_infs"](), pytest.raises(FloatingPointError):
        1 / jnp.zeros(())
    with FLAGS["transfer_guard"](), pytest.raises(jax.errors.JaxRuntimeError, match="Disallowed host-to-device"):
        jnp.asarray(np.ones(3))
    with FLAGS["disable_jit"]():
        assert jax.jit(lambda x: isinstance(x, jax.core.Tracer))(1) == False  # noqa: E712
