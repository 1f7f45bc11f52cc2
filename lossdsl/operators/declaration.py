"""What a declaration of an operator is; the decorated function is what runs.

From a declaration come the parser's checks, the named axes, the emitted code, LaTeX, and the lists of the
command line and the docs. To add an operator, add one to the file of its family; nothing else changes.
"""

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import cached_property
from typing import Any, NamedTuple

import jax.numpy as jnp
from jax import Array

from lossdsl.errors import error
from lossdsl.operators import curves
from lossdsl.operators.axes import Rule, elementwise
from lossdsl.operators.fold import FOLDED, Fold
from lossdsl.operators.signs import Sign, anything
from lossdsl.operators.singular import Rows

# The training iteration, which every vocabulary has.
STEP = "step"
# What a parameter is where a text does not give it: a number, a name of the language, or None where it must.
Default = Fraction | str | None
# What a function is given beside its operands, of formulas all of it.
_SETTINGS = ("axis", "within", "smooth", "first")
# Of a parameter that has the length of an axis: what stands beside the call has it.
BESIDE = ""
# What numbers must be, in words: the test takes those that it names, of one that repeats a list.
Domain = Mapping[str, Callable[..., bool]]


@dataclass(frozen=True, eq=False)
class Op:
    r"""An operator: what it is called, how it treats axes, what it computes, how it is written.

    Attributes:
        name: Its name in a text; for arithmetic its symbol.
        lower: The function on arrays. Keyword `axis` receives the positions of the axes that it works along.
        rule: Axes of the operands to axes of the result.
        linear: Whether it is linear in its first argument, and nothing else depends on its size.
        latex: A template, see below.
        notation: An equation that explains the template, for the list of symbols; empty where everyone knows it.
        example: A text that uses it, with the names of the default vocabulary.
        defaults: The parameters, in order.
        axis: Whether a text may say `axis=...`.
        domain: What its parameters must be where they are numbers; what is traced is not held against it.
        repeats: Parameters that a text gives together, once or more, before those that have a default.
        row: A template for each round of these; all rows, the last one first, are `{rows}` of `latex`.
        named: The parameters that a text gives by name only, such as `where=...`.
        whole: The parameter that is a whole number in the text, if there is one.
        optional: The last parameters, if a call has them only where its text gives them, and not as their default.
        renames: Whether its options are axes with their new names, such as `batch=key`.
        reads: What a step of the result is made of along the axis that it works along and keeps: `"all"` steps of the
            operand, the `"same"`, `"before"`, that step and those before, or `"after"`, that step and those after.
        flat: The parameters to which no gradient goes.
        mask: The parameter that is a mask, which may be of booleans.
        indicates: Whether it is 0 or 1 whatever its operands are.
        formula: Whether its result is a formula, and no number.
        formulas: The parameters that are formulas.
        words: What a text may say of a formula, `within` or `smooth`.
        degrees: To which power a factor of each operand goes before the operator: `(2, 1)` for `x**2 * y`, and for one
            that is linear `(1,)`.
        signs: Of what factors that holds: of `"any"`, of any by their `"absolute"` value, or of `"positive"` ones.
        squares: How it is a sum of squares: another operator of the same operands, whose squares sum to it over the
            axes that it takes away; `"operand"` if those of its operand do, where its mask leaves them in; `"sums"` if
            it sums with factors that are not negative, `"picks"` if it gives some of its operand.
        between: Between what numbers its result lies, and so its sign, by what is known of its operands.
        curve: Whether it is affine, convex or concave, and how it follows each operand: `"convex up"`, see `Curve`; or
            what says so where it stands. Not known if it is empty.
        singular: Where it has no finite gradient, and what to write instead; None if that is not known.
        unit: The unit of its result: `"same"` as of its operands, its `"square"` or `"root"`, `"none"`, `"pure"` if the
            operands must have none either, `"compared"` if they must have one; names behind it say which operands. By
            `degrees` if it is empty.
        fold: How it is computed step by step along `time`; without one it needs all steps at once.
        code: What its function is called in emitted code; another one for each declaration of the same name.

    The template is a Python format with the names of the parameters; a brace of LaTeX is doubled. `{x}` stands between
    delimiters. Elsewhere a level says what stands there without parentheses: `{x:product}` a product, `{x:power}` a
    factor, `{x:atom}` what can take an exponent. `{axis}` is what the operator runs over, `t` or `1 \leq t \leq T`,
    `{bounds}` the same as scripts, `_{t}` or `_{t=1}^{T}`; the operands then have that index. `{t}` is the number of
    the present step in the window of the operand, `{T}` how many there are, `{at}` the steps that are picked.

    A template that ends with `:product}` or `:power}` is a prefix, such as a sum sign; one from `\left` to `\right`
    takes scripts, a subscript after it included; any other is a factor, in parentheses before it gets a script.
    """

    name: str
    lower: Callable[..., Any]
    rule: Rule
    linear: bool
    latex: str
    example: str
    doc: str
    defaults: dict[str, Default]
    axis: bool = False
    domain: Domain = field(default_factory=dict)
    repeats: tuple[str, ...] = ()
    row: str = ""
    notation: str = ""
    named: tuple[str, ...] = ()
    whole: str = ""
    optional: tuple[str, ...] = ()
    renames: bool = False
    reads: str = "all"
    flat: tuple[str, ...] = ()
    mask: str = ""
    indicates: bool = False
    squares: "Op | str" = ""
    fold: Fold | None = None
    code: str = ""
    formula: bool = False
    formulas: tuple[str, ...] = ()
    words: tuple[str, ...] = ()
    degrees: tuple[int, ...] = ()
    signs: str = "any"
    between: Sign = anything
    curve: curves.Rule = ""
    singular: Rows | None = ()
    unit: str = ""

    def __reduce__(self) -> Any:
        return _named, (self.name,)

    def __repr__(self) -> str:
        return f"OPS[{self.name!r}]"

    @property
    def summary(self) -> str:
        """The first sentence of the documentation."""
        return self.doc.split("\n")[0]

    @property
    def is_called(self) -> bool:
        """Whether a text has parentheses behind its name: not behind `and`, `or` and `not`."""
        return self.name.isidentifier() and (not self.formula or bool(self.words))

    @cached_property
    def required(self) -> tuple[str, ...]:
        """The parameters that must be given, those that repeat left out."""
        return tuple(name for name, default in self.defaults.items() if default is None)

    @cached_property
    def has_length(self) -> bool:
        """Whether it takes the length of its axis from what stands beside it."""
        return BESIDE in self.defaults.values()

    @cached_property
    def options(self) -> dict[str, Default]:
        """The parameters that have a default."""
        return {name: default for name, default in self.defaults.items() if default is not None}

    def parameters(self, operands: int) -> list[tuple[str, Default]]:
        """The parameter and the default of each operand of a call that has so many."""
        if not self.repeats:
            return list(self.defaults.items())[:operands]
        rounds = (operands - len(self.defaults)) // len(self.repeats)
        return [*((name, None) for name in self.required + rounds * self.repeats), *self.options.items()]

    def rounds(self, operands: Sequence[Any]) -> list[Sequence[Any]]:
        """The operands of the parameters that repeat, round by round."""
        end = len(operands) - len(self.options)
        return [operands[i : i + len(self.repeats)] for i in range(len(self.required), end, len(self.repeats) or 1)]


OPS: dict[str, Op] = {}
INNER: dict[str, Op] = {}
# What emitted code calls, by the name that it has there.
CALLED: dict[str, Callable[..., Any]] = {}


def _named(name: str) -> Op:
    if name not in OPS and name not in INNER:
        raise error("undeclared", name=name)
    return OPS.get(name) or INNER[name]


def op(
    name: str = "", *, axes: Rule, latex: str, example: str, linear: bool = False, **more: Any
) -> Callable[[Callable[..., Array]], Callable[..., Array]]:
    """Declare an operator; its parameters are those of the function, but its settings and `*those` that repeat.

    Those after `*` go by name only; one annotated as `int` is a whole number in the text.
    """

    def declare(lower: Callable[..., Array]) -> Callable[..., Array]:
        signature = inspect.signature(lower).parameters.values()
        settings = _SETTINGS if "formulas" in more else _SETTINGS[:1]
        given = [p for p in signature if p.name not in settings and p.kind != p.VAR_POSITIONAL]
        defaults = {p.name: _default(p.default) for p in given}
        called = name or lower.__name__
        doc = inspect.getdoc(lower) or ""
        named = tuple(p.name for p in given if p.kind == p.KEYWORD_ONLY)
        whole = next((p.name for p in given if p.annotation is int), "")
        degrees = (1,) if linear else ()
        mask = "where" if "where" in named else ""
        fields = {"named": named, "whole": whole, "code": called, "degrees": degrees, "mask": mask, **more}
        CALLED[fields["code"]] = lower
        if "fold" in more:
            FOLDED[fields["code"]] = more["fold"].named(lower)
        OPS[called] = Op(called, lower, axes, linear, latex, example, doc, defaults, axes.option, **fields)
        return lower

    return declare


def _default(value: Any) -> Default:
    if value is inspect.Parameter.empty:
        return None
    return value if isinstance(value, str) else Fraction(str(value))


def symbol(name: str, lower: Callable[..., Any], example: str, doc: str, **more: Any) -> None:
    """Declare an operator that has a symbol in a text; emitted code and LaTeX use it."""
    names = ("x", "y")[: 1 if name in ("neg", "[]") else 2]
    fields = {"rule": elementwise, "linear": False, "latex": "", "defaults": dict.fromkeys(names), **more}
    OPS[name] = Op(name, lower, example=example, doc=doc, **{"degrees": (1,) if "linear" in more else (), **fields})


def inner(lower: Callable[..., Any], rule: Rule, parameters: Mapping[str, Default], **more: Any) -> Op:
    """An operator that no text has; trees have it where a window is made a mask, and where a mask goes."""
    name = lower.__name__
    CALLED[name] = lower
    INNER[name] = Op(name, lower, rule, False, "", "", lower.__doc__ or "", dict(parameters), code=name, **more)
    return INNER[name]


def wide(x: Array) -> Array:
    """Sixteen-bit floats as float32, which is where their reductions accumulate."""
    return x.astype(jnp.float32) if x.dtype in (jnp.float16, jnp.bfloat16) else x


def number(x: Any) -> Any:
    """Masks and counts as the floats that they stand for, since int8 wraps around in a square; 16-bit ones as float32.

    In float16 a square overflows at 256. XLA widens them where they are read, no wide copy is made.
    """
    if not hasattr(x, "dtype"):
        return x
    is_float = jnp.issubdtype(x.dtype, jnp.inexact)
    return wide(jnp.asarray(x)) if is_float else jnp.asarray(x, jnp.result_type(float))


def nonzero(mask: Any) -> Array:
    """Where a mask leaves in: where it is not 0."""
    mask = jnp.asarray(mask)
    return mask if mask.dtype == bool else mask != 0


class Scaled(NamedTuple):
    """A term before the mean over trials, and what no trial has for itself and follows it: a factor and a divisor."""

    value: Array
    factor: Array | None = None
    divisor: int = 1

    def scaled(self, value: Array) -> Array:
        """A value of the term, of each trial or their mean, with what follows."""
        product = value if self.factor is None else value * self.factor
        return product if self.divisor == 1 else product / self.divisor


# Emitted code has a factor of all trials.
CALLED["scaled"] = Scaled
# Emitted code makes numbers of a mask that is both.
CALLED["number"] = number

# What `axis=` is given as: the position of one axis, or of several.
Axis = int | tuple[int, ...]


class Functions:
    """What the operators compute, by name, wherever they are declared: `ops.huber(x, delta=0.1)`."""

    def __getattr__(self, name: str) -> Callable[..., Any]:
        if name not in CALLED:
            raise AttributeError(f"there is no operator {name!r}")
        return CALLED[name]


ops = Functions()
