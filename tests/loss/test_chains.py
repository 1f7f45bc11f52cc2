"""Chains of definitions that are longer than Python descends: they are followed, or told; never a bare error."""

import jax.numpy as jnp
import numpy as np
import pytest

import lossdsl as ld

pytestmark = pytest.mark.slow

STATES = {"x": jnp.full((2, 3), 0.5)}
ROWS = [
    ("square(x)", "a{} + square(x)", "sum(a{})"),
    ("square(x)", "0.999*a{}", "sum(a{})"),
    ("square(x)", "abs(a{})", "mean(a{})"),
    ("x[1:]", "a{} - x[1:]", "mean(a{})"),
    ("sum(square(x))", "a{} + sum(square(x))", "a{}"),
    ("sum(square(x))", "0.999*a{}", "a{}"),
    ("mean(x, axis=batch)", "a{} + square(x)", "sum(a{})"),
    ("x/length(axis=time)", "abs(a{})", "sum(a{})"),
]
USES = {
    "call": lambda loss: loss(STATES),
    "check": lambda loss: loss.check(STATES),
    "stream": lambda loss: loss.stream(steps=3),
    "scan of Feedbax": lambda loss: ld.make_streaming_loss_fn(loss, None, None, 3),
    "residuals": lambda loss: loss.residuals(STATES),
    "parts": lambda loss: ld.accumulate(loss, lambda model, x: STATES, {"g": jnp.ones(())}, jnp.ones(2)),
    "report": lambda loss: str(ld.report(loss)),
    "latex": lambda loss: loss.latex(expand=True),
    "text": lambda loss: ld.compile(str(loss), "none", quantities={"x": "batch time"}).digest == loss.digest,
}


def chain(row, length):
    first, more, last = row
    rows = [f"a0 = {first}", *(f"a{i} = {more.format(i - 1)}" for i in range(1, length)), last.format(length - 1)]
    return ld.compile("; ".join(rows), "none", quantities={"x": "batch time"})


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[1]} of {row[0]}")
@pytest.mark.parametrize("length", [150, 900, 1600])
def test_they_are_followed_or_told(row, length):
    try:
        loss = chain(row, length)
    except ld.LossError:
        return
    for name, use in USES.items():
        try:
            use(loss)
        except ld.LossError:
            assert name not in ("call", "check", "text")


def test_one_that_is_followed_has_its_value():
    assert np.isclose(chain(ROWS[0], 900)(STATES).total, 900 * 0.25 * 3)
