r"""Tree and terms to LaTeX, by names or expanded to the mathematics behind them.

Operators bring their templates; only this printer adds parentheses.
"""

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from lossdsl.axes import BATCH, TIME
from lossdsl.bind import Defined
from lossdsl.expr import ATOM, POWER, PRODUCT, SUM, Call, Expr, Label, Name, Number, decimal, subscript_text
from lossdsl.normal import Term
from lossdsl.vocabulary import Quantity
from lossdsl.weights import expression

# What has no script yet can take any; an atom has a subscript and can take a power.
_NUCLEUS = ATOM + 1
_LEVELS = {"product": PRODUCT, "power": POWER, "atom": ATOM, "nucleus": _NUCLEUS, "": SUM}
_AXES = {TIME: "t", BATCH: "b"}
_GREEK = set(
    """
    alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu nu xi pi rho sigma tau upsilon phi chi psi omega
    Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega
    """.split()  # noqa: SIM905 - a list of them would be forty lines
)
# A definition that unfolds to more nodes than this is shown by its name.
_MOST_UNFOLDED = 200


@dataclass(frozen=True)
class _Piece:
    """A piece of LaTeX and how tightly it binds; a format such as `{x:atom}` asks for parentheses."""

    text: str
    binds: int

    def __format__(self, spec: str) -> str:
        return self.text if self.binds >= _LEVELS[spec] else rf"\left({self.text}\right)"


def latex(terms: tuple[Term, ...], expand: bool = False) -> str:
    """The sum of the terms.

    Args:
        terms: The normal form of a loss.
        expand: Unfold definitions, and write the sum over time and the mean over trials.
    """
    printer = _Printer(expand)
    addends = [printer.term(term) for term in terms]
    return "".join(
        f"{'-' if negative else '+' if i else ''}{' ' if i else ''}{text}{' ' if i + 1 < len(addends) else ''}"
        for i, (negative, text) in enumerate(addends)
    )


@dataclass(frozen=True)
class _Printer:
    expand: bool

    def term(self, term: Term) -> tuple[bool, str]:
        """Whether the term is subtracted, and its weight and body."""
        negative = isinstance(term.factor, Fraction) and term.factor < 0
        size = -term.factor if negative else term.factor
        body = self.reduced(term.expr) if self.expand else self.piece(term.expr)
        if size == 1:
            return negative, f"{body:product}"
        return negative, rf"{self.piece(expression(size)):product}\,{body:product}"

    def reduced(self, node: Expr) -> _Piece:
        """The body with what the rule of terms does to it."""
        axes, body = node.axes or {}, self.piece(node)
        if TIME in axes:
            body = _Piece(rf"\sum_{{t}} {body:product}", PRODUCT)
        return _Piece(rf"\left\langle {body} \right\rangle", _NUCLEUS) if BATCH in axes else body

    def piece(self, node: Expr) -> _Piece:
        match node:
            case Number():
                return _number(node.value)
            case Name():
                return self.name(node)
            case Label():
                return self.piece(node.args[0])
            case Call():
                return self.call(node)
        raise AssertionError(f"please report: no LaTeX for {type(node)}")

    def name(self, node: Name) -> _Piece:
        match node.meaning:
            case Quantity(latex=symbol) | Defined(latex=symbol) if symbol:
                return _symbol(symbol)
            case Defined(expr=expr, size=size) if self.expand and size <= _MOST_UNFOLDED:
                return self.piece(expr)
            case Quantity() | None:
                return _symbol(_upright(node.name))
            case Defined(constant=False):
                return _symbol(rf"\ell_{{{_upright(node.name)}}}")
        first, _, rest = node.name.partition("_")
        symbol = rf"\{first}" if first in _GREEK else first if len(first) == 1 else ""
        if not symbol:
            return _symbol(_upright(node.name))
        return _symbol(rf"{symbol}_{{{_upright(rest)}}}" if rest else symbol)

    def call(self, node: Call) -> _Piece:
        parts = [self.piece(arg) for arg in node.args]
        match node.op.name:
            case "+":
                return _Piece(self.sum(node, parts), SUM)
            case "*" if isinstance(node.args[1], Number):
                return _Piece(rf"{parts[0]:product} \cdot {parts[1]:power}", PRODUCT)
        static: Any = node.static
        at = subscript_text(static) if node.op.name == "[]" else ""
        axis = "" if not isinstance(static or "", str) else _axis(static or TIME)
        text = node.op.latex.format(**dict(zip(node.op.defaults, parts, strict=True)), at=at, axis=axis)
        return _Piece(text, _binds(node.op.latex))

    def sum(self, node: Call, parts: list[_Piece]) -> str:
        text = f"{parts[0]}"
        for arg, part in zip(node.args[1:], parts[1:], strict=True):
            minus = isinstance(arg, Call) and arg.op.name == "neg"
            text += f" - {self.piece(arg.args[0]):product}" if minus else f" + {part:product}"
        return text


def _symbol(text: str) -> _Piece:
    """A symbol; an escaped underscore in its name is not a subscript."""
    scripts = text.replace(r"\_", "")
    return _Piece(text, POWER if "^" in scripts else ATOM if "_" in scripts else _NUCLEUS)


def _binds(template: str) -> int:
    """How tightly what a template makes binds: what its delimiters close can take any script."""
    if ":product}" in template or ":power}" in template:
        return PRODUCT
    if ":atom}" in template or template.endswith("^{{2}}"):
        return POWER
    return ATOM if "_{{" in template else _NUCLEUS


def _number(value: Fraction) -> _Piece:
    mantissa, _, exponent = (decimal(value) or "").partition("e")
    if not exponent:
        return _Piece(mantissa, _NUCLEUS)
    power = f"10^{{{exponent}}}"
    return _Piece(power, POWER) if mantissa == "1" else _Piece(rf"{mantissa} \cdot {power}", PRODUCT)


def _axis(name: str) -> str:
    return _AXES.get(name) or _upright(name)


def _upright(name: str) -> str:
    escaped = name.replace("_", r"\_")
    return rf"\mathrm{{{escaped}}}"
