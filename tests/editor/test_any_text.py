"""Whatever stands in a file, the server finds its mistakes and answers, or says nothing."""

import pytest
from hypothesis import given, strategies as st

from lossdsl.editor.complete import complete
from lossdsl.editor.cursor import cursor_at, row_at, target_of
from lossdsl.editor.diagnose import findings
from lossdsl.editor.edits import applied, renamed
from lossdsl.editor.hover import hover
from lossdsl.editor.read import units_of
from lossdsl.errors import MESSAGES, LossError
from tests.editor.test_cases import FOLDER

LANGUAGE = """position velocity effector.pos alpha j f z final sum axis time batch delta as step x' 1e-5 2 .5 . + - * /
    ** ( ) [ ] @ = , ; : # @-1 @10:50 $"""
FILES = """' " \\ { } & | > ! ${x} é 😀 loss terms parameters quantities vocabulary weight expr default _target_
    lossdsl.compile none"""
PIECES = [*LANGUAGE.split(), *FILES.split(), "\n", "\n  ", " ", ": ", "\t", "\x00", "\u2028", "\ufeff"]
TEXTS = st.lists(st.sampled_from(PIECES), max_size=20).map("".join)
LOSSES = st.lists(st.sampled_from([*LANGUAGE.split(), " ", "\n"]), max_size=12).map("".join)


def answer(name, text, offset):
    units = units_of(FOLDER / name, text)
    for found in findings(units, text):
        assert found.code in MESSAGES and 0 <= found.place.start <= found.place.end <= len(text)
    offset = min(offset, len(text))
    cursor = cursor_at(units, offset)
    if cursor:
        hover(cursor)
        assert all(item.place.start <= offset for item in complete(cursor))
    row = row_at(units, offset)
    target = target_of(cursor) if cursor else row and row[1]
    if target and target.file is None:
        try:
            edits = renamed(target, "other", [], text)
        except LossError:
            return
        changed = applied(edits, text)
        assert len(changed) - len(text) == len(edits) * (len("other") - len(target.name))


@pytest.mark.parametrize("name", ["a.loss", "a.yaml", "a.toml", "a.py", "pyproject.toml"])
@given(TEXTS, st.integers(0, 60))
def test_any_text(name, text, offset):
    answer(name, text, offset)


@pytest.mark.parametrize(
    ("name", "before", "after"),
    [
        ("a.loss", "", ""),
        ("a.yaml", "parameters: {alpha: 1}\nloss: |\n  ", ""),
        ("a.yaml", "terms: {j: position}\nloss: {goal: '", "'}"),
        ("a.toml", 'terms = {j = "position"}\nloss = """', '"""'),
        ("a.py", "import lossdsl as ld\nld.compile('''", "''', parameters={'alpha': 1})"),
    ],
)
@given(LOSSES, st.integers(0, 30))
def test_any_loss(name, before, after, loss, offset):
    answer(name, before + loss + after, len(before) + offset)
