"""A file -> the arguments of `compile`, its mistakes with their places."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lossdsl.configs.files import KINDS, Document, read_file
from lossdsl.configs.keys import Keys
from lossdsl.configs.yaml_text import INSTALL
from lossdsl.errors import LossError, error
from lossdsl.meaning import NAMED, TIME_ROWS, Vocabulary, check_row, name_of, named_vocabulary
from lossdsl.several import each

ROWS = ("quantities", "terms", "parameters")


def vocabulary_of(
    document: Document, kind: str = "vocabulary", above: tuple[Path, ...] = (), known: Vocabulary | None = None
) -> Vocabulary:
    """What names mean in a file: its rows, and the vocabulary that it extends.

    Args:
        document: The file.
        kind: Of what it is a file, `loss` or `vocabulary`.
        above: The files that extend this one.
        known: What it extends, instead of the one that it names.

    Raises:
        LossError: For what is wrong with it, with file, line and key.
    """
    data = _checked(document, kind)
    known = known or _named(document, data.get("vocabulary", "feedbax"), above)
    try:
        return known.add(*(data.get(rows, {}) for rows in ROWS), **{key: data[key] for key in TIME_ROWS if key in data})
    except LossError as failure:
        raise located(failure, document) from None


def check_terms(document: Document, vocabulary: Vocabulary) -> None:
    """Bind the terms of a file, so that the mistakes of one that no loss uses are seen too."""

    def check(name: str) -> None:
        try:
            check_row(name_of(name), vocabulary)
        except LossError as failure:
            raise located(failure, document) from None

    each(check, (document.data or {}).get("terms", ()))


def _checked(document: Document, kind: str) -> dict[str, Any]:
    try:
        from lossdsl.configs import schema
    except ImportError:
        raise error("not-installed", use="a loss in a file", package="pydantic", install=INSTALL) from None
    data = {} if document.data is None else document.data
    if found := schema.fault(data, kind):
        keys, failure = found
        failure.place = document.place(tuple(key for key in keys if key))
        raise failure
    return dict(data)


def _named(document: Document, name: str, above: tuple[Path, ...]) -> Vocabulary:
    """The vocabulary that a file names: a built-in one, or that of another file, seen from this one."""
    path = document.path.parent / name
    try:
        if name in NAMED or path.suffix.lower() not in KINDS:
            return named_vocabulary(name)
        other, above = read_file(path), (*above, Path(os.path.realpath(document.path)))
        if Path(os.path.realpath(path)) in above:
            raise error("vocabulary-circle", path=str(path))
        vocabulary = vocabulary_of(other, above=above)
        check_terms(other, vocabulary)
        return vocabulary
    except LossError as failure:
        failure.place = failure.place or document.place(("vocabulary",))
        raise


def located(failure: LossError, document: Document) -> LossError:
    """The failure with the place of the text or the name that it is about."""
    for one in failure.errors:
        one.place = one.place or document.place(_keys(one, document.data))
    return failure


def _keys(failure: LossError, data: Mapping[str, Any]) -> Keys:
    """The keys down to the text that the failure points into, or to the row of the name that it is about."""
    leaves = _leaves(data)
    if failure.span is not None:
        found = [keys for keys, value in leaves if value == failure.span.text]
    else:
        row = failure.fields.get("row", failure.term)
        found = [keys[:n] for keys, _ in leaves for n in (1, 2) if ".".join(keys[:n]) == row]
        found += [keys[:2] for keys, _ in leaves if keys[1:2] == (failure.fields.get("name"),)]
    return next((keys for keys in found if failure.term in keys), found[0] if found else ())


def _leaves(data: Any, keys: Keys = ()) -> list[tuple[Keys, Any]]:
    if not isinstance(data, Mapping):
        return [(keys, data)]
    return [leaf for key, value in data.items() for leaf in _leaves(value, (*keys, str(key)))]
