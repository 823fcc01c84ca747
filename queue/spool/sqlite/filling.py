"""A new file filled with what another engine kept: a draft until it is whole, and then there at once.

All of it is done where it is called: while a spool is carried nothing else waits for this file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from spool.account import AccountNote
from spool.entry import Act
from spool.errors import SpoolUnfit
from spool.evidence.growth import Block, Head
from spool.evidence.records import Kept, Promised
from spool.rows import act_row, event_row, row_of
from spool.sqlite.backup import clear, put_in_place, require_nothing_at
from spool.sqlite.connection import DatabaseError, driver
from spool.sqlite.schema import bring_up_to_date
from spool.sqlite.statements import SQL, ManyRows
from spool.sqlite.transaction import block_row
from spool.work import place_of

_EVENT = ManyRows("insert_events", 12).sized(1)


class SqliteFilling:
    """See `spool.moving.Filling`."""

    def __init__(self, path: Path) -> None:
        """Begin a draft beside `path`, where there must be nothing.

        Raises:
            SpoolUnfit: there is something, or the draft can't be made.
        """
        require_nothing_at(path)
        self.path = path
        self.draft = path.with_name(f".{path.name}.arriving")
        try:
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            clear(self.draft)
            self.draft.touch(mode=0o600)
            self._db: Any = driver.connect(str(self.draft), isolation_level=None)
            bring_up_to_date(self._db)
            self._db.execute("BEGIN IMMEDIATE")
        except (DatabaseError, OSError) as error:
            raise SpoolUnfit(f"{path} can't be filled: {error}") from error

    async def entries(self, kept: Sequence[Kept]) -> None:
        """See `Filling.entries`."""
        self._all(SQL["fill_entry"], [_entry_row(each) for each in kept])
        self._all(_EVENT, [event_row(proven.event) for each in kept for proven in each.history[1:]])

    async def acts(self, acts: Sequence[Act]) -> None:
        """See `Filling.acts`."""
        self._all(SQL["insert_act"], [act_row(each) for each in acts])

    async def blocks(self, blocks: Sequence[Block]) -> None:
        """See `Filling.blocks`."""
        self._all(SQL["insert_block"], [block_row(each) for each in blocks])

    async def memos(self, memos: Sequence[tuple[str, bytes]]) -> None:
        """See `Filling.memos`."""
        self._all(SQL["remember"], memos)

    async def accounts(self, notes: Sequence[AccountNote]) -> None:
        """See `Filling.accounts`."""
        rows = [
            (each.lane, each.known, each.denied, each.seen_at_us, each.key_id, each.sealed, each.urgent)
            for each in notes
        ]
        self._all(SQL["fill_account"], rows)

    async def promised(self, promised: Sequence[Promised]) -> None:
        """See `Filling.promised`."""
        self._all(SQL["fill_promised"], [(each.day, each.lane, each.entries, each.amount) for each in promised])

    async def end(self, head: Head) -> None:
        """See `Filling.end`."""
        assert head.size >= 0, "the log's end is its last block"
        try:
            self._db.execute(SQL["sum_up"])
            self._db.execute(SQL["sum_up_keys"])
            self._db.execute(SQL["end_adopting"])
            self._db.execute("COMMIT")
            self._db.close()
        except DatabaseError as error:
            raise SpoolUnfit(f"{self.path} can't be filled: {error}") from error

    def give_name(self) -> None:
        """From now on it is the spool at its path.

        Raises:
            SpoolUnfit: it can't be; the path is there whole or not at all.
        """
        try:
            put_in_place(self.draft, self.path)
        except OSError as error:
            raise SpoolUnfit(f"{self.path} can't be named: {error.strerror}") from error

    def _all(self, sql: str, rows: Sequence[Any]) -> None:
        try:
            self._db.executemany(sql, rows)
        except DatabaseError as error:
            raise SpoolUnfit(f"{self.path} can't be filled: {error}") from error


def _entry_row(kept: Kept) -> tuple[Any, ...]:
    recorded = kept.history[0].event
    entry = kept.entry
    return (
        *row_of(entry),
        +recorded.target,
        +recorded.told,
        recorded.leaf,
        kept.owns_key,
        place_of(entry.state, entry.due_at_us),
    )
