"""The keys of a config as pydantic models: they validate files, and give the JSON Schema that editors complete from."""

from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, ValidationError, WithJsonSchema

from lossdsl.configs.keys import Keys
from lossdsl.errors import LossError, described, did_you_mean, error, listed
from lossdsl.language import exact_number


def _number(value: Any) -> Any:
    if exact_number(value) is None:
        raise ValueError
    return value


Number = Annotated[
    Any,
    PlainValidator(_number),
    WithJsonSchema({"type": ["number", "string"], "pattern": r"^[-+]?[0-9.]+([eE][-+]?[0-9]+)?$"}),
]


def _begin(value: Any) -> Any:
    if exact_number(value) not in (0, 1):
        raise ValueError
    return value


# A number of YAML or JSON comes as its text.
Begin = Annotated[Any, PlainValidator(_begin), WithJsonSchema({"enum": [0, 1], "type": "integer"})]


class Row(BaseModel):
    """What all have in common: no other keys, and nothing is converted."""

    model_config = ConfigDict(extra="forbid", strict=True)


class QuantityRow(Row):
    """An array that the model or the task provides."""

    path: str = Field(description="Where it lies, from `states`, `trial_specs` or `model` on: `states.net.hidden`.")
    axes: str = Field(description="Its axes with spaces between, `batch time xy`, or `pytree`.")
    latex: str = Field("", description="Its symbol.")
    unit: str = Field("", description="Its physical unit.")
    doc: str = Field("", description="One line that says what it is.")


class TermRow(Row):
    """A name for an expression."""

    expr: str = Field(description="The expression, in the language of losses.")
    latex: str = Field("", description="Its symbol.")
    doc: str = Field("", description="One line that says what it is.")


class ParameterRow(Row):
    """A number that can change while training."""

    default: Number = Field(description="Its value at the start.")
    latex: str = Field("", description="Its symbol.")
    doc: str = Field("", description="One line that says what it is.")


class WeightedRow(Row):
    """A term of a loss with its weight."""

    weight: Number | str = Field(1, description="A number, or a text of numbers, parameters and `step`.")
    expr: str = Field(description="The expression, in the language of losses.")


ArrayRow = str | QuantityRow


class VocabularyFile(Row):
    """What the names of a loss mean."""

    vocabulary: str = Field(
        "feedbax",
        description="The vocabulary that this one extends: `feedbax`, `none`, or another file, seen from this one.",
    )
    quantities: dict[str, str | QuantityRow | Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        default={},
        description="Arrays by name: a mapping, a pair of path and axes, or the axes of `states.NAME`.",
    )
    terms: dict[str, str | TermRow] = Field(default={}, description="Expressions by name.")
    parameters: dict[str, Number | ParameterRow] = Field(default={}, description="Numbers by name.")
    epochs: dict[str, ArrayRow | Annotated[list[str], Field(min_length=2, max_length=2)]] = Field(
        default={},
        description="Epochs of a trial by name, for windows such as `x@hold`: a mask over `time`, by its name or as a "
        "mapping; or a window, `go..end`, or a pair of bounds.",
    )
    events: dict[str, ArrayRow] = Field(
        default={}, description="Events by name, for windows such as `x@go..end`: the index of a step in each trial."
    )
    dt: Number | str | None = Field(None, description="How long a step is, in seconds: a number or a name.")
    trials_begin: Begin | None = Field(
        None, description="The step at which what belongs to the trials begins: 1 behind the initial state, else 0."
    )
    valid: ArrayRow | None = Field(None, description="Where trials end: a mask over `time` that is 0 behind the end.")
    length: ArrayRow | None = Field(None, description="Where trials end: how many steps each has.")


class LossFile(VocabularyFile):
    """A loss, and what its names mean."""

    loss: str | dict[str, str | WeightedRow] = Field(
        description="The loss: a text, or a mapping from label to a text or to `weight` and `expr`."
    )


# The kinds of files.
SCHEMAS: dict[str, type[Row]] = {"loss": LossFile, "vocabulary": VocabularyFile}


def json_schema(kind: str) -> dict[str, Any]:
    """The JSON Schema of a kind of file, as it ships in `lossdsl/configs/schemas`."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **SCHEMAS[kind].model_json_schema()}


_WANTED = {
    "vocabulary": "a name or a file",
    "quantities": "a mapping with `path` and `axes`, a pair of both, or the axes alone",
    "terms": "a text, or a mapping with `expr`",
    "parameters": "a number, or a mapping with `default`",
    "epochs": "a name, a mapping with `path` and `axes`, a window such as `go..end`, or a pair of its bounds",
    "events": "a name, or a mapping with `path` and `axes`",
    "dt": "a number of seconds, or a name",
    "trials_begin": "0 or 1",
    "valid": "a name, or a mapping with `path` and `axes`",
    "length": "a name, or a mapping with `path` and `axes`",
    "loss": "a text, or a mapping from label to text",
}
_ROWS: dict[str, type[Row]] = {
    "quantities": QuantityRow,
    "terms": TermRow,
    "parameters": ParameterRow,
    "epochs": QuantityRow,
    "events": QuantityRow,
    "valid": QuantityRow,
    "length": QuantityRow,
    "loss": WeightedRow,
}
_PLAIN = {dict: "a mapping", list: "a list", bool: "true or false", type(None): "empty"}


def fault(data: Any, kind: str) -> tuple[Keys, LossError] | None:
    """What is wrong with the content of a file, and the keys down to it; of several things the one deepest down."""
    model = SCHEMAS[kind]
    try:
        model.model_validate(data)
    except ValidationError as failure:
        found = failure.errors(include_url=False)
        return max((_fault(data, model, row["type"], row["loc"]) for row in found), key=lambda pair: len(pair[0]))
    return None


def _fault(data: Any, model: type[Row], kind: str, place: tuple[Any, ...]) -> tuple[Keys, LossError]:
    # Between the keys, pydantic's places name the alternatives that it tried.
    keys: Keys = ()
    value = data
    for part in place:
        if isinstance(value, Mapping) and part in value:
            keys, value = (*keys, str(part)), value[part]
    where = f"`{'.'.join(keys)}`" if keys else "the file"
    if kind == "missing":
        there = listed(value) if isinstance(value, Mapping) and value else "no keys"
        return (*keys, str(place[-1])), error("missing-key", key=place[-1], where=where, keys=there)
    if kind == "extra_forbidden":
        *above, last = keys
        known = (_ROWS[above[0]] if above else model).model_fields
        where = f"`{'.'.join(above)}`" if above else "the file"
        advice = did_you_mean(last, known, f"its keys are {listed(known, at_most=12)}")
        # Deeper than a missing key: it says why that one is missing.
        return (*keys, ""), error("unknown-key", key=last, where=where, advice=advice)
    wanted = _WANTED[keys[0]] if keys else "the keys of a loss, such as `loss: position + velocity`"
    got = f"`{value}`" if isinstance(value, str) else _PLAIN.get(type(value)) or described(value)
    # What is left of `loss: [a]` and `loss: {a}`.
    quotes = (
        "; in YAML a text that begins with `[` or `{` needs quotes"
        if keys and isinstance(value, list | type(None))
        else ""
    )
    return keys, error("bad-value", what=where, got=got, advice=f"give {wanted}{quotes}")
