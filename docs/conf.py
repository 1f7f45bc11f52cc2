"""Sphinx: the Markdown pages of this folder to a site, with tables and the reference made from the code."""

import ast
import importlib
import inspect
import re
from pathlib import Path

import lossdsl
from lossdsl.language import shown_axes, signature
from lossdsl.meaning.feedbax import FEEDBAX
from lossdsl.operators.declaration import OPS

ROOT = Path(__file__).parent.parent
GUIDE = (
    "language",
    "own-model",
    "feedbax",
    "configs",
    "schedules",
    "adaptive-weights",
    "save-and-resume",
    "latex",
    "gallery",
    "editors",
    "compare",
    "performance",
)
API = ("lossdsl.loss.loss", "lossdsl.loss.values", "lossdsl.meaning.vocabulary")

project = "lossdsl"
author = "the authors of lossdsl"
project_copyright = author
release = lossdsl.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.mathjax", "sphinx.ext.napoleon"]
html_theme = "furo"
html_title = "lossdsl"
html_static_path = ["_static"]
html_css_files = ["lossdsl.css"]
html_copy_source = False

myst_enable_extensions = ["dollarmath"]
myst_heading_anchors = 3
nitpicky = True
nitpick_ignore_regex = [("py:.*", ".*")]  # types of JAX and Python, whose sites are not read

# What stands in single backticks in a docstring is code.
default_role = "literal"
myst_fence_as_directive = ["math"]
autodoc_member_order = "bysource"
autodoc_typehints = "none"
autodoc_inherit_docstrings = False
autodoc_default_options = {"members": True}
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_attr_annotations = False
napoleon_custom_sections = [("Source", "notes_style")]


def operators() -> str:
    """A table of the operators, from their declarations."""
    rows = [(f"`{signature(op)}`", _flat(op.doc), _example(op.example)) for op in OPS.values()]
    return _table(["operator", "what it is", "example"], rows)


def vocabulary() -> str:
    """Tables of the quantities and the terms of the default vocabulary."""
    quantities = [
        (f"`{name}`", f"${q.latex}$", f"{q.doc}{f', in {q.unit}' if q.unit else ''}<br>`{q.path}`", shown_axes(q.axes))
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
        rows = [(f"`{name}.py`", _flat(_first_line(module.__name__))) for name, module in found]
        title = f"`{storey}/`" if rows else f"`{storey}.py`"
        parts.append(f"**{title}** {_flat(_first_line(folder.__name__))}\n")
        parts.append(_table(["file", "what it is"], rows) if rows else "")
    return "\n".join(parts)


def api() -> str:
    """The reference of the public names, by the file that they come from."""
    by_module: dict[str, list[str]] = {}
    for name in lossdsl.__all__:
        value = getattr(lossdsl, name)
        module = getattr(value, "__module__", None) or ""
        if module.startswith("lossdsl."):
            by_module.setdefault(module, []).append(name)
    by_module["lossdsl.adaptive"] = ["adaptive"]
    parts = []
    for module in sorted(by_module, key=lambda module: (*API, module).index(module)):
        parts += [f"## {module.split('.')[-1].capitalize()}\n", _flat(_first_line(module)) + "\n"]
        parts += [f"```{{eval-rst}}\n{_documented(name)}\n```\n" for name in by_module[module]]
    return "\n".join(parts)


def _first_line(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "").split("\n\n")[0]


def _documented(name: str) -> str:
    value = getattr(lossdsl, name)
    if inspect.ismodule(value):
        return f".. automodule:: lossdsl.{name}\n   :members:"
    if inspect.isclass(value):
        return f".. autoclass:: lossdsl.{name}"
    if inspect.isfunction(value):
        return f".. autofunction:: lossdsl.{name}"
    return f".. py:data:: lossdsl.{name}\n   :value: {value!r}"


def _example(text: str) -> str:
    return f"`{text}`<br>${lossdsl.compile(text).latex(expand=False).split('=', 1)[1].strip()}$"


def _flat(doc: str | None) -> str:
    return " ".join((doc or "").split())


def _table(columns: list[str], rows: list[tuple[str, ...]]) -> str:
    lines = [columns, ["---"] * len(columns), *([cell.replace("|", r"\|") for cell in row] for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def pages() -> str:
    """The pages of this folder for the table of contents: those of `GUIDE` in that order, then all others."""
    found = sorted(path.stem for path in Path(__file__).parent.glob("*.md"))
    return "\n".join(sorted({*found} - {"index"}, key=lambda page: (*GUIDE, page).index(page)))


MADE = {"pages": pages, "operators": operators, "vocabulary": vocabulary, "rooms": rooms, "api": api}


def fill(app: object, page: str, source: list[str]) -> None:
    """Put what is made of the code where a page says `<!-- made: name -->`."""
    # A doctest ends with an empty line.
    source[0] = source[0].replace("\n\n```\n", "\n```\n")
    source[0] = re.sub(r"<!-- made: (\w+) -->", lambda found: MADE[found[1]](), source[0])


def setup(app: object) -> None:
    """What Sphinx calls."""
    app.connect("source-read", fill)  # type: ignore[attr-defined]
