"""The arrays that a loss is given: where they lie, what shapes they have, what is wrong with them."""

import difflib
import warnings
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np

from lossdsl.backends.model import is_aside, trainable
from lossdsl.backends.sizes import check_one_time
from lossdsl.errors import LossError, described, error, listed
from lossdsl.language import Call, Expr, Name, is_name, shown_axes
from lossdsl.meaning import (
    MISTAKABLE,
    READ,
    Defined,
    Key,
    Object,
    Place,
    Quantity,
    each_name,
    formula_of,
    is_formula,
    joins,
    path_text,
    paths,
    places,
    seen_together,
)
from lossdsl.operators import BATCH, OPS, TIME, Axes, dual, without

# The axes of nodes by their keys, and whether they are read at the first step.
_Measured = dict[tuple[bytes, bool], Axes | None]
# What lies where nothing is.
_NOTHING = object()


def take(root: Any, *paths: str) -> Any:
    """What lies at a path such as `states.mechanics.effector.pos`; each part an attribute, a key or an index.

    Of a path such as `states.base.vel[..., :2]`, those components of the vector that lies there. Of several paths, what
    lies at the first of them that is there.

    Raises:
        LossDataError: If none is there; the hint offers the nearest paths that are. For a NumPy array with a number
            that JAX would take for another.
    """
    return taken_at(root, [place for path in paths for place in places(path)])[1]


def taken_at(root: Any, tried: Sequence[Place]) -> tuple[Place, Any]:
    """The first of some places that there is, and what lies there; one that is None is there if all others are not.

    Raises:
        LossDataError: If there is none.
    """
    if root is None:
        raise error("no-root", name=tried[0].text, root=tried[0].root)
    empty = None
    for place in tried:
        value = _at(root, place)
        if value is not None and value is not _NOTHING:
            return place, _fitting(value, place)
        empty = empty or (place if value is None else None)
    if empty is None:
        raise _missing(root, tried)
    return empty, _fitting(None, empty)


def _at(root: Any, place: Place) -> Any:
    value = root
    try:
        for part in place.parts:
            value = value[part] if type(value) is dict else _step(value, part)
    except (AttributeError, KeyError, IndexError):
        return _NOTHING
    except Exception as failure:
        # What the data themselves compute at an attribute.
        raise error("path-raises", name=place.text, got=f"{type(failure).__name__}: {failure}") from failure
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


def _fitting(value: Any, place: Place) -> Any:
    value = value if place.at is None else _components(value, place)
    _check_fit(value, place.text)
    return value


def warn_of_others(quantities: Iterable[Quantity], roots: Mapping[str, Any]) -> None:
    """Warn where the data have what may be meant by one of the quantities, and it is something else."""
    for quantity in quantities:
        for other in places(MISTAKABLE[quantity.path]) if quantity.path in MISTAKABLE else ():
            meant = _at(roots[other.root], other)
            if hasattr(meant, "shape") and not _are_same(meant, take(roots[other.root], quantity.path)):
                warnings.warn(error("two-outputs", name=quantity.path, other=other.text).own, stacklevel=2)


def _are_same(one: Any, other: Any) -> bool:
    traced = isinstance(one, jax.core.Tracer) or isinstance(other, jax.core.Tracer)
    # Arrays on devices, perhaps shared out over some, are compared there: one number comes back.
    equal = jnp.array_equal if isinstance(one, jax.Array) and isinstance(other, jax.Array) else np.array_equal
    return one is other or (not traced and bool(equal(one, other, equal_nan=True)))


def _components(value: Any, place: Place) -> Any:
    """Components along the last axis; JAX would take the nearest for those that are not there."""
    at, length = place.at, (getattr(value, "shape", ()) or (0,))[-1]
    bounds = (at.start, at.stop) if isinstance(at, slice) else (at,)
    if length == 0 or any(b is not None and not -length <= b <= length - isinstance(at, int) for b in bounds):
        raise error("no-components", name=place.text, parent=place.base, got=described(value))
    return value[..., at]


def floats(root: Any, *paths: str) -> Any:
    """The arrays of floats of the PyTree at a path; what else it holds is left out, and so are the losses in it."""
    place, value = taken_at(root, [place for path in paths for place in places(path)])
    if is_aside(value):
        raise error("no-model", name=place.text)
    found = eqx.filter(value, trainable(value))
    for leaf in jax.tree.leaves(found):
        _check_fit(leaf, place.text)
    return found


def _step(value: Any, part: str) -> Any:
    if isinstance(value, np.ndarray | np.generic | jax.Array):
        raise KeyError(part)  # what it has are its methods, no arrays of the data
    if isinstance(value, Mapping):
        return value[part]
    if isinstance(part, Key):
        raise KeyError(part)
    if part.isdecimal():
        if isinstance(value, Sequence):
            return value[int(part)]
        raise KeyError(part)
    return getattr(value, part)


def _missing(root: Any, tried: Sequence[Place]) -> LossError:
    """What the way that leads deepest ends at, and the places where it is not either."""
    place = max(tried, key=lambda place: _depth(root, place))
    depth = _depth(root, place)
    ends: dict[str, Any] = {"parent": path_text(place.root, place.parts[:depth]), "part": place.parts[depth]}
    there = dict.fromkeys(found for found, leaf in paths(root, place.root) if leaf is not None)
    same_end = [found for found in there if places(found)[-1].parts[-1:] == place.parts[-1:]]
    near = difflib.get_close_matches(place.base, there, n=3, cutoff=0.6) or same_end[:3]
    advice = f"the nearest there are: {listed(near)}" if near else f"there are: {listed(there)}"
    if not there:
        advice = f"there are no arrays in `{place.root}`"
    others = [other.base for other in tried if other is not place]
    nor = f"; nor is {listed(others)}" if others else ""
    return error("missing-path", name=place.base, nor=nor, advice=advice, **ends)


def _depth(root: Any, place: Place) -> int:
    """How many of the parts are there."""
    value = root
    for i, part in enumerate(place.parts):
        try:
            value = _step(value, part)
        except (AttributeError, KeyError, IndexError):
            return i
    return len(place.parts)


def check(quantities: Mapping[str, Quantity], arrays: Sequence[Any], terms: Mapping[str, Expr]) -> None:
    """Hold the arrays against the vocabulary and the terms: ranks, lengths, windows.

    Raises:
        LossDataError: Names the quantities, their shapes and the term.
    """
    sizes = check_each(quantities, arrays, terms)
    measured: _Measured = {}
    for label, expr in terms.items():
        try:
            for node in each_name([expr]).values():
                if not is_formula(node):
                    measured[node.key, False] = _lengths(node, sizes, measured)
            _measure(expr, measured)
            check_one_time(expr, sizes, dict(zip(quantities, arrays, strict=True)))
        except LossError as failure:
            failure.term = label
            if failure.code == "lengths-differ":
                used = [name for name in each_name([expr]) if name in sizes]
                failure.fields["shapes"] = _shapes(used, quantities, arrays) + _one_step_more(failure.fields)
            raise


def check_each(
    quantities: Mapping[str, Quantity], arrays: Sequence[Any], terms: Mapping[str, Expr]
) -> dict[str, Axes | None]:
    """The lengths of the axes of arrays, each held against the vocabulary and those before it.

    Raises:
        LossDataError: Names the quantities, their shapes and the first term that has them.
    """
    sizes: dict[str, Axes | None] = {}
    for (name, quantity), array in zip(quantities.items(), arrays, strict=True):
        try:
            sizes[name] = _measured(name, quantity, array)
            _check_lengths(name, sizes, arrays)
        except LossError as failure:
            failure.term = term_with(terms, name)
            raise
    return sizes


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


def missing_in(failure: LossError, quantities: Mapping[str, Quantity], terms: Mapping[str, Expr]) -> LossError:
    """The failure to find an array, with the first term that needs it."""
    path = failure.fields.get("name")
    places = [(name, place) for name, quantity in quantities.items() for place in quantity.places]
    failure.term = term_with(terms, next((name for name, place in places if path in (place.text, place.base)), ""))
    return failure


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


def _lengths(name: Name, sizes: Mapping[str, Axes | None], measured: _Measured) -> Axes | None:
    match name.meaning:
        case Quantity():
            return sizes[name.name]
        case Defined() as defined:
            return _measure(defined.expr, measured)
        case Object():
            return name.meaning.axes
    return {}


def _measure(node: Expr, measured: _Measured, first: bool = False) -> Axes | None:
    """The axes of a node, of a formula that is read at the `first` step those of what is read."""
    if node.constant:
        return {}
    node = formula_of(node)
    if (node.key, first) not in measured:
        assert isinstance(node, Call)
        reads = node.op.name in READ, first and joins(node)
        operands = [_measure(arg, measured, reads[1] or (reads[0] and i == 0)) for i, arg in enumerate(node.args)]
        if reads[1]:
            operands = [axes and without(axes, TIME) for axes in operands]
        measured[node.key, first] = node.measure(seen_together(node, operands)).result
    return measured[node.key, first]


def _one_step_more(differ: Mapping[str, Any]) -> str:
    """What to do where one operand is a step longer: one begins with the state before the first step."""
    sides = [("left", "right"), ("right", "left")]
    longer, shorter = next((differ[a], differ[b]) for a, b in sides if differ[f"{a}_length"] >= differ[f"{b}_length"])
    if differ["axis"] != TIME or abs(differ["left_length"] - differ["right_length"]) != 1:
        return ""
    rule = "; states are one step longer than targets, for they begin with the initial one"
    if OPS[differ["operator"]].formulas:
        return f"{rule}: write `[1:]` behind the states that are compared"
    if shorter.endswith("[1:]"):
        return f"{rule}: put it before these, or write `{shorter.removesuffix('[1:]')}` without `[1:]`"
    return rule if "[" in longer + shorter else f"{rule}: write `{longer if is_name(longer) else f'({longer})'}[1:]`"


def _shapes(names: Iterable[str], quantities: Mapping[str, Quantity], arrays: Sequence[Any]) -> str:
    known = dict(zip(quantities, arrays, strict=True))
    return ", ".join(f"`{name}` is {tuple(known[name].shape)}" for name in names if hasattr(known[name], "shape"))
