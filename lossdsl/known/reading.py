"""Terms -> what is known of them before any array is there: their sign, whether they are convex, their unit."""

from collections.abc import Mapping
from fractions import Fraction

from lossdsl.known import units
from lossdsl.known.units import Unit, unit_of
from lossdsl.language import Call, Expr, Label, Name, Number
from lossdsl.meaning import Defined, Object, Parameter, Quantity, Term, computed, each_name, expression, summed
from lossdsl.operators import BATCH, BESIDE, ONE, OPS, TIME, At, Known, Range, bend, scaled

_STOP, _SHARE = OPS["stop_gradient"], Range(0, 1)
# What a product of something with itself is.
_OF_ONE = {"*": "square", "dot": "sqnorm"}
_FIXED = Known(convex=True, concave=True, fixed=True, moves=False)


class Reading:
    """What is known of expressions; each is looked at once, however often it stands there.

    Args:
        parameters: The values of parameters that are known.
    """

    def __init__(self, parameters: Mapping[str, float]):
        self.parameters = parameters
        self.bodies: dict[Expr, Expr] = {}
        self.definitions: dict[Defined, Expr] = {}
        self.found: dict[Expr, Known] = {}
        self.measured: dict[Expr, Unit] = {}

    def body(self, term: Term) -> Expr:
        """The body of a term as it is computed, for which all that it is made of is known then."""
        if term.expr in self.bodies:
            return self.bodies[term.expr]
        body = self.bodies[term.expr] = summed(term.expr)
        # What is needed first is looked at first, so that no question descends a chain of definitions.
        for name in each_name([body], self.definition).values():
            self.of(name)
            self.unit(name)
        return body

    def definition(self, meaning: Defined) -> Expr:
        """What a definition computes."""
        if meaning not in self.definitions:
            self.definitions[meaning] = computed(meaning)
        return self.definitions[meaning]

    def term(self, term: Term) -> Known:
        """What is known of a term with its weight, summed over time and averaged over the trials."""
        body = self.body(term)
        known = self.of(body)
        for axis, name in ((TIME, "sum"), (BATCH, "mean")):
            if axis in (body.axes or ()):
                known = self.applied(Call((body,), OPS[name], axis), (known,))
        return scaled(known, self.weight(term))

    def weight(self, term: Term) -> Range:
        """Between what numbers a weight lies."""
        return self.of(weight_tree(term)).range

    def of(self, node: Expr) -> Known:
        """What is known of an expression."""
        if node not in self.found:
            self.found[node] = self._of(node)
        return self.found[node]

    def _of(self, node: Expr) -> Known:
        match node:
            case Number():
                return ONE._replace(range=Range(*[_float(node.value)] * 2))
            case Label():
                return self.of(node.args[0])
            case Name(meaning=Quantity() as quantity):
                roots = {place.root for place in quantity.places}
                axes = tuple(node.axes or ())
                moves = bool(roots & {"states", "model"})
                return _FIXED._replace(fixed="states" not in roots, moves=moves, axes=axes)
            case Name(meaning=Defined() as defined):
                return self.of(self.definition(defined))
            case Name(meaning=Object()):
                return Known(axes=tuple(node.axes or ()))
            case Name(name=name):
                value = self.parameters.get(name)
                return _FIXED if value is None else _FIXED._replace(range=Range(value, value))
            case Call(op=op, args=(x, y)) if op.name in _OF_ONE and x == y:
                return self.of(Call((x,), OPS[_OF_ONE[op.name]], node.static))
            case Call():
                return self.applied(node, tuple(map(self.of, node.args)))
        raise AssertionError(f"please report: nothing is known of {type(node)}")

    def applied(self, node: Call, args: tuple[Known, ...]) -> Known:
        """What is known of an operator where it stands."""
        op, at = node.op, self.at(node, args)
        convex, concave = bend(op.curve, at)
        moves = any(args[i].moves for i in entered(node))
        fixed = all(arg.fixed for arg in (*at.args, at.mask))
        place = node.along[0] if op.name == "argmax" else ""
        sign = _SHARE if op.indicates else op.between(at)
        return Known(sign, convex, concave, fixed, moves, tuple(node.axes or ()), place)

    def at(self, node: Call, args: tuple[Known, ...]) -> At:
        """Where an operator stands."""
        names = parameters(node)
        lengths = [i for i, name in enumerate(names) if node.op.defaults.get(name) == BESIDE]
        where = names.index("where") if "where" in names else None
        operands = tuple(arg for i, arg in enumerate(args) if i != where and i not in lengths)
        return At(operands, ONE if where is None else args[where], node.along, node.static)

    def lost(self, node: Expr) -> str:
        """Of which part of an expression it is not known whether it is convex, while it is of its operands."""
        if self.of(node).convex or self.of(node).concave:
            return "the sign of its weight is not known"
        while True:
            if isinstance(node, Name) and isinstance(node.meaning, Defined):
                node = self.definition(node.meaning)
            bent = (arg for arg in node.args if not (self.of(arg).convex or self.of(arg).concave))
            if (part := next(bent, None)) is None:
                return f"not known of `{text_of(node)}`"
            node = part

    def stopped(self, node: Expr) -> list[Expr]:
        """The parts of an expression through which a gradient would go, but for `stop_gradient`."""
        names = each_name([node], self.definition).values()
        bodies = [node, *(self.definition(name.meaning) for name in names if isinstance(name.meaning, Defined))]
        calls = [part for body in bodies for part in body.walk() if isinstance(part, Call) and part.op is _STOP]
        return list(dict.fromkeys(part for part in calls if self.of(part.args[0]).moves))

    def unit(self, node: Expr) -> Unit:
        """What an expression is measured in."""
        if node not in self.measured:
            self.measured[node] = self._unit(node)
        return self.measured[node]

    def _unit(self, node: Expr) -> Unit:
        if node.constant:
            return units.NUMBER
        match node:
            case Label():
                return self.unit(node.args[0])
            case Name(meaning=Quantity() as quantity):
                return unit_of(quantity.unit)
            case Name(meaning=Defined() as defined):
                return self.unit(self.definition(defined))
            case Call():
                return self._unit_of_call(node)
        return units.UNKNOWN

    def _unit_of_call(self, node: Call) -> Unit:
        op, names = node.op, parameters(node)
        name = "sum" if op.name == "+" else op.name
        kind, *of = op.unit.split() or ["same" if op.formula else "product" if op.degrees else ""]
        skipped = {"where", *op.flat} - ({"x", "y"} if kind == "compared" else set())
        chosen = [i for i, parameter in enumerate(names) if parameter in (of or {*names} - skipped)]
        operands = [self.unit(node.args[i]) for i in chosen]
        match kind:
            case "power":
                return self._power(node, operands[0])
            case "product":
                return units.times(operands[: len(op.degrees)], op.degrees)
            case "same":
                return units.same(name, operands)
            case "square" | "root":
                found = units.same(name, operands)
                return units.times([found], [2 if kind == "square" else Fraction(1, 2)])
            case "pure":
                return units.pure(name, operands)
            case "compared":
                found = units.same(name, operands)
                return found if found.powers is None else units.NONE
            case "none":
                return units.NONE
        return units.UNKNOWN

    def _power(self, node: Call, base: Unit) -> Unit:
        low, high = self.of(node.args[1]).range
        if base.powers is None or not base.base:
            return base
        return units.times([base], [Fraction(low).limit_denominator(100)]) if low == high else units.UNKNOWN


def weight_tree(term: Term) -> Expr:
    """A weight as a bound expression."""
    tree = expression(term.factor)
    return tree.xreplace({name: Name(name=name.name, meaning=Parameter(name.name)) for name in tree.free_symbols})


def text_of(node: Expr) -> str:
    """An expression as a text has it: what the mask of a window is made of stands in none."""
    made = any(isinstance(part, Call) and part.op.name not in OPS for part in node.walk())
    return str(node.span) if made and node.span else str(node)


def parameters(node: Call) -> list[str]:
    """What its declaration calls each operand; the first one's name for each addend."""
    names = [name for name, _ in node.op.parameters(len(node.args))]
    return names + ["x"] * (len(node.args) - len(names))


def entered(node: Call) -> list[int]:
    """The operands that a gradient goes into."""
    if node.op is _STOP or node.op.indicates:
        return []
    return [i for i, name in enumerate(parameters(node)) if name not in node.op.flat]


def _float(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")
