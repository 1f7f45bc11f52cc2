"""What a loss is made of: between what a user gives and the module that a user holds."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import equinox as eqx
import jax
import numpy as np

from lossdsl.backends import Program, build
from lossdsl.errors import error
from lossdsl.language import Expr, Name, is_name
from lossdsl.loss.scalars import Held, as_scalar, as_vector, copied, held_number
from lossdsl.meaning import Object, Term, each_name, expression


@dataclass(frozen=True)
class Written:
    """What a loss was written as. It takes no part in equality: the leaves say what the weights are now.

    Attributes:
        terms: The terms, with the weights of the text.
        local: The definitions of its text, and its parameters.
    """

    terms: tuple[Term, ...]
    local: tuple[Name, ...] = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Written)

    def __hash__(self) -> int:
        return 0


@dataclass(frozen=True)
class Parts:
    """What a loss is made of.

    Attributes:
        written: The terms and definitions.
        weights: Weights that are not known as numbers, by label: traced ones.
        parameters: The parameters, by name.
    """

    written: Written
    weights: Mapping[str, Any]
    parameters: Mapping[str, Any]


def term_parts(term: Any) -> Parts:
    """The parts of a term in Python, with the weight 1.

    Raises:
        LossSyntaxError: If its label is not a name.
    """
    if not is_name(term.label):
        raise error("bad-label", found=f"`{term.label}`")
    return Parts(Written((Term(term.label, Fraction(1), named_object(term.label, term)),)), {}, {})


def named_object(name: str, term: Any) -> Name:
    """A name that stands for a term in Python."""
    return Name(name=name, meaning=Object(name, term))


def fields_of(parts: Parts) -> dict[str, Any]:
    """The fields of the module that is made of these parts: its leaves, and what is compiled."""
    program = build(parts.written.terms)
    terms = {term.label: term for term in parts.written.terms}
    numbers = {label: parts.weights.get(label, terms[label].number) for label in program.numbers}
    called = {name: meaning.object for name, meaning in program.objects.items()}
    objects, rest = eqx.partition(called, eqx.is_array)
    return {
        "held": Held(program.numbers, as_vector(numbers, {label: terms[label].span for label in numbers})),
        "parameters": {n: as_scalar(parts.parameters[n], "the parameter", n) for n in program.parameters},
        "objects": jax.tree.map(copied, objects),
        "program": program,
        "written": parts.written,
        "rest": rest,
    }


def still_used(terms: tuple[Term, ...], local: Iterable[Name]) -> tuple[Name, ...]:
    """The definitions and parameters that are left in some terms; those in weights are unfolded there."""
    weights = [expression(term.factor) for term in terms if term.number is None]
    left = each_name([*(term.expr for term in terms), *weights])
    return tuple(name for name in local if name.name in left)


def is_ensemble(numbers: Any, parameters: Mapping[str, Any]) -> bool:
    """Whether they are those of losses that are mapped over, not of one."""
    return np.ndim(numbers) > 1 or any(np.ndim(value) > 0 for value in parameters.values())


def check_single(numbers: Any, parameters: Mapping[str, Any]) -> None:
    """Refuse an ensemble of losses, whose weights a text cannot say.

    Raises:
        LossValueError: With what to do.
    """
    if is_ensemble(numbers, parameters):
        raise error("ensemble")


def terms_now(written: Written, program: Program, numbers: Any, objects: Any, rest: Any) -> tuple[Term, ...]:
    """The terms with the weights and the Python terms as they are now; traced, as they were written."""
    known = isinstance(numbers, jax.Array | np.ndarray) and not isinstance(numbers, jax.core.Tracer)
    now = program.by_label(np.asarray(numbers)) if known else {}
    called = eqx.combine(objects, rest)
    names: dict[Expr, Expr] = {
        Name(name=name, meaning=meaning): named_object(name, called[name]) for name, meaning in program.objects.items()
    }

    def as_now(term: Term) -> Term:
        factor = term.factor
        if term.label in now and term.number is not None:
            factor = held_number(now[term.label], term.number, factor, term.label)
        return replace(term, factor=factor, expr=term.expr.xreplace(names) if names else term.expr)

    return tuple(map(as_now, written.terms))
