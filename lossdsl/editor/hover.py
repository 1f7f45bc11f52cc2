"""A place in a text -> what the word there means: documentation, axes, unit and formula, in Markdown."""

from typing import Any

from lossdsl.editor.cursor import Cursor
from lossdsl.editor.words import AXIS, CALLED, DEFINITION, LABEL, NAME, OPERATOR, OPTION, WINDOW, Word
from lossdsl.errors import LossError
from lossdsl.language import Call, Expr, Name, number_text, parse, shown_axes, signature
from lossdsl.meaning import Defined, Definition, Object, Parameter, Quantity, bind, row_text
from lossdsl.operators import OPS, STEP, Op


def hover(cursor: Cursor) -> str:
    """What the word at a place means; nothing where there is none, or where that is not known."""
    word = cursor.word
    if word is None:
        return ""
    if word.role in (OPERATOR, WINDOW) and word.text in OPS:
        return _operator(OPS[word.text], cursor, word)
    if word.role == WINDOW:
        row = cursor.vocabulary.epochs.get(word.text)
        return "" if row is None else f"the epoch `{word.text}` of each trial: `{row_text(row)}`"
    if word.role == OPTION:
        return _option(cursor, word)
    if word.role == AXIS:
        return f"the axis `{word.text}`"
    if word.role == LABEL:
        return f"a term with the name `{word.text}`: one row of the `LossDict`"
    if word.role in (NAME, CALLED, DEFINITION) and word.text not in cursor.arguments:
        return _name(cursor, word.text)
    owner = cursor.statement.name
    return f"an argument{f' of `{owner.text}`' if owner else ''}"


def _operator(op: Op, cursor: Cursor, word: Word) -> str:
    parts = [_code(signature(op)), op.doc]
    bound = _bound_call(op, cursor, word)
    if bound is not None:
        parts += [f"axes here: `{shown_axes(bound.axes)}`", _formula(bound)]
    else:
        parts.append(f"example: `{op.example}`")
    return _paragraphs(parts)


def _bound_call(op: Op, cursor: Cursor, word: Word) -> Expr | None:
    """The call that a word is the operator of, with its meanings; None where a part of it is not right as yet."""
    at = word.token.span
    try:
        tree = parse(cursor.text)
        calls = [(node.span, node) for node in tree.walk() if isinstance(node, Call) and node.op is op and node.span]
        around = [pair for pair in calls if pair[0].start <= at.start and at.end <= pair[0].end]
        _, node = min(around, key=lambda pair: pair[0].end - pair[0].start, default=(None, None))
        return None if node is None or node.is_open else bind(node, cursor.vocabulary).expr
    except LossError:
        return None


def _option(cursor: Cursor, word: Word) -> str:
    if word.call not in OPS:
        return f"an argument of `{word.call}`"
    op = OPS[word.call]
    default = op.defaults.get(word.text)
    says = f"the option `{word.text}` of `{op.name}`"
    if default is not None:
        says += f", `{default if isinstance(default, str) else number_text(default)}` if it is not given"
    return _paragraphs([says, _code(signature(op)), op.doc])


def _name(cursor: Cursor, name: str) -> str:
    row = cursor.vocabulary.terms.get(name)
    if isinstance(row, Definition) and row.arguments:
        return _paragraphs([_code(f"{row.called(name)} = {row.text}"), row.doc])
    try:
        bound = bind(Name(name=name), cursor.vocabulary).expr
    except LossError as failure:
        return "" if failure.code == "unknown-name" else failure.message
    assert isinstance(bound, Name)
    return _paragraphs([*_meaning(name, bound.meaning), *_measures(bound), _formula(bound)])


def _meaning(name: str, meaning: Any) -> list[str]:
    match meaning:
        case Quantity():
            return [_code(name), meaning.doc, f"`{meaning.path}`"]
        case Defined():
            return [_code(f"{name} = {meaning.expr}"), meaning.doc]
        case Parameter():
            default = "" if meaning.default is None else f", {float(meaning.default):g} at the start"
            what = "the training iteration" if name == STEP else f"a parameter{default}"
            return [_code(name), meaning.doc, what]
        case Object():
            return [_code(name), "a term in Python"]
    return [_code(name)]


def _measures(bound: Name) -> list[str]:
    """Its axes, and its unit if it is known."""
    meaning = bound.meaning
    if isinstance(meaning, Parameter):
        return []
    axes = f"axes: `{shown_axes(bound.axes)}`"
    return [f"{axes}, unit: {meaning.unit}" if isinstance(meaning, Quantity) and meaning.unit else axes]


def _formula(bound: Expr) -> str:
    """The mathematics of an expression in LaTeX; a PyTree and a term in Python have none."""
    from lossdsl.mathematics.formula import mathematics

    if bound.axes is None or (isinstance(bound, Name) and isinstance(bound.meaning, Object)):
        return ""
    return f"```latex\n{mathematics(bound)}\n```"


def _code(text: str) -> str:
    return f"```loss\n{text}\n```"


def _paragraphs(parts: list[str]) -> str:
    return "\n\n".join(part for part in parts if part)
