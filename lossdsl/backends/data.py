"""The arrays that a loss is given: where they lie, what shapes they have, what is wrong with them."""

import difflib
import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from lossdsl.backends.model import is_aside, trainable
from lossdsl.backends.sizes import check_one_time
from lossdsl.errors import LossError, described, error, listed
from lossdsl.language import Call, Expr, Name, is_name, shown_axes
from lossdsl.meaning import ROOTS, Defined, Object, Quantity, components, each_name, paths
from lossdsl.operators import BATCH, TIME, Axes, dual


def take(root: Any, path: str) -> Any:
    """What lies at a path such as `states.mechanics.effector.pos`; each part an attribute, a key or an index.

    Of a path such as `states.base.vel[..., :2]`, those components of the vector that lies there.

    Raises:
        LossDataError: If it is not there; the hint offers the nearest paths that are. For a NumPy array with a number
            that JAX would take for another.
    """
    if root is None:
        raise error("no-root", name=path, root=path.split(".")[0])
    value = root
    parts, at = _parts(path)
    try:
        for part in parts:
            value = value[part] if type(value) is dict else _step(value, part)
    except (AttributeError, KeyError, IndexError):
        raise _missing(root, components(path)[0]) from None
    except Exception as failure:
        # What the data themselves compute at an attribute.
        raise error("path-raises", name=path, got=f"{type(failure).__name__}: {failure}") from failure
    value = value if at is None else _components(value, at, path)
    _check_fit(value, path)
    return value


def unfit(array: Any) -> tuple[str, str] | None:
    """What of a NumPy array JAX would take for something else, as without x64 2**40 for 0, and what to do; or None."""
    if not isinstance(array, np.ndarray | np.generic) or array.dtype.kind not in "iuf":
        return None
    dtype = array.dtype
    if not dtype.isnative or dtype.itemsize > 8:
        order = "" if dtype.isnative else ", in the order of bytes of other machines"
        return f"numbers of {dtype}{order}", "convert it, as in `x.astype(float)`"
    if dtype.itemsize < 8 or jax.config.jax_enable_x64:  # type: ignore[attr-defined]
        return None
    with np.errstate(over="ignore"):
        held = np.asarray(array).astype(f"{dtype.kind}4")
    other = np.isinf(held) & np.isfinite(array) if dtype.kind == "f" else held != array
    if not np.any(other):
        return None
    return f"{np.asarray(array)[other][0]}, which {held.dtype} cannot", (
        'compute with 64 bits, `jax.config.update("jax_enable_x64", True)`, or scale what it holds'
    )


def _check_fit(array: Any, name: str) -> None:
    if found := unfit(array):
        raise error("not-held", name=name, got=found[0], advice=found[1])


@cache
def _parts(path: str) -> tuple[tuple[str, ...], Any]:
    base, at = components(path)
    return tuple(base.split(".")[1:]), at


def _components(value: Any, at: Any, path: str) -> Any:
    """Components along the last axis; JAX would take the nearest for those that are not there."""
    length = (getattr(value, "shape", ()) or (0,))[-1]
    bounds = (at,) if isinstance(at, int) else (at.start, at.stop)
    if length == 0 or any(b is not None and not -length <= b <= length - isinstance(at, int) for b in bounds):
        raise error("no-components", name=path, parent=components(path)[0], got=described(value))
    return value[..., at]


def reader(quantities: Iterable[Quantity], roots: Mapping[str, Any]) -> Callable[..., tuple[Any, ...] | None]:
    """A function of the roots that gives what `take` gives for roots built like these, and None for others.

    To `take` each array of a small loss is a tenth of its time; this is a hundredth.
    """
    known: dict[str, tuple[str, Any]] = {}
    kinds: list[type] = []
    lines: list[str] = []
    found: list[str] = []
    for quantity in quantities:
        path, *parts = quantity.path.split(".")
        if quantity.is_tree or components(quantity.path)[1] is not None or not parts:
            return _read_nothing
        code, value = path, roots[path]
        for part in parts:
            if path not in known:
                known[path] = f"part_{len(known)}", value
                kinds.append(type(value))
                lines.append(f"{known[path][0]} = {code}")
                lines.append(f"if type({known[path][0]}) is not kinds[{len(kinds) - 1}]: return None")
            variable, value = known[path]
            code, value = _way(variable, value, part)
            if not code:
                return _read_nothing
            path = f"{path}.{part}"
        variable = f"array_{len(found)}"
        # `take` says what is wrong; a tracer has another type than an array.
        guard = f"type({variable}) is not kinds[{len(kinds)}]" + (
            f" or unfit({variable})" if isinstance(value, np.ndarray | np.generic) else ""
        )
        kinds.append(type(value))
        lines += [f"{variable} = {code}", f"if {guard}: return None"]
        found.append(variable)
    return _compiled_reader(tuple(kinds), tuple(lines), tuple(found))


def _way(variable: str, value: Any, part: str) -> tuple[str, Any]:
    """How a part of a path is read, as Python, and what is there; nothing where `take` alone knows."""
    if isinstance(value, dict):
        return (f"{variable}[{part!r}]", value[part]) if part in value else ("", None)
    if isinstance(value, list | tuple) and part.isdecimal():
        return (f"{variable}[{int(part)}]", value[int(part)]) if int(part) < len(value) else ("", None)
    # Of a field, not of a property: Equinox runs Python code at each look-up of an attribute.
    own = isinstance(value, Mapping) or inspect.isdatadescriptor(getattr(type(value), part, None))
    fields = {} if own else getattr(value, "__dict__", {})
    return (f"fields({variable}, '__dict__')[{part!r}]", fields[part]) if part in fields else ("", None)


def _read_nothing(*roots: Any) -> None:
    return None


@lru_cache(maxsize=100)
def _compiled_reader(
    kinds: tuple[type, ...], lines: tuple[str, ...], found: tuple[str, ...]
) -> Callable[..., tuple[Any, ...] | None]:
    body = "\n        ".join([*lines, f"return ({', '.join([*found, ''])})"])
    # Paths are checked names, and stand in it as literals.
    source = f"def read({', '.join(ROOTS)}):\n    try:\n        {body}\n    except LookupError:\n        return None\n"
    made: dict[str, Any] = {"fields": object.__getattribute__, "kinds": kinds, "unfit": unfit}
    exec(source, made)
    function: Callable[..., tuple[Any, ...] | None] = made["read"]
    return function


def floats(root: Any, path: str) -> Any:
    """The arrays of floats of the PyTree at a path; what else it holds is left out, and so are the losses in it."""
    value = take(root, path)
    if is_aside(value):
        raise error("no-model", name=path)
    found = eqx.filter(value, trainable(value))
    for leaf in jax.tree.leaves(found):
        _check_fit(leaf, path)
    return found


def _step(value: Any, part: str) -> Any:
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        raise KeyError(part)  # what it has are its methods, no arrays of the data
    if isinstance(value, Mapping):
        return value[part]
    if part.isdecimal():
        if isinstance(value, Sequence):
            return value[int(part)]
        raise KeyError(part)
    return getattr(value, part)


def _missing(root: Any, path: str) -> LossError:
    parts, value = path.split("."), root
    for i, part in enumerate(parts[1:], start=1):
        try:
            value = _step(value, part)
        except (AttributeError, KeyError, IndexError):
            parent = ".".join(parts[:i])
            break
    there = dict.fromkeys(found for found, leaf in paths(root, parts[0]) if leaf is not None)
    same_end = [found for found in there if found.rsplit(".", 1)[-1] == parts[-1]]
    near = difflib.get_close_matches(path, there, n=3, cutoff=0.6) or same_end[:3]
    advice = f"the nearest there are: {listed(near)}" if near else f"there are: {listed(there)}"
    if not there:
        advice = f"there are no arrays in `{parts[0]}`"
    return error("missing-path", name=path, parent=parent, part=part, advice=advice)


def check(quantities: Mapping[str, Quantity], arrays: Sequence[Any], terms: Mapping[str, Expr]) -> None:
    """Hold the arrays against the vocabulary and the terms: ranks, lengths, windows.

    Raises:
        LossDataError: Names the quantities, their shapes and the term.
    """
    sizes: dict[str, Axes | None] = {}
    for (name, quantity), array in zip(quantities.items(), arrays, strict=True):
        try:
            sizes[name] = _measured(name, quantity, array)
            _check_lengths(name, sizes, arrays)
        except LossError as failure:
            failure.term = term_with(terms, name)
            raise
    measured: dict[bytes, Axes | None] = {}
    for label, expr in terms.items():
        try:
            for node in each_name([expr]).values():
                measured[node.key] = _lengths(node, sizes, measured)
            _measure(expr, measured)
            check_one_time(expr, sizes, dict(zip(quantities, arrays, strict=True)))
        except LossError as failure:
            failure.term = label
            if failure.code == "lengths-differ":
                used = [name for name in each_name([expr]) if name in sizes]
                failure.fields["shapes"] = _shapes(used, quantities, arrays) + _one_step_more(failure.fields)
            raise


def check_tree(root: str, value: Any) -> None:
    """Refuse what `jit` cannot take as an argument, a namespace that is no PyTree, or would take for another number.

    Raises:
        LossDataError: Names the root and what it holds.
    """
    for leaf in jax.tree.leaves(value):
        if not hasattr(leaf, "dtype") and type(leaf).__hash__ is None:
            raise error("not-a-tree", root=root, got=described(leaf))
        _check_fit(leaf, root)


def term_with(terms: Mapping[str, Expr], name: str) -> str | None:
    """The first term that a name is in."""
    return next((label for label, expr in terms.items() if name in each_name([expr])), None)


def _measured(name: str, quantity: Quantity, array: Any) -> Axes | None:
    declared = shown_axes(dict.fromkeys(quantity.dimensions))
    fields: dict[str, Any] = {"name": name, "path": quantity.path, "axes": declared}
    if quantity.is_tree and array is not None:
        return None
    if not hasattr(array, "shape") or not hasattr(array, "dtype") or isinstance(array, np.ma.MaskedArray):
        raise error("no-array", got=described(array), **fields)
    if (
        array.dtype != bool
        and not jnp.issubdtype(array.dtype, jnp.integer)
        and not jnp.issubdtype(array.dtype, jnp.floating)
    ):
        raise error("no-array", got=f"an array of {array.dtype}", **fields)
    shape = tuple(array.shape)
    if len(shape) != len(quantity.dimensions):
        rank = len(quantity.dimensions)
        advice = f"`{quantity.path}` must have {rank} dimension{'s' * (rank != 1)}"
        if not shape:
            advice += '; declare a number with no axes, `""`'
        elif len(shape) == rank - 1 and BATCH in quantity.dimensions:
            advice += "; a single trial is a batch of one: `jax.tree.map(lambda x: x[None], states)`"
        elif len(shape) == rank + 1:
            advice += "; over an ensemble of models map the loss: `jax.vmap(loss, ...)`"
        raise error("rank", shape=shape, advice=advice, **fields)
    for position, (axis, length) in enumerate(zip(quantity.dimensions, shape, strict=True)):
        if axis == "1" and length != 1:
            raise error("not-one", position=position, length=length, shape=shape, **fields)
        if axis == BATCH and length == 0:
            raise error("no-trials", name=name, shape=shape)
    lengths = {axis: n for axis, n in zip(quantity.dimensions, shape, strict=True) if axis != "1"}
    for axis, n in lengths.items():
        if lengths.get(dual(axis), n) != n:
            raise error("not-square", name=name, axis=axis, shape=shape, path=quantity.path)
    return lengths


def _check_lengths(name: str, sizes: Mapping[str, Axes | None], arrays: Sequence[Any]) -> None:
    """Hold one quantity against those before it: an axis has one length wherever it stands, but for `time`."""
    for axis, length in (sizes[name] or {}).items():
        for i, (other, axes) in enumerate(sizes.items()):
            if axis != TIME and axes and axes.get(axis, length) != length:
                shapes = {"first_shape": arrays[i].shape, "second_shape": arrays[len(sizes) - 1].shape}
                raise error("axis-length", axis=axis, first=other, second=name, **shapes)


def _lengths(name: Name, sizes: Mapping[str, Axes | None], measured: dict[bytes, Axes | None]) -> Axes | None:
    match name.meaning:
        case Quantity():
            return sizes[name.name]
        case Defined() as defined:
            return _measure(defined.expr, measured)
        case Object():
            return name.meaning.axes
    return {}


def _measure(node: Expr, measured: dict[bytes, Axes | None]) -> Axes | None:
    if node.constant:
        return {}
    if node.key not in measured:
        assert isinstance(node, Call)
        operands = [_measure(arg, measured) for arg in node.args]
        measured[node.key] = node.measure(operands).result
    return measured[node.key]


def _one_step_more(differ: Mapping[str, Any]) -> str:
    """What to do where one operand is a step longer: one begins with the state before the first step."""
    sides = [("left", "right"), ("right", "left")]
    longer, shorter = next((differ[a], differ[b]) for a, b in sides if differ[f"{a}_length"] >= differ[f"{b}_length"])
    if differ["axis"] != TIME or abs(differ["left_length"] - differ["right_length"]) != 1:
        return ""
    rule = "; states are one step longer than targets, for they begin with the initial one"
    if shorter.endswith("[1:]"):
        return f"{rule}: put it before these, or write `{shorter.removesuffix('[1:]')}` without `[1:]`"
    return rule if "[" in longer + shorter else f"{rule}: write `{longer if is_name(longer) else f'({longer})'}[1:]`"


def _shapes(names: Iterable[str], quantities: Mapping[str, Quantity], arrays: Sequence[Any]) -> str:
    known = dict(zip(quantities, arrays, strict=True))
    return ", ".join(f"`{name}` is {tuple(known[name].shape)}" for name in names if hasattr(known[name], "shape"))
