"""What the spool of a house is on: a file of SQLite, or a schema of a real PostgreSQL.

It is said in one place, the environment: by `make brain ENGINE=postgres` for a whole run, by `both_engines` for one test after the
other. No test of a house knows which it has.
"""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Final

import pytest

from tests.contracts.postgres_server import SHARED

VARIABLE: Final = "NIGHTSAFE_ENGINE"
USUAL: Final = "sqlite"
ORIGIN: Final = 'origin = "nightsafe.example/log"\n'
"""Nodes on one database have one log, and it has a name."""

PATIENT: Final = "lease_s = 300, statement_timeout_s = 300, connect_timeout_s = 60"
"""A machine that stands still under load has lost nothing: what becomes of a lease that ran out is shown elsewhere."""

Change = Callable[[str, Path], str]


def _on_sqlite(text: str, _folder: Path) -> str:
    """As it was made."""
    return text


def _on_postgres(text: str, folder: Path) -> str:
    """On a schema of its own, which the next life of the same folder finds again."""
    url = folder / "database"
    if not url.exists():
        url.write_text(SHARED.schema())
    database = f'[spool]\nengine = "postgres"\npostgres = {{ url = {{ file = "{url}" }}, {PATIENT} }}\n'
    assert text.count("[spool]\n") == 1
    return text.replace("[spool]\n", database).replace("[evidence]\n", f"[evidence]\n{ORIGIN}")


ENGINES: Final[Mapping[str, Change]] = MappingProxyType({USUAL: _on_sqlite, "postgres": _on_postgres})


def on_engine(text: str, folder: Path) -> str:
    """A configuration on the engine that was asked for: what init made in `folder`, or a scene."""
    return ENGINES[os.environ.get(VARIABLE, USUAL)](text, folder)


both_engines = pytest.mark.parametrize(
    "engine", [os.environ[VARIABLE]] if VARIABLE in os.environ else [*ENGINES], indirect=True
)
"""For tests that run on each engine wherever they run; all others of the brain do by `make brain ENGINE=postgres`."""
