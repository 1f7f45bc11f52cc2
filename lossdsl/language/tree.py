"""Nodes of a tree: immutable, compared by what they hold, rebuilt in SymPy's manner, `e == e.func(*e.args)`."""

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from hashlib import blake2b
from typing import Any, Self

from lossdsl.errors import Span, error

MAX_DEPTH = 100


class lazy:
    """A property worked out once; `functools.cached_property` takes a lock for it in Python 3.11."""

    def __init__(self, method: Callable[[Any], Any]):
        self.method = method
        self.__doc__ = method.__doc__

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        value = instance.__dict__[self.name] = self.method(instance)
        return value


@dataclass(frozen=True, eq=False, repr=False)
class Node:
    """A node of the tree.

    Attributes:
        args: The children.
        span: Where it stands in the text, or None.
    """

    args: tuple[Any, ...] = ()
    span: Span | None = field(default=None, kw_only=True)
    depth: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        self.__dict__["depth"] = depth_of(self.args, self.span)

    @property
    def head(self) -> tuple[Any, ...]:
        """What tells this node from another with the same children."""
        return (type(self).__name__,)

    @lazy
    def key(self) -> bytes:
        """A hash of the tree, the same in every process."""
        return hashed(self.head, [arg.key for arg in self.args])

    @lazy
    def size(self) -> int:
        """How many nodes it has, counted without a walk: what stands in many places is one object."""
        return 1 + sum(arg.size for arg in self.args)

    @lazy
    def is_open(self) -> bool:
        """Whether an argument of a definition stands in it, for which there is a value in calls only."""
        return any(arg.is_open for arg in self.args)

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Node) and self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    @property
    def func(self) -> Callable[..., Self]:
        """Builds a node of this kind from children: `e == e.func(*e.args)`."""
        return lambda *args: replace(self, args=args)

    def over(self, args: Sequence["Node"]) -> Self:
        """The same with other children; itself if they are its own."""
        return self if all(map(operator.is_, args, self.args)) else self.func(*args)

    def at(self, span: Span | None) -> Self:
        """The same, standing elsewhere in a text."""
        moved = object.__new__(type(self))
        moved.__dict__.update(self.__dict__, span=span)
        return moved

    def walk(self, *, leaves_first: bool = False) -> Iterator[Any]:
        """This node and all below it, from left to right; each node before its children, or after them.

        Example:
            >>> from lossdsl.language import Name, call
            >>> tree = call("+", Name(name="a"), call("neg", Name(name="b")))
            >>> [str(node) for node in tree.walk()], [str(node) for node in tree.walk(leaves_first=True)]
            (['a - b', 'a', '-b', 'b'], ['a', 'b', '-b', 'a - b'])
        """
        if leaves_first:
            for arg in self.args:
                yield from arg.walk(leaves_first=True)
            yield self
            return
        stack: list[Any] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack += reversed(node.args)


@contextmanager
def descending() -> Iterator[None]:
    """Whatever descends further than Python does is told to be nested too deeply, such as a chain of definitions.

    Raises:
        LossSyntaxError: With the limit of one expression.
    """
    try:
        yield
    except RecursionError:
        raise error("too-deep", limit=MAX_DEPTH) from None


def depth_of(args: tuple[Node, ...], span: Span | None) -> int:
    """How many levels a node has; too many are refused."""
    depth = 1
    for arg in args:
        if arg.depth >= depth:
            depth = arg.depth + 1
    if depth > MAX_DEPTH:
        raise error("too-deep", span, limit=MAX_DEPTH)
    return depth


def hashed(head: tuple[Any, ...], parts: Sequence[bytes]) -> bytes:
    """A hash of a node, from those of its children; the same in every process."""
    return blake2b(b"".join([repr(head).encode(), *parts]), digest_size=16).digest()
