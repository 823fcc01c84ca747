"""A node with a file beside its database, and a line to the database that a test cuts and mends."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest

from spool.away.allowance import Allowance
from spool.away.store import AwayStore
from spool.entry import Draft, Entry
from spool.errors import SpoolClosed
from spool.postgres.connection import connect
from spool.postgres.settings import PostgresSettings
from spool.sqlite import SqliteStore
from spool.sqlite.backup import Step, on
from spool.store import Store
from spool.verify import verify
from tests.contracts.spool_examples import NOW_US, put
from tests.integration.postgres_nodes import accepts_again, settings, until

LONG_AGO: float = -1e9
"""On any loop's clock."""


class Line:
    """The way to the database that writes go."""

    def __init__(self) -> None:
        """It is whole."""
        self.is_cut = False

    async def connect(self, said: PostgresSettings) -> Any:
        """A connection that is gone once the line is cut."""
        self.require()
        return _Wire(await connect(said), self)

    def require(self) -> None:
        """Whole, or an error as the driver has it."""
        if self.is_cut:
            raise asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")


class _Wire:
    def __init__(self, db: Any, line: Line) -> None:
        self._db, self._line = db, line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)

    async def execute(self, sql: str, *values: Any, **named: Any) -> Any:
        self._line.require()
        return await self._db.execute(sql, *values, **named)

    async def fetch(self, sql: str, *values: Any, **named: Any) -> Any:
        self._line.require()
        return await self._db.fetch(sql, *values, **named)

    async def fetchrow(self, sql: str, *values: Any, **named: Any) -> Any:
        self._line.require()
        return await self._db.fetchrow(sql, *values, **named)


class Place:
    """One node's database, file and line; a store over them as each new process would make it."""

    def __init__(self, dsn: str, folder: Path, name: str = "one") -> None:
        """A node of this name."""
        self.dsn, self.name = dsn, name
        self.file = folder / f"{name}.db"
        self.line = Line()
        self.allowance = Allowance(entries_max=1000, share_percent=50)

    def store(self, step: Step = on, **changes: Any) -> AwayStore:
        """Does nothing by itself: a test says when it looks round, and when it brings over."""
        said = settings(self.dsn, node=self.name, alone=True, **changes)
        return AwayStore(said, SqliteStore(self.file), self.allowance, connect=self.line.connect, step=step)

    @asynccontextmanager
    async def open(self, step: Step = on, **changes: Any) -> AsyncGenerator[AwayStore]:
        """An open one."""
        store = self.store(step, **changes)
        await store.open(NOW_US)
        try:
            yield store
        finally:
            await store.close()

    async def cut(self, store: AwayStore) -> None:
        """The database is away, and for so long that others know."""
        self.line.is_cut = True
        await notices(store)
        store._leased_until = LONG_AGO

    async def mend(self, store: AwayStore) -> None:
        """It is back."""
        self.line.is_cut = False
        await accepts_again(store)


async def notices(store: AwayStore) -> None:
    """Try to write, and find that it can't be."""
    with pytest.raises(SpoolClosed):
        await store.remember("a", b"")
    await until(lambda: "yet" in store._trouble)


async def taken(store: Store, *drafts: Draft) -> list[Entry]:
    """Record payments one after the other."""
    return [await put(store, each) for each in drafts]


async def is_sound(store: Store) -> bool:
    """Counted and proven anew, all is as it was kept."""
    return (await verify(store)).ok
