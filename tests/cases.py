"""Plain case files: `== title`, the input, `--`, what is expected."""

from pathlib import Path
from typing import NamedTuple

import pytest


class Case(NamedTuple):
    title: str
    text: str
    expected: str


def read(name: str) -> list[Case]:
    blocks = (Path(__file__).parent / "cases" / name).read_text(encoding="utf-8").split("\n== ")
    cases = []
    for block in blocks[1:]:
        title, _, rest = block.partition("\n")
        text, _, expected = rest.partition("\n--\n")
        # Characters that an editor would not show are written as Python escapes.
        text = text.replace(r"\x00", "\0").replace(r"\t", "\t")
        cases.append(Case(title, text, expected.rstrip("\n")))
    return cases


def parametrize(name: str) -> pytest.MarkDecorator:
    cases = read(name)
    return pytest.mark.parametrize("case", cases, ids=[f"{i}-{case.title}" for i, case in enumerate(cases)])
