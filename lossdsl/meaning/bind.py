"""Tree to tree with meanings: names are looked up, definitions unfolded once, axes checked."""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

from lossdsl.errors import LossError, Span, did_you_mean, error
from lossdsl.language import (
    MAX_DEPTH,
    Argument,
    Call,
    Called,
    Expr,
    Fault,
    Function,
    Label,
    Let,
    Name,
    given_to,
    parse,
)
from lossdsl.meaning.ahead import in_steps
from lossdsl.meaning.defined import (
    Defined,
    asks,
    called_from,
    check_body,
    check_used,
    each_name,
    unfolded_size,
    weighs,
)
from lossdsl.meaning.formulas import check_formulas
from lossdsl.meaning.growth import LONGEST, Growth
from lossdsl.meaning.inside import is_windowed
from lossdsl.meaning.objects import Object
from lossdsl.meaning.quantity import Quantity
from lossdsl.meaning.spans import Spans, timed
from lossdsl.meaning.vocabulary import Definition, Parameter, Vocabulary
from lossdsl.meaning.windows import uneven, with_mask
from lossdsl.operators import OPS, STEP, called_elsewhere
from lossdsl.several import each


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


def check_row(name: str, vocabulary: Vocabulary) -> None:
    """Bind a row of a vocabulary; one with arguments as far as that goes without them.

    Raises:
        LossError: For what is wrong with it.
    """
    row = vocabulary.terms.get(name)
    if isinstance(row, Definition) and row.arguments:
        _Binder(vocabulary).function(Name(name=name))
    else:
        bind(Name(name=name), vocabulary)


class _Binder:
    def __init__(self, vocabulary: Vocabulary):
        self.vocabulary = vocabulary
        self.known: dict[str, Name] = {}
        self.failed: dict[str, LossError] = {}
        self.pending: dict[str, Expr] = {}
        self.open: list[str] = []
        self.limited: list[Call] = []
        self.level = 0
        self.functions: dict[str, Function] = {}
        self.broken: dict[str, LossError] = {}
        self.parts: dict[tuple[int, bool], Expr | LossError] = {}
        self.given: Mapping[str, Expr] | None = None
        self.call: Span | None = None
        self.growth = Growth()
        self.spans = Spans(vocabulary, self, _Binder)

    def loss(self, expr: Expr) -> Bound:
        if not isinstance(expr, Let):
            return Bound(self.at_top(expr), (), tuple(self.limited))
        for name, value in zip(expr.names, expr.args, strict=False):
            self.check_local(name)
            self.pending[name.name] = value
        steps: list[Callable[[], Expr | None]] = [partial(self.definition, name) for name in expr.names]
        steps.append(partial(self.at_top, expr.args[-1]))
        *local, loss = each(lambda step: step(), steps)
        assert loss is not None
        used = {**each_name([loss]), **called_from(expr.args[-1], self.pending)}
        each(partial(check_used, used=used), expr.names)
        return Bound(loss, tuple(name for name in local if isinstance(name, Name)), tuple(self.limited))

    def definition(self, name: Name) -> Expr | None:
        """The name with its meaning; one with arguments has none, it is checked as far as that goes without them."""
        if isinstance(self.pending[name.name], Function):
            self.function(name)
            return None
        return self.at_top(name)

    def check_local(self, name: Name) -> None:
        if name.name in self.pending:
            raise error("defined-twice", name.span, name=name.name)
        if name.name in self.vocabulary.names:
            raise error("hides-name", name.span, name=name.name)

    def expr(self, node: Expr, top: bool = False) -> Expr:
        """The node with meanings, its axes checked; the terms of the loss, at the top, need not fit each other."""
        if isinstance(node, Name):
            return self.name(node)
        if self.given is not None:
            if isinstance(node, Argument):
                return self.given[node.name].at(self.here(node.span))
            if not node.is_open:
                return self.part(node, top)
            node = node.at(self.here(node.span))
        if isinstance(node, Called):
            return self.called(node, top)
        if isinstance(node, Fault):
            raise node.error
        if not node.args and not isinstance(node, Call):
            return node
        if isinstance(node, Call) and node.op.name == "@":
            node = node.func(*node.args[:1])
        if self.level > MAX_DEPTH:
            raise error("too-deep", node.span, limit=MAX_DEPTH)
        top = top and _goes_on(node)
        self.level += 1
        try:
            bound = node.over(each(self.at_top if top else self.expr, node.args))
        finally:
            self.level -= 1
        if self.given is not None and bound.size > LONGEST:
            raise self.growth.refuse(LONGEST, self.call)
        if isinstance(bound, Call):
            if bound.op.name == "@":
                bound = with_mask(bound, self.spans)
            check_formulas(bound)
            bound = in_steps(bound, self.spans)
            if not (top and weighs(bound)):
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
        row = vocabulary.terms.get(name)
        if name == STEP:
            return Parameter(STEP)
        if name in vocabulary.quantities:
            return timed(vocabulary.quantities[name], vocabulary, self.spans.ends)
        if name in vocabulary.parameters:
            return vocabulary.parameters[name]
        for value in (self.pending.get(name), row):
            if isinstance(value, Function | Definition) and value.arguments:
                raise error("needs-arguments", node.span, name=name, call=value.called(name))
        if name in self.pending:
            return self.defined(node, self.pending[name], local=True)
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

    def circular(self, node: Name) -> LossError:
        chain = [*self.open[self.open.index(node.name) :], node.name]
        return error("circular", node.span, name=node.name, chain=" -> ".join(chain))

    def defined(self, node: Name, value: Expr, local: bool, latex: str = "", doc: str = "") -> Defined:
        if node.name in self.open:
            raise self.circular(node)
        with self.inside(node, value, opens=True):
            check_body(node.name, value)
            expr = self.expr(value)
        size = sum(unfolded_size(part) for part in expr.walk())
        windowed = any(map(is_windowed, expr.walk()))
        fields = (expr.content, expr.axes, expr.constant, size, uneven(expr), asks(expr), windowed)
        return Defined(expr, local, latex, doc, *fields)

    @contextmanager
    def inside(
        self,
        node: Name | Called,
        value: Expr,
        *,
        opens: bool = False,
        given: Mapping[str, Expr] | None = None,
        call: Span | None = None,
    ) -> Iterator[None]:
        """Where what a name or a call stands for is bound, with what is given for its arguments."""
        # Here, and not where it would be in the definition: what is nested too deeply stands in this text.
        if self.level + value.depth > MAX_DEPTH:
            raise self.growth.refuse(MAX_DEPTH, node.span) if call else error("too-deep", node.span, limit=MAX_DEPTH)
        before = self.given, self.call
        self.given, self.call = given, call
        self.level += 1
        if opens:
            self.open.append(str(node))
        try:
            yield
        finally:
            if opens:
                self.open.pop()
            self.level -= 1
            self.given, self.call = before

    def here(self, span: Span | None) -> Span | None:
        return span and span.reached(self.call)

    def function(self, callee: Name) -> Function:
        """The definition with arguments of that name; what is wrong with it, whatever it is given, is told once."""
        name = callee.name
        if name in self.open:
            raise self.circular(callee)
        if name in self.broken:
            raise self.broken[name]
        if name not in self.functions:
            found = self.functions[name] = self.found(callee)
            try:
                with self.inside(callee, found, opens=True):
                    self.check_function(name, found)
            except LossError as failure:
                self.broken[name] = failure if name in self.pending else failure.in_term(name)
                raise
        return self.functions[name]

    def found(self, callee: Name) -> Function:
        value, row = self.pending.get(callee.name), self.vocabulary.terms.get(callee.name)
        if isinstance(value, Fault):
            raise value.error
        if isinstance(value, Function):
            return value
        if value is not None:
            advice = f"write `{callee}` alone, or `{callee}*(...)` to multiply"
            raise error("not-called", callee.span, what=f"`{callee}`", advice=advice)
        if isinstance(row, Definition) and row.arguments:
            return row.function(callee.name)
        named = [name for name, each in self.pending.items() if isinstance(each, Function)]
        named += [n for n, each in self.vocabulary.terms.items() if isinstance(each, Definition) and each.arguments]
        named += [name for name in OPS if name.isidentifier()]
        listed = "the command `lossdsl ops` lists the operators"
        if callee.name in (STEP, *self.vocabulary.names):
            named, listed = [], f"to multiply write `{callee}*(...)`"
        advice = called_elsewhere(str(callee)) or did_you_mean(str(callee), named, listed)
        raise error("unknown-operator", callee.span, name=str(callee), advice=advice)

    def check_function(self, name: str, value: Function) -> None:
        check_body(value.called(name), value)
        each(partial(self.check_argument, name), value.arguments)
        self.survey(value.args[0], top=True)

    def check_argument(self, function: str, argument: Name) -> None:
        what = "the definition of that name" if argument.name in self.pending else "a name of the vocabulary"
        if argument.name in self.pending or argument.name in self.vocabulary.names:
            raise error("argument-hides", argument.span, name=argument.name, function=function, what=what)

    def survey(self, node: Expr, top: bool) -> None:
        """Bind what no argument stands in, and look up the definitions that are called."""
        if isinstance(node, Argument):
            return
        if not node.is_open:
            self.part(node, top)
            return
        if isinstance(node, Called):
            given_to(self.function(node.callee), node)
        self.level += 1
        try:
            each(partial(self.survey, top=top and _goes_on(node)), node.args)
        finally:
            self.level -= 1

    def part(self, node: Expr, top: bool) -> Expr:
        """What no argument stands in, bound once for all calls."""
        key = id(node), top
        if key not in self.parts:
            before, self.given, self.call = (self.given, self.call), None, None
            try:
                self.parts[key] = self.expr(node, top)
            except LossError as failure:
                self.parts[key] = failure
            finally:
                self.given, self.call = before
        found = self.parts[key]
        if isinstance(found, LossError):
            raise found
        return found

    def called(self, node: Called, top: bool) -> Expr:
        """The body of a definition, with what is given for its arguments."""
        callee = self.function(node.callee)
        values = given_to(callee, node)
        self.growth.count(callee.size, node.span)
        with self.inside(node, node, given=self.given, call=self.call):
            given = dict(zip(values, each(self.expr, values.values()), strict=True))
        with self.inside(node, callee, given=given, call=node.span):
            result = self.expr(callee.args[0], top)
        if self.given is None:
            self.growth.count(result.size, node.span)
        return result.at(node.span)


def _goes_on(node: Expr) -> bool:
    """Whether what stands at the top stands there through this node too."""
    return node.op.name in ("+", "neg", "*", "/") if isinstance(node, Call) else isinstance(node, Label)
