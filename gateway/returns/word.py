"""The last word on what was refused after a yes: somebody outside is told of the no, or it is sent again; never both.

A refusal behind a yes is nobody's but ours as long as nobody outside heard of it, and may have been a fault of the core's.
Two persons may then have the payment sent again. But a channel that asked and heard no, or a payer who was written to, may
have given or got the money back already, and what was told as refused is never booked. So both go through one small value in
the spool, by compare-and-set: whoever comes first has the word (docs/decisions/0044).
"""

import asyncio
from collections.abc import Sequence
from typing import Final

from spool.entry import Entry
from spool.lifecycle import POSITIVE, Kind, State
from spool.store import Store

PREFIX: Final = "asked/"
_TOLD: Final = b"told"


class FinalWord:
    """The words on the payments of one spool."""

    def __init__(self, store: Store) -> None:
        """Keep them in `store`."""
        self._store = store

    async def may_tell(self, entry: Entry, now_us: int) -> bool:
        """Whether a refusal may be told outside, which is on disk from then on; False when the payment is to be sent again.

        Raises:
            SpoolClosed, StorageUncertain: it can't be written down, so it can't be told now.
        """
        if not is_open(entry):
            return True
        while (known := await self._known(entry)) != _TOLD:
            if known == _reopening(entry):
                return False
            if await self._store.exchange(_name(entry), known, _TOLD, now_us):
                break
        return True

    async def was_told(self, entry: Entry) -> bool:
        """Somebody outside was told of its refusal."""
        return await self._known(entry) == _TOLD

    async def take(self, entries: Sequence[Entry], now_us: int) -> list[bool]:
        """Have the word to send these again: for each, whether it is still to be had. From then on nobody is told a no.

        It is had for an entry as it is: refused once more, it may be told, or taken once more. Errors: as `may_tell`.
        """
        return await asyncio.gather(*(self._take(entry, now_us) for entry in entries))

    async def _take(self, entry: Entry, now_us: int) -> bool:
        mine = _reopening(entry)
        while (known := await self._known(entry)) not in {_TOLD, mine}:
            if await self._store.exchange(_name(entry), known, mine, now_us):
                return True
        return known == mine

    async def _known(self, entry: Entry) -> bytes | None:
        return await self._store.recall(_name(entry))


def is_open(entry: Entry) -> bool:
    """A refusal that nobody outside need have heard of: the last word is not said yet."""
    return entry.kind is Kind.PAYMENT and entry.state is State.REFUSED and entry.told in POSITIVE


def _name(entry: Entry) -> str:
    return f"{PREFIX}{entry.number:020}"


def _reopening(entry: Entry) -> bytes:
    """What is kept while this refusal is taken back; another one of the same payment is another moment's."""
    return b"reopening %d %d" % (entry.attempts, entry.changed_at_us)
