"""The text of a file to plain data, with the line of every key, and back: YAML, TOML and JSON."""

import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from lossdsl.configs.keys import Keys, Mark, bad_syntax, check_toml_keys, json_lines, toml_lines, too_deep
from lossdsl.configs.yaml_text import INSTALL, read_yaml, write_yaml
from lossdsl.disk import read_text, write_whole
from lossdsl.errors import LossError, error, visible

KINDS = {".yaml": "YAML", ".yml": "YAML", ".toml": "TOML", ".json": "JSON"}
LineOf = Callable[[Keys], int | None]


@dataclass(frozen=True)
class Document:
    """What a file holds.

    Attributes:
        path: The file.
        data: Its content: mappings, lists, texts and None. Numbers with a point are texts, as they were written.
        line_of: The line of a key, from 1 on; None where it is not known.
        marks: The places of the keys and texts of YAML.
    """

    path: Path
    data: Any
    line_of: LineOf
    marks: Mapping[Keys, Mark] = field(default_factory=dict)

    def place(self, keys: Keys) -> str:
        """Where a value stands, as `reach.yaml:7: loss.goal`."""
        lines = (self.line_of(keys[:count]) for count in range(len(keys), 0, -1))
        line = next((line for line in lines if line), None)
        return visible(f"{self.path}" + (f":{line}" if line else "") + (f": {'.'.join(keys)}" if keys else ""))

    def below(self, keys: Keys) -> "Document":
        """What stands below some keys, as if it were the file."""
        data = self.data
        for key in keys:
            data = data[key]
        marks = {here[len(keys) :]: mark for here, mark in self.marks.items() if here[: len(keys)] == keys}
        return Document(self.path, data, lambda inner: self.line_of((*keys, *inner)), marks)


def read_file(path: str | os.PathLike[str]) -> Document:
    """Read a file of YAML, TOML or JSON, told apart by their names.

    Raises:
        LossDataError: If there is no such file, it is none of these, not a regular file, or larger than 4 MiB.
        LossSyntaxError: If it is not well formed; the caret stands at the place.
        LossNameError: For a key that stands there twice.
    """
    path = Path(path)
    _kind(path)
    return document(path, read_text(path, "give the path of a file"))


def document(path: Path, text: str) -> Document:
    """The content of a file that has this text.

    Raises:
        LossError: As `read_file` does.
    """
    kind = _kind(path)
    try:
        data, line_of, marks = {"YAML": _read_yaml, "TOML": _read_toml, "JSON": _read_json}[kind](text)
        _check_characters(kind, text, data)
    except LossError as failure:
        start = failure.span.start if failure.span else 0
        failure.place = f"{visible(str(path))}:{text.count(chr(10), 0, start) + 1}"
        raise
    return Document(path, data, line_of, marks)


def write_file(path: str | os.PathLike[str], data: Mapping[str, Any]) -> None:
    """Write plain data as YAML, TOML or JSON, whole or not at all.

    Raises:
        LossDataError: If the name is that of none of them, or the file cannot be written.
    """
    path = Path(path)
    text = {"YAML": write_yaml, "TOML": _write_toml, "JSON": _write_json}[_kind(path)](data)
    write_whole(path, lambda file: file.write(text.encode()))


def _kind(path: Path) -> str:
    if path.suffix.lower() not in KINDS:
        raise error("file-kind", path=str(path))
    return KINDS[path.suffix.lower()]


def _texts(data: Any) -> Iterator[str]:
    """The keys and texts of plain data, what has several names once."""
    left, seen = [data], set()
    while left:
        value = left.pop()
        if isinstance(value, str):
            yield value
        elif isinstance(value, dict | list) and id(value) not in seen:
            seen.add(id(value))
            left += [*value, *value.values()] if isinstance(value, dict) else value


def _check_characters(kind: str, text: str, data: Any) -> None:
    """Refuse an escape of one half of a character, which no file can hold."""
    for value in _texts(data):
        if not value.isascii() and any("\ud800" <= character <= "\udfff" for character in value):
            advice = "write both halves of it, or the character itself"
            raise bad_syntax(kind, f"`{value}` has half of a character", text, 0, advice)


def _read_yaml(text: str) -> tuple[Any, LineOf, dict[Keys, Mark]]:
    data, marks = read_yaml(text)
    return data, lambda keys: text.count("\n", 0, marks[keys].key[0]) + 1 if keys in marks else None, marks


def _read_toml(text: str) -> tuple[Any, LineOf, dict[Keys, Mark]]:
    check_toml_keys(text)
    try:
        data = tomllib.loads(text, parse_float=str)
    except tomllib.TOMLDecodeError as failure:
        reason, _, place = str(failure).partition(" (at ")
        line, column = [*map(int, re.findall(r"\d+", place)), text.count("\n") + 1, 1][:2]
        start = sum(len(row) + 1 for row in text.split("\n")[: line - 1]) + column - 1
        raise bad_syntax("TOML", reason, text, start, 'put a text in quotes: `loss = "position"`') from None
    except ValueError:  # an integer that Python does not read
        raise bad_syntax("TOML", "a number has thousands of digits", text, 0, "write it as `1e-5`") from None
    except RecursionError:
        raise too_deep("TOML", text) from None
    lines = cache(lambda: toml_lines(text))
    return data, lambda keys: lines().get(keys), {}


def _read_json(text: str) -> tuple[Any, LineOf, dict[Keys, Mark]]:
    try:
        data = json.loads(text, parse_float=str, parse_int=str, parse_constant=str)
    except json.JSONDecodeError as failure:
        raise bad_syntax("JSON", failure.msg, text, failure.pos, "check quotes and commas") from None
    except RecursionError:
        raise too_deep("JSON", text) from None
    return data, json_lines(text).get, {}


def _write_toml(data: Mapping[str, Any]) -> str:
    try:
        import tomli_w
    except ImportError:
        raise error("not-installed", use="a TOML file", package="tomli-w", install=INSTALL) from None
    # A block would lose what the lines of Windows end with.
    return tomli_w.dumps(data, multiline_strings=not any("\r\n" in text for text in _texts(data)))


def _write_json(data: Mapping[str, Any]) -> str:
    return json.dumps(data, indent=2, ensure_ascii=False) + "\n"
