"""Bodies of terms -> what is computed of them: single steps first, and no gradient into what is left out.

Where a mask is 0, or the other side of a choice is taken, the gradient that comes back is exactly 0; it would become
NaN again in any operator whose slope is infinite or NaN there. So each operand of such an operator is 1 there instead,
and nothing of what stands behind it is seen. The masks of a result are followed down to its operands.
"""

from collections.abc import Callable
from fractions import Fraction

from lossdsl.backends.sizes import sized
from lossdsl.language import Call, Expr, Name, Number, call, subscript_text
from lossdsl.meaning import Defined, computed, summed
from lossdsl.operators import SINCE_FIRST, TIME, UNDIFFED, UNSLICED, UNTIL_LAST, named

# A definition that unfolds to more nodes than this is computed for all steps, though one is asked for.
_MOST_UNFOLDED = 50
_ONE, _ZERO = Number(value=Fraction(1)), Number(value=Fraction(0))
# Their slopes are 1 and -1.
_SUMS = ("+", "neg")
_STEPS_OF = ("final", "initial", "[]")
# A mask on a result over the steps of the operand, by what a step of the result is made of.
_READS = {"before": UNTIL_LAST, "after": SINCE_FIRST}

Masks = tuple[Expr, ...]


class Guarded(Defined):
    """A definition as it is behind masks, lowered already."""


class Lowering:
    """The bodies of one loss; a definition behind the same masks is computed once."""

    def __init__(self) -> None:
        self.lowered: dict[Defined, Expr] = {}
        self.guarded: dict[bytes, Expr] = {}

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
        if isinstance(node, Name):
            return self.name(masks, node, lambda expr: expr)
        assert isinstance(node, Call)
        if masks and (moved := self.moved(masks, node)):
            return moved
        return node.over([self.operand(masks, node, i) for i in range(len(node.args))])

    def operand(self, masks: Masks, node: Call, i: int) -> Expr:
        """An operand, 1 where it does not count and the slope of the operator could be anything."""
        if node.op.flat and list(node.op.defaults)[i] in node.op.flat:
            return node.args[i]
        followed, own = _followed(masks, node, i), _own(node, i)
        below = self.behind((*followed, *own), node.args[i])
        if _is_plain(node, i):
            return below
        # What an operator leaves out by `where=` it leaves out itself.
        for mask in followed:
            if set(mask.axes or ()) & set(below.axes or ()):
                below = call("where", mask, below, _ONE)
        return below

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
        key = b" ".join([step(node).content, *(mask.content for mask in masks)])
        if key not in self.guarded:
            meaning = node.meaning
            guarded = isinstance(meaning, Guarded)
            plain = self.definition(meaning) if guarded else _step_first(sized(computed(meaning)))
            expr = self.behind(masks, step(plain))
            if expr == self.whole(step(plain)):
                self.guarded[key] = step(node)
            else:
                name = f"{text or node.name} where {', '.join(map(str, masks))}"
                fields = {**meaning.__dict__, "expr": expr, "content": expr.content, "axes": expr.axes}
                self.guarded[key] = Name(name=name, meaning=Guarded(**fields))
        return self.guarded[key]


def _own(node: Call, i: int) -> Masks:
    """The mask that an operator itself lays on an operand."""
    if node.op.name == "where" and i > 0:
        mask = node.args[0] if i == 1 else call("where", node.args[0], _ZERO, _ONE)
    else:
        given = dict(zip(node.op.defaults, node.args, strict=False))
        if i > 0 or "where" not in node.op.named or "where" not in given:
            return ()
        mask = given["where"]
    return _reduced(mask, node.args[i])


def _followed(masks: Masks, node: Call, i: int) -> Masks:
    """What masks on the result say of an operand."""
    operand = node.args[i]
    kept = set(_along(node)) & set(node.axes or ())
    # A step of the result may be made of the mask at all steps, as where they are counted.
    is_mask = "where" in node.op.defaults and list(node.op.defaults).index("where") == i
    reads = "all" if is_mask else node.op.reads
    found: list[Expr] = []
    for mask in masks:
        along = kept & set(mask.axes or ())
        if along and node.op.name == "[]":
            mask = Call((mask, operand), UNSLICED, subscript_text(node.static))
        elif along and node.op.name == "diff":
            mask = Call((mask, operand), UNDIFFED, *along)
        elif along and reads in _READS:
            mask = Call((mask,), _READS[reads], *along)
        elif along and reads == "all":
            mask = _any(mask, along)
        elif node.op.renames:
            mask = _renamed(mask, node)
        found += _reduced(mask, operand)
    return tuple(found)


def _renamed(mask: Expr, node: Call) -> Expr:
    """The mask with the names that the axes of the operand have."""
    back = tuple((new, old) for old, new in node.static if new in (mask.axes or ()))
    return call("rename", mask, static=back) if back else mask


def _reduced(mask: Expr, operand: Expr) -> Masks:
    """The mask over the axes of an operand; none where it says nothing of it."""
    missing = set(mask.axes or ()) - set(operand.axes or ())
    mask = _any(mask, missing) if missing else mask
    return (mask,) if mask.axes else ()


def _any(mask: Expr, axes: set[str]) -> Expr:
    """Not 0 where the mask is not 0 at any place along these axes."""
    ordered = tuple(axis for axis in mask.axes or () if axis in axes)
    return call("max", call("abs", mask), static=ordered if len(ordered) > 1 else ordered[0])


def _along(node: Call) -> tuple[str, ...]:
    if node.op.name == "[]":
        return (TIME,)
    along = node.fit.along or ()
    return (along,) if isinstance(along, str) else along


def _is_plain(node: Call, i: int) -> bool:
    """Whether no slope of the operator depends on an operand."""
    if node.op.name in _SUMS or (node.op.name == "where" and i > 0):
        return True
    # The slope with respect to a parameter is made of the other operands.
    by_numbers = all(arg.constant and not arg.free_symbols for j, arg in enumerate(node.args) if j != i)
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
    return node.op.name in _STEPS_OF and node.static in (None, TIME) and len(node.args) == 1


def _pushed(step: Call, operand: Expr) -> Expr:
    if isinstance(operand, Name) and isinstance(operand.meaning, Defined) and operand.meaning.size <= _MOST_UNFOLDED:
        inner = sized(computed(operand.meaning))
        pushed = _pushed(step, inner)
        return step.func(operand) if isinstance(pushed, Call) and pushed.args[0] is inner else pushed
    return _through(step, operand, _pushed) or step.func(operand)


def _through(step: Call, operand: Expr, onto: Callable[[Call, Expr], Expr]) -> Expr | None:
    """Steps of an operator that does the same at each step: the operator of steps of its operands, else None."""
    if not isinstance(operand, Call) or not operand.op.rule.each_step or TIME in named(operand.static):
        return None
    return operand.func(*[onto(step, arg) if TIME in (arg.axes or ()) else arg for arg in operand.args])
