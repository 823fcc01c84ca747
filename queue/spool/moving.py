"""Everything of a spool, carried from one engine to another: entries, histories, sums, and the evidence as it is.

The log is carried block by block, so that it is the same log afterwards: its head has the same hash, and every checkpoint
and proof of before still fits.
"""

from collections.abc import Sequence
from typing import Final, Protocol

import msgspec

from spool.account import AccountNote
from spool.entry import Act
from spool.evidence.growth import Block, Head
from spool.evidence.records import Kept, Promised, Records

STEP: Final = 500
"""Rows held in memory at a time."""

LEFT_BEHIND: Final = "gossip/"
"""Memos that say something of nodes, and nothing of payments."""

MOVED: Final = "moved"
"""The memo of a spool that was moved away: nobody works on it any more."""

ARRIVING: Final = "arriving"
"""The memo of a spool that isn't whole yet: nobody works on it before it is."""


class Filling(Protocol):
    """An empty spool that is being filled; nobody works on it before it is whole."""

    async def entries(self, kept: Sequence[Kept]) -> None:
        """Entries with their histories, in order of numbers."""
        ...

    async def acts(self, acts: Sequence[Act]) -> None:
        """What persons did, in order."""
        ...

    async def blocks(self, blocks: Sequence[Block]) -> None:
        """The log, in order."""
        ...

    async def memos(self, memos: Sequence[tuple[str, bytes]]) -> None:
        """Named values."""
        ...

    async def accounts(self, notes: Sequence[AccountNote]) -> None:
        """What is known of accounts."""
        ...

    async def promised(self, promised: Sequence[Promised]) -> None:
        """What accounts were promised in a day."""
        ...

    async def end(self, head: Head) -> None:
        """The sums, and the log's end; then all of it is on stable storage."""
        ...


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """What was carried."""

    entries: int
    head: Head


async def carry(records: Records, filling: Filling) -> Carried:
    """Carry everything there is, as of the moment of these records."""
    head, number, entries = await records.head(), 0, 0
    while kept := await records.kept(number, STEP):
        await filling.entries(kept)
        number, entries = kept[-1].entry.number, entries + len(kept)
    leaf = 0
    while acts := await records.acts(leaf, STEP):
        await filling.acts([each.act for each in acts])
        leaf = acts[-1].act.leaf + 1
    start = 0
    while blocks := await records.blocks(start, STEP):
        await filling.blocks(blocks)
        start = blocks[-1].first + 1
    await _carry_small(records, filling)
    await filling.end(head)
    return Carried(entries=entries, head=head)


async def _carry_small(records: Records, filling: Filling) -> None:
    name = ""
    while memos := await records.memos(name, STEP):
        await filling.memos(
            [each for each in memos if each[0] not in {MOVED, ARRIVING} and not each[0].startswith(LEFT_BEHIND)]
        )
        name = memos[-1][0]
    lane: int | None = None
    while notes := await records.accounts(lane, STEP):
        await filling.accounts(notes)
        lane = notes[-1].lane
    day_and_lane = (-1, 0)
    while promised := await records.promised(day_and_lane, STEP):
        await filling.promised(promised)
        day_and_lane = (promised[-1].day, promised[-1].lane)
