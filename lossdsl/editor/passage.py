"""A piece of a file -> the text that a parser reads there, with the place of each of its characters."""

import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import NamedTuple, Self

# What stands in a file for characters of the text: a line break with the space around it, an escape, a character.
# An escape is one character of the text; one of the line break is none.
_BREAK = r"(?P<gap>[ \t]*\n\s*)"
_BACKSLASH = (
    r"(?P<none>\\[ \t]*\n\s*)|(?P<escape>\\(?:U[0-9a-fA-F]{8}|u[0-9a-fA-F]{4}|x[0-9a-fA-F]{2}|N\{[^}]*\}|[0-7]{1,3}|.))"
)
_TWICE = r"(?P<escape>'')"
_ONE = r"(?P<one>[\s\S])"
PLAIN = re.compile("|".join([_BREAK, _ONE]))
ESCAPED = re.compile("|".join([_BACKSLASH, _BREAK, _ONE]))
DOUBLED = re.compile("|".join([_TWICE, _BREAK, _ONE]))


class Place(NamedTuple):
    """A piece of a file: `file[start:end]`."""

    start: int
    end: int

    def holds(self, offset: int) -> bool:
        """Whether a cursor at that offset stands in it, or at its edge."""
        return self.start <= offset <= self.end


class Passage(str):
    """A text that knows where it stands in its file, whatever quotes, escapes and line breaks it has there.

    Attributes:
        places: For each character, and for the end, its offset in the file.
        exact: Whether each character is found; else all of them stand for the whole piece.
        widths: How long the characters are that are escapes in the file.
    """

    places: Sequence[int]
    exact: bool
    widths: Mapping[int, int]

    @classmethod
    def of(
        cls, text: str, places: Sequence[int], *, exact: bool = True, widths: Mapping[int, int] = MappingProxyType({})
    ) -> Self:
        """The text with its places."""
        made = cls(text)
        made.places, made.exact, made.widths = places, exact, widths
        return made

    @classmethod
    def aligned(cls, text: str, file: str, pieces: Sequence[Place], units: re.Pattern[str]) -> Self:
        """The text that a parser read in pieces of a file.

        Args:
            text: What it read.
            file: The whole file.
            pieces: Where it stands, without quotes.
            units: What stands for characters there: `PLAIN`, `ESCAPED` or `DOUBLED`.
        """
        if len(pieces) == 1 and file[slice(*pieces[0])] == text:
            return cls.of(text, range(pieces[0].start, pieces[0].end + 1))
        places: list[int] = []
        widths: dict[int, int] = {}
        for piece in pieces:
            for unit in units.finditer(file, *piece):
                count = {"gap": _spaces(text, len(places)), "none": 0}.get(unit.lastgroup or "", 1)
                if unit.lastgroup == "one" and text[len(places) : len(places) + 1] != unit[0]:
                    count = -1
                if count < 0 or len(places) + count > len(text):
                    return cls.whole(text, Place(pieces[0].start, pieces[-1].end))
                if unit.lastgroup == "escape":
                    widths[len(places)] = len(unit[0])
                places += [min(unit.start() + i, unit.end() - 1) for i in range(count)]
        if len(places) < len(text):
            return cls.whole(text, Place(pieces[0].start, pieces[-1].end))
        return cls.of(text, [*places, pieces[-1].end], widths=widths)

    @classmethod
    def whole(cls, text: str, place: Place) -> Self:
        """A text whose characters are not found: each stands for all of it."""
        return cls.of(text, [*[place.start] * len(text), place.end], exact=False)

    @property
    def place(self) -> Place:
        """Where it stands."""
        return Place(self.places[0], self.places[-1])

    def part(self, start: int, end: int) -> Place:
        """Where a part of it stands."""
        start, end = min(start, len(self)), min(end, len(self))
        if not self.exact:
            return self.place
        if start == end:
            return Place(self.places[start], self.places[start])
        # The end is behind the last character, not before the next: between them may stand an indent or quotes.
        return Place(self.places[start], self.places[end - 1] + self.widths.get(end - 1, 1))

    def at(self, offset: int) -> int:
        """The character that stands at an offset of the file."""
        return max(0, min(bisect_right(self.places, offset) - 1, len(self))) if self.exact else len(self)


def _spaces(text: str, start: int) -> int:
    end = start
    while text[end : end + 1].isspace():
        end += 1
    return end - start
