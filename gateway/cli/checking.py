"""The verbs that look at a configuration."""

import sys
from pathlib import Path

from gateway.cli.exits import Exit
from gateway.config import load as loading
from gateway.config.path import config_path


def check(config: Path | None) -> int:
    """Report on a configuration; faults are raised as `ConfigUnfit`."""
    sys.stdout.write(loading.check(config_path(config)) + "\n")
    return Exit.DONE


def show(config: Path | None) -> int:
    """Print a configuration with its defaults; faults are raised as `ConfigUnfit`."""
    sys.stdout.write(loading.load(config_path(config)).text())
    return Exit.DONE
