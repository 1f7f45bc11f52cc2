"""What a config library gives -> plain data: the mappings and lists of OmegaConf, read once."""

import sys
from collections.abc import Mapping
from typing import Any

from lossdsl.errors import error

_DEEPEST = 50


def plain(value: Any) -> Any:
    """Mappings and lists of OmegaConf as dicts and lists, in a dict or a list too; anything else as it is.

    Hydra hands a Python term over as a mapping of its fields, for it is a dataclass: it is made again.

    Raises:
        LossValueError: For a value that is missing, or an interpolation that leads nowhere; with its key.
    """
    omegaconf = sys.modules.get("omegaconf")
    return value if omegaconf is None else _plain(value, omegaconf, "")


def _plain(value: Any, omegaconf: Any, above: str) -> Any:
    known = isinstance(value, omegaconf.DictConfig | omegaconf.ListConfig)
    if not known and type(value) not in (dict, list):
        return value
    is_mapping = isinstance(value, Mapping)
    if known and is_mapping and callable(getattr(omegaconf.OmegaConf.get_type(value), "term", None)):
        return omegaconf.OmegaConf.to_object(value)
    found: dict[Any, Any] = {}
    for key in value if is_mapping else range(len(value)):
        path = f"{above}.{key}".removeprefix(".")
        if path.count(".") > _DEEPEST:
            raise error("bad-config", key=path, reason="it is nested in itself, or too deep")
        try:
            inner = value[key]
        except omegaconf.errors.OmegaConfBaseException as failure:
            is_missing = isinstance(failure, omegaconf.errors.MissingMandatoryValue)
            reason = "it is `???`" if is_missing else str(failure).split("\n")[0]
            raise error("bad-config", key=failure.full_key or path, reason=reason) from None
        found[key] = _plain(inner, omegaconf, path)
    return found if is_mapping else list(found.values())
