"""A loop in chunks: the values and gradients of `jax.lax.scan`, in the memory of few steps."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from numpy.testing import assert_allclose

import lossdsl as ld

LOOPS = [(0, "sqrt"), (1, "sqrt"), (7, "sqrt"), (7, None), (7, 1), (7, 100), (range(1, 10), 3)]
LOOPS += [(range(3, 20, 4), 2), (range(9, 0, -2), "sqrt")]


def looped(body, carry, steps):
    for t in steps:
        carry = body(carry, t)
    return carry


@pytest.mark.parametrize(("steps", "chunk"), LOOPS, ids=str)
def test_value_and_gradient_are_those_of_a_loop(steps, chunk):
    every = range(steps) if isinstance(steps, int) else steps

    def total(loop, steps, gain):
        x, seen = loop(lambda c, t: (jnp.sin(gain * c[0]) + 0.1 * t, c[1] + t), (jnp.ones(2), 0), steps)
        return jnp.sum(x) + 0.01 * seen

    def chunked(body, carry, steps):
        return ld.scan(body, carry, steps, chunk=chunk)

    found = jax.value_and_grad(lambda gain: total(chunked, steps, gain))(0.7)
    wanted = jax.value_and_grad(lambda gain: total(looped, every, gain))(0.7)
    assert_allclose(found, wanted, rtol=1e-5)


def test_the_noise_of_a_step_is_that_of_its_number():
    """The same in whatever chunks, when it is computed again, and where only a part of the steps is taken."""

    def noisy(start, steps, chunk="sqrt"):
        def body(x, t, key):
            return 0.9 * x + jax.random.normal(key) * x

        return ld.scan(body, start, steps, chunk=chunk, key=jax.random.key(3))

    found, wanted = (jax.value_and_grad(noisy)(1.0, 7, chunk) for chunk in (3, None))
    assert_allclose(found, wanted, rtol=1e-5)
    first = noisy(1.0, range(3))
    assert_allclose(noisy(first, range(3, 7)), wanted[0], rtol=1e-5)
    assert noisy(1.0, range(3, 6)) != first


def test_it_needs_the_memory_of_few_steps():
    def memory(chunk):
        def total(x):
            return jnp.sum(ld.scan(lambda x, t: jnp.sin(x), x, 900, chunk=chunk))

        program = jax.jit(jax.grad(total)).lower(jnp.ones(1000)).compile()
        return program.memory_analysis().temp_size_in_bytes

    assert memory("sqrt") < memory(None) / 10


@pytest.mark.parametrize(
    "more", [{"steps": -1}, {"steps": 2.0}, {"steps": True}, {"chunk": 0}, {"chunk": "cubic"}, {"chunk": 2.5}], ids=str
)
def test_what_is_no_number_of_steps_is_refused(more):
    (name,) = more
    with pytest.raises(ld.LossValueError, match=f"`{name}` cannot be"):
        ld.scan(lambda x, t: x, 1.0, **{"steps": 3, **more})


@pytest.mark.parametrize("body", [lambda x, t: (x, None), lambda x, t: None, lambda x, t: [x]])
def test_a_body_that_returns_no_carry_is_refused(body):
    with pytest.raises(ld.LossValueError, match=r"`body` cannot be .* not the form of the carry") as caught:
        ld.scan(body, 1.0, 3)
    assert "the carry after the step alone" in caught.value.hint


@pytest.mark.parametrize(("steps", "chunk"), LOOPS, ids=str)
def test_with_a_bar_it_is_the_same(steps, chunk, capsys):
    def body(x, t, key):
        return 0.9 * x + jax.random.normal(key) * t

    shown, plain = (
        ld.scan(body, 1.0, steps, chunk=chunk, key=jax.random.key(3), progress=bar) for bar in (True, False)
    )
    assert_allclose(shown, plain, rtol=1e-6)
    number = len(steps) if isinstance(steps, range) else steps
    assert f"{number} steps" in capsys.readouterr().out or not number


def test_a_bar_in_what_is_traced_is_refused():
    def run(x, gain=1.0):
        return ld.scan(lambda x, t: gain * x, x, 4, progress=True)

    for traced in (jax.grad(run), jax.jit(run), lambda x: jax.grad(lambda gain: run(x, gain))(x)):
        with pytest.raises(ld.LossValueError, match="`progress` cannot be True where JAX traces"):
            traced(1.0)


def test_carries_are_any_tree():
    carry = {"a": np.zeros(2), "b": [jnp.asarray(True)]}
    found = ld.scan(lambda c, t: {"a": c["a"] + 1, "b": c["b"]}, carry, 5)
    assert_allclose(found["a"], 5)
