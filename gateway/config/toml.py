"""Values as TOML writes them, for examples and for the generated configuration."""

import json
from datetime import date
from enum import Enum
from pathlib import PurePath
from typing import Any

from pydantic import BaseModel

from gateway.config.tree import items, table


def toml_value(value: Any) -> str:
    """One value in one line of TOML 1.0: text, paths, numbers, truth, times, lists and tables of those."""
    if isinstance(value, BaseModel):
        return toml_value(value.model_dump(exclude_none=True, exclude_defaults=True))
    if isinstance(value, Enum):
        return toml_value(value.value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | PurePath):
        return json.dumps(str(value), ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, date):
        return value.isoformat()
    if (held := table(value)) is not None:
        pairs = ", ".join(f"{toml_key(key)} = {toml_value(below)}" for key, below in held.items())
        return f"{{ {pairs} }}" if pairs else "{}"
    if (listed := items(value)) is not None:
        return f"[{', '.join(toml_value(below) for _, below in listed)}]"
    return repr(value)


def toml_key(key: str) -> str:
    """A key, in quotes where it needs them."""
    plain = key.isascii() and key.replace("-", "").replace("_", "").isalnum()
    return key if plain else toml_value(key)
