"""Offsets in a text <-> lines and characters of the protocol, which counts what a line has as the client asks for."""

from bisect import bisect_right
from collections.abc import Callable

from lsprotocol import types

from lossdsl.editor.passage import Place


def plain_lines(text: str) -> str:
    """The text with a newline at the end of each line, whatever it has: no place in a line changes."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


class Positions:
    """The places of one text.

    Args:
        text: The text, as `plain_lines` gives it.
        units: How many units of the client a text has: of UTF-16 if it asked for nothing else.
    """

    def __init__(self, text: str, units: Callable[[str], int]):
        self.text, self.units = text, units
        self.starts = [0]
        for line in text.split("\n"):
            self.starts.append(self.starts[-1] + len(line) + 1)

    def offset(self, position: types.Position) -> int:
        """The offset of a position; behind the end of a line is its end."""
        if position.line >= len(self.starts) - 1:
            return len(self.text)
        start, end = self.starts[position.line], self.starts[position.line + 1] - 1
        left, at = position.character, start
        while at < end and left > 0:
            left -= self.units(self.text[at])
            at += 1
        return at

    def position(self, offset: int) -> types.Position:
        """The position of an offset."""
        line = bisect_right(self.starts, offset, hi=len(self.starts) - 1) - 1
        return types.Position(line, self.units(self.text[self.starts[line] : offset]))

    def range(self, place: Place) -> types.Range:
        """The range of a place."""
        return types.Range(self.position(place.start), self.position(place.end))
