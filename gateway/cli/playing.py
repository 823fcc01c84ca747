"""The verbs to play with: the scripted core, the demo, and which version it is that one plays with."""

import platform
from collections.abc import Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final

from gateway.config.init import CORE_URL
from spool.sqlite.connection import LIBRARY_VERSION

CORE_LEDGER: Final = Path("var/core/ledger.db")
"""Where `nightsafe core` keeps its ledger unless told otherwise."""


def core(arguments: Sequence[str]) -> int:
    """Run a scripted core; by default where the configuration that init makes expects it."""
    from adapters.cores.scripted.__main__ import main as run_core  # noqa: PLC0415 - only the core needs a server

    return run_core(arguments, prog="nightsafe core", ledger=CORE_LEDGER, port=int(CORE_URL.rpartition(":")[2]))


def demo(folder: Path | None, seconds: float | None, rate: float | None) -> int:
    """Play the demo."""
    from gateway.demo.play import RATE, SECONDS, run  # noqa: PLC0415 - only the demo needs the demo

    return run(folder, seconds=SECONDS if seconds is None else seconds, rate=RATE if rate is None else rate)


def version() -> str:
    """This program, and what it stands on."""
    return f"nightsafe {version_of('nightsafe')} (Python {platform.python_version()}, SQLite {LIBRARY_VERSION})"
