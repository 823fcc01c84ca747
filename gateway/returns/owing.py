"""What channels have to give back to payers, as far as each may be told of it.

A refusal behind a yes may have been a fault of the core's, which two persons take back as long as nobody outside heard of it
(`word.py`, docs/decisions/0044). A count tells nobody which payments it is about, but a channel with one payment knows. So
whatever a channel is told of here is written down as told first, entry by entry; and it is told of none before it was owed
for a while, in which people can look whether billing was right (docs/decisions/0077).
"""

import asyncio
from collections.abc import Collection, Sequence
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.returns.settings import ReturnSettings
from gateway.returns.word import FinalWord, is_open
from spool.entry import Entry
from spool.lifecycle import POSITIVE, Kind, State
from spool.store import Owed, Store
from spool.tally import Cell

US: Final = 1_000_000

AT_ONCE: Final = 8
"""Words that are written at the same time, so that payments find the spool free."""


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """Some of what a channel has to give back, refused first first."""

    #: What it may be told of, which is on disk as told.
    entries: Sequence[Entry]
    #: Behind which place the next page begins; None where this one is the last.
    next: Owed | None


class Owing:
    """What is owed back by the channels of one spool."""

    def __init__(self, store: Store, clock: Clock, settings: ReturnSettings) -> None:
        """Tell from `store`."""
        self._store = store
        self._clock = clock
        self._word = FinalWord(store)
        self._after_us = settings.channel_after_s * US

    def owes(self, channel: str) -> bool:
        """Whether a channel has anything to give back, also what it may not be told of yet."""
        return bool(self._routes(channel))

    def returned(self, channel: str) -> int:
        """Payments of a channel that had its yes and whose money went back; forgotten ones are counted no more."""
        cells = self._store.tally.cells()
        return sum(total.entries for cell, total in cells if _counts(cell, channel) and cell.state is State.RETURNED)

    async def page(self, channel: str, after: Owed, limit: int, known: Collection[int] = ()) -> Page:
        """What a channel is told of behind a place: written down as told, but for what is `known` to be, by number.

        Raises:
            SpoolClosed, StorageUncertain: it can't be looked at, or can't be written down, so it can't be told now.
        """
        found = [
            entry
            for route in self._routes(channel)
            for entry in await self._store.returns_due(route, limit, channel=channel, after=after)
        ]
        of_age = self._clock.now_us() - self._after_us
        looked_at = [entry for entry in sorted(found, key=place_of)[:limit] if entry.changed_at_us <= of_age]
        told = list[Entry]()
        for begin in range(0, len(looked_at), AT_ONCE):
            told += await self._tell(looked_at[begin : begin + AT_ONCE], known)
        return Page(entries=told, next=place_of(looked_at[-1]) if len(looked_at) == limit else None)

    async def _tell(self, entries: Sequence[Entry], known: Collection[int]) -> list[Entry]:
        """Those of a few that may be told of. A reversal is no money of a payer's: nothing goes back for it."""
        payments, now_us = [entry for entry in entries if is_open(entry)], self._clock.now_us()
        new = [entry for entry in payments if entry.number not in known]
        may_tell = await asyncio.gather(*(self._word.may_tell(entry, now_us) for entry in new))
        kept_back = {entry.number for entry, may in zip(new, may_tell, strict=True) if not may}
        return [entry for entry in payments if entry.number not in kept_back]

    def _routes(self, channel: str) -> list[str]:
        cells = self._store.tally.cells()
        return sorted({cell.route for cell, _ in cells if _counts(cell, channel) and cell.state is State.REFUSED})


def _counts(cell: Cell, channel: str) -> bool:
    return cell.channel == channel and cell.kind is Kind.PAYMENT and cell.told in POSITIVE


def place_of(entry: Entry) -> Owed:
    """Where it stands among what is owed back."""
    return Owed(entry.changed_at_us, entry.number)
