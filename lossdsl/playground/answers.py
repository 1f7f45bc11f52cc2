"""A text, data and numbers -> what a page shows of the loss: its terms, formula, values, courses and source."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import jax.numpy as jnp
import numpy as np

from lossdsl.backends import Trajectories
from lossdsl.configs import write_yaml
from lossdsl.errors import LossError, error
from lossdsl.language import described_number, exact_number, shown_axes
from lossdsl.loss import CompositeLoss, LossDict, cells, compile, in_json
from lossdsl.meaning import Term, Vocabulary, expression
from lossdsl.playground.courses import Courses
from lossdsl.playground.formulas import tree
from lossdsl.playground.words import wrong

# The language takes more; a page that answers while one types does not.
MOST_CHARACTERS = 10_000


@dataclass(frozen=True)
class Numbers:
    """Numbers that take the place of those of a text, each as it was written.

    Attributes:
        weights: Weights by label.
        parameters: Parameters by name.
        step: The training iteration, a whole number.
    """

    weights: Mapping[str, str] = field(default_factory=dict)
    parameters: Mapping[str, str] = field(default_factory=dict)
    step: str = "0"


class Played:
    """A text that is compiled for data: other numbers need no other one.

    Args:
        text: The text.
        vocabulary: What its names mean.
        data: What it is evaluated on, if there is anything.

    Raises:
        LossError: What is wrong with the text.
    """

    def __init__(self, text: str, vocabulary: Vocabulary, data: Trajectories | None):
        if len(text) > MOST_CHARACTERS:
            raise error("too-long", size=len(text), limit=MOST_CHARACTERS)
        self.text, self.vocabulary, self.data = text, vocabulary, data
        self.loss = compile(text, vocabulary)
        self._courses = Courses(self.loss.terms)
        self._last: tuple[Any, list[dict[str, Any]]] = None, []

    def courses(self, loss: CompositeLoss, step: Any) -> list[dict[str, Any]]:
        """What the terms are over time; weights make no difference to it, so that what was found last is kept.

        Raises:
            LossDataError: For data that do not fit.
        """
        key = {name: float(value) for name, value in loss.parameters.items()}, None if step is None else int(step)
        if self._last[0] != key:
            self._last = key, self._courses.values(self.data or (), loss.parameters, step)
        return self._last[1]


def answer(
    text: str, vocabulary: Vocabulary, data: Trajectories | None, numbers: Numbers | None = None
) -> dict[str, Any]:
    """All that a page shows of a text, as plain data; of one that is no loss, what is wrong with it.

    Args:
        text: The text.
        vocabulary: What its names mean.
        data: What it is evaluated on; without data there are no values.
        numbers: Other weights and parameters than those of the text.

    Example:
        >>> from lossdsl import FEEDBAX, example
        >>> found = answer("position + 1e-5*nn_hidden", FEEDBAX, example())
        >>> found["values"]["rows"][0], found["courses"][0]["steps"][:3]
        (['position', '1', '48.5405', '48.5405', '100.0%'], [1, 2, 3])
        >>> answer("positon", FEEDBAX, None)["errors"][0]["message"]
        'there is no name `positon`'
    """
    try:
        return shown(Played(text, vocabulary, data), numbers or Numbers())
    except LossError as failure:
        return {"errors": wrong(failure, text, vocabulary)}


def shown(played: Played, numbers: Numbers) -> dict[str, Any]:
    """All that a page shows of what is compiled, with these numbers in place of its own.

    Raises:
        LossError: For numbers that are none, and those of other terms.
    """
    loss = played.loss.with_weights(numbers.weights).with_parameters(numbers.parameters)
    step = _step(numbers.step) if loss.program.uses_step else None
    values, courses, errors = None, [], []
    if played.data is not None:
        try:
            values = _values(loss(*played.data, step))
            courses = played.courses(loss, step)
            loss.check(*played.data, step)
        except LossError as failure:
            errors = wrong(failure, played.text, played.vocabulary)
    return {
        "terms": [_term(term, loss) for term in loss.terms],
        "parameters": [_parameter(name, value, loss) for name, value in loss.parameters.items()],
        "uses_step": loss.program.uses_step,
        "formula": {"short": _addends(loss, expand=False), "long": _addends(loss, expand=True)},
        "copies": _copies(loss),
        "digest": loss.digest,
        "values": values,
        "courses": courses,
        "errors": errors,
    }


def _step(written: str) -> Any:
    number = exact_number(written)
    if number is None or number.denominator != 1 or abs(number) > np.iinfo(np.int32).max:
        raise error("bad-step", got=described_number(written))
    return jnp.asarray(int(number))


def _term(term: Term, loss: CompositeLoss) -> dict[str, Any]:
    """A term; its weight can be set if it is a number of its own."""
    return {
        "label": term.label,
        "text": str(term.expr),
        "axes": shown_axes(term.expr.axes),
        "weight": str(expression(term.factor)),
        "is_number": term.label in loss.program.numbers,
    }


def _parameter(name: str, value: Any, loss: CompositeLoss) -> dict[str, Any]:
    meaning: Any = next(row.meaning for row in loss.written.local if row.name == name)
    return {"name": name, "value": _written(exact_number(value)), "doc": meaning.doc}


def _written(value: Fraction | None) -> str:
    return f"{float(value or 0):.12g}"


def _addends(loss: CompositeLoss, *, expand: bool) -> list[dict[str, Any]]:
    """The formula, an addend for each term."""
    from lossdsl.mathematics.formula import formula

    addends = formula(loss.terms, loss.written.local, expand=expand).addends
    signed = [(addend[:1] == "-", addend.removeprefix("-")) for addend in addends]
    return [{"minus": minus, "latex": latex, "math": tree(latex)} for minus, latex in signed]


def _copies(loss: CompositeLoss) -> dict[str, str]:
    """The loss as what other files take."""
    try:
        config = write_yaml(loss.to_config())
    except LossError as failure:
        config = f"# {failure.message}\n"
    return {
        "text": str(loss),
        "yaml": config,
        "python": loss.python(),
        "latex": loss.latex(form="aligned"),
        "latex_long": loss.latex(form="aligned", expand=True),
    }


def _values(values: LossDict) -> dict[str, Any]:
    """The table of the command line, and its numbers for what is drawn."""
    *rows, total = cells(values)[1:]
    return {"rows": rows, "total": total[3], "numbers": in_json(values)}
