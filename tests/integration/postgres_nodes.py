"""Nodes on one spool in a real PostgreSQL, each a store of its own, and one whose connection does what a test says."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

from spool.postgres import PostgresSettings, PostgresStore
from spool.postgres.connection import connect
from spool.store import Inserted, Store
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import NOW_US

WAIT_S: Final = 30.0
"""Whatever is waited for longer than that will not come."""

RARELY_S: Final = 3600.0
"""So rarely a node looks round by itself: a test says when."""


def settings(dsn: str, **changes: Any) -> PostgresSettings:
    """Of a node that does nothing by itself, and tries again at once."""
    return PostgresSettings(**{"dsn": dsn, "poll_s": RARELY_S, "lease_s": 600.0, "reopen_s": 0.001, **changes})


@asynccontextmanager
async def node(dsn: str, name: str = "one", **changes: Any) -> AsyncGenerator[PostgresStore]:
    """An open node."""
    store = PostgresStore(settings(dsn, node=name, **changes))
    await store.open(NOW_US)
    try:
        yield store
    finally:
        await store.close()


async def opened(store: PostgresStore) -> PostgresStore:
    """Open a store that a test closes."""
    await store.open(NOW_US)
    return store


async def until(true: Callable[[], bool]) -> None:
    """Let others run until it is so."""
    async with asyncio.timeout(WAIT_S):
        while not true():  # noqa: ASYNC110 - what it waits for has no event
            await asyncio.sleep(0)


async def accepts_again(store: PostgresStore) -> None:
    """Wait until a store that lost its connection has another."""
    await until(lambda: not store._trouble)


def forget_nodes(dsn: str) -> None:
    """Have the database know none, as a copy of it from before any had a seat."""
    SHARED.server.ask(f"DELETE FROM {schema(dsn)}.node")  # noqa: S608 - ours


def expire(dsn: str, name: str) -> None:
    """Let a node's lease have run out, as if it had been silent for long."""
    SHARED.server.ask(
        f"UPDATE {schema(dsn)}.node SET expires = now() - interval '1 second' WHERE name = '{name}'"  # noqa: S608 - ours
    )


def schema(dsn: str) -> str:
    """The schema a URL leads to."""
    return dsn.partition("search_path=")[2].partition("&")[0]


def inserted(results: list[Any]) -> list[int]:
    """Numbers of those that were stored."""
    return [result.entry.number for result in results if isinstance(result, Inserted)]


async def all_at_once(*calls: Awaitable[Any]) -> list[Any]:
    """What each call comes to, its error included."""
    return list(await asyncio.gather(*calls, return_exceptions=True))


async def take_over(store: PostgresStore) -> None:
    """A node looks round that has been here for a lease."""
    store._takes_over_from = 0.0
    await store.look_round()


Doing = Callable[[Any, str, Callable[[], Coroutine[Any, Any, Any]]], Awaitable[Any]]
"""What happens to a statement: gets the connection, the statement, and how it is done in earnest."""


class Scripted:
    """A real connection; what a test expects of certain statements happens instead, each once."""

    def __init__(self, db: Any, script: list[tuple[str, Doing]]) -> None:
        """Statements are told by words they contain."""
        self._db, self._script = db, script

    def __getattr__(self, name: str) -> Any:
        """Everything else is the connection's."""
        return getattr(self._db, name)

    async def execute(self, sql: str, *values: Any, **limits: Any) -> Any:
        """Do a statement, or what the script says."""
        return await self._do(sql, lambda: self._db.execute(sql, *values, **limits))

    async def fetch(self, sql: str, *values: Any) -> Any:
        """Do a statement, or what the script says."""
        return await self._do(sql, lambda: self._db.fetch(sql, *values))

    async def fetchrow(self, sql: str, *values: Any) -> Any:
        """Do a statement, or what the script says."""
        return await self._do(sql, lambda: self._db.fetchrow(sql, *values))

    async def fetchval(self, sql: str, *values: Any) -> Any:
        """Do a statement, or what the script says."""
        return await self._do(sql, lambda: self._db.fetchval(sql, *values))

    async def _do(self, sql: str, earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        found = next((each for each in self._script if each[0] in sql), None)
        if found is None:
            return await earnest()
        self._script.remove(found)
        return await found[1](self._db, sql, earnest)


def scripted(dsn: str, script: list[tuple[str, Doing]], **changes: Any) -> PostgresStore:
    """A node whose writing connections follow a script, which may grow while it works."""

    async def connect_scripted(given: PostgresSettings) -> Any:
        return Scripted(await connect(given), script)

    return PostgresStore(settings(dsn, **changes), connect=connect_scripted)


def fails(error: Exception) -> Doing:
    """Nothing is done, and this is raised."""

    async def doing(_db: Any, _sql: str, _earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        raise type(error)(*error.args)

    return doing


def done_but(error: Exception) -> Doing:
    """It is done, and nobody hears: this is raised."""

    async def doing(_db: Any, _sql: str, earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        await earnest()
        raise type(error)(*error.args)

    return doing


async def wait_behind(store: Store, *numbers: int) -> None:
    """Set entries behind, as a forwarder does that finds their lane occupied."""
    entries = [await store.get(number) for number in numbers]
    await store.set_behind([entry for entry in entries if entry is not None])
