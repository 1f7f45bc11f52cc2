"""Norms and products over the axes of a vector, those that are neither `batch` nor `time`."""

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators.arithmetic import abs_
from lossdsl.operators.axes import features, product, squares
from lossdsl.operators.declaration import op, wide


@op(
    axes=features(one=True),
    latex=r"\left\Vert {x} \right\Vert",
    example="norm(effector.vel)",
    degrees=(1,),
    signs="absolute",
)
def norm(x: Array, *, axis: tuple[int, ...]) -> Array:
    """The Euclidean norm of a vector; its gradient at 0 is 0.

    `sqrt(sum_i x_i**2)` over the one axis that is neither `batch` nor `time`, or the one given.
    Source: `optax.safe_norm`.
    """
    import optax

    return optax.safe_norm(wide(x), 0.0, axis=axis[0])


@op(
    axes=features(one=False, tree=True),
    latex=r"\left\Vert {x} \right\Vert^{{2}}",
    example="sqnorm(effector.pos[1:] - target.pos)",
    degrees=(2,),
)
def sqnorm(x: Any, *, axis: tuple[int, ...] | None = None) -> Array:
    """The squared Euclidean norm.

    `sum_i x_i**2` over all axes that are neither `batch` nor `time`, or the one given; of a PyTree, over
    all its arrays of floats, of complex numbers that of their absolute values.
    """
    if axis is not None:
        return jnp.sum(jnp.square(wide(x)), axis=axis)
    squares = [jnp.sum(_abs_squared(wide(leaf))) for leaf in jax.tree.leaves(x)]
    return sum(squares[1:], start=squares[0]) if squares else jnp.zeros(())


def _abs_squared(x: Array) -> Array:
    return jnp.square(x.real) + jnp.square(x.imag) if jnp.iscomplexobj(x) else jnp.square(x)


@op(
    axes=features(one=False, tree=True),
    latex=r"\left\Vert {x} \right\Vert_{{1}}",
    example="l1norm(effector.pos[1:] - target.pos)",
    degrees=(1,),
    signs="absolute",
)
def l1norm(x: Any, *, axis: tuple[int, ...] | None = None) -> Array:
    """The L1 norm; its gradient at 0 is 0.

    `sum_i abs(x_i)` over all axes that are neither `batch` nor `time`, or those given; of a PyTree, over all its
    arrays of floats. With `sqnorm` it makes the elastic net, `l1norm(model) + sqnorm(model)`.
    Source: Tibshirani (1996), Regression shrinkage and selection via the lasso; Zou and Hastie (2005).
    """
    if axis is not None:
        return jnp.sum(abs_(wide(x)), axis=axis)
    sums = [jnp.sum(abs_(wide(leaf))) for leaf in jax.tree.leaves(x)]
    return sum(sums[1:], start=sums[0]) if sums else jnp.zeros(())


@op(axes=product, latex=r"{x:power} \cdot {y:power}", example="dot(effector.vel, effector.force)", degrees=(1, 1))
def dot(x: Array, y: Array, *, axis: tuple[int, ...]) -> Array:
    """The scalar product `sum_i x_i*y_i` of two vectors over the one axis that is neither `batch` nor `time`.

    A square matrix is refused: `matvec` is its product with a vector, `quadratic_form` that with a vector on each side.
    """
    return jnp.sum(wide(x) * wide(y), axis=axis)


@op(
    axes=squares(keep=True),
    latex=r"{Q:power}\,{x:power}",
    example="sqnorm(matvec(2, effector.vel)) + sqnorm(matvec(square(net.output), net.output))",
    degrees=(1, 1),
)
def matvec(Q: Array, x: Array, *, axis: tuple[int, ...]) -> Array:
    """The product of a square matrix and a vector, a vector.

    `sum_j Q_ij*x_j` over the one axis of the vector that is neither `batch` nor `time`, or the one given, which the
    matrix has twice, as for `quadratic_form`; the result has it once.
    """
    x = wide(x)
    return Q * x if len(axis) == 1 else jnp.matmul(Q, x, precision="highest")[..., 0]


@op(
    axes=squares(keep=False),
    latex=r"{x:atom}^{{\top}} {Q:power}\,{x:power}",
    example="quadratic_form(effector.vel, 2) + quadratic_form(net.output, square(net.output))",
    degrees=(2, 1),
)
def quadratic_form(x: Array, Q: Array, *, axis: tuple[int, ...]) -> Array:
    """The quadratic form of a vector and a square matrix.

    `sum_i x_i * sum_j Q_ij*x_j` over the one axis that is neither `batch` nor `time`, or the one given, which the
    matrix has twice: `Quantity("trial_specs.Q", "state state")`. A matrix with it once is the diagonal of one, a
    number a multiple of the identity.
    """
    x = wide(x)
    if len(axis) == 1:
        return jnp.sum(Q * jnp.square(x), axis=axis)
    return jnp.sum(x * jnp.matmul(Q, x, precision="highest"), axis=axis)
