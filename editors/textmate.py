"""The rules of `lossdsl.highlight` to TextMate grammars, for `.loss` files and for losses in YAML.

python editors/textmate.py  # writes editors/vscode/syntaxes
"""

import json
from pathlib import Path
from typing import Any

from lossdsl.language.highlight import KINDS, Rule, rules

FOLDER = Path(__file__).parent / "vscode" / "syntaxes"
_LOSS = {"include": "source.loss"}
_CAPTURES = {
    "2": {"name": "entity.name.tag.yaml"},
    "3": {"name": "punctuation.separator.key-value.mapping.yaml"},
}
# After three groups, what stands before, the key and the colon: a loss in quotes, or plain up to the end of the line,
# or plain in braces.
_QUOTED = r"""\s+(["'])((?:\\.|(?!\4).)*)(\4)"""
_PLAIN = r"""\s+([^\s"'|>{\[#&*!%@`].*)$"""
_IN_BRACES = r"""\s+([^\s"'{},][^{},]*)"""


def loss() -> dict[str, Any]:
    """The grammar of the language."""
    outside, within = rules(within=False), rules(within=True)
    names = {rule.kind: rule.pattern for rule in outside}
    parentheses = {
        "begin": names["open"],
        "beginCaptures": {"0": {"name": _scope("open")}},
        "end": names["close"],
        "endCaptures": {"0": {"name": _scope("close")}},
        "patterns": [{"include": "#within"}],
    }
    return {
        "name": "Loss",
        "scopeName": "source.loss",
        "fileTypes": ["loss"],
        "patterns": [{"include": "#outside"}],
        "repository": {
            "outside": {"patterns": _patterns(outside)},
            "within": {"patterns": _patterns(within)},
            "parentheses": parentheses,
        },
    }


def _patterns(found: list[Rule]) -> list[dict[str, Any]]:
    patterns: list[dict[str, Any]] = []
    for rule in found:
        if rule.kind == "open":
            patterns.append({"include": "#parentheses"})
        elif rule.kind != "space":
            patterns.append({"match": rule.pattern, "name": _scope(rule.kind)})
    return patterns


def _scope(kind: str) -> str:
    return f"{KINDS[kind][1]}.loss"


def in_yaml() -> dict[str, Any]:
    """The grammar that finds losses in YAML: after `loss:` and `expr:`, and the terms below `loss:` and `terms:`."""
    key, label = r"((?<![\w.])(?:loss|expr))(:)", r"((?!(?:weight|expr|latex|doc):)[\w.]+(?:\([\w, ]*\))?)(:)"
    return {
        "name": "Losses in YAML",
        "scopeName": "source.loss.in-yaml",
        "injectionSelector": "L:source.yaml -comment -source.loss",
        "patterns": [
            _block(rf"^(\s*){key}", least=1),
            _block(rf"^(\s*)-\s+{key}", least=3),
            *(_scalar(rf"^(\s*(?:-\s+)?){key}", value) for value in (_QUOTED, _PLAIN)),
            *(_scalar(rf"(?<=[{{,])(\s*){key}", value) for value in (_QUOTED, _IN_BRACES)),
            {
                "begin": r"^(\s*)(loss|terms)(:)\s*(?=$|#)",
                "beginCaptures": _CAPTURES,
                "while": r"^(?=\1\s+\S|\s*(?:#|$))",
                "patterns": [
                    *(_scalar(rf"^(\s*){label}", value) for value in (_QUOTED, _PLAIN)),
                    {"include": "source.yaml"},
                ],
            },
        ],
    }


def _scalar(before: str, value: str) -> dict[str, Any]:
    loss = {"name": "meta.embedded.loss", "patterns": [_LOSS]}
    quote = {"name": "string.quoted.yaml"}
    captures = {"4": quote, "5": loss, "6": quote} if value == _QUOTED else {"4": loss}
    return {"match": before + value, "captures": _CAPTURES | captures}


def _block(before: str, least: int) -> dict[str, Any]:
    """A loss on the lines after `|` or `>`, as far as they are indented by so many more than the key or its dash."""
    captures = _CAPTURES | {"4": {"name": "keyword.control.flow.block-scalar.yaml"}}
    begin, further = before + r"\s+([|>][-+0-9]*)\s*$", rf"^(?:\1\s{{{least},}}|\s*$)"
    return {"begin": begin, "beginCaptures": captures, "while": further, "patterns": [_LOSS]}


def texts() -> dict[str, str]:
    """The content of each file."""
    grammars = {"loss.tmLanguage.json": loss(), "loss-in-yaml.tmLanguage.json": in_yaml()}
    return {name: json.dumps(grammar, indent=2) + "\n" for name, grammar in grammars.items()}


if __name__ == "__main__":
    for name, text in texts().items():
        (FOLDER / name).write_text(text, encoding="utf-8")
