"""A row that is given as a mapping, as in a config -> what it stands for."""

from collections.abc import Mapping
from typing import Any

from lossdsl.errors import LossError, described, did_you_mean, error, listed
from lossdsl.meaning.quantity import Quantity

# Its keys, and the fields that they fill; required ones first.
_QUANTITY_KEYS = {"path": "path", "axes": "shape", "latex": "latex", "unit": "unit", "doc": "doc"}


def fields_of(name: str, row: Mapping[str, Any], keys: Mapping[str, str], required: int) -> dict[str, Any]:
    """The fields that a row fills.

    Raises:
        LossError: For a key that there is not, one that must be there and is not, and a value that is no text.
    """
    there = f"its keys are {listed(keys)}"
    for key, value in row.items():
        if key not in keys:
            raise error("unknown-key", key=str(key), where=f"`{name}`", advice=did_you_mean(str(key), keys, there))
        if key != "default" and not isinstance(value, str):
            raise error("bad-value", what=f"`{name}.{key}`", got=described(value), advice="give a text")
    for key in list(keys)[:required]:
        if key not in row:
            raise error("missing-key", key=key, where=f"`{name}`", keys=listed(row) or "none")
    return {keys[key]: value for key, value in row.items()}


def quantity_of(name: str, row: Mapping[str, Any]) -> Quantity:
    """The quantity that a row says.

    Raises:
        LossError: As `fields_of`, and for what no quantity can be.
    """
    fields = fields_of(name, row, _QUANTITY_KEYS, 2)
    try:
        return Quantity(**fields)
    except LossError as failure:
        failure.fields["row"] = name
        raise
