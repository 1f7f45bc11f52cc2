"""What is wrong with the losses of a file -> its places there, with the messages of the library."""

from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from typing import NamedTuple

from lossdsl.editor.passage import Passage, Place
from lossdsl.editor.unit import MAY_BE_ELSEWHERE, Unit
from lossdsl.editor.words import words
from lossdsl.errors import LossError, Span
from lossdsl.operators import OPS

# How near an operator that another module may declare must be to one of ours to be a slip.
_SLIP = 0.8


class Finding(NamedTuple):
    """Something wrong.

    Attributes:
        place: Where.
        code: The row of `MESSAGES`.
        message: What is wrong, and behind a line break what to do.
        calls: The calls that it was reached through, and where they stand.
    """

    place: Place
    code: str
    message: str
    calls: tuple[tuple[Place, str], ...] = ()


def findings(units: Sequence[Unit], text: str) -> list[Finding]:
    """All that is wrong in a file that has this text."""
    found = [finding for unit in units for finding in _of_unit(unit, text)]
    return list(dict.fromkeys(found))


def _of_unit(unit: Unit, text: str) -> Iterator[Finding]:
    try:
        unit.check()
    except LossError as failure:
        for one in failure.errors:
            if not _is_elsewhere(one, unit):
                yield _finding(one, unit, text)
    except RecursionError:
        return  # Python's, of a file that is nested too deeply to look at


def _is_elsewhere(failure: LossError, unit: Unit) -> bool:
    """Whether what is missing may be there when the file runs."""
    if failure.code == "unknown-operator" and unit.operators is not None:
        name = failure.fields["name"]
        return name in unit.operators or not get_close_matches(name, OPS, cutoff=_SLIP)
    return unit.open and failure.code in MAY_BE_ELSEWHERE


def _finding(failure: LossError, unit: Unit, text: str) -> Finding:
    span, message = failure.span, failure.message
    is_here = isinstance(span.text, Passage) or span.text == text if span else unit.by_keys(failure.place or "")
    if not is_here and (failure.place or span):
        # It stands in a file that this one builds on.
        message = f"{failure.place}: {message}" if failure.place else f"{message}, in `{span}`"
    calls = tuple(
        (within.text.part(within.start, within.end), f"in the call `{within}`")
        for within in _calls(failure)
        if isinstance(within.text, Passage)
    )
    return Finding(_place(failure, unit, text), failure.code, f"{message}\n{failure.hint}", calls)


def _calls(failure: LossError) -> Iterator[Span]:
    within = failure.span and failure.span.within
    while within:
        yield within
        within = within.within


def _place(failure: LossError, unit: Unit, text: str) -> Place:
    """Where an error stands: its place in a text, its key, the text of its term, or all of the loss."""
    span = failure.span
    if span and isinstance(span.text, Passage):
        return _seen(span.text.part(span.start, span.end))
    if span and span.text == text:
        return _seen(Place(min(span.start, len(text)), min(span.end, len(text))))
    if failure.place and (place := unit.by_keys(failure.place)):
        return place
    name = failure.fields.get("name")
    named = [name] if isinstance(name, Passage) else [unit.rows[str(n)] for n in (name, failure.term) if n in unit.rows]
    if named:
        return named[0].place
    used = _uses(unit, failure.term)
    return next(used, unit.loss[0].place if unit.loss else unit.place)


def _seen(place: Place) -> Place:
    """The place, with the character before one at which a text ends: an editor underlines what is there."""
    return place if place.start < place.end else Place(max(0, place.start - 1), place.end)


def _uses(unit: Unit, name: str | None) -> Iterator[Place]:
    for text in unit.loss:
        for word in words(text):
            if word.text == name:
                yield text.part(word.token.span.start, word.token.span.end)
