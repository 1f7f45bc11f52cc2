"""What names mean: quantities, terms and parameters, one row each; at the end the rows for Feedbax's reaches."""

import keyword
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from hashlib import blake2b
from types import MappingProxyType
from typing import Any, Self

import jax

from lossdsl.axes import BATCH, TIME, Axes
from lossdsl.errors import described, did_you_mean, error, listed
from lossdsl.ops import OPS
from lossdsl.scalars import described_number, exact_number

ROOTS = ("states", "trial_specs", "model")
STEP = "step"
_TERM = "give a text, or an object with `label` and `term(states, trial_specs, model)`"
PYTREE = "pytree"


@dataclass(frozen=True)
class Quantity:
    r"""An array that the model or the task provides.

    Attributes:
        path: Where it lies: `states.mechanics.effector.pos`, beginning with `states`, `trial_specs` or `model`;
            each part an attribute, a key or an index.
        shape: Its axes as in jaxtyping, `"batch time xy"`; an axis `1` has length 1 and is dropped. `"pytree"`
            for a whole PyTree.
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
        """The declared axes of the array, with those of length 1."""
        return tuple(self.shape.split())

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

    Raises:
        LossNameError: For a name that is not one or means two things.

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
        quantities: Mapping[str, Quantity] | None = None,
        terms: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
    ) -> Self:
        """This vocabulary with more rows; a row of the same name and kind is replaced."""
        return type(self)(
            {**self.quantities, **(quantities or {})},
            {**self.terms, **(terms or {})},
            {**self.parameters, **(parameters or {})},
        )

    def advice(self, name: str, local: tuple[str, ...] = ()) -> str:
        """A hint for a name that is not there."""
        if name in OPS:
            return f"`{name}` is an operator: write `{OPS[name].example}`"
        strange = next((c for c in name if not c.isascii()), None)
        known = [*self.names, *local]
        plain = did_you_mean(name, [*known, *(n for n in OPS if n.isidentifier())], "")
        if not plain:
            number = f'a number that you give is a parameter: `compile(..., parameters={{"{name}": 1.0}})`'
            plain = did_you_mean(name.rsplit(".", 1)[-1], known, f"`lossdsl names` lists the names; {number}")
        return f"{plain} (`{strange}` is not a Latin letter)" if strange else plain


def _quantity(name: str, row: Any) -> Quantity:
    if isinstance(row, tuple | list) and len(row) == 2:
        return Quantity(*row)
    if not isinstance(row, Quantity):
        raise error(
            "bad-row", name=str(name), got=described(row), advice="give a `Quantity`, or a pair of path and axes"
        )
    return row


def _term(name: str, row: Any) -> Any:
    if isinstance(row, str):
        return Definition(row)
    is_class = isinstance(row, type)
    if is_class or not (isinstance(row, Definition) or callable(getattr(row, "term", None))):
        advice = f"give an instance: `{row.__name__}()`" if is_class else _TERM
        raise error("bad-row", name=str(name), got="a class" if is_class else described(row), advice=advice)
    return row


def _parameter(name: str, row: Any) -> Parameter:
    row = row if isinstance(row, Parameter) else Parameter(name, row)
    if not isinstance(row.default, jax.core.Tracer) and exact_number(row.default) is None:
        raise error("bad-weight", what="the parameter", name=str(name), got=described_number(row.default))
    return row


def _path_fault(path: object) -> str:
    if not isinstance(path, str):
        return "is not a text"
    parts = path.split(".")
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
    return "one of them stands there twice" if len(set(named)) < len(named) else ""


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
