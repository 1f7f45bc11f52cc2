"""What names mean: quantities, terms and parameters, one row each."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Self

import jax

from lossdsl.errors import LossError, Span, clip, described, did_you_mean, error, listed
from lossdsl.language import POWERS, Function, Name, described_number, exact_number, function, parse
from lossdsl.meaning.clock import BY_NAME, Clock
from lossdsl.meaning.given import plain
from lossdsl.meaning.propose import proposed
from lossdsl.meaning.quantity import PYTREE, Quantity
from lossdsl.meaning.rows import fields_of, quantity_of
from lossdsl.meaning.symbol import check_symbol
from lossdsl.operators import OPS, STEP, Axes

# The key of a term with arguments.
_CALL = re.compile(r"([^\W\d]\w*(?:\.[^\W\d]\w*)*)\s*\(\s*[^\W\d]\w*\s*(?:,\s*[^\W\d]\w*\s*)*,?\s*\)")
_TERM = "give a text, or an object with `label` and `term(states, trial_specs, model)`"


@dataclass(frozen=True)
class Definition:
    """A term written in the language; one with arguments is written out where it is called, so it has no symbol."""

    text: str
    latex: str = ""
    doc: str = ""
    arguments: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_symbol(self.latex)

    def called(self, name: str) -> str:
        """How it is called under a name: `name(x, y)` if it has arguments."""
        return f"{name}({', '.join(self.arguments)})" if self.arguments else name

    def function(self, name: str) -> Function:
        """The definition with arguments of that name.

        Raises:
            LossError: If its text is not an expression, or its arguments are not what they must be.
        """
        try:
            span = Span(self.text, 0, len(self.text))
            arguments = [Name(name=argument, span=span) for argument in self.arguments]
            return function(Name(name=name, span=span), arguments, parse(self.text))
        except LossError as failure:
            raise failure.in_term(name) from None


@dataclass(frozen=True)
class Parameter:
    """A named number that may change while training; `step` is one that is given with each call."""

    name: str
    default: float | None = None
    latex: str = ""
    doc: str = ""

    def __post_init__(self) -> None:
        check_symbol(self.latex)

    @property
    def axes(self) -> Axes:
        return {}

    @property
    def constant(self) -> bool:
        return True

    @property
    def content(self) -> bytes:
        return blake2b(f"parameter {self.name}".encode(), digest_size=16).digest()


@dataclass(frozen=True)
class Vocabulary(Clock):
    """What the names of a loss mean.

    Attributes:
        quantities: Arrays of the model and the task; a `Quantity`, a pair of path and axes, or the axes alone, where
            `x` is `states.x`.
        terms: Texts in the language, or objects with `label` and `term(states, trial_specs, model)`.
        parameters: Numbers that can change while training, with their defaults.
        epochs: Epochs of a trial, such as `hold` of `x@hold`, by name: a mask over `time` that is not 0 in it, as an
            expression or a `Quantity`; or a window, `"go..end"` or a pair of its bounds.
        events: Events in a trial, such as `go` of `x@go..end`, by name: the index of a step in each trial, likewise.
        dt: How long a step is, in seconds: a number, or the name of a parameter or of a quantity that is one.
        trials_begin: The step at which what belongs to the trials begins: 1, behind the initial state, or 0 with it.
        valid: Where trials end: a mask over `time` that is 0 behind the end. No reduction over `time` counts that.
        length: Where trials end: how many steps each has, in place of a mask.

    The name of a term may have arguments, as in `"spread(x)": "mean(square(x), axis=batch)"`.
    A row may be a mapping too, as in a config: `{path, axes, latex, unit, doc}` for a quantity, `{expr, latex, doc}`
    for a term, `{default, latex, doc}` for a parameter.

    Raises:
        LossNameError: For a name that is not one or means two things, and a mapping with other keys.
        LossValueError: For a default that is not a number.

    Example:
        >>> arm = Vocabulary(
        ...     quantities={"torque": Quantity("states.arm.torque", "batch time joint")},
        ...     terms={"effort": "sqnorm(torque)"},
        ...     parameters={"alpha": 1e-3},
        ... )
        >>> sorted(arm.names)
        ['alpha', 'effort', 'step', 'torque']
    """

    quantities: Mapping[str, Any] = field(default_factory=dict)
    terms: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for kind, row in (("quantities", _quantity), ("terms", _term), ("parameters", _parameter)):
            given = plain(getattr(self, kind))
            if not isinstance(given, Mapping):
                raise error(
                    "bad-argument", argument=kind, got=described(given), advice="give a mapping from names to rows"
                )
            rows = _terms(given) if kind == "terms" else {name: row(name, value) for name, value in given.items()}
            object.__setattr__(self, kind, MappingProxyType(rows))
        self.check_clock()
        seen = {STEP}
        for name in [*self.quantities, *self.terms, *self.parameters]:
            reason = _name_fault(name) or ("it has one already" if name in seen else "")
            if reason:
                raise error("reserved-name", name=str(name), reason=reason)
            seen.add(name)

    @classmethod
    def from_data(cls, states: Any, trial_specs: Any = None, model: Any = None) -> Self:
        """A row for each array of the data, with a name, its path, and axes that are guesses.

        The first axis that most arrays have is taken for `batch`, the next for `time`, where states may be one step
        longer than targets; other axes of one length get one name. Look at them, and correct what is guessed wrongly.

        Example:
            >>> import numpy as np
            >>> states = {"arm": {"pos": np.zeros((64, 101, 2)), "torque": np.zeros((64, 101, 6))}}
            >>> found = Vocabulary.from_data(states, {"goal": np.zeros((64, 100, 2))})
            >>> {name: (row.path, row.shape) for name, row in found.quantities.items()}
            ... # doctest: +NORMALIZE_WHITESPACE
            {'pos': ('states.arm.pos', 'batch time xy'), 'torque': ('states.arm.torque', 'batch time torque'),
             'goal': ('trial_specs.goal', 'batch time xy')}
        """
        whole = {} if model is None else {"model": Quantity("model", PYTREE, doc="the arrays of the model")}
        return cls(quantities={**proposed({"states": states, "trial_specs": trial_specs}), **whole})

    def __repr__(self) -> str:
        return f"Vocabulary of {listed(self.names, at_most=4)}"

    def __reduce__(self) -> Any:
        rows: dict[str, Any] = {key: dict(row) if key in BY_NAME else row for key, row in self.time_rows.items()}
        return partial(type(self), **rows), (dict(self.quantities), dict(self.terms), dict(self.parameters))

    @property
    def names(self) -> tuple[str, ...]:
        """All names, `step` among them."""
        return (*self.quantities, *self.terms, *self.parameters, STEP)

    def extend(
        self,
        quantities: Mapping[str, Any] | None = None,
        terms: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        **time: Any,
    ) -> Self:
        """This vocabulary with more rows; a row of the same name and kind is replaced, and `dt` and its like too."""
        return type(self)(
            {**self.quantities, **(quantities or {})},
            {**self.terms, **_terms(terms or {})},
            {**self.parameters, **(parameters or {})},
            **self.with_rows(time),
        )

    def add(
        self, quantities: Mapping[str, Any], terms: Mapping[str, Any], parameters: Mapping[str, Any], **time: Any
    ) -> Self:
        """This vocabulary with more rows, of other names; a parameter that it has may be given another value.

        Raises:
            LossNameError: For a name that it has.
        """
        valued = {name: self._valued(name, row) for name, row in parameters.items()}
        others = [name for name in parameters if name not in self.parameters]
        there = [name for name in (*quantities, *map(name_of, terms), *others) if name in self.names]
        given = {kind: time[kind] for kind in BY_NAME if isinstance(time.get(kind), Mapping)}
        there += [name for kind, rows in given.items() for name in rows if name in getattr(self, kind)]
        for name in there:
            raise error("reserved-name", name=str(name), reason="it has one already")
        more = quantities or terms or parameters or any(row is not None for row in time.values())
        return self.extend(quantities, terms, valued, **time) if more else self

    def _valued(self, name: str, row: Any) -> Any:
        """The row of a parameter; a mere number has the symbol and the doc that stand here."""
        here = self.parameters.get(name)
        return row if here is None or exact_number(row) is None else replace(here, default=row)

    def __or__(self, other: Self) -> Self:
        """Both, the other's meaning where a name has two, whatever kinds of row they are.

        A term is a text until a loss is compiled: the rows of the other change what the terms of this one mean.

        Example:
            >>> print((Vocabulary(terms={"a": "x"}) | Vocabulary(quantities={"a": ("states.a", "batch")})).terms)
            {}
        """
        if not isinstance(other, Vocabulary):
            return NotImplemented
        pairs = [
            (self.quantities, other.quantities),
            (self.terms, other.terms),
            (self.parameters, other.parameters),
        ]
        kept = [{n: row for n, row in mine.items() if n in theirs or n not in other.names} for mine, theirs in pairs]
        both = type(self)(*kept, **self.time_rows)
        return both.extend(other.quantities, other.terms, other.parameters, **other.said)

    def advice(self, name: str, local: tuple[str, ...] = ()) -> str:
        """A hint for a name that is not there."""
        if name in OPS:
            return f"`{name}` is an operator: write `{OPS[name].example}`"
        if name in ("inf", "nan", "infinity"):
            return "a loss is made of finite numbers"
        if raised := next((c for c in name if c in POWERS), ""):
            return f"write `{POWERS[raised]}` for `{raised}`"
        strange = next((c for c in name if not c.isascii()), None)
        known = [*self.names, *local]
        plain = did_you_mean(name, [*known, *(n for n in OPS if n.isidentifier())], "")
        if not plain:
            short = clip(name, 60)
            value = math.pi if name == "pi" else 1.0
            number = f'a number: `parameters={{"{short}": {value}}}`, `--set {short}={value}`'
            yours = f'an array of your own: `quantities={{"{short}": "batch time"}}`, {number}'
            otherwise = f"the names are {listed(known, 5)}; {yours}"
            plain = did_you_mean(name.rsplit(".", 1)[-1], known, otherwise)
        return f"{plain} (`{strange}` is not a Latin letter)" if strange else plain


# The keys of a row that is given as a mapping, as in a config, and the fields that they fill; required ones first.
_TERM_KEYS = {"expr": "text", "latex": "latex", "doc": "doc"}
_PARAMETER_KEYS = {"default": "default", "latex": "latex", "doc": "doc"}


def _quantity(name: str, row: Any) -> Quantity:
    try:
        if isinstance(row, Mapping):
            return quantity_of(name, row)
        if isinstance(row, Sequence) and not isinstance(row, str) and len(row) == 2:
            return Quantity(*row)
        if isinstance(row, str) and "." not in row:
            return Quantity(f"states.{name}", row)
    except LossError as failure:
        failure.fields["name"] = name
        raise
    if isinstance(row, str):
        advice = f'give its axes too, as in `("{row}", "batch time")`'
        raise error("bad-row", name=name, got="a path without axes", advice=advice)
    if not isinstance(row, Quantity):
        advice = "give a `Quantity`, a pair of path and axes, or the axes of what `states` has under that name"
        raise error("bad-row", name=str(name), got=described(row), advice=advice)
    return row


def name_of(key: Any) -> Any:
    """The name that a key of `terms` gives a meaning, without the arguments that stand behind it."""
    match = _CALL.fullmatch(key) if isinstance(key, str) else None
    return match[1] if match else key


def _terms(given: Mapping[Any, Any]) -> dict[Any, Any]:
    """The rows of terms by name; arguments that stand in a key are those of its row."""
    rows: dict[Any, Any] = {}
    for key, value in given.items():
        name, row = name_of(key), _term(key, value)
        if name in rows:
            raise error("reserved-name", name=str(key), reason="it has one already")
        if name != key:
            if name in OPS:
                raise error("hides-operator", name=name)
            if not isinstance(row, Definition) or row.latex:
                got = "given a symbol" if isinstance(row, Definition) else described(row)
                advice = "give a text: one with arguments is written out where it is called"
                raise error("bad-row", name=key, got=got, advice=advice)
            row = replace(row, arguments=tuple(re.findall(r"\w+", key[len(name) :])))
        rows[name] = row
    return rows


def _term(name: str, row: Any) -> Any:
    if isinstance(row, str):
        return Definition(row)
    if isinstance(row, Mapping):
        return Definition(**fields_of(name, row, _TERM_KEYS, 1))
    is_class = isinstance(row, type)
    if is_class or not (isinstance(row, Definition) or callable(getattr(row, "term", None))):
        advice = f"give an instance: `{row.__name__}()`" if is_class else _TERM
        raise error("bad-row", name=str(name), got="a class" if is_class else described(row), advice=advice)
    return row


def _parameter(name: str, row: Any) -> Parameter:
    if isinstance(row, Mapping):
        row = Parameter(name, **fields_of(name, row, _PARAMETER_KEYS, 1))
    row = row if isinstance(row, Parameter) else Parameter(name, row)
    if not isinstance(row.default, jax.core.Tracer) and exact_number(row.default) is None:
        raise error("bad-weight", what="the parameter", name=str(name), got=described_number(row.default))
    return row


def _name_fault(name: object) -> str:
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        return "it is not a name"
    return "`as` is a word of the language" if name == "as" else ""
