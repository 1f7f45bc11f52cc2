"""Text to callable, without XLA: how it grows with the terms, against Python's own compiler and SymPy's parser."""

import ast
from collections.abc import Callable, Iterator
from itertools import count
from math import log10
from statistics import median
from typing import Any

import sympy
from paired import paired, seconds, table

import lossdsl as ld

# terms, limit in seconds, runs
SIZES = [(4, 0.010, 51), (1_000, 0.3, 9), (10_000, 3.0, 3)]
# how a peer reads a text, and its pairs by the number of terms
PEERS: dict[str, tuple[Callable[[str], Any], dict[int, int]]] = {
    "ast.parse": (ast.parse, {4: 101, 1_000: 9, 10_000: 1}),
    "compile": (lambda text: compile(text, "loss", "eval"), {4: 101, 1_000: 9, 10_000: 1}),
    "sympy.sympify": (lambda text: sympy.sympify(text.replace("net.hidden", "hidden")), {4: 21, 100: 3, 1_000: 1}),
}


def texts(terms: int) -> Iterator[str]:
    """Sums of so many terms, never the same one twice, so that nothing is found in a cache."""
    for shift in count():
        yield " + ".join(f"{i}e-3*sqnorm(net.hidden - {i + shift})" for i in range(1, terms + 1))


def on(function: Callable[[str], Any], given: list[str]) -> Callable[[], Any]:
    """The function on the next text with each call."""
    following = iter(given)
    return lambda: function(next(following))


def to_functions(text: str) -> Any:
    """`compile`, and the Python source run, which a loss does at its first call before XLA."""
    return ld.compile(text).program.functions


def growth() -> str:
    rows: list[list[object]] = []
    last = None
    for terms, limit, runs in SIZES:
        fresh = texts(terms)
        given = [next(fresh) for _ in range(2 * runs)]
        times = [seconds(on(ld.compile, [text])) for text in given[:runs]]
        to_end = median(seconds(on(to_functions, [text])) for text in given[runs:])
        to_loss = median(times)
        tenfold = f"{(to_loss / last[1]) ** (1 / log10(terms / last[0])):.1f}" if last else ""
        last = terms, to_loss
        shown = [f"{time * 1e3:.2f}" for time in (to_loss, min(times), to_end, limit)]
        rows.append([terms, *shown, f"{to_loss / limit:.2f}", "1.00", tenfold])
    head = ["terms", "median [ms]", "fastest [ms]", "and exec [ms]", "at most [ms]", "ratio", "limit", "per tenfold"]
    return table(head, rows)


def peers() -> str:
    rows: list[list[object]] = []
    for name, (read, sizes) in PEERS.items():
        for terms, pairs in sizes.items():
            fresh = texts(terms)
            given = [next(fresh) for _ in range(pairs + 1)]
            try:
                ours, theirs, ratio = paired(on(ld.compile, given), on(read, given), pairs)
                rows.append([name, terms, f"{ours * 1e3:.2f}", f"{theirs * 1e3:.2f}", f"{ratio:.2f}"])
            except RecursionError:
                rows.append([name, terms, "", "RecursionError", ""])
    return table(["peer", "terms", "lossdsl [ms]", "peer [ms]", "ratio"], rows)


if __name__ == "__main__":
    to_functions(next(texts(5)))
    print(growth(), peers(), sep="\n\n")
