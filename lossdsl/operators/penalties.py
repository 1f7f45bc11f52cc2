"""Penalties on a number: what it costs to be far from 0, or above it."""

import math

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators import curves
from lossdsl.operators.axes import elementwise
from lossdsl.operators.declaration import inner, op
from lossdsl.operators.signs import by_bend, increasing, never_negative
from lossdsl.operators.singular import SMOOTHED

# From here on log(cosh(x)) is abs(x) - log(2) in all digits.
_FAR = 25.0


@op(
    axes=elementwise,
    latex=r"\operatorname{{relu}}\left({x}\right)",
    notation=r"\operatorname{relu}\left(x\right) = \max\left(x, 0\right)",
    example="relu(velocity - 1)",
    degrees=(1,),
    signs="positive",
    between=increasing(lambda x: max(x, 0)),
    curve="convex up",
)
def relu(x: Array) -> Array:
    """The positive part `maximum(x, 0)`; its gradient at 0 is 0."""
    return jax.nn.relu(x)


@op(
    axes=elementwise,
    latex=r"\operatorname{{softplus}}\left({x}\right)",
    notation=r"\operatorname{softplus}\left(x\right) = \log\left(1 + \exp\left(x\right)\right)",
    example="softplus(velocity - 1)",
    between=never_negative,
    curve="convex up",
    unit="pure",
)
def softplus(x: Array) -> Array:
    """A smooth positive part, `log(1 + exp(x))`."""
    return jax.nn.softplus(x)


def huber_root(x: Array, delta: Array) -> Array:
    """What squares to Huber's penalty: `x/sqrt(2)`, with a bend where the penalty goes on as a line."""
    x = jnp.asarray(x, jnp.result_type(x, float))
    size = jnp.abs(x)
    inside = size <= delta
    line = jnp.where(inside, delta**2 / 2, delta * (size - delta / 2))
    return jnp.where(inside, x / math.sqrt(2), jnp.sign(x) * jnp.sqrt(line))


@op(
    axes=elementwise,
    squares=inner(huber_root, elementwise, {"x": None, "delta": None}),
    latex=r"H_{{{delta}}}\left({x}\right)",
    notation=r"H_{\delta}\left(x\right) = \frac{1}{2}\,x^{2} \text{ where } \left\vert x \right\vert \leq \delta"
    r"\text{, else } \delta \left\vert x \right\vert - \frac{1}{2}\,\delta^{2}",
    example="sum(huber(effector.pos[1:] - target.pos, delta=0.1), axis=xy)",
    domain={"`delta > 0`": lambda delta: delta > 0},
    between=by_bend,
    curve=curves.penalty,
    unit="square",
)
def huber(x: Array, delta: Array = 1.0) -> Array:  # type: ignore[assignment]
    """Huber's penalty: a parabola that goes on as a line.

    `x**2/2` where `abs(x) <= delta`, else `delta*(abs(x) - delta/2)`.
    Source: `optax.huber_loss`; Huber (1964), Robust estimation of a location parameter.
    """
    x = jnp.asarray(x, jnp.result_type(x, float))
    return _huber(x, jnp.asarray(delta, x.dtype))


@jax.custom_jvp
def _huber(x: Array, delta: Array) -> Array:
    size = jnp.abs(x)
    return jnp.where(size <= delta, jnp.square(x) / 2, delta * (size - delta / 2))


# Of `x` alone, where JAX would keep both sides of the choice; and no square of it, which may overflow.
_huber.defjvps(
    lambda t, found, x, delta: t * jnp.clip(x, -delta, delta),
    lambda t, found, x, delta: t * jnp.maximum(jnp.abs(x) - delta, 0),
)


def log_cosh_root(x: Array) -> Array:
    """What squares to the logarithm of the hyperbolic cosine, `log1p(2*sinh(x/2)**2)`."""
    x = jnp.asarray(x, jnp.result_type(x, float))
    size = jnp.abs(x)
    # Near 0 the root has no slope that can be computed, far away the exponential function overflows.
    near, far = size < jnp.sqrt(jnp.finfo(x.dtype).eps), size > _FAR
    middle = jnp.log1p(2 * jnp.square(jnp.sinh(jnp.where(near | far, 1, x) / 2)))
    return jnp.where(near, x / math.sqrt(2), jnp.sign(x) * jnp.sqrt(jnp.where(far, size - math.log(2), middle)))


@op(
    axes=elementwise,
    squares=inner(log_cosh_root, elementwise, {"x": None}),
    latex=r"\log\cosh\left({x}\right)",
    example="sum(log_cosh(net.output), axis=output)",
    between=never_negative,
    curve="convex away",
    unit="pure",
)
def log_cosh(x: Array) -> Array:
    """The logarithm of the hyperbolic cosine: about `x**2/2` near 0 and `abs(x)` far away.

    Source: `optax.log_cosh`.
    """
    import optax

    return optax.log_cosh(jnp.asarray(x, jnp.result_type(x, float)))


def smooth_abs_root(x: Array, eps: Array) -> Array:
    """What squares to the smooth absolute value: `x/sqrt(sqrt(x**2 + eps**2) + eps)`."""
    return x / jnp.sqrt(jnp.sqrt(jnp.square(x) + jnp.square(eps)) + eps)


@op(
    axes=elementwise,
    squares=inner(smooth_abs_root, elementwise, {"x": None, "eps": None}),
    latex=r"\left\vert {x} \right\vert_{{{eps}}}",
    notation=r"\left\vert x \right\vert_{\epsilon} = \sqrt{x^{2} + \epsilon^{2}} - \epsilon",
    example="sum(smooth_abs(net.output), axis=output)",
    domain={"`eps > 0`": lambda eps: eps > 0},
    between=never_negative,
    curve="convex away",
    singular=SMOOTHED,
    unit="same",
)
def smooth_abs(x: Array, eps: Array = 0.001) -> Array:  # type: ignore[assignment]
    """A smooth absolute value, `sqrt(x**2 + eps**2) - eps`: 0 at 0, with gradient 0 there.

    Source: Charbonnier et al. (1994), shifted to 0 at 0.
    """
    return jnp.sqrt(jnp.square(x) + jnp.square(eps)) - eps
