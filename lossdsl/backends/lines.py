"""What a loss that is computed step by step is made of besides its operators, each the meaning of a name."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

from lossdsl.backends.when import EVERY_STEP, Streamed
from lossdsl.language import Call, Expr, Name
from lossdsl.meaning import Defined, in_order
from lossdsl.operators import Axes


@dataclass(frozen=True, eq=False)
class Line:
    """What one line computes.

    Attributes:
        axes: Those of its value; `time` has one step there, or all where it is whole.
        content: What tells it from another.
        needs: The expressions that it is made of.
    """

    axes: Axes
    content: bytes
    needs: tuple[Expr, ...] = ()
    constant = False


@dataclass(frozen=True, eq=False)
class Local(Line):
    """A definition, as it is at the present step, at the end, or whole."""


@dataclass(frozen=True, eq=False)
class Whole(Line):
    """What no state is in, computed once."""


@dataclass(frozen=True, eq=False)
class Row(Line):
    """The present step of something whole.

    Attributes:
        when: The steps of the states that it belongs to.
        shift: How many steps it begins after those.
        before: What stands before its first step; nothing does where it is None.
    """

    when: Streamed = EVERY_STEP
    shift: int = 0
    before: int | None = None


@dataclass(frozen=True, eq=False)
class Place(Line):
    """The number of the present step among some."""

    when: Streamed = EVERY_STEP


@dataclass(frozen=True, eq=False)
class Length(Line):
    """What has as many steps as there are of some."""

    when: Streamed = EVERY_STEP


@dataclass(frozen=True, eq=False)
class Inside(Line):
    """Whether the present step is one of some."""

    when: Streamed = EVERY_STEP


@dataclass(frozen=True, eq=False)
class Earlier(Line):
    """What a value was some of its steps before.

    Attributes:
        when: The steps of the value.
        steps: How many are kept.
        back: How many it has had since, the present one among them.
    """

    when: Streamed = EVERY_STEP
    steps: int = 0
    back: int = 0


@dataclass(frozen=True, eq=False)
class Folded(Line):
    """An operator along `time` over the steps so far; what it needs is the operator of one step."""

    when: Streamed = EVERY_STEP

    @property
    def node(self) -> Call:
        """The operator, of one step."""
        (node,) = self.needs
        assert isinstance(node, Call)
        return node

    @property
    def adds(self) -> bool:
        """Whether it is a sum of something of each step."""
        return self.node.op.fold is not None and self.node.op.fold.adds


# What goes from step to step.
CARRIED = (Earlier, Folded)


class Lines:
    """The lines by name; an equal one has one name."""

    def __init__(self) -> None:
        self.names: dict[bytes, Name] = {}
        self.texts: dict[str, int] = {}

    def name(self, kind: type[Line], text: str, axes: Axes, *needs: Expr, **more: Any) -> Name:
        """The name of a line, which reads like a text."""
        head = repr((kind.__name__, *(text for _ in range(not needs)), tuple(axes), sorted(more.items())))
        content = blake2b(b"".join([head.encode(), *(need.content for need in needs)]), digest_size=16).digest()
        if content not in self.names:
            self.texts[text] = self.texts.get(text, 0) + 1
            # No text has such a name, and no two of them are one.
            shown = f"{text}'{self.texts[text] - 1}" if self.texts[text] > 1 else text
            meaning = kind(axes, content, needs, **more)
            self.names[content] = Name(name=shown, meaning=meaning)
        return self.names[content]


def reached(roots: Iterable[Expr], ends: type | tuple[type, ...]) -> list[Name]:
    """The names that expressions are made of, what is needed first standing first; nothing behind some of them."""

    def behind(name: Name) -> Sequence[Expr]:
        meaning = name.meaning
        if isinstance(meaning, Line):
            return () if isinstance(meaning, ends) else meaning.needs
        return [meaning.expr] if isinstance(meaning, Defined) else ()  # of numbers alone, as in a schedule

    return [*in_order(roots, behind).values()]
