"""What can be read of a spool in PostgreSQL for its evidence, in one snapshot of it."""

from collections import defaultdict
from typing import Any, Final

from spool.account import AccountNote
from spool.entry import Act
from spool.evidence.growth import NO_HEAD, Block, Head
from spool.evidence.records import Kept, Promised, Proven, ProvenAct
from spool.lifecycle import State
from spool.postgres.connection import Connection
from spool.postgres.statements import SQL
from spool.rows import account_of, entry_of, event_in

_ENTRY_COLUMNS: Final = 24


class PostgresRecords:
    """The `Records` of a snapshot; whoever began it ends it."""

    def __init__(self, db: Connection) -> None:
        """Read over a connection that has a transaction open."""
        self._db = db

    async def head(self) -> Head:
        """How far the log goes."""
        row = await self._db.fetchrow(SQL["last_block"])
        return NO_HEAD if row is None else Block(*row).head()

    async def blocks(self, start: int, limit: int) -> list[Block]:
        """Blocks from an index on."""
        return [Block(*row) for row in await self._db.fetch(SQL["blocks"], start, limit)]

    async def block_at(self, index: int) -> Block | None:
        """The last block that begins at this index or below."""
        row = await self._db.fetchrow(SQL["block_at"], index)
        return None if row is None else Block(*row)

    async def kept(self, after: int, limit: int) -> list[Kept]:
        """Entries above a number, each with its history."""
        rows = await self._db.fetch(SQL["kept_entries"], after, limit)
        if not rows:
            return []
        histories = defaultdict[int, list[Proven]](list)
        for row in await self._db.fetch(SQL["kept_events"], rows[0][0], rows[-1][0]):
            histories[row[0]].append(_proven(row))
        return [_kept(row, histories[row[0]]) for row in rows]

    async def strays(self, limit: int) -> list[Proven]:
        """Events of entries that aren't there."""
        return [_proven(row) for row in await self._db.fetch(SQL["strays"], limit)]

    async def acts(self, start: int, limit: int) -> list[ProvenAct]:
        """Acts from an index on."""
        return [ProvenAct(_act_in(row), row[7] or b"") for row in await self._db.fetch(SQL["kept_acts"], start, limit)]

    async def memos(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Named values."""
        return [(row[0], row[1]) for row in await self._db.fetch(SQL["memos"], after, limit)]

    async def accounts(self, after: int | None, limit: int) -> list[AccountNote]:
        """What is known of accounts."""
        return list(map(account_of, await self._db.fetch(SQL["accounts"], after is None, after or 0, limit)))

    async def promised(self, after: tuple[int, int], limit: int) -> list[Promised]:
        """What accounts were promised."""
        return [Promised(*row) for row in await self._db.fetch(SQL["promised"], *after, limit)]

    async def faults(self) -> list[str]:
        """None that the server tells of without extensions."""
        return []


def _kept(row: Any, history: list[Proven]) -> Kept:
    entry = entry_of(row)
    leaf, recorded_as, told_as, owns_key, hashed = row[_ENTRY_COLUMNS:]
    attempt = 1 if recorded_as == State.IN_FLIGHT else 0
    fields = (entry.accepted_at_us, "record", 0, recorded_as, attempt, "", "", "", told_as, "", leaf)
    return Kept(entry, (Proven(event_in(entry.number, fields), hashed or b""), *history), owns_key)


def _proven(row: Any) -> Proven:
    return Proven(event_in(row[0], row[1:12]), row[12] or b"")


def _act_in(row: Any) -> Act:
    return Act(at_us=row[0], name=row[1], subject=row[2], detail=row[3], actor=row[4], note=row[5], leaf=row[6])
