"""The command `nightsafe`: starts the service, and speaks to its admin side. Told in docs/reference/cli.md."""

import os
import sys

from gateway.cli.app import app
from gateway.cli.exits import Exit, Failure


def main() -> None:
    """Run the command; what a person can mend is one sentence on standard error and an exit code."""
    if "_NIGHTSAFE_COMPLETE" in os.environ:
        from gateway.cli import completing  # noqa: PLC0415 - only a shell that asks needs it

        completing.get_ready()
    try:
        app(prog_name="nightsafe")
    except Failure as failure:
        sys.stderr.write(f"nightsafe: {failure}\n")
        sys.exit(failure.exit)
    except BrokenPipeError:
        # Whoever read us has read enough (nightsafe list | head).
        sys.stderr.close()
        sys.exit(Exit.DONE)
