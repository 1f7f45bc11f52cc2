"""A Python file -> what its expressions are, as far as that is known without running it; nothing is executed."""

import ast
import io
import tokenize
import warnings
from collections import Counter
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from lossdsl.configs import ROWS, load_vocabulary
from lossdsl.editor.passage import ESCAPED, PLAIN, Passage, Place
from lossdsl.meaning import FEEDBAX, TIME_ROWS, Definition, Parameter, Quantity, Vocabulary

# Those that only hold what they are given.
_MADE: Mapping[str, Callable[..., Any]] = {
    "Quantity": Quantity,
    "Definition": Definition,
    "Parameter": Parameter,
    "Vocabulary": Vocabulary,
}


class Unknown(Exception):
    """An expression whose value is only known when the file runs."""


class PythonTerm:
    """A term in Python, of which its label is known."""

    label = ""

    def term(self, states: Any, trial_specs: Any) -> Any:
        """What no one calls."""


class Module:
    """A Python file that is looked at.

    Attributes:
        path: The file.
        text: Its text.
        tree: What Python's parser makes of it.
        gaps: Whether a part of what was evaluated last was not known.

    Raises:
        SyntaxError: If it is no Python.
    """

    def __init__(self, path: Path, text: str):
        self.path, self.text, self.gaps = path, text, False
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of escapes that are none
            try:
                self.tree = ast.parse(text)
            except (ValueError, RecursionError, MemoryError) as failure:
                raise SyntaxError(str(failure)) from None
        self._starts = [0]
        for line in text.split("\n"):
            self._starts.append(self._starts[-1] + len(line) + 1)

    @cached_property
    def modules(self) -> set[str]:
        """The names under which the package is imported."""
        found = [a for node in ast.walk(self.tree) if isinstance(node, ast.Import) for a in node.names]
        return {alias.asname or alias.name for alias in found if alias.name == "lossdsl"}

    @cached_property
    def imported(self) -> dict[str, str]:
        """The public names that are imported from the package, by the name that they have in the file."""
        found = [node for node in ast.walk(self.tree) if isinstance(node, ast.ImportFrom)]
        ours = [node for node in found if (node.module or "").split(".")[0] == "lossdsl"]
        return {alias.asname or alias.name: alias.name for node in ours for alias in node.names}

    @cached_property
    def assigned(self) -> dict[str, ast.expr]:
        """What the names are that have one value in the whole file."""
        count: Counter[str] = Counter()
        values: dict[str, ast.expr] = {}
        for node in ast.walk(self.tree):
            match node:
                case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                    count[name] += 1
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    count[name] += 1
                case ast.alias(name=name, asname=other):
                    count[other or name.partition(".")[0]] += 1
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=value):
                    values[name] = value
                case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                    values[name] = value
        return {name: value for name, value in values.items() if count[name] == 1}

    def public(self, node: ast.expr) -> str:
        """The public name of the package that an expression is, or nothing."""
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=name) if module in self.modules:
                return name
            case ast.Name(id=name):
                return self.imported.get(name, "")
        return ""

    def place(self, node: Any) -> Place:
        """Where an expression stands."""
        return Place(self._offset(node.lineno, node.col_offset), self._offset(node.end_lineno, node.end_col_offset))

    def _offset(self, line: int, column: int) -> int:
        """The offset of a place that Python counts in bytes."""
        start = self._starts[line - 1]
        row = self.text[start : self._starts[line] - 1]
        return start + (column if row.isascii() else len(row.encode()[:column].decode()))

    def value(self, node: ast.expr, depth: int = 0) -> Any:
        """What an expression is; texts know where they stand.

        Raises:
            Unknown: If it is not known.
            LossError: If the library refuses it.
        """
        if depth > 20:
            raise Unknown
        match node:
            case ast.Constant(value=str() as text):
                return self._text(text, self.place(node))
            case ast.Constant(value=value):
                return value
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=int() | float() as value)):
                return -value
            case ast.Dict():
                return self._mapping(node, depth)
            case ast.List(elts=parts) | ast.Tuple(elts=parts):
                return [self.value(part, depth + 1) for part in parts]
            case ast.Name(id=name) if name in self.assigned:
                return self.value(self.assigned[name], depth + 1)
            case ast.BinOp(left=left, op=ast.BitOr(), right=right):
                return self._vocabulary(left, depth) | self._vocabulary(right, depth)
            case ast.Call():
                return self._call(node, depth)
        if self.public(node) == "FEEDBAX":
            return FEEDBAX
        raise Unknown

    def _mapping(self, node: ast.Dict, depth: int) -> dict[Any, Any]:
        found = {}
        for key, value in zip(node.keys, node.values, strict=True):
            try:
                if key is None:
                    found.update(self.value(value, depth + 1))
                    continue
                name = self.value(key, depth + 1)
            except (Unknown, TypeError, ValueError):
                self.gaps = True
                continue
            try:
                found[name] = self.value(value, depth + 1)
            except Unknown:
                found[name] = Unknown
        return found

    def _vocabulary(self, node: ast.expr, depth: int) -> Vocabulary:
        found = self.value(node, depth + 1)
        if not isinstance(found, Vocabulary):
            raise Unknown
        return found

    def _call(self, node: ast.Call, depth: int) -> Any:
        name, args = self.public(node.func), node.args
        if any(isinstance(arg, ast.Starred) for arg in args):
            raise Unknown
        match node.func:
            case ast.Attribute(value=base, attr="extend"):
                return self._vocabulary(base, depth).extend(*self.rows(node, depth), **self.time_rows(node, depth))
        if name == "load_vocabulary" and len(args) == 1:
            file = self.path.parent / str(self.value(args[0], depth + 1))
            if not file.is_file():  # it is seen from where the program runs
                raise Unknown
            return load_vocabulary(file)
        if name == "Vocabulary":
            return Vocabulary(*self.rows(node, depth), **self.time_rows(node, depth))
        if name not in _MADE or any(option.arg is None for option in node.keywords):
            raise Unknown
        options = {str(option.arg): self.value(option.value, depth + 1) for option in node.keywords}
        try:
            return _MADE[name](*(self.value(arg, depth + 1) for arg in args), **options)
        except TypeError:
            raise Unknown from None

    def rows(self, node: ast.Call, depth: int = 0, skip: int = 0) -> list[dict[Any, Any]]:
        """The quantities, terms and parameters that a call is given, after some other arguments.

        What stands in a row and is not known is left out, but for terms and parameters: their names are known.
        """
        given = dict(zip(ROWS, node.args[skip:], strict=False))
        given |= {str(option.arg): option.value for option in node.keywords if option.arg in ROWS}
        self.gaps = self.gaps or any(option.arg is None for option in node.keywords)
        return [self._rows_of(kind, given[kind], depth) if kind in given else {} for kind in ROWS]

    def time_rows(self, node: ast.Call, depth: int = 0) -> dict[str, Any]:
        """What a call is given of time; what is not known of it is left out."""
        found: dict[str, Any] = {}
        for option in node.keywords:
            if option.arg in TIME_ROWS:
                try:
                    found[str(option.arg)] = self.value(option.value, depth + 1)
                except Unknown:
                    self.gaps = True
        return found

    def _rows_of(self, kind: str, node: ast.expr, depth: int) -> dict[Any, Any]:
        try:
            found = self.value(node, depth + 1)
        except Unknown:
            found = None
        if not isinstance(found, dict):
            self.gaps = self.gaps or found is not None or not _is_none(node)
            return {}
        instead: dict[str, Any] = {"terms": PythonTerm(), "parameters": 1.0}
        self.gaps = self.gaps or (kind not in instead and Unknown in found.values())
        rows = {name: instead.get(kind, Unknown) if row is Unknown else row for name, row in found.items()}
        return {name: row for name, row in rows.items() if row is not Unknown}

    def _text(self, text: str, place: Place) -> Passage:
        """A text of one or several literals."""
        pieces, texts = [], []
        units = PLAIN
        source = f"({self.text[slice(*place)]})"
        starts = [place.start - 1]
        for line in source.split("\n"):
            starts.append(starts[-1] + len(line) + 1)
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            if token.type == tokenize.STRING:
                prefix, quotes = _opened(token.string)
                start = starts[token.start[0] - 1] + token.start[1] + len(prefix) + quotes
                pieces.append(Place(start, starts[token.end[0] - 1] + token.end[1] - quotes))
                texts.append(token.string)
                units = units if "r" in prefix.lower() else ESCAPED
        return Passage.aligned(text, self.text, pieces, units) if pieces else Passage.whole(text, place)


def _opened(literal: str) -> tuple[str, int]:
    """The prefix of a literal, and how many quotes it has at each end."""
    prefix = literal[: min(literal.index(quote) for quote in "'\"" if quote in literal)]
    body = literal[len(prefix) :]
    return prefix, 3 if body[:3] == body[0] * 3 and len(body) >= 6 else 1


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None
