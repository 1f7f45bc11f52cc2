"""The tree of a loss, from the parser to the emitter.

Nodes are immutable and rebuild themselves in SymPy's manner, `e == e.func(*e.args)`. A node knows the span of the
text it came from; the span takes no part in equality.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any, Protocol, Self

from lossdsl.errors import LossError, Span, described, error
from lossdsl.language.exact import exact_number, short_decimal
from lossdsl.language.misfit import misfit_error
from lossdsl.language.text import (
    ATOM,
    LABEL,
    PRODUCT,
    SUM,
    Written,
    number_text,
    operator_text,
    sum_texts,
)
from lossdsl.language.tree import Node, depth_of, hashed, lazy
from lossdsl.operators import OPS, Axes, Default, Fit, Look, Misfit, Op, named


class Meaning(Protocol):
    """What a name stands for, once it is bound: a quantity, a definition, a parameter."""

    @property
    def content(self) -> bytes: ...
    @property
    def axes(self) -> Axes | None: ...
    @property
    def constant(self) -> bool: ...


@dataclass(frozen=True, eq=False, repr=False)
class Expr(Node):
    """An expression: a node that has a text, and once it is bound axes.

    Attributes:
        args: The children.
        span: Where it stands in the text, or None.
    """

    @lazy
    def content(self) -> bytes:
        """A hash of what a bound expression computes: definitions unfolded, whatever things are called."""
        return hashed(self.head, [arg.content for arg in self.args])

    def __str__(self) -> str:
        return self.written.text

    def __repr__(self) -> str:
        return f"parse({self.written.text!r})"

    @lazy
    def written(self) -> Written:
        """The text, which parses back to the tree, and how tightly it binds."""
        raise AssertionError(f"please report: no text for {type(self)}")

    @property
    def axes(self) -> Axes | None:
        """The named axes of a bound expression, their lengths unknown; None for a PyTree."""
        return {}

    @lazy
    def constant(self) -> bool:
        """Whether a bound expression is made of numbers, parameters and `step` alone."""
        # It is asked of every node, and `all` takes twice as long.
        for arg in self.args:
            if not arg.constant:
                return False
        return not (isinstance(self, Call) and self.op.has_length)

    @property
    def free_symbols(self) -> frozenset["Name"]:
        """The names in it; a definition is one name, whatever it is made of."""
        return frozenset(node for node in self.walk() if isinstance(node, Name))

    def atoms(self, *kinds: type["Expr"]) -> frozenset["Expr"]:
        """The leaves, or all nodes of some kinds, such as `Number`."""
        return frozenset(n for n in self.walk() if (isinstance(n, kinds) if kinds else not n.args))

    def has(self, *parts: "Expr | str | Op | type[Expr]") -> bool:
        """Whether any of these is in it: an expression, the name of a quantity, an operator, or a kind of node."""
        return any(_is(node, part) for node in self.walk() for part in parts)

    def replace(self, part: "Expr | str | Op | type[Expr]", by: Callable[["Expr"], "Expr"]) -> "Expr":
        """The tree with every node that `has` would find replaced by what `by` makes of it, from the leaves up.

        Example:
            >>> tree = call("+", call("norm", Name(name="a")), call("norm", Name(name="b")))
            >>> str(tree.replace(OPS["norm"], lambda node: call("sqnorm", *node.args)))
            'sqnorm(a) + sqnorm(b)'
        """
        node = self.over([arg.replace(part, by) for arg in self.args])
        return by(node) if _is(node, part) else node

    def xreplace(self, rule: Mapping["Expr", "Expr"]) -> "Expr":
        """The tree with every node that is a key of `rule` replaced by its value, in one pass from the root down."""
        if self in rule:
            return rule[self]
        return self.over([arg.xreplace(rule) for arg in self.args])

    def subs(self, values: "Mapping[str, Expr | float]") -> "Expr":
        """The tree with names replaced by expressions or numbers, all at once.

        Raises:
            LossValueError: For a value that is neither.

        Example:
            >>> tree = call("*", Name(name="alpha"), Name(name="x"))
            >>> str(tree.subs({"alpha": -0.5, "x": Name(name="y")}))
            '-0.5*y'
        """
        return self.xreplace({n: as_expr(values[n.name], n.name) for n in self.free_symbols if n.name in values})


@dataclass(frozen=True, eq=False, repr=False)
class Number(Expr):
    """An exact decimal number, not negative."""

    value: Fraction = Fraction(0)

    # The hot kinds of node fill their dict themselves, in a third of the time that a frozen dataclass takes.
    def __init__(self, args: tuple[()] = (), *, value: Fraction, span: Span | None = None):
        own = self.__dict__
        own["args"], own["value"], own["span"] = args, value, span

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Number", self.value.numerator, self.value.denominator)

    @lazy
    def written(self) -> Written:
        return Written(number_text(self.value), ATOM)


@dataclass(frozen=True, eq=False, repr=False)
class Name(Expr):
    """A name, and once it is bound its meaning."""

    name: str = ""
    meaning: Meaning | None = None

    def __init__(self, args: tuple[()] = (), *, name: str, meaning: Meaning | None = None, span: Span | None = None):
        own = self.__dict__
        own["args"], own["name"], own["meaning"], own["span"] = args, name, meaning, span

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Name", self.name, self.meaning.content if self.meaning else None)

    @lazy
    def written(self) -> Written:
        return Written(self.name, ATOM)

    @property
    def content(self) -> bytes:
        assert self.meaning is not None, "the expression is not bound"
        return self.meaning.content

    @property
    def axes(self) -> Axes | None:
        assert self.meaning is not None, "the expression is not bound"
        return self.meaning.axes

    @lazy
    def constant(self) -> bool:
        return self.meaning is not None and self.meaning.constant


@dataclass(frozen=True, eq=False, repr=False)
class Call(Expr):
    """An operator applied to its operands, in the order of its declaration, with the defaults filled in.

    Attributes:
        op: The operator.
        static: The axis, the axes, the index or the slice `(start, stop, stride)` it was given, or None.
    """

    op: Op = OPS["+"]
    static: Any = None

    def __init__(self, args: tuple[Expr, ...], op: Op, static: Any = None, *, span: Span | None = None):
        own = self.__dict__
        own["args"], own["op"], own["static"], own["span"] = args, op, static, span
        own["depth"] = depth_of(args, span)

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Call", self.op.name, self.static)

    @lazy
    def content(self) -> bytes:
        # What a window is called makes no difference, its mask does; nor in what it is counted how far one looks ahead.
        head = self.head[:2] if self.op.name == "@" else self.head
        if isinstance(look := self.static, Look):
            head = (*self.head[:2], look.steps, look.smooth, look.first)
        return hashed(head, [arg.content for arg in self.args])

    @lazy
    def written(self) -> Written:
        if self.op.name == "+":
            return Written(" ".join(addend_texts(self)), SUM)
        return operator_text(self.op, [arg.written for arg in self.args], self.static)

    @property
    def func(self) -> Callable[..., Self]:
        return lambda *args: type(self)(args, self.op, self.static, span=self.span)

    @lazy
    def fit(self) -> Fit:
        """How the operator treats the axes of its operands."""
        return self.measure([arg.axes for arg in self.args])

    @property
    def along(self) -> tuple[str, ...]:
        """The axes that the operator works along."""
        return named(self.fit.along)

    @property
    def axes(self) -> Axes | None:
        return self.fit.result

    def measure(self, operands: list[Axes | None]) -> Fit:
        """The operator's rule on these axes; where they do not fit an error that names the operands."""
        try:
            return self.op.rule.fit(operands, (self.count, self.static) if self.op.whole else self.static)
        except Misfit as misfit:
            names = [str(arg.args[0] if _is_negated(arg) else arg) for arg in self.args]
            raise misfit_error(self, names, operands, misfit) from None

    @property
    def count(self) -> int:
        """The operand that is a whole number in the text; 0 where it is not one."""
        number = self.args[list(self.op.defaults).index(self.op.whole)]
        return int(number.value) if isinstance(number, Number) and number.value.denominator == 1 else 0

    def is_default(self, parameter: str) -> bool:
        """Whether an operand is the number that stands there when the text gives none."""
        args = dict(zip(self.op.defaults, self.args, strict=False))
        number = args[parameter]
        return isinstance(number, Number) and number.value == self.op.defaults[parameter]


@dataclass(frozen=True, eq=False, repr=False)
class Label(Expr):
    """A term with a name of its own: `expr as name`."""

    name: str = ""

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Label", self.name)

    @lazy
    def written(self) -> Written:
        return Written(f"{self.args[0].written.at(PRODUCT)} as {self.name}", LABEL)

    @property
    def axes(self) -> Axes | None:
        return self.args[0].axes


@dataclass(frozen=True, eq=False, repr=False)
class Fault(Expr):
    """What could not be read; to bind it raises its error, along with those of the rest of the text."""

    error: LossError = field(default_factory=lambda: error("empty"))


def call(name: str, *args: Expr, static: Any = None, span: Span | None = None) -> Call:
    """The operator of that name applied to operands; those left out have their defaults, or are not there."""
    op = OPS[name]
    if len(args) < len(op.defaults):
        left_out = list(op.defaults.items())[len(args) :]
        args += tuple(by_default(value) for key, value in left_out if value is not None and key not in op.optional)
    if op.optional and len(args) == len(op.defaults) and args[-1] == by_default(op.defaults[op.optional[-1]]):
        args = args[:-1]
    return Call(args, op, static, span=span)


def as_expr(value: Any, name: str) -> Expr:
    """An expression as it is, a number as one.

    Raises:
        LossValueError: For anything else.
    """
    if isinstance(value, Expr):
        return value
    number = None if isinstance(value, str) else exact_number(value)
    if number is None:
        raise error(
            "bad-value", what=f"`{name}`", got=described(value), advice="give an expression, or a finite number"
        )
    return of_number(number)


def of_number(value: Fraction) -> Expr:
    """An exact number as an expression: a decimal, or a quotient where there is none or that is shorter."""
    size = abs(value)
    if short_decimal(size) is not None:
        number = Number(value=size)
        return call("neg", number) if value < 0 else number
    top = Number(value=Fraction(size.numerator))
    return call("/", call("neg", top) if value < 0 else top, Number(value=Fraction(size.denominator)))


def _is(node: Expr, part: Any) -> bool:
    match part:
        case str():
            return isinstance(node, Name) and node.name == part
        case Op():
            return isinstance(node, Call) and node.op is part
        case type():
            return isinstance(node, part)
    return bool(node == part)


def addend_texts(node: Expr) -> list[str]:
    """The texts of the addends of a sum, those after the first with their sign; of anything else its one text."""
    if not (isinstance(node, Call) and node.op.name == "+"):
        return [str(node)]
    first, *others = node.args
    signed = [(arg.args[0] if _is_negated(arg) else arg, _is_negated(arg)) for arg in others]
    return sum_texts([(first.written, False), *((arg.written, minus) for arg, minus in signed)])


def _is_negated(node: Expr) -> bool:
    return isinstance(node, Call) and node.op.name == "neg"


ONE, ZERO = Number(value=Fraction(1)), Number(value=Fraction(0))


def by_default(default: Default) -> Expr:
    """The operand that a call has where its text gives none."""
    return Name(name=default) if isinstance(default, str) else Number(value=default or Fraction(0))
