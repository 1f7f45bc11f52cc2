"""A config to the arguments of `compile`, its mistakes with their places; and a loss to a config."""

from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from lossdsl.bind import Defined, Object, bind
from lossdsl.errors import LossError, error
from lossdsl.expr import Name
from lossdsl.files import INSTALL, KINDS, Document, Keys, read_file
from lossdsl.scalars import exact_number
from lossdsl.vocabulary import FEEDBAX, NAMED, STEP, Parameter, Quantity, Vocabulary, named_vocabulary

_ROWS = ("quantities", "terms", "parameters")


def vocabulary_of(document: Document, kind: str = "vocabulary", above: tuple[Path, ...] = ()) -> Vocabulary:
    """What names mean in a file: its rows, and the vocabulary that it extends.

    Args:
        document: The file.
        kind: Of what it is a file, `loss` or `vocabulary`.
        above: The files that extend this one.

    Raises:
        LossError: For what is wrong with it, with file, line and key.
    """
    data = _checked(document, kind)
    known = _named(document, data.get("vocabulary", "feedbax"), above)
    try:
        return known.add(*(data.get(rows, {}) for rows in _ROWS))
    except LossError as failure:
        raise located(failure, document) from None


def check_terms(document: Document, vocabulary: Vocabulary) -> None:
    """Bind the terms of a file, so that the mistakes of one that no loss uses are seen too."""
    for name in (document.data or {}).get("terms", ()):
        try:
            bind(Name(name=name), vocabulary)
        except LossError as failure:
            raise located(failure, document) from None


def _checked(document: Document, kind: str) -> dict[str, Any]:
    try:
        from lossdsl import schema
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
    path, here = document.path.parent / name, document.path.resolve()
    try:
        if name in NAMED or path.suffix.lower() not in KINDS:
            return named_vocabulary(name)
        if path.resolve() in (*above, here):
            raise error("vocabulary-circle", path=str(path))
        other = read_file(path)
        vocabulary = vocabulary_of(other, above=(*above, here))
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
        found = [keys[:2] for keys, _ in leaves if keys[1:2] == (failure.fields.get("name"),)]
    return next((keys for keys in found if failure.term in keys), found[0] if found else ())


def _leaves(data: Any, keys: Keys = ()) -> list[tuple[Keys, Any]]:
    if not isinstance(data, Mapping):
        return [(keys, data)]
    return [leaf for key, value in data.items() for leaf in _leaves(value, (*keys, str(key)))]


def config_of(text: str, names: Mapping[str, Name], parameters: Mapping[str, Any]) -> dict[str, Any]:
    """A loss as plain data: its text, and the rows that its names need, but for those that are Feedbax's.

    Raises:
        LossValueError: For a name that stands for a Python object.
    """
    meanings = {name: node.meaning for name, node in names.items() if name != STEP}
    feedbax = {name for name, meaning in meanings.items() if _is_feedbax(name, meaning)}
    clash = any(name in FEEDBAX.names and name not in feedbax for name in meanings)
    if clash:
        feedbax = set()
    config: dict[str, Any] = {kind: {} for kind in _ROWS}
    for name, meaning in meanings.items():
        if name not in feedbax:
            _add_row(config, name, meaning, parameters)
    rows = {kind: row for kind, row in config.items() if row}
    return {"vocabulary": "feedbax" if feedbax else "none", **rows, "loss": text}


def _is_feedbax(name: str, meaning: Any) -> bool:
    known = name in FEEDBAX.names and not isinstance(meaning, Parameter | Object)
    return known and bind(Name(name=name), FEEDBAX).expr.content == meaning.content


def _add_row(config: dict[str, Any], name: str, meaning: Any, parameters: Mapping[str, Any]) -> None:
    match meaning:
        case Quantity(path, axes, latex, unit, doc):
            row = _filled(path=path, axes=axes, latex=latex, unit=unit, doc=doc)
            config["quantities"][name] = row
        case Defined(expr=expr, local=False, latex=latex):
            config["terms"][name] = _filled(expr=str(expr), latex=latex) if latex else str(expr)
        case Parameter():
            number = exact_number(parameters.get(name, meaning.default)) or Fraction(0)
            config["parameters"][name] = int(number) if number.denominator == 1 else float(number)
        case Object():
            raise error("not-in-config", name=name)


def _filled(**fields: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if value}
