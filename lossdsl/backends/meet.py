"""Bodies of terms -> what is computed of them at each step: the same trees, of one step of `time`.

What is known at other steps meets through lines that keep some steps; an operator along `time` grows with each step.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from lossdsl.backends.lines import CARRIED, Earlier, Folded, Inside, Length, Lines, Local, Place, Row, Whole, reached
from lossdsl.backends.lower import keeps_steps
from lossdsl.backends.when import EVERY_STEP, Fixed, Held, Planned, Streamed
from lossdsl.errors import LossError, error
from lossdsl.language import Call, Expr, Name, Number
from lossdsl.meaning import Defined, Object, Quantity
from lossdsl.operators import GRADIENT_WHERE, OPS, OWN_SLICE, STEP, TIME, Axes


class Plan:
    """The steps of one loss.

    Attributes:
        definition: What is computed of a definition.
        known: Whether it is known how many states there are.
        steps: How many there are, for messages, if that is known.
        delay: How many steps a value may be kept.
        term: The text of the term that is planned.
        special: Those operators that are neither the same at each step nor have a fold.
    """

    def __init__(
        self,
        definition: Callable[[Defined], Expr],
        known: bool,
        steps: int | None,
        delay: int,
        special: "Mapping[str, Callable[[Plan, Call], Planned]]",
    ):
        self.definition = definition
        self.special = special
        self.known = known
        self.steps = steps
        self.delay = delay
        self.term = ""
        self.lines = Lines()
        self.planned: dict[Any, Planned] = {}
        self.guarded: dict[tuple[bytes, Streamed], Expr] = {}

    def of(self, node: Expr) -> Planned:
        """When an expression is known, and what is computed of it.

        Raises:
            LossAxesError: If it cannot be computed step by step.
        """
        key = node.name if isinstance(node, Name) else node.content
        if key not in self.planned:
            self.planned[key] = self.found(node)
        return self.planned[key]

    def found(self, node: Expr) -> Planned:
        if node.constant or isinstance(node, Number):
            return Planned(Fixed(), node)
        if isinstance(node, Name):
            return self.name(node)
        assert isinstance(node, Call)
        if special := self.special.get(node.op.name):
            return special(self, node)
        return self.plain(node)

    def name(self, node: Name) -> Planned:
        match node.meaning:
            case Quantity() as quantity:
                if not is_observed(quantity):
                    return Planned(Fixed(), node)
                if TIME not in (node.axes or ()):
                    raise error("stream-no-time", node.span, name=node.name)
                return Planned(EVERY_STEP, node)
            case Object():
                raise error("stream-object", node.span, name=node.name)
            case Defined() as defined:
                when, tree = self.of(self.definition(defined))
                plain = isinstance(tree, Name) or tree.constant
                return Planned(when, tree if plain else self.lines.name(Local, node.name, tree.axes or {}, tree))
        raise AssertionError(f"please report: no steps of {type(node.meaning)}")

    def plain(self, node: Call) -> Planned:
        """An operator that does the same at each step, or that has a fold."""
        planned = [self.of(arg) for arg in node.args]
        if all(isinstance(when, Fixed) for when, _ in planned):
            return Planned(Fixed(), node.over([tree for _, tree in planned]))
        when, trees = self.met(node, planned)
        if isinstance(when, Held) or keeps_steps(node):
            return Planned(when, node.over(trees))
        if node.op.fold is None:
            raise self.refused("stream-whole", node)
        return self.fold(node.over([self.guard(tree, when) for tree in trees]), when, str(node))

    def called(self, text: str, node: Expr) -> Name:
        """An expression by a name, as a definition has one."""
        when, tree = self.of(node)
        name = self.lines.name(Local, text, tree.axes or {}, tree)
        self.planned[name.name] = Planned(when, name)
        return name

    def fold(self, node: Call, when: Streamed, text: str = "") -> Planned:
        """An operator over the steps so far."""
        if when.needs_steps and not self.known:
            raise error("stream-steps", node.span, found=text or str(node))
        name = self.lines.name(Folded, text or str(node), node.axes or {}, node, when=when)
        return Planned(when if TIME in (node.axes or ()) else Held(when.last), name)

    # Operands that meet.

    def met(self, node: Call, planned: Sequence[Planned]) -> tuple[Streamed | Held, list[Expr]]:
        """When operands are known together, and each as it is then."""
        ready = [when.ready for when, _ in planned if isinstance(when, Held)]
        latest = max(ready, key=lambda edge: (edge.from_end, edge.number), default=None)
        streams = [(arg, when) for arg, (when, _) in zip(node.args, planned, strict=True) if isinstance(when, Streamed)]
        if not streams:
            assert latest is not None
            return Held(latest), [self.whole(tree) if isinstance(when, Fixed) else tree for when, tree in planned]
        when = self.together(node, streams)
        least = when.start.least if when.start.from_end else when.start.number
        if latest is not None and (latest.from_end or latest.number > least):
            late = next(arg for arg, (w, _) in zip(node.args, planned, strict=True) if w == Held(latest))
            shown = {"late": _bare(late), "ready": latest.words(self.steps), "early": _bare(streams[0][0])}
            raise self.refused("stream-late", node, **shown)
        return when, [self.operand(node, arg, each, when) for arg, each in zip(node.args, planned, strict=True)]

    def together(self, node: Call, streams: Sequence[tuple[Expr, Streamed]]) -> Streamed:
        """The steps at which all are known that have a value at each step."""
        (first, when), *others = streams
        for other, more in others:
            apart = more.start.number - when.start.number
            same = more.start.from_end == when.start.from_end and more.stride == when.stride
            if not same:
                raise self.refused("stream-apart", node, left=_bare(first), right=_bare(other))
            early, late = (when, more) if apart > 0 else (more, when)
            if not self.known and apart and early.delayed(abs(apart)).stops != late.stops:
                raise self.refused("stream-steps", node)
            first, when = (other, more) if apart > 0 else (first, when)
        return when

    def operand(self, node: Call, arg: Expr, planned: Planned, target: Streamed) -> Expr:
        """An operand as it is where it meets the others."""
        when, tree = planned
        if isinstance(tree, Call) and tree.op.name == "neg" and not tree.constant:
            bare = arg.args[0] if isinstance(arg, Call) and arg.op is tree.op else arg
            return tree.func(self.operand(node, bare, Planned(when, tree.args[0]), target))
        if isinstance(when, Fixed):
            return self.row(tree, target) if TIME in (tree.axes or ()) else self.whole(tree)
        if isinstance(when, Held):
            return self.rows(node, tree, target) if TIME in (tree.axes or ()) else tree
        apart = target.start.number - when.start.number
        if not apart:
            return tree
        # Steps that lie between those of the others are kept up to the next one of these.
        back, steps = apart // when.stride, -(-apart // when.stride)
        if steps > self.delay:
            raise self.refused("stream-delay", node, early=_bare(arg), steps=steps, limit=self.delay)
        # What lies behind the end is never asked for; no `where` is needed to leave it out.
        kept = Streamed(when.start, tuple(stop for stop in when.stops if not stop.from_end), when.stride)
        text = f"{arg} {steps} step{'s' * (steps > 1)} before"
        return self.lines.name(
            Earlier, text, tree.axes or {}, self.guard(tree, kept), when=kept, steps=steps, back=back
        )

    def whole(self, tree: Expr) -> Expr:
        """What no state is in, as it is at any step."""
        if isinstance(tree, Call) and tree.op.name == "neg" and not tree.constant:
            return tree.func(self.whole(tree.args[0]))
        return tree if tree.constant else self.lines.name(Whole, str(tree), tree.axes or {}, tree)

    def row(self, tree: Expr, when: Streamed, shift: int = 0, before: int | None = None) -> Name:
        """What no state is in, at the present step."""
        whole = self.lines.name(Whole, str(tree), tree.axes or {}, tree)
        at = when.place if not shift else f"{when.place} - {shift}"
        more = {"when": when, "shift": shift, "before": before}
        return self.lines.name(Row, f"{whole}[{at}]", whole.axes or {}, whole, **more)

    def rows(self, node: Call, tree: Expr, when: Streamed) -> Expr:
        """The present step of what is computed whole of values that are held."""
        if TIME not in (tree.axes or ()):
            return tree
        if isinstance(tree, Name):
            assert isinstance(tree.meaning, Local | Whole)
            (inner,) = tree.meaning.needs
            return self.row(inner, when) if isinstance(tree.meaning, Whole) else self.rows(node, inner, when)
        if not isinstance(tree, Call) or tree.op.name == "[]" or (TIME in tree.along and tree.op.name != "expand"):
            raise self.refused("stream-whole", node)
        return tree.over([self.rows(node, arg, when) for arg in tree.args])

    # Steps that do not count.

    def inside(self, when: Streamed) -> Name:
        return self.lines.name(Inside, f"inside {when.inside}", {}, when=when)

    def guard(self, tree: Expr, when: Streamed) -> Expr:
        """The value, into whose operands no gradient goes at steps that do not count: it may be NaN there."""
        is_leaf = isinstance(tree, Name) and not isinstance(tree.meaning, Local)
        if when.always or is_leaf or tree.constant:
            return tree
        # What is needed first is done first, so that no chain of definitions is descended.
        for name in reached([tree], (Whole, *CARRIED)):
            self.ended(name, when)
        return self.ended(tree, when)

    def ended(self, tree: Expr, when: Streamed) -> Expr:
        key = tree.content, when
        if key not in self.guarded:
            self.guarded[key] = self.ending(tree, when)
        return self.guarded[key]

    def ending(self, tree: Expr, when: Streamed) -> Expr:
        if isinstance(tree, Name):
            if isinstance(tree.meaning, Local):
                inner = self.ended(tree.meaning.needs[0], when)
                return self.lines.name(Local, f"{tree.name} inside {when.inside}", tree.axes or {}, inner)
            counts = isinstance(tree.meaning, Inside | Place) or tree.name == STEP
            return tree if counts else Call((tree, self.inside(when)), GRADIENT_WHERE)
        return tree.over([self.ended(arg, when) for arg in tree.args])

    # What is wrong.

    def refused(self, code: str, node: Call, **more: Any) -> LossError:
        # Its mask may stand in no text.
        is_written = not any(isinstance(part, Call) and part.op.name not in OPS for part in node.walk())
        if is_written:
            return error(code, node.span, found=str(node), **more)
        if any(isinstance(part, Call) and part.op is OWN_SLICE for part in node.walk()):
            return error("stream-ends", found=self.term)
        return error("stream-mask") if self.known else error("stream-steps", found=self.term)

    def needs_steps(self, node: Call) -> None:
        if not self.known:
            raise self.refused("stream-steps", node)

    def length(self, when: Streamed, axes: Axes) -> Name:
        """What has as many steps, where nothing else is asked of it."""
        return self.lines.name(Length, f"as many as {when.length}", axes, when=when)


def _bare(node: Expr) -> str:
    """The text of an addend without its minus."""
    return str(node.args[0] if isinstance(node, Call) and node.op.name == "neg" else node)


def is_observed(quantity: Quantity) -> bool:
    """Whether an array is one of the states."""
    return any(place.root == "states" for place in quantity.places)
