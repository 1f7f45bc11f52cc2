"""Distributions that are given by their logits."""

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators.axes import classes, elementwise
from lossdsl.operators.declaration import op, wide


@op(
    axes=classes(keep=True),
    latex=r"\operatorname{{softmax}}\left({x}\right)",
    example="dot(softmax(net.output), net.output)",
)
def softmax(x: Array, *, axis: tuple[int, ...]) -> Array:
    """The probabilities of a categorical distribution from its logits.

    `exp(x_i) / sum_j exp(x_j)` over the one axis that is neither `batch` nor `time`, or the one given.
    Source: `jax.nn.softmax`.
    """
    return jax.nn.softmax(wide(x), axis)


@op(
    axes=classes(keep=True),
    latex=r"\log\operatorname{{softmax}}\left({x}\right)",
    example="-dot(softmax(net.output), log_softmax(net.output)) as entropy",
)
def log_softmax(x: Array, *, axis: tuple[int, ...]) -> Array:
    """The logarithm of `softmax`, accurate where a probability is tiny.

    `x_i - logsumexp(x)` over the one axis that is neither `batch` nor `time`, or the one given.
    Source: `jax.nn.log_softmax`.
    """
    return jax.nn.log_softmax(wide(x), axis)


@op(
    axes=classes(),
    latex=r"\operatorname{{logsumexp}}\left({x}\right)",
    example="logsumexp(net.output)",
)
def logsumexp(x: Array, *, axis: tuple[int, ...]) -> Array:
    """A smooth maximum, `log(sum_i exp(x_i))`, that does not overflow.

    Over the one axis that is neither `batch` nor `time`, or the one given.
    Source: `jax.nn.logsumexp`.
    """
    return jax.nn.logsumexp(wide(x), axis)


@op(
    axes=classes(every=False),
    latex=r"H\left({labels}, \operatorname{{softmax}}\left({logits}\right)\right)",
    example="cross_entropy(net.output, softmax(2*net.output))",
)
def cross_entropy(logits: Array, labels: Array, *, axis: tuple[int, ...]) -> Array:
    """The cross entropy of labels and a categorical distribution that is given by its logits.

    `-sum_i labels_i*log_softmax(logits)_i` over the one axis of the logits that is neither `batch` nor `time`, or
    the one given. Labels without that axis are the numbers of the classes, from 0; a label outside gives NaN.
    Source: `optax.softmax_cross_entropy` and `optax.softmax_cross_entropy_with_integer_labels`.
    """
    log_p, labels = jax.nn.log_softmax(wide(logits), axis), jnp.asarray(labels)
    labels = labels.reshape(labels.shape or (1,) * log_p.ndim)
    if labels.shape[axis[0]] == log_p.shape[axis[0]]:
        return -jnp.sum(jnp.asarray(labels, log_p.dtype) * log_p, axis=axis)
    # A negative index would count from the end.
    chosen = jnp.where(labels < 0, log_p.shape[axis[0]], labels).astype(int)
    return -jnp.squeeze(jnp.take_along_axis(log_p, chosen, axis[0], mode="fill"), axis)


@op(
    axes=classes(),
    latex=r"D_{{\mathrm{{KL}}}}\left(\operatorname{{softmax}}\left({logits_p}\right) \,\Vert\, "
    r"\operatorname{{softmax}}\left({logits_q}\right)\right)",
    example="kl_divergence(net.output, 2*net.output)",
)
def kl_divergence(logits_p: Array, logits_q: Array, *, axis: tuple[int, ...]) -> Array:
    """The Kullback-Leibler divergence of two categorical distributions p and q, given by their logits.

    `sum_i p_i*(log(p_i) - log(q_i))` with `p = softmax(logits_p)`, `q = softmax(logits_q)`, over the one axis that is
    neither `batch` nor `time`, or the one given. Logarithms of probabilities are logits too.
    Source: Kullback and Leibler (1951); `optax.kl_divergence_with_log_targets`.
    """
    log_p, log_q = jax.nn.log_softmax(wide(logits_p), axis), jax.nn.log_softmax(wide(logits_q), axis)
    return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=axis)


@op(
    axes=elementwise,
    latex=r"H\left({labels}, \sigma\left({logits}\right)\right)",
    example="sum(sigmoid_cross_entropy(net.output, sigmoid(net.output)), axis=output)",
)
def sigmoid_cross_entropy(logits: Array, labels: Array) -> Array:
    """The cross entropy of labels and Bernoulli distributions that are given by their logits, elementwise.

    `-labels*log(sigmoid(logits)) - (1 - labels)*log(1 - sigmoid(logits))`.
    Source: `optax.sigmoid_binary_cross_entropy`.
    """
    import optax

    logits = jnp.asarray(logits, jnp.result_type(logits, float))
    return optax.sigmoid_binary_cross_entropy(logits, jnp.asarray(labels))
