r"""Tree to LaTeX, by names or expanded to the mathematics behind them.

Operators bring their templates; only this printer adds parentheses. Expanded, every quantity has the index of its
time step: `final(velocity)` is the norm at T, and a sum has the bounds of what it sums.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cached_property
from itertools import chain, count
from typing import Any, Self

from lossdsl.language import Call, Expr, Label, Name, Number, call
from lossdsl.mathematics.logic import formula_piece
from lossdsl.mathematics.pieces import (
    ATOM,
    FACTOR,
    NUCLEUS,
    PREFIX,
    SUM,
    Meaning,
    Piece,
    binds,
    minus,
    number,
    over,
    summed,
    times,
)
from lossdsl.mathematics.steps import (
    Windows,
    counted_latex,
    end_of,
    has_steps,
    step_latex,
    symbol,
    takes_steps,
    window_latex,
    window_of,
)
from lossdsl.mathematics.symbols import axes_latex, indexed, loss_symbol, script, symbol_of, upright, with_scripts
from lossdsl.meaning import Defined, Object, Parameter, Quantity, Term, expression
from lossdsl.operators import BATCH, STEP, TIME, Op

_LETTERS = {TIME: "tsrq", BATCH: "bc"}
_OTHER_LETTERS = "ijkl"
_STEPS = {"final": -1, "initial": 0}
# A definition that unfolds to more nodes than this is shown by its name.
_MOST_UNFOLDED = 100
_ONE = number(Fraction(1))
_LOSS, _MEAN = r"\mathcal{L}", r"\left\langle \cdot \right\rangle"


@dataclass(frozen=True)
class _Scope:
    """Where a piece stands.

    Attributes:
        expand: Whether it is expanded.
        index: The index that each axis has there.
        taken: The letters that a sum around it runs over.
        small: Whether it is too small for a fraction.
    """

    expand: bool
    index: Mapping[str, Any] = field(default_factory=dict)
    taken: frozenset[Any] = frozenset()
    small: bool = False

    def at(self, axis: str, index: Any) -> Self:
        return replace(self, index={**self.index, axis: index})

    def over(self, axis: str, letter: Any) -> Self:
        return replace(self.at(axis, letter), taken=self.taken | {letter})

    def letter(self, axis: str) -> Any:
        """An index that is not taken."""
        letters = _LETTERS.get(axis, _OTHER_LETTERS)
        more = (f"{letters[0]}_{{{n}}}" for n in count(1))
        return next(index for index in map(symbol, chain(letters, more)) if index not in self.taken)


@dataclass(frozen=True)
class Printer:
    """Prints the terms of one loss, and notes the symbols that it uses.

    Attributes:
        terms: The normal form.
        parameters: The parameters, with their symbols.
        seen: The symbols, and what each stands for: a name, a term, a row, or a text.
    """

    terms: tuple[Term, ...]
    parameters: Mapping[str, Parameter]
    seen: dict[str, Any] = field(default_factory=dict)

    @cached_property
    def windows(self) -> Windows:
        return Windows(term.expr for term in self.terms)

    def term(self, term: Term, expand: bool) -> str:
        """The weight and the body; a minus stands first."""
        weight, body = self.piece(expression(term.factor), _Scope(False)), self.body(term, expand)
        unit = isinstance(term.factor, Fraction) and abs(term.factor) == 1
        return ((minus(body) if weight.negative else body) if unit else times(weight, body)).at(SUM)

    def body(self, term: Term, expand: bool) -> Piece:
        """The term without its weight: by names, or with what the rule of terms does to it."""
        node, axes = term.expr, term.expr.axes or {}
        if not expand:
            self.seen.setdefault(_LOSS, Meaning(_LOSS, text="each term summed over time and averaged over the trials"))
            named = term.label != str(node)
            return self.symbol(loss_symbol(term.label), Label((node,))) if named else self.piece(node, _Scope(False))
        body = self.stepwise(node)
        if TIME in axes:
            body = Piece(rf"\sum{self.running(call('sum', node), TIME, _Scope(True))[2]} {body:product}", PREFIX)
        if BATCH not in axes:
            return body
        self.seen.setdefault(_MEAN, Meaning(_MEAN, text="mean over the trials"))
        return Piece(rf"\left\langle {body} \right\rangle", NUCLEUS)

    def stepwise(self, node: Expr) -> Piece:
        """The mathematics of an expression at the time step t."""
        scope = _Scope(True)
        return self.piece(node, scope.over(TIME, symbol("t")) if TIME in (node.axes or ()) else scope)

    def piece(self, node: Expr, scope: _Scope) -> Piece:
        match node:
            case Number():
                return number(node.value)
            case Name():
                return self.name(node, scope)
            case Label():
                return self.piece(node.args[0], scope)
            case Call():
                return self.call(node, scope)
        raise AssertionError(f"please report: no LaTeX for {type(node)}")

    def name(self, node: Name, scope: _Scope) -> Piece:
        meaning: Any = node.meaning
        while scope.expand and isinstance(meaning, Defined) and meaning.size <= _MOST_UNFOLDED:
            if not isinstance(meaning.expr, Name):
                return self.piece(meaning.expr, scope)
            node, meaning = meaning.expr, meaning.expr.meaning
        if isinstance(meaning, Parameter):
            meaning = self.parameters.get(node.name, meaning)
        axes = sorted(node.axes or (), key=TIME.__ne__)
        index = [self.step(scope.index[axis]) for axis in axes if axis in scope.index and axis != BATCH]
        return self.symbol(symbol_of(node.name, meaning), replace(node, meaning=meaning), index)

    def symbol(self, text: str, meaning: Any, index: list[str] | None = None) -> Piece:
        self.seen.setdefault(text, meaning)
        text = indexed(text, index) if index else text
        return Piece(text, FACTOR if script(text, "^'") else ATOM if script(text, "_") else NUCLEUS)

    def call(self, node: Call, scope: _Scope) -> Piece:
        match node.op.name:
            case "+":
                return summed([self.piece(arg, s) for arg, s in self.operands(node, scope)])
            case "neg":
                return minus(self.piece(node.args[0], scope))
            case "*":
                return times(*[self.piece(arg, s) for arg, s in self.operands(node, scope)])
            case "/":
                top, bottom = (self.piece(arg, s) for arg, s in self.operands(node, replace(scope, small=True)))
                return over(top, bottom, scope.small)
            case "**":
                (base, at), (exponent, above) = self.operands(node, scope)
                above = replace(above, small=True)
                return Piece(f"{self.piece(base, at):atom}^{{{self.piece(exponent, above)}}}", FACTOR)
            case "@" if scope.expand:
                return self.piece(node.args[0], scope)
            case "@":
                inner = self.piece(node.args[0], scope)
                return Piece(rf"\left. {inner:power} \right|_{{{window_latex(node.static)}}}", FACTOR)
            case "[]" | "final" | "initial" if takes_steps(node):
                return self.picked(node, scope)
            case "expand":
                return self.piece(node.args[0], scope)
            case "rename" if all(old != BATCH and new in scope.index for old, new in node.static):
                # The index that runs over the new axis says it.
                kept = {axis: at for axis, at in scope.index.items() if axis not in dict(node.static).values()}
                names = {old: scope.index[new] for old, new in node.static}
                return self.piece(node.args[0], replace(scope, index=kept | names))
            case _ if node.op.formula or node.op.formulas:
                return self.formula(node, scope)
        return self.template(node, scope)

    def formula(self, node: Call, scope: _Scope) -> Piece:
        """A formula; expanded, its quantities have the index of its time step."""
        self.notation(node.op)
        if scope.expand and TIME not in scope.index and node.op.formula and node.op.words:
            scope = scope.over(TIME, symbol("t"))
        parts = [self.piece(arg, at) for arg, at in self.operands(node, scope)]
        return formula_piece(node, parts, expand=scope.expand)

    def operands(self, node: Call, scope: _Scope) -> Iterator[tuple[Expr, _Scope]]:
        """The operands; one that begins at another step than the first is counted by its own steps."""
        for arg in node.args:
            if TIME in scope.index and has_steps(arg):
                late = self.windows.of(arg).first - self.windows.frame(node).first
                yield arg, scope.at(TIME, scope.index[TIME] + late)
            else:
                yield arg, scope

    def picked(self, node: Call, scope: _Scope) -> Piece:
        """Steps of the operand: by its index, or behind a bar."""
        operand, frame = node.args[0], self.windows.frame(node)
        static, window = _STEPS.get(node.op.name, node.static), window_of(operand)
        if scope.expand:
            at = end_of(window, static) if window else frame.source(static, scope.index.get(TIME, symbol("t")))
            return self.piece(operand, scope.at(TIME, at))
        self.notation(node.op)
        if isinstance(static, int):
            steps = self.step(end_of(window, static) if window else frame.step(static))
        else:
            steps = self.slice(frame, static)
        body = self.piece(operand, scope)
        return Piece(node.op.latex.format(x=body, at=steps, where=_ONE), FACTOR) if steps else body

    def slice(self, frame: Any, static: Any) -> str:
        (first, last), t, stride = frame.ends(static), self.step(symbol("t")), static[2] or 1
        if stride != 1:
            return rf"{t} = {self.step(first)}, {self.step(first + stride)}, \ldots"
        after, before = first != frame.first, last != frame.last
        if after and before:
            return rf"{self.step(first)} \leq {t} \leq {self.step(last)}"
        return rf"{t} \geq {self.step(first)}" if after else rf"{t} \leq {self.step(last)}" if before else ""

    def template(self, node: Call, scope: _Scope) -> Piece:
        """What the template of the operator makes of the operands."""
        inner, fields = self.fields(node, scope)
        template = with_scripts(node)
        self.notation(node.op)
        names = [name for name, _ in node.op.parameters(len(node.args))]
        parts = []
        for name, (arg, at) in zip(names, self.operands(node, inner), strict=True):
            in_script = f"_{{{{{{{name}}}" in template or f"^{{{{{{{name}}}" in template
            parts.append(self.piece(arg, replace(at, small=True) if in_script else at))
        # Of a name that repeats outside its rounds the first is meant.
        named: dict[str, Any] = {"where": _ONE, **dict(zip(reversed(names), reversed(parts), strict=True))}
        rounds = [dict(zip(node.op.repeats, operands, strict=True)) for operands in node.op.rounds(parts)]
        rows = "".join(node.op.row.format(**named | operands) for operands in reversed(rounds))
        return Piece(template.format(**named, **fields, rows=rows), binds(template))

    def fields(self, node: Call, scope: _Scope) -> tuple[_Scope, dict[str, str]]:
        """Where the operands stand, and the fields of a template that are not operands."""
        template, along = node.op.latex, node.fit.along or TIME
        if "{named}" in template:
            return scope, {"named": axes_latex(node)}
        if "{at}" in template and node.op.name in _STEPS:
            place = "last" if _STEPS[node.op.name] else "first"
            return scope, {"at": rf"\mathrm{{{place}}}\,{upright(str(along))}"}
        if "{axis}" in template or "{bounds}" in template:
            axes = (along,) if isinstance(along, str) else along
            if len(axes) == 1:
                scope, under, bounds = self.running(node, axes[0], scope)
                return scope, {"axis": under, "bounds": bounds}
            rows = []
            for axis in axes:
                scope, under, _ = self.running(node, axis, scope)
                rows.append(under)
            return scope, {"axis": ", ".join(rows), "bounds": f"_{{{', '.join(rows)}}}"}
        if "{t}" not in template:
            return scope, {}
        if window := window_of(node.args[0]):
            return scope, counted_latex(window, scope.index.get(TIME, symbol("t")))
        if TIME not in scope.index:
            return scope, {"t": self.step(symbol("t")), "T": self.step(symbol("T"))}
        frame = self.windows.frame(node)
        return scope, {"t": self.step(scope.index[TIME] - frame.first + 1), "T": self.step(frame.size)}

    def running(self, node: Call, axis: str, scope: _Scope) -> tuple[_Scope, str, str]:
        """An operator that runs over an axis: where its operands stand, what is written below it, its scripts."""
        timed, so_far = axis == TIME, axis in node.fit.result
        if not scope.expand:
            letters = [self.letter(axis, symbol(letter)) for letter in _LETTERS.get(axis, "")[: 1 + so_far]]
            here, *before = letters or [upright(axis), f"{upright(axis)}'"]
            name = rf"{before[0]} \leq {here}" if so_far else here
            return scope, name, f"_{{{name}}}"
        letter = scope.letter(axis)
        inner, name = scope.over(axis, letter), self.letter(axis, letter)
        if not timed:
            name += rf" \leq {scope.index.get(axis, upright(axis))}" if so_far else ""
            return inner, name, f"_{{{name}}}"
        if found := window_of(node.args[0]):
            name = rf"{name} \in {window_latex(found)}" + (
                rf",\, {name} \leq {self.step(scope.index[TIME])}" if so_far else ""
            )
            return inner, name, f"_{{{name}}}"
        window = self.windows.frame(node)
        first, last = window.first, scope.index.get(TIME, window.last) if so_far else window.last
        between = rf"{self.step(first)} \leq {name} \leq {self.step(last)}"
        return inner, between, self.bounds(letter, first, last)

    def notation(self, op: Op) -> None:
        if op.notation:
            left, _, right = op.notation.partition(" = ")
            self.seen.setdefault(left, Meaning(left, right))

    def bounds(self, letter: Any, first: Any, last: Any) -> str:
        return rf"_{{{self.letter(TIME, letter)}={self.step(first)}}}^{{{self.step(last)}}}"

    def letter(self, axis: str, letter: Any) -> str:
        self.seen.setdefault(str(letter), {TIME: "time step", BATCH: "trial"}.get(axis, f"index over {axis}"))
        return str(letter)

    def step(self, step: Any) -> str:
        """A time step or another index in LaTeX."""
        free = getattr(step, "free_symbols", ())
        if symbol("t") in free:
            self.letter(TIME, symbol("t"))
        if symbol("T") in free:
            self.seen.setdefault("T", "last time step")
        return step_latex(step)

    def meanings(self) -> Iterator[Meaning]:
        """What the symbols mean that were used, and those used for saying so: names first, then notation."""
        rows: dict[str, tuple[int, Meaning]] = {}
        while missing := [symbol for symbol in self.seen if symbol not in rows]:
            for text in missing:
                rows[text] = self.meaning(text, self.seen[text])
        yield from (row for _, row in sorted(rows.values(), key=lambda ranked: ranked[0]))

    def meaning(self, text: str, said: Any) -> tuple[int, Meaning]:
        match said:
            case Name(meaning=Defined(expr=expr, doc=doc)):
                return 0, Meaning(text, self.equation(expr), doc)
            case Name(name=name, meaning=Parameter(doc=doc)):
                return 2, Meaning(text, text=doc or ("training iteration" if name == STEP else f"parameter {name}"))
            case Name(meaning=Quantity(path=path, doc=doc, unit=unit)):
                return 1, Meaning(text, text=f"{doc or path} ({unit})" if unit else doc or path)
            case Name(meaning=Object(object=value)):
                return 0, Meaning(text, text=f"computed in Python by {type(value).__name__}")
            case Expr():
                return 0, Meaning(text, self.equation(said))
            case Meaning():
                return 3, said
        return 5 if text == "T" else 4, Meaning(text, text=said)

    def equation(self, expr: Expr) -> str:
        """What a name is equal to at the step t, and at which steps if not at all."""
        text = self.stepwise(expr).at(SUM)
        if TIME not in (expr.axes or ()):
            return text
        window = self.windows.of(expr)
        if window.first in (0, 1) and window.last == symbol("T"):
            return text
        return rf"{text},\; {self.step(window.first)} \leq t \leq {self.step(window.last)}"
