"""The text of a file to plain data, with the line of every key, and back: YAML, TOML and JSON."""

import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from lossdsl.errors import LossError, Span, error

KINDS = {".yaml": "YAML", ".yml": "YAML", ".toml": "TOML", ".json": "JSON"}
INSTALL = "'lossdsl[config]'"
Keys = tuple[str, ...]
_DEEPEST = 4

# What YAML takes the first character of a text for.
_MEANT = {
    "*": "for an alias",
    "&": "for an anchor",
    "|": "for the start of a block",
    ">": "for the start of a block",
    "!": "for a tag",
    "{": "for the start of a mapping",
    "[": "for the start of a list",
    "-": "for an entry of a list",
    "%": "for a directive",
    "@": "for a character that it keeps for itself",
    "`": "for a character that it keeps for itself",
}


@dataclass(frozen=True)
class Document:
    """What a file holds.

    Attributes:
        path: The file.
        data: Its content: mappings, lists, texts and None. Numbers with a point are texts, as they were written.
        line_of: The line of a key, from 1 on; None where it is not known.
    """

    path: Path
    data: Any
    line_of: Callable[[Keys], int | None]

    def place(self, keys: Keys) -> str:
        """Where a value stands, as `reach.yaml:7: loss.goal`."""
        lines = (self.line_of(keys[:count]) for count in range(len(keys), 0, -1))
        line = next((line for line in lines if line), None)
        return f"{self.path}" + (f":{line}" if line else "") + (f": {'.'.join(keys)}" if keys else "")


def read_file(path: str | os.PathLike[str]) -> Document:
    """Read a file of YAML, TOML or JSON, told apart by their names.

    Raises:
        LossDataError: If there is no such file, or it is none of these.
        LossSyntaxError: If it is not well formed; the caret stands at the place.
        LossNameError: For a key that stands there twice.
    """
    path = Path(path)
    kind = _kind(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise error("not-a-text", path=str(path)) from None
    except OSError:
        raise error("no-file", path=str(path), advice="give the path of a file") from None
    try:
        data, line_of = {"YAML": _read_yaml, "TOML": _read_toml, "JSON": _read_json}[kind](text)
    except LossError as failure:
        start = failure.span.start if failure.span else 0
        failure.place = f"{path}:{text.count(chr(10), 0, start) + 1}"
        raise
    return Document(path, data, line_of)


def write_file(path: str | os.PathLike[str], data: Mapping[str, Any]) -> None:
    """Write plain data as YAML, TOML or JSON.

    Raises:
        LossDataError: If the name is that of none of them.
    """
    kind = _kind(Path(path))
    text = {"YAML": _write_yaml, "TOML": _write_toml, "JSON": _write_json}[kind](data)
    Path(path).write_text(text, encoding="utf-8")


def _kind(path: Path) -> str:
    if path.suffix.lower() not in KINDS:
        raise error("file-kind", path=str(path))
    return KINDS[path.suffix.lower()]


def _read_toml(text: str) -> tuple[Any, Callable[[Keys], int | None]]:
    try:
        return tomllib.loads(text, parse_float=str), partial(_toml_line, text.split("\n"))
    except tomllib.TOMLDecodeError as failure:
        reason, _, place = str(failure).partition(" (at ")
        line, column = [*map(int, re.findall(r"\d+", place)), text.count("\n") + 1, 1][:2]
        raise _bad_syntax("TOML", reason, text, line, column, 'put a text in quotes: `loss = "position"`') from None


def _toml_line(lines: list[str], keys: Keys) -> int | None:
    """The line of a key, which `tomllib` does not tell: it stands where the file, cut off there, first has it."""
    line = 1
    for count in range(len(lines) + 1):
        try:
            value: Any = tomllib.loads("\n".join(lines[:count]))
        except tomllib.TOMLDecodeError:
            continue  # in the middle of a value
        for key in keys:
            value = value.get(key) if isinstance(value, dict) else None
        if value is not None:
            return line
        line = count + 1
    return None


def _read_json(text: str) -> tuple[Any, Callable[[Keys], int | None]]:
    try:
        data = json.loads(text, parse_float=str, parse_int=str)
    except json.JSONDecodeError as failure:
        raise _bad_syntax("JSON", failure.msg, text, failure.lineno, failure.colno, "check quotes and commas") from None
    except RecursionError:
        raise _bad_syntax("JSON", "it is nested too deep", text, 1, 1, "a loss has three levels at most") from None
    # JSON is YAML but for tabs, which stand only between its tokens.
    return data, _read_yaml(text.replace("\t", " "))[1]


def _read_yaml(text: str) -> tuple[Any, Callable[[Keys], int | None]]:
    yaml = _yaml()

    class Loader(yaml.SafeLoader):  # type: ignore[name-defined]
        """Every scalar is a text, so that `yes` and `1e-5` are what was written; but for null and the merge key."""

        yaml_implicit_resolvers: ClassVar = {
            first: [(tag, regexp) for tag, regexp in rows if tag.endswith((":null", ":merge"))]
            for first, rows in yaml.SafeLoader.yaml_implicit_resolvers.items()
        }

    try:
        loader = Loader(text)
        root = loader.get_single_node()
        lines: dict[Keys, int] = {}
        if root is not None:
            _walk(yaml, root, text, (), lines, set())
        return root and loader.construct_document(root), lines.get
    except yaml.MarkedYAMLError as failure:
        mark = failure.problem_mark or failure.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        raise _bad_syntax("YAML", failure.problem or failure.context, text, line, column, _advice(text, line)) from None
    except yaml.YAMLError as failure:
        raise _bad_syntax("YAML", str(failure).split("\n")[0], text, 1, 1, "save the file as UTF-8") from None
    except RecursionError:
        raise _bad_syntax("YAML", "it is nested too deep", text, 1, 1, "a loss has three levels at most") from None


def _walk(yaml: Any, node: Any, text: str, keys: Keys, lines: dict[Keys, int], seen: set[int]) -> None:
    """Note the line of each key; refuse a key that stands there twice, and a text that lost its first word."""
    if id(node) in seen:
        return  # an alias
    seen.add(id(node))
    if isinstance(node, yaml.ScalarNode) and node.style is None:
        _check_anchor(node, text)
    if not isinstance(node, yaml.MappingNode) or len(keys) > _DEEPEST:
        return
    for key, value in node.value:
        if not isinstance(key, yaml.ScalarNode):
            continue
        here = (*keys, str(key.value))
        if here in lines and not key.tag.endswith(":merge"):
            span = Span(text, key.start_mark.index, key.end_mark.index)
            raise error("key-twice", span, key=str(key.value))
        lines[here] = key.start_mark.line + 1
        _walk(yaml, value, text, here, lines, seen)


def _check_anchor(node: Any, text: str) -> None:
    """`&a - b` is an anchor `a` and the text `- b`: what begins with an operator was meant to go on."""
    start = node.start_mark.index
    if text[start : start + 1] == "&" and node.value[:1] and node.value[0] in "+-*/@":
        anchor = text[start : node.end_mark.index].split()[0]
        raise error("anchor", Span(text, start, start + len(anchor)), anchor=anchor, rest=node.value)


def _advice(text: str, line: int) -> str:
    """How to write a text that YAML takes for something else."""
    written = text.split("\n")[line - 1] if line <= text.count("\n") + 1 else ""
    value = written.partition(": ")[2].strip() or written.strip()
    if value[:1] in _MEANT:
        return f"YAML takes the `{value[0]}` {_MEANT[value[0]]}: put the text in quotes"
    if ": " in value or value.endswith(":"):
        return "YAML takes what stands before a colon and a space for a key: put the text in quotes"
    return "check quotes, colons and the depth of the lines"


def _bad_syntax(kind: str, reason: str, text: str, line: int, column: int, advice: str) -> LossError:
    start = sum(len(row) + 1 for row in text.split("\n")[: line - 1]) + column - 1
    return error(
        "bad-syntax", Span(text, start, start + 1), kind=kind, reason=reason[:1].lower() + reason[1:], advice=advice
    )


def _write_yaml(data: Mapping[str, Any]) -> str:
    yaml = _yaml()

    class Dumper(yaml.SafeDumper):  # type: ignore[name-defined]
        """A text of several lines is a block."""

    def text(dumper: Any, value: str) -> Any:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)

    Dumper.add_representer(str, text)
    return str(yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000))


def _write_toml(data: Mapping[str, Any]) -> str:
    try:
        import tomli_w
    except ImportError:
        raise error("not-installed", use="a TOML file", package="tomli-w", install=INSTALL) from None
    return tomli_w.dumps(data, multiline_strings=True)


def _write_json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"


def _yaml() -> Any:
    try:
        import yaml
    except ImportError:
        raise error("not-installed", use="a YAML or JSON file", package="PyYAML", install=INSTALL) from None
    return yaml
