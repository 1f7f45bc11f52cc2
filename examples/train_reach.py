"""Train a network to reach with a point mass, on a loss that is one line of text: a text in, figures out.

The task is Feedbax's: reaches between random places in training, from the centre outwards in validation.

    python examples/train_reach.py --out figures

With `--stream` the loss takes in the states step by step, and no trajectory is stored.
"""

import sys
from collections import namedtuple
from collections.abc import Callable
from colorsys import hsv_to_rgb
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import jax.random as jr
import numpy as np
import optax
import typer
from jax import Array
from matplotlib.figure import Figure
from rich.progress import track

import lossdsl as ld

LOSS = "1.0*effector_position + 1.0*effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden"

# A loss finds its arrays by attribute: `effector.pos` is `states.mechanics.effector.pos`, `lossdsl names` has them all.
Cartesian = namedtuple("Cartesian", "pos vel force")  # m, m/s, N
Mechanics = namedtuple("Mechanics", "effector")
Net = namedtuple("Net", "hidden output")
States = namedtuple("States", "mechanics net")
Inputs = namedtuple("Inputs", "target")  # what the network is told: where the target is
Trials = namedtuple("Trials", "start inputs target")


@dataclass(frozen=True)
class Task:
    """Reaches to a target that is there from the first step on."""

    steps: int = 99  # and the initial state, which is no target's
    workspace: float = 1.0  # half the side of the square, m
    reach: float = 0.5  # m
    directions: int = 7

    def training_trials(self, n: int, key: Array) -> Trials:
        """Reaches between random places of the workspace."""
        start, goal = jr.uniform(key, (2, n, 2), minval=-self.workspace, maxval=self.workspace)
        return self._trials(start, goal)

    def validation_trials(self) -> Trials:
        """Reaches from the centre, evenly in all directions."""
        angle = jnp.linspace(0, 2 * jnp.pi, self.directions, endpoint=False)
        goal = self.reach * jnp.stack([jnp.cos(angle), jnp.sin(angle)], axis=1)
        return self._trials(jnp.zeros_like(goal), goal)

    def _trials(self, start: Array, goal: Array) -> Trials:
        pos = jnp.repeat(goal[:, None], self.steps, axis=1)
        rest = jnp.zeros_like(pos)
        return Trials(start, Inputs(pos), Cartesian(pos, rest, rest))


class Model(eqx.Module):
    """A GRU that sees the target and the effector, and pushes a point mass."""

    cell: eqx.nn.GRUCell
    readout: eqx.nn.Linear
    mass: float = 1.0  # kg
    dt: float = 0.05  # s

    def __init__(self, hidden: int, key: Array):
        cell_key, readout_key = jr.split(key)
        self.cell = eqx.nn.GRUCell(6, hidden, key=cell_key)
        self.readout = eqx.nn.Linear(hidden, 2, key=readout_key)

    def step(self, states: States, target: Array) -> States:
        """One step of the network, then one Euler step of the mass."""
        pos, vel, _ = states.mechanics.effector
        hidden = self.cell(jnp.concatenate([target, pos, vel]), states.net.hidden)
        force = self.readout(hidden)
        effector = Cartesian(pos + self.dt * vel, vel + self.dt * force / self.mass, force)
        return States(Mechanics(effector), Net(hidden, force))

    def initial(self, trial: Trials) -> States:
        """The states before the first step of a trial: at rest."""
        zero = jnp.zeros(2)
        return States(Mechanics(Cartesian(trial.start, zero, zero)), Net(jnp.zeros(self.cell.hidden_size), zero))

    def __call__(self, trial: Trials) -> States:
        """The states of one trial, the initial one first."""

        def step(states: States, target: Array) -> tuple[States, States]:
            after = self.step(states, target)
            return after, after

        first = self.initial(trial)
        _, rest = jax.lax.scan(step, first, trial.inputs.target)
        return jax.tree.map(lambda one, more: jnp.concatenate([one[None], more]), first, rest)


@eqx.filter_jit
def eval_with_loss(
    model: Model, trials: Trials, loss: ld.CompositeLoss, step: Array | None = None
) -> tuple[ld.LossDict, States]:
    """The loss of a model on some trials, and the states that it comes from."""
    states = jax.vmap(model)(trials)
    return loss(states, trials, model, step), states


def stream_loss(model: Model, trials: Trials, loss: ld.CompositeLoss, step: Array | None = None) -> ld.LossDict:
    """The same loss, of states that it takes in as they come."""
    steps = trials.inputs.target.shape[1]
    stream = loss.stream(trials, steps=steps + 1, model=model, step=step)

    def body(carry: tuple[States, Any], t: Array) -> tuple[States, Any]:
        states, so_far = carry
        states = jax.vmap(model.step)(states, trials.inputs.target[:, t - 1])
        return states, stream.update(so_far, states, t)

    first = jax.vmap(model.initial)(trials)
    _, so_far = ld.scan(body, (first, stream.init(first)), range(1, steps + 1))
    return stream.finish(so_far)


@eqx.filter_jit
def train_step(
    model: Model,
    opt_state: optax.OptState,
    loss: ld.CompositeLoss,
    key: Array,
    step: Array,
    *,
    task: Task,
    batch_size: int,
    optimizer: optax.GradientTransformation,
    stream: bool = False,
) -> tuple[Model, optax.OptState, ld.LossDict]:
    """One update; the loss is an argument, so its weights may change from step to step without a retrace."""
    trials = task.training_trials(batch_size, jr.fold_in(key, step))

    def total(model: Model) -> tuple[Array, ld.LossDict]:
        values = stream_loss(model, trials, loss, step) if stream else eval_with_loss(model, trials, loss, step)[0]
        return values.total, values

    (_, values), grads = eqx.filter_value_and_grad(total, has_aux=True)(model)
    updates, opt_state = optimizer.update(grads, opt_state)
    return eqx.apply_updates(model, updates), opt_state, values


def train(
    model: Model,
    task: Task,
    loss: ld.CompositeLoss,
    key: Array,
    batches: int,
    batch_size: int,
    log: Callable[[int, ld.LossDict], None] = lambda i, values: None,
    stream: bool = False,
) -> tuple[Model, ld.LossHistory]:
    """The trained model, and its losses in every batch; `log` is told those of each, as they come."""
    # The first gradients are huge: clipped, they do not throw the network off. A falling rate lets it settle.
    optimizer = optax.chain(optax.clip_by_global_norm(1.0), optax.adam(optax.cosine_decay_schedule(1e-2, batches)))
    opt_state = optimizer.init(eqx.filter(model, eqx.is_inexact_array))
    update = partial(train_step, task=task, batch_size=batch_size, optimizer=optimizer, stream=stream)

    begin = perf_counter()
    jax.block_until_ready(update(model, opt_state, loss, key, jnp.asarray(0)))
    print(f"Training step compiled in {perf_counter() - begin:.2f} seconds.")

    history = ld.LossHistory.start(loss.labels, batches)
    for i in track(range(batches), "Training", transient=True, disable=not sys.stdout.isatty()):
        step = jnp.asarray(i)  # an int would be a constant of the compiled step, and each a new one
        model, opt_state, values = update(model, opt_state, loss, key, step)
        history = history.record(i, values)
        log(i, values)
        if i % 125 == 0 or i == batches - 1:
            validation, _ = eval_with_loss(model, task.validation_trials(), loss, step)
            history = history.record_validation(i, validation)
            print(f"Training iteration: {i}")
            print(f"    training loss: {values.total:.2e}")
            print(f"    validation loss: {validation.total:.2e}")
    print(f"Completed training run on a total of {batches * batch_size:,} trials.")
    return model, history


def plot_reaches(states: States, trials: Trials, dt: float) -> Figure:
    """Paths and speeds of reaches, each in a colour of its own."""
    effector, goals = jax.device_get((states.mechanics.effector, trials.target.pos[:, -1]))
    time = dt * np.arange(effector.pos.shape[1])
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    paths, speeds = figure.subplots(1, 2)
    for i, (pos, vel, goal) in enumerate(zip(effector.pos, effector.vel, goals, strict=True)):
        color = hsv_to_rgb(i / len(goals), 0.7, 0.8)
        paths.plot(*goal, "o", color=color, markersize=13, fillstyle="none")
        paths.plot(*pos.T, ".", color=color, markersize=5)
        speeds.plot(time, np.linalg.norm(vel, axis=1), color=color)
    paths.plot(*effector.pos[:, 0].T, "s", color="black", markersize=5)
    paths.set(title=f"Position every {dt:g} s, from ■ to ○", xlabel="x (m)", ylabel="y (m)", aspect="equal")
    speeds.set(title="Speed", xlabel="time (s)", ylabel="speed (m/s)", xlim=(0, time[-1]), ylim=(0, None))
    for axes in (paths, speeds):
        axes.spines[["top", "right"]].set_visible(False)
    return figure


def main(
    batches: int = 500,
    batch_size: int = 250,
    seed: int = 0,
    out: Path = Path(),
    loss: str = LOSS,
    stream: bool = False,
) -> None:
    """Train a network to reach; write loss_history.png and reaches.png."""
    objective, task = ld.compile(loss), Task()
    model_key, trial_key = jr.split(jr.key(seed))
    model, history = train(Model(50, model_key), task, objective, trial_key, batches, batch_size, stream=stream)
    trials = task.validation_trials()
    _, states = eval_with_loss(model, trials, objective, jnp.asarray(batches))
    out.mkdir(parents=True, exist_ok=True)
    ld.plot_loss_history(history).savefig(out / "loss_history.png")
    plot_reaches(states, trials, model.dt).savefig(out / "reaches.png", dpi=150)
    print(f"Wrote {out / 'loss_history.png'} and {out / 'reaches.png'}.")


if __name__ == "__main__":
    typer.run(main)
