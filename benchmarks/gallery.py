"""Every loss of the gallery against the same loss written by hand in JAX: values, value and gradient, memory.

`python benchmarks/gallery.py` for all, or `python benchmarks/gallery.py crps fape` for some.
"""

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import numpy as np
from paired import paired, table

sys.path.insert(0, str(Path(__file__).parent.parent / "examples" / "gallery"))
import page

import lossdsl as ld

LIMIT = 1.05
# A loss of both ways is timed for so long.
SECONDS = 4.0
# Lengths of axes as they are met in training, so that a call takes 0.2 to 50 ms on one core.
SIZES = {
    "delayed_reach": {"batch": 250, "time": 100, "xy": 2, "output": 2, "hidden": 50},
    "muscles": {"batch": 128, "time": 100, "xy": 2, "muscle": 6, "unit": 128},
    "smoothness": {"batch": 1024, "time": 200, "xy": 2, "joint": 2},
    "lqr": {"batch": 1024, "time": 100, "state": 12, "control": 4},
    "burgers": {"point": 1_000_000, "start": 10_000, "wall": 10_000},
    "causal_pinn": {"time": 512, "point": 1024},
    "crps": {"batch": 4, "member": 16, "place": 2048},
    "beta_vae": {"batch": 256, "pixel": 4096, "latent": 32},
    "contrastive": {"batch": 512, "latent": 256},
    "vicreg": {"batch": 512, "latent": 512},
    "distillation": {"batch": 512, "class": 1000},
    "tokens": {"batch": 8, "time": 128, "word": 4096},
    "heatmaps": {"batch": 4, "row": 64, "column": 64, "class": 20, "xy": 2},
    "ppo": {"batch": 256, "time": 256, "action": 18},
    "quantile_td": {"batch": 64, "action": 6, "quantile": 100},
    "sac": {"batch": 100_000, "critic": 2},
    "legged_robot": {"batch": 1024, "time": 24, "joint": 12, "foot": 4},
    "potential": {"batch": 256, "atom": 200},
    "fape": {"batch": 1, "frame": 256, "atom": 1024},
    "cox": {"batch": 1024},
}
assert list(SIZES) == page.NAMES


def drawn(name: str) -> tuple[Any, Any, Any]:
    """States, trials and model, in float32 on the device."""

    def on_device(leaf: Any) -> jax.Array:
        leaf = np.asarray(leaf)
        return jax.device_put(leaf.astype(np.float32) if leaf.dtype == np.float64 else leaf)

    return jax.tree.map(on_device, page.load(name).data(np.random.default_rng(0), SIZES[name]))


def ways(name: str) -> dict[str, tuple[Callable[..., Any], Callable[..., Any]]]:
    """Ours and theirs, of states and model first: every value and the total, the total and its gradient."""
    example = page.load(name)
    loss = ld.compile(example.LOSS, example.VOCABULARY)

    def ours(moving: Any, trial_specs: Any, step: Any) -> Any:
        values = loss(moving[0], trial_specs, moving[1], step=step)
        return values.total, dict(values)

    def by_hand(moving: Any, trial_specs: Any, step: Any) -> Any:
        values = example.by_hand(moving[0], trial_specs, moving[1], step)
        return sum(values.values()), values

    runs = ours, by_hand
    return {
        "values": (jax.jit(ours), jax.jit(by_hand)),
        "gradient": tuple(jax.jit(jax.value_and_grad(run, has_aux=True)) for run in runs),  # type: ignore[dict-item]
    }


def temporary(run: Any, arguments: Sequence[Any]) -> int:
    """The bytes that it needs beside what it is given and returns."""
    return run.lower(*arguments).compile().memory_analysis().temp_size_in_bytes


def compared(name: str) -> list[list[object]]:
    """A row for each way, ours and theirs held against each other first."""
    states, trial_specs, model = drawn(name)
    step = getattr(page.load(name), "STEP", None)
    arguments = (states, model), trial_specs, step if step is None else jax.device_put(np.int32(step))
    rows: list[list[object]] = []
    for way, pair in ways(name).items():
        results = [run(*arguments) for run in pair]
        jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-4, atol=1e-5), *results)
        ready = [lambda run=run: jax.block_until_ready(run(*arguments)) for run in pair]
        once = paired(*ready, 3)
        pairs = max(15, min(1000, int(SECONDS / (once[0] + once[1]))))
        ours, hand, ratio = paired(*ready, pairs)
        memory = [temporary(run, arguments) for run in pair]
        times = [f"{time * 1e3:.2f}" for time in (ours, hand)]
        rows.append([name, way, *times, f"{ratio:.3f}", *(f"{size / 1e6:.2f}" for size in memory), f"{LIMIT:.2f}"])
    return rows


def main(names: Sequence[str]) -> None:
    head = ["loss", "waited for", "lossdsl [ms]", "by hand [ms]", "ratio", "lossdsl [MB]", "by hand [MB]", "limit"]
    print(table(head, [row for name in names for row in compared(name)]))


if __name__ == "__main__":
    main(sys.argv[1:] or page.NAMES)
