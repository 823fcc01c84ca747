"""An empty database filled with what another engine kept. As long as it isn't whole it says so, and no node works on it."""

from collections.abc import Sequence
from typing import Any, Final

from spool.account import AccountNote
from spool.entry import Act
from spool.errors import SpoolUnfit
from spool.evidence.growth import Block, Head
from spool.evidence.records import Kept, Promised
from spool.moving import ARRIVING
from spool.postgres.connection import Connection, connect
from spool.postgres.schema import bring_up_to_date
from spool.postgres.seat import living
from spool.postgres.settings import PostgresSettings
from spool.postgres.statements import SQL
from spool.rows import COLUMNS, act_row, event_row, row_of
from spool.work import place_of

_ENTRY: Final = [
    *COLUMNS.replace(" ", "").split(","),
    *("recorded_as", "told_as", "leaf", "owns_key", "place", "seat", "lease"),
]
_EVENT: Final = [
    "number",
    "at_us",
    "name",
    "source",
    "target",
    "attempt",
    "reason",
    "actor",
    "note",
    "told",
    "core_id",
    "leaf",
]
_ACT: Final = ["leaf", "at_us", "name", "subject", "detail", "actor", "note"]
_BLOCK: Final = ["first", "size", "at_us", "peaks", "leaves"]
_ACCOUNT: Final = ["lane", "known", "denied", "seen_at_us", "key_id", "sealed", "urgent"]
_PROMISED: Final = ["day", "lane", "entries", "amount"]


class PostgresFilling:
    """See `spool.moving.Filling`."""

    def __init__(self, db: Connection) -> None:
        """Fill over this connection; made by `begin`."""
        self._db = db

    @staticmethod
    async def begin(settings: PostgresSettings) -> "PostgresFilling":
        """Lay the database out. What a filling of before left unfinished is cleared.

        Raises:
            SpoolUnfit: there are entries in it, or a node works on it.
        """
        db = await connect(settings)
        try:
            await bring_up_to_date(db)
            await _clear(db)
        except BaseException:
            db.terminate()
            raise
        return PostgresFilling(db)

    async def entries(self, kept: Sequence[Kept]) -> None:
        """See `Filling.entries`."""
        await self._all("entry", _ENTRY, [_entry_row(each) for each in kept])
        await self._all("event", _EVENT, [event_row(proven.event) for each in kept for proven in each.history[1:]])

    async def acts(self, acts: Sequence[Act]) -> None:
        """See `Filling.acts`."""
        await self._all("act", _ACT, [act_row(each) for each in acts])

    async def blocks(self, blocks: Sequence[Block]) -> None:
        """See `Filling.blocks`."""
        await self._all(
            "block", _BLOCK, [(each.first, each.size, each.at_us, each.peaks, each.leaves) for each in blocks]
        )

    async def memos(self, memos: Sequence[tuple[str, bytes]]) -> None:
        """See `Filling.memos`."""
        await self._all("memo", ["name", "value"], memos)

    async def accounts(self, notes: Sequence[AccountNote]) -> None:
        """See `Filling.accounts`."""
        rows = [
            (each.lane, each.known, each.denied, each.seen_at_us, each.key_id, each.sealed, each.urgent)
            for each in notes
        ]
        await self._all("account", _ACCOUNT, rows)

    async def promised(self, promised: Sequence[Promised]) -> None:
        """See `Filling.promised`."""
        await self._all("spent", _PROMISED, [(each.day, each.lane, each.entries, each.amount) for each in promised])

    async def end(self, head: Head) -> None:
        """See `Filling.end`."""
        async with self._db.transaction():
            await self._db.execute(SQL["sum_up"])
            await self._db.execute(SQL["sum_up_keys"])
            await self._db.execute(SQL["set_log"], head.size, b"".join(head.peaks))

    async def let_work(self) -> None:
        """It is whole: from now on nodes may work on it."""
        await self._db.execute(SQL["forget"], ARRIVING)

    def close(self) -> None:
        """Let go of the connection."""
        self._db.terminate()

    async def _all(self, table: str, columns: Sequence[str], rows: Sequence[Any]) -> None:
        await self._db.copy_records_to_table(table, records=rows, columns=columns)


async def _clear(db: Connection) -> None:
    """Nothing is in it, and it says that it isn't whole."""
    if living(await db.fetch(SQL["seats"])):
        raise SpoolUnfit("a node works on this database: stop it first")
    if await db.fetchval(SQL["recall"], ARRIVING) is not None:
        await db.execute(SQL["clear_entries"])
    elif not await db.fetchval(SQL["is_empty"]):
        raise SpoolUnfit("there is a spool in this database already, and it isn't empty")
    await db.execute(SQL["remember"], ARRIVING, b"")


def _entry_row(kept: Kept) -> tuple[Any, ...]:
    recorded, entry = kept.history[0].event, kept.entry
    place = place_of(entry.state, entry.due_at_us)
    # Nobody is in flight: the spool it comes from was opened alone.
    return (*row_of(entry), +recorded.target, +recorded.told, recorded.leaf, kept.owns_key, place, 0, 0)
