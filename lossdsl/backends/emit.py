"""Terms to Python/JAX source.

The source is what runs, and what `loss.python()` shows: `quantities` picks the arrays, `per_trial` computes the
terms of each trial, `weights` those weights that are made of parameters. Every variable says which text it came
from. Equal sub-expressions are computed once.
"""

import keyword
import re
from collections import Counter
from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import TypeGuard

from lossdsl.backends.lower import Lowering
from lossdsl.backends.masks import denied, is_flag, stand, viewed
from lossdsl.backends.python import identifier, literal, path, quoted, returned, settings, steps, turned
from lossdsl.backends.shared import uses
from lossdsl.errors import clip
from lossdsl.language import (
    ATOM,
    POWER,
    PRODUCT,
    SUM,
    UNARY,
    Call,
    Expr,
    Name,
    Number,
    by_default,
)
from lossdsl.meaning import Defined, Object, Parameter, Quantity, Term, each_name, expression, weight_of
from lossdsl.operators import BESIDE, OWN_SLICE, STEP, TIME, UNSLICED, Axes, Default, named

LONGEST = 90
_LONGEST_NAME = 40
_WIDEST_SUM = 20


_NAMES = "jnp ops floats take parameters quantities objects step states trial_specs model"
_TAKEN = {*_NAMES.split(), *keyword.kwlist}


def emit(terms: tuple[Term, ...], *, windowed: bool = True) -> tuple[str, dict[str, Name], frozenset[str]]:
    """The source of a normal form, the names that it uses, what is needed first standing first, and those of masks."""
    lowering = Lowering()
    lowered = lowering.body if windowed else lowering.whole
    bodies = {term.label: lowered(term.expr) for term in terms}
    names = each_name(bodies.values(), lowering.definition)
    writer = Writer(terms, bodies, names, lowering.definition)
    return writer.module(), names, frozenset(writer.masks)


class Writer:
    """The source of expressions whose names have variables."""

    def __init__(
        self,
        terms: tuple[Term, ...],
        bodies: Mapping[str, Expr],
        names: Mapping[str, Name],
        definition: Callable[[Defined], Expr],
    ):
        self.terms = terms
        self.bodies = bodies
        self.names = names
        self.definition = definition
        self.variables: dict[str, str] = {STEP: STEP}
        self.repeats: Counter[str] = Counter()
        self.taken = {*_TAKEN}
        self.lines: list[str] = []
        self.known: dict[bytes, str] = {}
        exprs = [*bodies.values()]
        exprs += [definition(name.meaning) for name in names.values() if isinstance(name.meaning, Defined)]
        self.uses, self.instead = uses(exprs)
        self.masks, self.numbers = stand(exprs)
        self.flags: dict[bytes, bool] = {}
        # The variable of a mask that may be of booleans, where another one stands for it as numbers.
        self.given: dict[str, str] = {}

    def module(self) -> str:
        quantities = {n: name.meaning for n, name in self.names.items() if isinstance(name.meaning, Quantity)}
        for name in self.names:
            self.variables.setdefault(name, self.variable(name))
        return "\n".join(
            [
                "import jax.numpy as jnp",
                "",
                "from lossdsl.backends.data import floats, take",
                "from lossdsl.operators import ops",
                "",
                "",
                *self.quantities(quantities),
                "",
                "",
                *self.per_trial(quantities),
                "",
                "",
                *self.weights(),
                "",
            ]
        )

    def variable(self, name: str) -> str:
        plain = re.sub("___+", "_", identifier(name)[:_LONGEST_NAME]).rstrip("_") or "value"
        while plain in self.taken:
            self.repeats[plain] += 1
            plain = f"{plain}_{self.repeats[plain]}"
        self.taken.add(plain)
        return plain

    def temporary(self, code: str, comment: str) -> str:
        self.repeats["t"] += 1
        variable = self.variable(f"t{self.repeats['t']}")
        self.assign(variable, code, comment)
        return variable

    def assign(self, variable: str, code: str, comment: str) -> None:
        self.lines += [f"    # {clip(comment)}", f"    {variable} = {code}"]

    def quantities(self, quantities: Mapping[str, Quantity]) -> list[str]:
        rows = []
        for name, quantity in quantities.items():
            reader, comment = "floats" if quantity.is_tree else "take", f"# {name}: {quantity.axes_text}"
            first, *others = quantity.places
            if not others:
                rows.append(f"        {reader}({first.root}, {path(first.text)}),  {comment}")
            else:
                paths = [f"            {path(place.text)}," for place in quantity.places]
                rows += [f"        {reader}(", f"            {first.root},", *paths, f"        ),  {comment}"]
        return ["def quantities(states, trial_specs, model):", *returned("(", rows, ")")]

    def per_trial(self, quantities: Mapping[str, Quantity]) -> list[str]:
        self.lines = ["def per_trial(quantities, parameters, step, objects):"]
        if quantities:
            variables = [self.variables[name] for name in quantities]
            self.lines.append(f"    {', '.join(variables)}{',' if len(variables) == 1 else ''} = quantities")
        for name, node in self.names.items():
            self.define(name, node)
        rows = [self.row(term) for term in self.terms]
        return [*self.lines, *returned("{", rows, "}")]

    def define(self, name: str, node: Name) -> None:
        variable = self.variables[name]
        match node.meaning:
            case Quantity(dimensions=dimensions):
                ones = tuple(i for i, axis in enumerate(dimensions) if axis == "1")
                self.lines += [f"    {variable} = jnp.squeeze({variable}, axis={ones})"] if ones else []
                if name in self.masks & self.numbers:
                    self.given[name], self.variables[name] = variable, self.variable(f"{name}_number")
                    self.lines.append(f"    {self.variables[name]} = ops.number({variable})")
            case Parameter() if name != STEP:
                self.lines.append(f"    {variable} = parameters[{quoted(name)}]")
            case Object():
                self.lines.append(f"    {variable} = objects[{quoted(name)}]()")
            case Defined(expr=expr) as meaning:
                lowered = self.definition(meaning)
                # What tells the lengths of its axes may tell another order too.
                self.assign(variable, self.aligned(lowered, node.axes or {}, SUM), f"{name} = {expr}")
                self.known.setdefault(lowered.content, variable)

    def row(self, term: Term) -> str:
        body, factor = factored(self.bodies[term.label])
        axes, more = list(body.axes or ()), "" if factor is None else f", {self.code(factor, SUM)}"
        if TIME in axes:
            code = f"ops.sum({self.code(body, SUM)}, axis={axes.index(TIME)})"
        elif self.averages(body):
            code, more = f"ops.averaged({self.operand(body, 'x', body.args[0])}{more}, {self.axis(body)[0]})", ""
        else:
            code = self.code(body, SUM)
        code = f"ops.scaled({code}{more})" if more else code
        written = str(term.expr)
        return f"        {quoted(term.label)}: {code}," + ("" if written == term.label else f"  # {clip(written)}")

    def averages(self, body: Expr) -> TypeGuard[Call]:
        """Whether a term ends with a mean of all that there is, which nothing else needs."""
        if not isinstance(body, Call) or body.op.name != "mean" or body.args[1] != by_default(Fraction(1)):
            return False
        return body.content not in self.known and not self.shared(body)

    def weights(self) -> list[str]:
        self.lines = ["def weights(parameters, step):"]
        self.known = {}
        made = [term for term in self.terms if term.number is None]
        exprs = {term.label: expression(term.factor) for term in made}
        for name, node in each_name(exprs.values()).items():
            if name not in self.variables:
                self.variables[name] = self.variable(name)
            self.define(name, node)
        rows = [f"        {quoted(label)}: {self.code(expr, SUM)},  # {expr!s}" for label, expr in exprs.items()]
        return [*self.lines, *returned("{", rows, "}")]

    def code(self, node: Expr, level: int) -> str:
        """The Python expression of a node, in parentheses where it binds looser than `level`."""
        node = self.made(node)
        if isinstance(node, Call) and node.content in self.known:
            return self.known[node.content]
        code, binds = self.inline(node)
        if isinstance(node, Call) and (self.shared(node) or len(code) > LONGEST):
            return self.hoist(node, code)
        return code if binds >= level else f"({code})"

    def made(self, node: Expr) -> Expr:
        """What an expression is made of, where that is there too."""
        return self.instead.get(node.content, node) if isinstance(node, Call) else node

    def shared(self, node: Call) -> bool:
        return not node.constant and self.uses[node.content] > 1

    def hoist(self, node: Call, code: str) -> str:
        self.known[node.content] = self.temporary(code, str(node))
        return self.known[node.content]

    def inline(self, node: Expr) -> tuple[str, int]:
        match node:
            case Number():
                return literal(node.value), ATOM
            case Name() if node.name == STEP:
                # Whole for a schedule of it; a float in arithmetic, where a whole number would wrap around.
                return "jnp.asarray(step, float)", ATOM
            case Name():
                return self.variables[node.name], ATOM
            case Call() if node.constant and isinstance(value := weight_of(node), Fraction):
                return (literal(value), ATOM) if value >= 0 else (f"-{literal(-value)}", UNARY)
            case Call():
                return self.operator(node)
        raise AssertionError(f"please report: no code for {type(node)}")

    def operator(self, node: Call) -> tuple[str, int]:
        frame = node.fit.frame
        args = [(arg, frame) for arg in node.args]
        match node.op.name:
            case "+":
                return self.sum(node, frame), SUM
            case "*" if self.flagged(node):
                flag, x = node.args if self.is_flag(node.args[0]) else node.args[::-1]
                return f"ops.flagged({self.aligned(x, frame, SUM)}, {self.mask(flag, frame)})", ATOM
            case "*" | "/" as sign:
                return f"{self.aligned(*args[0], PRODUCT)} {sign} {self.aligned(*args[1], UNARY)}", PRODUCT
            case "neg":
                inner = self.made(node.args[0])
                if isinstance(inner, Call) and inner.op is node.op and not inner.constant:
                    return self.code(inner.args[0], ATOM), ATOM
                return f"-{self.code(node.args[0], UNARY)}", UNARY
            case "**":
                return f"{self.aligned(*args[0], ATOM)} ** {self.aligned(*args[1], UNARY)}", POWER
            case "[]":
                return f"{self.code(node.args[0], ATOM)}[{steps(node)}]", ATOM
        if node.op.renames:
            return self.code(node.args[0], ATOM), ATOM
        parameters = node.op.parameters(len(args))
        written = [self.argument(node, *parameter, arg) for parameter, arg in zip(parameters, node.args, strict=True)]
        return f"ops.{node.op.code}({', '.join([*filter(None, written), *self.axis(node)])})", ATOM

    def flagged(self, node: Call) -> bool:
        """Whether one factor of a product is 0 or 1, and the other one is not."""
        return [not arg.constant and self.is_flag(arg) for arg in node.args].count(True) == 1

    def argument(self, node: Call, parameter: str, default: Default, arg: Expr) -> str:
        """An argument as it is given to the function; a mask that leaves nothing out is left away."""
        if parameter in node.op.named and isinstance(default, Fraction) and arg == by_default(default):
            return ""
        if default == BESIDE:
            return f"{parameter}={self.lengths(node, arg)}"
        is_step = default == STEP and isinstance(arg, Name) and arg.name == STEP
        code = STEP if is_step else self.operand(node, parameter, arg)
        return code if default is None and parameter not in node.op.named else f"{parameter}={code}"

    def operand(self, node: Call, parameter: str, arg: Expr) -> str:
        """An operand, aligned to the others."""
        frame = node.fit.frame
        return self.aligned(arg, frame, SUM) if parameter != node.op.mask else self.mask(arg, frame)

    def mask(self, arg: Expr, frame: Axes) -> str:
        """A mask, as booleans if it can be."""
        axes = list(arg.axes or ())
        if viewed(arg) is not None:
            return turned(self.view(arg), axes, frame)
        inner = denied(arg, self.is_flag)
        if inner is not None:
            return f"{self.aligned(inner, frame, ATOM)} == 0"
        if not arg.constant and self.is_flag(arg):
            return f"{self.aligned(arg, frame, ATOM)} != 0"
        return self.aligned(arg, frame, SUM)

    def is_flag(self, node: Expr) -> bool:
        """Whether an expression is 0 or 1 whatever its quantities are."""
        return is_flag(node, self.definition, self.flags)

    def view(self, node: Expr) -> str:
        """A quantity as it is given, or steps of it."""
        if isinstance(node, Name):
            return self.given.get(node.name, self.variables[node.name])
        assert isinstance(node, Call)
        code = self.view(node.args[0])
        return code if node.op.renames else f"{code}[{steps(node)}]"

    def lengths(self, node: Call, like: Expr) -> str:
        """How long the axes of an operator are, as the value has them that tells."""
        axes, code = list(like.axes or ()), self.code(like, ATOM)
        found = [f"{code}.shape[{axes.index(axis)}]" for axis in named(node.static)]
        return found[0] if len(found) == 1 else f"({', '.join(found)})"

    def axis(self, node: Call) -> list[str]:
        frame, along, look = list(node.fit.frame), node.fit.along, settings(node)
        if along is None:
            return look
        positions = frame.index(along) if isinstance(along, str) else tuple(frame.index(axis) for axis in along)
        at = [f"at=jnp.s_[{node.static}]"] if node.op in (UNSLICED, OWN_SLICE) else []
        return [f"axis={positions}", *at, *look]

    def sum(self, node: Call, frame: Axes) -> str:
        """A sum; a long one in several lines, since Python nests `a + b + c` to the left."""
        total = self.aligned(node.args[0], frame, SUM)
        for count, arg in enumerate(node.args[1:], start=1):
            minus = isinstance(arg, Call) and arg.op.name == "neg"
            minus = minus and (not arg.constant or isinstance(arg.args[0], Number))
            addend = self.aligned(arg.args[0] if minus else arg, frame, PRODUCT)
            total += f" {'-' if minus else '+'} {addend}"
            if count % _WIDEST_SUM == 0 and count + 1 < len(node.args):
                total = self.temporary(total, "part of a long sum")
        return total

    def aligned(self, node: Expr, frame: Axes, level: int) -> str:
        """The operand with the dimensions of the frame, those that it lacks having length 1."""
        axes = list(node.axes or ())
        is_turned = bool(axes) and axes != list(frame)
        return turned(self.code(node, ATOM), axes, frame) if is_turned else self.code(node, level)


def factored(body: Expr) -> tuple[Expr, Expr | None]:
    """What of a product is of trials and steps, and the factor that has neither, which may follow their mean."""
    if isinstance(body, Call) and body.op.name == "*":
        for x, factor in (body.args, body.args[::-1]):
            if x.axes and not factor.axes:
                return x, factor
    return body, None
