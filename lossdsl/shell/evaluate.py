"""A loss and data -> the value of each term."""

import json
from typing import Annotated

import typer

from lossdsl.backends import example
from lossdsl.disk import packaged
from lossdsl.errors import error
from lossdsl.loss import LossDict, cells, finite, in_json, shortest
from lossdsl.shell.given import compiled, data_of, numbers_of
from lossdsl.shell.options import Data, Json, LossText, Names, Set, Watch, Weight
from lossdsl.shell.terminal import print_table
from lossdsl.shell.watch import run

_NEXT = """
Now your own, on the same reaches:

    lossdsl names
    lossdsl ops
    lossdsl eval "position + 1e-5*nn_hidden + 0.1*sqnorm(diff(net.output)) as jerk" --data example
"""


def evaluate(
    loss: LossText,
    file: Data = None,
    given: Set = None,
    weight: Weight = None,
    step: Annotated[int | None, typer.Option(help="The training iteration, for a loss that needs it.")] = None,
    vocabulary: Names = None,
    as_json: Json = False,
    watch: Watch = False,
) -> None:
    """Evaluate a loss on trajectories: label, weight, raw value, weighted value and share of each term.

    Exit status: 1 if a value is not finite; the terms are named, and what is not finite in the data.
    """

    def work() -> None:
        objective = compiled(loss, given, vocabulary).with_weights(numbers_of("--weight", "position", weight))
        if file is None:
            raise error("no-data")
        data = data_of(file)
        values = objective(data.states, data.trial_specs, data.model, step)
        if as_json:
            _print_json(values, objective.digest)
        else:
            print_values(values)
        objective.check(data.states, data.trial_specs, data.model, step)

    run(work, loss, watch)


def _print_json(values: LossDict, digest: str) -> None:
    total = finite(shortest(values.total))
    print(json.dumps({"terms": in_json(values), "total": total, "digest": digest}, indent=2))


def demo() -> None:
    """Evaluate the loss that comes with lossdsl on the reaches that come with it, and say what to try next."""
    file = packaged("examples", "reach.loss")
    print(file.read_text(encoding="utf-8"))
    print_values(compiled(str(file), None)(*example()))
    print(_NEXT)


def print_values(values: LossDict) -> None:
    """Print the table of what a loss gives."""
    rows = cells(values)
    print_table(rows, right=range(1, len(rows[0])))
