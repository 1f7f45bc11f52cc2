"""What names mean: quantities, terms and parameters, one row each; at the end the rows for Feedbax's reaches."""

import keyword
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Self

import jax

from lossdsl.axes import BATCH, TIME, Axes, dual
from lossdsl.errors import LossError, described, did_you_mean, error, listed
from lossdsl.ops import OPS
from lossdsl.scalars import described_number, exact_number
from lossdsl.syntax import POWERS

ROOTS = ("states", "trial_specs", "model")
STEP = "step"
_TERM = "give a text, or an object with `label` and `term(states, trial_specs, model)`"
PYTREE = "pytree"
_COMPONENTS = re.compile(r"(.+?)\[\.\.\., ?(?:(-?\d+)|(-?\d*):(-?\d*))\]")


@dataclass(frozen=True)
class Quantity:
    r"""An array that the model or the task provides.

    Attributes:
        path: Where it lies: `states.mechanics.effector.pos`, beginning with `states`, `trial_specs` or `model`;
            each part an attribute, a key or an index. `[..., 2]` or `[..., :2]` after it takes components of a
            vector, along its last axis.
        shape: Its axes as in jaxtyping, `"batch time xy"`; an axis `1` has length 1 and is dropped. A square matrix
            has its axis twice, `"state state"`; in a loss the second is called `state'`. `"pytree"` for a whole
            PyTree.
        latex: Its symbol.
        unit: Its physical unit.
        doc: One line that says what it is.

    Raises:
        LossNameError: For a path that is not one, or axes that are not names.

    Example:
        >>> Quantity("states.arm.torque", "batch time joint", latex=r"\tau", unit="N m").axes
        {'batch': None, 'time': None, 'joint': None}
    """

    path: str
    shape: str
    latex: str = ""
    unit: str = ""
    doc: str = ""

    def __post_init__(self) -> None:
        reason = _path_fault(self.path)
        if reason:
            raise error("bad-path", path=self.path, name="a quantity", reason=reason)
        if reason := _axes_fault(self.shape):
            raise error("bad-axes", axes=str(self.shape), reason=reason)

    @property
    def dimensions(self) -> tuple[str, ...]:
        """The declared axes of the array, with those of length 1; the second of a square matrix has its prime."""
        axes = self.shape.split()
        return tuple(dual(a) if a in axes[:i] and a != "1" else a for i, a in enumerate(axes))

    @property
    def is_tree(self) -> bool:
        """Whether it is a whole PyTree."""
        return self.shape.strip() == PYTREE

    @property
    def axes_text(self) -> str:
        """The declared axes, written evenly."""
        return " ".join(self.dimensions)

    @cached_property
    def axes(self) -> Axes | None:
        """The axes that it has in a loss."""
        return None if self.is_tree else {axis: None for axis in self.dimensions if axis != "1"}

    @property
    def constant(self) -> bool:
        return False

    @cached_property
    def content(self) -> bytes:
        """A hash of what decides its value."""
        return blake2b(f"quantity {self.path} {self.dimensions}".encode(), digest_size=16).digest()


@dataclass(frozen=True)
class Definition:
    """A term written in the language."""

    text: str
    latex: str = ""
    doc: str = ""


@dataclass(frozen=True)
class Parameter:
    """A named number that may change while training; `step` is one that is given with each call."""

    name: str
    default: float | None = None
    latex: str = ""
    doc: str = ""

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
class Vocabulary:
    """What the names of a loss mean.

    Attributes:
        quantities: Arrays of the model and the task; a `Quantity` or a pair of path and axes.
        terms: Texts in the language, or objects with `label` and `term(states, trial_specs, model)`.
        parameters: Numbers that can change while training, with their defaults.

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
            given = getattr(self, kind)
            if not isinstance(given, Mapping):
                raise error(
                    "bad-argument", argument=kind, got=described(given), advice="give a mapping from names to rows"
                )
            rows = {name: row(name, value) for name, value in given.items()}
            object.__setattr__(self, kind, MappingProxyType(rows))
        seen = {STEP}
        for name in [*self.quantities, *self.terms, *self.parameters]:
            reason = _name_fault(name) or ("it has one already" if name in seen else "")
            if reason:
                raise error("reserved-name", name=str(name), reason=reason)
            seen.add(name)

    def __repr__(self) -> str:
        return f"Vocabulary of {listed(self.names, at_most=4)}"

    def __reduce__(self) -> Any:
        return type(self), (dict(self.quantities), dict(self.terms), dict(self.parameters))

    @property
    def names(self) -> tuple[str, ...]:
        """All names, `step` among them."""
        return (*self.quantities, *self.terms, *self.parameters, STEP)

    def extend(
        self,
        quantities: Mapping[str, Any] | None = None,
        terms: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """This vocabulary with more rows; a row of the same name and kind is replaced."""
        return type(self)(
            {**self.quantities, **(quantities or {})},
            {**self.terms, **(terms or {})},
            {**self.parameters, **(parameters or {})},
        )

    def add(self, quantities: Mapping[str, Any], terms: Mapping[str, Any], parameters: Mapping[str, Any]) -> Self:
        """This vocabulary with more rows, of other names.

        Raises:
            LossNameError: For a name that it has.
        """
        for name in (*quantities, *terms, *parameters):
            if name in self.names:
                raise error("reserved-name", name=str(name), reason="it has one already")
        return self.extend(quantities, terms, parameters) if quantities or terms or parameters else self

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
        return type(self)(*kept).extend(other.quantities, other.terms, other.parameters)

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
            given = f'`compile(..., parameters={{"{name}": 1.0}})`, `--set {name}=1.0`'
            plain = did_you_mean(
                name.rsplit(".", 1)[-1],
                known,
                f"`lossdsl names` lists the names; a number that you give is a parameter: {given}",
            )
        return f"{plain} (`{strange}` is not a Latin letter)" if strange else plain


# The keys of a row that is given as a mapping, as in a config, and the fields that they fill; required ones first.
_QUANTITY_KEYS = {"path": "path", "axes": "shape", "latex": "latex", "unit": "unit", "doc": "doc"}
_TERM_KEYS = {"expr": "text", "latex": "latex", "doc": "doc"}
_PARAMETER_KEYS = {"default": "default", "latex": "latex", "doc": "doc"}


def _fields(name: str, row: Mapping[str, Any], keys: Mapping[str, str], required: int) -> dict[str, Any]:
    there = f"its keys are {listed(keys)}"
    for key, value in row.items():
        if key not in keys:
            raise error("unknown-key", key=str(key), where=f"`{name}`", advice=did_you_mean(str(key), keys, there))
        if key != "default" and not isinstance(value, str):
            raise error("bad-value", what=f"`{name}.{key}`", got=described(value), advice="give a text")
    for key in list(keys)[:required]:
        if key not in row:
            raise error("missing-key", key=key, where=f"`{name}`", keys=listed(row) or "none")
    return {keys[key]: value for key, value in row.items()}


def _quantity(name: str, row: Any) -> Quantity:
    try:
        if isinstance(row, Mapping):
            return Quantity(**_fields(name, row, _QUANTITY_KEYS, 2))
        if isinstance(row, Sequence) and not isinstance(row, str) and len(row) == 2:
            return Quantity(*row)
    except LossError as failure:
        failure.fields["name"] = name
        raise
    if not isinstance(row, Quantity):
        advice = "give a `Quantity`, or a pair of path and axes"
        raise error("bad-row", name=str(name), got=described(row), advice=advice)
    return row


def _term(name: str, row: Any) -> Any:
    if isinstance(row, str):
        return Definition(row)
    if isinstance(row, Mapping):
        return Definition(**_fields(name, row, _TERM_KEYS, 1))
    is_class = isinstance(row, type)
    if is_class or not (isinstance(row, Definition) or callable(getattr(row, "term", None))):
        advice = f"give an instance: `{row.__name__}()`" if is_class else _TERM
        raise error("bad-row", name=str(name), got="a class" if is_class else described(row), advice=advice)
    return row


def _parameter(name: str, row: Any) -> Parameter:
    if isinstance(row, Mapping):
        row = Parameter(name, **_fields(name, row, _PARAMETER_KEYS, 1))
    row = row if isinstance(row, Parameter) else Parameter(name, row)
    if not isinstance(row.default, jax.core.Tracer) and exact_number(row.default) is None:
        raise error("bad-weight", what="the parameter", name=str(name), got=described_number(row.default))
    return row


def _path_fault(path: object) -> str:
    if not isinstance(path, str):
        return "is not a text"
    parts = components(path)[0].split(".")
    if parts[0] not in ROOTS:
        return "does not begin with `states`, `trial_specs` or `model`"
    if any(part.startswith("__") for part in parts):
        return "holds a dunder"
    if not all(part.isidentifier() or part.isdecimal() for part in parts):
        return "has a part that is neither a name nor an index"
    return ""


def _axes_fault(shape: object) -> str:
    if not isinstance(shape, str):
        return "they are not a text"
    named = [axis for axis in shape.split() if axis != "1"]
    for axis in named:
        if not axis.isidentifier():
            return f"`{axis}` is not a name"
        # One that is meant to be averaged or summed as the rule of terms does, and would be a vector's.
        if meant := next((known for known in (BATCH, TIME) if axis != known and axis.lower().rstrip("s") == known), ""):
            return f"write `{meant}` for `{axis}`"
        if axis.lower().rstrip("s") == "trial":
            return f"write `{BATCH}` for `{axis}`"
    for axis in named:
        if (times := named.count(axis)) > (1 if axis in (BATCH, TIME) else 2):
            return f"`{axis}` stands there {'twice' if times == 2 else f'{times} times'}"
    return ""


def components(path: str) -> tuple[str, Any]:
    """A path without what takes components of a vector, and that: `[..., 2]` or `[..., :2]`, or None."""
    match = _COMPONENTS.fullmatch(path)
    if not match:
        return path, None
    base, *bounds = match.groups()
    if bounds[0]:
        return base, int(bounds[0])
    return base, slice(*(int(bound) if bound else None for bound in bounds[1:]))


def _name_fault(name: object) -> str:
    if not isinstance(name, str) or not all(part.isidentifier() for part in name.split(".")):
        return "it is not a name"
    return "`as` is a word of the language" if name == "as" else ""


def safe_identifier(name: str) -> str:
    """A Python variable that reads like the name."""
    plain = "".join(c if c.isascii() and c.isalnum() else "_" for c in name)
    plain = plain if plain and not plain[0].isdigit() else f"_{plain}"
    return f"{plain}_" if keyword.iskeyword(plain) else plain


FEEDBAX = Vocabulary(
    quantities={
        "effector.pos": Quantity(
            "states.mechanics.effector.pos", "batch time xy", r"\mathbf{x}", "m", "position of the effector"
        ),
        "effector.vel": Quantity(
            "states.mechanics.effector.vel",
            "batch time xy",
            r"\dot{\mathbf{x}}",
            "m/s",
            "velocity of the effector",
        ),
        "effector.force": Quantity(
            "states.mechanics.effector.force", "batch time xy", r"\mathbf{f}", "N", "force on the effector"
        ),
        "net.hidden": Quantity(
            "states.net.hidden", "batch time hidden", r"\mathbf{h}", "a.u.", "activity of the hidden units"
        ),
        "net.output": Quantity(
            "states.net.output", "batch time output", r"\mathbf{u}", "a.u.", "output of the network"
        ),
        "target.pos": Quantity(
            "trial_specs.target.pos",
            "batch time xy",
            r"\mathbf{x}^{*}",
            "m",
            "target position, from the first step on",
        ),
        "target.vel": Quantity(
            "trial_specs.target.vel",
            "batch time xy",
            r"\dot{\mathbf{x}}^{*}",
            "m/s",
            "target velocity, likewise",
        ),
        "target.force": Quantity(
            "trial_specs.target.force", "batch time xy", r"\mathbf{f}^{*}", "N", "target force, likewise"
        ),
        "inputs.hold": Quantity(
            "trial_specs.inputs.hold",
            "batch time 1",
            r"\eta",
            "",
            "1 while the effector should hold still, else 0",
        ),
        "model": Quantity("model", "pytree", r"\theta", "", "the arrays of the model"),
    },
    # States have the initial state at index 0 and targets do not, hence `[1:]`.
    terms={
        "position": Definition("sqnorm(effector.pos[1:] - target.pos)", doc="squared distance from the target"),
        "velocity": Definition("sqnorm(effector.vel[1:] - target.vel)", doc="squared velocity error"),
        "nn_output": Definition("sqnorm(net.output)", doc="squared output of the network"),
        "nn_hidden": Definition("sqnorm(net.hidden)", doc="squared activity of the hidden units"),
        "effector_position": Definition(
            "discount(position, exponent=6)", doc="squared distance, mostly that of the last steps"
        ),
        "effector_final_velocity": Definition("final(velocity)", doc="squared velocity error at the last step"),
        "effector_fixation": Definition("position*inputs.hold", doc="squared distance during the hold period"),
        "effector_straight_path": Definition(
            "sum(norm(diff(effector.pos)))/norm(final(effector.pos) - initial(effector.pos))",
            doc="length of the path over the straight distance",
        ),
    },
)

# What a config may call by name: Feedbax's, and none at all.
NAMED = {"feedbax": FEEDBAX, "none": Vocabulary()}


def named_vocabulary(name: str) -> Vocabulary:
    """The built-in vocabulary of that name.

    Raises:
        LossNameError: If there is none.
    """
    if name not in NAMED:
        advice = did_you_mean(name, NAMED, f"the built-in ones are {listed(NAMED)}; in a file it may be another file")
        raise error("unknown-vocabulary", name=name, advice=advice)
    return NAMED[name]
