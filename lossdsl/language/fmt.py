"""A text to its canonical text: the printer writes it, comments, blank lines and long sums are placed here."""

import re
from bisect import bisect_right
from dataclasses import dataclass, field, replace
from itertools import groupby
from operator import attrgetter

from lossdsl.language.definitions import Function, Let
from lossdsl.language.expr import Expr, addend_texts
from lossdsl.language.parse import parse
from lossdsl.language.syntax import comments

WIDTH = 88
# Its end is a place before which a blank line stands. The sign of a term is no part of the term.
_BLANK_LINE = re.compile(r"\n[ \t\f\r]*\n[ \t\f\r\n]*(?:\+[ \t\f\r\n]*)?")


def formatted(text: str) -> str:
    r"""The canonical text of a loss, with its comments where they stand.

    A statement has one line, and at most one blank line before it. A sum that is longer than a line, or has comments
    between its terms, has one term a line. The meaning is untouched: the tree is the same.

    Raises:
        LossError: If the text is not a loss.

    Example:
        >>> print(formatted("jerk=sqnorm( diff(net.output) )\n1.0*position # the goal\n+(1e-05*jerk)"), end="")
        jerk = sqnorm(diff(net.output))
        1*position  # the goal
        + 1e-5*jerk
    """
    tree = parse(text)
    rows, last = _with_comments(text, _rows(tree))
    first, *others = [line for _, each in groupby(rows, attrgetter("statement")) for line in _lines(list(each))] + last
    result = "".join([f"{first.text}\n", *("\n" * line.blank + f"{line.text}\n" for line in others)])
    kept = [str(comment).rstrip() for comment in comments(text)]
    if parse(result) != tree or [str(comment) for comment in comments(result)] != kept:
        raise AssertionError(f"please report: the canonical text of {text!r} is another loss")
    return result


@dataclass(frozen=True)
class _Line:
    """A line of the result, and whether a blank one stands before it."""

    text: str
    blank: bool


@dataclass(frozen=True)
class _Row:
    """What gets a line of its own where a statement is broken: a term of a sum.

    Attributes:
        text: The term, the first of a definition with its name, the others with their sign.
        start: Where it begins in the source.
        end: Where it ends there.
        statement: The number of its statement.
        indent: Of the lines after the first.
        above: The lines of comments before it.
        comment: The comment behind it.
        blank: Whether a blank line stands before it.
    """

    text: str
    start: int
    end: int
    statement: int
    indent: str
    above: list[_Line] = field(default_factory=list)
    comment: str = ""
    blank: bool = False


def _rows(tree: Expr) -> list[_Row]:
    if not isinstance(tree, Let):
        return _statement_rows(0, tree)
    *values, loss = tree.args
    definitions = zip(values, tree.heads, tree.names, strict=True)
    rows = [row for i, definition in enumerate(definitions) for row in _statement_rows(i, *definition)]
    others = _statement_rows(len(values), loss)
    if others[0].text.startswith("-"):
        # It would go on from the line before.
        rows[-1] = replace(rows[-1], text=f"{rows[-1].text};")
    return rows + others


def _statement_rows(number: int, value: Expr, head: str = "", name: Expr | None = None) -> list[_Row]:
    value = value.args[0] if isinstance(value, Function) else value
    texts = addend_texts(value)
    spans = [part.span for part in (value.args if len(texts) > 1 else [value]) if part.span]
    first = name or value
    assert first.span and value.span
    starts = [first.span.start, *(span.start for span in spans[1:])]
    ends = [*(span.end for span in spans[:-1]), value.span.end]
    if name:
        texts[0] = f"{head} = {texts[0]}"
    places = zip(texts, starts, ends, strict=True)
    return [_Row(text, start, end, number, "    " if name else "") for text, start, end in places]


def _with_comments(text: str, rows: list[_Row]) -> tuple[list[_Row], list[_Line]]:
    """The rows with their comments and blank lines, and the lines of comments after the last.

    A comment behind a row stays there; one inside a row, which gets one line, goes before it.
    """
    blanks = {match.end() for match in _BLANK_LINE.finditer(text)}
    starts = [row.start for row in rows]
    found = [replace(row, above=[], blank=row.start in blanks) for row in rows]
    last: list[_Line] = []
    for comment in comments(text):
        shown, blank = str(comment).rstrip(), comment.start in blanks
        i = bisect_right(starts, comment.start) - 1
        if i >= 0 and comment.start < rows[i].end:
            found[i].above.append(_Line(shown, found[i].blank))
            found[i] = replace(found[i], blank=False)
        elif i >= 0 and "\n" not in text[rows[i].end : comment.start]:
            found[i] = replace(found[i], comment=shown)
        else:
            (found[i + 1].above if i + 1 < len(rows) else last).append(_Line(shown, blank))
    return found, last


def _lines(rows: list[_Row]) -> list[_Line]:
    """The lines of a statement."""
    first, *others = rows
    whole = " ".join(row.text for row in rows)
    between = any(row.comment for row in rows[:-1]) or any(row.above for row in others)
    if not between and len(whole) <= WIDTH:
        rows = [replace(first, text=whole, comment=rows[-1].comment)]
    codes = [row.text if row is first or len(rows) == 1 else row.indent + row.text for row in rows]
    width = max((len(code) for code, row in zip(codes, rows, strict=True) if row.comment), default=0)
    found = []
    for row, code in zip(rows, codes, strict=True):
        indent = "" if row is rows[0] else row.indent
        found += [replace(line, text=indent + line.text) for line in row.above]
        found.append(_Line(f"{code.ljust(width)}  {row.comment}" if row.comment else code, row.blank))
    return found
