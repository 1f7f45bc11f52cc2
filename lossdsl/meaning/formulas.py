"""Formulas -> what is computed of them: arithmetic, and operators that look ahead; and what no formula may be."""

from typing import NamedTuple
from weakref import WeakKeyDictionary

from lossdsl.errors import LossError, error
from lossdsl.language import MAX_DEPTH, ZERO, Call, Expr, Label, Name, call
from lossdsl.meaning.defined import Defined
from lossdsl.operators import HARD, TIME, Axes, Look

# A definition is written out wherever a formula is made of it.
_MOST_UNFOLDED = 5_000
READ = ("robustness", "violation")
# Of definitions, so that each is worked out once, however often it is used.
_KNOWN: "WeakKeyDictionary[Defined, _Facts]" = WeakKeyDictionary()


class _Facts(NamedTuple):
    """What is known of a formula.

    Attributes:
        levels: How deep it is, its definitions written out; 0 for what is no formula.
        reach: How many steps it looks ahead: by so much it is shorter than what it is made of.
        bare: Whether a comparison that differs from step to step stands in it, at which nothing looks ahead.
    """

    levels: int = 0
    reach: int = 0
    bare: bool = False


def is_formula(node: Expr) -> bool:
    """Whether a bound expression is a formula, and no number."""
    found = _meant(node)[0]
    return isinstance(found, Call) and found.op.formula


def _meant(node: Expr) -> tuple[Expr, Defined | None]:
    """What a name, or a name of a name, stands for, and the definition that says so."""
    defined = None
    while True:
        if isinstance(node, Name) and isinstance(node.meaning, Defined):
            defined = node.meaning
            node = defined.expr
        elif isinstance(node, Label):
            node = node.args[0]
        else:
            return node, defined


def _facts(node: Expr) -> _Facts:
    found, defined = _meant(node)
    if not isinstance(found, Call) or not found.op.formula:
        return _Facts()
    if defined is None:
        return _of_call(found)
    if defined not in _KNOWN:
        _KNOWN[defined] = _of_call(found)
    return _KNOWN[defined]


def _of_call(node: Call) -> _Facts:
    if not node.op.formulas:
        return _Facts(1, 0, TIME in (node.axes or ()))
    parts = [_facts(arg) for arg in node.args]
    levels, reach = (max(part[i] for part in parts) for i in (0, 1))
    own = node.static.steps[1] if isinstance(node.static, Look) and node.static.steps else 0
    return _Facts(levels + 1, reach + own, not node.op.words and any(part.bare for part in parts))


def formula_of(node: Expr) -> Expr:
    """What a name stands for that is a formula; anything else as it is."""
    return _meant(node)[0] if is_formula(node) else node


def joins(node: Call) -> bool:
    """Whether it is `and`, `or` or `not`."""
    return node.op.formula and bool(node.op.formulas) and not node.op.words


def seen_together(node: Call, operands: list[Axes | None]) -> list[Axes | None]:
    """The axes of the operands, of formulas beside each other those of the steps that all of them have."""
    if not node.op.formula or len(node.op.formulas) < 2:
        return operands
    reaches = [_facts(arg).reach for arg in node.args]

    def cut(axes: Axes | None, by: int) -> Axes | None:
        length = (axes or {}).get(TIME)
        return {**axes, TIME: length - by} if axes and length and length > by else axes

    return [cut(axes, max(reaches) - own) for axes, own in zip(operands, reaches, strict=True)]


def check_formulas(node: Call) -> None:
    """Refuse a formula where a number is needed, a number for a formula, and one that is read at one step by mistake.

    Raises:
        LossAxesError: At the operand.
    """
    names = [name for name, _ in node.op.parameters(len(node.args))]
    for i, arg in enumerate(node.args):
        name = names[i] if i < len(names) else ""  # a sum may have any number of addends
        formula = is_formula(arg)
        if formula and name not in node.op.formulas:
            raise _not_a_number(node, arg, name)
        if not formula and name in node.op.formulas:
            raise error("no-formula", arg.span or node.span, found=str(arg), operator=node.op.name)
    if node.op.formula and not node.op.formulas and all(arg.constant for arg in node.args):
        raise error("constant-formula", node.span, found=str(node))
    if node.op.formulas and max(_facts(arg).levels for arg in node.args) >= MAX_DEPTH:
        raise error("too-deep", node.span, limit=MAX_DEPTH)
    if node.op.name in READ:
        _check_start(node.args[0], node)


def _not_a_number(node: Call, arg: Expr, parameter: str) -> LossError:
    read = _written(arg)
    advice = f"write `violation({read})` for how much it is missed, `robustness({read})` for its signed number"
    if node.op.name == "@":
        advice = "put the window behind what is compared, as in `always(x@hold < 1)`"
    elif parameter == node.op.mask and isinstance(arg, Call) and arg.op.name in ("<", ">"):
        indicator = call("less" if arg.op.name == "<" else "greater", *arg.args)
        advice = f"write `{indicator}`, which is 1 where it holds, else 0"
    return error("formula", arg.span or node.span, found=str(arg), operator=node.op.name, advice=advice)


def _check_start(node: Expr, reader: Call) -> None:
    """Refuse a comparison with `time` that is not in `always` or another that looks ahead."""
    if not _facts(node).bare:
        return
    if not isinstance(node, Call) or not node.op.formulas:
        raise error("first-step", node.span or reader.span, found=str(node), operator=reader.op.name)
    for arg in node.args:
        _check_start(arg, reader)


def check_term(body: Expr) -> None:
    """Refuse a formula as the body of a term.

    Raises:
        LossAxesError: With what to write.
    """
    if is_formula(body):
        raise error("formula-term", body.span, found=str(body), formula=_written(body))


def _written(node: Expr) -> str:
    """A formula as it is read at one step: a comparison that differs from step to step in `always`."""
    return f"always({node})" if _facts(node).bare else str(node)


def opened(node: Call) -> Expr:
    """A robustness or a violation as arithmetic of operators that look ahead, at the first step where they can be.

    With a smooth kind of maximum what is compared is brought to its scale first: `f(s*x)/s`.
    """
    look = node.static or Look()
    sharpness = node.args[-1] if look.smooth != HARD else None
    read = _Opening(look.smooth, sharpness).first(node.args[0])
    if sharpness is not None:
        read = call("/", read, sharpness)
    if node.op.name == "robustness":
        return read.at(node.span)
    margin = node.args[1]
    missed = call("neg", read) if margin == ZERO else call("+", margin, call("neg", read))
    return call("relu", missed, span=node.span)


class _Opening:
    """Formulas -> numbers, with one kind of maximum.

    Args:
        smooth: The kind.
        sharpness: What comparisons are multiplied by, if anything.
    """

    def __init__(self, smooth: str, sharpness: Expr | None):
        self.smooth = smooth
        self.sharpness = sharpness

    def first(self, node: Expr) -> Expr:
        """The robustness at the first step of the trial, or of the window."""
        node = _unfolded(node)
        if node.op.words and TIME in (node.axes or ()):
            return self.ahead(node, first=True)
        return self.joined(node, [self.first(arg) for arg in node.args]) if node.op.formulas else self.compared(node)

    def each(self, node: Expr) -> Expr:
        """The robustness at each step."""
        node = _unfolded(node)
        if node.op.words:
            return self.ahead(node, first=False)
        return self.joined(node, [self.each(arg) for arg in node.args]) if node.op.formulas else self.compared(node)

    def ahead(self, node: Call, first: bool) -> Call:
        """An operator that looks ahead."""
        formulas = [self.each(arg) for arg in node.args[: len(node.op.formulas)]]
        look = (node.static or Look())._replace(smooth=self.smooth, first=first)
        return Call((*formulas, *node.args[len(formulas) :]), node.op, look, span=node.span)

    def joined(self, node: Call, args: list[Expr]) -> Call:
        if node.op.name == "not":
            return call("neg", *args, span=node.span)
        return Call(tuple(args), node.op, Look(smooth=self.smooth), span=node.span)

    def compared(self, node: Call) -> Expr:
        low, high = node.args if node.op.name == "<" else node.args[::-1]
        distance: Expr = call("+", high, call("neg", low), span=node.span)
        if low == ZERO or high == ZERO:
            distance = call("neg", low, span=node.span) if high == ZERO else high
        return distance if self.sharpness is None else call("*", self.sharpness, distance)


def _unfolded(node: Expr) -> Call:
    while isinstance(node, Name):
        assert isinstance(node.meaning, Defined)
        if node.meaning.size > _MOST_UNFOLDED:
            raise error("too-long-written-out", node.span, found=f"`{node.name}`", limit=_MOST_UNFOLDED)
        node = node.meaning.expr
    assert isinstance(node, Call) and node.op.formula
    return node
