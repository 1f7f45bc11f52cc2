"""A compiled loss against the same loss written by hand in JAX: the direct call, and value and gradient."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from paired import paired, table

import lossdsl as ld

TEXT = "1.0*effector_position + 1.0*effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden"
# (batch, time, hidden), limit of the ratio, pairs, calls in a row that make one time
SIZES = [((7, 100, 50), 1.10, 800, 5), ((250, 100, 50), 1.05, 300, 1), ((1024, 200, 128), 1.05, 60, 1)]


@jax.jit
def by_hand(states: Any, trial_specs: Any) -> Any:
    effector, net, target = states["mechanics"]["effector"], states["net"], trial_specs["target"]
    position = jnp.sum(jnp.square(effector["pos"][:, 1:] - target["pos"]), axis=-1)
    steps = position.shape[1]
    discount = (jnp.arange(1, steps + 1) / steps) ** 6
    terms = {
        "effector_position": 1.0 * jnp.mean(jnp.sum(discount * position, axis=-1)),
        "effector_final_velocity": 1.0
        * jnp.mean(jnp.sum(jnp.square(effector["vel"][:, -1] - target["vel"][:, -1]), axis=-1)),
        "nn_output": 1e-5 * jnp.mean(jnp.sum(jnp.square(net["output"]), axis=(1, 2))),
        "nn_hidden": 1e-5 * jnp.mean(jnp.sum(jnp.square(net["hidden"]), axis=(1, 2))),
    }
    return {**terms, "total": sum(terms.values())}


def trajectories(batch: int, time: int, hidden: int) -> tuple[Any, Any]:
    """Random states and trials; targets are one step shorter, since states begin with the initial one."""
    random = np.random.default_rng(0)

    def array(*shape: int) -> jax.Array:
        return jax.device_put(random.standard_normal(shape, dtype=np.float32))

    effector = {name: array(batch, time, 2) for name in ("pos", "vel", "force")}
    net = {"hidden": array(batch, time, hidden), "output": array(batch, time, 2)}
    target = {name: array(batch, time - 1, 2) for name in ("pos", "vel", "force")}
    return {"mechanics": {"effector": effector}, "net": net}, {"target": target}


def main() -> None:
    loss = ld.compile(TEXT)
    ours_grad = jax.jit(jax.value_and_grad(lambda states, trials: loss(states, trials).total))
    hand_grad = jax.jit(jax.value_and_grad(lambda states, trials: by_hand(states, trials)["total"]))
    rows = []
    for shape, limit, pairs, calls in SIZES:
        data = trajectories(*shape)
        jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, 2e-5, 1e-7), ours_grad(*data), hand_grad(*data))
        np.testing.assert_allclose(loss(*data).total, by_hand(*data)["total"], 2e-5)
        ways = {
            "forward": (lambda d=data: loss(*d).total, lambda d=data: by_hand(*d)["total"]),
            "value and gradient": (lambda d=data: ours_grad(*d), lambda d=data: hand_grad(*d)),
        }
        for way, (ours, theirs) in ways.items():
            runs = [lambda run=run: jax.block_until_ready(run()) for run in (ours, theirs)]
            mine, hand, ratio = paired(*runs, pairs, calls)
            size = " x ".join(map(str, shape))
            rows.append((size, way, f"{mine * 1e6:.0f}", f"{hand * 1e6:.0f}", f"{ratio:.3f}", f"{limit:.2f}"))
    print(table(["batch x time x hidden", "way", "lossdsl [us]", "by hand [us]", "ratio", "limit"], rows))


if __name__ == "__main__":
    main()
