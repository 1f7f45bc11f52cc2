"""A text and a place in it -> its colours, what is wrong, what the word there means, what can be written there."""

import re
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from lossdsl.editor import Cursor, Passage, Unit, complete, findings, hover
from lossdsl.errors import LossError
from lossdsl.explain import explained
from lossdsl.language.highlight import KINDS, LossLexer
from lossdsl.loss import compile
from lossdsl.meaning import Vocabulary
from lossdsl.playground.formulas import tree

# A list of more is no help.
_MOST_OFFERS = 40
_FENCED = re.compile(r"^```(\w+)\n(.*?)\n```$", re.DOTALL | re.MULTILINE)
# A link of the page of errors leads nowhere from here.
_LINK = re.compile(r"\[(.+?)\]\(.+?\)")
_KIND_OF = {token: kind for kind, (token, _) in reversed(KINDS.items())}


def read(text: str, at: int, vocabulary: Vocabulary) -> dict[str, Any]:
    """What an editor shows of a text.

    Args:
        text: The text.
        at: A place in it, in units of UTF-16, as browsers count.
        vocabulary: What its names mean.
    """
    unit = _unit(text, vocabulary)
    cursor = Cursor(unit, unit.loss[0], _offset(text, at))
    return {
        "colours": colours(text),
        "errors": _told(unit, text),
        "about": [*_about(hover(cursor))],
        "offers": _offers(cursor, text),
    }


def wrong(failure: LossError, text: str, vocabulary: Vocabulary) -> list[dict[str, Any]]:
    """What an error says, and the place of the text that it is about, if that is not all of it."""

    def fail() -> None:
        raise failure

    found = _told(_unit(text, vocabulary, fail), text)
    whole = _place(text, 0, len(text))
    return [{**row, "start": None} if whole.items() <= row.items() else row for row in found]


def colours(text: str) -> list[list[str]]:
    """The pieces of a text, each with its kind, of `KINDS`; what is no part of the language has none.

    Example:
        >>> colours("2*x")
        [['number', '2'], ['operator', '*'], ['name', 'x']]
    """
    pieces: list[list[str]] = []
    for _, token, piece in LossLexer().get_tokens_unprocessed(text):
        kind = _KIND_OF.get(token, "")
        if pieces and pieces[-1][0] == kind:
            pieces[-1][1] += piece
        else:
            pieces.append([kind, piece])
    return pieces


def _unit(text: str, vocabulary: Vocabulary, check: Callable[[], Any] | None = None) -> Unit:
    loss = Passage.of(text, range(len(text) + 1))
    return Unit(loss.place, check or partial(compile, loss, vocabulary), (loss,), (loss,), vocabulary=vocabulary)


def _told(unit: Unit, text: str) -> list[dict[str, Any]]:
    return [
        {
            **_place(text, *found.place),
            "code": found.code,
            "message": found.message.partition("\n")[0],
            "hint": found.message.partition("\n")[2],
            "calls": [called for _, called in found.calls],
            "cause": _LINK.sub(r"\1", explained(found.code).cause),
            "cure": _LINK.sub(r"\1", explained(found.code).cure),
        }
        for found in findings([unit], text)
    ]


def _about(markdown: str) -> Iterator[dict[str, Any]]:
    """The paragraphs and blocks of what is said about a word."""
    parts = _FENCED.split(markdown)
    for prose, language, block in zip(parts[::3], [*parts[1::3], ""], [*parts[2::3], ""], strict=True):
        yield from ({"kind": "prose", "text": one} for one in prose.strip().split("\n\n") if one)
        if language == "latex":
            yield {"kind": "formula", "text": block, "math": tree(block)}
        elif language:
            yield {"kind": "code", "text": block, "colours": colours(block)}


def _offers(cursor: Cursor, text: str) -> list[dict[str, Any]]:
    """What can be written there that goes on as the word does."""
    found = []
    for item in complete(cursor):
        written = text[item.place.start : cursor.at]
        if item.text.startswith(written) and item.text != written:
            row = {"text": item.text, "kind": item.kind, "detail": item.detail, "doc": item.doc, "call": item.call}
            found.append({**row, **_place(text, item.place.start, cursor.at)})
    return found[:_MOST_OFFERS]


def _place(text: str, start: int, end: int) -> dict[str, int]:
    return {"start": _units(text[:start]), "end": _units(text[:end])}


def _units(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _offset(text: str, units: int) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")[: 2 * units].decode("utf-16-le", "replace"))
