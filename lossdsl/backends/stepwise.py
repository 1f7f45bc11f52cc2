"""Terms to the source of a loss that is computed step by step, and the functions that it is compiled to.

`quantities` picks what the trials and the model give, `fixed` computes what no state is in, `observed` picks the states
of one step, `update` takes them in, and `finish` computes the terms of each trial from what was kept.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any
from weakref import WeakValueDictionary

from lossdsl.backends.emit import LONGEST, Writer, factored
from lossdsl.backends.lines import CARRIED, Earlier, Folded, Inside, Length, Line, Local, Place, Row, Whole, reached
from lossdsl.backends.lower import Lowering
from lossdsl.backends.meet import is_observed
from lossdsl.backends.python import functions, returned
from lossdsl.backends.stream import plan
from lossdsl.backends.when import Fixed, Planned
from lossdsl.errors import LossError
from lossdsl.language import SUM, Expr, Name, call
from lossdsl.meaning import Quantity, Term, each_name
from lossdsl.operators import TIME

_TAKEN = {"folds", "carry", "fixed", "steps", "t", "later"}
_HEADER = """import jax.numpy as jnp

from lossdsl.backends.data import floats, take
from lossdsl.operators import folds, ops


"""
_RUNNING = ("sum", "mean", "max", "min")
_FUNCTIONS = ("quantities", "observed", "fixed", "init", "update", "finish", "weights")


@dataclass(frozen=True, eq=False)
class StreamProgram:
    """What of a loss is compiled to be computed step by step; two of the same source are one.

    Attributes:
        source: The Python source.
        fixed: The quantities of the trials and the model that it reads, in the order of the arrays.
        observed: The quantities of the states.
        carried: Of what goes from step to step, whether it is a sum over the steps so far.
        running: The labels of the terms that are a sum, a mean, or an extreme of the steps so far.
    """

    source: str
    fixed: Mapping[str, Quantity]
    observed: Mapping[str, Quantity]
    carried: tuple[bool, ...]
    running: tuple[str, ...]

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, StreamProgram) and self.source == other.source)

    def __hash__(self) -> int:
        return hash(self.source)

    def __reduce__(self) -> Any:
        return _interned, (self.source, self.fixed, self.observed, self.carried, self.running)

    @cached_property
    def functions(self) -> dict[str, Callable[..., Any]]:
        """The functions of the source."""
        return functions(self.source, self, _FUNCTIONS)


_PROGRAMS: WeakValueDictionary[str, StreamProgram] = WeakValueDictionary()


def _interned(source: str, *parts: Any) -> StreamProgram:
    return _PROGRAMS.setdefault(source, StreamProgram(source, *parts))


def build_stream(terms: tuple[Term, ...], known: bool, steps: int | None, delay: int) -> StreamProgram:
    """The program of a normal form, whose states have a known number of steps or not.

    Raises:
        LossAxesError: For a term that cannot be computed step by step, with the reason.
    """
    lowering = Lowering()
    bodies = {term.label: summed_over_time(lowering.body(term.expr)) for term in terms}
    return built(terms, bodies, lowering, known, steps, delay)[0]


def built(
    terms: tuple[Term, ...],
    lowered: Mapping[str, Expr],
    lowering: Lowering,
    known: bool,
    steps: int | None,
    delay: int,
) -> tuple[StreamProgram, dict[str, Planned]]:
    """The program of bodies without `time`, and by label when they are known.

    Raises:
        LossAxesError: For a term that cannot be computed step by step, with the reason.
    """
    names = each_name(lowered.values(), lowering.definition)
    steps_of = plan(lowering.definition, known, steps, delay)
    planned: dict[str, Planned] = {}
    for term in terms:
        steps_of.term = str(term.expr)
        try:
            # What is needed first is planned first, so that no question descends a chain of definitions.
            for name in each_name([lowered[term.label]], lowering.definition).values():
                steps_of.of(name)
            when, tree = steps_of.of(lowered[term.label])
            planned[term.label] = Planned(when, steps_of.whole(tree) if isinstance(when, Fixed) else tree)
        except LossError as failure:
            raise failure.in_term(term.label) from None
    read = {name: node.meaning for name, node in names.items() if isinstance(node.meaning, Quantity)}
    bodies = {label: tree for label, (_, tree) in planned.items()}
    running = tuple(label for label, body in bodies.items() if _runs(body))
    return _interned(*_emitted(terms, bodies, read, known), running), planned


def _runs(body: Expr) -> bool:
    """Whether a term grows or moves from step to step, and has a value after each."""
    return isinstance(body, Name) and isinstance(body.meaning, Folded) and body.meaning.node.op.name in _RUNNING


def summed_over_time(body: Expr) -> Expr:
    """The body of a term summed over what of `time` is left."""
    if TIME not in (body.axes or ()):
        return body
    x, factor = factored(body)
    total = call("sum", x)
    return total if factor is None else call("*", total, factor)


def _emitted(
    terms: tuple[Term, ...], bodies: Mapping[str, Expr], read: Mapping[str, Quantity], known: bool
) -> tuple[str, Any, Any, tuple[bool, ...]]:
    last = reached(bodies.values(), (Whole, Folded))
    present = reached([name for name in last if isinstance(name.meaning, Folded)], Whole)
    carried = [name for name in present if isinstance(name.meaning, CARRIED)]
    whole = [*dict.fromkeys(name for name in (*present, *last) if isinstance(name.meaning, Whole))]
    needed = reached(whole, ())
    observed = {name: quantity for name, quantity in read.items() if is_observed(quantity)}
    quantities = {name: quantity for name, quantity in read.items() if name not in observed}
    fixed, update, finish = (_Steps(terms, bodies, names, known) for names in (needed, present, last))
    parts = [
        fixed.quantities(quantities),
        ["def observed(states):", *update.quantities(observed)[1:]],
        fixed.whole(quantities, whole),
        _init(len(carried)),
        update.update(observed, carried, whole),
        finish.finish(carried, whole),
        finish.weights(),
    ]
    source = _HEADER + "\n\n\n".join("\n".join(lines) for lines in parts) + "\n"
    return (
        source,
        quantities,
        observed,
        tuple(isinstance(name.meaning, Folded) and name.meaning.adds for name in carried),
    )


def _init(carried: int) -> list[str]:
    first = f"(None,) * {carried}"
    return [
        "def init(states, fixed, parameters, step, steps):",
        f"    return update({first}, states, fixed, parameters, step, steps, 0, later=False)",
    ]


def _plain(name: str) -> str:
    """The words of a name."""
    return " ".join(re.findall(r"\w+", name))


class _Steps(Writer):
    """The source of one of the functions.

    Args:
        terms: The terms.
        bodies: Their bodies at the end.
        names: What the function computes, what is needed first standing first.
        known: Whether it is known how many states there are.
    """

    def __init__(self, terms: tuple[Term, ...], bodies: Mapping[str, Expr], names: Sequence[Name], known: bool):
        needs = {name.name: name.meaning.needs for name in names if isinstance(name.meaning, Line)}
        exprs = {f"\0{name} {i}": need for name, given in needs.items() for i, need in enumerate(given)}
        super().__init__(terms, {**exprs, **bodies}, {name.name: name for name in names}, lambda defined: defined.expr)
        self.taken |= _TAKEN
        self.known_steps = known
        self.lines_of: dict[str, str] = {}

    def whole(self, quantities: Mapping[str, Quantity], whole: Sequence[Name]) -> list[str]:
        self.lines = ["def fixed(quantities, parameters, step, steps):"]
        self.unpack(quantities, "quantities")
        for name, node in self.names.items():
            if isinstance(node.meaning, Whole):
                (tree,) = node.meaning.needs
                self.variables[name] = self.code(tree, SUM)
            else:
                self.define(name, node)
        return [*self.lines, *returned("(", [f"        {self.variables[name.name]}," for name in whole], ")")]

    def update(self, observed: Mapping[str, Quantity], carried: Sequence[Name], whole: Sequence[Name]) -> list[str]:
        self.lines = ["def update(carry, states, fixed, parameters, step, steps, t, later=True):"]
        self.unpack(observed, "states")
        self.unpack([name.name for name in whole], "fixed")
        self.carry(carried)
        for name, node in self.names.items():
            if name in observed:
                dimensions = observed[name].dimensions
                shift = f"jnp.expand_dims({self.variables[name]}, axis={dimensions.index(TIME)})"
                self.lines.append(f"    {self.variables[name]} = {shift}")
            self.define(name, node)
        return [*self.lines, *returned("(", [f"        {self.lines_of[name.name]}," for name in carried], ")")]

    def finish(self, carried: Sequence[Name], whole: Sequence[Name]) -> list[str]:
        self.lines = ["def finish(carry, fixed, parameters, step, steps):"]
        self.carry(carried)
        self.unpack([name.name for name in whole], "fixed")
        for name, node in self.names.items():
            if isinstance(node.meaning, Folded):
                self.value(node, node.meaning)
            else:
                self.define(name, node)
        rows = [self.row(term) for term in self.terms]
        return [*self.lines, *returned("{", rows, "}")]

    def unpack(self, names: Iterable[str], source: str) -> None:
        """Variables for what stands in a tuple, those that are not needed left out."""
        variables = [self.named(name) if name in self.names else "_" for name in names]
        if any(variable != "_" for variable in variables):
            self.assigned(variables, source)

    def assigned(self, variables: Sequence[str], source: str) -> None:
        """A tuple in one line, or in several where it is long."""
        joined = ", ".join(variables)
        if len(joined) > LONGEST:
            self.lines += ["    (", *(f"        {variable}," for variable in variables), f"    ) = {source}"]
        elif variables:
            self.lines.append(f"    {joined}{',' * (len(variables) == 1)} = {source}")

    def named(self, name: str) -> str:
        if name not in self.variables:
            self.variables[name] = self.variable(_plain(name))
        return self.variables[name]

    def carry(self, carried: Sequence[Name]) -> None:
        for name in carried:
            kind = "line" if isinstance(name.meaning, Earlier) else "so far"
            self.lines_of[name.name] = self.variable(_plain(f"{name.name} {kind}"))
        self.assigned([*self.lines_of.values()], "carry")

    def define(self, name: str, node: Name) -> None:
        meaning, axes = node.meaning, list(node.axes or ())
        if not isinstance(meaning, Line):
            self.named(name)
            return super().define(name, node)
        match meaning:
            case Whole():
                return None
            case Folded():
                return self.fold(node, meaning)
            case Earlier():
                return self.earlier(node, meaning)
            case Local(needs=(tree,)):
                return self.assign(self.named(name), self.code(tree, SUM), f"{name} = {tree}")
            case Row(needs=(whole,)):
                code = self.row_code(meaning, self.code(whole, SUM), axes.index(TIME))
            case Place(when=when):
                code = f"ops.number_of({when.place})"
            case Length(when=when):
                code = f"ops.of_length({when.length}, axis={axes.index(TIME)}, rank={len(axes)})"
            case Inside(when=when):
                code = when.inside
        self.assign(self.named(name), code, name)
        return None

    def row_code(self, row: Row, whole: str, axis: int) -> str:
        place = f"{row.when.place} - {row.shift}" if row.shift else row.when.place
        more = f", before={row.before}" if row.before is not None else ""
        more += "" if self.known_steps else ", beyond=jnp.nan"
        return f"ops.row({whole}, {place.replace('- -', '+ ')}{more}, axis={axis})"

    def fold(self, node: Name, folded: Folded) -> None:
        """One more step, and the value so far where something asks for it."""
        code = self.operator(folded.node)[0]
        operands = code.removeprefix(f"ops.{folded.node.op.code}(")
        so_far = self.lines_of[node.name]
        step = f"folds.{folded.node.op.code}.step({so_far}, {folded.when.inside}, {operands}"
        self.assign(so_far, step, node.name)
        if self.asked[node.name]:
            self.value(node, folded)

    @cached_property
    def asked(self) -> Counter[str]:
        """How often names stand in what others need."""
        needs = [need for name in self.names.values() if isinstance(name.meaning, Line) for need in name.meaning.needs]
        return Counter(name.name for need in needs for name in need.walk() if isinstance(name, Name))

    def value(self, node: Name, folded: Folded) -> None:
        code = f"folds.{folded.node.op.code}.value({self.lines_of[node.name]})"
        self.assign(self.named(node.name), code, node.name)

    def earlier(self, node: Name, earlier: Earlier) -> None:
        (tree,), line, variable = earlier.needs, self.lines_of[node.name], self.named(node.name)
        place, inside = "0" if earlier.steps == 1 else earlier.when.place, earlier.when.inside
        x = self.code(tree, SUM)
        at = place if earlier.back == earlier.steps else f"{place} - {earlier.back}"
        self.assign(variable, f"ops.earlier({line}, {at}, {x}, {earlier.steps})", node.name)
        self.lines.append(f"    {line} = ops.kept({line}, {place}, {x}, {inside}, {earlier.steps})")
