"""Train the reach on all devices that there are, in parts of a batch, and with a last batch that is not full.

A set of trials is no multiple of the batch: the last batch is filled with trials once more, which do not count. Each
device has its share of every batch, and takes it in parts so small that their trajectories fit into its memory. Value
and gradient are those of the trials that there are, on one device, at once.

    python examples/train_scale.py
    XLA_FLAGS=--xla_force_host_platform_device_count=8 python examples/train_scale.py
"""

from collections.abc import Iterator
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import typer
from jax import Array
from jax.sharding import AxisType, NamedSharding, PartitionSpec
from train_reach import LOSS, Model, States, Task, Trials

import lossdsl as ld


def rollout(model: Model, trials: Trials) -> States:
    """The states of some trials."""
    return jax.vmap(model)(trials)


def batches(trials: Trials, size: int, key: Array) -> Iterator[tuple[Trials, Array]]:
    """All trials in a random order, in batches of one size, and which of each are no padding."""
    number = len(trials.start)
    order = jr.permutation(key, number)
    for first in range(0, number, size):
        places = jnp.arange(first, first + size)
        # What is left of the last batch is filled with the first trials: theirs are gradients that are finite.
        picked = order[places % number]
        yield jax.tree.map(lambda x, picked=picked: x[picked], trials), places < number


@eqx.filter_jit
def in_parts(model: Model, trials: Trials, real: Array, loss: Any, step: Array, parts: int) -> tuple[ld.LossDict, Any]:
    """Values and gradient of the trials that there are."""
    return ld.accumulate(loss, rollout, model, trials, step, size=len(real) // parts, where=real)


@eqx.filter_jit
def at_once(model: Model, trials: Trials, loss: Any, step: Array) -> tuple[ld.LossDict, Any]:
    """The same of a batch without padding, as anybody would write it."""

    def total(model: Model) -> tuple[Array, ld.LossDict]:
        values = loss(rollout(model, trials), trials, model, step)
        return values.total, values

    (_, values), gradient = eqx.filter_value_and_grad(total, has_aux=True)(model)
    return values, gradient


def apart(one: Any, other: Any) -> float:
    """How far two PyTrees are apart, as a part of the largest number of each of their arrays."""
    pairs = zip(jax.tree.leaves(jax.device_get(one)), jax.tree.leaves(jax.device_get(other)), strict=True)
    return max(float(abs(a - b).max() / abs(b).max()) for a, b in pairs if abs(b).max() > 0)


def shared_out(mesh: jax.sharding.Mesh, tree: Any, *axes: str) -> Any:
    """The arrays on the devices of the mesh: each trial on one, or all that is there on each."""
    arrays, rest = eqx.partition(tree, eqx.is_array)
    return eqx.combine(jax.device_put(arrays, NamedSharding(mesh, PartitionSpec(*axes))), rest)


def compared(i: int, model: Model, batch: tuple[Trials, Array], loss: Any, step: Array, mesh: Any, parts: int) -> None:
    """Print how far values and gradient of a batch are from those that one device gives at once."""
    trials, real = batch
    there = jax.tree.map(lambda x: x[real], trials)
    alone = jax.tree.map(lambda x: jnp.asarray(jax.device_get(x)) if eqx.is_array(x) else x, model)
    wanted = at_once(alone, there, loss, step)
    print(f"batch {i}, {len(there.start)} of {len(real)} trials count; apart from one device at once:")
    for way, n in {"on all devices": 1, f"and in {parts} parts": parts}.items():
        found = in_parts(model, *shared_out(mesh, batch, "batch"), loss, step, n)
        losses, gradient = (apart(one, other) for one, other in zip(found, wanted, strict=True))
        print(f"    {way}: losses {losses:.0e}, gradient {gradient:.0e}")


def main(trials: int = 1000, batch_size: int = 256, parts: int = 4, epochs: int = 5, seed: int = 0) -> None:
    """Train, and compare the first and the last batch with what one device gives at once."""
    # With automatic axes XLA shares out the work of a model that knows nothing of meshes.
    mesh = jax.make_mesh((jax.device_count(),), ("batch",), axis_types=(AxisType.Auto,))
    model_key, trial_key, order_key = jr.split(jr.key(seed), 3)
    loss, data = ld.compile(LOSS), Task().training_trials(trials, trial_key)
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(1e-2))
    model = shared_out(mesh, Model(50, model_key))
    opt_state = shared_out(mesh, optimizer.init(eqx.filter(model, eqx.is_inexact_array)))
    update = eqx.filter_jit(optimizer.update)
    print(f"{jax.device_count()} devices ({jax.devices()[0].platform}), {batch_size // parts} trials at a time")
    for epoch in range(epochs):
        step = jnp.asarray(epoch)
        for i, batch in enumerate(batches(data, batch_size, jr.fold_in(order_key, epoch))):
            if epoch == 0 and (i == 0 or not batch[1].all()):
                compared(i, model, batch, loss, step, mesh, parts)
            values, gradient = in_parts(model, *shared_out(mesh, batch, "batch"), loss, step, parts)
            updates, opt_state = update(gradient, opt_state)
            model = eqx.apply_updates(model, updates)
        print(f"epoch {epoch}, last batch: loss {values.total:.3f}")


if __name__ == "__main__":
    typer.run(main)
