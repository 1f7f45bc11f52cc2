"""Text to what a reader makes of it, rule by rule. The language is `grammar/loss.lark`; only this file knows Lark.

Lark makes the tables of an LALR(1) parser from the grammar; they are run here, on the tokens of one regular expression.
For the same rules Lark's own lexer and loop take three times as long, and would be most of what a long text takes.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from lossdsl.disk import packaged
from lossdsl.errors import Span
from lossdsl.language.syntax import END, UNKNOWN, layout, refusal
from lossdsl.language.text import begins

# Words that are names where no such word can stand: `and` and `or` before a value, `not` without one behind it.
SOFT = frozenset(["AND", "OR", "NOT"])


class Token(NamedTuple):
    """A piece of a text, of the kind of a terminal; the end is one too."""

    kind: str
    text: str
    span: Span


class _Rule(NamedTuple):
    """A rule that is complete: how many parts it has, its name, what is made of the parts.

    One that is `idle` leaves its only part as it is, as `factor: atom` does; the parser passes over it.
    """

    size: int
    name: str
    build: Callable[[list[Any]], Any]
    idle: bool


@dataclass(frozen=True)
class Parser:
    """The tables, with a reader that has a method for each rule.

    Attributes:
        terminals: Their regular expressions by name, in the order in which they are tried.
        pattern: Skips what is no token, and matches the next one.
        words: The names of terminals that look like names, as `as`.
        steps: What a token leads to, by state and terminal: the next state, or a rule that is complete.
        goto: The state after a rule, by the state before it and the rule.
        start: The state before a text.
        end: The state after it.
        after: The state after a rule and all idle ones that follow on it, by state, rule and terminal; filled by use.
    """

    terminals: Mapping[str, str]
    pattern: re.Pattern[str]
    words: Mapping[str, str]
    steps: Mapping[int, Mapping[str, int | _Rule]]
    goto: Mapping[int, Mapping[str, int]]
    start: int
    end: int
    after: dict[tuple[int, str, str], int] = field(default_factory=dict)

    def tokens(self, text: str, laid_out: str) -> Iterator[Token]:
        """The tokens of a text, and its end."""
        words = self.words
        for match in self.pattern.finditer(laid_out):
            kind = match.lastgroup or END
            start, end = match.span(kind)
            found = laid_out[start:end]
            yield Token(words.get(found, kind), found, Span(text, start, end))
            if kind == END:
                break

    def read(self, text: str) -> Any:
        """What the reader makes of a text; nothing recurses, however deep it is.

        Raises:
            LossSyntaxError: If it is not a sentence of the language.
        """
        laid_out, steps, after = layout(text), self.steps, self.after
        states: list[int] = [self.start]
        values: list[Any] = []
        for token in self.tokens(text, laid_out):
            kind = token.kind
            if kind in SOFT and not (kind in steps[states[-1]] and (kind != "NOT" or begins(laid_out, token.span.end))):
                kind = "NAME"
            while isinstance(step := steps[states[-1]].get(kind), _Rule):
                size, name, build, _ = step
                first = len(values) - size
                value = build(values[first:])
                del values[first:], states[first + 1 :]
                key = states[-1], name, kind
                states.append(after.get(key) or self.follow(*key))
                values.append(value)
            if step is None:
                break
            states.append(step)
            values.append(token)
        if kind == END and states[-1] == self.end:
            return values[-1]
        raise refusal(text, laid_out, token)

    def follow(self, state: int, name: str, kind: str) -> int:
        """The state after a rule; where idle ones follow on it, after them."""
        found = self.goto[state][name]
        while isinstance(rule := self.steps[found].get(kind), _Rule) and rule.idle:
            found = self.goto[state][rule.name]
        self.after[state, name, kind] = found
        return found


def parser(reader: Any) -> Parser:
    """The parser of the language, with a reader that has a method for each rule: parts with all tokens to value."""
    from lark import Lark
    from lark.parsers.lalr_analysis import Shift

    grammar = packaged("grammar", "loss.lark").read_text(encoding="utf-8")
    options: dict[str, Any] = {"keep_all_tokens": True, "maybe_placeholders": False, "transformer": reader}
    lark = Lark(grammar, parser="lalr", lexer="basic", start="program", **options)
    longest_first = sorted(lark.terminals, key=lambda t: (-t.priority, -t.pattern.max_width, -len(t.pattern.value)))
    terminals = {terminal.name: terminal.pattern.to_regexp() for terminal in longest_first}
    gap = "|".join(terminals[name] for name in lark.ignore_tokens)
    tokens = "|".join(f"(?P<{name}>{terminals[name]})" for name in terminals if name not in lark.ignore_tokens)
    table, build = lark.parser.parser._parse_table, lark.parser.parser_conf.callbacks
    steps: dict[int, dict[str, int | _Rule]] = {state: {} for state in table.states}
    goto: dict[int, dict[str, int]] = {state: {} for state in table.states}
    rules = {str(rule.origin.name) for rule in lark.rules}
    for state, row in table.states.items():
        for name, (action, to) in row.items():
            if name in rules:
                goto[state][str(name)] = to
            elif action is Shift:
                steps[state][name] = to  # that of the end has no kind of token: there the text is whole
            else:
                idle = to.options.expand1 and not to.alias and len(to.expansion) == 1
                rule = _Rule(len(to.expansion), str(to.origin.name), build[to], idle)
                steps[state][END if name == "$END" else name] = rule
    # It matches everywhere, and gives nothing back of what it skips: one pass, whatever the text.
    pattern = re.compile(rf"(?:{gap})*+(?:{tokens}|(?P<{END}>\Z)|(?P<{UNKNOWN}>[\s\S]))")
    words = {written: name for name, written in terminals.items() if written.isidentifier()}
    return Parser(terminals, pattern, words, steps, goto, table.start_states["program"], table.end_states["program"])
