"""Processes that copy or restore a spool and are killed at a step: `python -m tests.faults.copying backup|restore FROM TO STEP`.

Without a step it goes through. The kill is a SIGKILL of itself: nothing is tidied up.
"""

import asyncio
import os
import signal
import sys
from pathlib import Path

from gateway.evidence.marks import NOTHING_WITNESSED, Witnessed
from gateway.evidence.restoring import restore
from spool.sqlite.backup import copy
from spool.store import Store
from tests.contracts.spool_examples import LATER_US


def killed_at(step: str, reached: str) -> None:
    """End here, if this is the step."""
    if step == reached:
        os.kill(os.getpid(), signal.SIGKILL)


async def nobody(_store: Store) -> Witnessed:
    """No witness."""
    return NOTHING_WITNESSED


def main() -> None:
    """Do it."""
    what, source, target, step = sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), sys.argv[4]
    if what == "backup":
        copy(source, target, lambda reached: killed_at(step, reached))
    else:
        asyncio.run(restore(source, target, LATER_US, nobody, lambda reached: killed_at(step, reached)))


if __name__ == "__main__":
    main()
