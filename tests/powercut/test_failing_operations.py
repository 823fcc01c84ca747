"""Every operation of the disk fails in turn while the spool accepts, forwards, renews keys, comes up and is closed.

Whoever was told yes has the record on disk, whoever was told no has none, whoever was told that nobody knows finds out
by asking again; and when the disk is well the spool goes on by itself, with nothing lost, not even by a power cut then.
"""

import os
from typing import Final

import pytest

from tests.powercut.sweep import FAULTS, PHASES, TIMES, sweep

EVERY: Final = int(os.environ.get("NIGHTSAFE_EVERY", "4"))
"""Of so many operations of a kind one fails, another each time; `make sweep` takes each. Syncs always take each."""

LEAST: Final = {
    ("accept", "write"): 20,
    ("accept", "sync"): 3,
    ("forward", "write"): 20,
    ("forward", "sync"): 3,
    ("rotate", "write"): 10,
    ("rotate", "sync"): 2,
    ("recover", "write"): 5,
    ("recover", "sync"): 2,
    ("recover", "read"): 20,
    ("recover", "open"): 4,
    ("recover", "size"): 2,
    ("recover", "access"): 2,
    ("end", "write"): 5,
    ("end", "sync"): 2,
}
"""Operations that are met at least; where it isn't said, there may be none."""


@pytest.mark.parametrize("lasting", ["once", "for good"])
@pytest.mark.parametrize("what", FAULTS)
@pytest.mark.parametrize("phase", PHASES)
async def test_an_operation_that_fails_loses_nothing_and_denies_nothing(phase: str, what: str, lasting: str) -> None:
    """Operations of the kind, each in a run of its own."""
    fault = FAULTS[what]
    every = 1 if fault.operation == "sync" else EVERY

    swept = await sweep(phase, fault, TIMES[lasting], every)

    assert swept.wrong == []
    assert swept.operations > LEAST.get((phase, fault.operation), 0) - every


@pytest.mark.parametrize("phase", PHASES)
async def test_two_syncs_that_fail_one_after_the_other_lose_nothing(phase: str) -> None:
    """The second is that of the log being carried over: SQLite then reads pages that aren't there (`spool.sqlite.wal`)."""
    swept = await sweep(phase, FAULTS["EIO of a sync"], TIMES["twice"])

    assert swept.wrong == []
    assert swept.operations >= LEAST[phase, "sync"]
