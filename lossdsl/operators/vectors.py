"""Norms and products over the axes of a vector, those that are neither `batch` nor `time`."""

from collections.abc import Sequence
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators import curves
from lossdsl.operators.along import features, product, squares
from lossdsl.operators.arithmetic import abs_
from lossdsl.operators.axes import Axes, Fit, Rule, without
from lossdsl.operators.curves import weighed
from lossdsl.operators.declaration import inner, op, wide
from lossdsl.operators.fold import Fold
from lossdsl.operators.reductions import left_in, root, sum_
from lossdsl.operators.signs import by_mask, contracted, never_negative, quadratic
from lossdsl.operators.singular import OF_MASK


@op(
    axes=features(one=True),
    optional=("where",),
    latex=r"\left\Vert {x} \right\Vert{where:under}",
    example="norm(effector.vel)",
    fold=Fold(value=lambda so_far: root(so_far[0]), of=lambda x, **more: sqnorm(x, **more)),
    degrees=(1,),
    signs="absolute",
    between=never_negative,
    curve=weighed("convex away"),
    singular=OF_MASK,
)
def norm(x: Array, *, where: Array = 1, axis: tuple[int, ...]) -> Array:  # type: ignore[assignment]
    """The Euclidean norm of a vector; its gradient at 0 is 0.

    `sqrt(sum_i x_i**2)` over the one axis that is neither `batch` nor `time`, or those given; with a mask `where=m`,
    `sqrt(sum_i m_i*x_i**2)`.
    Source: `optax.safe_norm`.
    """
    return root(sqnorm(x, where=where, axis=axis))


@op(
    axes=features(one=False, tree=True),
    optional=("where",),
    latex=r"\left\Vert {x} \right\Vert{where:under}^{{2}}",
    example="sqnorm(effector.pos[1:] - target.pos)",
    fold=Fold(),
    degrees=(2,),
    squares="operand",
    between=by_mask(never_negative),
    curve=weighed("convex away"),
)
def sqnorm(x: Any, *, where: Array = 1, axis: tuple[int, ...] | None = None) -> Array:  # type: ignore[assignment]
    """The squared Euclidean norm.

    `sum_i x_i**2` over all axes that are neither `batch` nor `time`, or those given; with a mask `where=m`,
    `sum_i m_i*x_i**2`. Of a PyTree, over all its arrays of floats, of complex numbers that of their absolute values.
    """
    if axis is not None:
        return sum_(jnp.square(left_in(wide(x), where)), where=where, axis=axis)
    squares = [jnp.sum(_abs_squared(wide(leaf))) for leaf in jax.tree.leaves(x)]
    return sum(squares[1:], start=squares[0]) if squares else jnp.zeros(())


def _abs_squared(x: Array) -> Array:
    return jnp.square(x.real) + jnp.square(x.imag) if jnp.iscomplexobj(x) else jnp.square(x)


@op(
    axes=features(one=False, tree=True),
    optional=("where",),
    latex=r"\left\Vert {x} \right\Vert_{{1{where:mask}}}",
    example="l1norm(effector.pos[1:] - target.pos)",
    fold=Fold(),
    degrees=(1,),
    signs="absolute",
    between=by_mask(never_negative),
    curve=weighed("convex away"),
)
def l1norm(x: Any, *, where: Array = 1, axis: tuple[int, ...] | None = None) -> Array:  # type: ignore[assignment]
    """The L1 norm; its gradient at 0 is 0.

    `sum_i abs(x_i)` over all axes that are neither `batch` nor `time`, or those given; with a mask `where=m`,
    `sum_i m_i*abs(x_i)`. Of a PyTree, over all its arrays of floats: with `sqnorm` it makes the elastic net,
    `l1norm(model) + sqnorm(model)`.
    Source: Tibshirani (1996), Regression shrinkage and selection via the lasso; Zou and Hastie (2005).
    """
    if axis is not None:
        return sum_(abs_(left_in(wide(x), where)), where=where, axis=axis)
    sums = [jnp.sum(abs_(wide(leaf))) for leaf in jax.tree.leaves(x)]
    return sum(sums[1:], start=sums[0]) if sums else jnp.zeros(())


@op(
    axes=product,
    latex=r"{x:power} \cdot {y:power}",
    example="dot(effector.vel, effector.force)",
    degrees=(1, 1),
    fold=Fold(),
    between=contracted,
    curve=curves.product,
)
def dot(x: Array, y: Array, *, axis: tuple[int, ...]) -> Array:
    """The scalar product `sum_i x_i*y_i` of two vectors over the one axis that is neither `batch` nor `time`.

    Or over those given. Where each of the two has an axis that the other lacks, as in
    `dot(z, rename(z, batch=key))`, all pairs are made, and nothing larger than them. A square matrix is refused:
    `matvec` is its product with a vector, `quadratic_form` that with a vector on each side.
    """
    x, y = wide(x), wide(y)
    if x.ndim == y.ndim and all(_lacking(*pair) for pair in ((x, y), (y, x))):
        return _contracted(x, y, axis)
    return jnp.sum(x * y, axis=axis)


def _lacking(x: Array, y: Array) -> tuple[int, ...]:
    """The axes along which `x` is the same and `y` is longer."""
    return tuple(i for i in range(x.ndim) if x.shape[i] == 1 < y.shape[i])


def _contracted(x: Array, y: Array, axis: tuple[int, ...]) -> Array:
    """The sum of products as one of matrices: nothing larger than the result is made."""
    lacking = _lacking(x, y), _lacking(y, x)
    left, right = ([i for i in range(x.ndim) if i not in lacks] for lacks in lacking)
    kept = [i for i in range(x.ndim) if i not in axis]
    x, y = (jnp.squeeze(factor, lacks) for factor, lacks in zip((x, y), lacking, strict=True))
    return jnp.einsum(x, left, y, right, kept, precision="highest")


def _times(Q: Array, x: Array) -> Array:
    """The product of matrices and vectors, `x` with the axis of a column after its own."""
    # The vectors stand first, as in `x @ Q.T`, since their axes do in the result.
    return _contracted(jnp.swapaxes(x, -1, -2), Q, (x.ndim - 1,))


@op(
    axes=squares(keep=True),
    latex=r"{Q:power}\,{x:power}",
    example="sqnorm(matvec(2, effector.vel)) + sqnorm(matvec(square(net.output), net.output))",
    degrees=(1, 1),
    between=contracted,
    curve=curves.product,
)
def matvec(Q: Array, x: Array, *, axis: tuple[int, ...]) -> Array:
    """The product of a square matrix and a vector, a vector.

    `sum_j Q_ij*x_j` over the one axis of the vector that is neither `batch` nor `time`, or the one given, which the
    matrix has twice, as for `quadratic_form`; the result has it once.
    """
    x = wide(x)
    return Q * x if len(axis) == 1 else _times(Q, x)


def quadratic_form_root(x: Array, Q: Array, *, axis: tuple[int, ...]) -> Array:
    """What squares to a quadratic form: `sqrt(Q) x`, NaN where the matrix is negative for some vector.

    By its eigenvalues, since a matrix of which some are 0 has no unique Cholesky factor.
    """
    x = wide(x)
    if len(axis) == 1:
        return root(Q) * x
    values, vectors = jnp.linalg.eigh(Q)
    rounding = jnp.max(jnp.abs(values), axis=-1, keepdims=True) * 10 * jnp.finfo(values.dtype).eps
    roots = root(jnp.where(jnp.abs(values) <= rounding, 0, values))
    return roots * _times(jnp.swapaxes(vectors, -1, -2), x)


def _kept(operands: Sequence[Axes | None], static: Any) -> Fit:
    frame, _, over = squares(keep=False).fit(operands, static)
    return Fit(frame, without(frame, over[-1]) if over and len(over) > 1 else frame, over)


@op(
    axes=squares(keep=False),
    squares=inner(quadratic_form_root, Rule(_kept, option=True), {"x": None, "Q": None}),
    latex=r"{x:atom}^{{\top}} {Q:power}\,{x:power}",
    example="quadratic_form(effector.vel, 2) + quadratic_form(net.output, square(net.output))",
    degrees=(2, 1),
    between=quadratic,
    curve=curves.quadratic,
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
    return jnp.sum(x[..., 0] * _times(Q, x), axis=axis[0])
