"""A curve for each term and each weight in TensorBoard, and the digest that says which objective it was.

In a checkout:

    pip install '.[examples]' tensorboard
    python examples/log_tensorboard.py --out runs
    tensorboard --logdir runs

The runs of one objective lie together, however it is written.
"""

from pathlib import Path

import jax
import jax.random as jr
import typer
from tensorboardX import SummaryWriter
from train_reach import Model, Task, train

import lossdsl as ld

LOSS = "effector_position + minimum(step/50, 1)*effector_final_velocity + 1e-5*nn_output + 1e-5*nn_hidden"


def main(batches: int = 250, batch_size: int = 64, out: Path = Path("runs"), loss: str = LOSS) -> None:
    """Train a network to reach, and log every batch."""
    objective = ld.compile(loss)
    folder = out / objective.digest[:12]
    model_key, trial_key = jr.split(jr.key(0))
    with SummaryWriter(str(folder)) as writer:
        writer.add_text("loss/digest", objective.digest)
        writer.add_text("loss/text", f"    {objective}")

        def log(i: int, values: ld.LossDict) -> None:
            for name, value in jax.device_get(values.flat()).items():
                writer.add_scalar(name, value, i)

        train(Model(50, model_key), Task(), objective, trial_key, batches, batch_size, log)
    print(f"Wrote {folder}.")


if __name__ == "__main__":
    typer.run(main)
