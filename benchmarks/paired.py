"""Times as ratios of pairs: two ways run one right after the other, so that what else the machine does hits both."""

import random
from collections.abc import Callable, Iterable
from statistics import median
from time import perf_counter
from typing import Any


def seconds(run: Callable[[], Any], calls: int = 1) -> float:
    """The time of one call, as the mean of a few in a row."""
    start = perf_counter()
    for _ in range(calls):
        run()
    return (perf_counter() - start) / calls


def paired(ours: Callable[[], Any], theirs: Callable[[], Any], pairs: int, calls: int = 1) -> tuple[float, ...]:
    """Our median time, theirs, and the median of the pairwise ratios, after a pair to warm up."""
    seconds(ours), seconds(theirs)
    order, rows = random.Random(0), []
    for _ in range(pairs):
        first = order.random() < 0.5
        before = seconds(ours, calls) if first else 0.0
        their_time = seconds(theirs, calls)
        rows.append((before if first else seconds(ours, calls), their_time))
    return median(a for a, _ in rows), median(b for _, b in rows), median(a / b for a, b in rows)


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Rows of plain text, the first column to the left and the others to the right."""
    lines = [[str(cell) for cell in row] for row in (head, *rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    padded = [[c.rjust(w) if i else c.ljust(w) for i, (c, w) in enumerate(zip(r, widths, strict=True))] for r in lines]
    return "\n".join("  ".join(row).rstrip() for row in padded)
