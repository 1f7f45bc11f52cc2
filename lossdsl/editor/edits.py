"""What an editor asks to change -> the edits: a name that gets another one, a loss that is written anew."""

from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

from lossdsl.editor.cursor import Target
from lossdsl.editor.diagnose import Finding
from lossdsl.editor.passage import Place
from lossdsl.errors import error
from lossdsl.language import is_name
from lossdsl.language.fmt import formatted


class Edit(NamedTuple):
    """A piece of a file, and what takes its place."""

    place: Place
    text: str


def renamed(target: Target, new: str, taken: Collection[str], text: str) -> list[Edit]:
    """The edits that give a name another one wherever it stands in the file.

    Args:
        target: The name, with its uses.
        new: The other one.
        taken: The names that mean something there.
        text: The text of the file.

    Raises:
        LossNameError: For what is no name, or means something there.
    """
    if not is_name(new):
        raise error("cannot-rename", name=target.name, new=new, reason="that is not a name")
    if new in taken:
        raise error("cannot-rename", name=target.name, new=new, reason="that name means something here")
    uses = [passage.part(word.token.span.start, word.token.span.end) for passage, word in target.uses]
    places = dict.fromkeys([target.place, *uses])
    if any(text[slice(*place)] != target.name for place in places):
        raise error("cannot-rename", name=target.name, new=new, reason="it is written with escapes")
    return [Edit(place, new) for place in places]


def applied(edits: Sequence[Edit], text: str) -> str:
    """The text with the edits made."""
    for edit in sorted(edits, reverse=True):
        text = text[: edit.place.start] + edit.text + text[edit.place.end :]
    return text


def worse(before: Callable[[], Sequence[Finding]], after: Sequence[Finding]) -> Finding | None:
    """A finding that was not there before, if there is one; what was there is asked where there is one at all."""
    if not after or len(after) <= len(before()):
        return None
    known = [(found.code, found.message) for found in before()]
    return next((found for found in after if (found.code, found.message) not in known), None)


def rewritten(text: str) -> list[Edit]:
    """The edit that writes a loss as it is printed; none if it is.

    Raises:
        LossError: If the text is not a loss.
    """
    result = formatted(text)
    return [Edit(Place(0, len(text)), result)] if result != text else []
