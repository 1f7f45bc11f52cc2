"""YAML, TOML, JSON, OmegaConf and pydantic <-> a loss, with the places of mistakes."""

from lossdsl.configs.files import KINDS as KINDS
from lossdsl.configs.store import (
    LossConfig as LossConfig,
    LossField as LossField,
    LossSchema as LossSchema,
    load as load,
    load_vocabulary as load_vocabulary,
    save as save,
)
