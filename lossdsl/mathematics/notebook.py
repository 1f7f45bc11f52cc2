"""Tables for notebooks: rows of texts to HTML."""

from collections.abc import Sequence
from html import escape


def html_table(columns: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[str] = ()) -> str:
    """A table; `right` names the columns of numbers.

    Example:
        >>> html_table(["a"], [["x < y"]])
        '<table><tr><th style="text-align:left">a</th></tr><tr><td style="text-align:left">x &lt; y</td></tr></table>'
    """
    sides = ["right" if column in right else "left" for column in columns]

    def row(cells: Sequence[str], tag: str) -> str:
        styled = zip(cells, sides, strict=True)
        return "".join(f'<{tag} style="text-align:{side}">{escape(cell)}</{tag}>' for cell, side in styled)

    lines = [row(columns, "th"), *(row(cells, "td") for cells in rows)]
    return f"<table>{''.join(f'<tr>{line}</tr>' for line in lines)}</table>"
