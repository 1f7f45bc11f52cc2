"""How an operator is a sum of squares: what squares to it, operators that trees alone have and no text."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import Axes, Fit, Rule, elementwise
from lossdsl.operators.declaration import OPS, Op, inner, wide
from lossdsl.operators.reductions import root


def raveled(x: Any) -> Array:
    """The numbers of all arrays of floats of a PyTree as one vector; of complex numbers both parts."""
    leaves = [
        part for leaf in jax.tree.leaves(x) for part in ([leaf.real, leaf.imag] if jnp.iscomplexobj(leaf) else [leaf])
    ]
    return jnp.concatenate([jnp.zeros(0), *(jnp.ravel(wide(leaf)) for leaf in leaves)])


def _all_leaves(operands: Sequence[Axes | None], static: Any) -> Fit:
    return Fit({}, {"leaf": None})


def root_of(x: Array) -> Array:
    """The square root of a factor, whose gradient at 0 is 0; NaN of a negative one."""
    return root(x)


ROOT = inner(root_of, elementwise, {"x": None})
RAVELED = inner(raveled, Rule(_all_leaves), {"x": None})


def _weighing(op: Op) -> Op:
    """Of an operator that sums with factors `c_i` which are not negative: the numbers `sqrt(c_i)*x_i`, unsummed.

    Their squares sum to the operator of the squares of the numbers.
    """

    def lower(x: Array, *given: Any, axis: Any, **named: Any) -> Array:
        result, pull = jax.vjp(lambda y: op.lower(y, *given, axis=axis, **named), jnp.zeros_like(x))
        (factors,) = pull(jnp.ones_like(result))
        # What a mask leaves out may be NaN.
        return root(factors) * jnp.where(factors == 0, 0, x)

    def kept(operands: Sequence[Axes | None], static: Any) -> Fit:
        fit = op.rule.fit(operands, static)
        return fit._replace(result=fit.frame)

    lower.__name__, lower.__doc__ = f"{op.code}_root", _weighing.__doc__
    more = {"named": op.named, "optional": op.optional, "mask": op.mask}
    return inner(lower, Rule(kept), op.defaults, reads="same", **more)


# By the operator; those of users have none.
WEIGHING = {name: _weighing(op) for name, op in OPS.items() if op.squares == "sums"}
