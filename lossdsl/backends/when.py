"""When a value of a loss is known, at which steps of the states; static in their number."""

from dataclasses import dataclass
from typing import NamedTuple

from lossdsl.language import Expr


class Edge(NamedTuple):
    """A step, of which the first has the number 0; or so many behind the last one.

    Attributes:
        number: The number, negative for a step before the end.
        from_end: Whether it counts from the step behind the last.
        least: The step that it is at least.
    """

    number: int
    from_end: bool = False
    least: int = 0

    def later(self, by: int) -> "Edge":
        """So many steps later."""
        return self._replace(number=self.number + by, least=self.least + by if self.least else 0)

    @property
    def code(self) -> str:
        """The number as Python, in which `steps` is how many states there are."""
        return f"max({self.bare}, {self.least})" if self.from_end and self.number else self.bare

    @property
    def bare(self) -> str:
        """The same, which may be too small."""
        if not self.from_end:
            return str(self.number)
        return f"steps - {-self.number}" if self.number else "steps"

    def words(self, steps: int | None) -> str:
        """The number as a message says it."""
        if not self.from_end:
            return f"step {self.number}"
        if steps is not None:
            return f"step {max(steps + self.number, self.least)}"
        return "the last step" if self.number == -1 else f"{-self.number} steps before the end"


FIRST = Edge(0)
END = Edge(0, from_end=True)
LAST = Edge(-1, from_end=True)


@dataclass(frozen=True)
class Fixed:
    """What no state is in: known from the start, whole."""


@dataclass(frozen=True)
class Streamed:
    """What has a value at each of some steps.

    Attributes:
        start: The step at which the first one is known.
        stops: The steps behind the last one: it ends at the first of them, or with the states.
        stride: How many steps lie between two of them.
    """

    start: Edge = FIRST
    stops: tuple[Edge, ...] = ()
    stride: int = 1

    @property
    def always(self) -> bool:
        """Whether there is one at each step, but perhaps the first."""
        return not self.stops and self.stride == 1 and not self.start.from_end and self.start.number <= 1

    @property
    def needs_steps(self) -> bool:
        """Whether it must be known how many states there are, to know which steps these are."""
        return self.start.from_end or any(stop.from_end for stop in self.stops)

    @property
    def last(self) -> Edge:
        """A step by which the last one is known."""
        return next((stop.later(-1) for stop in self.stops if not stop.from_end), LAST)

    @property
    def place(self) -> str:
        """The number of the present step among these, as Python."""
        start = self.start.code
        code = "t" if start == "0" else f"t - {start}"
        return code if self.stride == 1 else f"({code}) // {self.stride}"

    @property
    def length(self) -> str:
        """How many there are, as Python."""
        stop = "steps" if not self.stops else f"min({', '.join(edge.code for edge in self.stops)}, steps)"
        start = self.start.code
        code = stop if start == "0" else f"{stop} - {start}"
        return code if self.stride == 1 else f"-(-({code}) // {self.stride})"

    @property
    def inside(self) -> str:
        """Whether the present step is one of these, as Python; `later` is whether it is not the first of all."""
        found = []
        if self.start != FIRST:
            found.append("later" if self.start == Edge(1) else f"(t >= {self.start.code})")
        found += ["(later ^ True)" if stop == Edge(1) else f"(t < {stop.bare})" for stop in self.stops]
        if self.stride != 1:
            found.append(f"((t - {self.start.code}) % {self.stride} == 0)")
        return (
            " & ".join(found) if len(found) > 1 else found[0].removeprefix("(").removesuffix(")") if found else "True"
        )

    def slice(self, start: int | None, stop: int | None, stride: int | None) -> "Streamed | None":
        """The steps of a slice; None if they cannot be told, or run backwards."""
        by, begin, ends = stride or 1, self.start, self.stops
        bounds = [bound for bound in (start, stop) if bound is not None and bound < 0]
        if by < 0 or (bounds and (self.stride != 1 or len(ends) > 1)):
            return None
        end = ends[0] if ends else END
        if start is not None and start < 0:
            begin = end.later(start)
            begin = begin._replace(least=self.start.number) if begin.from_end and not self.start.from_end else begin
        else:
            begin = begin.later((start or 0) * self.stride)
        if stop is not None:
            ends = (end.later(stop),) if stop < 0 else (*ends, self.start.later(stop * self.stride))
        return Streamed(begin, ends, self.stride * by)

    def one(self, place: int) -> "Streamed | None":
        """The one step at a place; None if it cannot be told."""
        if place >= 0:
            at = self.start.later(place * self.stride)
        elif self.stride == 1 and len(self.stops) < 2:
            at = (self.stops[0] if self.stops else END).later(place)
        else:
            return None
        return Streamed(at, (at.later(1),) if at != LAST else ())

    def delayed(self, steps: int) -> "Streamed":
        """The same so many steps later."""
        stops = [stop.later(steps) for stop in self.stops] if self.stops else [END.later(steps)]
        return Streamed(self.start.later(steps), tuple(s for s in stops if s != END), self.stride)


EVERY_STEP = Streamed()


@dataclass(frozen=True)
class Held:
    """One value, known from a step on."""

    ready: Edge


When = Fixed | Streamed | Held


class Planned(NamedTuple):
    """When an expression is known, and what is computed of it: whole, of one step, or at the end."""

    when: When
    tree: Expr
