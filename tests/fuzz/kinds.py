"""What is done with the inputs of each kind, and what must hold; a fault is any exception but a `LossError`."""

import io
import random
from collections.abc import Callable
from functools import cache
from pathlib import Path

import jax
import numpy as np

import lossdsl as ld
from lossdsl.training import LossHistory
from tests.fuzz import inputs

# Texts need not use what a vocabulary has; a parameter given with a loss must be used.
VOCABULARY = ld.FEEDBAX.extend(parameters={"alpha": 0.1})


def text(rng: random.Random, folder: Path) -> bool:
    """A tree is printed and parsed back; a loss, its text and its config are one objective."""
    given = inputs.loss_text(rng)
    try:
        tree = ld.parse(given)
        loss = ld.compile(tree, vocabulary=VOCABULARY)
    except ld.LossError as failure:
        assert str(failure) and failure.hint, given
        return False
    assert ld.parse(str(tree)) == tree, given
    assert ld.compile(str(loss), vocabulary=VOCABULARY).digest == loss.digest, given
    assert ld.compile(**loss.to_config()).digest == loss.digest, given
    return bool(loss.latex())


def config(rng: random.Random, folder: Path) -> bool:
    """What is loaded is saved, and loaded again it is the same."""
    suffix = rng.choice([".yaml", ".toml", ".json"])
    path = folder / f"self{suffix}"
    path.write_bytes(inputs.config_text(rng, suffix).encode("utf-8", "surrogatepass"))
    (folder / "other.yaml").write_text("quantities: {other: [states.other, batch time]}\n")
    try:
        loss = ld.load(path)
    except ld.LossError as failure:
        assert str(failure)
        return False
    saved = folder / f"saved{rng.choice(['.yaml', '.toml', '.json'])}"
    ld.save(loss, saved)
    assert ld.load(saved).digest == loss.digest, path.read_bytes()
    return True


def history(rng: random.Random, folder: Path) -> bool:
    """A damaged history is loaded whole or not at all."""
    content, original = _history(folder)
    path = folder / "damaged"
    path.write_bytes(inputs.damaged(rng, content))
    try:
        loaded = LossHistory.load(path)
    except ld.LossError as failure:
        assert str(failure)
        return False
    assert jax.tree.structure(loaded) == jax.tree.structure(original)
    for one, other in zip(jax.tree.leaves(loaded), jax.tree.leaves(original), strict=True):
        assert np.array_equal(one, other, equal_nan=True)
    return True


@cache
def _history(folder: Path) -> tuple[bytes, LossHistory]:
    original = LossHistory.start(["position", "final(velocity)"], [0, 10, 20])
    original.save(folder / "history")
    return (folder / "history").read_bytes(), LossHistory.load(folder / "history")


def npz(rng: random.Random, folder: Path) -> bool:
    """Damaged trajectories are loaded whole or not at all."""
    content, original = rng.choice([_npz(np.savez), _npz(np.savez_compressed)])
    path = folder / "damaged.npz"
    path.write_bytes(inputs.damaged(rng, content))
    try:
        loaded = ld.load_npz(path)
    except ld.LossError as failure:
        assert str(failure)
        return False
    for key, array in original.items():
        root, name = key.split(".")
        found = getattr(loaded, root)[name]
        assert found.dtype == array.dtype and np.array_equal(found, array)
    return True


@cache
def _npz(save: Callable[..., None]) -> tuple[bytes, dict[str, np.ndarray]]:
    arrays = {
        "states.a": np.arange(60.0).reshape(3, 5, 4),
        "states.b": np.arange(8),
        "trial_specs.c": np.ones((2, 1), "f4"),
    }
    file = io.BytesIO()
    save(file, **arrays)
    return file.getvalue(), arrays


KINDS = {"text": text, "config": config, "history": history, "npz": npz}


def run(kind: str, seed: int, count: int, folder: Path) -> tuple[int, list[tuple[int, Exception]]]:
    """How many inputs were taken, and the seeds of those that failed, each with what it raised."""
    taken, failed = 0, []
    for number in range(seed, seed + count):
        try:
            taken += KINDS[kind](random.Random(f"{kind} {number}"), folder)
        except Exception as failure:
            failed.append((number, failure))
    return taken, failed
