"""The code of an error -> why it comes and what helps: the rows of the page of errors, which ships in the package."""

import re
from functools import cache
from pathlib import Path
from typing import NamedTuple

from lossdsl.disk import packaged
from lossdsl.errors import MESSAGES, LossError, did_you_mean, error

_ROW = re.compile(r"\| `([\w-]+)` \| (.*?) \| (.*?) \| (.*?) \|")


class Explanation(NamedTuple):
    """A row of the page of errors.

    Attributes:
        code: The row of `MESSAGES`.
        kind: The class of the error.
        says: Its message, with `…` for what is filled in.
        cause: Why it comes.
        cure: What helps.
        line: Where the row stands in the page, from 1 on.
    """

    code: str
    kind: type[LossError]
    says: str
    cause: str
    cure: str
    line: int


def page() -> Path:
    """The page of errors: in a wheel it lies inside the package."""
    return packaged("docs", "errors.md")


def explanations() -> list[Explanation]:
    """All rows of the page, in its order."""
    return [*_rows().values()]


def explained(code: str) -> Explanation:
    """What is known about an error.

    Raises:
        LossNameError: If there is none of that code.

    Example:
        >>> explained("caret-power").cure
        'Write `**`.'
    """
    if code not in _rows():
        near = did_you_mean(code, _rows(), "an error of the command line ends with its code")
        raise error("unknown-code", name=code, advice=near)
    return _rows()[code]


@cache
def _rows() -> dict[str, Explanation]:
    found = {}
    for number, line in enumerate(page().read_text(encoding="utf-8").split("\n"), 1):
        if (row := _ROW.match(line)) and row[1] in MESSAGES:
            code, says, cause, cure = (cell.replace(r"\|", "|") for cell in row.groups())
            found[code] = Explanation(code, MESSAGES[code][0], says, cause, cure, number)
    return found
