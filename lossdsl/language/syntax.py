"""What is wrong with a text: its layout before the grammar sees it, and own wording for what the grammar refuses."""

import re
import unicodedata
from typing import Any

from lossdsl.errors import LossError, Span, error
from lossdsl.language.text import begins
from lossdsl.language.tree import MAX_DEPTH
from lossdsl.operators import OPS

# Two kinds of token that the grammar does not name: the end of a text, and what begins none.
END, UNKNOWN = "END", "UNKNOWN"
_BRACKETS = {")": "(", "]": "["}
_PARTNERS = {"(": ")", "[": "]", ")": "(", "]": "["}
_COMMENT = r"#[^\n]*"
_CHUNK = re.compile(_COMMENT + r"|[()\[\]]|\n|[^\s()\[\]#]+")
_OPERATORS = "+-*/@=,;<>"
_TOKEN = re.compile(r"(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[\w.]+|\*\*|\S")
# Words of Python that people try; to the grammar they are names.
_PYTHON = frozenset(["if", "else", "lambda", "for", "in", "is"])
# What joins formulas, if a value stands before it and one behind it.
_JOINS = ("and", "or")
_ONLY_TIME = "only `time` is indexed, as in `x[-1]` or `x[10:50]`; reduce another axis, as in `sum(x, axis=xy)`"
_SPAN = "a window of time stands without spaces, as in `x@go..end`"
# What no formula is made of, by its sign, and what it is in the language.
_COMPARED = {
    "==": "`equal(x, y)` is 1 where x and y are equal, else 0; as a formula write `abs(x - y) < 0.01`",
    "!=": "`1 - equal(x, y)` is 0 where x and y are equal, else 1; as a formula write `abs(x - y) > 0.01`",
}
# To Python a letter, so they may end a name.
POWERS = {"\N{SUPERSCRIPT TWO}": "**2", "\N{SUPERSCRIPT THREE}": "**3"}
# What to write for characters that look like ones of the language.
_LOOKALIKES = {
    "\N{MINUS SIGN}": "-",
    "\N{EN DASH}": "-",
    "\N{EM DASH}": "-",
    "\N{MULTIPLICATION SIGN}": "*",
    "\N{MIDDLE DOT}": "*",
    "\N{ASTERISK OPERATOR}": "*",
    "\N{DIVISION SIGN}": "/",
    "\N{DIVISION SLASH}": "/",
    **POWERS,
}


def layout(text: str) -> str:
    """The text of the same length, comments blank and `;` for each newline that ends a definition.

    A newline ends one outside brackets, where neither the line so far nor the next line asks to go on.
    """
    opened: list[int] = []
    blanks: list[tuple[int, int, str]] = []
    last, newline, joins = "", -1, False
    for match in _CHUNK.finditer(text):
        chunk, start = match.group(), match.start()
        if chunk[0] == "#":
            blanks.append((start, match.end(), " " * len(chunk)))
            continue
        if chunk == "\n":
            newline = start if newline < 0 else newline
            continue
        goes_on = not last or last[-1] in _OPERATORS or last == "as" or chunk[0] in _OPERATORS or chunk == "as"
        goes_on = goes_on or joins or (chunk in _JOINS and begins(text, match.end()))
        if newline >= 0 and not opened and not goes_on and chunk not in ")]":
            blanks.append((newline, newline + 1, ";"))
        joins = chunk in _JOINS and _ends_value(last)
        last, newline = chunk, -1
        if chunk in "([":
            opened.append(start)
            if len(opened) > MAX_DEPTH:
                raise error("too-deep", Span(text, start, start + 1), limit=MAX_DEPTH)
        elif chunk in ")]":
            _close(text, opened, start)
    if opened:
        bracket = text[opened[-1]]
        span = Span(text, opened[-1], opened[-1] + 1)
        raise error("never-closed", span, bracket=bracket, partner=_PARTNERS[bracket])
    if not last:
        raise error("empty", Span(text, 0, len(text)))
    pieces, done = [], 0
    for start, end, instead in sorted(blanks):
        pieces += [text[done:start], instead]
        done = end
    return "".join([*pieces, text[done:]])


def _ends_value(chunk: str) -> bool:
    return re.search(r"[\w.)\]]$", chunk) is not None and chunk != "as"


def comments(text: str) -> list[Span]:
    """Where the comments stand; there is no other use for `#`."""
    return [Span(text, match.start(), match.end()) for match in re.finditer(_COMMENT, text)]


def _close(text: str, opened: list[int], at: int) -> None:
    bracket, span = text[at], Span(text, at, at + 1)
    if not opened:
        raise error("never-opened", span, bracket=bracket, partner=_PARTNERS[bracket])
    start = opened.pop()
    if text[start] != _BRACKETS[bracket]:
        raise error("wrong-bracket", span, bracket=bracket, opened=text[start], partner=_PARTNERS[text[start]])


def _bad_character(text: str, at: int) -> LossError:
    character, span = text[at], Span(text, at, at + 1)
    if character == "^":
        return error("caret-power", span)
    if text[at : at + 2] == "!=":
        return error("unknown-character", span, character=f"`{character}`", advice=_COMPARED["!="])
    plain = _LOOKALIKES.get(character) or unicodedata.normalize("NFKC", character)
    name = unicodedata.name(character, f"the character U+{ord(character):04X}")
    shown = f"`{character}`" if character.isascii() and character.isprintable() else f"{name}"
    if plain != character and plain.isascii() and plain.isprintable():
        return error("unknown-character", span, character=f"{shown} `{character}`", advice=f"write `{plain}`")
    advice = {
        "'": "names stand without quotes",
        '"': "names stand without quotes",
        "%": "the language has + - * / ** and operators such as `final(...)`",
        "&": "for a YAML anchor: put the text in quotes" if at == 0 else "for masks of 0 and 1 write `a*b`",
        "|": "write `abs(x)` or `norm(x)`",
        ".": _dots(text, at),
        "$": "interpolation happens before the text gets here",
    }.get(character, "take it away")
    return error("unknown-character", span, character=shown, advice=advice)


def _dots(text: str, at: int) -> str:
    """What a point stands for, or the dots of a window that follow what is none of its bounds."""
    if not text.startswith("..", at):
        return "take it away"
    if text.startswith("...", at):
        return _ONLY_TIME
    number = re.search(r"@\S*?([\d.]*\d)$", text[:at])
    return f"a duration has a unit: `{number[1]}s`" if number else _SPAN


def refusal(text: str, laid_out: str, token: Any) -> LossError:
    """Own wording for what LALR reports as a token and a set of expected ones."""
    if token.kind == UNKNOWN:
        return _bad_character(text, token.span.start)
    if token.kind == "DUAL":
        return _bad_character(text, token.span.end - 1)
    if token.kind == "SECONDS":
        return _duration(token.span)
    at = len(text) if token.kind == END else token.span.start
    last = _token_before(text, laid_out, at)
    before = laid_out[last.start : last.end]
    after_operand = _ends_value(before)
    if token.kind == END:
        advice = "write the loss on the last line, without `name =`"
        if re.search(r"^[ \t\f\r]*[-+]", laid_out, re.MULTILINE):
            advice = "a line that begins with a sign goes on from the one before: end that with `;`"
        here = Span(text, last.end, last.end + 1)
        return error("no-loss" if after_operand else "ends-early", here, last=before, advice=advice)
    span = token.span
    if before == ";" and token.kind in ("NAME", "NUMBER", "LPAR", "MINUS"):
        return error("statement-before-loss", _statement(text, laid_out, last.start))
    if before == "@":
        return error("misplaced", span, found=token.text, advice="what follows `@` stands without a space: `x@-1`")
    if before in (":", "[") and token.kind == "NAME":
        return error("not-whole", span, found=token.text)
    if after_operand and token.kind in ("NAME", "NUMBER", "LPAR"):
        return _missing_operator(last, span, token)
    if before == "=" and token.text in "<>" and last.end == span.start:
        return error("misplaced", last.to(span), found=f"={token.text}", advice=f"write `{token.text}=`")
    if before == "=" and token.kind == "EQUAL":
        return error("misplaced", last.to(span), found="==", advice=_COMPARED["=="])
    if token.kind == "COMMA" and laid_out.rfind("[", 0, at) > laid_out.rfind("(", 0, at):
        return error("misplaced", span, found=",", advice=_ONLY_TIME)
    if after_operand or token.kind in ("EQUAL", "AS", "COLON", "LSQB", "SEMICOLON"):
        return error("misplaced", span, found=token.text, advice=_misplaced_advice(token.kind))
    if before == token.text == "/":
        return error("missing-operand", span, found="/", advice="write `/` to divide; nothing rounds down")
    return error(
        "missing-operand", span, found=token.text, advice=f"put a name or a number there, or take `{token.text}` away"
    )


def _duration(span: Span) -> LossError:
    """A duration where none stands: a number and a name, to who reads it."""
    match = re.match(r"[\d.]+", str(span))
    assert match is not None
    size, unit = span.part(span.start, span.start + match.end()), span.part(span.start + match.end(), span.end)
    advice = f"write `{size}*{unit}` to multiply; a duration stands in `x@go+{span}..end` or `within={span}`"
    return error("missing-operator", span, left=str(size), right=str(unit), advice=advice)


def _token_before(text: str, laid_out: str, at: int) -> Span:
    """The last token before a place."""
    start = max(0, at - 2000)
    *_, last = [re.match("", ""), *_TOKEN.finditer(laid_out[start:at])]
    assert last is not None
    return Span(text, start + last.start(), start + last.end())


def _of_time_or_label(left: Span, right: Span) -> str:
    """How a duration or a label is written, where two words stand in the place of one; else nothing."""
    before, number = left.text[: left.start], str(left) if str(left)[0].isdigit() else ""
    if number and str(right) in ("s", "ms") and re.search(r"\bwithin\s*=\s*\(?[^()=]*$", before):
        return f"write `{number}{right}`, without a space"
    if number and left.end == right.start and re.search(r"@\S*$", before):
        return f"a duration is one of seconds or milliseconds: `{number}s`, `{number}ms`"
    is_label = re.search(r"\bas\s*$", before) and f"{left}{right}".isidentifier()
    return f"a label is one word: `{left}_{right}`" if is_label else ""


def _missing_operator(left: Span, right: Span, token: Any) -> LossError:
    text = left.text
    if left.end == right.start and re.search(r"\bwithin\s*=\s*\(?[^()=]*$", text[: left.start]):
        return error("no-unit", left.to(right), found=f"{left}{right}", number=str(left))
    if left.end == right.start and str(left)[0].isdigit():
        if text[right.start] in _LOOKALIKES:
            return _bad_character(text, right.start)
        if str(right) in "eE" and right.end < len(text) and text[right.end] in _LOOKALIKES:
            return _bad_character(text, right.end)
        if text[left.start - 1 : left.start] == "@" and str(right).startswith("."):
            return error("not-whole", left.to(right), found=f"{left}{right}")
    word = next((word for word in (str(right), str(left)) if word in _PYTHON), "")
    if known := _of_time_or_label(left, right):
        advice = known
    elif word:
        advice = f"`{word}` is not a word of the language: a loss is arithmetic of names, numbers and operators"
    elif str(right) == "until":
        advice = "write `until(p, q)`: `p` holds up to a step at which `q` does"
    elif left.end == right.start and str(left)[0].isdigit() and str(right).replace("_", "").isdigit():
        advice = f"write `{left}{str(right).replace('_', '')}`"
    elif left.end == right.start and str(left)[0].isdigit() and str(right) in "eE":
        advice = f"write the exponent: `{left}{right}-5`"
    elif left.end == right.start and str(right).startswith("."):
        advice = "a number has one point"
    elif str(left) == "0" and re.fullmatch(r"[xXbBoO][0-9a-fA-F]+", str(right)):
        advice = "numbers are decimal"
    elif str(right) in OPS and str(left).replace(".", "").isidentifier():
        advice = f"write `{left}@{right}` or `{right}({left})`"
    elif token.kind == "LPAR":
        advice = "write `*` between them" if str(left) in ")]" else f"write `{left}*(...)`"
    elif str(left) in OPS:
        advice = f"write `{left}({right})`"
    elif str(left)[0].isdigit():
        advice = f"write `{left}*{right}`"
    else:
        advice = f"write for example `{left} + {right}` or `{left}*{right}`"
    return error("missing-operator", left.to(right), left=str(left), right=str(right), advice=advice)


def _misplaced_advice(kind: str) -> str:
    return {
        "EQUAL": "`name = ...` defines a name, on a line of its own before the loss",
        "AS": "`as` follows a term: `2*position as goal`",
        "COLON": "a slice stands in brackets: `x[10:50]`",
        "COMMA": "a comma stands between the arguments of an operator; join terms with `+`",
        "LSQB": "brackets follow a value: `velocity[-1]`",
    }.get(kind, "take it away")


def _statement(text: str, laid_out: str, end: int) -> Span:
    start = laid_out.rfind(";", 0, end) + 1
    start += len(laid_out[start:end]) - len(laid_out[start:end].lstrip())
    return Span(text, start, end)
