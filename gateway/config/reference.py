"""The reference page of the configuration, made from the models, so that it can't say anything else than they do.

`python -m gateway.config.reference` writes it to standard output; a test compares it with the page in `docs/`.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, get_args, get_origin

from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from adapters.secret import SecretRef
from gateway.config.model import Config
from gateway.config.shape import (
    Table,
    bare,
    bounds_of,
    choosing_key,
    default_of,
    is_model,
    is_union,
    keys_of,
    tables_of,
)
from gateway.config.toml import toml_value

PAGE: Final = Path("docs/reference/configuration.md")
"""Where the page stands, from the root of the checkout."""

_HEAD: Final = """\
# Configuration

One TOML file, read whole and checked whole before anything opens: `nightsafe config check` lists every fault at once,
with its line and what to write instead. Which file: `--config`, else the environment variable `NIGHTSAFE_CONFIG`, else
`nightsafe.toml` in the working directory. The environment overrides no single key. Relative paths start at the working
directory of the service, so absolute ones are safer.

Secrets never stand in the file: a *secret reference* says where one is, `{ file = "/run/credentials/token" }` (one
newline at its end is dropped) or `{ env = "BILLING_TOKEN" }`. Amounts of money are decimal text in quotes, `"15000"`.
Units stand last in a key's name: `_s` seconds, `_bytes`, `_mib`.

This page is made from the models by `python -m gateway.config.reference`; [config.example.toml](../../config.example.toml)
explains the same keys in place.
"""

_KINDS: Final[Mapping[str, str]] = {
    "str": "text",
    "int": "whole number",
    "float": "number",
    "bool": "true or false",
    "Path": "path",
    "AwareDatetime": "date and time",
    "SecretRef": "secret reference",
    "IPv4Network": "network",
    "IPv6Network": "network",
    "IPvAnyAddress": "address",
}


def page() -> str:
    """The whole page, in Markdown."""
    return "\n".join([_HEAD, *(_section(table) for table in tables_of(Config))])


def _section(table: Table) -> str:
    name = ".".join(table.name)
    heading = f"[[{name}]]" if table.repeated else f"[{name}]"
    choice = f" with `{choosing_key(table.model)} = {toml_value(table.variant)}`" if table.variant else ""
    keys = keys_of(table.model)
    rows = [_row(key, field) for key, field in keys.items()]
    head = ["| key | kind | default | bounds | what it does |", "|---|---|---|---|---|"]
    return "\n".join([f"## `{heading}`{choice}", "", _prose(table), "", *(head + rows if rows else []), ""])


def _prose(table: Table) -> str:
    """The model's docstring in one paragraph, without the remark of which table it is; before it what it is here for."""
    text = re.sub(r"\s+", " ", table.model.__doc__ or "").strip()
    text = re.sub(r": `\[[^`]*\]`( with `[^`]*`)?(?=\.)", "", text, count=1)
    return text if table.purpose.rstrip(".") in text else f"{table.purpose} {text}"


def _row(key: str, field: FieldInfo) -> str:
    cells = [f"`{key}`", kind_words(field.annotation), _default(field), _bounds(field), field.description or ""]
    return "| " + " | ".join(cell.replace("|", "\\|").replace("\n", " ") for cell in cells) + " |"


def _default(field: FieldInfo) -> str:
    default = default_of(field)
    if default is PydanticUndefined:
        return "**required**"
    return "none" if default is None else f"`{toml_value(default)}`"


def _bounds(field: FieldInfo) -> str:
    low, high = bounds_of(field)
    if low and high:
        return f"{low} to {high}"
    if low:
        return low if low.startswith("above") else f"at least {low}"
    return high and f"at most {high}"


def kind_words(annotation: Any) -> str:
    """A kind as an operator thinks of it: `list of text`, `"sqlite" or "memory"`."""
    kind = bare(annotation)
    if get_origin(kind) is Literal:
        return " or ".join(f"`{toml_value(choice)}`" for choice in get_args(kind))
    if is_union(kind):
        return " or ".join(dict.fromkeys(kind_words(member) for member in get_args(kind)))
    if get_origin(kind) in (list, tuple, set, frozenset):
        return f"list of {kind_words(get_args(kind)[0])}"
    if get_origin(kind) is dict:
        return f"table of {kind_words(get_args(kind)[1])}"
    if is_model(kind) and kind is not SecretRef:
        return "table"
    choices = getattr(kind, "__members__", None)
    if choices:
        return " or ".join(f"`{toml_value(choice)}`" for choice in choices.values())
    return _KINDS.get(getattr(kind, "__name__", ""), "text")


if __name__ == "__main__":
    sys.stdout.write(page())
