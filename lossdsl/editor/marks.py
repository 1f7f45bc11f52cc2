"""A text of TOML -> the places of its keys and values; a value that was read -> the text that knows where it stands."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from lossdsl.configs import Keys, Mark
from lossdsl.editor.passage import DOUBLED, ESCAPED, PLAIN, Passage, Place

# What stands before the text of a scalar in YAML: an anchor, a tag.
_PROPERTIES = re.compile(r"(?:[&!]\S*\s+)*")


def toml_marks(text: str) -> dict[Keys, Mark]:
    """The places of the keys of a text, as those of YAML in a `Document`; as far as it is TOML."""
    import tree_sitter
    import tree_sitter_toml

    language = tree_sitter.Language(tree_sitter_toml.language())
    root = tree_sitter.Parser(language).parse(text.encode()).root_node
    # Its offsets count bytes.
    places = [i for i, character in enumerate(text) for _ in character.encode()] + [len(text)]
    marks: dict[Keys, Mark] = {}
    _note(root, (), places, marks)
    return marks


def _note(node: Any, above: Keys, places: list[int], marks: dict[Keys, Mark]) -> None:
    """Note the keys of a table, of an inline one, or of the whole file."""
    for child in node.named_children:
        if child.type in ("table", "table_array_element"):
            _note(child, (), places, marks)
        elif child.type in ("bare_key", "quoted_key", "dotted_key") and node.type != "document":
            above = _keys(child, (), None, places, marks)
        elif child.type == "pair":
            key, value = child.named_children[0], child.named_children[1:2]
            is_text = value and value[0].type == "string"
            keys = _keys(key, above, _place(value[0], places) if is_text else None, places, marks)
            if value and value[0].type == "inline_table":
                _note(value[0], keys, places, marks)


def _keys(node: Any, above: Keys, value: tuple[int, int] | None, places: list[int], marks: dict[Keys, Mark]) -> Keys:
    """The keys down to one, dotted or not, noted on the way."""
    parts = list(_parts(node))
    for i, part in enumerate(parts):
        written = part.text.decode()
        above = (*above, written if part.type == "bare_key" else _unquoted(written))
        last = i == len(parts) - 1
        marks.setdefault(above, Mark(_place(part, places), value if last else None))
    return above


def _parts(node: Any) -> Iterator[Any]:
    if node.type == "dotted_key":
        for child in node.named_children:
            yield from _parts(child)
    else:
        yield node


def _unquoted(written: str) -> str:
    import tomllib

    return next(iter(tomllib.loads(f"{written} = 0")))


def _place(node: Any, places: list[int]) -> tuple[int, int]:
    return places[node.start_byte], places[node.end_byte]


def placed(data: Any, marks: Mapping[Keys, Mark], file: str, is_toml: bool, keys: Keys = ()) -> Any:
    """Plain data whose keys and texts know where they stand in their file."""
    if isinstance(data, Mapping):
        found = {}
        for key, value in data.items():
            here = (*keys, str(key))
            key = _passage(key, file, marks[here].key, is_toml) if isinstance(key, str) and here in marks else key
            found[key] = placed(value, marks, file, is_toml, here)
        return found
    mark = marks.get(keys)
    return _passage(data, file, mark.value, is_toml) if isinstance(data, str) and mark and mark.value else data


def _passage(text: str, file: str, place: tuple[int, int], is_toml: bool) -> Passage:
    """The text of a scalar of YAML or TOML."""
    start, end = place
    properties = _PROPERTIES.match(file, start, end)
    start = properties.end() if properties else start
    first = file[start : start + 1]
    if first in ("'", '"'):
        quotes = 3 if is_toml and file.startswith(first * 3, start) and end - start >= 6 else 1
        units = ESCAPED if first == '"' else PLAIN if is_toml else DOUBLED
        return Passage.aligned(text, file, [Place(start + quotes, end - quotes)], units)
    if first in ("|", ">") and "\n" in file[start:end]:
        start = file.index("\n", start)
    return Passage.aligned(text, file, [Place(start, end)], PLAIN)
