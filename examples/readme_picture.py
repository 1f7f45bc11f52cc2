"""Draw README's picture: a loss as text, as mathematics, as values, and over the training of a network.

python examples/readme_picture.py --out docs/pictures/readme.png
"""

from pathlib import Path
from tempfile import TemporaryDirectory

import jax.random as jr
import typer
from matplotlib.figure import Figure
from matplotlib.image import imread
from train_reach import LOSS, Model, Task, train

import lossdsl as ld
from lossdsl.mathematics import picture
from lossdsl.mathematics.formula import formula

CODE = {"family": "monospace", "fontsize": 9.5, "va": "top"}
GREY = "0.4"


def trained(batches: int) -> ld.LossHistory:
    """The history of a training run."""
    model_key, trial_key = jr.split(jr.key(0))
    _, history = train(Model(50, model_key), Task(), ld.compile(LOSS), trial_key, batches, 250)
    return history


def drawn(history: ld.LossHistory) -> Figure:
    """Text and formula above the table, and the training beside them."""
    loss = ld.compile(LOSS)
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=[1, 1])
    left.axis("off")
    left.set(xlim=(0, 1), ylim=(0, 1))
    for x, y, title in ((0, 1, "A text"), (0.68, 1, "its mathematics"), (0, 0.43, "its values")):
        left.text(x, y, title, color=GREY, fontsize=10, va="top")
    left.text(0.0, 0.91, str(loss).replace(" + ", "\n+ "), **CODE)
    with TemporaryDirectory() as folder:
        file = Path(folder) / "formula.png"
        picture.save(formula(loss.terms, (), expand=True), "aligned", file)
        inset = left.inset_axes((0.68, 0.46, 0.55, 0.49), anchor="NW")
        inset.imshow(imread(file), interpolation="antialiased")
    inset.axis("off")
    left.text(0.0, 0.34, str(loss(*ld.example())), **CODE)
    ld.plot_loss_history(history, ax=right)
    right.set_title("and its training", color=GREY, fontsize=10, loc="left")
    return figure


def main(out: Path = Path("readme.png"), batches: int = 500) -> None:
    """Train, and draw."""
    drawn(trained(batches)).savefig(out, dpi=150)


if __name__ == "__main__":
    typer.run(main)
