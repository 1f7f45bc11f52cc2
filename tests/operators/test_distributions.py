"""Logits that are infinite, alone, behind a mask, and step by step."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st
from numpy import inf, nan
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.operators import ops
from tests.streaming import both

ONE = (1,)


@pytest.mark.parametrize(
    ("logits", "where", "expected"),
    [
        ([1, 2, inf], 1, inf),
        ([-inf, inf, inf], 1, inf),
        ([-inf, -inf, -inf], 1, -inf),
        ([-inf, 0, 0], 1, np.log(2)),
        ([-inf, -inf, 5], [1, 1, 0], -inf),
        ([-inf, 0, inf], [1, 1, 0], 0),
        ([inf, nan, -inf], [0, 0, 0], 0),
    ],
)
def test_smooth_maximum(logits, where, expected, precision):
    where = where if where == 1 else jnp.array(where)
    assert_allclose(ops.logsumexp(jnp.array(logits, float), where=where, axis=(0,)), expected, rtol=1e-6)


def test_one_infinite_logit_leaves_the_gradients_of_the_others_alone(precision):
    x = jnp.array([[1.0, 2.0, inf], [1.0, 2.0, -inf]])
    found = jax.grad(lambda x: jnp.sum(ops.logsumexp(x, axis=ONE)))(x)
    assert_allclose(found, [[0, 0, nan], [1 / (1 + np.e), np.e / (1 + np.e), 0]], rtol=1e-6)


@pytest.mark.parametrize(
    ("logits", "label", "expected"), [([0, 0, inf], 0, inf), ([0, 0, -inf], 2, inf), ([0, 0, -inf], 0, np.log(2))]
)
def test_surprise(logits, label, expected, precision):
    x = jnp.array([logits], float)
    assert_allclose(ops.cross_entropy(x, jnp.array([[label]]), axis=ONE), [expected], rtol=1e-6)
    assert_allclose(-ops.log_softmax(x, axis=ONE)[0, label], expected, rtol=1e-6)


def test_a_mask_changes_nothing_that_it_leaves_in(precision):
    """Also where that is nothing but -inf, and where a large logit stands beside an infinite one."""
    x = jnp.array([[-inf, -inf, 1.0], [0.0, 1e30, inf], [1.0, nan, 2.0]])
    left = jnp.array([[True, True, False], [True, True, True], [True, True, False]])
    for name in ("softmax", "log_softmax"):
        found = getattr(ops, name)(x, where=left, axis=ONE)
        for row, mask, values in zip(x, left, found, strict=True):
            wanted = getattr(ops, name)(row[None, mask], axis=ONE)[0]
            assert_allclose(values, jnp.zeros(3).at[jnp.flatnonzero(mask)].set(wanted), rtol=1e-6)
    assert_allclose(jax.grad(lambda x: ops.cross_entropy(x, jnp.array([[0]]), axis=ONE)[0])(x[1:2]), [[-1, 0, nan]])


VOCABULARY = ld.Vocabulary({"x": "batch time", "valid": ld.Quantity("trial_specs.valid", "batch time")})
LOSS = ld.compile("logsumexp(x, where=valid, axis=time)", VOCABULARY)
WHOLE = ld.compile("logsumexp(x, axis=time)", VOCABULARY)


@pytest.mark.slow
@example([-95.0, -inf, -inf], [True, True, False])
@example([-inf, 95.0, inf], [True, True, True])
@settings(max_examples=40)
@given(
    st.lists(st.sampled_from([0.0, 1.5, -95.0, 95.0, 200.0, 1e30, inf, -inf]), min_size=3, max_size=3),
    st.lists(st.booleans(), min_size=3, max_size=3),
)
def test_behind_a_mask_and_step_by_step(logits, valid):
    """What is masked is as if it were not there, and the steps give what the whole gives."""
    x, valid = jnp.array([logits]), jnp.array([valid])
    left = x[:, np.flatnonzero(valid[0])]
    expected = WHOLE({"x": left}) if left.size else {"logsumexp(x, axis=time)": 0.0}
    (_, whole), _ = both(WHOLE, ({"x": x}, None, None), {"x": 1}, 3)[1]
    assert_allclose(whole.total, WHOLE({"x": x}).total, rtol=1e-6)
    for result in both(LOSS, ({"x": x}, {"valid": valid}, None), {"x": 1}, 3):
        (_, values), _ = result
        assert_allclose(values["logsumexp(x, where=valid, axis=time)"], expected["logsumexp(x, axis=time)"], rtol=1e-6)
