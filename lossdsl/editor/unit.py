"""What a file has of losses: the texts that belong together, and what their names mean there."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lossdsl.editor.passage import Passage, Place
from lossdsl.meaning import FEEDBAX, Vocabulary

# What a text is told that lacks what another file may have.
MAY_BE_ELSEWHERE = ("unknown-name", "unknown-operator", "needs-arguments", "unused-parameter")


@dataclass(frozen=True)
class Unit:
    """The texts of one loss, or of one vocabulary.

    Attributes:
        place: All of it.
        check: Raises what is wrong with it, as the library does.
        texts: The texts in the language.
        loss: Those of them that see each other's definitions.
        arguments: The arguments of a text that is a term with arguments, by the place of the text.
        vocabulary: What the names mean.
        rows: The names that the file gives a meaning itself.
        extends: The file of the vocabulary that it extends.
        open: Whether names may come from elsewhere too, so that one that is not found is no mistake.
        operators: Operators that the file declares; None where all that there are are known.
        by_keys: The place of what stands at some keys of a config.
    """

    place: Place
    check: Callable[[], Any]
    texts: tuple[Passage, ...] = ()
    loss: tuple[Passage, ...] = ()
    arguments: Mapping[Place, tuple[str, ...]] = field(default_factory=dict)
    vocabulary: Vocabulary = FEEDBAX
    rows: Mapping[str, Passage] = field(default_factory=dict)
    extends: Path | None = None
    open: bool = False
    operators: frozenset[str] | None = None
    by_keys: Callable[[str], Place | None] = lambda shown: None

    def text_at(self, offset: int) -> Passage | None:
        """The text in the language that stands at an offset of the file."""
        return next((text for text in self.texts if text.place.holds(offset)), None)
