"""Names to symbols, and symbols with an index."""

import re
import unicodedata
from typing import Any

from lossdsl.language import Call
from lossdsl.meaning import Defined, Object, Parameter, Quantity
from lossdsl.operators import named

_GREEK = set(
    """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
    Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    """.split()  # noqa: SIM905 - a list of them would be forty lines
)


def symbol_of(name: str, meaning: Any) -> str:
    """The symbol that a row of the vocabulary brings, or else one made of the name."""
    match meaning:
        case Quantity(latex=text) | Defined(latex=text) | Parameter(latex=text) if text:
            return text
        case Quantity() | None:
            return upright(name)
        case Defined(constant=False) | Object():
            return loss_symbol(name)
    first, _, rest = name.partition("_")
    text = _greek(first) or (first if len(first) == 1 and first.isascii() else "")
    return (rf"{text}_{{{upright(rest)}}}" if rest else text) if text else upright(name)


def _greek(name: str) -> str:
    """The command of a Greek letter, whether it is spelt or stands there itself."""
    if len(name) == 1:
        script, size, *_, letter = [*unicodedata.name(name, "").split(), "", ""][:4]
        name = letter.replace("LAMDA", "LAMBDA").lower() if script == "GREEK" else ""
        name = name.capitalize() if size == "CAPITAL" else name
    return rf"\{name}" if name in _GREEK else ""


def loss_symbol(name: str) -> str:
    """The symbol of a term."""
    return rf"\ell_{{{upright(name)}}}"


def upright(name: str) -> str:
    """A name of several letters in upright ones."""
    if name.isascii() and (len(name) == 1 or name.isdigit()):
        return name
    if len(name) == 1 and (letter := _greek(name)):
        return letter
    escaped = name.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}" if name.isascii() else rf"\text{{{escaped}}}"


def script(text: str, marks: str) -> re.Match[str] | None:
    """The first of these marks that stands outside braces, with what follows it."""
    depth = 0
    for match in re.finditer(r"\\[A-Za-z]+|\\.|.", text):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0 and match[0] in marks:
            return match
    return None


def indexed(text: str, index: list[str]) -> str:
    """The symbol with an index more, behind the one that it has."""
    mark = script(text, "_")
    if mark is None:
        return f"{text}_{{{','.join(index)}}}"
    rest = text[mark.end() :]
    command = re.match(r"\\[A-Za-z]+", rest)
    end = command.end() if command else 0 if rest.startswith("{") else 1
    while rest[end:].startswith("{") and (command or not end):
        end += _closing(rest[end:])
    own = rest[:end] if not rest.startswith("{") else rest[1 : end - 1]
    return f"{text[: mark.end()]}{{{','.join([own, *index])}}}{rest[end:]}"


def _closing(text: str) -> int:
    """Where the group ends that the text begins with."""
    depth = 0
    for match in re.finditer(r"\\.|[{}]", text):
        depth += {"{": 1, "}": -1}.get(match[0], 0)
        if depth == 0:
            return match.end()
    return len(text)


def axes_latex(node: Call) -> str:
    """The axes that an operator is given, or their new names."""
    if node.op.renames:
        return ", ".join(rf"{upright(old)} \to {upright(new)}" for old, new in node.static)
    return ", ".join(map(upright, named(node.static)))


def with_scripts(node: Call) -> str:
    """The template of an operator, with those scripts that its call has."""
    template = node.op.latex
    if "where" in node.op.optional and len(node.args) == len(node.op.defaults):
        template = template.replace("{where:under}", "_{{{where}}}")
    if node.static and not node.op.renames:
        axes = axes_latex(node).replace("{", "{{").replace("}", "}}")
        template = template.replace("{named:under}", f"_{{{{{axes}}}}}")
    return template.replace("{where:under}", "").replace("{named:under}", "")
