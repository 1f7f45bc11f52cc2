"""Trees of a loss over the devices of a mesh: where their arrays have `batch`, and what a compiled program sends."""

import re
from collections import Counter

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

SENT = "all-reduce|all-gather|all-to-all|collective-permute|reduce-scatter|collective-broadcast"


def batch_axes(loss, root, tree):
    """Where each array of a tree has `batch`; None where it has not."""
    found = {}
    for quantity in loss.program.quantities.values():
        for place in quantity.places:
            if place.root == root and "batch" in quantity.dimensions:
                found[tuple(map(str, place.parts))] = quantity.dimensions.index("batch")

    def axis(path, leaf):
        return found.get(tuple(str(getattr(k, "key", getattr(k, "idx", getattr(k, "name", None)))) for k in path))

    return jax.tree_util.tree_map_with_path(axis, tree)


def placed(mesh, tree, axes):
    """The arrays on the devices, those with `batch` shared out along it; one place of it for all is enough."""

    def one(leaf, axis):
        spec = PartitionSpec() if axis is None else PartitionSpec(*[None] * axis, "batch")
        return jax.device_put(leaf, NamedSharding(mesh, spec))

    leaves, form = jax.tree.flatten(tree)
    given = jax.tree.leaves(jax.tree.broadcast(axes, tree, is_leaf=_is_none), is_leaf=_is_none)
    return jax.tree.unflatten(form, map(one, leaves, given))


def _is_none(x):
    return x is None


def meshes():
    """The two kinds of mesh over all devices."""
    kinds = {"automatic": jax.sharding.AxisType.Auto, "explicit": jax.sharding.AxisType.Explicit}
    return {name: jax.make_mesh((len(jax.devices()),), ("batch",), axis_types=(kind,)) for name, kind in kinds.items()}


def run(function, *given):
    """What a function gives, compiled, and how often that sends what between the devices."""
    # What XLA would make faster is run once; what is sent is settled before.
    compiled = jax.jit(function).lower(*given).compile({"xla_backend_optimization_level": 0})
    return compiled(*given), dict(Counter(re.findall(rf" ({SENT})(?:-start)?\(", compiled.as_text())))


def apart(one, other):
    """How far two trees of numbers are apart at most, as a part of the largest number of each pair of arrays."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    pairs = zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True)
    pairs = [(np.asarray(a), np.asarray(b)) for a, b in pairs if a.dtype != jax.dtypes.float0]
    assert all(a.shape == b.shape and a.dtype == b.dtype and np.array_equal(np.isnan(a), np.isnan(b)) for a, b in pairs)
    return max(
        float(np.nanmax(np.abs(a - b), initial=0) / max(np.nanmax(np.abs(a), initial=0), 1e-30)) for a, b in pairs
    )
