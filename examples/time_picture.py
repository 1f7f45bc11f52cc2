"""Draw states, trials, steps, an epoch and windows on one line.

python examples/time_picture.py --out docs/pictures/time.png
"""

from pathlib import Path

import typer
from matplotlib.axes import Axes
from matplotlib.figure import Figure

GREY, BLUE, RED = "0.55", "#2f6fab", "#b5473c"
LAST, GO = 20, (5, 9, 7)


def drawn() -> Figure:
    """The arrays above, the windows of three trials below, one column for each step."""
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    axes = figure.subplots()
    boxes(axes, 5.4, 0, "states  (effector.pos)")
    boxes(axes, 4.5, 1, "trials  (target.pos)")
    for row, go in enumerate(GO):
        y = 3 - row
        axes.plot([0, LAST], [y, y], color="0.85", zorder=0)
        axes.plot([1, go], [y, y], color=GREY, lw=6, solid_capstyle="butt")
        axes.plot(go + 1, y, marker="|", color=RED, ms=16, mew=2)
        axes.plot([go + 3, LAST], [y, y], color=BLUE, lw=6, solid_capstyle="butt")
        axes.text(-1.2, y, f"trial {row + 1}", ha="right", va="center")
    axes.text(2.8, 3.32, "@hold", color=GREY, ha="center")
    axes.text(GO[0] + 1, 3.32, "go", color=RED, ha="center")
    axes.text(14, 3.32, "@go+0.2s..end", color=BLUE, ha="center")
    axes.axvspan(1.5, 4.5, color="#e8b33f", alpha=0.25, lw=0)
    axes.text(3, 0.35, "@0.2s..0.5s", color="#8a6410", ha="center")
    axes.set(xlim=(-5, LAST + 0.7), ylim=(0.1, 6), yticks=[], xticks=range(0, LAST + 1, 5), xlabel="step, of 0.1 s")
    axes.spines[["left", "right", "top"]].set_visible(False)
    return figure


def boxes(axes: Axes, y: float, first: int, name: str) -> None:
    """An array: a box for each of its places, with the index in it."""
    axes.text(-1.2, y, name, ha="right", va="center")
    for step in range(first, LAST + 1):
        axes.text(step, y, str(step - first), ha="center", va="center", fontsize=7, bbox={"fc": "white", "ec": GREY})


def main(out: Path = Path("time.png")) -> None:
    """Draw."""
    drawn().savefig(out, dpi=150)


if __name__ == "__main__":
    typer.run(main)
