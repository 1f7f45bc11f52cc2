"""What `compile` is given -> the parts of a loss: read, bound, in normal form, its numbers checked."""

import gc
import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from lossdsl.errors import LossError, described, did_you_mean, each, error
from lossdsl.language import is_name, parse, read
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
)

# Whether the collector was on, for each compilation that is under way, in whichever thread.
_PAUSES: list[bool] = []
_LOCK = threading.Lock()


def parts_of(
    loss: Any, vocabulary: Any = FEEDBAX, quantities: Any = None, terms: Any = None, parameters: Any = None
) -> Parts:
    """The parts of a loss, from the arguments of `compile`.

    Raises:
        LossError: What is wrong, the place in the text, and a hint.
    """
    known = shared_vocabulary(vocabulary, quantities, terms, parameters)
    bound = bind(read(loss), known)
    check_domains(bound.limited)
    named = [name for name in each_name([bound.expr]).values() if isinstance(name.meaning, Parameter)]
    values = {name.name: name.meaning.default for name in named if isinstance(name.meaning, Parameter)}
    check_used(parameters or (), values)
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
    """Errors in a text of a mapping say in which term it is."""
    try:
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


def named_losses(terms: Any) -> list[tuple[str, Any]]:
    """The losses of a group with their keys, those of a list without."""
    if not isinstance(terms, Mapping | Sequence) or isinstance(terms, str):
        advice = "give a list of losses, or a mapping from label to loss"
        raise error("bad-argument", argument="terms", got=described(terms), advice=advice)
    named = list(terms.items()) if isinstance(terms, Mapping) else [("", term) for term in terms]
    for key, term in named:
        if isinstance(terms, Mapping) and not (isinstance(key, str) and is_name(key)):
            raise error("bad-label", found=f"`{key}`")
        if isinstance(term, type):
            advice = f"give an instance: `{term.__name__}()`"
            raise error("bad-argument", argument="terms", got=described(term), advice=advice)
    return named


def mapping(value: Any, argument: str, wanted: str) -> dict[str, Any]:
    """An argument that is a mapping, or None for an empty one; anything else is refused."""
    if value is not None and not isinstance(value, Mapping):
        raise error("bad-argument", argument=argument, got=described(value), advice=f"give {wanted}")
    return dict(value or {})


def shared_vocabulary(
    vocabulary: Any = FEEDBAX, quantities: Any = None, terms: Any = None, parameters: Any = None
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
    )


def _named(terms: Any) -> dict[str, Any]:
    """Terms by name, those of a list by their labels."""
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
