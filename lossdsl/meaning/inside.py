"""Windows of time, moved into what takes `time` away: which steps of each value count.

A value that has `time` has the steps of its array; a window, or the end of a trial, says which of them count. They go
along with the value, through what is done at each step, up to a reduction, which then has them as its mask.
"""

from collections.abc import Callable, Mapping, Sequence
from fractions import Fraction
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

from lossdsl.errors import LossError, error
from lossdsl.language import Call, Expr, Name, Number, by_default, call, subscript_text
from lossdsl.meaning.defined import Defined, each_name
from lossdsl.meaning.quantity import Quantity
from lossdsl.meaning.spans import Timed, first_of, shifted
from lossdsl.operators import BATCH, OPS, OWN_SLICE, TIME, named

_ZERO = Number(value=Fraction(0))


class Inside(NamedTuple):
    """Which steps of a value count.

    Attributes:
        source: The array whose steps they are.
        first: The number of its first step; None where they have none.
        window: The mask of its window, or None.
        trial: The masks of the ends of trials.
        clash: Two values with other first steps that it was made of, as in the message `steps-differ`.
    """

    source: Name
    first: int | None
    window: Expr | None = None
    trial: tuple[Expr, ...] = ()
    clash: Mapping[str, Any] | None = None

    @property
    def mask(self) -> Expr | None:
        """Not 0 at the steps that count; None where all do."""
        masks = [*self.trial, *([self.window] if self.window else [])]
        return _product(masks) if masks else None

    def each(self, change: Callable[[Expr], Expr]) -> "Inside":
        """The same with other masks."""
        window = change(self.window) if self.window else None
        return self._replace(window=window, trial=tuple(map(change, self.trial)))


Found = tuple[Expr, Inside | None]
# What definitions are without windows, so that each is worked out once, however often it is used.
_DEFINED: "WeakKeyDictionary[Defined, Found]" = WeakKeyDictionary()


def is_windowed(node: Expr) -> bool:
    """Whether a node alone says which steps count: a window, or a name that has one or ends with its trial."""
    if isinstance(node, Name):
        meaning = node.meaning
        return meaning.windowed if isinstance(meaning, Defined) else isinstance(meaning, Timed) and bool(meaning.ends)
    return isinstance(node, Call) and node.op.name == "@"


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
    pairs = [unwindowed(arg) for arg in node.args]
    args, insides = [arg for arg, _ in pairs], [inside for _, inside in pairs]
    special = _SPECIAL.get(node.op.name)
    return (special or _applied)(node, args, insides)


def _of_name(node: Name) -> Inside | None:
    match node.meaning:
        case Defined() as meaning:
            if meaning not in _DEFINED:
                # What is needed first stands first, so that a chain of definitions is not descended.
                for name in each_name([node], lambda inner: _ZERO if inner in _DEFINED else inner.expr).values():
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
    along = {*_along(node)} & {*(mask.axes or ())} if mask else set()
    if inside is None or mask is None or not along:
        return node.over(args), kept
    gone = along - {*(node.axes or ())}
    if kept is not None:
        kept = kept.each(lambda each: _any(each, gone)) if gone else kept
    if "where" in node.op.defaults:
        return reduced(node, args, mask), kept
    sums = len(node.op.degrees) >= sum(TIME in (arg.axes or ()) for arg in args) and TIME in gone
    if not sums:
        raise error("no-window", node.span, operator=node.op.name)
    # What is 0 counts for nothing in a sum of products.
    outside = [call("where", mask, arg, _ZERO) if TIME in (arg.axes or ()) else arg for arg in args]
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
            return node.over([call("where", inside.mask, x, _ZERO)]), None
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
    if TIME not in _along(node) or inside is None:
        return _applied(node, args, insides)
    if inside.first is None:
        if inside.mask is not None:
            raise error("no-steps", node.args[0].span or node.span, operand=str(node.args[0]))
        return node.over(args), inside

    def all_of(mask: Expr) -> Expr:
        return _product([shifted(mask, by) for by in range(number, -1, -1)])

    later = _later(inside, number)
    ends = inside.source.meaning.ends if isinstance(inside.source.meaning, Timed) else None
    # What ends there has no gaps.
    trial = later.trial if ends and not ends.is_mask else tuple(map(all_of, inside.trial))
    return node.over(args), later._replace(window=inside.window and all_of(inside.window), trial=trial)


def _like(x: Expr) -> Expr:
    """Ones at all steps of a value."""
    return Call((Number(value=Fraction(1)), x), OPS["expand"], TIME)


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
    ones = call("where", inside.mask, Number(value=Fraction(1)), _ZERO)
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
    return {"left": str(_bare(node.args[i])), "right": str(_bare(node.args[j]))}


def _bare(node: Expr) -> Expr:
    """An addend without its minus."""
    return node.args[0] if isinstance(node, Call) and node.op.name == "neg" else node


def _differ(node: Call, i: int, j: int) -> LossError:
    """The error of operands with different windows, and what to write where one of them has none."""
    bare = [_bare(arg) for arg in node.args]
    windows = {arg.static for arg in bare if isinstance(arg, Call) and arg.op.name == "@"}
    advice = "put one window behind the whole, as in `(x*y)@hold`"
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


def _along(node: Call) -> tuple[str, ...]:
    along = node.fit.along or ()
    return (along,) if isinstance(along, str) else along


def reduced(node: Call, args: Sequence[Expr], mask: Expr) -> Call:
    """The operator of these operands, its mask times another one."""
    given = dict(zip(node.op.defaults, args, strict=False))
    own = given.get("where")
    is_all = own is None or own == by_default(node.op.defaults["where"])
    given["where"] = mask if is_all or own is None else call("*", own, mask)
    operands = [given.get(key) or by_default(default) for key, default in node.op.defaults.items()]
    return Call(tuple(operands), node.op, node.static, span=node.span)


def _product(masks: Sequence[Expr]) -> Expr:
    """The masks as one, over the axes of all of them."""
    result, *others = sorted(masks, key=lambda mask: -len(mask.axes or ()))
    for mask in others:
        missing = tuple(axis for axis in mask.axes or () if axis not in (result.axes or ()))
        wide = call("expand", result, static=missing if len(missing) > 1 else missing[0]) if missing else result
        result = call("*", wide, mask)
    return result


def _any(mask: Expr, axes: set[str]) -> Expr:
    """Not 0 where the mask is not 0 at any place along these axes, or those of them that it has."""
    ordered = tuple(axis for axis in mask.axes or () if axis in axes and axis != TIME)
    if not ordered:
        return mask
    return call("max", call("abs", mask), static=ordered if len(ordered) > 1 else ordered[0])
