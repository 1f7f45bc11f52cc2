"""Objects as points: a focal loss on heatmaps of their centres, the offsets there, and Dice for the segmentation."""

import jax
import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
Law and Deng (2018), CornerNet, eq. (1) to (3), as in Zhou, Wang and Krähenbühl (2019), Objects as points, eq. (1) and
(2); Milletari, Navab and Ahmadi (2016), V-Net, section 3, for Dice.
"""
EASIER = "`softplus` of logits is a logarithm that never overflows; `where` takes one of two costs at each place."
VOCABULARY = ld.Vocabulary(
    quantities={
        "logits": ld.Quantity("states.heat", "batch row column class", "l"),
        "heat": ld.Quantity("trial_specs.heat", "batch row column class", "Y", doc="1 at a centre, less around it"),
        "offset": ld.Quantity("states.offset", "batch row column xy", r"\mathbf{o}", "px"),
        "offset.true": ld.Quantity("trial_specs.offset", "batch row column xy", r"\mathbf{o}^{*}", "px"),
        "part": ld.Quantity("states.part", "batch row column", "s", doc="the logit of the foreground"),
        "part.true": ld.Quantity("trial_specs.part", "batch row column", "g"),
    },
)
LOSS = """\
p = sigmoid(logits)
centre = equal(heat, 1)
objects = maximum(sum(centre, axis=(row, column, class)), 1)
missed = square(1 - p)*softplus(-logits)
invented = (1 - heat)**4*square(p)*softplus(logits)
inside = sigmoid(part)
common = sum(inside*part.true, axis=(row, column))
sum(where(centre, missed, invented), axis=(row, column, class))/objects as focal
+ l1norm(offset - offset.true, where=max(centre, axis=class))/objects as offsets
+ (1 - 2*common/sum(square(inside) + square(part.true), axis=(row, column))) as dice
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    image = (n["batch"], n["row"], n["column"])
    heat = rng.uniform(0, 0.9, size=(*image, n["class"]))
    heat[rng.uniform(size=heat.shape) < 0.05] = 1
    states = {"heat": rng.normal(-2, 1, size=heat.shape), "offset": rng.uniform(size=(*image, n["xy"]))}
    trial_specs = {"heat": heat, "offset": rng.uniform(size=(*image, n["xy"]))}
    return states | {"part": rng.normal(size=image)}, trial_specs | {"part": rng.integers(0, 2, size=image)}, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    values = {"focal": 0.0, "offsets": 0.0, "dice": 0.0}
    trials = len(states["heat"])
    for b in range(trials):
        heat, p = trial_specs["heat"][b], 1 / (1 + np.exp(-states["heat"][b]))
        away = np.abs(states["offset"][b] - trial_specs["offset"][b])
        count = trials * max(1, np.sum(heat == 1))
        for y, chance in zip(heat.ravel(), p.ravel(), strict=True):
            cost = (1 - chance) ** 2 * np.log(chance) if y == 1 else (1 - y) ** 4 * chance**2 * np.log(1 - chance)
            values["focal"] -= cost / count
        values["offsets"] += np.sum(away[np.any(heat == 1, axis=-1)]) / count
        inside, true = 1 / (1 + np.exp(-states["part"][b])), trial_specs["part"][b]
        values["dice"] += (1 - 2 * np.sum(inside * true) / np.sum(inside**2 + true**2)) / trials
    return {name: np.float64(value) for name, value in values.items()}


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    logits, heat, image = states["heat"], trial_specs["heat"], (1, 2)
    p, centre = jax.nn.sigmoid(logits), heat == 1
    missed, invented = (1 - p) ** 2 * jax.nn.softplus(-logits), (1 - heat) ** 4 * p**2 * jax.nn.softplus(logits)
    objects = jnp.maximum(jnp.sum(centre, axis=(1, 2, 3)), 1)
    away = jnp.sum(jnp.abs(states["offset"] - trial_specs["offset"]), axis=-1)
    inside, true = jax.nn.sigmoid(states["part"]), trial_specs["part"]
    dice = 1 - 2 * jnp.sum(inside * true, axis=image) / jnp.sum(inside**2 + true**2, axis=image)
    return {
        "focal": jnp.mean(jnp.sum(jnp.where(centre, missed, invented), axis=(1, 2, 3)) / objects),
        "offsets": jnp.mean(jnp.sum(jnp.where(jnp.any(centre, axis=-1), away, 0), axis=image) / objects),
        "dice": jnp.mean(dice),
    }
