"""Parts of losses, scaled, relabelled and joined -> the parts of one: `+`, `*`, `|` and groups of losses."""

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import jax
import numpy as np

from lossdsl.errors import LossError, described, did_you_mean, error, listed
from lossdsl.language import Expr, Name, described_number, exact_number, is_name
from lossdsl.loss.parts import Parts, Written, named_object, still_used
from lossdsl.meaning import Object, Term, each_name, ends_of, merge, multiply, said_of_time


@dataclass(frozen=True)
class Row:
    """A term, and where its weight is not known as a number the weight as an array."""

    term: Term
    leaf: Any = None


def rows(parts: Parts, scale: Any = 1) -> list[Row]:
    """The terms of a scaled loss.

    Raises:
        LossValueError: For a scale that is not a number, and a traced one on a weight that is made of parameters.
    """
    number = exact_scale(scale)
    found: list[Row] = []
    for term in parts.written.terms:
        leaf = parts.weights.get(term.label)
        if number is not None:
            factor = multiply(term.factor, number, term.span)
            found.append(Row(replace(term, factor=factor), None if leaf is None else leaf * float(number)))
        elif term.number is None:
            raise error("traced-scale", label=term.label)
        else:
            found.append(Row(term, (float(term.number) if leaf is None else leaf) * scale))
    return found


def relabelled(given: list[Row], name: str, *, group: bool) -> list[Row]:
    """The rows under a name: that of a single term, the prefix of the terms of a group."""
    return [
        replace(row, term=replace(row.term, label=_within(name, row.term.label) if group else name)) for row in given
    ]


def _within(group: str, label: str) -> str:
    """The label with a prefix; one that is a text, as `final(velocity)`, becomes a name."""
    plain = label if is_name(label) else re.sub(r"\W+", "_", label).strip("_")
    return f"{group}_{plain}"


def assemble(given: Iterable[Row], losses: Iterable[Parts]) -> Parts:
    """The parts of a loss from the rows of others, equal ones merged.

    Raises:
        LossNameError: For two terms of one label, and a name or a row of time that means two things in two losses.
        LossValueError: For a parameter that has two values.
    """
    found, pieces = _told_apart(list(given)), list(losses)
    if not found:
        raise error("no-terms")
    terms = merge([row.term for row in found])
    traced: dict[str, Any] = {row.term.label: 0.0 for row in found if row.leaf is not None}
    for row in found:
        if row.term.label in traced:
            traced[row.term.label] += float(row.term.number or 0) if row.leaf is None else row.leaf
    for term in terms:
        # A weight in which parameters are left is not known as an array.
        if term.label in traced and term.number is None:
            raise error("traced-scale", label=term.label)
    local: dict[str, Name] = {}
    values: dict[str, Any] = {}
    _check_meanings(found, pieces)
    for loss in pieces:
        for name in loss.written.local:
            if local.setdefault(name.name, name) != name:
                raise _two_meanings(name.name)
        for parameter, value in loss.parameters.items():
            known = values.setdefault(parameter, value)
            if known is not value and not _same(known, value):
                raise error("two-values", name=parameter, first=f"{known:g}", second=f"{value:g}")
    return Parts(Written(terms, still_used(terms, local.values())), traced, values)


def _told_apart(found: Sequence[Row]) -> list[Row]:
    """The rows, where of Python objects with one name all but one are called as their terms are labelled."""
    named = [(row.term.label, row.term.expr) for row in found if _object(row.term.expr) is not None]
    keeps = {str(name): name for _, name in reversed(named)} | {
        label: name for label, name in named if label == str(name)
    }

    def told_apart(row: Row) -> Row:
        label, name = row.term.label, row.term.expr
        given = _object(name)
        if given is None or keeps[str(name)] == name:
            return row
        return replace(row, term=replace(row.term, expr=named_object(label, given)))

    return list(map(told_apart, found))


def _object(expr: Expr) -> Any:
    """The Python object that an expression is the name of, or None."""
    return expr.meaning.object if isinstance(expr, Name) and isinstance(expr.meaning, Object) else None


def _check_meanings(found: Sequence[Row], pieces: Sequence[Parts]) -> None:
    """Refuse names, and rows of time, that have one meaning in one loss and another in the next."""
    if len(pieces) < 2:
        return
    left = {row.term.expr for row in found}
    groups = [[term.expr for term in piece.written.terms if term.expr in left] for piece in pieces]
    groups += [[expr] for expr in left if _object(expr) is not None]
    rows: dict[tuple[str, str], Any] = {}
    names: dict[str, bytes] = {}
    for exprs in groups:
        for kind, name, row in said_of_time(exprs):
            if rows.setdefault((kind, name), row) != row:
                raise _two_meanings(name or kind, "compile both with one vocabulary")
        # Where trials end first: what it is made of is in the meaning of every name that ends there.
        for name, node in each_name([*ends_of(exprs), *exprs]).items():
            if names.setdefault(name, node.content) != node.content:
                raise _two_meanings(name)


def _two_meanings(name: str, advice: str = "give one of the definitions another name") -> LossError:
    return error("two-meanings", name=name, advice=advice)


def join(pieces: Iterable[tuple[Parts, Any]]) -> Parts:
    """The sum of scaled losses."""
    pairs = list(pieces)
    return assemble([row for loss, scale in pairs for row in rows(loss, scale)], [loss for loss, _ in pairs])


def override(mine: Parts, other: Parts) -> Parts:
    """Both losses, where a term of the other takes the place of one with the same label."""
    by_label = {row.term.label: row for row in [*rows(mine), *rows(other)]}
    return assemble(by_label.values(), [mine, other])


def without(parts: Parts, labels: Collection[str]) -> Parts:
    """The loss without some of its terms."""
    return assemble([row for row in rows(parts) if row.term.label not in labels], [parts])


def single(parts: Parts, label: str) -> Parts:
    """One term of a loss, with the weight 1."""
    term = next(term for term in parts.written.terms if term.label == label)
    return assemble([Row(replace(term, factor=Fraction(1)))], [parts])


def grouped(pieces: Sequence[tuple[str, str, Parts]], weights: Any, *, by_label: bool) -> Parts:
    """Several losses as one, each a key or none, the label of the loss or none, and its parts.

    The terms of a loss that has several get `group_` before their labels, where the group is the key or the label.

    Raises:
        LossNameError: For weights that do not match the losses, and two different terms of one label.
    """
    labels = [key or label or parts.written.terms[0].label for key, label, parts in pieces]
    found: list[Row] = []
    for (key, label, parts), scale in zip(pieces, scales(labels, weights, by_label=by_label), strict=True):
        name, group = key or label, bool(label) or len(parts.written.terms) > 1
        found += relabelled(rows(parts, scale), name, group=group) if name else rows(parts, scale)
    return assemble(found, [parts for *_, parts in pieces])


def check_ours(value: Any) -> None:
    """Refuse a loss of another kind, which would fail when it is called, far from here.

    Raises:
        LossValueError: With what makes it one of ours.
    """
    is_one = isinstance(getattr(value, "label", None), str) and callable(getattr(value, "term", None))
    if is_one and not isinstance(value, type) and not hasattr(value, "parts"):
        raise error("foreign-loss", got=described(value))


def exact_scale(value: Any) -> Fraction | None:
    """What a loss is multiplied by: its exact value, or None for a traced scalar.

    Raises:
        LossValueError: For anything but a finite real number.
    """
    if isinstance(value, jax.core.Tracer) and value.shape == ():
        return None
    number = None if isinstance(value, str) else exact_number(value)
    if number is None:
        raise error("scale", got="a loss" if hasattr(value, "term") else described_number(value))
    return number


def scales(labels: list[str], weights: Any, *, by_label: bool) -> list[Any]:
    """A weight for each label, matched by label or by place; 1 where none are given.

    Raises:
        LossNameError: For weights that do not match the labels.
    """
    if weights is None:
        return [1] * len(labels)
    if isinstance(weights, Mapping):
        for label in weights:
            if label not in labels:
                there = f"its terms are {listed(labels)}"
                raise error("unknown-label", name=str(label), advice=did_you_mean(str(label), labels, there))
        for label in labels:
            if label not in weights:
                raise error("no-weight", label=label)
        return [_scale(label, weights[label]) for label in labels]
    if by_label or not isinstance(weights, Sequence | np.ndarray | jax.Array) or isinstance(weights, str):
        advice = f"give them by label, as in `{{{labels[0]!r}: 1.0}}`" if labels else "give them by label"
        raise error("bad-argument", argument="weights", got=described(weights), advice=advice)
    if len(weights) != len(labels):
        raise error("weight-count", terms=len(labels), weights=len(weights))
    return list(map(_scale, labels, weights))


def _scale(label: str, weight: Any) -> Any:
    """A weight as it is given; a config may give a text for a number."""
    if not isinstance(weight, str):
        return weight
    number = exact_number(weight)
    if number is None:
        raise error("bad-weight", what="the weight of", name=label, got=described_number(weight))
    return number


def _same(first: Any, second: Any) -> bool:
    tracers = isinstance(first, jax.core.Tracer) or isinstance(second, jax.core.Tracer)
    return not tracers and bool(np.asarray(first) == np.asarray(second))
