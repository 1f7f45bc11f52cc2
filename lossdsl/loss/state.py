"""A loss <-> its state: the numbers of it by label, for a checkpoint, whatever the order of the terms."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from lossdsl.backends import Program
from lossdsl.errors import described, error
from lossdsl.loss.scalars import Held, check_there, is_traced

_KINDS = {"weights": "weight", "parameters": "parameter", "terms": "array"}
_MOST_NAMED = 6


class Stateful(eqx.Module):
    """What has weights, parameters, and terms in Python that hold arrays."""

    held: eqx.AbstractVar[Held]
    parameters: eqx.AbstractVar[dict[str, Array]]
    objects: eqx.AbstractVar[dict[str, Any]]
    program: eqx.AbstractVar[Program]

    @property
    def numbers(self) -> Array:
        """The weights that are numbers as one array, in the order of `program.numbers`."""
        array: Array = self.held.array
        return array

    @property
    def weights(self) -> Mapping[str, Array]:
        """The weights that are numbers, by label; those made of parameters or `step` are in `terms`."""
        numbers = self.numbers
        if isinstance(numbers, jax.Array) and not isinstance(numbers, jax.core.Tracer) and not numbers.committed:
            # Nothing is compiled for it, and no index is sent to a device.
            with jax.ensure_compile_time_eval():
                return self.program.by_label(jax.device_put(_parts(np.asarray(numbers))))
        return self.program.by_label(_parts(numbers))

    @property
    def state(self) -> dict[str, dict[str, Any]]:
        """The numbers of the loss by label, for a checkpoint: a dict of dicts of NumPy arrays, copies.

        `weights` has those that are numbers, by label; `parameters` those of the loss, by name; `terms` the arrays that
        terms in Python hold, by name, if any do. The axes of an ensemble stand first. What is traced stays traced.

        Example:
            >>> from lossdsl import compile
            >>> compile("position + alpha*velocity", parameters={"alpha": 0.5}).state
            {'weights': {'position': array(1., dtype=float32)}, 'parameters': {'alpha': array(0.5, dtype=float32)}}
        """
        state: dict[str, dict[str, Any]] = {
            "weights": self.program.by_label(_parts(_on_host(self.numbers))),
            "parameters": {name: _on_host(value) for name, value in self.parameters.items()},
            "terms": {},
        }
        for (name, path), leaf in _of_objects(self.objects):
            state["terms"].setdefault(name, {})[path] = _on_host(leaf)
        return state if state["terms"] else {key: state[key] for key in ("weights", "parameters")}

    def with_state(self, state: Mapping[str, Any]) -> Self:
        """The loss with the numbers of a state, by label; nothing is traced or compiled again.

        The order of the terms does not count. The state of an ensemble makes an ensemble.

        Args:
            state: What `state` of a loss with the same terms and parameters gave, or what a file made of it.

        Raises:
            LossNameError: If the state and the loss do not have the same terms and parameters.
            LossDataError: For a value that is of another shape or type than that of the loss.

        Example:
            >>> from lossdsl import compile
            >>> kept = compile("3*nn_hidden + 2e-5*position").state
            >>> str(compile("position + nn_hidden").with_state(kept))
            '2e-5*position + 3*nn_hidden'
        """
        own, given = dict(_rows(self.state)), dict(_rows(state))
        _check_names(own, given)
        held = {key: _held(key, given[key], like) for key, like in own.items()}
        weights = [held["weights", label] for label in self.program.numbers]
        for label, weight in zip(self.program.numbers, weights, strict=True):
            if weight.shape != weights[0].shape:
                raise _unlike(("weights", label), weight, weights[0])
        numbers = _placed(_stacked(weights), self.numbers) if weights else self.numbers
        parameters = {name: _placed(held["parameters", name], old) for name, old in self.parameters.items()}
        arrays = [_placed(held["terms", *key], old) for key, old in _of_objects(self.objects)]
        objects = jax.tree.unflatten(jax.tree.structure(self.objects), arrays)
        new = (numbers, parameters, objects)
        return eqx.tree_at(lambda loss: (loss.numbers, loss.parameters, loss.objects), self, new)


def _parts(numbers: Any) -> list[Any]:
    check_there(numbers)
    if isinstance(numbers, jax.ShapeDtypeStruct):
        return list(jax.eval_shape(_parts, numbers))
    return [numbers[..., i] for i in range(numbers.shape[-1])]


def _of_objects(objects: Any) -> Iterator[tuple[tuple[str, str], Any]]:
    """The arrays of the terms in Python: the name of the term, the path in it, and the array."""
    for (name, *path), leaf in jax.tree_util.tree_leaves_with_path(objects):
        yield (name.key, jax.tree_util.keystr(tuple(path)).lstrip(".")), leaf


def _rows(state: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What is in a state, with its keys; an empty part and a missing one are the same."""
    if not isinstance(state, Mapping) or not all(isinstance(part, Mapping) for part in state.values()):
        advice = "give what `loss.state` gave: weights and parameters by label"
        got = described(state) if not isinstance(state, Mapping) else f"a {type(state).__name__} of other things"
        raise error("bad-argument", argument="state", got=got, advice=advice)
    for kind, part in state.items():
        for name, value in part.items():
            if isinstance(value, Mapping):
                yield from (((kind, name, path), leaf) for path, leaf in value.items())
            else:
                yield (kind, name), value


def _check_names(own: Mapping[tuple[str, ...], Any], given: Mapping[tuple[str, ...], Any]) -> None:
    differing = [f"{_named(key)} is missing" for key in own if key not in given]
    differing += [f"{_named(key)} is unknown" for key in given if key not in own]
    if differing:
        more = [f"and {len(differing) - _MOST_NAMED} more"] if len(differing) > _MOST_NAMED else []
        raise error("state-differs", difference=", ".join(differing[:_MOST_NAMED] + more))


def _named(key: tuple[str, ...]) -> str:
    return f"the {_KINDS.get(key[0], key[0])} `{'.'.join(map(str, key[1:]))}`"


def _held(key: tuple[str, ...], value: Any, like: Any) -> Any:
    """A value of a state in the type of the loss, which must be able to hold it; axes of an ensemble may be new."""
    if not isinstance(value, jax.core.Tracer) and not _is_special(value):
        value = np.asarray(value)
    if value.shape[max(0, value.ndim - like.ndim) :] != like.shape:
        raise _unlike(key, value, like)
    if value.dtype == like.dtype:
        return value
    if _is_special(value) or _is_special(like) or not np.can_cast(value.dtype, like.dtype, "same_kind"):
        raise _unlike(key, value, like)
    with np.errstate(over="ignore"):
        held = value.astype(like.dtype)
    if isinstance(value, np.ndarray) and _is_lost(value, held):
        got = f"beyond what {held.dtype} can hold"
        raise error("bad-weight", what=f"in the state the {_KINDS[key[0]]}", name=".".join(key[1:]), got=got)
    return held


def _is_lost(value: np.ndarray, held: np.ndarray) -> bool:
    """Whether a number became infinite, 0 or another whole one; rounding is well."""
    if jnp.issubdtype(held.dtype, jnp.integer):
        return bool((held != value).any())
    return bool(((np.isfinite(value) & ~np.isfinite(held)) | ((value != 0) & (held == 0))).any())


def _unlike(key: tuple[str, ...], value: Any, like: Any) -> Exception:
    got, expected = (f"{one.dtype} of the shape {np.shape(one)}" for one in (value, like))
    return error("state-value", name=_named(key), got=got, expected=expected)


def _is_special(value: Any) -> bool:
    """Whether it is a key of `jax.random`, which NumPy does not have."""
    return hasattr(value, "dtype") and jnp.issubdtype(value.dtype, jax.dtypes.extended)


def _on_host(array: Any) -> Any:
    check_there(array)
    return array if isinstance(array, jax.core.Tracer) or _is_special(array) else np.array(array)


def _stacked(weights: list[Any]) -> Any:
    return jnp.stack(weights, axis=-1) if is_traced(weights) else np.stack(weights, axis=-1)


def _placed(array: Any, old: Any) -> Any:
    """The array where the old one is, known in `jit` too."""
    if isinstance(array, jax.core.Tracer):
        return array
    is_kept = not isinstance(old, jax.core.Tracer) and old.committed and old.shape == array.shape
    with jax.ensure_compile_time_eval():
        return jax.device_put(array, old.sharding if is_kept else None)
