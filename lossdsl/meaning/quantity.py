"""An array that the model or the task provides: where it lies, and the names of its axes."""

from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b

from lossdsl.errors import error
from lossdsl.meaning.path import Place, path_fault, places
from lossdsl.meaning.symbol import check_symbol
from lossdsl.operators import BATCH, TIME, Axes, dual

PYTREE = "pytree"


@dataclass(frozen=True)
class Quantity:
    r"""An array that the model or the task provides.

    Attributes:
        path: Where it lies: `states.mechanics.effector.pos`, beginning with `states`, `trial_specs` or `model`;
            each part an attribute, a key or an index, a key that is no name in brackets, `targets["effector.pos"]`.
            `[..., 2]` or `[..., :2]` after it takes components of a vector, along its last axis. Several with ` | `
            between are tried in order: the array lies where the first of them is.
        shape: Its axes as in jaxtyping, `"batch time xy"`; an axis `1` has length 1 and is dropped. A square matrix
            has its axis twice, `"state state"`; in a loss the second is called `state'`. `"pytree"` for a whole
            PyTree.
        latex: Its symbol: letters, accents, fonts, fractions, brackets and scripts.
        unit: Its physical unit.
        doc: One line that says what it is.

    Raises:
        LossNameError: For a path that is not one, or axes that are not names.
        LossValueError: For a symbol with anything else in it.

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
        if reason := path_fault(self.path):
            raise error("bad-path", path=self.path, name="a quantity", reason=reason)
        if reason := _axes_fault(self.shape):
            raise error("bad-axes", axes=str(self.shape), reason=reason)
        check_symbol(self.latex)

    @property
    def places(self) -> tuple[Place, ...]:
        """The places that are tried, in order."""
        return places(self.path)

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
        """A hash of what decides its value; one more place that is tried after the first changes none."""
        return blake2b(f"quantity {self.places[0].text} {self.dimensions}".encode(), digest_size=16).digest()


def is_axis(name: str) -> bool:
    """Whether an axis can be called so, and means nothing else."""
    return name.isidentifier() and not _axes_fault(name) and name not in (BATCH, TIME, PYTREE)


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
