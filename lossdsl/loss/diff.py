"""Two losses to what changed between their objectives."""

import dataclasses
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import equinox as eqx
import jax

from lossdsl.errors import clip, described
from lossdsl.language import Expr, exact_number
from lossdsl.loss.loss import AbstractLoss
from lossdsl.loss.make import compile
from lossdsl.mathematics import aligned
from lossdsl.meaning import FEEDBAX, Defined, Object, Quantity, Term, Vocabulary, each_name, expression, written


@dataclass(frozen=True)
class Change:
    """One thing that is not the same.

    Attributes:
        kind: What it is: a `"term"`, its `"weight"`, its `"body"`, its `"label"`, or a `"parameter"`.
        name: The label of the term, the old one where it is renamed, or the name of the parameter.
        old: What it was, as text; None if it was added.
        new: What it is, as text; None if it was removed.
    """

    kind: str
    name: str
    old: str | None
    new: str | None

    @property
    def sign(self) -> str:
        """`+` for what was added, `-` for what was removed, `~` for what changed."""
        return "+" if self.old is None else "-" if self.new is None else "~"


@dataclass(frozen=True)
class LossDiff:
    """What changed between two losses: false if nothing did, its text one row a change.

    Attributes:
        changes: The changes: terms in the order of the old loss, then those added, then the parameters.
    """

    changes: tuple[Change, ...]

    def __bool__(self) -> bool:
        return bool(self.changes)

    def __str__(self) -> str:
        rows = [
            [f"{change.sign} {change.name}", change.kind, " -> ".join(filter(None, (change.old, change.new)))]
            for change in self.changes
        ]
        return "\n".join(aligned(rows)) if rows else "no difference"

    def to_dict(self) -> dict[str, Any]:
        """The same as data that JSON can hold."""
        return {"changes": [asdict(change) for change in self.changes]}


def diff(
    old: "str | Mapping[str, Any] | Expr | AbstractLoss",
    new: "str | Mapping[str, Any] | Expr | AbstractLoss",
    vocabulary: Vocabulary = FEEDBAX,
) -> LossDiff:
    """What changed between two objectives.

    Their normal forms are compared: the way they are written is no change, and neither is the order of the terms.
    There is no change where the digests of the losses are equal, and only there.

    Args:
        old: A loss, anything that `compile` takes.
        new: Another.
        vocabulary: What the names of texts mean; Feedbax's if none is given.

    Raises:
        LossError: For a text that is not a loss.

    Example:
        >>> print(diff("position + 1e-5*nn_hidden + velocity", "2*position + 1e-5*nn_hidden + final(velocity)"))
        ~ position         weight  1 -> 2
        - velocity         term    velocity
        + final(velocity)  term    final(velocity)
        >>> print(diff("position + velocity", "1.0*velocity + position"))
        no difference
    """
    before, after = compile(old, vocabulary), compile(new, vocabulary)
    there, here = ({term.label: term for term in loss.terms} for loss in (before, after))
    renamed = _renamed(there, here)
    changes = [
        change for label, term in there.items() for change in _term_changes(term, here.get(renamed.get(label, label)))
    ]
    known = {*there, *renamed.values()}
    added = [term for label, term in here.items() if label not in known]
    changes += [Change("term", term.label, None, _text(term)) for term in added]
    values, others = _numbers(before.parameters), _numbers(after.parameters)
    changes += [
        Change("parameter", name, values.get(name), others.get(name))
        for name in {**values, **others}
        if values.get(name) != others.get(name)
    ]
    return LossDiff(tuple(changes))


def _renamed(old: Mapping[str, Term], new: Mapping[str, Term]) -> dict[str, str]:
    """From old to new labels of terms that compute the same: of several, first those of the same weight."""
    free: dict[bytes, list[Term]] = {}
    for label, term in new.items():
        if label not in old:
            free.setdefault(term.expr.content, []).append(term)
    gone = [term for label, term in old.items() if label not in new and term.expr.content in free]
    found: dict[str, str] = {}
    for any_weight in (False, True):
        for term in gone:
            others = free[term.expr.content]
            heir = next((other for other in others if any_weight or other.factor == term.factor), None)
            if heir and term.label not in found:
                found[term.label] = heir.label
                others.remove(heir)
    return found


def _term_changes(old: Term, new: Term | None) -> list[Change]:
    if new is None:
        return [Change("term", old.label, _text(old), None)]
    changes = []
    if old.label != new.label:
        changes.append(Change("label", old.label, old.label, new.label))
    weights = str(expression(old.factor)), str(expression(new.factor))
    if weights[0] != weights[1]:
        changes.append(Change("weight", old.label, *weights))
    if old.expr.content != new.expr.content:
        changes.append(Change("body", old.label, *_bodies(old.expr, new.expr)))
    return changes


def _text(term: Term) -> str:
    """The weighted term without its label."""
    return str(written((replace(term, label=str(term.expr)),)))


def _bodies(old: Expr, new: Expr) -> tuple[str, str]:
    """The texts of two bodies; where they read the same, what stands behind the names that make the difference."""
    if str(old) != str(new):
        return str(old), str(new)
    names, others = each_name([old]), each_name([new])
    causes = {
        name: texts
        for name in names
        if name in others and names[name].content != others[name].content
        for texts in [_meanings(names[name].meaning, others[name].meaning)]
        if texts[0] != texts[1]
    }
    if list(causes) == [str(old)]:
        return causes[str(old)]
    first, second = zip(*((f"{name} = {a}", f"{name} = {b}") for name, (a, b) in causes.items()), strict=True)
    return "; ".join(first), "; ".join(second)


def _meanings(old: Any, new: Any) -> tuple[str, str]:
    first, second = _meaning(old), _meaning(new)
    if first == second and isinstance(old, Object):
        # Only an array or a function differs, whose text does not tell.
        return f"{first} {old.content.hex()[:7]}", f"{second} {new.content.hex()[:7]}"
    return first, second


def _meaning(meaning: Any) -> str:
    match meaning:
        case Defined():
            return str(meaning.expr)
        case Quantity():
            return f"{meaning.path} ({', '.join(meaning.dimensions)})"
        case Object() if dataclasses.is_dataclass(meaning.object):
            shown = eqx.tree_pformat(meaning.object, short_arrays=False)
            return clip(re.sub(r" at 0x\w+", "", " ".join(shown.split())))
        case Object():
            return type(meaning.object).__qualname__
    return "a parameter"


def _numbers(parameters: Mapping[str, jax.Array]) -> dict[str, str]:
    """The parameters as they are written; those of several losses at once have no number."""
    exact = {name: exact_number(value) for name, value in parameters.items()}
    return {
        name: described(parameters[name]) if value is None else str(expression(value)) for name, value in exact.items()
    }
