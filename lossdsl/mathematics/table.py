"""Rows of cells to aligned lines."""

from collections.abc import Collection, Sequence


def aligned(rows: Sequence[Sequence[str]], right: Collection[int] = ()) -> list[str]:
    r"""The rows as lines whose columns are aligned, two spaces between them; those in `right` to the right.

    Example:
        >>> print("\n".join(aligned([["term", "weight"], ["position", "1"]], right=[1])))
        term      weight
        position       1
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return ["  ".join(_padded(cells, widths, right)).rstrip() for cells in rows]


def _padded(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> list[str]:
    pairs = enumerate(zip(cells, widths, strict=True))
    return [cell.rjust(width) if i in right else cell.ljust(width) for i, (cell, width) in pairs]
