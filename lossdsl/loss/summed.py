"""Sums and multiples of losses: `+`, `-`, `*`, `/` and `|`."""

from abc import abstractmethod
from typing import Any

import jax
import numpy as np

from lossdsl.backends import Aside
from lossdsl.errors import error
from lossdsl.language import described_number
from lossdsl.loss.algebra import check_ours, exact_scale, join, override
from lossdsl.loss.shown import Shown


class Summed(Shown, Aside):
    """What can be added and scaled; the results are weighted sums of terms, of the class of `composite`."""

    # NumPy then leaves `2.0 * loss` to us, where it would make an array of losses.
    __array_ufunc__ = None

    @property
    @abstractmethod
    def composite(self) -> Any:
        """The loss as a weighted sum of terms."""

    def __add__(self, other: Any) -> Any:
        if isinstance(other, Summed):
            return self.composite.of(join([(self.parts, 1), (other.parts, 1)]))
        return _unless_number(other, self.composite)

    def __radd__(self, other: Any) -> Any:
        return _unless_number(other, self.composite)

    def __sub__(self, other: Any) -> Any:
        return self + -other if isinstance(other, Summed) else _unless_number(other, self.composite)

    def __rsub__(self, other: Any) -> Any:
        return _unless_number(other, -self)

    def __neg__(self) -> Any:
        return self.composite.of(join([(self.parts, -1)]))

    def __mul__(self, scale: Any) -> Any:
        return self.composite.of(join([(self.parts, scale)]))

    __rmul__ = __mul__

    def __truediv__(self, scale: Any) -> Any:
        number = exact_scale(scale)
        if number == 0:
            raise error("divide")
        return self * (1 / scale if number is None else 1 / number)

    def __or__(self, other: "Summed") -> Any:
        """Both, where a term of the other takes the place of one with the same label."""
        if not isinstance(other, Summed):
            check_ours(other)
            return NotImplemented
        return self.composite.of(override(self.parts, other.parts))


def _unless_number(other: Any, loss: Any) -> Any:
    """What becomes of a loss and something else that is added: `sum(...)` begins with 0, another number is refused."""
    if isinstance(other, int | float) and other == 0:
        return loss
    if isinstance(other, int | float | np.generic | np.ndarray | jax.Array):
        raise error("add", got=described_number(other))
    # Else Feedbax's own addition would take ours for one of its terms.
    check_ours(other)
    return NotImplemented
