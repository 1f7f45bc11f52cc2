"""Several errors as one: what is tried goes on after the first."""

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from lossdsl.errors import LossError

T = TypeVar("T")
R = TypeVar("R")
# Each takes a search for similar names, and nobody mends more at a time.
_MOST = 10


def each(step: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """What a step makes of each item; where it fails the other items are tried too, and all errors raised as one."""
    done: list[R] = []
    failures: list[LossError] = []
    for item in items:
        try:
            done.append(step(item))
        except LossError as failure:
            failures += (known for known in failure.errors if known not in failures)
            if len(failures) >= _MOST:
                break
    if failures:
        raise together(failures) from None
    return done


def together(failures: Sequence[LossError]) -> LossError:
    """The first error, with the others."""
    first, *others = failures
    for failure in others:
        failure.others = ()
    first.others = tuple(others[: _MOST - 1])
    return first
