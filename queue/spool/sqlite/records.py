"""What can be read of a file for its evidence, in one snapshot of it."""

from collections import defaultdict
from functools import partial
from typing import Any, Final

from spool.account import AccountNote
from spool.entry import Act
from spool.evidence.growth import NO_HEAD, Block, Head
from spool.evidence.records import Kept, Promised, Proven, ProvenAct
from spool.lifecycle import State
from spool.rows import account_of, entry_of, event_in
from spool.sqlite.connection import Connection
from spool.sqlite.fetching import fetch_all, fetch_one
from spool.sqlite.keys import Keys
from spool.sqlite.statements import SQL

_ENTRY_COLUMNS: Final = 24
_FAULTS_MAX: Final = 20


class SqliteRecords:
    """The `Records` of a snapshot; whoever made its connection closes it."""

    def __init__(self, connection: Connection) -> None:
        """Read over a connection that has a transaction open."""
        self._connection = connection

    async def head(self) -> Head:
        """How far the log goes."""
        row = await self._connection.run(partial(fetch_one, sql=SQL["last_block"], parameters=()))
        return NO_HEAD if row is None else Block(*row).head()

    async def blocks(self, start: int, limit: int) -> list[Block]:
        """Blocks from an index on."""
        rows = await self._connection.run(partial(fetch_all, sql=SQL["blocks"], parameters=(start, limit)))
        return [Block(*row) for row in rows]

    async def block_at(self, index: int) -> Block | None:
        """The last block that begins at this index or below."""
        row = await self._connection.run(partial(fetch_one, sql=SQL["block_at"], parameters=(index,)))
        return None if row is None else Block(*row)

    async def kept(self, after: int, limit: int) -> list[Kept]:
        """Entries above a number."""
        return await self._connection.run(partial(_kept, after=after, limit=limit))

    async def strays(self, limit: int) -> list[Proven]:
        """Events of entries that aren't there."""
        rows = await self._connection.run(partial(fetch_all, sql=SQL["strays"], parameters=(limit,)))
        return [_proven(row) for row in rows]

    async def acts(self, start: int, limit: int) -> list[ProvenAct]:
        """Acts from an index on."""
        rows = await self._connection.run(partial(fetch_all, sql=SQL["kept_acts"], parameters=(start, limit)))
        return [ProvenAct(_act_in(row), row[7] or b"") for row in rows]

    async def memos(self, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Named values."""
        rows = await self._connection.run(partial(fetch_all, sql=SQL["memos"], parameters=(after, limit)))
        return [(row[0], row[1]) for row in rows]

    async def accounts(self, after: int | None, limit: int) -> list[AccountNote]:
        """What is known of accounts."""
        asked = (after is None, after or 0, limit)
        rows = await self._connection.run(partial(fetch_all, sql=SQL["accounts"], parameters=asked))
        return list(map(account_of, rows))

    async def promised(self, after: tuple[int, int], limit: int) -> list[Promised]:
        """What accounts were promised."""
        rows = await self._connection.run(partial(fetch_all, sql=SQL["promised"], parameters=(*after, limit)))
        return [Promised(*row) for row in rows]

    async def faults(self) -> list[str]:
        """What SQLite finds, at most twenty of them."""
        rows = await self._connection.run(
            partial(fetch_all, sql=f"PRAGMA integrity_check({_FAULTS_MAX})", parameters=())
        )
        return [row[0] for row in rows if row[0] != "ok"]


def _kept(db: Any, after: int, limit: int) -> list[Kept]:
    """A page of entries, each with its history: two statements, not two for each."""
    rows = db.execute(SQL["kept_entries"], (after, limit)).fetchall()
    if not rows:
        return []
    salt, indexed_to = db.execute(SQL["key_mark"]).fetchone()
    hashing = Keys(salt, 0, 0)
    histories = defaultdict[int, list[Proven]](list)
    for event_row in db.execute(SQL["kept_events"], (rows[0][0], rows[-1][0])):
        histories[event_row[0]].append(_proven(event_row))
    kept = list[Kept]()
    for row in rows:
        entry = entry_of(row)
        leaf, recorded_as, told_as, owns_key, hashed = row[_ENTRY_COLUMNS:]
        at = -1 if leaf is None else leaf
        attempt = 1 if recorded_as == State.IN_FLIGHT else 0
        told = entry.told if told_as is None else told_as
        fields = (entry.accepted_at_us, "record", 0, recorded_as, attempt, "", "", "", told, "", at)
        recorded = Proven(event_in(entry.number, fields), hashed or b"")
        if owns_key and entry.number <= indexed_to:
            named = (hashing.hash(entry.channel, entry.key), entry.number)
            owns_key = db.execute(SQL["has_key"], named).fetchone()
        kept.append(Kept(entry, (recorded, *histories[entry.number]), bool(owns_key)))
    return kept


def _proven(row: Any) -> Proven:
    return Proven(event_in(row[0], row[1:12]), row[12] or b"")


def _act_in(row: Any) -> Act:
    return Act(at_us=row[0], name=row[1], subject=row[2], detail=row[3], actor=row[4], note=row[5], leaf=row[6])
