"""YAML, TOML, JSON, OmegaConf and pydantic <-> a loss, with the places of mistakes."""

from lossdsl.configs.config import ROWS as ROWS, check_terms as check_terms, vocabulary_of as vocabulary_of
from lossdsl.configs.files import KINDS as KINDS, Document as Document, document as document, write_file as write_file
from lossdsl.configs.keys import Keys as Keys, Mark as Mark
from lossdsl.configs.project import PROJECT as PROJECT, project_of as project_of, table_of as table_of
from lossdsl.configs.store import (
    LossConfig as LossConfig,
    LossField as LossField,
    LossSchema as LossSchema,
    load as load,
    load_vocabulary as load_vocabulary,
    loss_of as loss_of,
    save as save,
)
from lossdsl.configs.yaml_text import write_yaml as write_yaml
