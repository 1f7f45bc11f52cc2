"""A function of a user -> an operator that texts can use."""

import inspect
import keyword
import string
from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

import jax.numpy as jnp
import numpy as np

from lossdsl.errors import error
from lossdsl.operators.along import features, reduces
from lossdsl.operators.axes import elementwise
from lossdsl.operators.declaration import CALLED, INNER, OPS, op

# What a template may name besides the parameters.
_PLACES = {"axis", "bounds", "t", "T", "at"}
# The families are imported before.
_BUILT_IN = frozenset(OPS)


def operator(
    function: Callable[..., Any] | None = None, *, name: str = "", axis: str = "", latex: str = "", example: str = ""
) -> Any:
    r"""Declare a function as an operator of the language, for all texts that are compiled after that.

    Its positional parameters are operands, those with a default options, which are numbers; after `*` they go by name
    only. A function without a parameter `axis` works elementwise: it is given arrays that broadcast, and returns one
    of their common shape. One with `axis` takes axes away: it is given their positions, an int or a tuple of them.
    Its first argument is in float32 or float64.

    Declared again, as by a cell of a notebook that runs twice, the new function is that of losses compiled after it.
    A loss in a file or a pickle needs the declaration wherever it is loaded.

    Args:
        function: A function on JAX arrays, which JAX can differentiate.
        name: Its name in a text; that of the function if none is given.
        axis: The axis that it takes away where a text says none; if it is empty, those that are neither `batch` nor
            `time`.
        latex: A template with the names of the parameters and doubled braces, as `r"\sigma\left({x}\right)"`.
        example: A text that uses it, for hints and lists.

    Returns:
        The function.

    Raises:
        LossValueError: For what cannot be declared.
        LossDataError: When a loss is called, for a result of another shape, and one that is not real.

    Example:
        >>> from lossdsl import compile
        >>> @operator
        ... def softsign(x, scale=1):
        ...     '''A sign that is soft.'''
        ...     return x / (scale + jnp.abs(x))
        >>> print(compile("mean(softsign(velocity, scale=0.1))"))
        mean(softsign(velocity, scale=0.1))
    """
    if function is None:
        return lambda function: operator(function, name=name, axis=axis, latex=latex, example=example)
    called = name or getattr(function, "__name__", "")
    given = _signature(called, function)
    parameters = _parameters(called, given, latex)
    takes_axis = "axis" in given
    if not isinstance(axis, str):
        raise _refused(called, f"its `axis` is `{axis!r}`", "give the name of an axis, such as `time`")
    if axis and not takes_axis:
        raise _refused(called, "its function has no parameter `axis`", "add one, or leave `axis` out")
    rule = (reduces(axis) if axis else features(one=False)) if takes_axis else elementwise
    upright, operands = called.replace("_", r"\_"), ", ".join(f"{{{parameter}}}" for parameter in parameters)
    shown = latex or rf"\operatorname{{{{{upright}}}}}\left({operands}\right)"
    code, version = called, 1
    while code in CALLED:
        version += 1
        code = f"{called}__{version}"
    text = example or f"{called}({', '.join(parameters[:1])})"
    op(called, axes=rule, latex=shown, example=text, code=code, mask="", singular=None)(_checked(called, function))
    return function


def _signature(name: Any, function: Any) -> Mapping[str, inspect.Parameter]:
    """The parameters of a function that can have this name in a text."""
    if not callable(function):
        raise _refused(name or str(function), "it is no function", "write `@operator` before a function of arrays")
    known = isinstance(name, str) and name.isidentifier() and not keyword.iskeyword(name)
    # What begins with `__` is no operator to Python but a part of the object that emitted code asks for them.
    if not known or name.startswith("__") or name in ("axis", "step"):
        raise _refused(name, "that is no name of an operator", 'give another: `@operator(name="...")`')
    # What trees alone have is told from others by its name too.
    if name in _BUILT_IN or name in INNER:
        raise _refused(name, "lossdsl has one of that name", 'give another: `@operator(name="...")`')
    try:
        return inspect.signature(function).parameters
    except ValueError:
        raise _refused(name, "Python knows no parameters of its function", "write a function around it") from None


def _parameters(name: str, given: Mapping[str, inspect.Parameter], latex: str) -> list[str]:
    """The names of the operands and options, and whether the template names others."""
    found = [p for p in given.values() if p.name != "axis"]
    if any(p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD) for p in found):
        raise _refused(name, "its function takes any number of arguments", "give each parameter a name")
    if not found or found[0].default is not inspect.Parameter.empty or found[0].kind == inspect.Parameter.KEYWORD_ONLY:
        raise _refused(name, "its function has no operand", "give it a first parameter without a default")
    for p in given.values():
        if p.kind == p.POSITIONAL_ONLY and (p.name == "axis" or p.default is not inspect.Parameter.empty):
            raise _refused(name, f"`{p.name}` cannot be given by name", "take the `/` away from its function")
    for p in found:
        is_number = isinstance(p.default, int | float) and not isinstance(p.default, bool) and np.isfinite(p.default)
        if p.default is not inspect.Parameter.empty and not is_number:
            raise _refused(name, f"the default of `{p.name}` is `{p.default!r}`", "an option is a finite number")
    parameters = [p.name for p in found]
    try:
        named = {field.partition(".")[0] for _, field, _, _ in string.Formatter().parse(latex) if field is not None}
    except ValueError as failure:
        raise _refused(name, f"its `latex` is no template: {failure}", "write braces of LaTeX twice: `{{`") from None
    if unknown := named - _PLACES - {*parameters}:
        raise _refused(name, f"its `latex` names `{min(unknown)}`", "write braces of LaTeX twice: `{{`")
    return parameters


def _refused(name: str, reason: str, advice: str) -> Exception:
    return error("bad-operator", name=name, reason=reason, advice=advice)


def _checked(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """The function, whose result is held against what the axes say."""

    @wraps(function)
    def lower(*args: Any, **options: Any) -> Any:
        made = function(*args, **options)
        result = None if made is None else jnp.asarray(made)
        if result is None or jnp.iscomplexobj(result):
            got = "None" if result is None else f"numbers of {result.dtype}"
            raise error("operator-result", name=name, got=got)
        operands = [*args, *(value for key, value in options.items() if key != "axis")]
        shape = list(jnp.broadcast_shapes(*map(jnp.shape, operands)))
        gone = options.get("axis", ())
        for place in sorted([gone] if isinstance(gone, int) else gone, reverse=True):
            del shape[place]
        if result.shape != tuple(shape):
            raise error("operator-shape", name=name, got=str(result.shape), expected=str(tuple(shape)))
        return result

    return lower
