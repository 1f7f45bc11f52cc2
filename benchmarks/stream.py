"""A loss that takes in long trajectories step by step, against the same loss of stored ones: memory and time.

The memory is what XLA says that the compiled program needs besides what it is given and returns.

    python benchmarks/stream.py --steps 10000
"""

import sys
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import jax.random as jr
import typer
from paired import paired, table

import lossdsl as ld

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
from train_reach import LOSS, Model, Task


class Slow(Model):
    dt: float = 5e-4  # so that 10,000 steps are 5 s


def rolled(model: Any, trials: Any, steps: int) -> Any:
    """The states of all steps, stored."""

    def body(states: Any, t: Any) -> Any:
        after = jax.vmap(model.step)(states, trials.inputs.target[:, t - 1])
        return after, after

    first = jax.vmap(model.initial)(trials)
    _, rest = jax.lax.scan(body, first, jnp.arange(1, steps))
    whole = jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), first, rest)
    return jax.tree.map(lambda x: jnp.swapaxes(x, 0, 1), whole)


def streamed(model: Any, trials: Any, loss: Any, steps: int, chunk: Any) -> Any:
    """The total, of states that are taken in as they come."""
    stream = loss.stream(trials, steps=steps)

    def body(carry: Any, t: Any) -> Any:
        states, so_far = carry
        states = jax.vmap(model.step)(states, trials.inputs.target[:, t - 1])
        return states, stream.update(so_far, states, t)

    first = jax.vmap(model.initial)(trials)
    _, so_far = ld.scan(body, (first, stream.init(first)), range(1, steps), chunk=chunk)
    return stream.finish(so_far).total


def bare(model: Any, trials: Any, steps: int) -> Any:
    """The rollout without a loss, but that of its last state."""

    def body(states: Any, t: Any) -> Any:
        return jax.vmap(model.step)(states, trials.inputs.target[:, t - 1]), None

    states, _ = jax.lax.scan(body, jax.vmap(model.initial)(trials), jnp.arange(1, steps))
    return jnp.mean(jnp.square(states.net.hidden))


def main(steps: int = 10_000, batch: int = 64, hidden: int = 128, pairs: int = 3) -> None:
    """Print the memory of each program, and how long it takes beside the one of stored trajectories."""
    loss, model = ld.compile(LOSS), Slow(hidden, jr.key(0))
    trials = Task(steps=steps - 1).training_trials(batch, jr.key(1))
    totals = {
        "stored": lambda model: loss(rolled(model, trials, steps), trials).total,
        "streamed": lambda model: streamed(model, trials, loss, steps, None),
        "streamed in chunks": lambda model: streamed(model, trials, loss, steps, "sqrt"),
        "rollout alone": lambda model: bare(model, trials, steps),
    }
    programs = {
        name: [jax.jit(f).lower(model).compile() for f in (total, jax.value_and_grad(total))]
        for name, total in totals.items()
    }
    rows = []
    for name, pair in programs.items():
        row: list[object] = [name]
        for program, stored in zip(pair, programs["stored"], strict=True):
            ratio = paired(partial(_done, program, model), partial(_done, stored, model), pairs)[2]
            row += [f"{program.memory_analysis().temp_size_in_bytes / 1e6:.3g}", f"{ratio:.2f}"]
        rows.append(row)
    print(table(["", "forward, MB", "time", "gradient, MB", "time"], rows))
    values = [float(programs[name][0](model)) for name in ("stored", "streamed", "streamed in chunks")]
    print("totals", *(f"{value:.6g}" for value in values))


def _done(program: Any, model: Any) -> None:
    jax.block_until_ready(program(model))


if __name__ == "__main__":
    typer.run(main)
