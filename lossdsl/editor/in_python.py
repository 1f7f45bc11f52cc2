"""A Python file -> the losses that it gives to `compile` and `parse`, and its vocabularies."""

import ast
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from lossdsl.configs import ROWS
from lossdsl.editor.passage import Passage
from lossdsl.editor.static import Module, Unknown
from lossdsl.editor.unit import Unit
from lossdsl.errors import LossError
from lossdsl.language import parse
from lossdsl.loss import compile, shared_vocabulary
from lossdsl.meaning import FEEDBAX, Definition, Vocabulary, check_row, name_of
from lossdsl.several import each


def units_of(path: Path, text: str) -> list[Unit]:
    """The losses and vocabularies of a file; none if it is no Python as yet, or does not import lossdsl."""
    if "lossdsl" not in text:
        return []
    try:
        module = Module(path, text)
    except SyntaxError:
        return []
    declared = frozenset(_declared(module))
    found = [_unit(module, call, declared) for call in _calls(module.tree)]
    return [unit for unit in found if unit]


def rows_in(path: Path, text: str) -> dict[str, Passage]:
    """The names that a file gives a meaning in vocabularies, with their places."""
    return {name: row for unit in units_of(path, text) for name, row in unit.rows.items()}


def _calls(node: ast.AST) -> Iterator[ast.Call]:
    """The calls of a file, but for those that are expected to fail: the body of `with pytest.raises(...)`."""
    left = [node]
    while left:
        node = left.pop()
        if isinstance(node, ast.With) and any(_is_raises(item.context_expr) for item in node.items):
            continue
        if isinstance(node, ast.Call):
            yield node
        left += reversed([*ast.iter_child_nodes(node)])


def _is_raises(node: ast.expr) -> bool:
    called = node.func if isinstance(node, ast.Call) else None
    return isinstance(called, ast.Attribute | ast.Name) and ast.unparse(called).endswith(("raises", "assertRaises"))


def _declared(module: Module) -> Iterator[str]:
    """The operators that a file declares with `@operator`."""
    for node in ast.walk(module.tree):
        if not isinstance(node, ast.FunctionDef):
            continue
        for decorator in node.decorator_list:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if module.public(called) == "operator":
                options = decorator.keywords if isinstance(decorator, ast.Call) else []
                given = [option.value for option in options if option.arg == "name"]
                yield next((str(value.value) for value in given if isinstance(value, ast.Constant)), node.name)


def _unit(module: Module, call: ast.Call, declared: frozenset[str]) -> Unit | None:
    name = module.public(call.func)
    module.gaps = False
    is_extended = isinstance(call.func, ast.Attribute) and call.func.attr == "extend"
    try:
        if name == "Vocabulary" or is_extended:
            return _vocabulary(module, call, declared)
        if name in ("compile", "parse"):
            return _loss(module, call, name, declared)
    except Unknown:
        return None
    except LossError as failure:
        return Unit(module.place(call), partial(_raise, failure))
    return None


def _raise(failure: LossError) -> None:
    raise failure


def _vocabulary(module: Module, call: ast.Call, declared: frozenset[str]) -> Unit:
    """A vocabulary; the texts of one that extends no other may need names of another that it is joined with."""
    vocabulary = module.value(call)
    if not isinstance(vocabulary, Vocabulary):
        raise Unknown
    own = [name for name, row in vocabulary.terms.items() if isinstance(_text(row), Passage)]
    check = partial(each, partial(check_row, vocabulary=vocabulary), own)
    is_alone = module.public(call.func) == "Vocabulary"
    return _unit_of(module, call, (), vocabulary, check, declared, is_open=is_alone or module.gaps)


def _text(row: Any) -> Any:
    return row.text if isinstance(row, Definition) else None


def _loss(module: Module, call: ast.Call, name: str, declared: frozenset[str]) -> Unit:
    given = {"loss": call.args[0]} if call.args else {}
    given |= {str(option.arg): option.value for option in call.keywords}
    given |= {"vocabulary": call.args[1]} if len(call.args) > 1 else {}
    if "loss" not in given:
        raise Unknown
    loss, texts = _texts(module.value(given["loss"]))
    if not texts:
        raise Unknown
    if name == "parse":
        return _unit_of(module, call, texts, FEEDBAX, partial(each, parse, texts), declared, is_open=True)
    try:
        base = module.value(given["vocabulary"]) if "vocabulary" in given else FEEDBAX
        rows: dict[str, Any] = dict(zip(ROWS, module.rows(call, skip=len(call.args)), strict=True))
        rows |= module.time_rows(call)
        vocabulary = shared_vocabulary(base, **rows)
    except Unknown:
        # Its names have other meanings and other axes, so nothing but the text itself is known.
        return _unit_of(module, call, texts, Vocabulary(), partial(each, parse, texts), declared, is_open=True)
    check = partial(compile, loss, base, **rows)
    return _unit_of(module, call, texts, vocabulary, check, declared, is_open=module.gaps)


def _texts(loss: Any) -> tuple[Any, tuple[Passage, ...]]:
    """A loss without what is not known in it, and its texts."""
    if isinstance(loss, dict):
        kept = {label: known for label, row in loss.items() if (known := _known(row)) is not None}
        rows = [part for row in kept.values() for part in (row.values() if isinstance(row, dict) else [row])]
        return kept, tuple(part for part in rows if isinstance(part, Passage))
    return loss, (loss,) if isinstance(loss, Passage) else ()


def _known(row: Any) -> Any:
    """A row of a loss, one for a weight that is not known; None for one of which the text is not."""
    if not isinstance(row, dict):
        return row if isinstance(row, str) else None
    known = {key: 1 if value is Unknown and key == "weight" else value for key, value in row.items()}
    return None if Unknown in known.values() else known


def _unit_of(
    module: Module,
    call: ast.Call,
    loss: tuple[Passage, ...],
    vocabulary: Vocabulary,
    check: Any,
    declared: frozenset[str],
    is_open: bool,
) -> Unit:
    terms = {key: row for key, row in vocabulary.terms.items() if isinstance(_text(row), Passage)}
    return Unit(
        module.place(call),
        check,
        (*loss, *(row.text for row in terms.values())),
        loss,
        {row.text.place: row.arguments for row in terms.values() if row.arguments},
        vocabulary,
        {str(name_of(name)): name for name in vocabulary.names if isinstance(name, Passage)},
        open=is_open,
        operators=declared,
    )
