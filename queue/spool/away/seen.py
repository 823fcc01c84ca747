"""What a node keeps in its file of what the database told it last, so that it can start while that is away.

Copies of what is there, and never more: the keys that sealed (their ids and check values, no key), the policies that were
changed at run time, the sums of all nodes, the highest number, and which seat is this node's.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Final

import msgspec

from spool.lifecycle import Kind, State, Told
from spool.store import Store
from spool.tally import Cell, Tally

COPIED_EVERY_S: Final = 5.0
"""How old a copy may be when a node is killed; at an end in good order it is made anew."""

SEEN: Final = "database"
MEMOS: Final = "database/{}"
"""Names in the file."""

COPIED: Final = ("key-", "policy/")
"""What the names of values begin with that are copied."""

_PAGE: Final = 256


class Counted(msgspec.Struct, frozen=True, array_like=True):
    """A cell of the tally."""

    route: str
    channel: str
    currency: str
    kind: Kind
    state: State
    told: Told
    entries: int
    amount: int


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """The database as it was at the last look."""

    seat: int
    #: The highest number of any entry.
    highest: int
    counted: tuple[Counted, ...]

    def sums(self) -> dict[Cell, tuple[int, int]]:
        """By cell: how many entries, and their amounts."""
        return {
            Cell(each.route, each.channel, each.currency, each.kind, each.state, each.told): (each.entries, each.amount)
            for each in self.counted
        }


class Copies:
    """What is in the file of it."""

    def __init__(self, beside: Store) -> None:
        """Keep copies in the spool beside the database."""
        self._beside = beside
        #: By name in the file, what is known to be in it.
        self._there: dict[str, bytes] = {}

    async def keep(self, home: Store, seat: int, tally: Tally) -> None:
        """Copy what has changed. Errors: of either, as `Store.recall` and `Store.remember`."""
        seen = Seen(seat=seat, highest=await home.highest_number(), counted=tuple(_counted(tally)))
        await self._put(SEEN, msgspec.json.encode(seen))
        for prefix in COPIED:
            async for name, value in _values(home, prefix):
                await self._put(MEMOS.format(name), value)

    async def _put(self, name: str, value: bytes) -> None:
        if self._there.get(name) != value:
            await self._beside.remember(name, value)
            self._there[name] = value

    async def seen(self) -> Seen | None:
        """The database as it was; None where this node was never there."""
        kept = await self._beside.recall(SEEN)
        return None if kept is None else msgspec.json.decode(kept, type=Seen)

    async def memo(self, name: str) -> bytes | None:
        """A value as it was there; None where there was none, or it isn't copied."""
        return await self._beside.recall(MEMOS.format(name))


def _counted(tally: Tally) -> Iterable[Counted]:
    return (Counted(*cell, total.entries, total.amount) for cell, total in tally.cells())


async def _values(home: Store, prefix: str) -> AsyncIterator[tuple[str, bytes]]:
    after = ""
    while page := await home.recall_some(prefix, after, _PAGE):
        for each in page:
            yield each
        after = page[-1][0]
