"""A loss as what Feedbax's scan adds up step by step, in place of a trajectory that is stored."""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.backends import weighted
from lossdsl.errors import described, error
from lossdsl.feedbax.functions import ModelLoss
from lossdsl.feedbax.targets import TargetStateLoss
from lossdsl.language import Name
from lossdsl.loss import AbstractLoss, CompositeLoss, given_step, step_loss
from lossdsl.meaning import Object

# Where its own function is; the later place is that of 2026.
_MODULES = ("feedbax.streaming_loss", "feedbax.objectives.streaming")
# Of the states at a step, and its number.
StepFunction = Callable[[Any, Any], Array]


class _Given(NamedTuple):
    trial: Any
    model: Any
    steps: int
    step: Any


class StreamingLoss:
    """What each step of a trial adds to a loss, as Feedbax's `run_component` takes it for `streaming_loss_fn`.

    Attributes:
        streaming_order: How many steps before the present one it reads; if any, the states have these in front.
    """

    def __init__(self, functions: Sequence[tuple[StepFunction, Any]]):
        self.functions = functions
        self.streaming_order = max(map(_order, (function for function, _ in functions)), default=0)

    def __call__(self, states: Any, t: Any) -> Array:
        """The number that step `t` adds."""
        total = jnp.zeros(())
        for function, weight in self.functions:
            given = _latest(states, _order(function)) if self.streaming_order else states
            total = total + weighted(function(given, t), weight)
        return total


def make_streaming_loss_fn(loss: Any, trial_specs: Any, model: Any, n_steps: int, *, step: Any = None) -> StreamingLoss:
    """A loss as a function of the states at a step, whose values over the steps of a trial sum to the loss.

    In place of Feedbax's function of this name, with the same arguments: a trainer that hands its result to
    `run_component` stores no trajectory, whatever the terms are that can be added up step by step. What Feedbax itself
    streams goes on as there.

    The loss is that of the `n_steps` states after each step, without the one before the first step:
    `loss(states[1:], trial_specs)`.

    Args:
        loss: A loss, what `to_feedbax()` made of one, or a composite of Feedbax in which some terms are that.
        trial_specs: One trial, without the axis `batch`.
        model: The model, for terms that read it.
        n_steps: The number of steps of the simulation.
        step: The training iteration, for a loss that needs it.

    Returns:
        A function of the states of one trial at a step, and of the number of the step, from 0 on. Where terms need the
        steps before, its `streaming_order` says of how many the states are to be given, the latest last.

    Raises:
        LossAxesError: For a term that needs more than a step and a few before it, or more than one trial.
        LossDataError: For arrays of the trial or the model that are missing or do not fit.
        LossValueError: For what is no loss; if the loss needs `step` and is not given it.

    Example:
        >>> import jax, lossdsl as ld
        >>> states, trials, _ = jax.tree.map(lambda x: x[0], ld.example())
        >>> loss = ld.compile("position + 0.1*final(velocity)")
        >>> add = make_streaming_loss_fn(loss, trials, None, 100)
        >>> print(f"{sum(add(jax.tree.map(lambda x: x[t], states), t) for t in range(100)):.4f}")
        48.9111

    Source: `feedbax.objectives.streaming.make_streaming_loss_fn`.
    """
    return StreamingLoss(_functions(loss, 1.0, _Given(trial_specs, model, n_steps, step)))


def _functions(loss: Any, weight: Any, given: _Given) -> list[tuple[StepFunction, Any]]:
    ours = loss if isinstance(loss, AbstractLoss) else getattr(loss, "loss", None)
    if isinstance(ours, AbstractLoss):
        return [(function, weight * own) for function, own in _of_ours(ours.composite, given)]
    terms = getattr(loss, "terms", None)
    if isinstance(terms, Mapping) and not callable(getattr(loss, "build_context", None)):
        weights = getattr(loss, "weights", None) or {}
        rows = [(term, weight * weights.get(label, 1.0)) for label, term in terms.items()]
        return [function for term, own in rows for function in _functions(term, own, given)]
    if not isinstance(getattr(loss, "label", None), str):
        raise error("bad-argument", argument="loss", got=described(loss), advice="give a loss, or one of Feedbax")
    return [(_feedbax().make_streaming_loss_fn(loss, *given[:3]), weight)]


def _of_ours(loss: CompositeLoss, given: _Given) -> list[tuple[StepFunction, Any]]:
    """One function for all terms in the language, and one for each in Python."""
    step = given_step(loss.program, given.step)
    weights = dict(zip(loss.labels, loss.program.weights(loss.numbers, loss.parameters, step), strict=True))
    found: list[tuple[StepFunction, Any]] = []
    bodies = {term.label: term.expr.meaning for term in loss.terms if isinstance(term.expr, Name)}
    objects = {label: meaning.object for label, meaning in bodies.items() if isinstance(meaning, Object)}
    for label, term in objects.items():
        if isinstance(term, TargetStateLoss):
            function: StepFunction = term.added(given.trial, given.steps)
        elif isinstance(term, ModelLoss):
            function = _once(term.term(None, None, given.model))
        elif (theirs := getattr(term, "loss", None)) is not None:
            function = StreamingLoss(_functions(theirs, 1.0, given))
        else:
            raise error("stream-object", name=label).in_term(label)
        found.append((function, weights[label]))
    if len(objects) < len(loss.labels):
        text = loss.without(*objects) if objects else loss
        found.append((step_loss(text, *given), 1.0))
    return found


def _once(value: Any) -> StepFunction:
    """What no state changes, added at the first step."""
    return lambda states, t: jnp.where(jnp.asarray(t) == 0, value, 0)


def _order(function: Any) -> int:
    return int(getattr(function, "streaming_order", 0))


def _latest(window: Any, order: int) -> Any:
    """The last steps of a window, or the present states alone."""

    def part(leaf: Any) -> Any:
        return leaf[-1 - order :] if order else leaf[-1]

    return jax.tree.map(lambda leaf: part(leaf) if isinstance(leaf, jax.Array) else leaf, window)


def _feedbax() -> Any:
    for module in _MODULES:
        try:
            return import_module(module)
        except ModuleNotFoundError as missing:
            if missing.name is None or not module.startswith(missing.name):
                raise
    raise error("not-installed", package="Feedbax", use="a loss of Feedbax in a stream", install="feedbax")
