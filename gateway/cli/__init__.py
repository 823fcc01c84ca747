"""The command `nightsafe`: starts the service, and speaks to its admin side. Told in docs/reference/cli.md."""

import os
import sys
from collections.abc import Sequence

from gateway.cli.app import app
from gateway.cli.exits import Exit, Failure
from gateway.config.fault import ConfigUnfit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command, by the arguments of the process unless others are given.

    What a person can mend is one sentence on standard error and an exit code.
    """
    if "_NIGHTSAFE_COMPLETE" in os.environ:
        from gateway.cli import completing  # noqa: PLC0415 - only a shell that asks needs it

        completing.get_ready()
    try:
        app(arguments, prog_name="nightsafe")
    except Failure as failure:
        sys.stderr.write(f"nightsafe: {failure}\n")
        sys.exit(failure.exit)
    except ConfigUnfit as unfit:
        sys.stderr.write(f"nightsafe: {unfit}\n")
        sys.exit(Exit.UNFIT)
    except BrokenPipeError:
        # Whoever read us has read enough (nightsafe list | head).
        sys.stderr.close()
        sys.exit(Exit.DONE)
