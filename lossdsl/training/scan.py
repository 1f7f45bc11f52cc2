"""One step of many -> all of them, in chunks that are computed again for the gradient instead of being stored."""

import math
from collections.abc import Callable
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax import Array

from lossdsl.errors import error
from lossdsl.language import check_count
from lossdsl.loss import is_traced

Carry = TypeVar("Carry")


def scan(
    body: Callable[..., Carry],
    carry: Carry,
    steps: int | range,
    *,
    chunk: int | str | None = "sqrt",
    key: Array | None = None,
    progress: bool = False,
) -> Carry:
    """What is left after many steps, in the memory of few of them.

    For a gradient only the carry at the beginning of each chunk is stored; the chunk is computed again when its turn
    comes. The memory is that of `steps/chunk` carries and of one chunk, the least for chunks of `sqrt(steps)` steps.

    Args:
        body: The carry after a step: `body(carry, t)`, or `body(carry, t, key)` if there is a key.
        carry: The carry before the first step, a PyTree of arrays.
        steps: How many steps, or which: `range(1, 100)`.
        chunk: How many steps are computed again at a time; `"sqrt"` for their square root, None to store all.
        key: For noise: each step is given a key that is made of this one and `t`, the same when it is computed again.
        progress: Whether to show on the terminal how far it is, after each chunk; outside of `jit`, `grad` and `vmap`.

    Raises:
        LossValueError: For `steps` or a `chunk` that is no number of steps, a `body` that returns something else, and
            for `progress` in what JAX traces.

    Example:
        >>> import jax
        >>> float(jax.grad(lambda x: scan(lambda carry, t: carry * x, 1.0, 3))(2.0))
        12.0
        >>> scan(lambda carry, t, key: carry + jax.random.normal(key), 0.0, range(1, 10), key=jax.random.key(0)).shape
        ()
    """
    form: Any = jax.tree.structure(carry)
    every = steps if isinstance(steps, range) else _counted(steps)
    size = _chunk(chunk, len(every))

    def step(carry: Carry, i: Array) -> tuple[Carry, None]:
        t = every.start + every.step * i
        after = body(carry, t) if key is None else body(carry, t, jax.random.fold_in(key, t))
        if jax.tree.structure(after) != form:
            got = "a function whose result has not the form of the carry"
            advice = "return the carry after the step alone, where `jax.lax.scan` wants a pair"
            raise error("bad-argument", argument="body", got=got, advice=advice)
        return after, None

    def several(carry: Carry, first: Array, number: int) -> tuple[Carry, None]:
        return jax.lax.scan(step, carry, first + jnp.arange(number))

    if progress:
        return _shown(jax.jit(several, static_argnums=2), (carry, key), len(every), size)
    whole, left = divmod(len(every), size)
    if whole == 1 and not left:
        return several(carry, jnp.asarray(0), size)[0]
    # In a scan XLA does not join what is computed again to what was computed before.
    again = jax.checkpoint(lambda carry, first: several(carry, first, size), prevent_cse=False)
    carry, _ = jax.lax.scan(again, carry, size * jnp.arange(whole))
    if not left:
        return carry
    return jax.checkpoint(lambda carry: several(carry, jnp.asarray(whole * size), left)[0])(carry)


def _shown(several: Callable[..., Any], given: tuple[Any, Any], steps: int, size: int) -> Any:
    """What is left of the carry after one chunk at a time, with a bar that shows how many there were."""
    # Only who asks for it waits until this is imported.
    from rich.progress import track

    (carry, key), firsts = given, range(0, steps, size)
    for first in track(firsts, description=f"{steps:,} steps", disable=not firsts):
        if is_traced(jax.tree.leaves((carry, key))):
            break
        carry, _ = several(carry, first, min(size, steps - first))
    if is_traced(jax.tree.leaves((carry, key))):
        advice = "leave it out inside of `jit`, `grad` and `vmap`: what they trace runs later"
        raise error("bad-argument", argument="progress", got="True where JAX traces", advice=advice)
    return carry


def _counted(steps: Any) -> range:
    check_count("steps", steps, 0, "give how many steps there are, or which: `range(1, 100)`")
    return range(steps)


def _chunk(chunk: Any, steps: int) -> int:
    """How many steps a chunk has."""
    if chunk is None:
        return max(steps, 1)
    if chunk == "sqrt":
        return max(round(math.sqrt(steps)), 1)
    check_count("chunk", chunk, 1, 'give a number of steps, `"sqrt"`, or None to store all')
    return int(chunk)
