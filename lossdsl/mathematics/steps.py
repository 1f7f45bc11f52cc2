"""The time steps that an expression has, as a formula counts them: in SymPy, as far as the last step T.

A state has a value at the steps 0 to T, for it begins with the initial one. What belongs to the trials has one at
the steps 1 to T; in a loss that subtracts the two without a slice, at 0 to T as well.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from typing import Any

from lossdsl.language import Call, Expr, Name, number_text
from lossdsl.mathematics.symbols import upright
from lossdsl.meaning import Defined, Quantity, each_name
from lossdsl.operators import END, FREE, TIME, Bound, Window as TimeWindow

PICKS = ("final", "initial", "[]")


@cache
def symbol(letter: str) -> Any:
    """An index in a formula."""
    import sympy

    return sympy.Symbol(letter, integer=True)


@cache
def step_latex(step: Any) -> str:
    """A step in LaTeX, such as `T - 2`."""
    import sympy

    return str(sympy.latex(step))


def _half(size: Any) -> Any:
    """The highest frequency of so many steps."""
    import sympy

    return sympy.floor(size / sympy.S(2))


def has_steps(node: Expr) -> bool:
    """Whether it has `time`, and steps of its own along it."""
    return (node.axes or {}).get(TIME, FREE) != FREE


def window_of(node: Expr) -> TimeWindow | None:
    """The window of time that an expression has along `time`, if it has one."""
    while TIME in (node.axes or ()):
        if isinstance(node, Name):
            if not isinstance(node.meaning, Defined):
                return None
            node = node.meaning.expr
        elif isinstance(node, Call) and node.op.name == "@":
            window: TimeWindow = node.static
            return window
        else:
            node = next((arg for arg in node.args if has_steps(arg)), node.args[0])
    return None


def window_latex(window: TimeWindow) -> str:
    """A window of time as the set of its steps."""
    if window.epoch:
        return upright(window.epoch)
    start, stop = (_bound_latex(bound) for bound in (window.start, window.stop))
    return rf"\left[{start}, {stop}\right)"


def end_of(window: TimeWindow, static: int) -> Any:
    """The last step in a window, or the first."""
    if static and not window.epoch and window.stop == Bound(END):
        return symbol("T")
    return symbol(rf"\{'max' if static else 'min'} {{{window_latex(window)}}}")


def counted_latex(window: TimeWindow, step: Any) -> dict[str, str]:
    """Which step of a window a step is, and how many there are."""
    steps = window_latex(window)
    so_far = rf"\left\vert \left\{{ s \in {steps} : s \leq {step_latex(step)} \right\}} \right\vert"
    return {"t": so_far, "T": rf"\left\vert {steps} \right\vert"}


def _bound_latex(bound: Bound) -> str:
    seconds = rf"{number_text(abs(bound.seconds))}\,\mathrm{{s}}" if bound.seconds else ""
    if not bound.event:
        return seconds or "0"
    sign = "-" if bound.seconds < 0 else "+"
    return f"{upright(bound.event)} {sign} {seconds}" if seconds else upright(bound.event)


def takes_steps(node: Call) -> bool:
    """Whether it takes known steps of `time`."""
    return node.op.name == "[]" or (node.static in (None, TIME) and len(node.args) == 1)


@dataclass(frozen=True)
class Window:
    """The steps from the first to the last; numbers, or SymPy expressions in T."""

    first: Any
    last: Any

    @property
    def size(self) -> Any:
        """How many steps there are."""
        return self.last - self.first + 1

    def step(self, index: int) -> Any:
        """The step that an index of Python means."""
        return self.first + index if index >= 0 else self.last + 1 + index

    def ends(self, part: tuple[int | None, int | None, int | None]) -> tuple[Any, Any]:
        """The first step of a slice, and the one up to which it goes."""
        start, stop, stride = part
        back = (stride or 1) < 0
        first = self.step(start) if start is not None else self.last if back else self.first
        last = self.step(stop) + (1 if back else -1) if stop is not None else self.first if back else self.last
        return first, last

    def part(self, part: tuple[int | None, int | None, int | None]) -> "Window":
        """The steps of a slice: those it takes, or with a stride 0, 1, 2 and so on."""
        import sympy

        first, last = self.ends(part)
        stride = part[2] or 1
        return Window(first, last) if stride == 1 else Window(0, sympy.floor(sympy.S(last - first) / stride))

    def source(self, static: Any, index: Any) -> Any:
        """The step that a subscript takes for the step `index` of its result."""
        if isinstance(static, int):
            return self.step(static)
        stride = static[2] or 1
        return index if stride == 1 else self.ends(static)[0] + stride * index


class Windows:
    """The windows of expressions that have `time`.

    Args:
        exprs: Bound expressions, which decide at which step the quantities of the trials begin.
    """

    def __init__(self, exprs: Iterable[Expr]):
        found = tuple(exprs)
        # What is needed first stands first, so that no chain of definitions is descended.
        names = [name for name in each_name(found).values() if has_steps(name)]
        bodies = [*(name.meaning.expr for name in names if isinstance(name.meaning, Defined)), *found]
        for self.begin in (1, 0):
            self.known: dict[Expr, Window] = {}
            for name in names:
                self.of(name)
            if all(self.fits(node) for body in bodies for node in body.walk()):
                return
        self.begin, self.known = 1, {}

    def fits(self, node: Expr) -> bool:
        """Whether the operands have equally many steps."""
        return len({self.of(arg).size for arg in node.args if has_steps(arg)}) < 2

    def of(self, node: Expr) -> Window:
        """The steps of an expression with `time`."""
        if node not in self.known:
            self.known[node] = self.window(node)
        return self.known[node]

    def window(self, node: Expr) -> Window:
        match node:
            case Name(meaning=Quantity(path=path)):
                return Window(0 if path.startswith("states") else self.begin, symbol("T"))
            case Name(meaning=Defined(expr=expr)):
                return self.of(expr)
            case Call():
                frame = self.frame(node)
                if node.op.name == "[]" and isinstance(node.static, tuple):
                    return frame.part(node.static)
                return Window(frame.first + node.op.rule.drops * (node.count if node.op.whole else 1), frame.last)
        return self.of(node.args[0])

    def frame(self, node: Call) -> Window:
        """The steps by which an operator counts: those of its first operand that has `time`."""
        return self.of(next(filter(has_steps, node.args)))
