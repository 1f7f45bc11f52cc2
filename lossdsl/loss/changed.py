"""New weights and parameters -> the leaves of a loss that has them; nothing is traced or compiled again."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from jax import Array

from lossdsl.backends import Program
from lossdsl.errors import LossError, did_you_mean, error, listed
from lossdsl.loss.parts import Written
from lossdsl.loss.scalars import as_scalar, as_vector, copied, with_values
from lossdsl.meaning import each_name, expression


def check_labels(labels: Any, program: Program) -> None:
    """Refuse labels that the loss has not.

    Raises:
        LossNameError: With the nearest ones.
    """
    for label in labels:
        if label not in program.terms:
            advice = did_you_mean(str(label), program.terms, f"its terms are {listed(program.terms)}")
            raise error("unknown-label", name=str(label), advice=advice)


def new_numbers(program: Program, written: Written, numbers: Array, given: Mapping[str, Any]) -> Array:
    """The weights that are numbers, some of them new.

    Raises:
        LossNameError: For a label that is not there, or whose weight is made of parameters.
        LossValueError: For a weight that is not a finite real number.
    """
    check_labels(given, program)
    for label in given:
        if label not in program.numbers:
            raise _made_of_parameters(label, written, program)
    # All at once: a method that adapts weights sets them in each training step.
    places = np.array([program.numbers.index(label) for label in given])
    return with_values(numbers, (..., places), as_vector(given, dtype=numbers.dtype))


def _made_of_parameters(label: str, written: Written, program: Program) -> LossError:
    term = next(term for term in written.terms if term.label == label)
    weight = expression(term.factor)
    names = [name for name in each_name([weight]) if name in program.parameters]
    advice = f"change it with `with_parameters({'=..., '.join(names)}=...)`"
    if not names:
        advice = f"it follows `step`; for a factor that changes write `alpha*{label}` with a parameter `alpha`"
    return error("weight-of-parameters", label=label, weight=str(weight), advice=advice)


def new_parameters(parameters: Mapping[str, Array], given: Mapping[str, Any]) -> dict[str, Array]:
    """The parameters, some of them new.

    Raises:
        LossNameError: For a parameter that the loss does not have.
        LossValueError: For a value that is not a finite real number.
    """
    for name in given:
        if name not in parameters:
            there = f"its parameters are {listed(parameters)}" if parameters else "it has none"
            raise error("unknown-parameter", name=str(name), advice=did_you_mean(str(name), parameters, there))
    changed = {
        name: with_values(parameters[name], ..., as_scalar(value, "the parameter", name, parameters[name].dtype))
        for name, value in given.items()
    }
    return {**{name: copied(value) for name, value in parameters.items()}, **changed}
