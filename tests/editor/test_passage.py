"""Where the characters of a text stand in its file, whatever quotes and escapes it has there."""

import json

import tomli_w
import yaml
from hypothesis import example, given, strategies as st

from lossdsl.configs.yaml_text import read_yaml
from lossdsl.editor.in_config import units_of
from lossdsl.editor.in_python import units_of as units_of_python
from lossdsl.editor.marks import placed, toml_marks
from lossdsl.editor.passage import Place
from lossdsl.meaning import FEEDBAX
from tests.editor.test_cases import FOLDER

CHARACTERS = st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Zl", "Zp"], exclude_characters="\ufeff\x85")
TEXTS = st.text(st.one_of(CHARACTERS, st.sampled_from("\n\n  '\"\\+#: ab")), max_size=30).map(str.strip).filter(bool)


def check(passage, text, file):
    """Each character stands where it is said to stand, and what follows on each other in the text does in the file."""
    assert passage == text and isinstance(passage.exact, bool)
    assert [*passage.places] == sorted(passage.places)
    for i, character in enumerate(text if passage.exact else ""):
        place = passage.part(i, i + 1)
        written = file[slice(*place)]
        assert written == character or written[0] in "\\'" or character.isspace()
        assert passage.at(place.start) == i or character.isspace()
    return passage


@given(TEXTS, st.sampled_from([None, "'", '"', "|", ">"]))
@example("a\n  b", ">")
@example("é\U0001f600 + 'b", '"')
@example("'a", "'")
def test_yaml(text, style):
    file = yaml.dump({"x": {"é": text}}, default_style=style, allow_unicode=True, width=20)
    data, marks = read_yaml(file)
    ((key, found),) = placed(data, marks, file, is_toml=False)["x"].items()
    check(key, "é", file)
    passage = check(found, data["x"]["é"], file)
    assert passage.exact or "\\" in file or "\n" in text


@given(TEXTS)
def test_toml(text):
    for file in (
        tomli_w.dumps({"x": {"é": text}}, multiline_strings=True),
        f"x = {{'é' = {json.dumps(text, ensure_ascii=False)}}}\n",
    ):
        ((key, found),) = placed({"x": {"é": text}}, toml_marks(file), file, is_toml=True)["x"].items()
        check(key, "é", file)
        passage = check(found, text, file)
        assert passage.exact or "\n" in text


@given(TEXTS, TEXTS)
@example("a", "b\\")
def test_python(text, other):
    file = f"import lossdsl as é\nx = 'é', é.parse({text!r} # c\n  {other!r})"
    (unit,) = units_of_python(FOLDER / "a.py", file)
    passage = check(unit.texts[0], text + other, file)
    assert passage.exact or "\n" in text + other


def test_what_is_not_found_stands_for_the_whole():
    """A line break that an escape makes, next to one of the file."""
    file = 'loss: "a\n\n\n  \\n b"'
    (unit,) = units_of(FOLDER / "a.yaml", file, lambda: FEEDBAX)
    passage = unit.texts[0]
    assert passage == "a\n\n\n b"
    assert not passage.exact and passage.part(0, 1) == Place(7, len(file) - 1)
