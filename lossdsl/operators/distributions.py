"""Distributions that are given by their logits."""

from functools import partial
from math import inf
from typing import Any

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.operators import curves
from lossdsl.operators.along import classes, features
from lossdsl.operators.axes import elementwise
from lossdsl.operators.declaration import nonzero, op, wide
from lossdsl.operators.fold import Fold, Parts
from lossdsl.operators.reductions import all_in, left_in, picked
from lossdsl.operators.signs import binary_entropy, entropy, from_least, from_to, never_negative
from lossdsl.operators.singular import LABELS


def _powers(x: Array, where: Any, axis: tuple[int, ...]) -> tuple[Array, Array, Array, Array]:
    """The numbers that a mask leaves in less the largest, else -inf; their sum as exponentials; the largest; if any.

    An infinite one is not taken off, since infinity less itself is NaN: the largest float stands for it, 0 for none.
    Everything that is made of logits begins so, that XLA may compute once what a loss asks for in several ways.
    """
    limits, whole = jnp.finfo(x.dtype), all_in(where)
    # One that is -inf is there too, as the least float.
    counted = x if whole else jnp.where(nonzero(where), jnp.maximum(x, limits.min), -jnp.inf)
    largest = jax.lax.stop_gradient(jnp.max(counted, axis=axis))
    top = jnp.where(largest == -jnp.inf, 0, jnp.minimum(largest, limits.max))
    less = x - jnp.expand_dims(top, axis)
    less = less if whole else jnp.where(nonzero(where), less, -jnp.inf)
    there = jnp.full(top.shape, True) if whole else largest != -jnp.inf
    return less, jnp.sum(jnp.exp(less), axis=axis), top, there


@partial(jax.custom_jvp, nondiff_argnums=(2,))
def _surprise(logits: Array, label: Array, axis: int) -> Array:
    """The negative of `log_softmax` at one class, which needs no array of all."""
    _, total, top, _ = _powers(logits, 1, (axis,))
    return jnp.log(total) - (jnp.squeeze(picked(logits, label, axis), axis) - top)


@_surprise.defjvp
def _(axis: int, primals: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    logits, label = primals
    less, total, *_ = _powers(logits, 1, (axis,))
    classes = jnp.arange(logits.shape[axis], dtype=label.dtype).reshape(
        [-1 if i == axis else 1 for i in range(logits.ndim)]
    )
    # The scatter that is the gradient of what is picked would be one more pass over all classes.
    slope = jnp.exp(less) / jnp.expand_dims(total, axis) - jnp.asarray(label == classes, less.dtype)
    return _surprise(logits, label, axis), jnp.sum(slope * tangents[0], axis=axis)


def _or_one(total: Array) -> Array:
    return jnp.where(total == 0, 1, total)


@op(
    axes=features(one=True, keep=True),
    optional=("where",),
    latex=r"\operatorname{{softmax}}{where:under}\left({x}\right)",
    example="dot(softmax(net.output), net.output)",
    between=from_to(0, 1),
    unit="pure",
)
def softmax(x: Array, *, where: Array = 1, axis: tuple[int, ...]) -> Array:  # type: ignore[assignment]
    """The probabilities of a categorical distribution from its logits.

    `exp(x_i) / sum_j exp(x_j)` over the one axis that is neither `batch` nor `time`, or those given; with a mask
    `where=m`, of those alone where it is not 0, and 0 elsewhere.
    Source: `jax.nn.softmax`.
    """
    less, total, _, there = _powers(wide(x), where, axis)
    return left_in(jnp.exp(less) / jnp.expand_dims(jnp.where(there, total, 1), axis), where)


@op(
    axes=features(one=True, keep=True),
    optional=("where",),
    latex=r"\log\operatorname{{softmax}}{where:under}\left({x}\right)",
    example="-dot(softmax(net.output), log_softmax(net.output)) as entropy",
    between=from_to(-inf, 0),
    curve="concave any",
    unit="pure",
)
def log_softmax(x: Array, *, where: Array = 1, axis: tuple[int, ...]) -> Array:  # type: ignore[assignment]
    """The logarithm of `softmax`, accurate where a probability is tiny.

    `x_i - logsumexp(x)` over the one axis that is neither `batch` nor `time`, or those given; with a mask `where=m`,
    of those alone where it is not 0, and 0 elsewhere.
    Source: `jax.nn.log_softmax`.
    """
    less, total, _, there = _powers(wide(x), where, axis)
    return left_in(less - jnp.expand_dims(jnp.log(jnp.where(there, total, 1)), axis), where)


def _exponentials(x: Array, *, where: Array = 1, axis: tuple[int, ...]) -> Parts:  # type: ignore[assignment]
    """The largest number, the sum of the exponentials of the others less it, and whether there is one."""
    _, total, top, there = _powers(wide(x), where, axis)
    return jnp.where(total == 0, -jnp.inf, top), total, there


def _of_both(so_far: Parts, new: Parts) -> Parts:
    top = jnp.maximum(so_far[0], new[0])
    least = jnp.where(jnp.isfinite(top), top, 0)
    total, more = (part[1] * jnp.exp(part[0] - least) for part in (so_far, new))
    return top, total + more, so_far[2] | new[2]


def _smooth_largest(so_far: Parts) -> Array:
    top, total, there = so_far
    found = jnp.log(_or_one(total)) + jnp.where(there, top, 0)
    return jnp.where(there & (total == 0), -jnp.inf, found)


@op(
    axes=features(one=True),
    optional=("where",),
    fold=Fold(_of_both, (-jnp.inf, 0, 0), _smooth_largest, _exponentials),
    latex=r"\operatorname{{logsumexp}}{where:under}\left({x}\right)",
    example="logsumexp(net.output)",
    between=from_least,
    curve="convex up",
    unit="pure",
)
def logsumexp(x: Array, *, where: Array = 1, axis: tuple[int, ...]) -> Array:  # type: ignore[assignment]
    """A smooth maximum, `log(sum_i exp(x_i))`, that does not overflow.

    Over the one axis that is neither `batch` nor `time`, or those given; with a mask `where=m`, of those alone where
    it is not 0, and 0 where it is 0 throughout.
    Source: `jax.nn.logsumexp`.
    """
    _, total, top, _ = _powers(wide(x), where, axis)
    if all_in(where):
        return jnp.log(total) + top
    # Of nothing but -inf the largest is the least float; to ask where there is one takes XLA longer.
    found = jnp.log(_or_one(total)) + top
    return jnp.where(found <= jnp.finfo(found.dtype).min, -jnp.inf, found)


@op(
    axes=classes(every=False),
    latex=r"H\left({labels}, \operatorname{{softmax}}\left({logits}\right)\right)",
    example="cross_entropy(net.output, softmax(2*net.output))",
    between=entropy,
    curve=curves.entropy,
    singular=LABELS,
    unit="pure logits",
)
def cross_entropy(logits: Array, labels: Array, *, axis: tuple[int, ...]) -> Array:
    """The cross entropy of labels and a categorical distribution that is given by its logits.

    `-sum_i labels_i*log_softmax(logits)_i` over the one axis of the logits that is neither `batch` nor `time`, or
    those given. Labels without that one axis are the numbers of the classes, from 0; a label outside gives NaN.
    Source: `optax.softmax_cross_entropy` and `optax.softmax_cross_entropy_with_integer_labels`.
    """
    logits, labels = wide(logits), jnp.asarray(labels)
    labels = labels.reshape(labels.shape or (1,) * logits.ndim)
    if len(axis) > 1 or labels.shape[axis[0]] == logits.shape[axis[0]]:
        return -jnp.sum(jnp.asarray(labels, logits.dtype) * log_softmax(logits, axis=axis), axis=axis)
    return _surprise(logits, labels, axis[0])


@op(
    axes=classes(),
    latex=r"D_{{\mathrm{{KL}}}}\left(\operatorname{{softmax}}\left({logits_p}\right) \,\Vert\, "
    r"\operatorname{{softmax}}\left({logits_q}\right)\right)",
    example="kl_divergence(net.output, 2*net.output)",
    between=never_negative,
    curve=curves.divergence,
    unit="pure",
)
def kl_divergence(logits_p: Array, logits_q: Array, *, axis: tuple[int, ...]) -> Array:
    """The Kullback-Leibler divergence of two categorical distributions p and q, given by their logits.

    `sum_i p_i*(log(p_i) - log(q_i))` with `p = softmax(logits_p)`, `q = softmax(logits_q)`, over the one axis that is
    neither `batch` nor `time`, or those given. Logarithms of probabilities are logits too.
    Source: Kullback and Leibler (1951); `optax.kl_divergence_with_log_targets`.
    """
    log_p, log_q = log_softmax(logits_p, axis=axis), log_softmax(logits_q, axis=axis)
    return jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=axis)


@op(
    axes=elementwise,
    latex=r"H\left({labels}, \sigma\left({logits}\right)\right)",
    example="sum(sigmoid_cross_entropy(net.output, sigmoid(net.output)), axis=output)",
    between=binary_entropy,
    curve="convex any",
    unit="pure logits",
)
def sigmoid_cross_entropy(logits: Array, labels: Array) -> Array:
    """The cross entropy of labels and Bernoulli distributions that are given by their logits, elementwise.

    `-labels*log(sigmoid(logits)) - (1 - labels)*log(1 - sigmoid(logits))`.
    Source: `optax.sigmoid_binary_cross_entropy`.
    """
    import optax

    logits = jnp.asarray(logits, jnp.result_type(logits, float))
    return optax.sigmoid_binary_cross_entropy(logits, jnp.asarray(labels))
