"""Values and names -> words of a message."""

import difflib
from collections.abc import Iterable
from functools import lru_cache


def did_you_mean(name: str, known: Iterable[str], otherwise: str) -> str:
    """A hint that offers the nearest known names, or else the given one."""
    near = _near(name, tuple(known)) if len(name) <= 100 else []
    return f"did you mean {' or '.join(f'`{n}`' for n in near)}?" if near else otherwise


@lru_cache(maxsize=1000)  # one slip may stand in many terms
def _near(name: str, known: tuple[str, ...]) -> list[str]:
    return difflib.get_close_matches(name, known, n=3, cutoff=0.65)


def described(value: object) -> str:
    """What a value is, for a message: `None`, `an int`, `an array of shape (3,)`."""
    if value is None:
        return "None"
    if isinstance(value, type):
        return f"the class {value.__name__}"
    if shape := getattr(value, "shape", ()):
        return f"{'a masked' if hasattr(value, 'mask') else 'an'} array of shape {tuple(shape)}"
    if hasattr(value, "dtype"):
        return f"an array of {value.dtype}"
    name = type(value).__name__
    return f"a{'n' if name[0] in 'aeiouAEIOU' else ''} {name}"


def listed(names: Iterable[object], at_most: int = 8) -> str:
    """Names in backticks, cut after a few."""
    shown = [f"`{name}`" for name in names]
    rest = f" and {len(shown) - at_most} more" if len(shown) > at_most else ""
    return ", ".join(shown[:at_most]) + rest
