"""A single step is that of the whole, though no other is computed."""

import jax
import numpy as np
import pytest
from numpy.testing import assert_allclose

import lossdsl as ld
from lossdsl.operators import OPS

pytestmark = pytest.mark.slow

OTHERS = [
    "gather(effector.pos, 1, axis=xy)",
    "quantile(net.hidden, 0.3, axis=hidden)",
    "std(net.output, axis=output)",
    "sum(one_hot(equal(nn_output, 0), axis=output)*net.output, axis=output)",
    "sum(rename(effector.pos, xy=other)*expand(effector.vel[0], axis=other), axis=(other, xy))",
    "entropic(net.hidden, 0.5, axis=hidden)",
    "mean(net.hidden, where=greater(net.hidden, 0), axis=hidden)",
    "sum(softmax(net.hidden)*cumsum(net.hidden, axis=hidden), axis=hidden)",
    "final(cumsum(net.hidden, axis=hidden), axis=hidden)",
    "sum(diff(net.hidden, axis=hidden), axis=hidden)",
    "sum(net.hidden, axis=hidden)*cumsum(sum(net.hidden, axis=hidden))",
]
WHOLE = "sum(where(equal(index(axis=time, like={0}), {1} + length(axis=time, like={0})), {0}, 0))"


def timed(text):
    """Whether it has a value at each step, of which one can be taken."""
    try:
        return ld.compile(f"({text})[-3]") and ld.compile(WHOLE.format(f"({text})", -3))
    except ld.LossError:
        return False


@pytest.mark.parametrize("at", [-1, -3])
def test_a_step_is_that_of_the_whole(at):
    """In value and gradient, for all operators that have a value at each step."""
    texts = [*filter(timed, [*(op.example.split(" as ")[0] for op in OPS.values()), *OTHERS])]
    assert len(texts) > 60
    steps = ld.compile({f"t{i}": f"({text})[{at}]" for i, text in enumerate(texts)})
    whole = ld.compile({f"t{i}": WHOLE.format(f"({text})", at) for i, text in enumerate(texts)})
    states, trials, _ = jax.tree.map(lambda x: x[:3], ld.example())

    def value_and_gradient(loss):
        def total(states):
            values = loss(states, trials, step=3)
            return values.total, dict(values)

        return jax.jit(jax.value_and_grad(total, has_aux=True))(states)

    (_, found), gradient = value_and_gradient(steps)
    (_, wanted), slope = value_and_gradient(whole)
    for label, value in wanted.items():
        assert_allclose(found[label], value, rtol=2e-5, atol=1e-6, err_msg=texts[int(label[1:])])
    for one, other in zip(jax.tree.leaves(gradient), jax.tree.leaves(slope), strict=True):
        assert_allclose(one, other, rtol=2e-3, atol=1e-5 * np.abs(other).max())
