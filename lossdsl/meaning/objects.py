"""What a name means that stands for a Python object, and what tells one such object from another."""

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property, partial
from hashlib import blake2b
from types import CodeType, FunctionType
from typing import Any

import jax
import numpy as np

from lossdsl.operators import BATCH, Axes


@dataclass(frozen=True, eq=False)
class Object:
    """What a name means that stands for a Python object with `label` and `term`: one value per trial."""

    name: str
    object: Any

    @cached_property
    def content(self) -> bytes:
        return blake2b(repr((self.name, _identity(self.object))).encode(), digest_size=16).digest()

    @cached_property
    def axes(self) -> Axes:
        return dict.fromkeys(getattr(self.object, "axes", (BATCH,)))

    @property
    def constant(self) -> bool:
        return False


def _identity(value: Any) -> Any:
    """What tells one Python object from another, the same in every process; a function is told by its code."""
    if value is None or isinstance(value, bool | int | float | complex | str | bytes):
        return value
    if isinstance(value, jax.core.Tracer):
        return id(value)
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        array = np.asarray(value)
        return str(array.dtype), array.shape, array.tobytes()
    if isinstance(value, Mapping):
        return [(str(key), _identity(item)) for key, item in value.items()]
    if isinstance(value, tuple | list):
        return [_identity(item) for item in value]
    if isinstance(value, partial):
        return _identity([value.func, value.args, value.keywords])
    if isinstance(value, FunctionType):
        captured = [cell.cell_contents for cell in value.__closure__ or ()]
        return _home(value), value.__qualname__, _code(value.__code__), _identity([value.__defaults__, captured])
    kind = value if hasattr(value, "__qualname__") else type(value)
    fields = (
        [(f.name, _identity(getattr(value, f.name, None))) for f in dataclasses.fields(value)]
        if _has_fields(value)
        else []
    )
    return _home(kind), kind.__qualname__, fields


# Where the digests of stored losses know our own classes from: they outlive the files.
_HOMES = dict.fromkeys(("functions", "reaches", "terms"), "lossdsl.feedbax") | {"targets": "lossdsl.targets"}


def _home(value: Any) -> str:
    package, _, file = value.__module__.rpartition(".")
    return _HOMES.get(file, value.__module__) if package == "lossdsl.feedbax" else value.__module__


def _code(code: CodeType) -> Any:
    constants = [_code(c) if isinstance(c, CodeType) else repr(c) for c in code.co_consts]
    return code.co_code, code.co_names, constants


def _has_fields(value: Any) -> bool:
    return dataclasses.is_dataclass(value) and not isinstance(value, type)
