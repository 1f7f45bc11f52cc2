"""A text of YAML or TOML -> the losses and vocabularies in it."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lossdsl.configs import (
    PROJECT,
    ROWS,
    Document,
    Keys,
    check_terms,
    document,
    load_vocabulary,
    loss_of,
    table_of,
    vocabulary_of,
)
from lossdsl.editor.marks import placed, toml_marks
from lossdsl.editor.passage import Passage, Place
from lossdsl.editor.unit import Unit
from lossdsl.errors import LossError, visible
from lossdsl.language import tokens
from lossdsl.loss import compile, shared_vocabulary
from lossdsl.meaning import FEEDBAX, NAMED, TIME_ROWS, Vocabulary, name_of
from lossdsl.operators import OPS

_KEYS = frozenset(("loss", "vocabulary", *ROWS, *TIME_ROWS))
_VOCABULARY_KEYS = _KEYS - {"loss"}
# Of a file that is not well formed: whether it is likely to be meant for us.
_LIKELY = re.compile(r"^\[?(?:loss|terms|quantities)\b", re.MULTILINE)
_TARGETS = ("lossdsl.compile", "lossdsl.LossConfig")
_EXTENDED = "lossdsl.FEEDBAX.extend"
# What Hydra fills in.
_INTERPOLATED = re.compile(r"\$\{|\A\?\?\?\Z")
_DEEPEST = 4


def units_of(path: Path, text: str, project: Callable[[], Vocabulary]) -> list[Unit]:
    """The losses and vocabularies of a file.

    Args:
        path: The file.
        text: Its text.
        project: The vocabulary of the project, for a loss in a file that is not ours.
    """
    whole = Place(0, len(text))
    try:
        known = document(path, text)
    except LossError as failure:
        return [Unit(whole, _raises(failure))] if _LIKELY.search(text) else []
    is_toml = path.suffix.lower() == ".toml"
    if is_toml:
        known = replace(known, marks=toml_marks(text))
    known = replace(known, data=placed(known.data, known.marks, text, is_toml))
    return [_unit(found, kind, whole, project) for found, kind in _nodes(known)]


def _raises(failure: LossError) -> Callable[[], Any]:
    def check() -> None:
        raise failure

    return check


def _nodes(known: Document) -> Iterator[tuple[Document, str]]:
    """The parts of a file that are about losses: all of it, or mappings in it, with what kind each is."""
    data = known.data
    if not isinstance(data, Mapping):
        return
    if known.path.name == PROJECT:
        if table := table_of(known):
            yield table, "vocabulary"
    elif set(data) <= _KEYS and "loss" in data:
        yield known, "loss"
    elif set(data) <= _VOCABULARY_KEYS and ("terms" in data or "quantities" in data):
        yield known, "vocabulary"
    else:
        yield from ((known.below(keys), "part") for keys in _parts(data))


def _parts(data: Any, keys: Keys = ()) -> Iterator[Keys]:
    if not isinstance(data, Mapping) or len(keys) > _DEEPEST:
        return
    if "loss" in data and isinstance(data["loss"], str | Mapping):
        yield keys
    for key, value in data.items():
        yield from _parts(value, (*keys, key))


def _unit(known: Document, kind: str, whole: Place, project: Callable[[], Vocabulary]) -> Unit:
    if kind == "part":
        return _part(known, whole, project)
    data: Mapping[str, Any] = known.data
    is_open = False
    try:
        vocabulary = vocabulary_of(known, kind)
    except LossError:
        vocabulary, is_open = FEEDBAX, True
    check = partial(loss_of, known) if kind == "loss" else partial(_check_vocabulary, known)
    unit = _unit_of(data, vocabulary, known, whole)
    return replace(unit, check=check, open=False if kind == "loss" else is_open)


def _check_vocabulary(known: Document) -> None:
    check_terms(known, vocabulary_of(known))


def _unit_of(data: Mapping[str, Any], vocabulary: Vocabulary, known: Document, whole: Place) -> Unit:
    loss = tuple(_texts(data.get("loss")))
    keys = [*vocabulary.names, *(key for kind in ROWS for key in _rows(data, kind))]
    rows = {str(name_of(key)): key for key in keys if isinstance(key, Passage)}
    defined = {key: _text(value, "expr") for key, value in _rows(data, "terms").items()}
    terms = {key: text for key, text in defined.items() if isinstance(text, Passage)}
    arguments = {text.place: _arguments(key) for key, text in terms.items() if name_of(key) != key}
    name = data.get("vocabulary")
    extends = known.path.parent / name if isinstance(name, str) and name not in NAMED else None
    return Unit(
        whole,
        lambda: None,
        (*loss, *terms.values()),
        loss,
        arguments,
        vocabulary,
        rows,
        extends,
        by_keys=partial(_by_keys, known),
    )


def _rows(data: Mapping[str, Any], kind: str) -> Mapping[Any, Any]:
    rows = data.get(kind)
    return rows if isinstance(rows, Mapping) else {}


def _arguments(key: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\w+", key[len(name_of(key)) :]))


def _text(value: Any, key: str) -> Any:
    return value.get(key) if isinstance(value, Mapping) else value


def _texts(loss: Any) -> Iterator[Passage]:
    """The texts of a loss, those of weights too."""
    for value in loss.values() if isinstance(loss, Mapping) else [loss]:
        for text in [value] if not isinstance(value, Mapping) else [value.get("weight"), value.get("expr")]:
            if isinstance(text, Passage):
                yield text


def _by_keys(known: Document, shown: str) -> Place | None:
    """The key that an error is about, from where it says that it stands: `reach.yaml:7: loss.goal`."""
    if not shown.startswith(visible(str(known.path))):
        return None
    inner = shown.rpartition(": ")[2]
    found = [keys for keys in known.marks if f"{inner}.".startswith(f"{'.'.join(keys)}.")]
    keys = max(found, key=len, default=())
    return Place(*known.marks[keys].key) if keys else None


def _part(known: Document, whole: Place, project: Callable[[], Vocabulary]) -> Unit:
    """A mapping with the key `loss` in a file of another program, as in a config of Hydra."""
    data, gaps = _filled({key: value for key, value in known.data.items() if key in _KEYS})
    rows: dict[str, Any] = {kind: data.get(kind) or {} for kind in ROWS}
    rows |= {kind: data[kind] for kind in TIME_ROWS if kind in data}
    target = known.data.get("_target_")
    try:
        base = _named(data.get("vocabulary"), known.path, FEEDBAX if target in _TARGETS else project())
        if base is None:
            base, gaps = FEEDBAX, True
        vocabulary = shared_vocabulary(base, **rows)
    except LossError:
        base = vocabulary = FEEDBAX
        rows, gaps = {}, True
    unit = _unit_of(data, vocabulary, known, whole)
    if not unit.loss or (target not in _TARGETS and not all(_is_ours(text, vocabulary) for text in unit.loss)):
        return Unit(whole, lambda: None)
    return replace(unit, check=partial(compile, data.get("loss"), base, **rows), open=gaps)


def _named(given: Any, path: Path, otherwise: Vocabulary) -> Vocabulary | None:
    """The vocabulary that a config names, by name, as a file, or by a `_target_`; None for one that is not known."""
    if given is None:
        return otherwise
    if isinstance(given, str):
        return NAMED[given] if given in NAMED else load_vocabulary(path.parent / given)
    rows = (
        {key: value for key, value in given.items() if key in (*ROWS, *TIME_ROWS)} if isinstance(given, Mapping) else {}
    )
    return FEEDBAX.extend(**rows) if rows and given.get("_target_") == _EXTENDED else None


def _filled(data: Any, kind: str = "") -> tuple[Any, bool]:
    """The data without what Hydra fills in, a number in its place where one must stand; and whether that left gaps."""
    if isinstance(data, Mapping):
        found = {key: _filled(value, kind or str(key)) for key, value in data.items()}
        kept = {key: value for key, (value, _) in found.items() if value is not None}
        return kept, any(gaps for _, gaps in found.values())
    if isinstance(data, str) and _INTERPOLATED.search(data):
        return ("1", False) if kind == "parameters" else (None, True)
    return data, False


def _is_ours(text: str, vocabulary: Vocabulary) -> bool:
    """Whether a text is likely to be a loss of ours: it has a name of the vocabulary, or calls an operator."""
    found = [token for token in tokens(text) if token.text]
    names = {token.text for token in found if token.kind == "NAME"}
    return bool(names & {*vocabulary.names}) or (len(found) > 1 and bool(names & {*OPS}))
