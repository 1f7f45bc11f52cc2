"""Bodies of terms -> what is computed of them at each step: operators that change which steps a value has."""

from collections.abc import Callable
from fractions import Fraction

from lossdsl.backends.lines import Place
from lossdsl.backends.meet import Plan
from lossdsl.backends.when import Fixed, Held, Planned, Streamed
from lossdsl.language import ONE, ZERO, Call, Expr, Number, call
from lossdsl.meaning import Defined
from lossdsl.operators import OPS, PLACED, TIME, UNDIFFED, UNSLICED, named


def plan(definition: Callable[[Defined], Expr], known: bool, steps: int | None, delay: int) -> Plan:
    """How a loss is computed step by step, of which nothing is asked yet."""
    return Plan(definition, known, steps, delay, _SPECIAL)


def _sliced(plan: Plan, node: Call) -> Planned:
    when, tree = plan.of(node.args[0])
    if isinstance(when, Fixed | Held):
        return Planned(when, node.over([tree]))
    if isinstance(node.static, tuple):
        part = when.slice(*node.static)
        if part is None:
            raise plan.refused("stream-whole", node)
        return Planned(part, tree)
    one = when if node.static == -1 else when.one(node.static)
    if one is None:
        raise plan.refused("stream-whole", node)
    return plan.fold(call("final", plan.guard(tree, one)), one, str(node))


def _initial(plan: Plan, node: Call) -> Planned:
    when, tree = plan.of(node.args[0])
    if len(node.args) > 1 or TIME not in node.along or not isinstance(when, Streamed):
        return plan.plain(node)
    one = when.one(0)
    assert one is not None
    return plan.fold(call("final", plan.guard(tree, one)), one, str(node))


def _differences(plan: Plan, node: Call) -> Planned:
    """Differences as those of slices, one after the other."""
    if TIME not in node.along or not isinstance(plan.of(node.args[0]).when, Streamed):
        return plan.plain(node)
    x = node.args[0]
    later, earlier = (1, None, None), (None, -1, None)
    for order in range(node.count):
        parts = [Call((x,), OPS["[]"], at, span=node.span) for at in (later, earlier)]
        text = str(node) if order + 1 == node.count else f"{order + 1} of {node}"
        x = plan.called(text, Call((parts[0], call("neg", parts[1])), OPS["+"], span=node.span))
    return plan.of(x)


def _beside(plan: Plan, node: Call) -> Planned:
    """An operator whose axis is as long as that of what tells."""
    *others, like = node.args
    when = plan.of(like).when if len(node.args) == len(node.op.defaults) else Fixed()
    axes = named(node.static)
    if not isinstance(when, Streamed):
        return plan.plain(node)
    if TIME not in axes:
        return plan.of(node.func(*others, call("initial", like, static=TIME)))
    fixed = all(isinstance(plan.of(arg).when, Fixed) for arg in others)
    if axes == (TIME,) and fixed and (plan.known or node.op.name == "length"):
        plan.needs_steps(node)
        trees = [plan.of(arg).tree for arg in others]
        return Planned(Fixed(), node.func(*trees, plan.length(when, {TIME: None})))
    match node.op.name:
        case "index":
            return Planned(when, plan.lines.name(Place, f"index {when.place}", {TIME: None}, when=when))
        case "one_hot":
            i = call("expand", *others, like, static=TIME)
            return plan.of(call("equal", i, call("index", like, static=TIME)))
        case "expand":
            met, trees = plan.met(node, [plan.of(arg) for arg in node.args])
            return Planned(met, node.over(trees))
    raise plan.refused("stream-whole", node)


def _discounted(plan: Plan, node: Call) -> Planned:
    """A discount as a product with its ramp."""
    x, exponent, *masks = node.args
    if TIME not in node.along or not isinstance(plan.of(x).when, Streamed):
        return plan.plain(node)
    plan.needs_steps(node)
    if not masks:
        like = [Call((x,), OPS[name], TIME) for name in ("index", "length")]
        ramp = call("**", call("/", call("+", like[0], ONE), like[1]), exponent)
        return plan.of(call("*", x, plan.called(f"ramp of {node}", ramp)))
    (mask,) = masks
    if not isinstance(plan.of(mask).when, Fixed) or TIME not in (mask.axes or ()):
        raise plan.refused("stream-whole", node)
    ones = call("+", call("*", ZERO, mask), ONE)
    ramp = Call((ones, exponent, mask), node.op, TIME, span=node.span)
    return plan.of(call("*", call("where", mask, x, ZERO), plan.called(f"ramp of {node}", ramp)))


def _placed(plan: Plan, node: Call) -> Planned:
    """A mask for an array that begins at another step."""
    mask, shift, before, like = node.args
    (when, tree), told = plan.of(mask), plan.of(like).when
    by, stands = (int(_value(number)) for number in (shift, before))
    if isinstance(when, Streamed):
        start = when.start.later(-by)
        if when.stride != 1 or start.from_end or start.number < 0:
            raise plan.refused("stream-whole", node)
        there = Streamed(when.start)
        stops = told.stops if isinstance(told, Streamed) else ()
        found = call("where", tree, ONE, ZERO)
        if by > 0:
            found = call("where", plan.inside(there), found, Number(value=Fraction(stands)))
        return Planned(Streamed(start, stops), found)
    if isinstance(when, Held):
        raise plan.refused("stream-whole", node)
    if not isinstance(told, Streamed):
        return plan.plain(node)
    if plan.known:
        return Planned(Fixed(), node.over([tree, shift, before, plan.length(told, {TIME: None})]))
    return Planned(told, call("where", plan.row(tree, told, by, stands), ONE, ZERO))


def _spread(plan: Plan, node: Call) -> Planned:
    """A mask of a slice, or of differences, as one of what that is made of."""
    mask, x = node.args
    (when, tree), of = plan.of(mask), plan.of(x).when
    if not isinstance(of, Streamed) or isinstance(when, Held):
        return plan.plain(node)
    if isinstance(when, Fixed):
        plan.needs_steps(node)
        return Planned(Fixed(), node.over([tree, plan.length(of, {**(x.axes or {})})]))
    start, *_ = str(node.static).split(":")
    if node.op is UNDIFFED or node.static.count(":") != 1 or start.startswith("-") or when.start.from_end:
        raise plan.refused("stream-whole", node)
    found = call("where", plan.inside(when), tree, ZERO)
    return Planned(Streamed(when.start.later(-int(start or 0)), of.stops, when.stride), found)


def _value(number: Expr) -> Fraction:
    if isinstance(number, Number):
        return number.value
    assert isinstance(number, Call)
    return -_value(number.args[0])


_SPECIAL: dict[str, Callable[[Plan, Call], Planned]] = {
    "[]": _sliced,
    "initial": _initial,
    "diff": _differences,
    "discount": _discounted,
    "expand": _beside,
    "index": _beside,
    "one_hot": _beside,
    "length": _beside,
    PLACED.name: _placed,
    UNSLICED.name: _spread,
    UNDIFFED.name: _spread,
}
