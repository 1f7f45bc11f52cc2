"""The classes of Feedbax's losses as far as one uses them, in the three ways in which its versions keep weights.

| design | what a loss returns | where its weights are |
|---|---|---|
| `dicts`, the page's and the released one | a mapping of weighted values, sorted by `jit` | leaves of the loss |
| `nodes`, 2025 | a tree of terms, a module, each node with the term that made it, static | leaves of the tree |
| `aside`, 2026 | a tree of terms | beside the leaves of the tree: an array there leaks out of `jit` |

`installed` puts one of them where `import feedbax.loss` finds it. A task of each refuses what is not of its class.
"""

import dataclasses
import sys
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp


@jax.tree_util.register_pytree_node_class
class Values(dict):
    @property
    def total(self):
        return sum(self.values())

    def tree_flatten(self):
        rows = sorted(self.items())
        return [value for _, value in rows], [label for label, _ in rows]

    @classmethod
    def tree_unflatten(cls, labels, values):
        return cls(zip(labels, values, strict=True))


class _Tree:
    @classmethod
    def leaf(cls, label, value, **more):
        return cls(label, (), (), value, 1.0, **more)

    @classmethod
    def branch(cls, label, nodes, **more):
        return cls(label, tuple(nodes), tuple(nodes.values()), None, 1.0, **more)

    def __getitem__(self, name):
        return self.children[self.names.index(name)]

    @property
    def total(self):
        own = jnp.mean(self.value) if self.value is not None else sum(child.total for child in self.children)
        return self.weight * own


class Node(_Tree, eqx.Module):
    label: str
    names: tuple[str, ...]
    children: tuple[Any, ...]
    value: Any
    weight: Any
    originator: Any = eqx.field(default=None, static=True)

    def with_weight(self, weight):
        return dataclasses.replace(self, weight=weight)


@jax.tree_util.register_pytree_node_class
@dataclasses.dataclass
class Aside(_Tree):
    label: str
    names: tuple[str, ...]
    children: tuple[Any, ...]
    value: Any
    weight: Any
    originator: Any = None

    def with_weight(self, weight):
        return dataclasses.replace(self, weight=weight)

    def tree_flatten(self):
        return (self.children, self.value), (self.label, self.names, self.weight)

    @classmethod
    def tree_unflatten(cls, aside, leaves):
        return cls(*aside[:2], *leaves, aside[2])


class _Loss(eqx.Module):
    label: eqx.AbstractVar[str]

    def __call__(self, states, trial_specs, model=None):
        value = self.term(states, trial_specs) if self.tree is None else self.term(states, trial_specs, model)
        return Values({self.label: value}) if self.tree is None else self.tree.leaf(self.label, value, originator=self)

    def __add__(self, other):
        return self.composite()((self, other))

    __radd__ = __add__

    def __sub__(self, other):
        return self.composite()((self, other), (1.0, -1.0))

    def __rsub__(self, other):
        return self.composite()((self, other), (-1.0, 1.0))

    def __or__(self, other):
        return self.composite()({**self.terms, **other.terms})

    def __mul__(self, weight):
        return self.composite()((self,), (weight,))

    __rmul__ = __mul__


def _composite(base, tree):
    class CompositeLoss(base):
        terms: dict[str, Any]
        weights: dict[str, Any]
        label: str

        def __init__(self, terms, weights=None, label=""):
            named = dict(terms) if isinstance(terms, dict) else {term.label: term for term in terms}
            given = list(weights.values() if isinstance(weights, dict) else weights or [1.0] * len(named))
            self.terms, self.weights, self.label = named, dict(zip(named, given, strict=True)), label

        def __call__(self, states, trial_specs, model=None):
            if tree is not None:
                nodes = {
                    name: term(states, trial_specs, model).with_weight(self.weights.get(name, 1.0))
                    for name, term in self.terms.items()
                }
                return tree.branch(self.label, nodes, originator=None)
            # Only of its own class is a term a leaf.
            raw = jax.tree.map(
                lambda term: term.term(states, trial_specs), self.terms, is_leaf=lambda x: isinstance(x, base)
            )
            return Values({name: jnp.mean(value, axis=0) * self.weights[name] for name, value in raw.items()})

    return CompositeLoss


def design(kind=None):
    """A module with the classes, their losses returning trees of a class or mappings."""

    class AbstractLoss(_Loss):
        label: eqx.AbstractVar[str]
        tree = kind

        def composite(self):
            return made.CompositeLoss

        def term(self, states, trial_specs, model=None):
            raise NotImplementedError

    class ModelLoss(AbstractLoss):
        label: str
        loss_fn: Any

        def term(self, states, trial_specs, model=None):
            return self.loss_fn(model)

    class FuncTermsLoss(AbstractLoss):
        label: str
        build_context: Any
        terms: dict[str, Any]
        weights: dict[str, Any]

        def __call__(self, states, trial_specs, model=None):
            context = self.build_context(states, trial_specs, model)
            nodes = {
                name: kind.leaf(name, function(context)).with_weight(self.weights.get(name, 1.0))
                for name, function in self.terms.items()
            }
            return kind.branch(self.label, nodes)

    class Task(eqx.Module):
        loss_func: Any

        def __check_init__(self):
            if not isinstance(self.loss_func, AbstractLoss):
                raise ValueError("The loss function must be an instance of `AbstractLoss`")

        @eqx.filter_jit
        def evaluate(self, loss_func, states, trial_specs, model=None):
            """The loss is an argument of what is compiled, as in the trainer."""
            return loss_func(states, trial_specs, model)

    made = ModuleType("feedbax.loss")
    made.AbstractLoss, made.CompositeLoss, made.Task = AbstractLoss, _composite(AbstractLoss, kind), Task
    made.ModelLoss, made.FuncTermsLoss = ModelLoss, FuncTermsLoss
    if kind is None:
        made.LossDict = Values
    else:
        made.TermTree = kind
    return made


DESIGNS = {"dicts": design(), "nodes": design(Node), "aside": design(Aside)}


@contextmanager
def installed(name, place="feedbax.loss"):
    package, loss = ModuleType("feedbax"), DESIGNS[name]
    modules = {"feedbax": package, "feedbax.objectives": ModuleType("feedbax.objectives"), place: loss}
    modules = {key: module for key, module in modules.items() if place.startswith(key)}
    sys.modules.update(modules)
    try:
        yield loss
    finally:
        for key in modules:
            del sys.modules[key]
