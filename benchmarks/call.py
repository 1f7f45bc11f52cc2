"""A compiled loss against the same loss written by hand in JAX: the direct call, and value and gradient.

The states are dicts or Equinox modules; of the direct call the total is waited for, or every value.
"""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from paired import paired, table

import lossdsl as ld

TEXT = "1.0*effector_position + 1.0*effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden"
# (batch, time, hidden), limit of the ratio, pairs, calls in a row that make one time
SIZES = [((7, 100, 50), 1.10, 800, 5), ((250, 100, 50), 1.05, 300, 1), ((1024, 200, 128), 1.05, 60, 1)]


def terms(pos: Any, vel: Any, output: Any, hidden: Any, target_pos: Any, target_vel: Any) -> Any:
    """The terms with their weights, without, and the total: what people log, and what ours returns."""
    position = jnp.sum(jnp.square(pos[:, 1:] - target_pos), axis=-1)
    steps = position.shape[1]
    discount = (jnp.arange(1, steps + 1) / steps) ** 6
    raw = {
        "effector_position": jnp.mean(jnp.sum(discount * position, axis=-1)),
        "effector_final_velocity": jnp.mean(jnp.sum(jnp.square(vel[:, -1] - target_vel[:, -1]), axis=-1)),
        "nn_output": jnp.mean(jnp.sum(jnp.square(output), axis=(1, 2))),
        "nn_hidden": jnp.mean(jnp.sum(jnp.square(hidden), axis=(1, 2))),
    }
    weights = {"effector_position": 1.0, "effector_final_velocity": 1.0, "nn_output": 1e-5, "nn_hidden": 1e-5}
    found = {label: weights[label] * value for label, value in raw.items()}
    return found, raw, sum(found.values())


@jax.jit
def by_hand_dicts(states: Any, trial_specs: Any) -> Any:
    effector, net, target = states["mechanics"]["effector"], states["net"], trial_specs["target"]
    return terms(effector["pos"], effector["vel"], net["output"], net["hidden"], target["pos"], target["vel"])


@jax.jit
def by_hand_modules(states: Any, trial_specs: Any) -> Any:
    effector, net, target = states.mechanics.effector, states.net, trial_specs.target
    return terms(effector.pos, effector.vel, net.output, net.hidden, target.pos, target.vel)


class Cartesian(eqx.Module):
    pos: jax.Array
    vel: jax.Array
    force: jax.Array


class Mechanics(eqx.Module):
    effector: Cartesian


class Net(eqx.Module):
    hidden: jax.Array
    output: jax.Array


class States(eqx.Module):
    mechanics: Mechanics
    net: Net


class TrialSpecs(eqx.Module):
    target: Cartesian


def trajectories(batch: int, time: int, hidden: int) -> tuple[Any, Any]:
    """Random states and trials; targets are one step shorter, since states begin with the initial one."""
    random = np.random.default_rng(0)

    def array(*shape: int) -> jax.Array:
        return jax.device_put(random.standard_normal(shape, dtype=np.float32))

    effector = {name: array(batch, time, 2) for name in ("pos", "vel", "force")}
    net = {"hidden": array(batch, time, hidden), "output": array(batch, time, 2)}
    target = {name: array(batch, time - 1, 2) for name in ("pos", "vel", "force")}
    return {"mechanics": {"effector": effector}, "net": net}, {"target": target}


def modules(states: Any, trial_specs: Any) -> tuple[Any, Any]:
    """The same arrays in Equinox modules."""
    mechanics = Mechanics(Cartesian(**states["mechanics"]["effector"]))
    return States(mechanics, Net(**states["net"])), TrialSpecs(Cartesian(**trial_specs["target"]))


def every(values: ld.LossDict) -> Any:
    """All values, without the look-up of `raw` by label: it is ready when they are."""
    return dict(values), values.total


def ways(loss: ld.CompositeLoss, data: tuple[Any, Any], by_hand: Any) -> dict[str, tuple[Any, Any]]:
    """Ours and theirs by name."""
    ours_grad = jax.jit(jax.value_and_grad(lambda states, trials: loss(states, trials).total))
    hand_grad = jax.jit(jax.value_and_grad(lambda states, trials: by_hand(states, trials)[-1]))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 2e-5, 1e-7), ours_grad(*data), hand_grad(*data))
    np.testing.assert_allclose(loss(*data).total, by_hand(*data)[-1], 2e-5)
    return {
        "total": (lambda: loss(*data).total, lambda: by_hand(*data)[-1]),
        "every value": (lambda: every(loss(*data)), lambda: by_hand(*data)),
        "value and gradient": (lambda: ours_grad(*data), lambda: hand_grad(*data)),
    }


def main() -> None:
    loss = ld.compile(TEXT)
    rows = []
    for shape, limit, pairs, calls in SIZES:
        arrays, size = trajectories(*shape), " x ".join(map(str, shape))
        kinds = {"dicts": (arrays, by_hand_dicts), "modules": (modules(*arrays), by_hand_modules)}
        for kind, (data, by_hand) in kinds.items():
            for way, pair in ways(loss, data, by_hand).items():
                runs = [lambda run=run: jax.block_until_ready(run()) for run in pair]
                mine, hand, ratio = paired(*runs, pairs, calls)
                rows.append((size, kind, way, f"{mine * 1e6:.0f}", f"{hand * 1e6:.0f}", f"{ratio:.3f}", f"{limit:.2f}"))
    head = ["batch x time x hidden", "states", "waited for", "lossdsl [us]", "by hand [us]", "ratio", "limit"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
