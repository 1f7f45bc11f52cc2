"""The words of the language -> what they mean: operators, names, the codes of errors."""

import re
from fractions import Fraction
from pathlib import Path
from typing import Annotated

import typer

from lossdsl.backends import Trajectories, example, taken_at
from lossdsl.configs import write_file
from lossdsl.errors import LossError, did_you_mean, error, visible
from lossdsl.explain import explained, explanations
from lossdsl.language import number_text, shown_axes, signature
from lossdsl.loss import compile, shortest
from lossdsl.meaning import FEEDBAX, Quantity, Vocabulary
from lossdsl.operators import OPS, STEP, called_elsewhere
from lossdsl.shell.complete import codes, operators
from lossdsl.shell.given import STDIN, data_of, vocabulary_at
from lossdsl.shell.options import Data, Names
from lossdsl.shell.terminal import print_table, shown

_STEP = 3
_LINK = re.compile(r"\[(.+?)\]\(.+?\)")
_WRITE_HELP = "With --data: write a vocabulary of its arrays, to be corrected, in YAML, TOML or JSON."
_NAME_HELP = "One operator, to see all of it."
_CODE_HELP = "What stands in brackets at the end of an error."


def ops(
    name: Annotated[str | None, typer.Argument(metavar="[NAME]", help=_NAME_HELP, autocompletion=operators)] = None,
) -> None:
    """List the operators, one line each with an example; or show one, with its value and its formula."""
    if name is None:
        print_table(
            [["operator", "what it is", "example"], *([signature(o), o.summary, o.example] for o in OPS.values())]
        )
    elif name in OPS:
        _print_operator(name)
    else:
        otherwise = (
            "it is a name: `lossdsl names` says what it means" if name in FEEDBAX.names else "`lossdsl ops` lists them"
        )
        raise error("unknown-operator", name=name, advice=called_elsewhere(name) or did_you_mean(name, OPS, otherwise))


def _print_operator(name: str) -> None:
    op = OPS[name]
    loss = compile(op.example)
    values = loss(*example(), step=_STEP)
    at = f", at step {_STEP}" if STEP in op.example else ""
    print(f"{signature(op)}\n\n{op.doc.rstrip()}\n")
    print(f"example  {op.example}")
    print(f"value    {shortest(values.total):.6g} on the reaches that come with lossdsl{at}: --data example")
    print(f"formula  {shown(loss.latex(expand=True))}")


def names(
    file: Data = None,
    vocabulary: Names = None,
    write: Annotated[Path | None, typer.Option("--write", metavar="FILE", help=_WRITE_HELP)] = None,
) -> None:
    """List the names of the vocabulary; with --data which of their paths it has, with shapes and dtypes.

    With --write too, propose names for the arrays of the data: a vocabulary to start from.
    """
    given = data_of(file) if file else None
    known = _write(write, given) if write else vocabulary_at(Path(STDIN), vocabulary)
    rows = [[name, q.path, shown_axes(q.axes), q.unit, q.doc] for name, q in known.quantities.items()]
    if given:
        rows = [[*row, _found(known.quantities[row[0]], given)] for row in rows]
    print_table([["quantity", "path", "axes", "unit", "what it is", *(["in the data"] if given else [])], *rows])
    if write:
        shown = visible(str(write))
        print(f"\nThe axes are guesses from equal lengths. Correct them in {shown}, then add --vocabulary {shown}")
        return
    print()
    print_table([["term", "definition", "what it is"], *([d.called(n), d.text, d.doc] for n, d in known.terms.items())])
    print()
    rows = [[name, number_text(Fraction(str(p.default))), p.doc] for name, p in known.parameters.items()]
    print_table([["parameter", "default", "what it is"], *rows, [STEP, "", "the training iteration"]])
    if known.said:
        print()
        print_table([["time", "", "what it is"], *known.shown])


def _write(file: Path, data: Trajectories | None) -> Vocabulary:
    """Propose rows for the data, and write them to a file that is not there yet."""
    if data is None:
        raise error("bad-argument", argument="--write", got="used without data", advice="add `--data FILE.npz`")
    if file.exists():
        advice = "it may have what you have corrected; give another name"
        raise error("bad-argument", argument="--write", got=f"`{file}`, a file that is there", advice=advice)
    known = Vocabulary.from_data(*data)
    rows = {name: {"path": q.path, "axes": q.shape, "doc": q.doc} for name, q in known.quantities.items()}
    write_file(file, {"vocabulary": "none", "quantities": rows})
    return known


def _found(quantity: Quantity, given: Trajectories) -> str:
    try:
        place, value = taken_at(getattr(given, quantity.places[0].root), quantity.places)
    except LossError as failure:
        return failure.message if failure.code == "not-held" else "missing"
    there = f" at {place.text}" if len(quantity.places) > 1 else ""
    if value is None:
        return "missing"
    return f"{value.shape} {value.dtype}{there}" if hasattr(value, "shape") else f"a PyTree{there}"


def explain(
    code: Annotated[str | None, typer.Argument(metavar="[CODE]", help=_CODE_HELP, autocompletion=codes)] = None,
) -> None:
    """Say why an error comes and what helps; without a code, list what can go wrong."""
    if code is None:
        print_table([["code", "what it says"], *([row.code, row.says] for row in explanations())])
        return
    row = explained(code.strip("[]"))
    # A link of the page leads nowhere from here.
    cause, cure = (_LINK.sub(r'"\1" in the documentation', text) for text in (row.cause, row.cure))
    print(f"{row.says}\n\ncause  {cause}\ncure   {cure}\nclass  lossdsl.{row.kind.__name__}")
