"""What `compile` is given -> the parts of a loss: read, bound, in normal form, its numbers checked."""

import gc
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any

from lossdsl.errors import LossError, described, did_you_mean, error
from lossdsl.language import descending, is_name, parse, read
from lossdsl.loss.algebra import check_ours, grouped
from lossdsl.loss.parts import Parts, Written, still_used
from lossdsl.meaning import (
    FEEDBAX,
    Parameter,
    Vocabulary,
    bind,
    check_domains,
    each_name,
    named_vocabulary,
    normal_form,
    plain,
)
from lossdsl.several import each

# Whether the collector was on, for each compilation that is under way, in whichever thread.
_PAUSES: list[bool] = []
_LOCK = threading.Lock()


def parts_of(
    loss: Any,
    vocabulary: Any = FEEDBAX,
    quantities: Any = None,
    terms: Any = None,
    parameters: Any = None,
    time: Mapping[str, Any] = MappingProxyType({}),
) -> Parts:
    """The parts of a loss, from the arguments of `compile`.

    Raises:
        LossError: What is wrong, the place in the text, and a hint.
    """
    known = shared_vocabulary(vocabulary, quantities, terms, parameters, **time)
    if isinstance(loss, Mapping):
        named = _present(loss)
        loss = dict(named)
        each(check_ours, loss.values())
        if any(isinstance(_parts(value), Parts) for value in loss.values()):
            pieces = [_labelled(label, value, known) for label, value in named]
            texts = [parts for label, _, parts in pieces if not label]
            check_used(parameters or (), {name for parts in texts for name in parts.parameters})
            return grouped(pieces, None, by_label=True)
    check_ours(loss)
    found = _read(loss, known)
    check_used(parameters or (), found.parameters)
    return found


def piece(loss: Any) -> tuple[str, Parts]:
    """The label and the parts of what is given for a loss."""
    parts = _parts(loss)
    return (loss.composite.label, parts) if isinstance(parts, Parts) else ("", parts_of(loss))


def _parts(loss: Any) -> Any:
    return None if isinstance(loss, str | Mapping | type) else getattr(loss, "parts", None)


def _labelled(label: Any, value: Any, known: Vocabulary) -> tuple[str, str, Parts]:
    """One of a mapping: a text is one term of that label, the terms of a loss get `label_` before theirs."""
    if not isinstance(_parts(value), Parts):
        return "", "", _read({label: value}, known)
    check_label(label)
    return label, *piece(value)


def _read(loss: Any, known: Vocabulary) -> Parts:
    bound = bind(read(loss), known)
    check_domains(bound.limited)
    named = [name for name in each_name([bound.expr]).values() if isinstance(name.meaning, Parameter)]
    values = {name.name: name.meaning.default for name in named if isinstance(name.meaning, Parameter)}
    found = normal_form(bound.expr)
    _check_weights(loss, known)
    return Parts(Written(found, (*still_used(found, bound.local), *named)), {}, values)


def check_used(given: Iterable[str], used: Iterable[str]) -> None:
    """Refuse parameters that are given with a loss and change nothing in it.

    Raises:
        LossNameError: With the nearest ones that it uses.
    """
    known = [*used]

    def check(name: str) -> None:
        if name not in known:
            shared = "take it away; one that several losses share stands in their `Vocabulary`"
            raise error("unused-parameter", name=str(name), advice=did_you_mean(str(name), known, shared))

    each(check, given)


@contextmanager
def collector_paused() -> Iterator[None]:
    """Trees have no cycles: for 10,000 terms the garbage collector only looks at them, for a third of the time."""
    with _LOCK:
        _PAUSES.append(gc.isenabled())
        gc.disable()
    try:
        yield
    finally:
        with _LOCK:
            # The last that ends takes what the first of those that overlap found, and puts it back.
            if _PAUSES.pop() and not _PAUSES:
                gc.enable()


@contextmanager
def told_by_term(loss: Any) -> Iterator[None]:
    """Errors in a text of a mapping say in which term it is, and one that is nested too deeply is told so."""
    try:
        with descending():
            yield
    except LossError as failure:
        for one in failure.errors if isinstance(loss, Mapping) else ():
            if one.span and not one.term:
                one.term = next((label for label, value in loss.items() if value is one.span.text), None)
        raise


def check_unnamed(**given: Any) -> None:
    """Refuse names that are given with a loss that has its own, where they would change nothing."""
    for argument, rows in given.items():
        if rows:
            advice = "it has its names; new values go through `loss.with_parameters(...)`"
            raise error("bad-argument", argument=argument, got="given with a loss that is compiled", advice=advice)


def named_losses(terms: Any, weights: Any) -> tuple[list[tuple[str, Any]], Any]:
    """The losses of a group with their keys, those of a list without; and their weights, without those of none."""
    terms, weights = plain(terms), plain(weights)
    if not isinstance(terms, Mapping | Sequence) or isinstance(terms, str):
        advice = "give a list of losses, or a mapping from label to loss"
        raise error("bad-argument", argument="terms", got=described(terms), advice=advice)
    named = _present(terms) if isinstance(terms, Mapping) else [("", term) for term in terms]
    for key, term in named:
        if isinstance(terms, Mapping):
            check_label(key)
        if isinstance(term, type):
            advice = f"give an instance: `{term.__name__}()`"
            raise error("bad-argument", argument="terms", got=described(term), advice=advice)
    if isinstance(terms, Mapping) and isinstance(weights, Mapping):
        weights = {label: weight for label, weight in weights.items() if terms.get(label, "") is not None}
    return named, weights


def _present(terms: Mapping[Any, Any]) -> list[tuple[Any, Any]]:
    """The terms of a mapping that are not null: an override such as `loss.stop=null` takes one away."""
    named = [(label, term) for label, term in terms.items() if term is not None]
    if terms and not named:
        raise error("no-terms")
    return named


def check_label(label: Any) -> None:
    """Refuse a label that is not a name.

    Raises:
        LossSyntaxError: With what names are.
    """
    if not isinstance(label, str) or not is_name(label):
        raise error("bad-label", found=f"`{label}`")


def mapping(value: Any, argument: str, wanted: str) -> dict[str, Any]:
    """An argument that is a mapping, or None for an empty one; anything else is refused."""
    value = plain(value)
    if value is not None and not isinstance(value, Mapping):
        raise error("bad-argument", argument=argument, got=described(value), advice=f"give {wanted}")
    return dict(value or {})


def shared_vocabulary(
    vocabulary: Any = FEEDBAX, quantities: Any = None, terms: Any = None, parameters: Any = None, **time: Any
) -> Vocabulary:
    """The vocabulary that is given, by name or itself, with the rows that are given besides."""
    known = named_vocabulary(vocabulary) if isinstance(vocabulary, str) else vocabulary
    if not isinstance(known, Vocabulary):
        advice = "give a `Vocabulary`, or leave it out for Feedbax's"
        raise error("bad-argument", argument="vocabulary", got=described(vocabulary), advice=advice)
    return known.add(
        mapping(quantities, "quantities", "a mapping from name to `Quantity`"),
        _named(terms),
        mapping(parameters, "parameters", "a mapping from name to number"),
        **time,
    )


def _named(terms: Any) -> dict[str, Any]:
    """Terms by name, those of a list by their labels."""
    terms = plain(terms)
    if not isinstance(terms, Sequence) or isinstance(terms, str):
        return mapping(terms, "terms", "a list of losses, or a mapping from name to loss or text")
    named: dict[str, Any] = {}
    for term in terms:
        label = getattr(term, "label", None)
        if isinstance(term, type) or not isinstance(label, str):
            advice = f"give an instance: `{term.__name__}()`" if isinstance(term, type) else "a term has a `label`"
            raise error("bad-argument", argument="terms", got=described(term), advice=advice)
        if label in named:
            raise error("same-label", label=label, first=type(named[label]).__name__, second=type(term).__name__)
        named[label] = term
    return named


def _check_weights(loss: Any, vocabulary: Vocabulary) -> None:
    """In `{weight, expr}` the weight is one: with a quantity in it, it would quietly be part of the expression."""
    for label, row in loss.items() if isinstance(loss, Mapping) else ():
        weight = row.get("weight") if isinstance(row, Mapping) else None
        if isinstance(weight, str):
            for name in bind(parse(weight), vocabulary).expr.free_symbols:
                if not name.constant:
                    raise error("weight-not-number", name.span, label=label, found=name.name)
