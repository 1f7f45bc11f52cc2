"""A place in a file -> the word that stands there, where it is defined, and what it means."""

import inspect
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path

from lossdsl.configs import KINDS
from lossdsl.disk import read_text
from lossdsl.editor.in_python import rows_in
from lossdsl.editor.passage import Passage, Place
from lossdsl.editor.read import units_of
from lossdsl.editor.unit import Unit
from lossdsl.editor.words import CALLED, DEFINITION, NAME, OPERATOR, OPTION, WINDOW, Statement, Word, statements, words
from lossdsl.errors import LossError
from lossdsl.meaning import NAMED, Definition, Vocabulary
from lossdsl.operators import OPS

_MOST_FILES = 10


@dataclass(frozen=True)
class Cursor:
    """A place in a text of the language.

    Attributes:
        unit: The texts that belong together.
        text: The text.
        at: The character of it.
    """

    unit: Unit
    text: Passage
    at: int

    @cached_property
    def word(self) -> Word | None:
        """The name at the place, or at whose edge it is."""
        found = [word for word in words(self.text) if word.token.span.start <= self.at <= word.token.span.end]
        return found[-1] if found else None

    @cached_property
    def statement(self) -> Statement:
        """The definition that the place stands in, or the loss."""
        found = [s for s in statements(self.text) if s.tokens and s.tokens[0].span.start <= self.at]
        return (found or statements(self.text))[-1 if found else 0]

    @cached_property
    def arguments(self) -> tuple[str, ...]:
        """The arguments that are values there: of the definition, or of the term that the text is."""
        return (*(t.text for t in self.statement.arguments), *self.unit.arguments.get(self.text.place, ()))

    @cached_property
    def defined(self) -> dict[str, tuple[Passage, Statement]]:
        """The definitions of the text, and of those that see each other's."""
        return definitions(self.unit) if any(text is self.text for text in self.unit.loss) else {}

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """What the names mean there, the definitions of the text too, as terms."""
        known = self.unit.vocabulary
        for name, (text, statement) in self.defined.items():
            equals = next(token for token in statement.tokens if token.kind == "EQUAL")
            body = text[equals.span.end : statement.tokens[-1].span.end]
            arguments = tuple(argument.text for argument in statement.arguments)
            try:
                known = known.extend(terms={name: Definition(body.strip(), arguments=arguments)})
            except LossError:
                continue  # the text is told about it
        return known


def cursor_at(units: list[Unit], offset: int) -> Cursor | None:
    """The place in a text of the language that an offset of a file is, if it stands in one."""
    for unit in units:
        if (text := unit.text_at(offset)) is not None:
            return Cursor(unit, text, text.at(offset))
    return None


def definitions(unit: Unit) -> dict[str, tuple[Passage, Statement]]:
    """The definitions of the loss of a unit by name, the first of each."""
    found: dict[str, tuple[Passage, Statement]] = {}
    for text in unit.loss:
        for statement in statements(text):
            if statement.name:
                found.setdefault(statement.name.text, (text, statement))
    return found


@dataclass(frozen=True)
class Target:
    """Where a name is defined.

    Attributes:
        name: The name.
        file: The file, None for the one that is looked at.
        place: Where it stands there.
        uses: The words that are that name, with their texts; where it is defined in a text it is one of them.
    """

    name: str
    file: Path | None
    place: Place
    uses: tuple[tuple[Passage, Word], ...] = ()


def target_of(cursor: Cursor) -> Target | None:
    """Where the name at a place is defined: in the text, in the file, in one that it extends, or in the library."""
    word = cursor.word
    if word is None:
        return None
    argument = _argument_of(cursor, word)
    if argument:
        return argument
    if word.role in (OPERATOR, WINDOW):
        return _operator(word.text)
    if word.role not in (NAME, CALLED, DEFINITION):
        return None
    if word.text in cursor.defined:
        text, statement = cursor.defined[word.text]
        assert statement.name
        span = statement.name.span
        return Target(word.text, None, text.part(span.start, span.end), tuple(_uses(cursor.unit.loss, word.text)))
    if word.text in cursor.unit.rows:
        row = cursor.unit.rows[word.text]
        return Target(word.text, None, row.part(0, len(word.text)), tuple(_uses(cursor.unit.texts, word.text)))
    return _elsewhere(word.text, cursor.unit.extends)


def row_at(units: list[Unit], offset: int) -> tuple[Unit, Target] | None:
    """The name that a row of the file gives a meaning, if an offset stands in it."""
    for unit in units:
        for name, row in unit.rows.items():
            place = row.part(0, len(name))
            if place.holds(offset):
                return unit, Target(name, None, place, tuple(_uses(unit.texts, name)))
    return None


def _argument_of(cursor: Cursor, word: Word) -> Target | None:
    """The argument of a definition that a word is, where it is used and where a call gives it by name."""
    name, function = word.text, ""
    if word.role == OPTION and word.call in cursor.defined:
        function = word.call
    elif cursor.statement.name and name in [token.text for token in cursor.statement.arguments]:
        function = cursor.statement.name.text
    if function not in cursor.defined:
        return None
    text, statement = cursor.defined[function]
    given = next((token for token in statement.arguments if token.text == name), None)
    if given is None:
        return None
    number = statements(text).index(statement)
    inside = [(text, w) for w in words(text) if w.statement == number and w.text == name and w.role not in (OPTION,)]
    by_name = [
        (other, w)
        for other in cursor.unit.loss
        for w in words(other)
        if w.role == OPTION and w.text == name and w.call == function
    ]
    return Target(name, None, text.part(given.span.start, given.span.end), (*inside, *by_name))


def _uses(texts: tuple[Passage, ...], name: str) -> Iterator[tuple[Passage, Word]]:
    for text in texts:
        for word in words(text):
            if word.text == name and word.role in (NAME, CALLED, DEFINITION):
                yield text, word


def _operator(name: str) -> Target | None:
    """The declaration of an operator; one that is a function of JAX has none to look at."""
    code = getattr(inspect.unwrap(OPS[name].lower), "__code__", None) if name in OPS else None
    package = Path(__file__).parents[1]
    if code is None or package not in (file := Path(code.co_filename)).parents:
        return None
    text = read_text(file, "")
    start = text.index(f"def {code.co_name}(") + len("def ")
    return Target(name, file, Place(start, start + len(code.co_name)))


def _elsewhere(name: str, file: Path | None) -> Target | None:
    """The row of a name in another file of a vocabulary, in one that this extends, or in the built-in one."""
    for _ in range(_MOST_FILES):
        if file is None or file.suffix.lower() not in KINDS:
            break
        try:
            units = units_of(file, read_text(file, ""))
        except LossError:
            return None
        rows = [unit.rows[name] for unit in units if name in unit.rows]
        if rows:
            return Target(name, file, rows[0].part(0, len(name)))
        file = next((unit.extends for unit in units), None)
    spec = find_spec("lossdsl.meaning.feedbax")
    if spec is None or spec.origin is None or name not in NAMED["feedbax"].names:
        return None
    built_in = Path(spec.origin)
    row = rows_in(built_in, read_text(built_in, "")).get(name)
    return Target(name, built_in, row.place) if row is not None else None
