"""A formula against stljax: the time of value and gradient, and the memory that it takes, as ratios of one run.

stljax is not among our dependencies: `pip install stljax`.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from paired import paired, table
from stljax import formula as stl

import lossdsl as ld

# Steps, how many of them a window looks ahead, limits of the ratios of time and of memory, pairs.
SIZES = [(1_000, 100, 1.0, 1 / 10, 20), (10_000, 1_000, 1 / 20, 1 / 100, 5)]


def waited_for(function: Any, x: Any) -> Any:
    return jax.block_until_ready(function(x))


def main() -> None:
    rows = []
    for steps, ahead, slower, larger, pairs in SIZES:
        x = jnp.asarray(np.random.default_rng(0).normal(size=steps), jnp.float32)
        row = ld.Quantity("states.x", "batch time")
        loss = ld.compile(f"robustness(eventually(always(x < 1, within={ahead})))", ld.Vocabulary({"x": row}))
        theirs = stl.Eventually(stl.Always(stl.Predicate("x", lambda s: s) < 1.0, [0, ahead]))

        def ours_of(x: Any, loss: Any = loss) -> Any:
            return loss({"x": x[None]}).total

        def theirs_of(x: Any, formula: Any = theirs) -> Any:
            return formula(x)[0]

        both = [jax.jit(jax.value_and_grad(each)).lower(x).compile() for each in (ours_of, theirs_of)]
        (found, slope), (wanted, other) = (each(x) for each in both)
        np.testing.assert_allclose(found, wanted, rtol=1e-6)
        np.testing.assert_allclose(slope, other, atol=1e-6)
        times = paired(*(partial(waited_for, each, x) for each in both), pairs)
        memory = [each.memory_analysis().temp_size_in_bytes for each in both]
        rows.append([f"{steps:,} steps, {ahead:,} ahead", f"{times[0] * 1e3:.2f} ms", f"{times[1] * 1e3:.1f} ms"])
        rows[-1] += [f"{times[2]:.4f}", f"{slower:.2f}", f"{memory[0] / 1e6:.2f} MB", f"{memory[1] / 1e6:.0f} MB"]
        rows[-1] += [f"{memory[0] / memory[1]:.4f}", f"{larger:.2f}"]
    head = ["value and gradient", "ours", "stljax", "ratio", "limit", "ours", "stljax", "ratio", "limit"]
    print(table(head, rows))


if __name__ == "__main__":
    main()
