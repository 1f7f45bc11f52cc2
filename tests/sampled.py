"""What a report says of a loss, held against values and gradients at many points."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

POINTS = 1_000
# Rounding of a sum of some thousand numbers in float64, of values that may be large.
TOLERANCE = 1e-9


def points(rng, tree, number=POINTS):
    """Random trees in place of one, beside each other; with zeros, repeats, ties, whole and negative numbers.

    Only the floats are drawn, and what is NaN stays so, as padding does.
    """

    def drawn(leaf):
        leaf = np.asarray(leaf)
        if not np.issubdtype(leaf.dtype, np.floating):
            return np.broadcast_to(leaf, (number, *leaf.shape))
        shape = (number, *leaf.shape)
        kind = rng.integers(0, 7, (number,) + (1,) * leaf.ndim)
        normal = rng.normal(size=shape) * rng.choice([0.1, 1.0, 3.0], (number,) + (1,) * leaf.ndim)
        repeated = np.broadcast_to(rng.normal(size=kind.shape), shape)
        whole = rng.integers(-1, 2, shape).astype(float)
        sparse = np.where(rng.random(shape) < 0.3, 0.0, normal)
        found = np.select(
            [kind == 0, kind == 1, kind == 2, kind == 3, kind == 4],
            [np.zeros(shape), repeated, whole, sparse, -np.abs(normal)],
            normal,
        )
        return np.where(np.isnan(leaf), np.nan, found)

    return jax.tree.map(drawn, tree)


def of(tree, i):
    return jax.tree.map(lambda leaf: leaf[i], tree)


def evaluated(loss, states, others, step):
    """The weighted terms at many states, each with others of its own or all with the same."""
    run = jax.vmap(lambda s, o: dict(loss(s, *o, step=step)), in_axes=(0, 0))
    return jax.tree.map(np.asarray, jax.jit(run)(states, others))


def repeated(tree, number):
    return jax.tree.map(lambda leaf: np.broadcast_to(leaf, (number, *np.shape(leaf))), tree)


def check(loss, found, given, step=None, seed=0):
    """All that the report says, at random points in place of the data that are given."""
    rng = np.random.default_rng(seed)
    states, *others = given
    with jax.enable_x64(True):
        moved, more = points(rng, states), points(rng, tuple(others))
        check_signs(found, evaluated(loss, moved, more, step))
        fixed = repeated(points(rng, tuple(others), 1), POINTS)
        fixed = jax.tree.map(lambda leaf: leaf[:, 0], fixed)
        left, right = points(rng, states), points(rng, states)
        middle = jax.tree.map(_middle, left, right)
        check_chords(found, *(evaluated(loss, at, fixed, step) for at in (left, middle, right)))
        check_gradients(loss, found, moved, more, step)


def _middle(a, b):
    return (a + b) / 2 if np.issubdtype(a.dtype, np.floating) else a


SIGNS = {
    "positive": lambda x, tolerance: x > -tolerance,
    "never negative": lambda x, tolerance: x >= -tolerance,
    "zero": lambda x, tolerance: x == 0,
    "never positive": lambda x, tolerance: x <= tolerance,
    "negative": lambda x, tolerance: x < tolerance,
}


def _size(*values):
    return TOLERANCE * (1 + sum(np.abs(np.where(np.isfinite(value), value, 0)) for value in values))


def check_signs(found, values):
    for term in found.terms:
        if holds := SIGNS.get(term.sign):
            value = values[term.label]
            known = ~np.isnan(value)
            assert holds(value, _size(value))[known].all(), (term.label, term.sign)


def check_chords(found, left, middle, right):
    for term in found.terms:
        a, m, b = (values[term.label] for values in (left, middle, right))
        with np.errstate(invalid="ignore"):
            above = (a + b) / 2 - m
        # Where it is not a number, or infinite, there is no chord.
        known, tolerance = np.isfinite(a) & np.isfinite(b) & np.isfinite(m), _size(a, b, m)
        kinds = {"convex": [1], "concave": [-1], "affine": [1, -1], "constant": [1, -1]}
        for sign in kinds.get(term.convex, []):
            assert (sign * above >= -tolerance)[known].all(), (term.label, term.convex)


def check_gradients(loss, found, states, others, step):
    labels = [term.label for term in found.terms if term.gradient in ("finite", "zero")]
    if len(labels) < len(found.terms):
        # What is NaN elsewhere would be so here: the gradient of several is taken at once.
        loss = loss.without(*[term.label for term in found.terms if term.label not in labels]) if labels else loss
    zero = {term.label for term in found.terms if term.gradient == "zero"}
    if not labels:
        return

    @jax.vmap
    def slopes(states, others):
        def terms(moving):
            values = loss(moving[0], *others[:-1], moving[1], step=step)
            return {label: values[label] for label in labels}

        floats, rest = _parted((states, others[-1]))
        return jax.jacrev(lambda moving: terms(_joined(moving, rest)))(floats)

    each = jax.jit(slopes)(states, others)
    for label in labels:
        for path, leaf in jax.tree_util.tree_leaves_with_path(each[label]):
            assert jnp.isfinite(leaf).all(), (label, path)
            assert label not in zero or not leaf.any(), (label, path)


def _parted(tree):
    is_float = partial(jax.tree.map, lambda leaf: jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact))
    keep = is_float(tree)
    floats = jax.tree.map(lambda leaf, kept: leaf if kept else None, tree, keep)
    rest = jax.tree.map(lambda leaf, kept: None if kept else leaf, tree, keep)
    return floats, rest


def _joined(floats, rest):
    return jax.tree.map(lambda a, b: b if a is None else a, floats, rest, is_leaf=lambda leaf: leaf is None)
