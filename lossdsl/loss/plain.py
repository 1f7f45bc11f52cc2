"""A loss -> plain data, the arguments of `compile`."""

from collections.abc import Mapping
from fractions import Fraction
from typing import Any

from lossdsl.errors import error
from lossdsl.language import Name, exact_number
from lossdsl.meaning import BY_NAME, FEEDBAX, Clock, Defined, Object, Parameter, Quantity, bind
from lossdsl.operators import STEP

_ROWS = ("quantities", "terms", "parameters")


def config_of(
    text: str, names: Mapping[str, Name], parameters: Mapping[str, Any], time: Mapping[str, Any]
) -> dict[str, Any]:
    """A loss as plain data: its text, and the rows that its names and windows need, but for those that are Feedbax's.

    Raises:
        LossValueError: For a name that stands for a Python object.
    """
    # What the row of an epoch holds itself is no name of a text.
    meanings = {name: node.meaning for name, node in names.items() if name != STEP and not name.startswith("@")}
    feedbax = {name for name, meaning in meanings.items() if _is_feedbax(name, meaning)}
    clash = any(name in FEEDBAX.names and name not in feedbax for name in meanings)
    known = FEEDBAX.time_rows
    clash |= any(
        known[kind][name] != row for kind in BY_NAME for name, row in time[kind].items() if name in known[kind]
    )
    if clash:
        feedbax = set()
    config: dict[str, Any] = {kind: {} for kind in _ROWS}
    for name, meaning in meanings.items():
        if name not in feedbax:
            _add_row(config, name, meaning, parameters)
    for kind, rows in time.items():
        if kind in BY_NAME:
            config[kind] = {n: _time_row(row) for n, row in rows.items() if not feedbax or n not in known[kind]}
        elif rows != Clock.__dataclass_fields__[kind].default:
            config[kind] = _time_row(rows)
    filled = {kind: row for kind, row in config.items() if row or row == 0}
    return {"vocabulary": "feedbax" if feedbax else "none", **filled, "loss": text}


def _time_row(row: Any) -> Any:
    if isinstance(row, Quantity):
        return _filled(path=row.path, axes=row.shape, latex=row.latex, unit=row.unit, doc=row.doc)
    return _number(row) if isinstance(row, Fraction) else row


def _number(number: Fraction) -> int | float:
    return int(number) if number.denominator == 1 else float(number)


def _is_feedbax(name: str, meaning: Any) -> bool:
    known = name in FEEDBAX.names and not isinstance(meaning, Parameter | Object)
    return known and bind(Name(name=name), FEEDBAX).expr.content == meaning.content


def _add_row(config: dict[str, Any], name: str, meaning: Any, parameters: Mapping[str, Any]) -> None:
    match meaning:
        case Quantity(path, axes, latex, unit, doc):
            row = _filled(path=path, axes=axes, latex=latex, unit=unit, doc=doc)
            config["quantities"][name] = row
        case Defined(expr=expr, local=False, latex=latex):
            config["terms"][name] = _filled(expr=str(expr), latex=latex) if latex else str(expr)
        case Parameter():
            number = exact_number(parameters.get(name, meaning.default)) or Fraction(0)
            config["parameters"][name] = _number(number)
        case Object():
            raise error("not-in-config", name=name)


def _filled(**fields: str) -> dict[str, str]:
    return {key: value for key, value in fields.items() if value}
