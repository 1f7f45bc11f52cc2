"""Texts of the language with the colours of their tokens.

`python -m tests.tokens` prints them for `editors/check.mjs`, with the scope of TextMate for each token of Pygments.
"""

import json

from pygments.token import Punctuation, Whitespace

from lossdsl.language.highlight import KINDS, LossLexer
from lossdsl.operators.declaration import OPS
from tests.cases import read

TEXTS = [*(case.text for case in read("parse.txt")), *(op.example for op in OPS.values())]


def coloured(text):
    """The tokens of Pygments with their places."""
    lexed = LossLexer(stripnl=False, ensurenl=False).get_tokens_unprocessed(text)
    return [(start, start + len(token), kind) for start, kind, token in lexed if kind is not Whitespace]


if __name__ == "__main__":
    scopes = dict(KINDS.values()) | {Punctuation: "punctuation"}
    print(json.dumps([(text, [(i, j, scopes[kind]) for i, j, kind in coloured(text)]) for text in TEXTS]))
