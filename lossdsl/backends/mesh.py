"""Arrays -> the mesh that their types name, and functions for which such arrays are computed as on any other mesh.

On a mesh with explicit axes JAX refuses what would have to gather an axis that is shared out: a sort along it, or
pairs of trials. There XLA is left to share out the work, as it does on a mesh with automatic axes.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import jax
from jax.sharding import AxisType, NamedSharding, PartitionSpec

from lossdsl.meaning import Quantity
from lossdsl.operators import BATCH


class Sharing:
    """How the arrays of a loss are shared out over the devices of a mesh with explicit axes.

    Attributes:
        mesh: The mesh; None where there is none.
        trials: What the axis `batch` is shared out over.
        others: Whether another axis is shared out too.
    """

    def __init__(self, quantities: Iterable[Quantity], arrays: Sequence[Any]):
        self.mesh: Any = None
        self.trials: Any = None
        self.others = False
        for quantity, array in zip(quantities, arrays, strict=True):
            for leaf in jax.tree.leaves(array):
                self._add(() if quantity.is_tree else quantity.dimensions, leaf)

    def _add(self, dimensions: tuple[str, ...], leaf: Any) -> None:
        if not is_explicit(leaf):
            return
        sharding = jax.typeof(leaf).sharding
        self.mesh = sharding.mesh
        for i, over in enumerate(sharding.spec):
            if over is not None and i < len(dimensions) and dimensions[i] == BATCH:
                self.trials = over
            elif over is not None:
                self.others = True

    def over(self, axes: Iterable[str]) -> NamedSharding:
        """How a value is shared out that has these axes, `batch` or none."""
        return NamedSharding(self.mesh, PartitionSpec(*(self.trials if axis == BATCH else None for axis in axes)))


def is_explicit(array: Any) -> bool:
    """Whether the type of an array says how it is shared out."""
    sharding = jax.typeof(array).sharding if isinstance(array, jax.Array) else None
    return isinstance(sharding, NamedSharding) and AxisType.Explicit in sharding.mesh.axis_types


def automatic(function: Callable[..., Any], out: Any) -> Callable[..., Any]:
    """The function as XLA shares it out; its results are shared out as said."""
    return jax.sharding.auto_axes(function, out_sharding=out)
