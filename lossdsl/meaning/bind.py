"""Tree to tree with meanings: names are looked up, definitions unfolded once, axes checked."""

import dataclasses
import operator
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from types import CodeType, FunctionType
from typing import Any

import jax
import numpy as np

from lossdsl.errors import LossError, did_you_mean, each, error
from lossdsl.language import MAX_DEPTH, Call, Expr, Fault, Label, Let, Name, parse
from lossdsl.meaning.quantity import Quantity
from lossdsl.meaning.vocabulary import Definition, Parameter, Vocabulary
from lossdsl.operators import BATCH, FREE, STEP, TIME, Axes, named


@dataclass(frozen=True, eq=False)
class Defined:
    """What a defined name means: an expression, of the vocabulary or of the text itself.

    What is asked of it often is worked out once, so that no question descends a chain of definitions. `size` is
    the number of nodes when all definitions in it are unfolded, `uneven` is what the function of that name says, and
    `asks` are the axes whose length comes from where it is used.
    """

    expr: Expr
    local: bool
    latex: str
    doc: str
    content: bytes
    axes: Axes | None
    constant: bool
    size: int
    uneven: bool
    asks: frozenset[str]


@dataclass(frozen=True, eq=False)
class Object:
    """What a name means that stands for a Python object with `label` and `term`: one value per trial."""

    name: str
    object: Any

    @cached_property
    def content(self) -> bytes:
        return blake2b(repr((self.name, _identity(self.object))).encode(), digest_size=16).digest()

    @cached_property
    def axes(self) -> Axes:
        return dict.fromkeys(getattr(self.object, "axes", (BATCH,)))

    @property
    def constant(self) -> bool:
        return False


def _identity(value: Any) -> Any:
    """What tells one Python object from another, the same in every process; a function is told by its code."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return value
    if isinstance(value, jax.core.Tracer):
        return id(value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        array = np.asarray(value)
        return str(array.dtype), array.shape, array.tobytes()
    if isinstance(value, Mapping):
        return [(str(key), _identity(item)) for key, item in value.items()]
    if isinstance(value, tuple | list):
        return [_identity(item) for item in value]
    if isinstance(value, partial):
        return _identity([value.func, value.args, value.keywords])
    if isinstance(value, FunctionType):
        captured = [cell.cell_contents for cell in value.__closure__ or ()]
        return _home(value), value.__qualname__, _code(value.__code__), _identity([value.__defaults__, captured])
    kind = value if hasattr(value, "__qualname__") else type(value)
    fields = (
        [(f.name, _identity(getattr(value, f.name, None))) for f in dataclasses.fields(value)]
        if _has_fields(value)
        else []
    )
    return _home(kind), kind.__qualname__, fields


# Where the digests of stored losses know our own classes from: they outlive the files.
_HOMES = dict.fromkeys(("functions", "reaches", "terms"), "lossdsl.feedbax") | {"targets": "lossdsl.targets"}


def _home(value: Any) -> str:
    package, _, file = value.__module__.rpartition(".")
    return _HOMES.get(file, value.__module__) if package == "lossdsl.feedbax" else value.__module__


def _code(code: CodeType) -> Any:
    constants = [_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, code.co_names, constants


def _has_fields(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)


@dataclass(frozen=True)
class Bound:
    """A bound loss.

    Attributes:
        expr: The loss, every name with its meaning.
        local: The definitions of the text, in order.
        limited: The calls, in definitions too, whose operator has a domain.
    """

    expr: Expr
    local: tuple[Name, ...] = ()
    limited: tuple[Call, ...] = ()


def bind(expr: Expr, vocabulary: Vocabulary) -> Bound:
    """Look the names of a loss up and check its axes.

    Raises:
        LossNameError: For a name that is not there, is defined twice or by itself.
        LossAxesError: For operands whose axes do not fit.
    """
    return _Binder(vocabulary).loss(expr)


class _Binder:
    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.known: dict[str, Name] = {}
        self.failed: dict[str, LossError] = {}
        self.pending: dict[str, Expr] = {}
        self.open: list[str] = []
        self.limited: list[Call] = []
        self.level = 0

    def loss(self, expr: Expr) -> Bound:
        if not isinstance(expr, Let):
            return Bound(self.at_top(expr), (), tuple(self.limited))
        for name, value in zip(expr.names, expr.args, strict=False):
            self.check_local(name)
            self.pending[name.name] = value
        *local, loss = each(self.at_top, [*expr.names, expr.args[-1]])
        used = each_name([loss])
        each(partial(_check_used, used=used), expr.names)
        return Bound(loss, tuple(name for name in local if isinstance(name, Name)), tuple(self.limited))

    def check_local(self, name: Name) -> None:
        if name.name in self.pending:
            raise error("defined-twice", name.span, name=name.name)
        if name.name in self.vocabulary.names:
            raise error("hides-name", name.span, name=name.name)

    def expr(self, node: Expr, top: bool = False) -> Expr:
        """The node with meanings, its axes checked; the terms of the loss, at the top, need not fit each other."""
        if isinstance(node, Name):
            return self.name(node)
        if isinstance(node, Fault):
            raise node.error
        if not node.args and not isinstance(node, Call):
            return node
        if self.level > MAX_DEPTH:
            raise error("too-deep", node.span, limit=MAX_DEPTH)
        top = top and (node.op.name in ("+", "neg", "*", "/") if isinstance(node, Call) else isinstance(node, Label))
        self.level += 1
        try:
            bound = node.over(each(self.at_top if top else self.expr, node.args))
        finally:
            self.level -= 1
        if isinstance(bound, Call):
            if not (top and _weighs(bound)):
                _ = bound.fit
            if bound.op.domain:
                self.limited.append(bound)
        return bound

    def at_top(self, node: Expr) -> Expr:
        return self.expr(node, top=True)

    def name(self, node: Name) -> Name:
        if node.name in self.failed:
            raise self.failed[node.name]
        if node.name not in self.known:
            try:
                self.known[node.name] = Name(name=node.name, meaning=self.meaning(node))
            except LossError as failure:
                self.failed[node.name] = failure
                raise
        return Name(name=node.name, meaning=self.known[node.name].meaning, span=node.span)

    def meaning(self, node: Name) -> Quantity | Parameter | Defined | Object:
        name, vocabulary = node.name, self.vocabulary
        if name == STEP:
            return Parameter(STEP)
        if name in vocabulary.quantities:
            return vocabulary.quantities[name]
        if name in vocabulary.parameters:
            return vocabulary.parameters[name]
        if name in self.pending:
            return self.defined(node, self.pending[name], local=True)
        row = vocabulary.terms.get(name)
        if isinstance(row, Definition):
            try:
                return self.defined(node, parse(row.text), local=False, latex=row.latex, doc=row.doc)
            except LossError as failure:
                raise failure.in_term(name) from None
        if row is not None:
            return Object(name, row)
        raise error("unknown-name", node.span, name=name, advice=self.advice(node))

    def advice(self, node: Name) -> str:
        before = node.span.text[: node.span.start] if node.span else ""
        if label := re.search(r"\bas\s+([\w.]+)-\Z", before):
            return f"the name of a term has no `-`: write `as {label[1]}_{node.name}`"
        return self.vocabulary.advice(node.name, tuple(self.pending))

    def defined(self, node: Name, value: Expr, local: bool, latex: str = "", doc: str = "") -> Defined:
        if node.name in self.open:
            chain = [*self.open[self.open.index(node.name) :], node.name]
            raise error("circular", node.span, name=node.name, chain=" -> ".join(chain))
        # Here, and not where it would be in the definition: what is nested too deeply stands in this text.
        if self.level + value.depth > MAX_DEPTH:
            raise error("too-deep", node.span, limit=MAX_DEPTH)
        for part in value.walk():
            if isinstance(part, Label):
                raise error("label-inside", part.span, operator=node.name, name=part.name)
            if isinstance(part, Let):
                raise error("let-inside", part.names[0].span, name=str(part.names[0]))
        self.open.append(node.name)
        self.level += 1
        try:
            expr = self.expr(value)
        finally:
            self.level -= 1
            self.open.pop()
        size = sum(_size(part) for part in expr.walk())
        fields = (expr.content, expr.axes, expr.constant, size, uneven(expr), asks(expr))
        return Defined(expr, local, latex, doc, *fields)


def _check_used(name: Name, used: Mapping[str, Name]) -> None:
    if name.name not in used:
        advice = did_you_mean(name.name, used, "use it in a term, or take it away")
        raise error("unused-definition", name.span, name=name.name, advice=advice)


def _weighs(node: Call) -> bool:
    """Whether it is a sum, or something times a number."""
    divisor = node.op.name == "/" and not node.args[1].constant
    return not divisor and (node.op.name == "+" or sum(not arg.constant for arg in node.args) < 2)


def is_open(node: Expr) -> bool:
    """Whether it takes the length of an axis from what stands beside it, or is a definition that does."""
    if isinstance(node, Call):
        return node.op.has_length and len(node.args) < len(node.op.defaults)
    return isinstance(node, Name) and isinstance(node.meaning, Defined) and bool(node.meaning.asks)


def asks(expr: Expr) -> frozenset[str]:
    """The axes whose length comes from where an expression is used."""
    free = {axis for axis, length in (expr.axes or {}).items() if length == FREE}
    asked: set[str] = set()
    for node in filter(is_open, expr.walk()):
        # An axis that it has itself is told by what stands beside it, or is still free.
        meaning: Any = node.meaning if isinstance(node, Name) else None
        axes = meaning.asks if meaning else named(node.static)
        asked |= {*axes} - {*(node.axes or ())}
    if asked:
        asked -= {axis for name in each_name([expr]).values() for axis in name.axes or ()}
    return frozenset(free | asked)


def uneven(node: Expr) -> bool:
    """Whether it is a weighted sum, through its definitions too, in which some addends have `time` and some do not."""
    if isinstance(node, Name):
        return isinstance(node.meaning, Defined) and node.meaning.uneven
    if not isinstance(node, Call) or node.op.name not in ("+", "neg", "*", "/") or not _weighs(node):
        return False
    parts = [arg for arg in node.args if not arg.constant]
    return len({TIME in (part.axes or ()) for part in parts}) > 1 or any(uneven(part) for part in parts)


def _size(node: Expr) -> int:
    return node.meaning.size if isinstance(node, Name) and isinstance(node.meaning, Defined) else 1


def each_name(
    exprs: Iterable[Expr], definition: Callable[[Defined], Expr] = operator.attrgetter("expr")
) -> dict[str, Name]:
    """All names that bound expressions are made of, through their definitions, what is needed first standing first."""
    found: dict[str, Name] = {}
    opened: set[str] = set()
    stack = [*reversed(tuple(exprs))]
    while stack:
        node = stack.pop()
        if not isinstance(node, Name):
            stack += reversed(node.args)
        elif node.name in opened:
            found.setdefault(node.name, node)
        else:
            opened.add(node.name)
            stack.append(node)  # once more, after what it is made of
            if isinstance(node.meaning, Defined):
                stack.append(definition(node.meaning))
    return found
