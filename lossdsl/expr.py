"""The tree of a loss, from the parser to the emitter, and its text.

Nodes are immutable and rebuild themselves in SymPy's manner, `e == e.func(*e.args)`. A node knows the span of the
text it came from; the span takes no part in equality.
"""

import operator
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from fractions import Fraction
from hashlib import blake2b
from typing import Any, Protocol, Self

from lossdsl.axes import Axes, Fit, Misfit
from lossdsl.errors import LossError, Span, described, did_you_mean, error
from lossdsl.ops import OPS, Default, Op
from lossdsl.scalars import exact_number

MAX_DEPTH = 100
_LONGEST_DECIMAL = 25

# How tightly a node binds in a text, loosest first: one level per rule of the grammar.
SUM, LABEL, PRODUCT, UNARY, POWER, ATOM = range(6)


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


class Meaning(Protocol):
    """What a name stands for, once it is bound: a quantity, a definition, a parameter."""

    @property
    def content(self) -> bytes: ...
    @property
    def axes(self) -> Axes | None: ...
    @property
    def constant(self) -> bool: ...


@dataclass(frozen=True, eq=False, repr=False)
class Expr:
    """A node of the tree.

    Attributes:
        args: The children.
        span: Where it stands in the text, or None.
    """

    args: tuple["Expr", ...] = ()
    span: Span | None = field(default=None, kw_only=True)
    depth: int = field(init=False, default=1)

    def __post_init__(self) -> None:
        self.__dict__["depth"] = _depth(self.args, self.span)

    @property
    def head(self) -> tuple[Any, ...]:
        """What tells this node from another with the same children."""
        return (type(self).__name__,)

    @lazy
    def key(self) -> bytes:
        """A hash of the tree, the same in every process."""
        return _hash(self.head, [arg.key for arg in self.args])

    @lazy
    def content(self) -> bytes:
        """A hash of what a bound expression computes: definitions unfolded, whatever things are called."""
        return _hash(self.head, [arg.content for arg in self.args])

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Expr) and self.key == other.key)

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        return self.written

    def __repr__(self) -> str:
        return f"parse({self.written!r})"

    @lazy
    def written(self) -> str:
        """The text, which parses back to the tree."""
        return _write(self)[0]

    @property
    def func(self) -> Callable[..., Self]:
        """Builds a node of this kind from children: `e == e.func(*e.args)`."""
        return lambda *args: replace(self, args=args)

    def over(self, args: Sequence["Expr"]) -> Self:
        """The same with other children; itself if they are its own."""
        return self if all(map(operator.is_, args, self.args)) else self.func(*args)

    def at(self, span: Span | None) -> Self:
        """The same, standing elsewhere in a text."""
        moved = object.__new__(type(self))
        moved.__dict__.update(self.__dict__, span=span)
        return moved

    @property
    def axes(self) -> Axes | None:
        """The named axes of a bound expression, their lengths unknown; None for a PyTree."""
        return {}

    @lazy
    def constant(self) -> bool:
        """Whether a bound expression is made of numbers, parameters and `step` alone."""
        # It is asked of every node, and `all` takes twice as long.
        for arg in self.args:  # noqa: SIM110
            if not arg.constant:
                return False
        return True

    def walk(self, *, leaves_first: bool = False) -> Iterator["Expr"]:
        """This node and all below it, from left to right; each node before its children, or after them.

        Example:
            >>> tree = call("+", Name(name="a"), call("neg", Name(name="b")))
            >>> [str(node) for node in tree.walk()], [str(node) for node in tree.walk(leaves_first=True)]
            (['a - b', 'a', '-b', 'b'], ['a', 'b', '-b', 'a - b'])
        """
        if leaves_first:
            for arg in self.args:
                yield from arg.walk(leaves_first=True)
            yield self
            return
        stack: list[Expr] = [self]
        while stack:
            node = stack.pop()
            yield node
            stack += reversed(node.args)

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
        own["depth"] = _depth(args, span)

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Call", self.op.name, self.static)

    @property
    def func(self) -> Callable[..., Self]:
        return lambda *args: type(self)(args, self.op, self.static, span=self.span)

    @lazy
    def fit(self) -> Fit:
        """How the operator treats the axes of its operands."""
        return self.measure([arg.axes for arg in self.args])

    @property
    def axes(self) -> Axes | None:
        return self.fit.result

    def measure(self, operands: list[Axes | None]) -> Fit:
        """The operator's rule on these axes; where they do not fit an error that names the operands."""
        try:
            return self.op.rule.fit(operands, self.count if self.op.whole else self.static)
        except Misfit as misfit:
            raise _misfit_error(self, operands, misfit) from None

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

    @property
    def axes(self) -> Axes | None:
        return self.args[0].axes


@dataclass(frozen=True, eq=False, repr=False)
class Let(Expr):
    """Local definitions and then the loss: `args` are the definitions in order, last the loss."""

    names: tuple[Name, ...] = ()

    @property
    def head(self) -> tuple[Any, ...]:
        return ("Let", tuple(name.name for name in self.names))


@dataclass(frozen=True, eq=False, repr=False)
class Fault(Expr):
    """What could not be read; to bind it raises its error, along with those of the rest of the text."""

    error: LossError = field(default_factory=lambda: error("empty"))


def _depth(args: tuple[Expr, ...], span: Span | None) -> int:
    """How many levels a node has; too many are refused."""
    depth = 1
    for arg in args:
        if arg.depth >= depth:
            depth = arg.depth + 1
    if depth > MAX_DEPTH:
        raise error("too-deep", span, limit=MAX_DEPTH)
    return depth


def _hash(head: tuple[Any, ...], parts: Sequence[bytes]) -> bytes:
    return blake2b(b"".join([repr(head).encode(), *parts]), digest_size=16).digest()


def call(name: str, *args: Expr, static: Any = None, span: Span | None = None) -> Call:
    """The operator of that name applied to operands; those left out have their defaults."""
    op = OPS[name]
    if len(args) < len(op.defaults):
        left_out = list(op.defaults.values())[len(args) :]
        args += tuple(by_default(default) for default in left_out if default is not None)
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
    """An exact number as an expression: a decimal, or a quotient where there is none or it is long."""
    exact = decimal(abs(value))
    if exact is not None and len(exact) <= _LONGEST_DECIMAL:
        size = Number(value=abs(value))
        return call("neg", size) if value < 0 else size
    return call("/", of_number(Fraction(value.numerator)), Number(value=Fraction(value.denominator)))


def _is(node: Expr, part: Any) -> bool:
    match part:
        case str():
            return isinstance(node, Name) and node.name == part
        case Op():
            return isinstance(node, Call) and node.op is part
        case type():
            return isinstance(node, part)
    return bool(node == part)


def by_default(default: Default) -> Expr:
    """The operand that a call has where its text gives none."""
    return Name(name=default) if isinstance(default, str) else Number(value=default or Fraction(0))


def shown_axes(axes: Axes | None) -> str:
    """Axes as a reader writes a shape: `(batch, time)`, with lengths where they are known."""
    if axes is None:
        return "a PyTree"
    parts = [name if length is None else f"{name}={length}" for name, length in axes.items()]
    return f"({', '.join(parts)}{',' if len(parts) == 1 else ''})"


def _misfit_error(node: Call, operands: list[Axes | None], misfit: Misfit) -> LossError:
    """The row of the messages, filled with the texts of the operands."""
    fields = dict(misfit.fields)
    names = [str(arg.args[0] if isinstance(arg, Call) and arg.op.name == "neg" else arg) for arg in node.args]
    first, *others = misfit.operands
    span = node.args[first].span or node.span
    fields |= {"operand": names[first], "axes": shown_axes(operands[first]), "operator": node.op.name}
    if others:
        second, axis = others[0], fields["axis"]
        left, right = operands[first] or {}, operands[second] or {}
        fields |= {
            "left": names[first],
            "right": names[second],
            "wider": names[first if axis in left else second],
        }
        fields |= {"left_axes": shown_axes(left), "right_axes": shown_axes(right)}
        fields |= {"left_length": left.get(axis), "right_length": right.get(axis), "shapes": ""}
        span = node.span
    elif misfit.code == "missing-axis":
        fields["advice"] = _missing_axis_advice(node, first, operands[first], fields["axis"])
        span = _axis_span(node, fields["axis"]) or span
    elif misfit.code == "not-vector":
        advice = {"sqnorm": f"square({names[0]})", "norm": f"abs({names[0]})", "dot": "*".join(names)}
        advice |= {"l1norm": f"abs({names[0]})"}
        other = "time" if "time" in (operands[first] or {}) else next(iter(operands[first] or {}), "xy")
        fields["advice"] = (
            f"write `{advice[node.op.name]}` for numbers"
            if node.op.name in advice
            else f"give one with such an axis, or choose it, as in `{node.op.name}({', '.join(names)}, axis={other})`"
        )
    elif misfit.code in ("out-of-range", "empty-window"):
        length = (operands[first] or {}).get("time") or 0
        fields |= {"length": length, "found": str(node), "first": -length, "last": length - 1}
    return error(misfit.code, span, **fields)


def _missing_axis_advice(node: Call, first: int, axes: Axes | None, axis: str) -> str:
    if first:
        return f"`{node.op.name}` works along `{axis}` of all that it is given"
    if node.op.axis and axes:
        example = f"choose another, as in `{node.op.name}({node.args[0]}, axis={next(iter(axes))})`"
        return did_you_mean(axis, axes, example) if node.static else example
    return f"leave `{node.op.name}` away" if node.op.name != "[]" else "leave the index away"


def _axis_span(node: Call, axis: str) -> Span | None:
    """Where the axis stands that a call was given: in its text the last one of that name."""
    if node.static is None or node.span is None:
        return None
    *_, last = [None, *re.finditer(rf"axis\s*=\s*(?:\([^)]*?)?\b({re.escape(axis)})\b", str(node.span))]
    return last and Span(node.span.text, node.span.start + last.start(1), node.span.start + last.end(1))


def decimal(value: Fraction) -> str | None:
    """The shortest exact decimal, or None where there is none: `1e-5`, `0.25`, `1/3` has none."""
    digits, exponent, rest = value.numerator, 0, value.denominator
    while rest % 10 == 0:
        rest, exponent = rest // 10, exponent - 1
    twos, fives = 0, 0
    while rest % 2 == 0:
        rest, twos = rest // 2, twos + 1
    while rest % 5 == 0:
        rest, fives = rest // 5, fives + 1
    if rest != 1:
        return None
    digits *= 5 ** (twos - min(twos, fives)) * 2 ** (fives - min(twos, fives))
    exponent -= max(twos, fives)
    while digits and digits % 10 == 0:
        digits, exponent = digits // 10, exponent + 1
    return _positional(str(digits), exponent)


def _positional(digits: str, exponent: int) -> str:
    point = len(digits) + exponent
    if -3 < point <= 6:
        if exponent >= 0:
            return digits + "0" * exponent
        whole = max(point, 0)
        return f"{digits[:whole] or '0'}.{'0' * (whole - point)}{digits[whole:]}"
    return f"{digits[0]}{'.' + digits[1:] if digits[1:] else ''}e{point - 1}"


def program_text(definitions: Iterable[tuple[Name, Expr]], loss: Expr) -> str:
    """Definitions, one a line, and then the loss."""
    rows = [f"{name} = {value}" for name, value in definitions]
    # A line that begins with a sign would go on from the one before.
    separator = ";\n" if str(loss).startswith("-") else "\n"
    return "\n".join(rows) + separator + str(loss) if rows else str(loss)


def _write(node: Expr) -> tuple[str, int]:
    """The text of a node and how tightly it binds."""
    match node:
        case Call():
            return _write_call(node)
        case Number():
            return decimal(node.value) or f"{node.value.numerator}/{node.value.denominator}", ATOM
        case Name():
            return node.name, ATOM
        case Label():
            return f"{_enclose(node.args[0], PRODUCT)} as {node.name}", LABEL
        case Let():
            return program_text(zip(node.names, node.args, strict=False), node.args[-1]), SUM
    raise AssertionError(f"please report: no text for {type(node)}")


def _write_call(node: Call) -> tuple[str, int]:
    args = node.args
    match node.op.name:
        case "+":
            return " ".join(addend_texts(node)), SUM
        case "*" | "/" as sign:
            return f"{_enclose(args[0], PRODUCT)}{sign}{_enclose(args[1], UNARY)}", PRODUCT
        case "neg":
            return f"-{_enclose(args[0], UNARY)}", UNARY
        case "**":
            return f"{_enclose(args[0], ATOM)}**{_enclose(args[1], UNARY)}", POWER
        case "[]":
            return f"{_enclose(args[0], ATOM)}[{subscript_text(node.static)}]", ATOM
    options = [
        _write(arg)[0] if default is None else f"{name}={_write(arg)[0]}"
        for arg, (name, default) in zip(args, node.op.parameters(len(args)), strict=True)
        if default is None or _write(arg) != _write(by_default(default))
    ]
    axis = [f"axis={axis_text(node.static)}"] if node.static else []
    return f"{node.op.name}({', '.join(options + axis)})", ATOM


def addend_texts(node: Expr) -> list[str]:
    """The texts of the addends of a sum, those after the first with their sign; of anything else its one text."""
    if not (isinstance(node, Call) and node.op.name == "+"):
        return [str(node)]
    texts = [_enclose(node.args[0], LABEL)]
    for arg in node.args[1:]:
        minus = isinstance(arg, Call) and arg.op.name == "neg"
        texts.append(f"- {_enclose(arg.args[0], LABEL)}" if minus else f"+ {_enclose(arg, LABEL)}")
    return texts


def axis_text(static: str | tuple[str, ...]) -> str:
    """An axis or several as they are written after `axis=`."""
    return static if isinstance(static, str) else f"({', '.join(static)})"


def subscript_text(static: Any) -> str:
    """An index or a slice as it is written between brackets."""
    if isinstance(static, int):
        return str(static)
    start, stop, stride = ("" if bound is None else str(bound) for bound in static)
    return f"{start}:{stop}" + (f":{stride}" if stride else "")


def _enclose(node: Expr, level: int) -> str:
    written, binds = _write(node)
    return written if binds >= level else f"({written})"
