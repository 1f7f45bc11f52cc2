"""A file -> the table of the project that it stands in, which says what names mean there."""

from collections.abc import Mapping
from pathlib import Path

from lossdsl.configs.files import Document, document
from lossdsl.disk import read_text

PROJECT = "pyproject.toml"
TABLE = ("tool", "lossdsl")


def table_of(known: Document) -> Document | None:
    """The table `tool.lossdsl` of a `pyproject.toml`, which has the keys of a file of a vocabulary."""
    tool = known.data.get(TABLE[0]) if isinstance(known.data, Mapping) else None
    has_table = isinstance(tool, Mapping) and isinstance(tool.get(TABLE[1]), Mapping)
    return known.below(TABLE) if has_table else None


def project_of(path: Path) -> Document | None:
    """The table `tool.lossdsl` of the nearest `pyproject.toml` above a file that has one.

    Raises:
        LossError: If such a file cannot be read.
    """
    for folder in path.absolute().parents:
        file = folder / PROJECT
        if file.is_file():
            text = read_text(file, "give the path of a file")
            found = table_of(document(file, text)) if ".".join(TABLE) in text else None
            if found:
                return found
    return None
