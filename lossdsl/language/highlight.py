"""A text to its colours: the terminals of the grammar with a kind each, and the Pygments lexer `loss` made of them.

Sphinx finds the lexer by its name. The grammar for editors, `editors/textmate.py`, is made of the same rules.
"""

from typing import NamedTuple

from pygments.lexer import RegexLexer
from pygments.token import Comment, Keyword, Name, Number, Operator, Punctuation, Whitespace

from lossdsl.language.parse import language
from lossdsl.operators import OPS, STEP

# What a text is made of, to Pygments and to editors. An option stands within parentheses, a definition does not.
KINDS = {
    "space": (Whitespace, ""),
    "comment": (Comment.Single, "comment.line.number-sign"),
    "keyword": (Keyword, "keyword.control"),
    "operator": (Operator, "keyword.operator"),
    "function": (Name.Function, "support.function"),
    "called": (Name.Function.Magic, "entity.name.function"),
    "label": (Name.Label, "entity.name.label"),
    "definition": (Name.Variable, "variable.other.definition"),
    "option": (Name.Attribute, "variable.parameter"),
    "step": (Name.Builtin.Pseudo, "variable.language"),
    "name": (Name, "variable.other"),
    "number": (Number, "constant.numeric"),
    "punctuation": (Punctuation, "punctuation.separator"),
    "open": (Punctuation, "punctuation.section.parens.begin"),
    "close": (Punctuation, "punctuation.section.parens.end"),
}
# Symbols that are not here are operators.
_TERMINALS = {
    "SPACE": "space",
    "COMMENT": "comment",
    "NAME": "name",
    "NUMBER": "number",
    **dict.fromkeys(["AT_STEPS", "AT_SPAN", "AT_LAST", "SECONDS"], "number"),
    "LPAR": "open",
    "RPAR": "close",
    **dict.fromkeys(["COMMA", "COLON", "SEMICOLON", "LSQB", "RSQB"], "punctuation"),
}
# Where a name ends: after it comes neither more of a word, nor a dot and another word.
_END = r"(?!\w|\.[^\W\d])"


class Rule(NamedTuple):
    """What text is of a kind of `KINDS`."""

    kind: str
    pattern: str


def rules(*, within: bool) -> list[Rule]:
    """The rules of a text, the first that matches holds.

    Args:
        within: Whether they are those within parentheses.
    """
    found = language().terminals
    name = found["NAME"]
    functions = "|".join(name for name, op in OPS.items() if op.is_called)
    return [
        *(Rule("keyword", word + _END) for word in found.values() if word.isidentifier()),
        Rule("label", rf"(?<=\bas\s){name}"),
        Rule("function", rf"(?:{functions}){_END}(?=\s*\()|(?<=@)(?:{functions}){_END}"),
        Rule("option", rf"{name}(?=\s*=)") if within else Rule("definition", rf"{name}(?=\s*(?:\([^()]*\)\s*)?=)"),
        Rule("called", rf"{name}(?=\s*\()"),
        Rule("step", STEP + _END),
        *(Rule(_TERMINALS.get(t, "operator"), pattern) for t, pattern in found.items() if not pattern.isidentifier()),
    ]


def _state(*, within: bool) -> list[tuple[str, ...]]:
    moves = {"open": ("within",), "close": ("#pop",)}
    return [(rule.pattern, KINDS[rule.kind][0], *moves.get(rule.kind, ())) for rule in rules(within=within)]


class LossLexer(RegexLexer):
    """The Pygments lexer of the language, for code blocks in Sphinx and wherever Pygments is used.

    Example:
        >>> [text for kind, text in LossLexer().get_tokens("2*final(velocity)") if kind in Name.Function]
        ['final']
    """

    name = "Loss"
    aliases = ("loss", "lossdsl")
    filenames = ("*.loss",)
    tokens = {"root": _state(within=False), "within": _state(within=True)}  # noqa: RUF012 - a field of Pygments
