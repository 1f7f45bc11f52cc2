"""What the language server knows of texts, in plain case files: mistakes, hovers, completions, definitions and uses."""

from pathlib import Path

from lossdsl.editor.complete import complete
from lossdsl.editor.cursor import cursor_at, row_at, target_of
from lossdsl.editor.diagnose import findings
from lossdsl.editor.hover import hover
from lossdsl.editor.read import units_of
from tests import cases

# No `pyproject.toml` stands above it.
FOLDER = Path("/nowhere")


def read(case):
    """The losses of the text without the sign of the cursor, that text, and where the cursor is."""
    text = case.text.replace("¦", "", 1)
    return units_of(FOLDER / case.title, text), text, case.text.find("¦")


def shown_mistakes(case):
    """A line for each: its line in the file, the piece of it, the code and the message."""
    units, text, _ = read(case)
    lines = []
    for found in findings(units, text):
        line = text.count("\n", 0, found.place.start) + 1
        piece = text[slice(*found.place)].replace("\n", "\\n")
        calls = "".join(f" ({says})" for _, says in found.calls)
        lines.append(f"{line}: {piece}: {found.code}: {found.message.split(chr(10))[0]}{calls}")
    return "\n".join(lines)


def shown_hover(case):
    units, _, at = read(case)
    cursor = cursor_at(units, at)
    return hover(cursor) if cursor else ""


def shown_places(case):
    """Where a name is defined and used: the text with signs around these places, or the file."""
    units, text, at = read(case)
    cursor = cursor_at(units, at)
    row = row_at(units, at)
    target = target_of(cursor) if cursor else row and row[1]
    if target is None:
        return "nowhere"
    if target.file:
        return f"{target.file.name}: {target.file.read_text()[slice(*target.place)]}"
    uses = {passage.part(word.token.span.start, word.token.span.end) for passage, word in target.uses}
    for place in sorted({*uses, target.place}, reverse=True):
        left, right = "«»" if place == target.place else "‹›"  # noqa: RUF001
        text = f"{text[: place.start]}{left}{text[slice(*place)]}{right}{text[place.end :]}"
    return text


def shown_items(case):
    """What is offered that begins as what stands there, and what that is."""
    units, text, at = read(case)
    cursor = cursor_at(units, at)
    items = complete(cursor) if cursor else []
    fitting = [item for item in items if item.text.startswith(text[slice(*item.place)])]
    return "\n".join(f"{item.kind} {item.text}: {item.detail}" for item in fitting)


@cases.parametrize("editor_mistakes.txt")
def test_mistakes(case):
    assert shown_mistakes(case) == case.expected


@cases.parametrize("editor_hover.txt")
def test_hover(case):
    assert shown_hover(case) == case.expected


@cases.parametrize("editor_places.txt")
def test_places(case):
    assert shown_places(case) == case.expected


@cases.parametrize("editor_items.txt")
def test_items(case):
    assert shown_items(case) == case.expected
