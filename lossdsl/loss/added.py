"""A loss and one trial -> a function of its states at a step, whose values over all steps sum to the loss."""

from collections.abc import Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.backends import Added, added, as_scaled
from lossdsl.errors import error
from lossdsl.language import check_count
from lossdsl.loss.evaluate import weighed
from lossdsl.loss.parts import check_single
from lossdsl.loss.stream import DELAY, Stream, check_step, run, stream_of, taken_of
from lossdsl.operators import BATCH, TIME, Scaled, number


class StepLoss(eqx.Module):
    """What each step of one trial adds to a loss: a number for the states of step `t`.

    Attributes:
        stream: Computes it of the states of several steps.
        added: What is computed.
    """

    stream: Stream
    added: Added = eqx.field(static=True)

    @property
    def streaming_order(self) -> int:
        """How many steps before the present one are read; if any, the states have these in front."""
        return self.added.order

    def __call__(self, states: Any, t: Any) -> Array:
        """The number for step `t`, from 0 on.

        Raises:
            LossDataError: For arrays that are missing or do not fit.
        """
        arrays = self._observed(states)
        now = tuple(array[-1] for array in arrays)
        check_step(self.stream, now)
        return jax.lax.cond(jnp.asarray(t) == 0, lambda: self._first(now), lambda: self._later(arrays, t))

    def _observed(self, states: Any) -> list[Array]:
        """The arrays, each with the steps along a first axis, and with one trial."""
        program = self.stream.program
        arrays = map(number, taken_of(self.stream.loss, program, "observed", states))
        found = []
        for (name, quantity), array in zip(program.observed.items(), arrays, strict=True):
            steps = array if self.streaming_order and array.ndim else array[None]
            dimensions = [TIME, *(axis for axis in quantity.dimensions if axis != TIME)]
            found.append(_of_a_batch("states", name, steps, dimensions))
        return found

    def _first(self, now: Any) -> Array:
        carry = run(self.stream, "init", now)
        return self._sum(carry, [label for label in self._labels if self.added.ready.get(label, 0) == 0])

    def _later(self, arrays: list[Array], t: Any) -> Array:
        """What a step adds where nothing is known but what the steps just before it leave."""
        now = tuple(array[-1] for array in arrays)
        shapes = jax.eval_shape(lambda: run(self.stream, "init", now))
        none = jax.tree.map(lambda x: jnp.zeros(x.shape, x.dtype), shapes)
        carry = none
        for back in range(self.streaming_order, 0, -1):
            # Before the first step there are no states; those of the present one are no worse than others.
            then = tuple(jnp.where(t >= back, array[-1 - back], array[-1]) for array in arrays)
            carry = run(self.stream, "update", carry, then, t=t - back, later=t > back)
        # Of what grows only the present step is asked for.
        grown = zip(self.stream.program.carried, carry, none, strict=True)
        carry = tuple(empty if is_sum else kept for is_sum, kept, empty in grown)
        carry = run(self.stream, "update", carry, now, t=t)
        total = self._sum(carry, [label for label in self._labels if label not in self.added.ready])
        off = jnp.zeros_like(total)
        for step in sorted({*self.added.ready.values()} - {0}):
            ready = [label for label in self._labels if self.added.ready.get(label) == step]
            total = total + jax.lax.cond(t == step, lambda own=ready: self._sum(carry, own), lambda: off)
        return total

    @property
    def _labels(self) -> list[str]:
        return [label for own in self.added.labels.values() for label in own]

    def _sum(self, carry: Any, counted: list[str]) -> Array:
        """The weighted sum of some parts."""
        found = run(self.stream, "finish", carry)
        parts = {label: one.scaled(one.value) for label, one in zip(found, as_scaled(found), strict=True)}
        terms = [
            Scaled(sum((parts[label] for label in own if label in counted), start=jnp.zeros(1)))
            for own in self.added.labels.values()
        ]
        return jnp.mean(weighed(self.stream.loss, self.stream.step, terms, trials=True).total)


def step_loss(loss: Any, trial_specs: Any, model: Any, steps: Any, step: Any = None) -> StepLoss:
    """What each step of one trial adds to a loss.

    Raises:
        LossAxesError: For a term that is no sum of what a step and a few before give, with the reason.
        LossDataError: For arrays of the trial or the model that are missing or do not fit.
        LossValueError: For the arrays of several trials; if the loss needs the training iteration and is not given it.
    """
    check_count("n_steps", steps, 1, "give the number of steps of the simulation")
    check_single(loss.numbers, loss.parameters)
    found = added(loss.written.terms, steps, DELAY)
    arrays = taken_of(loss, found.program, "quantities", None, trial_specs, model)
    rows = zip(found.program.fixed.items(), arrays, strict=True)
    given = [_of_a_batch("trial_specs", name, array, quantity.dimensions) for (name, quantity), array in rows]
    return StepLoss(stream_of(loss, found.program, given, steps, step), found)


def _of_a_batch(argument: str, name: str, array: Any, dimensions: Sequence[str]) -> Any:
    """The array of one trial as that of a batch of one.

    Raises:
        LossValueError: For the array of several trials.
    """
    if BATCH not in dimensions or not hasattr(array, "ndim"):
        return array
    if array.ndim >= len(dimensions):
        got = f"those of a batch: `{name}` has {array.ndim} dimensions"
        raise error("bad-argument", argument=argument, got=got, advice="give one trial: map over them, `jax.vmap(...)`")
    return jnp.expand_dims(array, min(dimensions.index(BATCH), array.ndim))
