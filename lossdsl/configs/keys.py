"""A text of TOML or JSON -> the lines of its keys, each token looked at once."""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from lossdsl.errors import LossError, Span, error

Keys = tuple[str, ...]
# A file has four levels of keys at most; what is nested deeper is not looked at, or refused before a parser meets it.
DEEPEST = 4
MOST_NESTED = 50


class Mark(NamedTuple):
    """Where a key stands in the text of a file, from and to, and the value behind it where that is a text."""

    key: tuple[int, int]
    value: tuple[int, int] | None = None


_TOML = re.compile(
    r'''
    """(?:[^\\]|\\.)*?(?:"{3,5}|\Z) | \'\'\'.*?(?:\'{3,5}|\Z) | "(?:[^"\\\n]|\\[^\n])*"? | '[^'\n]*'?  # texts
    | \#[^\n]*
    | [][{}\n]
    | [^][{}\n"'\#]+
    ''',
    re.DOTALL | re.VERBOSE,
)
_JSON = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}:]', re.DOTALL)


def bad_syntax(kind: str, reason: str, text: str, start: int, advice: str) -> LossError:
    """The error for a text that is not well formed, at a place in it."""
    span = Span(text, start, start + 1)
    return error("bad-syntax", span, kind=kind, reason=reason[:1].lower() + reason[1:], advice=advice)


def too_deep(kind: str, text: str) -> LossError:
    """The error for a text that is nested deeper than its parser goes."""
    return bad_syntax(kind, "it is nested too deep", text, 0, "a loss has three levels at most")


def check_toml_keys(text: str) -> None:
    """Refuse keys of very many parts, which take `tomllib` the square of their number.

    Raises:
        LossSyntaxError: If there is one.
    """
    plain = _TOML.sub(lambda token: "" if token[0][0] in "\"'#" else token[0], text)
    if max(piece.count(".") for piece in re.split(r"[][={},\n]", plain)) > MOST_NESTED:
        raise too_deep("TOML", text)


def toml_lines(text: str) -> dict[Keys, int]:
    """The line of each key of a text that is TOML."""
    lines: dict[Keys, int] = {}
    table: Keys = ()
    for line, statement in _statements(text):
        data = tomllib.loads(statement, parse_float=str)
        if statement.lstrip().startswith("["):
            table = ()
            while isinstance(data, dict) and data:
                ((key, inner),) = data.items()
                table, data = (*table, key), inner[0] if isinstance(inner, list) else inner
                lines.setdefault(table, line)
        else:
            _note(data, table, line, lines)
    return lines


def _note(data: Mapping[str, Any], above: Keys, line: int, lines: dict[Keys, int]) -> None:
    for key, value in data.items():
        lines.setdefault((*above, key), line)
        if isinstance(value, dict) and len(above) < DEEPEST:
            _note(value, (*above, key), line, lines)


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """The headers and assignments of a text with their lines."""
    line, first, start, depth = 1, 1, 0, 0
    for token in _TOML.finditer(text + "\n"):
        depth += {"[": 1, "{": 1, "]": -1, "}": -1}.get(token[0], 0)
        line += token[0].count("\n")
        if token[0] == "\n" and depth == 0:
            yield first, text[start : token.start()]
            first, start = line, token.end()


def json_lines(text: str) -> dict[Keys, int]:
    """The line of each key of a text that is JSON.

    Raises:
        LossNameError: For a key that stands there twice.
    """
    lines: dict[Keys, int] = {}
    inside: list[str | None] = []  # the keys down to here, None for a list
    line, counted = 1, 0
    last: re.Match[str] | None = None
    for token in _JSON.finditer(text):
        match token[0]:
            case "{" | "[":
                inside.append("" if token[0] == "{" else None)
            case "}" | "]":
                inside.pop()
            case ":" if last and len(inside) <= DEEPEST + 1 and None not in inside:
                inside[-1] = json.loads(last[0])
                keys = tuple(key for key in inside if key is not None)
                if keys in lines:
                    raise error("key-twice", Span(text, last.start(), last.end()), key=keys[-1])
                line, counted = line + text.count("\n", counted, last.start()), last.start()
                lines[keys] = line
        last = token
    return lines
