"""Losses of one large batch against the same losses by hand, on the device that JAX runs on: ratio and bandwidth.

Prints the rows of docs/performance.md with the name of the card, in one go of a few minutes:

    python benchmarks/gpu.py
    python benchmarks/gpu.py --batch 64  # where there is no GPU, to see that it runs
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import typer
from call import TEXT, every, terms, trajectories
from gallery import page
from paired import paired

import lossdsl as ld

LIMIT = 1.02
# In these all arrays of states and trials begin with `batch`.
NAMES = ("muscles", "smoothness", "legged_robot", "tokens", "ppo")
WIDE = ("hidden", "unit", "word", "action")
# Random numbers are made for so many trials, and repeated on the device.
DRAWN = 64
Case = tuple[Any, Callable[..., Any], Callable[..., Any]]


def of_page(batch: int, time: int, width: int) -> Case:
    """The loss of the page: what it is given, ours and the same by hand, each its values and the total last."""
    states, trials = repeated(trajectories(min(DRAWN, batch), time, width), batch)
    loss = ld.compile(TEXT)

    def by_hand(states: Any, trials: Any) -> Any:
        effector, net, target = states["mechanics"]["effector"], states["net"], trials["target"]
        found, _, total = terms(
            effector["pos"], effector["vel"], net["output"], net["hidden"], target["pos"], target["vel"]
        )
        return found, total

    return (states, trials), lambda *given: every(loss(*given)), by_hand


def of_gallery(name: str, batch: int, time: int, width: int) -> Case:
    """A loss of the gallery, the same."""
    example = page.load(name)
    sizes = {"batch": min(DRAWN, batch), "time": time, "xy": 2, "muscle": 6, "joint": 12, "foot": 4}
    states, trials, model = example.data(np.random.default_rng(0), sizes | dict.fromkeys(WIDE, width))
    states, trials = repeated(jax.tree.map(narrow, (states, trials)), batch)
    model = jax.device_put(jax.tree.map(narrow, model))
    loss, step = ld.compile(example.LOSS, example.VOCABULARY), getattr(example, "STEP", None)

    def by_hand(states: Any, trials: Any, model: Any) -> Any:
        values = example.by_hand(states, trials, model, step)
        return values, sum(values.values())

    return (states, trials, model), lambda *given: every(loss(*given, step)), by_hand


def narrow(leaf: Any) -> Any:
    """Floats as float32."""
    leaf = np.asarray(leaf)
    return leaf.astype(np.float32) if leaf.dtype == np.float64 else leaf


def repeated(tree: Any, batch: int) -> Any:
    """A few trials as many, on the device."""

    @partial(jax.jit, static_argnums=1)
    def repeat(x: Any, times: int) -> Any:
        return jnp.tile(x, (times,) + (1,) * (x.ndim - 1))[:batch]

    return jax.tree.map(lambda x: repeat(jax.device_put(x), -(-batch // len(x))), tree)


def size(tree: Any) -> int:
    """The bytes of all arrays."""
    return sum(leaf.nbytes for leaf in jax.tree.leaves(tree))


def bandwidth(pairs: int, megabytes: int) -> float:
    """The bytes that the device reads and writes in a second, as it copies a large array."""
    x = jnp.ones(megabytes * 250_000)
    copy = jax.jit(lambda x: x + 1)
    run = lambda: jax.block_until_ready(copy(x))  # noqa: E731 - timed as the others are
    return 2 * x.nbytes / min(paired(run, run, pairs)[:2])


def rows(name: str, case: Case, pairs: int, peak: float) -> list[str]:
    """Forward and gradient of a loss, ours and by hand held against each other first."""
    given, *both = case
    # The gradient is as large as the states.
    ways = {
        "values": ([jax.jit(run) for run in both], size(given)),
        "value and gradient": (
            [jax.jit(jax.value_and_grad(lambda *given, run=run: run(*given)[-1])) for run in both],
            size(given) + size(given[0]),
        ),
    }
    found = []
    for way, (runs, moved) in ways.items():
        results = [jax.device_get(jax.tree.map(summed, run(*given))) for run in runs]
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-3, atol=1e-6), *results)
        ours, hand, ratio = paired(*(lambda run=run: jax.block_until_ready(run(*given)) for run in runs), pairs)
        share = moved / ours / peak
        found.append(f"| {name} | {way} | {ours * 1e3:.2f} | {hand * 1e3:.2f} | {ratio:.3f} | {share:.0%} |")
    return found


def summed(x: Any) -> Any:
    """An array as two numbers, which are quick to compare."""
    return jnp.stack([jnp.sum(x), jnp.sum(jnp.abs(x))])


def main(batch: int = 4096, time: int = 200, width: int = 256, pairs: int = 50) -> None:
    """Time all of them."""
    card = jax.devices()[0]
    peak = bandwidth(pairs, 4000 if card.platform != "cpu" else 200)
    print(f"{card.device_kind}, JAX {jax.__version__}, a batch of ({batch}, {time}, {width}) in float32.")
    print(f"A copy moves {peak / 1e9:,.0f} GB/s; the last column is the share of it. Limit of the ratio: {LIMIT}.\n")
    print("| loss | waited for | lossdsl [ms] | by hand [ms] | ratio | bandwidth |\n|---|---|---|---|---|---|")
    cases = {"page": of_page, **{name: partial(of_gallery, name) for name in NAMES}}
    for name, make in cases.items():
        print(*rows(name, make(batch, time, width), pairs, peak), sep="\n", flush=True)


if __name__ == "__main__":
    typer.run(main)
