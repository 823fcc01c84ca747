"""Which file the configuration is."""

import os
from pathlib import Path
from typing import Final

PATH_VARIABLE: Final = "NIGHTSAFE_CONFIG"
PATH_DEFAULT: Final = Path("nightsafe.toml")


def config_path(given: Path | None = None) -> Path:
    """Which file: the one given, else the one that `NIGHTSAFE_CONFIG` names, else `nightsafe.toml` here."""
    return given or Path(os.environ.get(PATH_VARIABLE) or PATH_DEFAULT)
