"""Bodies of terms -> what is computed of them: single steps first, and no gradient into what is left out.

Where a mask is 0, or the other side of a choice is taken, the gradient that comes back is 0 at first; behind an
operator whose slope is infinite or NaN there it is NaN. That may be so while each place is made of the same place
alone. The gradient ends where it would go elsewhere, and at the quantities; and what is left out is 1 for an operator
that joins places. The masks of a result are followed down to its operands.
"""

from collections.abc import Callable, Iterable
from typing import NamedTuple

from lossdsl.backends.sizes import sized
from lossdsl.language import ONE, ZERO, Call, Expr, Name, Number, call, subscript_text
from lossdsl.meaning import Defined, aliased, any_of, computed, summed
from lossdsl.operators import (
    GRADIENT_WHERE,
    SINCE_FIRST,
    STEP,
    TIME,
    UNDIFFED,
    UNSLICED,
    UNTIL_LAST,
    Look,
    elementwise,
)

# A definition that unfolds to more nodes than this is computed for all steps, though one is asked for.
_MOST_UNFOLDED = 50
# Their slopes are 1 and -1.
_SUMS = ("+", "neg")
_ENDS = {"final": "-1", "initial": "0"}
# A mask on a result over the steps of the operand, by what a step of the result is made of.
_READS = {"before": UNTIL_LAST, "after": SINCE_FIRST}


class Mask(NamedTuple):
    """What says where a value does not count.

    Attributes:
        expr: 0 there.
        wild: Whether the gradient that comes back may be NaN there; else it is 0.
    """

    expr: Expr
    wild: bool


Masks = tuple[Mask, ...]


class Guarded(Defined):
    """A definition as it is behind masks, lowered already."""


class Lowering:
    """The bodies of one loss; a definition behind the same masks is computed once."""

    def __init__(self) -> None:
        self.lowered: dict[Defined, Expr] = {}
        self.guarded: dict[bytes, Expr] = {}
        self.ending: dict[tuple[bytes, frozenset[str]], bool] = {}

    def body(self, node: Expr) -> Expr:
        """What is computed of the body of a term."""
        return self.whole(summed(node))

    def whole(self, node: Expr) -> Expr:
        """What is computed of an expression without windows."""
        return self.behind((), _step_first(sized(node)))

    def definition(self, meaning: Defined) -> Expr:
        """What is computed of a definition."""
        if isinstance(meaning, Guarded):
            return meaning.expr
        if meaning not in self.lowered:
            self.lowered[meaning] = self.whole(computed(meaning))
        return self.lowered[meaning]

    def behind(self, masks: Masks, node: Expr) -> Expr:
        """The expression, of which only what these masks leave in counts."""
        if node.constant or isinstance(node, Number):
            return node
        node = aliased(node) if masks else node
        wild = [mask.expr for mask in masks if mask.wild]
        # In a sum a sign stands outside.
        is_negated = isinstance(node, Call) and node.op.name == "neg"
        if wild and not is_negated and self.ends(frozenset(axis for mask in wild for axis in mask.axes or ()), node):
            return _gradient_where(self.behind(tuple(mask._replace(wild=False) for mask in masks), node), wild)
        if isinstance(node, Name):
            return self.name(masks, node, lambda expr: expr)
        assert isinstance(node, Call)
        if masks and (moved := self.moved(masks, node)):
            return moved
        return node.over([self.operand(masks, node, i) for i in range(len(node.args))])

    def ends(self, axes: frozenset[str], node: Expr) -> bool:
        """Whether a gradient that is NaN behind a mask with these axes has to end here, or may as well."""
        node = aliased(node)
        if isinstance(node, Name) and not isinstance(node.meaning, Defined):
            return True
        key = node.content, axes
        if key not in self.ending:
            self.ending[key] = self._ends(axes, node)
        return self.ending[key]

    def _ends(self, axes: frozenset[str], node: Expr) -> bool:
        if isinstance(node, Name):
            assert isinstance(node.meaning, Defined)
            guarded = isinstance(node.meaning, Guarded)
            return self.ends(axes, node.meaning.expr if guarded else computed(node.meaning))
        assert isinstance(node, Call)
        if not _keeps_places(node, axes):
            return True
        operands = [(i, arg) for i, arg in enumerate(node.args) if not arg.constant]
        return all(_is_plain(node, i) and self.ends(axes, arg) for i, arg in operands)

    def operand(self, masks: Masks, node: Call, i: int) -> Expr:
        """An operand, and what the slopes of the operator need where it does not count."""
        if node.op.flat and list(node.op.defaults)[i] in node.op.flat:
            return node.args[i]
        arg, plain = node.args[i], _is_plain(node, i)
        inner, ends, ones = [*_own(node, i)], list[Expr](), list[Expr]()
        for mask in masks:
            wild, followed = mask.wild or not plain, _followed(mask.expr, node, i)
            if not _keeps_places(node, frozenset(mask.expr.axes or ())):
                # The gradient ended here, and 0 stays 0 where no slope is NaN.
                wild, ones = False, [*ones, *([] if plain else followed)]
            elif wild and node.op.rule is elementwise and not {*(mask.expr.axes or ())} <= {*(arg.axes or ())}:
                # The gradient is summed over places, some of which are left out.
                wild, ends = False, [*ends, mask.expr]
            inner += [Mask(expr, wild) for expr in followed]
        below = self.behind(tuple(inner), arg)
        for expr in ones:
            if set(expr.axes or ()) & set(below.axes or ()):
                below = call("where", expr, below, ONE)
        return below if _is_number(arg) else _gradient_where(below, ends)

    def moved(self, masks: Masks, node: Call) -> Expr | None:
        """A slice or a step of an elementwise operator as one of its operands."""
        operand = node.args[0]
        if not _takes_steps(node):
            return None
        if isinstance(operand, Name) and isinstance(operand.meaning, Defined):
            return self.name(masks, operand, node.func, str(node.func(Name(name=operand.name))))
        inner = _through(node, operand, lambda step, arg: step.func(arg))
        return None if inner is None else self.behind(masks, inner)

    def name(self, masks: Masks, node: Name, step: Callable[[Expr], Expr], text: str = "") -> Expr:
        """A name behind masks, or steps of it: a definition of its own where that differs."""
        if not masks or not isinstance(node.meaning, Defined):
            return step(node)
        key = b" ".join([step(node).content, *(mask.expr.content + bytes([mask.wild]) for mask in masks)])
        if key not in self.guarded:
            meaning = node.meaning
            guarded = isinstance(meaning, Guarded)
            plain = self.definition(meaning) if guarded else _step_first(sized(computed(meaning)))
            expr = self.behind(masks, step(plain))
            if expr == self.whole(step(plain)):
                self.guarded[key] = step(node)
            else:
                only = " only" if any(mask.wild for mask in masks) else ""
                name = f"{text or node.name}{only} where {', '.join(str(mask.expr) for mask in masks)}"
                fields = {**meaning.__dict__, "expr": expr, "content": expr.content, "axes": expr.axes}
                self.guarded[key] = Name(name=name, meaning=Guarded(**fields))
        return self.guarded[key]


def _gradient_where(node: Expr, masks: Iterable[Expr]) -> Expr:
    for mask in masks:
        node = Call((node, mask), GRADIENT_WHERE)
    return node


def _keeps_places(node: Call, axes: frozenset[str]) -> bool:
    """Whether a place of the result along these axes is made of the same place of each operand alone."""
    if node.op.rule is elementwise or node.op.renames or node.op.name == "[]":
        return True
    if axes & {*node.along} and node.op.reads != "same":
        return False
    given = zip(node.op.defaults, node.args, strict=False)
    counting = [arg for name, arg in given if name not in node.op.flat and not _is_number(arg)]
    return all(axes <= {*(arg.axes or ())} for arg in counting)


def _is_number(node: Expr) -> bool:
    """Whether no gradient is asked of it."""
    return node.constant and all(name.name == STEP for name in node.free_symbols)


def _own(node: Call, i: int) -> Masks:
    """The mask that an operator itself lays on an operand, and on the gradient into it."""
    if node.op.name == "where" and i > 0:
        mask = node.args[0] if i == 1 else call("where", node.args[0], ZERO, ONE)
    else:
        given = dict(zip(node.op.defaults, node.args, strict=False))
        if "where" not in node.op.named or given.get("where", node.args[i]) is node.args[i]:
            return ()
        mask = given["where"]
    return tuple(Mask(expr, False) for expr in _reduced(mask, node.args[i]))


def _followed(mask: Expr, node: Call, i: int) -> tuple[Expr, ...]:
    """What a mask on the result says of an operand."""
    operand = node.args[i]
    # A step of the result may be made of the mask at all steps, as where they are counted.
    is_mask = "where" in node.op.defaults and list(node.op.defaults).index("where") == i
    reads = "all" if is_mask else node.op.reads
    along = {*node.along} & {*(node.axes or ())} & {*(mask.axes or ())}
    if node.op.name == "[]" and (along or TIME not in (node.axes or ())):
        mask = Call((mask, operand), UNSLICED, subscript_text(node.static))
    elif node.op.name in _ENDS and _takes_steps(node):
        mask = Call((mask, operand), UNSLICED, _ENDS[node.op.name])
    elif along and (node.op.name == "diff" or (isinstance(node.static, Look) and node.static.steps)):
        mask = Call((mask, operand), UNDIFFED, *along)
    elif along and reads in _READS:
        mask = Call((mask,), _READS[reads], *along)
    elif along and reads == "all":
        mask = any_of(mask, along)
    elif node.op.renames:
        mask = _renamed(mask, node)
    return _reduced(mask, operand)


def _renamed(mask: Expr, node: Call) -> Expr:
    """The mask with the names that the axes of the operand have."""
    back = tuple((new, old) for old, new in node.static if new in (mask.axes or ()))
    return call("rename", mask, static=back) if back else mask


def _reduced(mask: Expr, operand: Expr) -> tuple[Expr, ...]:
    """The mask over the axes of an operand; none where it says nothing of it."""
    missing = set(mask.axes or ()) - set(operand.axes or ())
    mask = any_of(mask, missing)
    return (mask,) if mask.axes else ()


def _is_plain(node: Call, i: int) -> bool:
    """Whether no slope of the operator depends on an operand."""
    if node.op.name in _SUMS or (node.op.name == "where" and i > 0):
        return True
    # The slope with respect to a parameter is made of the other operands; those that have none pick among finite ones.
    given = enumerate(zip(node.op.defaults, node.args, strict=False))
    others = [arg for j, (name, arg) in given if j != i and name not in node.op.flat]
    by_numbers = all(arg.constant and not arg.free_symbols for arg in others)
    is_linear = (node.op.linear and i == 0) or node.op.name == "*" or (node.op.name == "/" and i == 0)
    return is_linear and by_numbers


def _step_first(node: Expr) -> Expr:
    """The expression with single time steps taken first: of `final(sqnorm(x))` only `sqnorm(final(x))` is needed."""
    if not isinstance(node, Call) or node.constant:
        return node
    result = node.over([_step_first(arg) for arg in node.args])
    takes_step = _takes_steps(result) and not isinstance(result.static, tuple)
    return _pushed(result, result.args[0]) if takes_step else result


def _takes_steps(node: Call) -> bool:
    """Whether it takes steps of `time`, whatever stands there."""
    if node.op.name == "[]":
        return True
    return node.op.name in _ENDS and node.static in (None, TIME) and len(node.args) == 1


def _pushed(step: Call, operand: Expr) -> Expr:
    if isinstance(operand, Name) and isinstance(operand.meaning, Defined) and operand.meaning.size <= _MOST_UNFOLDED:
        inner = sized(computed(operand.meaning))
        pushed = _pushed(step, inner)
        return step.func(operand) if isinstance(pushed, Call) and pushed.args[0] is inner else pushed
    return _through(step, operand, _pushed) or step.func(operand)


def _through(step: Call, operand: Expr, onto: Callable[[Call, Expr], Expr]) -> Expr | None:
    """Steps of an operator that does the same at each step: the operator of steps of its operands, else None."""
    if not isinstance(operand, Call) or not keeps_steps(operand):
        return None
    return operand.func(*[onto(step, arg) if TIME in (arg.axes or ()) else arg for arg in operand.args])


def keeps_steps(node: Call) -> bool:
    """Whether each step of the result is made of the same step of the operands."""
    if node.op.renames:
        return not any(TIME in names for names in node.static)
    axes = node.along
    return TIME not in axes and bool(axes or node.op.rule.each_step or node.op is GRADIENT_WHERE)
