"""A loss step by step: what it gives for states that are there whole, in value and gradient."""

import jax
import jax.numpy as jnp
import numpy as np
from numpy.testing import assert_allclose


def axes_of(name, vocabulary, tree, *, root="states", otherwise=1):
    """Where the arrays in a root have an axis, in the form of that root."""
    found = {}
    for quantity in vocabulary.quantities.values():
        for place in quantity.places:
            if place.root == root and name in quantity.dimensions:
                found[place.parts] = quantity.dimensions.index(name)

    def axis(path, leaf):
        parts = tuple(str(getattr(key, "key", getattr(key, "idx", getattr(key, "name", None)))) for key in path)
        return found.get(parts, otherwise)

    return jax.tree_util.tree_map_with_path(axis, tree)


def axes_of_time(vocabulary, states):
    """Where the arrays of the states have `time`."""
    return axes_of("time", vocabulary, states)


def rollout(stream, states, axes, steps):
    """The carry after all states."""
    whole = jax.tree.map(lambda x, axis: jnp.moveaxis(jnp.asarray(x), axis, 0), states, axes)
    carry = stream.init(jax.tree.map(lambda x: x[0], whole))

    def body(carry, step):
        return stream.update(carry, *step), None

    rest = jax.tree.map(lambda x: x[1:], whole), jnp.arange(1, steps)
    return jax.lax.scan(body, carry, rest)[0] if steps > 1 else carry


def both(loss, given, axes, steps, step=None, known=True):
    """Total, terms and the gradient with respect to all that is given, in batch and in stream."""

    def batch(given):
        values = loss(*given, step=step)
        return values.total, values

    def stream(given):
        states, trial_specs, model = given
        s = loss.stream(trial_specs, steps=steps if known else None, model=model, step=step)
        values = s.finish(rollout(s, states, axes, steps))
        return values.total, values

    def run(given):
        return [jax.value_and_grad(f, has_aux=True, allow_int=True)(given) for f in (batch, stream)]

    # What XLA would make faster is run once.
    return jax.jit(run).lower(given).compile({"xla_backend_optimization_level": 0})(given)


def rewarded(loss, given, axes, steps, step=None):
    """The sum of the rewards of each trial over an episode, and minus its loss."""

    def run(given):
        states, trial_specs, model = given
        stream = loss.stream(trial_specs, steps=steps, model=model, step=step)
        whole = jax.tree.map(lambda x, axis: jnp.moveaxis(jnp.asarray(x), axis, 0), states, axes)

        def body(before, now):
            after = stream.update(before, *now)
            return after, stream.reward(before, after, now[1])

        first = stream.init(jax.tree.map(lambda x: x[0], whole))
        rest = jax.tree.map(lambda x: x[1:], whole), jnp.arange(1, steps)
        carry, rewards = jax.lax.scan(body, first, rest)
        return jnp.sum(rewards, axis=0), -stream.per_trial(carry).total, jnp.max(jnp.abs(rewards), axis=0)

    found = jax.jit(run).lower(given).compile({"xla_backend_optimization_level": 0})(given)
    batch = np.asarray(loss.per_trial(*given, step=step).total)
    total, wanted, largest = map(np.asarray, found)
    assert total.shape == batch.shape
    # Rewards are differences: nothing sums to a loss that is infinite.
    known = np.isfinite(batch)
    atol = 1e-9 * np.max(largest, initial=1, where=known)
    for other in (wanted, -batch):
        assert_allclose(total[known], other[known], rtol=1e-7, atol=atol)


def hold(found, rtol, atol):
    """Both are the same."""
    ((_, values), gradient), ((_, streamed), slopes) = found
    assert list(values) == list(streamed)
    for label, value in values.items():
        assert streamed[label].dtype == value.dtype
        assert_allclose(streamed[label], value, rtol=rtol, atol=atol, err_msg=label)
        assert_allclose(streamed.raw[label], values.raw[label], rtol=rtol, atol=atol, err_msg=label)
        assert_allclose(streamed.weights[label], values.weights[label])
    leaves = [leaf for leaf in jax.tree.leaves(gradient) if leaf.dtype != jax.dtypes.float0]
    largest = max(
        [1.0, *(float(np.max(np.abs(np.nan_to_num(leaf, posinf=0, neginf=0)), initial=0)) for leaf in leaves)]
    )
    for (path, one), other in zip(jax.tree_util.tree_leaves_with_path(gradient), jax.tree.leaves(slopes), strict=True):
        if one.dtype != jax.dtypes.float0:
            assert_allclose(other, one, rtol=rtol, atol=atol * largest, err_msg=str(path))
