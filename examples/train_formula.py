"""Train a network on a sentence: reach the target, hold it for 0.3 s, and never push hard.

The task and the model are those of `train_reach.py`; the loss is the violation of a formula of temporal logic.

    python examples/train_formula.py
"""

import jax
import jax.random as jr
from train_reach import Model, Task, train

import lossdsl as ld

REACHES = ld.FEEDBAX.extend(dt=0.05)
# Distances count in centimetres and forces in 1.5 N, so that they can stand in one formula.
SENTENCE = """
near = norm(effector.pos[1:] - target.pos)/0.01 < 1
gentle = norm(effector.force)/1.5 < 1
"""
GOAL = "eventually(always(near, within=0.3s)) and always(gentle)"
LOSS = f"{SENTENCE}0.1*violation({GOAL}, margin=0.3) as goal + effector_position + effector_final_velocity"


def held(model: Model, trials: object) -> jax.Array:
    """The robustness of the sentence in each trial: positive where it holds."""
    sentence = ld.compile(f"{SENTENCE}robustness({GOAL}) as sentence", REACHES)
    return sentence.per_trial(jax.vmap(model)(trials), trials)["sentence"]


def main(batches: int = 400, batch_size: int = 250, hidden: int = 50, trials: int = 500, seed: int = 0) -> float:
    """Train on the sentence; print in how many of the trials that it has not seen it holds."""
    task, keys = Task(), jr.split(jr.key(seed), 3)
    model, _ = train(Model(hidden, keys[0]), task, ld.compile(LOSS, REACHES), keys[1], batches, batch_size)
    found = held(model, task.training_trials(trials, keys[2]))
    share = float((found > 0).mean())
    print(f"The sentence holds in {share:.1%} of {trials} new trials; its robustness is {found.mean():.2f} on average.")
    return share


if __name__ == "__main__":
    import typer

    typer.run(main)
