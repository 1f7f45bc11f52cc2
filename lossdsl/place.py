"""A place in a text, and how a text is shown: on one line, its place marked, without what a terminal would obey."""

import unicodedata
from typing import NamedTuple


class Span(NamedTuple):
    """A piece of a text: `text[start:end]`."""

    text: str
    start: int
    end: int

    def __str__(self) -> str:
        return self.text[self.start : self.end]

    def to(self, other: "Span") -> "Span":
        """The span from the start of this one to the end of the other."""
        return self.part(self.start, other.end)

    def part(self, start: int, end: int) -> "Span":
        """Another span of the same text, reached through the same calls."""
        return Span(self.text, start, end).reached(self.within)

    @property
    def within(self) -> "Span | None":
        """In the body of a definition with arguments, the call of it."""
        return None

    def reached(self, call: "Span | None") -> "Span":
        """The same span, reached through a call of the definition that it stands in."""
        if call is None:
            return self
        found = _Reached(*self)
        found.within = call
        return found

    @property
    def calls(self) -> list[str]:
        """The calls of definitions that it was reached through, the nearest first."""
        return [str(self.within), *self.within.calls] if self.within else []


class _Reached(Span):
    # Beside the three that a span is unpacked to.
    within: Span | None = None


def clip(text: str, width: int = 200) -> str:
    """The text, its middle left out where it is longer than a message should be."""
    return f"{clip(text[: width // 2])}…{clip(text[-width // 4 :])}" if len(text) > width else visible(text)


def caret(span: Span, width: int = 100) -> str:
    """The line of the span with carets under it, cut to a window around it; in a longer text its number."""
    start = min(span.start, len(span.text))
    begin = span.text.rfind("\n", 0, start) + 1
    stop = span.text.find("\n", begin)
    line = span.text[begin : stop if stop >= 0 else len(span.text)]
    first = start - begin
    last = min(max(span.end - begin, first + 1), max(len(line), first + 1))
    left = 0 if len(line) <= width else max(0, first - width // 2)
    right = left + width
    before = ("…" if left else "") + "".join(map(_visible, line[left:first]))
    marked = "".join(map(_visible, line[first : min(last, right)]))
    after = "".join(map(_visible, line[last:right])) + ("…" if right < len(line) else "")
    number = f"line {span.text.count(chr(10), 0, start) + 1}: " if "\n" in span.text.strip() else ""
    indent = " " * (4 + len(number) + _columns(before))
    return f"    {number}{before}{marked}{after}\n{indent}{'^' * max(1, _columns(marked))}"


def visible(text: str) -> str:
    """The text on one line, without what a terminal would obey."""
    return text if text.isprintable() else "".join(map(_visible, text))


def _visible(character: str) -> str:
    if character in "\t\r\n\f\v":
        return " "
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(character) in ("Cc", "Cf", "Cs") else character


def _columns(text: str) -> int:
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)
