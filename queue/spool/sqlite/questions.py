"""What is asked of a spool's file: reads on a connection of their own, told only once what they found is on disk."""

import asyncio
from collections.abc import Sequence
from collections.abc import Set as AbstractSet
from functools import partial
from typing import Any

from spool.account import AccountNote
from spool.entry import Entry, Event
from spool.errors import SpoolClosed
from spool.lifecycle import State
from spool.rows import account_of, entry_of, event_in, key_uses_in
from spool.sqlite.connection import Connection
from spool.sqlite.fetching import Parameters, fetch_all, fetch_one
from spool.sqlite.keys import Keys
from spool.sqlite.statements import SQL
from spool.store import FIRST, Owed, Ready
from spool.uses import KeyUse


class Questions:
    """The reading half of the engine; see `spool.store.Store` for what each promises."""

    def __init__(self) -> None:
        """Nothing is open yet."""
        self._reader: Connection | None = None
        #: None while what is on disk may differ from what memory holds.
        self._keys: Keys | None = None
        #: Why nothing is taken, in words; empty when all is well.
        self._trouble = "not open"
        #: The commit whose work is done and whose sync may not be: true when it is on disk, false when nobody knows.
        self._under_way: asyncio.Future[bool] | None = None
        #: Numbers of the entries it writes.
        self._unsynced: AbstractSet[int] = frozenset()

    async def get(self, number: int) -> Entry | None:
        """The entry with this number."""
        return await self._one(SQL["get_entry"], (number,))

    async def find(self, channel: str, key: str) -> Entry | None:
        """The entry that owns this key."""
        if self._keys is None:
            return await self._find_unaided(channel, key)
        # Memory first: what leaves it in between is in the table by then.
        hashed = self._keys.hash(channel, key)
        return await self._one(SQL["find_entry"], (self._keys.number(hashed), hashed, channel, key))

    async def _find_unaided(self, channel: str, key: str) -> Entry | None:
        """The same with nothing but the file."""
        salt, _ = await self._row(SQL["key_mark"], ())
        hashed = Keys(salt, 0, 0).hash(channel, key)
        return await self._one(SQL["find_entry_unaided"], {"hash": hashed, "channel": channel, "key": key})

    async def reversal_of(self, number: int) -> Entry | None:
        """The reversal of a payment that was not refused, if there is one."""
        return await self._one(SQL["reversal_of"], (number,))

    async def reversals_of(self, number: int) -> list[Entry]:
        """All reversals of a payment there ever were, oldest first."""
        return list(map(entry_of, await self._rows(SQL["reversals_of"], (number,))))

    async def ready(self, route: str, rank: int, after: int, limit: int) -> list[Ready]:
        """Entries of a rank waiting in arrival order above number `after`."""
        rows = await self._rows(SQL["ready"], (route, rank, after, limit))
        await self._on_disk(rows)
        return [Ready(entry=entry_of(row), blocked=bool(row[-1])) for row in rows]

    async def due(self, route: str, now_us: int, limit: int) -> list[Entry]:
        """Entries whose time has come, soonest first."""
        return await self._many(SQL["due"], (route, now_us, limit))

    async def next_due_us(self, route: str) -> int:
        """When the next entry of the route falls due; 0 when none waits for a time."""
        return await self._figure(SQL["next_due"], (route,))

    async def oldest_waiting_us(self, route: str) -> int:
        """When the oldest entry waiting in arrival order was accepted; 0 when none waits."""
        return await self._figure(SQL["oldest_arrival"], {"route": route})

    async def highest_number(self) -> int:
        """The highest number of any entry; 0 when there is none."""
        return await self._figure(SQL["highest_number"], ())

    async def key_uses(self) -> dict[int, KeyUse]:
        """By data key: what needs it."""
        return key_uses_in(await self._rows(SQL["key_uses"], ()))

    async def history(self, number: int) -> list[Event]:
        """Everything that happened to an entry, oldest first."""
        first = await self._row(SQL["recorded"], (number,))
        if first is None:
            return []
        rows = await self._rows(SQL["history"], (number,))
        await self._on_disk(((number,),))
        attempt = 1 if first[1] == State.IN_FLIGHT else 0
        recorded = event_in(number, (first[0], "record", 0, first[1], attempt, "", "", "", first[2], "", first[3]))
        return [recorded, *(event_in(number, row) for row in rows)]

    async def returns_due(self, route: str, limit: int, *, channel: str = "", after: Owed = FIRST) -> list[Entry]:
        """Refused entries of a route whose channel had a positive answer, refused first first."""
        return await self._many(SQL["returns_due"], (route, *after, channel, limit))

    async def recall_some(self, prefix: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Names of this beginning after `after`, with their values."""
        rows = await self._rows(SQL["recall_some"], {"prefix": prefix, "after": after, "limit": limit})
        return [(row[0], row[1]) for row in rows]

    async def account(self, lane: int) -> AccountNote | None:
        """What is known of an account."""
        row = await self._row(SQL["account"], (lane,))
        return None if row is None else account_of(row)

    async def notes_under(self, key_id: int, limit: int) -> list[AccountNote]:
        """Accounts of which what was said is sealed under this key."""
        return [account_of(row) for row in await self._rows(SQL["notes_under"], (key_id, limit))]

    async def accounts_counted(self) -> tuple[int, int]:
        """How many are known, and how many denied."""
        known, denied = await self._row(SQL["accounts_counted"], ())
        return known, denied

    async def denies(self) -> bool:
        """Any account is denied."""
        return bool(await self._figure(SQL["denies"], ()))

    async def recall(self, name: str) -> bytes | None:
        """The value kept under this name."""
        row = await self._row(SQL["recall"], (name,))
        return None if row is None else row[0]

    def _require_open(self) -> None:
        if self._reader is None:
            raise SpoolClosed("the spool isn't open")

    @property
    def _reading(self) -> Connection:
        self._require_open()
        assert self._reader is not None, "an open spool has a reader"
        return self._reader

    async def _rows(self, sql: str, parameters: Parameters) -> list[Any]:
        return await self._reading.run(partial(fetch_all, sql=sql, parameters=parameters))

    async def _row(self, sql: str, parameters: Parameters) -> Any:
        return await self._reading.run(partial(fetch_one, sql=sql, parameters=parameters))

    async def _on_disk(self, found: Sequence[Sequence[Any]]) -> None:
        """Return once these rows, just read, are on disk: readers see a commit before its sync has ended.

        Raises:
            SpoolClosed: nobody knows whether they are.
        """
        under_way = self._under_way
        if under_way is None or self._unsynced.isdisjoint(row[0] for row in found):
            return
        await asyncio.wait([under_way])
        if not under_way.result():
            raise SpoolClosed(f"what was read may not be on disk: {self._trouble}")

    async def _one(self, sql: str, parameters: Parameters) -> Entry | None:
        row = await self._row(sql, parameters)
        if row is None:
            return None
        await self._on_disk((row,))
        return entry_of(row)

    async def _many(self, sql: str, parameters: Parameters) -> list[Entry]:
        rows = await self._rows(sql, parameters)
        await self._on_disk(rows)
        return [entry_of(row) for row in rows]

    async def _figure(self, sql: str, parameters: Parameters) -> int:
        row = await self._row(sql, parameters)
        return 0 if row is None else row[0] or 0
