"""Fit the constants of a point mass to what was measured of it, by least squares and by gradient descent.

A loss that is a sum of squares is a vector too, `loss.residuals(...)`: Levenberg and Marquardt's method, which knows
how each of its numbers changes, needs tens of steps where gradient descent needs hundreds.

    pip install -e '.[examples]'
    python examples/fit_dynamics.py
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import optimistix
from jax import Array

import lossdsl as ld

# Outliers of the measurement count as their distance, not its square; no constant goes far where nothing says so.
LOSS = "mean(sum(huber(position - measured, delta=0.02), axis=xy)) as misfit + 1e-8*sqnorm(constants) as prior"
VOCABULARY = ld.Vocabulary(
    quantities={
        "position": ld.Quantity("states", "batch time xy", unit="m"),
        "measured": ld.Quantity("trial_specs.measured", "batch time xy", unit="m"),
        "constants": ld.Quantity("model", "pytree"),
    }
)
TIME_STEP = 0.05  # s
STEPS, TRIALS = 60, 8
# Of a mass of 1 kg, as logarithms since all are positive: N/m, N s/m, N s^2/m^2.
TRUE = {"spring": 1.2, "damper": -1.0, "drag": -0.3}
START = dict.fromkeys(TRUE, 0.0)


def rollout(model: dict[str, Array], start: Array) -> Array:
    """The positions of the mass on its spring, with friction that grows with the speed, from rest."""
    spring, damper, drag = (jnp.exp(model[name]) for name in TRUE)

    def step(state: tuple[Array, Array], _: None) -> tuple[tuple[Array, Array], Array]:
        place, velocity = state
        speed = jnp.sqrt(jnp.sum(velocity**2, axis=-1, keepdims=True) + 1e-12)
        force = -spring * place - damper * velocity - drag * speed * velocity
        velocity = velocity + TIME_STEP * force
        place = place + TIME_STEP * velocity
        return (place, velocity), place

    _, places = jax.lax.scan(step, (start, jnp.zeros_like(start)), length=STEPS)
    return jnp.moveaxis(places, 0, 1)


def measurement(rng: np.random.Generator) -> dict[str, np.ndarray]:
    """Where the mass began, and where it was seen: a few of the places are off by much."""
    start = rng.uniform(-1, 1, (TRIALS, 2))
    seen = np.asarray(rollout(TRUE, jnp.asarray(start))) + rng.normal(scale=0.002, size=(TRIALS, STEPS, 2))
    seen[rng.random(seen.shape) < 0.02] += 0.5
    return {"start": start, "measured": seen}


def by_least_squares(loss: ld.CompositeLoss, trials: dict[str, np.ndarray]) -> tuple[dict[str, Array], int]:
    """The constants, and the number of steps. The solver minimises half of the sum of squares: in the same place."""

    def residuals(model: dict[str, Array], trials: dict[str, Array]) -> dict[str, Array]:
        return loss.residuals(rollout(model, trials["start"]), trials, model)

    solver = optimistix.LevenbergMarquardt(rtol=1e-6, atol=1e-6)
    found = optimistix.least_squares(residuals, solver, jax.tree.map(jnp.asarray, START), trials, max_steps=100)
    return found.value, int(found.stats["num_steps"])


def by_gradients(loss: ld.CompositeLoss, trials: dict[str, np.ndarray], steps: int) -> dict[str, Array]:
    """The constants after so many steps of Adam."""
    optimizer = optax.adam(1e-2)

    def total(model: dict[str, Array]) -> Array:
        return loss(rollout(model, trials["start"]), trials, model).total

    def step(state: tuple[dict[str, Array], optax.OptState], _: None) -> tuple[Any, None]:
        model, memory = state
        updates, memory = optimizer.update(jax.grad(total)(model), memory)
        return (optax.apply_updates(model, updates), memory), None

    model = jax.tree.map(jnp.asarray, START)
    return jax.jit(lambda state: jax.lax.scan(step, state, length=steps)[0])((model, optimizer.init(model)))[0]


def main() -> None:
    """Fit both ways, and print what each found."""
    loss = ld.compile(LOSS, VOCABULARY)
    trials = measurement(np.random.default_rng(0))
    found, steps = by_least_squares(loss, trials)
    ways = {f"least squares, {steps} steps": found}
    ways |= {f"gradient descent, {n:,} steps": by_gradients(loss, trials, n) for n in (steps, 1_000)}
    print(f"{'':<32}{'loss':>12}" + "".join(f"{name:>10}" for name in TRUE))
    for way, model in {"true": TRUE, **ways}.items():
        value = loss(rollout(model, trials["start"]), trials, model).total
        print(f"{way:<32}{value:>12.3e}" + "".join(f"{float(jnp.exp(model[name])):>10.4f}" for name in TRUE))


if __name__ == "__main__":
    main()
