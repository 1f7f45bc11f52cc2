"""Terms -> where their gradient may be NaN or infinite, and what to write instead."""

from collections.abc import Iterator
from typing import NamedTuple

from lossdsl.known.reading import Reading, entered, text_of, weight_tree
from lossdsl.language import ATOM, PRODUCT, Call, Expr, Label, Name
from lossdsl.meaning import Defined, Object, Term, each_name

_SIDE = ", where that side of `where` is taken"
_LEVELS = {"": 0, "product": PRODUCT, "atom": ATOM}


class Danger(NamedTuple):
    """Where a gradient may be NaN or infinite.

    Attributes:
        where: The place in words.
        write: What to write instead; empty where the data must be right.
    """

    where: str
    write: str

    def __str__(self) -> str:
        return f"NaN or infinite where {self.where}" + (f": write {self.write}" if self.write else "")


class Unknown(NamedTuple):
    """What says nothing of its gradient: an operator of a user, or a term in Python."""

    what: str

    def __str__(self) -> str:
        return self.what


Found = tuple[Danger | Unknown, ...]


class Dangers:
    """The dangers of expressions; each is looked at once, however often it stands there.

    Args:
        reading: What is known of them.
    """

    def __init__(self, reading: Reading):
        self.reading = reading
        self.found: dict[tuple[Expr, bool, bool], Found] = {}

    def term(self, term: Term) -> Found:
        """Those of a term with its weight: none if that is 0."""
        if self.reading.weight(term) == (0, 0):
            return ()
        body = self.reading.body(term)
        for name in each_name([body], self.reading.definition).values():
            for flows in (True, False):
                self.of(name, flows, False)
        return (*self.of(weight_tree(term), False, False), *self.of(body, True, False))

    def of(self, node: Expr, flows: bool, side: bool) -> Found:
        """Those of an expression, into which a gradient flows or not, and of which a choice may take nothing."""
        key = node, flows, side
        if key not in self.found:
            self.found[key] = tuple(dict.fromkeys(self._of(node, flows, side)))
        return self.found[key]

    def _of(self, node: Expr, flows: bool, side: bool) -> Iterator[Danger | Unknown]:
        match node:
            case Name(meaning=Defined() as defined):
                yield from self.of(self.reading.definition(defined), flows, side)
            case Name(meaning=Object()):
                yield Unknown(f"`{node}` is a term in Python")
            case Label():
                yield from self.of(node.args[0], flows, side)
            case Call():
                yield from self._inside(node, flows, side)
                yield from self._own(node, flows, side)

    def _inside(self, node: Call, flows: bool, side: bool) -> Iterator[Danger | Unknown]:
        if node.op.indicates:  # of what is NaN, too, it makes 0 or 1
            return
        into = entered(node)
        for i, arg in enumerate(node.args):
            chosen = node.op.name == "where" and i > 0
            yield from self.of(arg, flows and i in into, side or chosen)

    def _own(self, node: Call, flows: bool, side: bool) -> Iterator[Danger | Unknown]:
        if node.op.singular is None:
            yield Unknown(f"`{node.op.name}` says nothing of its gradient")
            return
        at = self.reading.at(node, tuple(map(self.reading.of, node.args)))
        moves = flows and any(arg.moves for arg in at.args)
        for row in node.op.singular:
            if (row.value or moves) and not row.safe(at):
                shown = dict(zip("xy", map(_Operand, node.args), strict=False))
                yield Danger(row.where.format(**shown) + _SIDE * side, row.write.format(**shown))
                return


class _Operand:
    """An operand in a template, where `{x:product}` is in parentheses what binds looser than a product."""

    def __init__(self, node: Expr):
        self.node = node

    def __format__(self, level: str) -> str:
        text, written = text_of(self.node), self.node.written
        return (written if text == written.text else written._replace(text=text, binds=0)).at(_LEVELS[level])
