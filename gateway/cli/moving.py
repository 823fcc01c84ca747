"""`nightsafe move`: a spool from one engine to another."""

import asyncio
import sys
from pathlib import Path

from adapters.secret import SecretMissing
from gateway.cli.exits import Exit, Failure
from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.engines.moving import move
from spool.errors import KeysUnfit, SpoolHeld, SpoolUnfit


def run(source: Path, target: Path) -> int:
    """Move the spool of one configuration to the place of another.

    Raises:
        ConfigUnfit: one of them has faults.
        Failure: nothing was moved, or the same move has to be done again; says which.
    """
    old, new = load(source), load(target)
    try:
        moved = asyncio.run(move(old, new, SystemClock().now_us()))
    except (SpoolHeld, SpoolUnfit, KeysUnfit, SecretMissing) as error:
        raise Failure(str(error), Exit.CANNOT_START) from error
    keys = "with its key store" if moved.keys else "its key store was there"
    sys.stdout.write(
        f"moved {moved.place}: {moved.entries} entries, {moved.events} events, {keys}; counted and proven anew.\n"
        f"Start the service with {target}. The old spool is kept as it was, and starts no more.\n"
    )
    return Exit.DONE
