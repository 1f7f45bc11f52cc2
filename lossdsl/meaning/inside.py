"""Windows of time, moved into what takes `time` away: which steps of each value count.

A value that has `time` has the steps of its array; a window, or the end of a trial, says which of them count. They go
along with the value, through what is done at each step, up to a reduction, which then has them as its mask.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from lossdsl.errors import LossError, error
from lossdsl.language import ONE, ZERO, Call, Expr, Name, call, subscript_text
from lossdsl.meaning.ahead import lasting
from lossdsl.meaning.defined import Defined, each_name
from lossdsl.meaning.formulas import READ, opened
from lossdsl.meaning.masked import any_of, product, reduced
from lossdsl.meaning.quantity import Quantity
from lossdsl.meaning.spans import Timed, first_of, shifted
from lossdsl.operators import BATCH, OPS, OWN_SLICE, TIME, Look, named

_OF_FORMULAS = "compare them in one window, or let each look ahead by itself: `always(x@hold < 1) and always(y < 1)`"


class Inside(NamedTuple):
    """Which steps of a value count.

    Attributes:
        source: The array whose steps they are.
        first: The number of its first step; None where they have none.
        window: The mask of its window, or None.
        trial: The masks of the ends of trials.
        reach: How many steps a formula looks ahead: a step counts if it does, and so many after it.
        clash: Two values with other first steps that it was made of, as in the message `steps-differ`.
    """

    source: Name
    first: int | None
    window: Expr | None = None
    trial: tuple[Expr, ...] = ()
    reach: int = 0
    clash: Mapping[str, Any] | None = None

    @property
    def mask(self) -> Expr | None:
        """Not 0 at the steps that count; None where all do."""
        masks = [lasting(mask, self.reach) for mask in (*self.trial, *([self.window] if self.window else []))]
        return product(masks) if masks else None

    def each(self, change: Callable[[Expr], Expr]) -> "Inside":
        """The same with other masks."""
        window = change(self.window) if self.window else None
        return self._replace(window=window, trial=tuple(map(change, self.trial)))


Found = tuple[Expr, Inside | None]
# What definitions are without windows, so that each is worked out once, however often it is used.
_DEFINED: "WeakKeyDictionary[Defined, Found]" = WeakKeyDictionary()


def is_windowed(node: Expr) -> bool:
    """Whether a node alone says which steps count: a window, a first step, a name with one or that ends with trials."""
    if isinstance(node, Name):
        meaning = node.meaning
        return meaning.windowed if isinstance(meaning, Defined) else isinstance(meaning, Timed) and bool(meaning.ends)
    return isinstance(node, Call) and (node.op.name == "@" or node.op.name in READ)


def unwindowed(node: Expr) -> Found:
    """An expression without windows, and which steps count of what is left of `time`.

    Raises:
        LossAxesError: For operands with different windows, and what has no mask for one.
    """
    if isinstance(node, Name):
        return node, _of_name(node)
    if not isinstance(node, Call) or node.constant:
        return node, None
    if node.op.name == "@":
        return _windowed(node)
    if node.op.name in READ:
        return unwindowed(opened(node))
    pairs = [unwindowed(arg) for arg in node.args]
    args, insides = [arg for arg, _ in pairs], [inside for _, inside in pairs]
    special = _SPECIAL.get(node.op.name)
    return (special or _applied)(node, args, insides)


def _of_name(node: Name) -> Inside | None:
    match node.meaning:
        case Defined() as meaning:
            if meaning not in _DEFINED:
                # What is needed first stands first, so that a chain of definitions is not descended.
                for name in each_name([node], lambda inner: ZERO if inner in _DEFINED else inner.expr).values():
                    inner = name.meaning
                    if isinstance(inner, Defined) and inner not in _DEFINED:
                        _DEFINED[inner] = unwindowed(inner.expr)
            return _DEFINED[meaning][1]
        case Quantity() as quantity if TIME in (quantity.axes or ()):
            first = first_of(quantity)
            ends = quantity.ends if isinstance(quantity, Timed) else None
            by_trial = ends is not None and BATCH in (quantity.axes or ())
            return Inside(node, first, None, (ends.mask(first),) if ends and by_trial and first is not None else ())
    return None


def _windowed(node: Call) -> Found:
    found, inside = unwindowed(node.args[0])
    assert inside is not None
    return found, inside._replace(window=node.args[1])


def _applied(node: Call, args: list[Expr], insides: list[Inside | None]) -> Found:
    """An operator: its mask where it reduces what a window is along, else the window goes on."""
    inside = _together(node, insides)
    kept = inside if TIME in (node.axes or ()) else None
    mask = inside.mask if inside else None
    along = {*node.along} & {*(mask.axes or ())} if mask else set()
    if inside is None or mask is None or not along:
        return node.over(args), kept
    gone = along - {*(node.axes or ())}
    if kept is not None:
        kept = kept.each(lambda each: any_of(each, gone - {TIME})) if gone else kept
    if "where" in node.op.defaults:
        return reduced(node, args, mask), kept
    sums = len(node.op.degrees) >= sum(TIME in (arg.axes or ()) for arg in args) and TIME in gone
    if not sums:
        raise error("no-window", node.span, operator=node.op.name)
    # What is 0 counts for nothing in a sum of products.
    outside = [call("where", mask, arg, ZERO) if TIME in (arg.axes or ()) else arg for arg in args]
    return node.over(outside), kept


def _sliced(node: Call, args: list[Expr], insides: list[Inside | None]) -> Found:
    (x,), (inside,), at = args, insides, node.static
    if inside is None or inside.mask is None:
        return node.over(args), _moved(inside, at) if inside else None
    if inside.window is not None:
        if at not in (0, -1):
            raise error("window-index", node.span, found=str(node))
        return reduced(call("final" if at else "initial", x), [x], inside.mask), None
    if at == -1:
        return reduced(call("final", x), [x], inside.mask), None
    if isinstance(at, int):
        if at >= 0:
            return node.over([call("where", inside.mask, x, ZERO)]), None
        return Call((x, inside.mask), OWN_SLICE, subscript_text(at), span=node.span), None
    start, stop, stride = at
    if stride in (None, 1) and all(bound is None or bound >= 0 for bound in (start, stop)):
        return node.over(args), _moved(inside, at)
    # Each trial has a length of its own, from which such a slice counts.
    mask = call("*", inside.mask, _like(x))
    cut = [Call((value, mask), OWN_SLICE, subscript_text(at), span=node.span) for value in (x, mask)]
    return cut[0], Inside(inside.source, None, None, (cut[1],))


def _moved(inside: Inside, at: Any) -> Inside | None:
    """Which steps count of a slice."""
    if isinstance(at, int):
        return None
    start, _, stride = at
    if inside.mask is None and (inside.first is None or (start or 0) < 0 or stride not in (None, 1)):
        return inside._replace(first=None)
    if inside.first is None:
        return inside.each(lambda mask: Call((mask,), OPS["[]"], at))
    return _later(inside, start or 0)


def _later(inside: Inside, by: int) -> Inside:
    """The same for a value that begins so many steps later."""
    first = None if inside.first is None else inside.first + by
    return inside.each(lambda mask: shifted(mask, by))._replace(first=first)


def _differences(node: Call, args: list[Expr], insides: list[Inside | None]) -> Found:
    """A difference has the steps all of whose operands count."""
    (inside, *_), number = insides, node.count
    if TIME not in node.along or inside is None:
        return _applied(node, args, insides)
    if inside.first is None:
        if inside.mask is not None:
            raise error("no-steps", node.args[0].span or node.span, operand=str(node.args[0]))
        return node.over(args), inside

    def all_of(mask: Expr) -> Expr:
        return product([shifted(mask, by) for by in range(number, -1, -1)])

    later = _later(inside, number)
    ends = inside.source.meaning.ends if isinstance(inside.source.meaning, Timed) else None
    # What ends there has no gaps.
    trial = later.trial if ends and not ends.is_mask else tuple(map(all_of, inside.trial))
    return node.over(args), later._replace(window=inside.window and all_of(inside.window), trial=trial)


def _joined(node: Call, args: list[Expr], insides: list[Inside | None]) -> Found:
    """Formulas beside each other at the steps that all of them have."""
    reaches = [inside.reach if inside else 0 for inside in insides]
    cut = [
        Call((arg,), OPS["[]"], (None, by - max(reaches), None))
        if TIME in (arg.axes or ()) and by < max(reaches)
        else arg
        for arg, by in zip(args, reaches, strict=True)
    ]
    inside = _together(node, insides)
    return node.over(cut), inside and inside._replace(reach=max(reaches))


def _looking(node: Call, args: list[Expr], insides: list[Inside | None]) -> Found:
    """A formula that looks ahead: at the steps that count, or within windows of which all steps do."""
    formulas = len(node.op.formulas)
    joined, inside = _joined(call("and", *args[:formulas]), args[:formulas], insides[:formulas])
    args, look = [*joined.args, *args[formulas:]], node.static or Look()
    found = node.over(args)
    if inside is None or not look.steps:
        masked = reduced(found, args, inside.mask) if inside and inside.mask else found
        return masked, None if look.first else inside
    inside = inside._replace(reach=inside.reach + look.steps[1])
    if not look.first:
        return found, inside
    if inside.mask is None:
        return found, None
    # Where a window begins differs from trial to trial.
    each = Call(tuple(args), node.op, look._replace(first=False), span=node.span)
    return reduced(call("initial", each), [each], inside.mask), None


def _like(x: Expr) -> Expr:
    """Ones at all steps of a value."""
    return Call((ONE, x), OPS["expand"], TIME)


def _told(node: Call, args: list[Expr], insides: list[Inside | None]) -> Found:
    """An operator whose axis is as long as that of a value: its steps are those of that value."""
    if len(args) == len(node.op.defaults) and TIME in named(node.static) and insides[-1]:
        return node.over(args), insides[-1]
    return _applied(node, args, insides)


def length_of(node: Call, args: list[Expr], insides: list[Inside | None]) -> Found:
    """How long an axis is; `time` as long as there are steps that count."""
    inside = insides[0] if insides else None
    if inside is None or inside.mask is None or named(node.static) != (TIME,):
        return node.over(args), None
    ones = call("where", inside.mask, ONE, ZERO)
    return call("sum", call("*", ones, _like(args[0]))), None


def _renamed(node: Call, args: list[Expr], insides: list[Inside | None]) -> Found:
    """Other names of axes: of the masks too."""
    (inside,) = insides
    if inside is None or inside.mask is None:
        return node.over(args), inside if TIME in (node.axes or ()) else None
    if TIME in dict(node.static):
        raise error("no-window", node.span, operator=node.op.name)

    def renamed(mask: Expr) -> Expr:
        names = tuple((old, new) for old, new in node.static if old in (mask.axes or ()))
        return call("rename", mask, static=names) if names else mask

    return node.over(args), inside.each(renamed)


_SPECIAL: dict[str, Callable[[Call, list[Expr], list[Inside | None]], Found]] = {
    "[]": _sliced,
    "diff": _differences,
    "expand": _told,
    "index": _told,
    "one_hot": _told,
    "length": length_of,
    "rename": _renamed,
    "and": _joined,
    "or": _joined,
    "always": _looking,
    "eventually": _looking,
    "until": _looking,
}


def _together(node: Call, insides: Sequence[Inside | None]) -> Inside | None:
    """Which steps count of operands that stand beside each other."""
    known = [(i, inside) for i, inside in enumerate(insides) if inside is not None]
    if not known:
        return None
    (i, first), *others = known
    trial = dict.fromkeys(mask for _, inside in known for mask in inside.trial)
    for j, inside in others:
        if None not in (first.first, inside.first) and first.first != inside.first:
            clash = {**_two(node, i, j), "first": first.first, "second": inside.first}
            if first.mask or inside.mask:
                raise error("steps-differ", node.span, **clash)
            first = first._replace(first=None, clash=clash)
        if first.window != inside.window:
            raise _differ(node, i, j)
    clashes = [inside.clash for _, inside in known if inside.clash]
    if clashes or any(inside.first is None for _, inside in known):
        first = first._replace(first=None, clash=first.clash or next(iter(clashes), None))
    return first._replace(trial=tuple(trial))


def _two(node: Call, i: int, j: int) -> dict[str, Any]:
    args = [node.args[k] for k in (i, j)]
    # What is computed of a formula stands in no text.
    left, right = [str(arg.span if node.op.formulas and arg.span else _bare(arg)) for arg in args]
    return {"left": left, "right": right}


def _bare(node: Expr) -> Expr:
    """An addend without its minus."""
    return node.args[0] if isinstance(node, Call) and node.op.name == "neg" else node


def _differ(node: Call, i: int, j: int) -> LossError:
    """The error of operands with different windows, and what to write where one of them has none."""
    bare = [_bare(arg) for arg in node.args]
    windows = {arg.static for arg in bare if isinstance(arg, Call) and arg.op.name == "@"}
    advice = "put one window behind the whole, as in `(x*y)@hold`"
    if node.op.formulas:
        return error("windows-differ", node.span, **_two(node, i, j), advice=_OF_FORMULAS)
    if len(windows) > 1:
        advice = "reduce each before they meet, as in `sum(x@hold)*mean(y@..go)`"
    elif windows:
        window = windows.pop()
        plain = [arg.replace(OPS["@"], lambda found: found.args[0]) for arg in node.args]
        if TIME in (node.axes or ()):
            whole = call("@", Call(tuple(plain), node.op, node.static), static=window)
        else:
            timed = [call("@", arg, static=window) if TIME in (arg.axes or ()) else arg for arg in plain]
            whole = Call(tuple(timed), node.op, node.static)
        advice = f"write `{whole}`"
    return error("windows-differ", node.span, **_two(node, i, j), advice=advice)
