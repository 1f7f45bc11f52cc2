"""Penalties on a number: what it costs to be far from 0, or above it."""

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import elementwise
from lossdsl.operators.declaration import op


@op(
    axes=elementwise,
    latex=r"\operatorname{{relu}}\left({x}\right)",
    notation=r"\operatorname{relu}\left(x\right) = \max\left(x, 0\right)",
    example="relu(velocity - 1)",
    degrees=(1,),
    signs="positive",
)
def relu(x: Array) -> Array:
    """The positive part `maximum(x, 0)`; its gradient at 0 is 0."""
    return jax.nn.relu(x)


@op(
    axes=elementwise,
    latex=r"\operatorname{{softplus}}\left({x}\right)",
    notation=r"\operatorname{softplus}\left(x\right) = \log\left(1 + \exp\left(x\right)\right)",
    example="softplus(velocity - 1)",
)
def softplus(x: Array) -> Array:
    """A smooth positive part, `log(1 + exp(x))`."""
    return jax.nn.softplus(x)


@op(
    axes=elementwise,
    latex=r"H_{{{delta}}}\left({x}\right)",
    notation=r"H_{\delta}\left(x\right) = \frac{1}{2}\,x^{2} \text{ where } \left\vert x \right\vert \leq \delta"
    r"\text{, else } \delta \left\vert x \right\vert - \frac{1}{2}\,\delta^{2}",
    example="sum(huber(effector.pos[1:] - target.pos, delta=0.1), axis=xy)",
    domain={"`delta > 0`": lambda delta: delta > 0},
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


@op(axes=elementwise, latex=r"\log\cosh\left({x}\right)", example="sum(log_cosh(net.output), axis=output)")
def log_cosh(x: Array) -> Array:
    """The logarithm of the hyperbolic cosine: about `x**2/2` near 0 and `abs(x)` far away.

    Source: `optax.log_cosh`.
    """
    import optax

    return optax.log_cosh(jnp.asarray(x, jnp.result_type(x, float)))


@op(
    axes=elementwise,
    latex=r"\left\vert {x} \right\vert_{{{eps}}}",
    notation=r"\left\vert x \right\vert_{\epsilon} = \sqrt{x^{2} + \epsilon^{2}} - \epsilon",
    example="sum(smooth_abs(net.output), axis=output)",
    domain={"`eps > 0`": lambda eps: eps > 0},
)
def smooth_abs(x: Array, eps: Array = 0.001) -> Array:  # type: ignore[assignment]
    """A smooth absolute value, `sqrt(x**2 + eps**2) - eps`: 0 at 0, with gradient 0 there.

    Source: Charbonnier et al. (1994), shifted to 0 at 0.
    """
    return jnp.sqrt(jnp.square(x) + jnp.square(eps)) - eps
