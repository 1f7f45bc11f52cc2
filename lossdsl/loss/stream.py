"""A loss, the trials and the model -> what takes the states in one step at a time, and gives the same `LossDict`."""

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.backends import (
    Program,
    StreamProgram,
    as_scaled,
    build_stream,
    check_each,
    check_literals,
    missing_in,
    warn_of_others,
    whole_step,
)
from lossdsl.errors import LossError, described, error
from lossdsl.language import check_count
from lossdsl.loss.evaluate import arguments, given_step, weighed
from lossdsl.loss.parts import check_single
from lossdsl.loss.values import LossDict
from lossdsl.operators import TIME, number

# How many steps a value may be kept, if nothing else is said.
DELAY = 64
# What goes from step to step: a tuple of arrays for each operator along `time`, and what is kept of a few steps.
Carry = tuple[Any, ...]


class Stream(eqx.Module):
    """A loss over states that come one step at a time: `init`, then `update` for each further step, then `finish`.

    An Equinox module, whose leaves are the weights and parameters of the loss, and what is made of the trials and the
    model; none of that is in what goes from step to step. It works under `jit`, `grad`, `vmap` and in a `scan`.

    Attributes:
        loss: The loss.
        steps: How many states there are, the initial one among them; None if that is not known.
        program: What is compiled, with the source that runs.

    Example:
        >>> import jax, lossdsl as ld
        >>> states, trial_specs, _ = ld.example()
        >>> s = ld.compile("position + 0.1*final(velocity)").stream(trial_specs, steps=100)
        >>> carry = s.init(jax.tree.map(lambda x: x[:, 0], states))
        >>> for t in range(1, 100):
        ...     carry = s.update(carry, jax.tree.map(lambda x: x[:, t], states), t)
        >>> print(s.finish(carry))
        term             weight       raw   weighted   share
        position              1   48.5405    48.5405  100.0%
        final(velocity)     0.1  0.139164  0.0139164    0.0%
        total                                48.5544
    """

    loss: Any
    fixed: tuple[Any, ...]
    step: Any
    steps: int | None = eqx.field(static=True)
    program: StreamProgram = eqx.field(static=True)
    given: tuple[Any, ...] = eqx.field(static=True)

    def init(self, states: Any) -> Carry:
        """What is known after the initial states, those of the step 0; their arrays have no `time`.

        Raises:
            LossDataError: For arrays that are missing or do not fit.
        """
        arrays = self._observed(states)
        warn_of_others(self.program.observed.values(), {"states": states})
        check_step(self, arrays)
        return run(self, "init", arrays)

    def update(self, carry: Carry, states: Any, t: Any) -> Carry:
        """What is known after the states of step `t`, which is 1 or more.

        Raises:
            LossDataError: For arrays that are missing or do not fit, and those of other trials than before.
            LossValueError: For a step that is known not to be one, and a `carry` that is that of another stream.
        """
        if isinstance(t, int) and not 1 <= t < (self.steps or t + 1):
            last = f" to {self.steps - 1}" if self.steps else ""
            advice = f"`init` takes in the states of step 0, `update` those of the steps from 1{last}"
            raise error("bad-argument", argument="t", got=f"{t}", advice=advice)
        arrays = self._observed(states)
        check_step(self, arrays)
        return run(self, "update", self._checked(carry), arrays, t=t)

    def finish(self, carry: Carry) -> LossDict:
        """The weighted value of every term, averaged over `batch`: what the loss gives for whole trajectories.

        With `steps` once all these states are in: what counts from the end is not there before.
        """
        return weighed(self.loss, self.step, self._found(carry))

    def per_trial(self, carry: Carry) -> LossDict:
        """The same before the mean over `batch`."""
        return weighed(self.loss, self.step, self._found(carry), trials=True)

    def reward(self, before: Carry, after: Carry, t: Any) -> Array:
        """The reward of step `t` for each trial; over an episode, from step 1 on, they sum to minus its loss.

        A term that is a sum, a mean, a maximum or a minimum over `time` gives what it moved by, the others all at the
        last step.

        Args:
            before: What was known before the step.
            after: What is known after it.
            t: The number of the step.

        Raises:
            LossAxesError: For a term that has its value at the end only, if it is not known when that is.
        """
        old, new = self.per_trial(before), self.per_trial(after)
        total = jnp.zeros(())
        for label, value in new.items():
            if label in self.program.running:
                # What the initial states gave comes with the first step.
                total = total + value - jnp.where(jnp.asarray(t) == 1, 0, old[label])
            elif self.steps is None:
                raise error("stream-steps", found=label).in_term(label)
            else:
                total = total + jnp.where(jnp.asarray(t) == self.steps - 1, value, 0)
        return -total

    def _found(self, carry: Carry) -> Any:
        return as_scaled(run(self, "finish", self._checked(carry)))

    def _checked(self, carry: Any) -> Carry:
        if isinstance(carry, tuple) and len(carry) == len(self.program.carried):
            return carry
        advice = "give what `init` or `update` of this stream gave"
        raise error("bad-argument", argument="carry", got=described(carry), advice=advice)

    def _observed(self, states: Any) -> tuple[Any, ...]:
        return tuple(map(number, taken_of(self.loss, self.program, "observed", states)))


class Streams(eqx.Module):
    """A loss that takes in states as they come."""

    def stream(
        self,
        trial_specs: Any = None,
        *,
        steps: int | None = None,
        model: Any = None,
        step: Any = None,
        delay: int = DELAY,
    ) -> Stream:
        """The loss over states that come one step at a time, for trajectories too long to be stored.

        Args:
            trial_specs: The trials, for a loss that reads them.
            steps: How many states there will be, the initial one among them; some losses need not know.
            model: The model, for a loss that reads it.
            step: The training iteration, for a loss that needs it.
            delay: How many steps a value may be kept until what it meets is known.

        Raises:
            LossAxesError: For a term that cannot be computed step by step, with the reason.
            LossDataError: For arrays of the trials or the model that are missing.
        """
        return streamed(self, trial_specs, model, steps, step, delay)


def streamed(loss: Any, trial_specs: Any, model: Any, steps: Any, step: Any, delay: int) -> Stream:
    """The loss over the steps of states that are yet to come.

    Raises:
        LossAxesError: For a term that cannot be computed step by step, with the reason.
        LossDataError: For arrays of the trials or the model that are missing.
        LossValueError: If `steps` is no number of states; if the loss needs `step` and is not given it.
    """
    if steps is not None:
        check_count("steps", steps, 1, "give the number of states, the initial one among them: `steps=100`")
    check_count("delay", delay, 0, "give the number of steps that a value may be kept: `delay=64`")
    check_single(loss.numbers, loss.parameters)
    program = build_stream(loss.written.terms, steps is not None, steps, delay)
    arrays = taken_of(loss, program, "quantities", None, trial_specs, model)
    return stream_of(loss, program, arrays, steps, step)


def stream_of(loss: Any, program: StreamProgram, arrays: Sequence[Any], steps: int | None, step: Any) -> Stream:
    """The stream of a program and of what the trials and the model give to it.

    Raises:
        LossDataError: For arrays that do not fit the vocabulary.
        LossValueError: If the loss needs `step` and is not given it.
    """
    if not jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        check_literals(loss.program.terms)
    check_each(program.fixed, arrays, loss.program.terms)
    step = whole_step(given_step(loss.program, step))
    numbers = tuple(jax.tree.map(number, array) for array in arrays)
    fixed = program.functions["fixed"](numbers, arguments(loss, vars(loss))[1], step, steps)
    return Stream(loss, fixed, step, steps, program, tuple(map(_shape, arrays)))


def stream_source(loss: Any, form: Any) -> str:
    """The source of the loss of states that come one step at a time, however many.

    Raises:
        LossAxesError: For a term that cannot be computed step by step.
        LossValueError: For another form.
    """
    if form != "stream":
        raise error("bad-argument", argument="form", got=f"`{form}`", advice="write `batch` or `stream`")
    return build_stream(loss.written.terms, True, None, DELAY).source


def run(stream: Stream, name: str, *given: Any, **more: Any) -> Any:
    """What one of the functions of a stream gives."""
    parameters = arguments(stream.loss, vars(stream.loss))[1]
    return stream.program.functions[name](*given, stream.fixed, parameters, stream.step, stream.steps, **more)


def check_step(stream: Stream, arrays: tuple[Any, ...]) -> None:
    """Hold the arrays of one step, and those of the trials, against the vocabulary and each other.

    Raises:
        LossDataError: For arrays that do not fit.
    """
    _check_shapes(stream.loss.program, stream.program, stream.given, stream.steps, tuple(map(_shape, arrays)))


# The states of one step are as those of the step before.
@lru_cache(maxsize=32)
def _check_shapes(
    whole: Program, program: StreamProgram, given: tuple[Any, ...], steps: int | None, observed: tuple[Any, ...]
) -> None:
    quantities = {**program.fixed, **program.observed}
    known = dict(zip(program.fixed, given, strict=True))
    failures = []
    for length in [steps] if steps is not None else _possible(quantities, known):
        for (name, quantity), array in zip(program.observed.items(), observed, strict=True):
            known[name] = _of_all_steps(array, quantity.dimensions, length)
        try:
            return whole.check([known[name] for name in whole.quantities])
        except LossError as failure:
            failures.append(failure)
    raise failures[0].with_traceback(None)


def taken_of(loss: Any, program: StreamProgram, function: str, *roots: Any) -> Any:
    """The arrays that one of the functions picks; one that is not there is refused, with its term."""
    try:
        return program.functions[function](*roots)
    except LossError as failure:
        quantities = {**program.fixed, **program.observed}
        raise missing_in(failure.with_traceback(None), quantities, loss.program.terms) from None


def _shape(array: Any) -> Any:
    """What is left of an array of the trials or the model for a look at its shape; of a PyTree that it is there."""
    return jax.ShapeDtypeStruct(getattr(array, "shape", ()), getattr(array, "dtype", float))


def _of_all_steps(array: Array, dimensions: tuple[str, ...], steps: int) -> Any:
    """What the array of one step is of all, where only its shape is asked for."""
    shape = list(getattr(array, "shape", ()))
    shape.insert(dimensions.index(TIME) if TIME in dimensions else 0, steps)
    return jax.ShapeDtypeStruct(shape, array.dtype)


def _possible(quantities: Any, known: Any) -> list[int]:
    """Numbers of states that may fit the trials: those begin with the states, or one or two steps later."""
    found = [known[name].shape[q.dimensions.index(TIME)] for name, q in quantities.items() if _has_time(name, q, known)]
    return [found[0] + 1, found[0], found[0] + 2] if found else [1_000]


def _has_time(name: str, quantity: Any, known: Any) -> bool:
    return name in known and TIME in quantity.dimensions and len(known[name].shape) == len(quantity.dimensions)
