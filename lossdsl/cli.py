"""The command line: evaluate, check and show a loss; list operators and names."""

import json
import math
import re
import sys
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from lossdsl import data
from lossdsl.errors import LossError, error
from lossdsl.expr import shown_axes
from lossdsl.loss import CompositeLoss, compile
from lossdsl.ops import OPS
from lossdsl.vocabulary import FEEDBAX, STEP, Quantity
from lossdsl.weights import expression

# A loss such as `-position` is not an option.
app = typer.Typer(
    help="The loss of a JAX controller as one line of text.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
_LOSS = {"ignore_unknown_options": True}
_DATA_HELP = "An .npz file with keys such as states.net.hidden."
_LossText = Annotated[str, typer.Argument(metavar="LOSS", help="A loss, or a file that holds one.")]
_LOOKS_LIKE_FILE = re.compile(r"[^\s()*+]+\.(loss|txt)")
_NUMBERS = ("weight", "raw", "weighted", "share")


def main() -> None:
    """Run the command line; what is wrong with a loss goes to stderr, with exit status 1."""
    try:
        app()
    except LossError as failure:
        print(failure, file=sys.stderr)
        sys.exit(1)


@app.command("eval", context_settings=_LOSS)
def evaluate(
    loss: _LossText,
    file: Annotated[Path, typer.Option("--data", metavar="FILE", help=_DATA_HELP)],
    step: Annotated[int | None, typer.Option(help="The training iteration, for a loss that needs it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate a loss on trajectories: label, weight, raw value, weighted value and share of each term."""
    compiled = _compiled(loss)
    given = data.load_npz(file)
    values = compiled(given.states, given.trial_specs, given.model, step)
    total = _shortest(values.total)
    rows: list[dict[str, Any]] = [
        {
            "label": label,
            "weight": _shortest(values.weights[label]),
            "raw": _shortest(values.raw[label]),
            "weighted": _shortest(value),
            "share": _shortest(value) / total if total else math.nan,
        }
        for label, value in values.items()
    ]
    if as_json:
        terms = [{key: _finite(value) for key, value in row.items()} for row in rows]
        print(json.dumps({"terms": terms, "total": _finite(total), "digest": compiled.digest}, indent=2))
        if not math.isfinite(total):
            print(f"the total is {total}", file=sys.stderr)
        return
    shown = [[row["label"], *(f"{row[key]:.6g}" for key in _NUMBERS[:3]), _percent(row["share"])] for row in rows]
    _print_table(["term", *_NUMBERS], [*shown, ["total", "", "", f"{total:.6g}", ""]], right=_NUMBERS)


@app.command(context_settings=_LOSS)
def check(loss: _LossText) -> None:
    """Parse a loss, look its names up, check its axes, and print its terms."""
    compiled = _compiled(loss)
    rows = [[term.label, str(expression(term.factor)), str(term.expr)] for term in compiled.terms]
    _print_table(["term", "weight", "expression"], rows)


@app.command(context_settings=_LOSS)
def python(loss: _LossText) -> None:
    """Print the Python/JAX source that runs."""
    print(_compiled(loss).python(), end="")


@app.command()
def ops() -> None:
    """List the operators, one line each with an example."""
    rows = [[_signature(name), op.summary, op.example] for name, op in OPS.items()]
    _print_table(["operator", "what it is", "example"], rows)


@app.command()
def names(
    file: Annotated[Path | None, typer.Option("--data", metavar="FILE", help=_DATA_HELP)] = None,
) -> None:
    """List the names of the vocabulary; with --data which of their paths it has, with shapes and dtypes."""
    given = data.load_npz(file) if file else None
    rows = [[name, q.path, shown_axes(q.axes), q.unit, q.doc] for name, q in FEEDBAX.quantities.items()]
    if given:
        rows = [[*row, _found(FEEDBAX.quantities[row[0]], given)] for row in rows]
    _print_table(["quantity", "path", "axes", "unit", "what it is", *(["in the data"] if given else [])], rows)
    print()
    _print_table(["term", "definition", "what it is"], [[n, d.text, d.doc] for n, d in FEEDBAX.terms.items()])
    print()
    _print_table(["parameter", "what it is"], [[STEP, "the training iteration"]])


def _compiled(loss: str) -> CompositeLoss:
    path = Path(loss)
    if _LOOKS_LIKE_FILE.fullmatch(loss) and not path.is_file():
        raise error("no-file", path=loss)
    is_file = len(loss) < 1000 and "\n" not in loss and "\0" not in loss and path.is_file()
    return compile(_text(path) if is_file else loss)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise error("not-a-text", path=str(path)) from None


def _found(quantity: Quantity, given: data.Trajectories) -> str:
    try:
        value = data.take(getattr(given, quantity.path.split(".")[0]), quantity.path)
    except LossError:
        return "missing"
    return f"{value.shape} {value.dtype}" if hasattr(value, "shape") else "missing" if value is None else "a PyTree"


def _signature(name: str) -> str:
    op = OPS[name]
    match name:
        case "neg":
            return "-x"
        case "[]":
            return "x[i:j]"
    if not name.isidentifier():
        return f"x {name} y"
    given = [p if default is None else f"{p}={float(default):g}" for p, default in op.defaults.items()]
    return f"{name}({', '.join(given + (['axis'] if op.axis else []))})"


def _shortest(value: Any) -> float:
    """The number as few digits tell it: 1e-05, where float32 holds 9.999999747378752e-06."""
    return float(str(np.asarray(value)))


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _percent(share: float) -> str:
    return f"{100 * share:.1f}%" if math.isfinite(share) else ""


def _print_table(columns: list[str], rows: list[list[str]], right: tuple[str, ...] = ()) -> None:
    """Aligned columns; the header is bold on a terminal."""
    widths = [max(len(cell) for cell in column) for column in zip(columns, *rows, strict=True)]
    for row in [columns, *rows]:
        cells = zip(columns, row, widths, strict=True)
        line = "  ".join(cell.rjust(width) if name in right else cell.ljust(width) for name, cell, width in cells)
        typer.secho(line.rstrip(), bold=row is columns)
