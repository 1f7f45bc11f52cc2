"""A loss and arrays -> the `LossDict`: the arrays picked, the compiled function called, what JAX refuses told."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from lossdsl.backends import Program, check_tree
from lossdsl.errors import LossError, error
from lossdsl.language import described_number, exact_number
from lossdsl.loss.parts import is_ensemble
from lossdsl.loss.scalars import as_scalar, as_vector, check_there, is_traced, on_device
from lossdsl.loss.values import LossDict
from lossdsl.meaning import ROOTS, Term

# Where a loss keeps what it is called with, for each float type in force.
_ARGUMENTS = "_arguments"
# Each look-up of an attribute, `__dict__` too, goes through Python code of Equinox.
_look_up = object.__getattribute__


def evaluated(loss: Any, states: Any, trial_specs: Any, model: Any, step: Any, *, trials: bool = False) -> LossDict:
    """What a loss returns, for each trial or averaged.

    Not a method: Equinox builds a module each time a method of one is looked up, a tenth of a small call.
    """
    own = _look_up(loss, "__dict__")
    known = own.get(_ARGUMENTS, {}).get(jax.config.read("jax_enable_x64"))
    if known is None:
        if is_ensemble(own["held"].array, own["parameters"]):
            return _of_members(loss, states, trial_specs, model, step, trials)
        known = arguments(loss, own)
    numbers, parameters, by_label = known
    program: Program = own["program"]
    step, arrays = given_step(program, step) if program.uses_step else None, None
    try:
        arrays = program.pick(states, trial_specs, model)
        if program.objects:
            given = (states, trial_specs, model)
            for root, value in zip(ROOTS, given, strict=True):
                check_tree(root, value)
            objects = eqx.combine(loss.objects, loss.rest)
            out = program.run_with_objects(trials, numbers, parameters, step, arrays, objects, given)
        else:
            out = (program.run_trials if trials else program.run)(numbers, parameters, step, arrays)
    except LossError as failure:
        raise _in_own_words(own["written"].terms, program, arrays, failure) from None
    except (TypeError, ValueError):
        if arrays is not None:
            program.check(arrays)
        raise
    return _as_dict(program, numbers, by_label, out)


def weighed(loss: Any, step: Any, scaled: Any, *, trials: bool = False) -> LossDict:
    """What a loss returns of the values of its terms, for each trial or averaged."""
    numbers, parameters, by_label = arguments(loss, _look_up(loss, "__dict__"))
    out = loss.program.weighed(numbers, parameters, step, scaled, trials=trials)
    return _as_dict(loss.program, numbers, by_label, out)


def _as_dict(program: Program, numbers: Any, by_label: dict[str, Any], out: Any) -> LossDict:
    values, raw, made, total = out
    weights = [*by_label.values()]
    if made:
        rest = iter(made)
        weights = [by_label[label] if label in by_label else next(rest) for label in program.terms]
    dtype = total.dtype
    # Those that are made here have the type of their value already.
    if numbers.dtype != dtype:
        weights = [weight.astype(value.dtype) for weight, value in zip(weights, values, strict=True)]
    return LossDict.of(zip(program.terms, values, strict=True), raw, weights, total)


def _in_own_words(terms: tuple[Term, ...], program: Program, arrays: Any, failure: LossError) -> LossError:
    """The failure as one in the text of this loss: its program may have been built for another text."""
    if arrays is not None:
        try:
            program.check(arrays, {term.label: term.expr for term in terms})
        except LossError as own:
            failure = own
    return failure.with_traceback(None)


def arguments(loss: Any, own: dict[str, Any]) -> tuple[Any, Any, dict[str, Any]]:
    """The weights that are numbers, the parameters, and the weights by label, in the order of the terms.

    Known ones stand on the host, one by one: they share no buffer that may be donated. Those of a loss that was
    compiled before x64 was switched on are held anew, from their exact values.
    """
    numbers, parameters, program = own["held"].array, own["parameters"], own["program"]
    check_there(numbers)
    if is_traced((numbers, *parameters.values())):
        return numbers, parameters, program.by_label(numbers)
    x64, narrow = jax.config.read("jax_enable_x64"), np.float32
    if x64 and numbers.dtype == narrow:
        exact = {term.label: term.number for term in loss.terms}
        numbers = as_vector({label: exact[label] for label in program.numbers})
    if x64:
        parameters = {
            name: as_scalar(exact_number(value), "the parameter", name) if value.dtype == narrow else value
            for name, value in parameters.items()
        }
    found = numbers, parameters, program.by_label(jax.device_get(numbers))
    own[_ARGUMENTS] = {**own.get(_ARGUMENTS, {}), x64: found}
    return found


def _of_members(loss: Any, states: Any, trial_specs: Any, model: Any, step: Any, trials: bool) -> LossDict:
    """What each of the losses of an ensemble returns; the axes of the members stand first."""
    depth = max(loss.numbers.ndim - 1, *map(np.ndim, loss.parameters.values()), 0)
    if jax.tree.leaves(loss.objects) or loss.numbers.ndim - 1 not in (0, depth):
        raise error("ensemble")

    def one(numbers: Any, parameters: Any) -> LossDict:
        changed = eqx.tree_at(lambda loss: (loss.numbers, loss.parameters), loss, (numbers, parameters))
        return evaluated(changed, states, trial_specs, model, step, trials=trials)

    # A weight or a parameter that all members share has none of their axes.
    axes = (0 if loss.numbers.ndim > 1 else None, {n: 0 if np.ndim(v) else None for n, v in loss.parameters.items()})
    for _ in range(depth):
        one = jax.vmap(one, axes)
    return one(loss.numbers, loss.parameters)


def given_step(program: Program, step: Any) -> Any:
    """The training iteration in one of two types, whole or with a fraction, so that no kind of number retraces."""
    if not program.uses_step:
        return None
    if step is None:
        raise error("no-step")
    whole = jnp.result_type(int)
    if isinstance(step, np.ndarray | np.generic) and step.shape == ():
        step = step.item()
    if isinstance(step, int) and not isinstance(step, bool) and abs(step) <= np.iinfo(whole).max:
        return on_device(np.asarray(step, whole))
    if getattr(step, "shape", ()) != () or isinstance(step, str):
        raise error("bad-step", got=described_number(step))
    if isinstance(step, jax.Array) and jnp.issubdtype(step.dtype, jnp.number) and not jnp.iscomplexobj(step):
        dtype = jnp.result_type(float)
        if jnp.issubdtype(step.dtype, jnp.integer):
            # Without x64 a large uint32 is no int32.
            dtype = whole if np.can_cast(step.dtype, whole) else step.dtype
        is_held = step.dtype == dtype and not step.weak_type
        return step if is_held else jax.lax.convert_element_type(step, dtype)
    return as_scalar(step, "the training iteration", "step")
