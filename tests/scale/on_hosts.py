"""One of several processes that share a batch out: `python -m tests.scale.on_hosts ADDRESS PROCESS PROCESSES`.

Each has two devices, and its own part of the trials. What it finds it writes as JSON.
"""

import json
import os
import sys

os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=2"

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

import lossdsl as ld
from tests.scale.on_devices import LOSS, moved, reaches
from tests.scale.shared import meshes


def main(address, process, processes):
    jax.distributed.initialize(address, int(processes), int(process))
    loss, gain = ld.compile(LOSS), jnp.ones(())
    whole, found = reaches(8), {}
    size = 8 // int(processes)
    mine = jax.tree.map(lambda x: x[size * int(process) :][:size], whole)
    for kind, mesh in meshes().items():
        rows = NamedSharding(mesh, PartitionSpec("batch"))
        states, trials = jax.tree.map(lambda x, rows=rows: jax.make_array_from_process_local_data(rows, x), mine)
        values = loss.check(states, trials)
        total, slopes = jax.jit(jax.value_and_grad(lambda *given: loss(*given).total))(states, trials)
        each = loss.per_trial(states, trials).total
        parts, gradient = jax.jit(lambda trials: ld.accumulate(loss, moved, gain, trials, size=4))(
            {**trials, "states": states}
        )
        mean = np.mean([np.mean(shard.data) for shard in each.addressable_shards])
        pieces = slopes["mechanics"]["effector"]["pos"].addressable_shards
        found[kind] = {
            "devices": [jax.device_count(), jax.local_device_count()],
            "total": [float(values.total), float(total), float(parts.total)],
            "gradient": float(gradient),
            "mine": float(mean),
            "slopes": float(sum(np.abs(shard.data).sum() for shard in pieces)),
        }
    print(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
