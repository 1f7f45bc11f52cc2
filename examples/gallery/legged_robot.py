"""A legged robot that follows a command: the reward of its simulator, as a loss."""

import jax.numpy as jnp
import numpy as np

import lossdsl as ld

SOURCE = """
legged_gym, the functions `_reward_...` in `legged_gym/envs/base/legged_robot.py` with the scales of
`legged_robot_config.py`; the orientation, off there, has 1. Rudin, Hoeller, Reist and Hutter (2022), Learning to walk
in minutes using massively parallel deep reinforcement learning.
"""
EASIER = "`[..., :2]` after a path takes components of a vector and gives them a name; `greater` is an indicator."
VOCABULARY = ld.Vocabulary(
    quantities={
        "base.vel_xy": ld.Quantity("states.base.vel[..., :2]", "batch time xy", r"\mathbf{v}_{xy}", "m/s"),
        "base.vel_z": ld.Quantity("states.base.vel[..., 2]", "batch time", "v_{z}", "m/s"),
        "base.rate_xy": ld.Quantity("states.base.rate[..., :2]", "batch time xy", r"\mathbf{\omega}_{xy}", "rad/s"),
        "base.rate_z": ld.Quantity("states.base.rate[..., 2]", "batch time", r"\omega_{z}", "rad/s"),
        "gravity_xy": ld.Quantity("states.base.gravity[..., :2]", "batch time xy", r"\mathbf{g}_{xy}"),
        "torque": ld.Quantity("states.joint.torque", "batch time joint", r"\mathbf{\tau}", "N m"),
        "joint.vel": ld.Quantity("states.joint.vel", "batch time joint", r"\dot{\mathbf{q}}", "rad/s"),
        "action": ld.Quantity("states.action", "batch time joint", r"\mathbf{a}"),
        "air_time": ld.Quantity("states.foot.air_time", "batch time foot", r"\mathbf{t}_{\mathrm{air}}", "s"),
        "touchdown": ld.Quantity("states.foot.touchdown", "batch time foot", r"\mathbf{c}"),
        "command.vel": ld.Quantity("trial_specs.command[..., :2]", "batch time xy", r"\mathbf{v}^{*}", "m/s"),
        "command.rate": ld.Quantity("trial_specs.command[..., 2]", "batch time", r"\omega^{*}", "rad/s"),
    },
    parameters={"dt": 0.02},
)
LOSS = """\
moving = greater(norm(command.vel), 0.1)
dt*(
    2*square(base.vel_z) as bounce
    - exp(-sqnorm(command.vel - base.vel_xy)/0.25) as velocity
    - 0.5*exp(-square(command.rate - base.rate_z)/0.25) as turning
    + 0.05*sqnorm(base.rate_xy) as roll_and_pitch
    + sqnorm(gravity_xy) as orientation
    + 1e-5*sqnorm(torque) as torques
    + 2.5e-7*sqnorm(diff(joint.vel)/dt) as acceleration
    + 0.01*sqnorm(diff(action)) as action_rate
    - moving*sum((air_time - 0.5)*touchdown, axis=foot) as steps
)
"""


def data(rng, n):
    """Random states, trials and model; `n` has the lengths of the axes."""
    batch, time = n["batch"], n["time"]
    states = {
        "base": {name: rng.normal(size=(batch, time, 3)) for name in ("vel", "rate", "gravity")},
        "joint": {name: rng.normal(size=(batch, time, n["joint"])) for name in ("torque", "vel")},
        "action": rng.normal(size=(batch, time, n["joint"])),
        "foot": {
            "air_time": rng.uniform(size=(batch, time, n["foot"])),
            "touchdown": rng.integers(0, 2, size=(batch, time, n["foot"])).astype(float),
        },
    }
    walks = rng.integers(0, 2, size=(batch, time, 1))
    return states, {"command": walks * rng.normal(size=(batch, time, 3))}, None


def reference(states, trial_specs, model, step):
    """Each weighted term."""
    base, joint, foot, command = states["base"], states["joint"], states["foot"], trial_specs["command"]
    missed = np.sum((command[..., :2] - base["vel"][..., :2]) ** 2, axis=-1)
    moving = np.linalg.norm(command[..., :2], axis=-1) > 0.1
    steps = np.sum((foot["air_time"] - 0.5) * foot["touchdown"], axis=-1) * moving
    each_step = {
        "bounce": 2 * base["vel"][..., 2] ** 2,
        "velocity": -np.exp(-missed / 0.25),
        "turning": -0.5 * np.exp(-((command[..., 2] - base["rate"][..., 2]) ** 2) / 0.25),
        "roll_and_pitch": 0.05 * np.sum(base["rate"][..., :2] ** 2, axis=-1),
        "orientation": np.sum(base["gravity"][..., :2] ** 2, axis=-1),
        "torques": 1e-5 * np.sum(joint["torque"] ** 2, axis=-1),
        "acceleration": 2.5e-7 * np.sum((np.diff(joint["vel"], axis=1) / 0.02) ** 2, axis=-1),
        "action_rate": 0.01 * np.sum(np.diff(states["action"], axis=1) ** 2, axis=-1),
        "steps": -steps,
    }
    return {name: 0.02 * np.mean(np.sum(value, axis=1)) for name, value in each_step.items()}


def by_hand(states, trial_specs, model, step):
    """The same in JAX."""
    base, joint, foot, command = states["base"], states["joint"], states["foot"], trial_specs["command"]
    vel, rate = base["vel"], base["rate"]
    missed = jnp.sum((command[..., :2] - vel[..., :2]) ** 2, axis=-1)
    moving = jnp.linalg.norm(command[..., :2], axis=-1) > 0.1
    each_step = {
        "bounce": 2 * vel[..., 2] ** 2,
        "velocity": -jnp.exp(-missed / 0.25),
        "turning": -0.5 * jnp.exp(-((command[..., 2] - rate[..., 2]) ** 2) / 0.25),
        "roll_and_pitch": 0.05 * jnp.sum(rate[..., :2] ** 2, axis=-1),
        "orientation": jnp.sum(base["gravity"][..., :2] ** 2, axis=-1),
        "torques": 1e-5 * jnp.sum(joint["torque"] ** 2, axis=-1),
        "acceleration": 2.5e-7 * jnp.sum((jnp.diff(joint["vel"], axis=1) / 0.02) ** 2, axis=-1),
        "action_rate": 0.01 * jnp.sum(jnp.diff(states["action"], axis=1) ** 2, axis=-1),
        "steps": -jnp.sum((foot["air_time"] - 0.5) * foot["touchdown"], axis=-1) * moving,
    }
    return {name: 0.02 * jnp.mean(jnp.sum(value, axis=1)) for name, value in each_step.items()}
