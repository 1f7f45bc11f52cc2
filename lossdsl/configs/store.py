"""Losses in files and configs: load and save, a dataclass for Hydra, a field for pydantic."""

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any

from lossdsl.configs.config import check_terms, located, vocabulary_of
from lossdsl.configs.files import Document, read_file, write_file
from lossdsl.errors import LossError
from lossdsl.loss import AbstractLoss, CompositeLoss, check_used, compile, shared_vocabulary
from lossdsl.meaning import Vocabulary

Path = str | os.PathLike[str]


def load(path: Path, *, terms: Mapping[str, Any] | Sequence[AbstractLoss] | None = None) -> CompositeLoss:
    """The loss of a file of YAML, TOML or JSON.

    Args:
        path: The file; its keys are `loss`, and if need be `vocabulary`, `quantities`, `terms` and `parameters`.
        terms: Terms in Python, which a file cannot hold.

    Raises:
        LossError: With the file, the line and the key; in a text with the place.
    """
    return loss_of(read_file(path), terms=terms)


def loss_of(
    document: Document,
    *,
    terms: Mapping[str, Any] | Sequence[AbstractLoss] | None = None,
    known: Vocabulary | None = None,
) -> CompositeLoss:
    """The loss of a file that is read, see `load`; its names mean what is known, if that is given."""
    vocabulary = vocabulary_of(document, "loss", known=known)
    try:
        loss = compile(document.data["loss"], vocabulary, terms=terms)
        check_used(document.data.get("parameters", ()), [name.name for name in loss.written.local])
    except LossError as failure:
        raise located(failure, document) from None
    if not terms:
        check_terms(document, vocabulary)
    return loss


def load_vocabulary(path: Path) -> Vocabulary:
    """The vocabulary of a file of YAML, TOML or JSON, with the keys `quantities`, `terms` and `parameters`.

    Its key `vocabulary` says what it extends: `feedbax`, if it is not there, `none`, or another file.

    Raises:
        LossError: With the file, the line and the key; in a text with the place.
    """
    document = read_file(path)
    vocabulary = vocabulary_of(document)
    check_terms(document, vocabulary)
    return vocabulary


def save(loss: AbstractLoss, path: Path) -> None:
    """Write a loss to a file of YAML, TOML or JSON, see `CompositeLoss.to_config`; loaded it is the same.

    Raises:
        LossDataError: If the name of the file is that of none of them, or it cannot be written; what was there before
            is still there.
        LossValueError: For a term that is a Python object.
    """
    write_file(path, loss.composite.to_config())


@dataclass
class LossConfig:
    """The arguments of `compile` as a structured config of Hydra and OmegaConf; `instantiate` gives the loss.

    Example:
        >>> from omegaconf import OmegaConf
        >>> config = OmegaConf.structured(LossConfig(loss="position + alpha*velocity"))
        >>> config.parameters.alpha = 0.1
        >>> compile(**{key: value for key, value in config.items() if key[0] != "_"})
        compile('position + alpha*velocity')
    """

    loss: Any = "???"  # OmegaConf's sign for a value that must be given
    vocabulary: Any = "feedbax"
    quantities: dict[str, Any] = field(default_factory=dict)
    terms: dict[str, Any] = field(default_factory=dict)
    parameters: dict[str, Any] = field(default_factory=dict)
    epochs: dict[str, Any] = field(default_factory=dict)
    events: dict[str, Any] = field(default_factory=dict)
    dt: Any = None
    trials_begin: Any = None
    valid: Any = None
    length: Any = None
    _target_: str = "lossdsl.compile"
    _convert_: str = "all"  # else OmegaConf takes the losses in it apart, which are dataclasses


class LossSchema:
    """How pydantic reads and writes a loss, with the vocabulary and the parameters of the field.

    Args:
        arguments: Those of `compile` but the loss; the parameters are shared by all that the field holds.

    Example:
        >>> from pydantic import BaseModel
        >>> class Run(BaseModel):
        ...     loss: Annotated[CompositeLoss, LossSchema(parameters={"alpha": 0.1})]
        >>> run = Run(loss="position + alpha*velocity")
        >>> run.model_dump_json()
        '{"loss":"position + alpha*velocity"}'
    """

    def __init__(self, **arguments: Any):
        self.vocabulary = shared_vocabulary(**arguments)

    def read(self, value: Any) -> CompositeLoss:
        """A text, a mapping from label to text, a config with the key `loss`, or a loss."""
        if isinstance(value, Mapping) and "loss" in value and set(value) <= set(LossConfig.__dataclass_fields__):
            return compile(**{key: given for key, given in value.items() if key[0] != "_"})
        return compile(value, self.vocabulary)

    def write(self, loss: CompositeLoss) -> Any:
        """The text; a config, where the text alone would be another loss in this field."""
        try:
            same = self.read(str(loss)).digest == loss.digest
        except LossError:
            same = False
        return str(loss) if same else loss.to_config()

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_plain_validator_function(
            self.read, serialization=core_schema.plain_serializer_function_ser_schema(self.write)
        )

    def __get_pydantic_json_schema__(self, core: Any, handler: Any) -> Any:
        return {"type": ["string", "object"], "description": "A loss: a text, or a mapping from label to text."}


LossField = Annotated[CompositeLoss, LossSchema()]
