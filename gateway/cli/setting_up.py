"""Making a first configuration. What only a running service needs is not imported here, so that it is there at once."""

import sys
from pathlib import Path

from gateway.cli.exits import Exit, Failure
from gateway.clock import SystemClock
from gateway.config.init import ConfigExists, make
from spool.errors import KeysUnfit


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
