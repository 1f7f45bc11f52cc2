"""Train a policy to swing a pendulum up, with a loss as its reward: one line of text, streamed step by step.

The environment is gymnax's `Pendulum-v1`, whose own reward is not used. What is wanted is a loss over whole episodes,
with a window of time and a value at the end; its rewards sum to minus that loss. The policy learns by PPO.

    pip install -e '.[examples]'
    python examples/train_gymnax.py --out figures
"""

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import equinox as eqx
import gymnax
import jax
import jax.numpy as jnp
import jax.random as jr
import optax
import typer
from jax import Array
from matplotlib.figure import Figure

import lossdsl as ld

STATES = ld.Vocabulary(
    quantities={
        "angle": ld.Quantity("states.theta", "batch time", unit="rad", doc="0 where it stands"),
        "speed": ld.Quantity("states.theta_dot", "batch time", unit="rad/s"),
        "torque": ld.Quantity("states.last_u", "batch time", unit="N m"),
    },
    dt=0.05,
)
LOSS = """\
low = 1 - cos(angle)
0.1*low as swing_up
+ 0.002*sum(square(speed)@5s..end) as still
+ 2*final(low) as end
+ 0.01*square(torque) as effort
"""
STEPS = 200

# What PPO descends: Schulman et al. (2017), Proximal policy optimization algorithms, eq. (7) and (9).
PPO = ld.compile(
    """\
ratio = exp(log_prob - old_log_prob)
clipped = minimum(ratio*advantage, clip(ratio, 0.8, 1.2)*advantage)
mean(-clipped, axis=(batch, time)) as surrogate
+ 0.5*mean(square(value - return), axis=(batch, time)) as value_error
""",
    ld.Vocabulary(
        quantities={"log_prob": "batch time", "value": "batch time"}
        | {name: ld.Quantity(f"trial_specs.{name}", "batch time") for name in ("old_log_prob", "advantage", "return")}
    ),
)


class Policy(eqx.Module):
    """What to do, and what is still to come: two networks that see the pendulum and the time that is left."""

    actor: eqx.nn.MLP
    critic: eqx.nn.MLP
    log_std: Array

    def __init__(self, key: Array):
        keys = jr.split(key)
        self.actor = eqx.nn.MLP(4, "scalar", 64, 2, jnp.tanh, key=keys[0])
        self.critic = eqx.nn.MLP(4, "scalar", 64, 2, jnp.tanh, key=keys[1])
        self.log_std = jnp.array(-0.5)

    def log_prob(self, seen: Array, action: Array) -> Array:
        """Of an action, up to a constant."""
        return -0.5 * ((action - self.actor(seen)) / jnp.exp(self.log_std)) ** 2 - self.log_std


class Episode(NamedTuple):
    """What PPO needs of an episode: an array (batch, time) each, and what the policy saw."""

    seen: Array
    action: Array
    reward: Array


def play(policy: Policy, loss: ld.CompositeLoss, key: Array, episodes: int) -> tuple[Episode, Any, ld.LossDict]:
    """Some episodes, the states of the pendulums with the initial ones, and the losses."""
    environment, parameters = gymnax.make("Pendulum-v1")
    reset_key, noise_key = jr.split(key)
    stream = loss.stream(steps=STEPS + 1)

    def step(carry: Any, t: Array) -> Any:
        seen, states, before = carry
        seen = jnp.concatenate([seen, jnp.full((episodes, 1), t / STEPS)], axis=1)
        noise = jr.normal(jr.fold_in(noise_key, t), (episodes,))
        action = jax.vmap(policy.actor)(seen) + jnp.exp(policy.log_std) * noise
        now, states, *_ = jax.vmap(environment.step_env, (None, 0, 0, None))(key, states, 2 * action, parameters)
        after = stream.update(before, states, t)
        reward = stream.reward(before, after, t)
        return (now, states, after), (Episode(seen, action, reward), states)

    first, states = jax.vmap(environment.reset_env, (0, None))(jr.split(reset_key, episodes), parameters)
    (_, _, so_far), (episode, rest) = jax.lax.scan(step, (first, states, stream.init(states)), jnp.arange(1, STEPS + 1))
    by_trial = partial(jax.tree.map, lambda x: jnp.swapaxes(x, 0, 1))
    whole = jax.tree.map(lambda one, more: jnp.concatenate([one[:, None], more], axis=1), states, by_trial(rest))
    return by_trial(episode), whole, stream.finish(so_far)


def advantages(policy: Policy, episode: Episode, discount: float = 0.95, decay: float = 0.95) -> dict[str, Array]:
    """How much better each action was than expected, by generalised advantage estimation, and what it aims at."""
    value = jax.vmap(jax.vmap(policy.critic))(episode.seen)
    # Behind the end nothing comes. Numbers of about 1 are quick to learn.
    error = 0.2 * episode.reward + discount * jnp.pad(value[:, 1:], ((0, 0), (0, 1))) - value
    decay = discount * decay
    _, found = jax.lax.scan(lambda later, now: (now + decay * later,) * 2, error[:, -1] * 0, error.T, reverse=True)
    advantage = found.T
    log_prob = jax.vmap(jax.vmap(policy.log_prob))(episode.seen, episode.action)
    scaled = (advantage - advantage.mean()) / (advantage.std() + 1e-6)
    return {"old_log_prob": log_prob, "advantage": scaled, "return": advantage + value}


@eqx.filter_jit
def improve(policy: Policy, memory: Any, loss: ld.CompositeLoss, key: Array, optimizer: Any, episodes: int) -> Any:
    """The policy after some episodes, each of which it learns from several times."""
    episode, _, values = play(policy, loss, key, episodes)
    trials = advantages(policy, episode)
    params, static = eqx.partition(policy, eqx.is_inexact_array)

    def total(params: Any, part: Any) -> Array:
        episode, trials = part
        policy = eqx.combine(params, static)
        states = {
            "log_prob": jax.vmap(jax.vmap(policy.log_prob))(episode.seen, episode.action),
            "value": jax.vmap(jax.vmap(policy.critic))(episode.seen),
        }
        return PPO(states, trials).total

    def descend(carry: Any, places: Array) -> Any:
        params, memory = carry
        part = jax.tree.map(lambda x: x[places], (episode, trials))
        updates, memory = optimizer.update(jax.grad(total)(params, part), memory)
        return (optax.apply_updates(params, updates), memory), None

    orders = jax.vmap(lambda key: jr.permutation(key, episodes))(jr.split(key, 8)).reshape(32, -1)
    (params, memory), _ = jax.lax.scan(descend, (params, memory), orders)
    return eqx.combine(params, static), memory, values


def train(iterations: int, episodes: int, seed: int) -> tuple[Policy, ld.LossHistory]:
    """The trained policy, and the losses of what it played."""
    loss = ld.compile(LOSS, STATES)
    policy_key, key = jr.split(jr.key(seed))
    policy = Policy(policy_key)
    optimizer = optax.chain(
        optax.clip_by_global_norm(0.5), optax.adam(optax.linear_schedule(2e-3, 1e-4, 32 * iterations))
    )
    memory = optimizer.init(eqx.filter(policy, eqx.is_inexact_array))
    history = ld.LossHistory.start(loss.labels, iterations)
    for i in range(iterations):
        policy, memory, values = improve(policy, memory, loss, jr.fold_in(key, i), optimizer, episodes)
        history = history.record(i, values)
        if i % 10 == 0 or i == iterations - 1:
            print(f"iteration {i}: " + ", ".join(f"{label} {value:.3f}" for label, value in values.items()))
    return policy, history


def drawn(history: ld.LossHistory, episodes: dict[str, Any]) -> Figure:
    """The loss of each term while it learns, and how far from upright the pendulums are before and after."""
    figure = Figure(figsize=(9.5, 3.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1.2, 1])
    ld.plot_loss_history(history, ax=left)
    time = 0.05 * jnp.arange(STEPS + 1)
    for (name, states), color in zip(episodes.items(), ("0.7", "tab:green"), strict=True):
        height = jnp.cos(states.theta)
        for i, line in enumerate(height):
            right.plot(time, line, color=color, linewidth=0.8, label=name if i == 0 else None)
    right.axvspan(5, 10, color="0.95", zorder=0)
    right.text(5.1, -1.13, "@5s..end", family="monospace", fontsize=8, va="center")
    right.set(xlabel="time (s)", ylabel="cosine of the angle", xlim=(0, 10), ylim=(-1.2, 1.1))
    right.set_title("Eight episodes", loc="left", fontsize=10)
    right.legend(loc="lower right", bbox_to_anchor=(1, 1), ncols=2, frameon=False, fontsize=9)
    right.spines[["top", "right"]].set_visible(False)
    return figure


def main(iterations: int = 40, episodes: int = 64, seed: int = 0, out: Path = Path()) -> None:
    """Train, print the losses before and after, and write gymnax.png."""
    policy, history = train(iterations, episodes, seed)
    loss, key = ld.compile(LOSS, STATES), jr.key(seed)
    shown = {}
    for name, each in {"before": Policy(key), "after": policy}.items():
        episode, states, values = eqx.filter_jit(play)(each, loss, key, 8)
        shown[name] = states
        print(f"{name}:\n{values}\nminus the sum of the rewards is {-episode.reward.sum(axis=1).mean():.4f}")
    out.mkdir(parents=True, exist_ok=True)
    drawn(history, shown).savefig(out / "gymnax.png", dpi=150)
    print(f"Wrote {out / 'gymnax.png'}.")


if __name__ == "__main__":
    typer.run(main)
