"""A text of the language, a loss or not yet -> what each of its words is there."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple

from lossdsl.errors import LossError
from lossdsl.language import Token, layout, tokens
from lossdsl.operators import OPS

# What a name is where it stands.
NAME, OPERATOR, CALLED, DEFINITION, ARGUMENT, OPTION, AXIS, WINDOW, LABEL = range(9)
_OPEN, _CLOSE = ("LPAR", "LSQB"), ("RPAR", "RSQB")


class Word(NamedTuple):
    """A name in a text.

    Attributes:
        role: What it is there.
        token: Its token.
        call: What is called around it, in whose parentheses it stands.
        statement: The number of its statement.
    """

    role: int
    token: Token
    call: str
    statement: int

    @property
    def text(self) -> str:
        return self.token.text


@dataclass(frozen=True)
class Statement:
    """A definition, or the loss.

    Attributes:
        tokens: Its tokens.
        name: The name that it defines.
        arguments: The arguments of that name.
    """

    tokens: tuple[Token, ...]
    name: Token | None = None
    arguments: tuple[Token, ...] = ()


@lru_cache(maxsize=500)
def statements(text: str) -> tuple[Statement, ...]:
    """The definitions and the loss of a text."""
    try:
        laid_out = layout(text)
    except LossError:
        laid_out = text  # it has a bracket that is not closed as yet
    parts: list[list[Token]] = [[]]
    for token in tokens(text, laid_out):
        if token.kind == "SEMICOLON":
            parts.append([])
        elif token.text:
            parts[-1].append(token)
    return tuple(_statement(part) for part in parts)


def _statement(found: Sequence[Token]) -> Statement:
    kinds = [token.kind for token in found]
    if kinds[:2] == ["NAME", "EQUAL"]:
        return Statement(tuple(found), found[0])
    if kinds[:2] == ["NAME", "LPAR"] and "RPAR" in kinds:
        close = kinds.index("RPAR")
        if kinds[close + 1 : close + 2] == ["EQUAL"]:
            return Statement(tuple(found), found[0], tuple(t for t in found[2:close] if t.kind == "NAME"))
    return Statement(tuple(found))


@lru_cache(maxsize=500)
def words(text: str) -> tuple[Word, ...]:
    """The names in a text, each with what it is."""
    return tuple(word for i, statement in enumerate(statements(text)) for word in _words(statement, i))


def _words(statement: Statement, number: int) -> Iterator[Word]:
    around: list[_Around] = []
    last: list[Token | None] = [None, None]
    following = [*statement.tokens[1:], None][: len(statement.tokens)]
    for token, after in zip(statement.tokens, following, strict=True):
        call = next((opened.call for opened in reversed(around) if opened.call), "")
        if token.kind in _OPEN:
            is_call = token.kind == "LPAR" and last[1] is not None and last[1].kind == "NAME"
            around.append(_Around(last[1].text if is_call and last[1] else "", _is_axis(last, call)))
        elif token.kind in _CLOSE and around:
            around.pop()
        elif token.kind in ("NAME", "DUAL"):
            in_axes = _is_axis(last, call) or bool(around and around[-1].axes)
            role = AXIS if in_axes else _role(token, after, last[1], statement, around)
            yield Word(role, token, call, number)
        last = [last[1], token]


class _Around(NamedTuple):
    """A bracket: what is called there, and whether axes stand in it."""

    call: str
    axes: bool


def _role(
    token: Token, after: Token | None, last: Token | None, statement: Statement, around: Sequence[_Around]
) -> int:
    kind, name = after.kind if after else "", statement.name
    if token is name:
        return DEFINITION
    if name and token in statement.arguments and token.span.end <= _head_end(statement):
        return ARGUMENT
    if kind == "LPAR":
        return OPERATOR if token.text in OPS else CALLED
    if last and last.kind in ("AT", "AS"):
        return WINDOW if last.kind == "AT" else LABEL
    return OPTION if kind == "EQUAL" and around else NAME


def _head_end(statement: Statement) -> int:
    return next(token.span.start for token in statement.tokens if token.kind == "EQUAL")


def _is_axis(last: Sequence[Token | None], call: str) -> bool:
    """Whether axes follow on `option =`: the option is `axis`, or an axis that gets a new name."""
    option, equals = last
    if not option or not equals or equals.kind != "EQUAL" or call not in OPS:
        return False
    return option.text == "axis" or (OPS[call].renames and option.text not in OPS[call].defaults)
