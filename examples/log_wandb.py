"""A curve for each term and each weight in Weights & Biases, offline, with the digest of the objective as a tag.

In a checkout:

    pip install '.[examples]'
    python examples/log_wandb.py --out runs
    wandb sync runs/wandb/offline-run-*  # later, with an account

By the tag the runs of one objective are found, however it is written.
"""

from pathlib import Path

import jax
import jax.random as jr
import typer
import wandb
from train_reach import Model, Task, train

import lossdsl as ld

LOSS = "effector_position + minimum(step/50, 1)*effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden"


def main(batches: int = 250, batch_size: int = 64, out: Path = Path("runs"), loss: str = LOSS) -> None:
    """Train a network to reach, and log every batch."""
    objective = ld.compile(loss)
    model_key, trial_key = jr.split(jr.key(0))
    out.mkdir(parents=True, exist_ok=True)
    how = {"mode": "offline", "config": {"loss": str(objective)}, "tags": [objective.digest[:12]]}
    with wandb.init(project="reach", dir=out, **how) as run:

        def log(i: int, values: ld.LossDict) -> None:
            run.log({name: float(value) for name, value in jax.device_get(values.flat()).items()}, step=i)

        train(Model(50, model_key), Task(), objective, trial_key, batches, batch_size, log)
    print(f"Wrote {run.dir}.")


if __name__ == "__main__":
    typer.run(main)
