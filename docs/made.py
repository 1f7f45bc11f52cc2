"""Writes what is made of the code into the Markdown pages, between two comments: `python docs/made.py`."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import lossdsl
from lossdsl.language import shown_axes, signature
from lossdsl.meaning.feedbax import FEEDBAX
from lossdsl.operators.declaration import OPS

DOCS = Path(__file__).parent
ROOT = DOCS.parent
# Public names that are no classes and no functions, so that what they are cannot stand at their declaration.
VALUES = {
    "FEEDBAX": "The default vocabulary, that of Feedbax.",
    "LossField": "A loss as a field of a model of pydantic, with the default vocabulary.",
    "target_final_state": "A `TargetSpec` of the last step alone.",
    "target_zero": "A `TargetSpec` of 0 at every step.",
}


def operators() -> str:
    """A table of the operators, from their declarations."""
    rows = [(f"`{signature(op)}`", _flat(op.doc), _example(op.example)) for op in OPS.values()]
    return _table(["operator", "what it is", "example"], rows)


def vocabulary() -> str:
    """Tables of the quantities and the terms of the default vocabulary."""
    quantities = [
        (
            f"`{name}`",
            f"$`{q.latex}`$",
            f"{q.doc}{f', in {q.unit}' if q.unit else ''}<br>`{q.path}`",
            shown_axes(q.axes),
        )
        for name, q in FEEDBAX.quantities.items()
    ]
    terms = [(f"`{name}`", f"{term.doc}<br>`{term.text}`") for name, term in FEEDBAX.terms.items()]
    tables = _table(["quantity", "symbol", "what it is, and where", "axes"], quantities)
    return f"{tables}\n{_table(['term', 'what it is'], terms)}"


def rooms() -> str:
    """Tables of the files of the package in the order of their imports, with what their docstrings say first."""
    code = ast.parse((ROOT / "tests" / "test_architecture.py").read_text())
    assigned = {node.targets[0].id: node.value for node in code.body if isinstance(node, ast.Assign)}
    parts = []
    for storey, names in ast.literal_eval(assigned["STOREYS"]).items():
        folder = importlib.import_module(f"lossdsl.{storey}")
        found = [(name, importlib.import_module(f"lossdsl.{storey}.{name}")) for name in names.split()]
        rows = [(f"`{name}.py`", _flat(_first_line(module))) for name, module in found]
        title = f"`{storey}/`" if rows else f"`{storey}.py`"
        parts.append(f"**{title}** {_flat(_first_line(folder))}\n")
        parts.append(_table(["file", "what it is"], rows) if rows else "")
    return "\n".join(parts)


def names() -> str:
    """A table of the public names."""
    rows = [(f"`{name}`", VALUES.get(name) or _flat(_first_line(getattr(lossdsl, name)))) for name in lossdsl.__all__]
    return _table(["name", "what it is"], rows)


def _first_line(documented: object) -> str:
    return (inspect.getdoc(documented) or "").split("\n\n")[0]


def _example(text: str) -> str:
    return f"`{text}`<br>$`{lossdsl.compile(text).latex(expand=False).split('=', 1)[1].strip()}`$"


def _flat(doc: str | None) -> str:
    return " ".join((doc or "").split())


def _table(columns: list[str], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


MADE = {"operators": operators, "vocabulary": vocabulary, "rooms": rooms, "names": names}


def filled(text: str) -> str:
    """A page with what stands between `<!-- made: name -->` and `<!-- end -->` as it is now."""
    made = re.compile(r"(<!-- made: (\w+) -->\n).*?(<!-- end -->)", re.DOTALL)
    return made.sub(lambda found: f"{found[1]}\n{MADE[found[2]]()}\n{found[3]}", text)


if __name__ == "__main__":
    for page in DOCS.rglob("*.md"):
        page.write_text(filled(page.read_text(encoding="utf-8")), encoding="utf-8")
