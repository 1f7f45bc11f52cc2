"""Sphinx: the Markdown pages of this folder to a site, with the reference made from the code."""

import importlib
import inspect
import re
import sys
from pathlib import Path

import lossdsl

DOCS = Path(__file__).parent
sys.path[:0] = [str(DOCS)]

from made import VALUES  # noqa: E402 - it lies beside this file

# The navigation: pages in groups, by the few words that a reader looks for.
GROUPS = {
    "Begin": {
        "start": "Start",
        "own-model": "Your own model",
        "language": "The language",
        "time": "Time",
        "logic": "Logic",
        "gallery": "Gallery",
        "playground": "Playground",
    },
    "Train": {
        "report": "Report",
        "schedules": "Schedules",
        "adaptive-weights": "Adaptive weights",
        "least-squares": "Least squares",
        "stream": "Stream",
        "scale": "Scale",
        "save-and-resume": "Save and resume",
        "feedbax": "Feedbax",
        "performance": "Performance",
    },
    "Write": {
        "configs": "Configs",
        "latex": "Mathematics",
        "compare": "Compare and log",
        "editors": "Editors",
        "trees": "Trees and SymPy",
    },
    "Look up": {"reference/api": "Public names", "errors": "Errors"},
    "Work on it": {
        "development/code": "How the code flows",
        "development/extending": "Extend",
        "development/contributing": "Contribute",
        "development/changes": "Changes",
    },
}
# The files of the public names that are read first.
API = ("lossdsl.loss.loss", "lossdsl.loss.compiler", "lossdsl.loss.values", "lossdsl.meaning.vocabulary")

project = "lossdsl"
author = "the authors of lossdsl"
project_copyright = author
release = lossdsl.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon", "mathml"]
html_math_renderer = "mathml"
html_theme = "furo"
html_title = f"lossdsl {release}"
html_static_path = ["_static"]
html_css_files = ["lossdsl.css"]
html_copy_source = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#0b6e63", "color-brand-content": "#0b6e63"},
    "dark_css_variables": {"color-brand-primary": "#5fd0c0", "color-brand-content": "#5fd0c0"},
}

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
# What a class has of ours beneath it is its own; what Python and Equinox give to every class is not told.
autodoc_default_options = {
    "members": True,
    "special-members": "__call__",
    "inherited-members": "object, dict, tuple, list, Exception, BaseException, Module, Hashable",
}
napoleon_numpy_docstring = False
napoleon_use_ivar = False
napoleon_attr_annotations = False
napoleon_custom_sections = [("Source", "notes_style")]


def api() -> str:
    """The reference of the public names, by the file that they come from."""
    by_module: dict[str, list[str]] = {}
    for name in lossdsl.__all__:
        value = getattr(lossdsl, name)
        module = value.__name__ if inspect.ismodule(value) else getattr(value, "__module__", None) or "lossdsl"
        by_module.setdefault(module, []).append(name)
    parts = []
    for module in sorted(by_module, key=lambda module: (*API, module).index(module)):
        title = module.split(".")[-1].capitalize() if "." in module else "Values"
        parts += [f"## {title}\n", " ".join(_first_line(module).split()) + "\n"]
        parts += [f"```{{eval-rst}}\n{_documented(name)}\n```\n" for name in by_module[module]]
    return "\n".join(parts)


def _first_line(module: str) -> str:
    return (importlib.import_module(module).__doc__ or "").split("\n\n")[0]


def _documented(name: str) -> str:
    value = getattr(lossdsl, name)
    if inspect.ismodule(value):
        return f".. automodule:: lossdsl.{name}\n   :members:\n\n.. currentmodule:: None"
    if inspect.isclass(value):
        # Its fields stand in its docstring.
        fields = ", ".join(getattr(value, "__dataclass_fields__", ())) or "_"
        return f".. autoclass:: lossdsl.{name}\n   :exclude-members: {fields}"
    if inspect.isfunction(value):
        return f".. autofunction:: lossdsl.{name}"
    return f".. py:data:: lossdsl.{name}\n\n   {VALUES[name]}"


def contents() -> str:
    """The tables of contents: the pages of `GROUPS`, then all others."""
    groups = {title: dict(pages) for title, pages in GROUPS.items()}
    told = {"index", *(page for pages in groups.values() for page in pages)}
    found = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    groups["Write"] |= dict.fromkeys(sorted(found - told), "")
    lines = []
    for title, pages in groups.items():
        entries = "\n".join(f"{short} <{page}>" if short else page for page, short in pages.items())
        lines.append(f"```{{toctree}}\n:hidden:\n:caption: {title}\n\n{entries}\n```\n")
    return "\n".join(lines)


def fill(app: object, page: str, source: list[str]) -> None:
    """Bring a page from the Markdown that GitHub shows to that of Sphinx."""
    # A doctest ends with an empty line.
    source[0] = source[0].replace("\n\n```\n", "\n```\n")
    # In a formula between backticks Markdown changes nothing.
    source[0] = re.sub(r"\$`(.+?)`\$", r"$\1$", source[0])
    if page == "index":
        source[0] += f"\n{contents()}"
    if page == "reference/api":
        linked = re.sub(r"^\| `(\w+)` \|", r"| {any}`\1 <lossdsl.\1>` |", source[0], flags=re.MULTILINE)
        source[0] = linked.replace("<!-- each -->", api())


def setup(app: object) -> None:
    """What Sphinx calls."""
    app.connect("source-read", fill)  # type: ignore[attr-defined]
