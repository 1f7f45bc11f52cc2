"""The command line: evaluate, check, show, compare and format losses; list operators and names."""

import json
import math
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from importlib.metadata import version
from itertools import islice
from pathlib import Path
from typing import Annotated, Any

import typer

from lossdsl.backends import Trajectories, load_npz, take
from lossdsl.configs import KINDS, load
from lossdsl.disk import MOST_TEXT, read_text, write_whole
from lossdsl.errors import LossError, error, visible
from lossdsl.language import Let, parse, shown_axes, signature
from lossdsl.language.fmt import formatted
from lossdsl.loss import CompositeLoss, check_used, compile, diff, shortest, summary, table
from lossdsl.mathematics import aligned, picture
from lossdsl.mathematics.formula import formula
from lossdsl.meaning import FEEDBAX, Quantity, expression
from lossdsl.operators import OPS, STEP

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    # What Rich draws around help has its place on a terminal alone.
    rich_markup_mode="rich"
    if sys.stdout and sys.stdout.isatty() and sys.stderr.isatty() and not os.environ.get("NO_COLOR")
    else None,
)
_OUTPUT_HELP = "Write a file: .tex, a document, or .svg, .png or .pdf, a picture drawn by Matplotlib."
_DATA_HELP = "An .npz file with keys such as states.net.hidden."
_LossText = Annotated[
    str,
    typer.Argument(metavar="LOSS", help="A loss, or a file that holds one: a text, or a config in YAML, TOML or JSON."),
]
_SET_HELP = "The value of a parameter; may be repeated. A name that nothing else defines becomes a parameter."
_Set = Annotated[list[str] | None, typer.Option("--set", metavar="NAME=NUMBER", help=_SET_HELP)]
_WEIGHT_HELP = "A new weight of a term; may be repeated."
_Weight = Annotated[list[str] | None, typer.Option("--weight", metavar="LABEL=NUMBER", help=_WEIGHT_HELP)]
_LOOKS_LIKE_FILE = re.compile(
    r"[^\s()*+]+\.(loss|txt|yaml|yml|toml|json)|(/|~|\.\.?(/|\Z)).*", re.IGNORECASE | re.DOTALL
)
_GIVE_LOSS = "give the path of a file, or the text of a loss"
_TAKE_VALUES = ("--data", "--set", "--step", "--weight", "-o")
_STDIN = "-"
# What a command ends with that tells by its exit status whether something differs.
_DIFFERENT, _TROUBLE = 1, 2


def main() -> None:
    """Run the command line; what is wrong with a loss goes to stderr, with exit status 1."""
    with _exits(1):
        app(_in_order(sys.argv[1:]), color=_colour())


def _in_order(arguments: list[str]) -> list[str]:
    """The command, its options, and behind `--` its operands: `-position` is not `-p` and `-o sition`."""
    if not arguments or arguments[0].startswith("-"):
        return arguments
    options: list[str] = []
    operands: list[str] = []
    given = iter(arguments[1:])
    for argument in given:
        if argument == "--":
            operands += given
        elif re.match("--|-[ho]$", argument):
            options += [argument, *(islice(given, 1) if argument in _TAKE_VALUES else ())]
        else:
            operands.append(argument)
    return [arguments[0], *options, "--", *operands]


@contextmanager
def _exits(status: int) -> Iterator[None]:
    try:
        yield
    except LossError as failure:
        _print_error(str(failure))
        sys.exit(status)


def _print_error(message: str) -> None:
    """On a terminal what is wrong is bold, and the carets are red."""
    message = re.sub(r"(?:\A|(?<=\n\n)).+", lambda first: typer.style(first[0], bold=True), message)
    carets = re.compile(r"(?<=\n) +\^+$", re.MULTILINE)
    message = carets.sub(lambda line: typer.style(line[0], fg=typer.colors.RED), message)
    typer.echo(message, err=True, color=_colour())


def _colour() -> bool | None:
    """Colours stand only where a terminal shows them, and never where it is asked for none: https://no-color.org."""
    return False if os.environ.get("NO_COLOR") else None


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"lossdsl {version('lossdsl')}")
        raise typer.Exit


@app.callback()
def options(
    _: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """The loss of a JAX controller as one line of text."""


@app.command("eval")
def evaluate(
    loss: _LossText,
    file: Annotated[Path, typer.Option("--data", metavar="FILE", help=_DATA_HELP)],
    given: _Set = None,
    weight: _Weight = None,
    step: Annotated[int | None, typer.Option(help="The training iteration, for a loss that needs it.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Evaluate a loss on trajectories: label, weight, raw value, weighted value and share of each term.

    Exit status: 1 if a value is not finite; the terms are named, and what is not finite in the data.
    """
    compiled = _compiled(loss, _numbers("--set", "alpha", given)).with_weights(_numbers("--weight", "position", weight))
    trajectories = load_npz(file)
    values = compiled(trajectories.states, trajectories.trial_specs, trajectories.model, step)
    if as_json:
        terms = [{key: _finite(value) for key, value in row.items()} for row in summary(values)]
        total = _finite(shortest(values.total))
        print(json.dumps({"terms": terms, "total": total, "digest": compiled.digest}, indent=2))
    else:
        _print_lines(table(values))
    compiled.check(trajectories.states, trajectories.trial_specs, trajectories.model, step)


@app.command()
def check(loss: _LossText, given: _Set = None) -> None:
    """Parse a loss, look its names up, check its axes, and print its terms."""
    compiled = _compiled(loss, _numbers("--set", "alpha", given))
    rows = [[term.label, str(expression(term.factor)), str(term.expr)] for term in compiled.terms]
    _print_table(["term", "weight", "expression"], rows)


@app.command()
def python(loss: _LossText, given: _Set = None) -> None:
    """Print the Python/JAX source that runs."""
    print(_shown(_compiled(loss, _numbers("--set", "alpha", given)).python()), end="")


@app.command("diff")
def compare(
    old: Annotated[str, typer.Argument(metavar="A", help="A loss, or a file that holds one.")],
    new: Annotated[str, typer.Argument(metavar="B", help="Another.")],
    given: _Set = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Print what changed from one objective to another, one row a change.

    How they are written and the order of their terms is no change.
    Exit status: 0 if nothing changed, 1 if something did, 2 if one of them is not a loss.
    """
    numbers = _numbers("--set", "alpha", given)
    with _exits(_TROUBLE):
        before, after = (_compiled(loss, numbers, all_used=False) for loss in (old, new))
        check_used(numbers, [*before.parameters, *after.parameters])
        found = diff(before, after)
    if as_json:
        print(json.dumps(found.to_dict(), indent=2))
    else:
        colours = {"+": typer.colors.GREEN, "-": typer.colors.RED}
        for line in str(found).splitlines():
            typer.secho(visible(line), fg=colours.get(line[0]))
    raise typer.Exit(_DIFFERENT if found else 0)


@app.command("fmt")
def format_files(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files that hold a loss; - for the input.")],
    only_check: Annotated[bool, typer.Option("--check", help="Change nothing, tell by the exit status.")] = False,
) -> None:
    """Write losses as they are printed, and print the names of the files that change.

    Comments stay where they stand. The text on the input goes to the output.
    Exit status: 0, with --check 1 if a file would change; 2 if one is not a loss, which then stays as it is.
    """
    status = 0
    for file in files:
        try:
            text = _input() if file == _STDIN else read_text(Path(file), _GIVE_LOSS)
            result = formatted(text)
            if result != text and file != _STDIN and not only_check:
                write_whole(Path(file), lambda opened, text=result: opened.write(text.encode()))  # type: ignore[misc]
        except LossError as failure:
            _print_error(f"{visible(file)}: {failure}")
            status = _TROUBLE
            continue
        if file == _STDIN and not only_check:
            print(_shown(result) if sys.stdout.isatty() else result, end="")
        elif result != text:
            print(visible(file))
            status = max(status, _DIFFERENT if only_check else 0)
    raise typer.Exit(status)


@app.command()
def latex(
    loss: _LossText,
    given: _Set = None,
    expand: Annotated[bool, typer.Option("--expand", help="Write the mathematics of each term.")] = False,
    where: Annotated[bool, typer.Option("--where", help="Also say what the symbols mean.")] = False,
    aligned_rows: Annotated[bool, typer.Option("--aligned", help="Write one term a row.")] = False,
    output: Annotated[Path | None, typer.Option("-o", metavar="FILE", help=_OUTPUT_HELP)] = None,
) -> None:
    """Print the loss in LaTeX, or write a document or a picture of it."""
    compiled, form = _compiled(loss, _numbers("--set", "alpha", given)), "aligned" if aligned_rows else "line"
    if output:
        shown = formula(compiled.terms, compiled.written.local, expand=expand, where=where)
        picture.save(shown, form, output)
    else:
        print(_shown(compiled.latex(expand=expand, form=form, where=where)))


@app.command()
def ops() -> None:
    """List the operators, one line each with an example."""
    rows = [[signature(op), op.summary, op.example] for op in OPS.values()]
    _print_table(["operator", "what it is", "example"], rows)


@app.command()
def names(
    file: Annotated[Path | None, typer.Option("--data", metavar="FILE", help=_DATA_HELP)] = None,
) -> None:
    """List the names of the vocabulary; with --data which of their paths it has, with shapes and dtypes."""
    given = load_npz(file) if file else None
    rows = [[name, q.path, shown_axes(q.axes), q.unit, q.doc] for name, q in FEEDBAX.quantities.items()]
    if given:
        rows = [[*row, _found(FEEDBAX.quantities[row[0]], given)] for row in rows]
    _print_table(["quantity", "path", "axes", "unit", "what it is", *(["in the data"] if given else [])], rows)
    print()
    _print_table(["term", "definition", "what it is"], [[n, d.text, d.doc] for n, d in FEEDBAX.terms.items()])
    print()
    _print_table(["parameter", "what it is"], [[STEP, "the training iteration"]])


@app.command()
def schema(
    kind: Annotated[str, typer.Argument(metavar="[loss|vocabulary]", help="The kind of file.")] = "loss",
) -> None:
    """Print the JSON Schema of the files that hold a loss or a vocabulary, for editors."""
    if kind not in ("loss", "vocabulary"):
        advice = "write `lossdsl schema loss` or `lossdsl schema vocabulary`"
        raise error("bad-argument", argument="kind", got=f"`{kind}`", advice=advice)
    print(resources.files("lossdsl.configs").joinpath("schemas", f"{kind}.json").read_text("utf-8"), end="")


@app.command()
def lsp() -> None:
    """Run the language server, which an editor starts: it reads from stdin and writes to stdout."""
    try:
        from lossdsl.editor.server import serve
    except ImportError:
        install = "'lossdsl[lsp]'"
        raise error("not-installed", use="the language server", package="pygls", install=install) from None
    serve()


def _compiled(loss: str, parameters: dict[str, str], *, all_used: bool = True) -> CompositeLoss:
    """A text, or a file of a text or a config; what a text does not define and nothing knows may be a parameter."""
    path, is_file = Path(loss), _is_file(loss)
    if _LOOKS_LIKE_FILE.fullmatch(loss) and not is_file:
        raise error("no-file", path=loss, advice=_GIVE_LOSS)
    if is_file and path.suffix.lower() in KINDS:
        loaded = load(path)
        return loaded.with_parameters({n: v for n, v in parameters.items() if all_used or n in loaded.parameters})
    tree = parse(read_text(path, _GIVE_LOSS) if is_file else loss)
    local = {name.name for name in tree.names} if isinstance(tree, Let) else set()
    taken = dict.fromkeys(FEEDBAX.names, "it is a name of the vocabulary; `--weight` changes the weight of a term")
    taken |= dict.fromkeys(local, "the text defines it; take the definition away")
    for name in parameters:
        if name in taken and all_used:
            raise error("unknown-parameter", name=name, advice=taken[name])
    declared: Any = {name: value for name, value in parameters.items() if name not in taken}
    return compile(tree, parameters=declared) if all_used else compile(tree, FEEDBAX.extend(parameters=declared))


def _numbers(option: str, example: str, given: list[str] | None) -> dict[str, str]:
    """`NAME=NUMBER` by name; a label may hold a `=` itself, as `huber(position, delta=0.1)` does."""
    found = {}
    for pair in given or []:
        name, equals, number = pair.rpartition("=")
        if not equals:
            advice = f"write for example `{option} {example}=0.5`"
            raise error("bad-argument", argument=option, got=f"`{pair}`", advice=advice)
        found[name.strip()] = number
    return found


def _is_file(text: str) -> bool:
    try:
        return "\0" not in text and Path(text).is_file()
    except OSError:  # it is longer than the name of a file can be
        return False


def _input() -> str:
    try:
        return sys.stdin.buffer.read(MOST_TEXT).decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise error("not-a-text", path=_STDIN) from None


def _found(quantity: Quantity, given: Trajectories) -> str:
    try:
        value = take(getattr(given, quantity.path.split(".")[0]), quantity.path)
    except LossError as failure:
        return failure.message if failure.code == "not-held" else "missing"
    return f"{value.shape} {value.dtype}" if hasattr(value, "shape") else "missing" if value is None else "a PyTree"


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _print_table(columns: list[str], rows: list[list[str]]) -> None:
    _print_lines(aligned([columns, *rows]))


def _print_lines(lines: list[str]) -> None:
    """The header is bold on a terminal."""
    for i, line in enumerate(lines):
        typer.secho(visible(line), bold=i == 0)


def _shown(text: str) -> str:
    return "\n".join(map(visible, text.split("\n")))
