"""What numbers an operator may be given."""

import inspect
from collections.abc import Iterable
from fractions import Fraction

from lossdsl.errors import Span, error
from lossdsl.language import Call
from lossdsl.meaning.normal import weight_of
from lossdsl.meaning.symbolic import expression


def check_domains(calls: Iterable[Call]) -> None:
    """Refuse numbers that an operator is not made for, whichever way they are written.

    Raises:
        LossValueError: With the operator, what it needs, and what it is given.
    """
    for node in calls:
        known: dict[str, list[Fraction]] = {}
        spans: dict[str, Span | None] = {}
        for (name, _), arg in zip(node.op.parameters(len(node.args)), node.args, strict=True):
            if arg.constant and isinstance(value := weight_of(arg), Fraction):
                known.setdefault(name, []).append(value)
                spans[name] = arg.span
        for needs, holds in node.op.domain.items():
            names = list(inspect.signature(holds).parameters)
            if all(name in known for name in names) and not holds(
                *(known[name] if name in node.op.repeats else known[name][0] for name in names)
            ):
                given = ", ".join(f"`{name}` is {_shown(known[name])}" for name in names)
                fields = {"operator": node.op.name, "needs": needs, "given": given, "example": node.op.example}
                raise error("out-of-domain", spans[names[-1]] or node.span, **fields)


def _shown(values: Iterable[Fraction]) -> str:
    return ", ".join(str(expression(value)) for value in values)
