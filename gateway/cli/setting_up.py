"""The verbs around the service: making and checking a configuration, tokens, the scripted core, the demo."""

import platform
import sys
from collections.abc import Sequence
from importlib.metadata import version as version_of
from pathlib import Path
from typing import Final

from adapters.cores.scripted.__main__ import main as run_core
from gateway.cli.exits import Exit, Failure
from gateway.clock import SystemClock
from gateway.config import load as loading
from gateway.config.init import CORE_URL, ConfigExists, make
from gateway.config.path import config_path
from spool.errors import KeysUnfit
from spool.sqlite.connection import LIBRARY_VERSION

CORE_LEDGER: Final = Path("var/core/ledger.db")
"""Where `nightsafe core` keeps its ledger unless told otherwise."""


def init(folder: Path, *, if_missing: bool) -> int:
    """Make a first configuration.

    Raises:
        Failure: there is one already, or the folder can't be written to.
    """
    try:
        made = make(folder, SystemClock(), if_missing=if_missing)
    except (ConfigExists, KeysUnfit) as error:
        raise Failure(str(error), Exit.UNFIT) from error
    except OSError as error:
        raise Failure(f"{folder} can't be written to: {error.strerror}", Exit.UNFIT) from error
    if made.made:
        lines = ["made:", *(f"  {path}" for path in made.made)]
        lines.append(f"keep a copy of {made.key} elsewhere: without it, what is in the spool can't be read")
        lines.append(f"now: nightsafe serve --config {made.config}")
        sys.stdout.write("\n".join(lines) + "\n")
    return Exit.DONE


def check(config: Path | None) -> int:
    """Report on a configuration; faults are raised as `ConfigUnfit`."""
    sys.stdout.write(loading.check(config_path(config)) + "\n")
    return Exit.DONE


def show(config: Path | None) -> int:
    """Print a configuration with its defaults; faults are raised as `ConfigUnfit`."""
    sys.stdout.write(loading.load(config_path(config)).text())
    return Exit.DONE


def core(arguments: Sequence[str]) -> int:
    """Run a scripted core; by default where the configuration that init makes expects it."""
    return run_core(arguments, prog="nightsafe core", ledger=CORE_LEDGER, port=int(CORE_URL.rpartition(":")[2]))


def demo(folder: Path | None, seconds: float | None, rate: float | None) -> int:
    """Play the demo."""
    from gateway.demo.play import RATE, SECONDS, run  # noqa: PLC0415 - only the demo needs the demo

    return run(folder, seconds=SECONDS if seconds is None else seconds, rate=RATE if rate is None else rate)


def version() -> str:
    """This program, and what it stands on."""
    return f"nightsafe {version_of('nightsafe')} (Python {platform.python_version()}, SQLite {LIBRARY_VERSION})"
