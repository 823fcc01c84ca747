"""Layouts that change while others work: no long locks, and a start that was ended in the middle goes on."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest

from spool.errors import SpoolUnfit
from spool.postgres.connection import connect
from spool.postgres.schema import bring_up_to_date
from spool.postgres.statements import SQL, Migration, migrations
from tests.contracts.postgres_server import SHARED
from tests.integration.postgres_nodes import Doing, Scripted, fails, settings
from tests.integration.postgres_nodes import schema as schema_of

FORMER: Final = migrations()[:11]
"""The layout of before indexes that answer alone."""


@pytest.fixture
def dsn() -> str:
    """A schema with nothing in it."""
    return SHARED.schema()


@asynccontextmanager
async def connected(dsn: str) -> AsyncIterator[Any]:
    """A connection as the engine makes them."""
    db = await connect(settings(dsn))
    try:
        yield db
    finally:
        await db.close()


def indexes(dsn: str) -> dict[str, bool]:
    """The indexes of entries, and whether each is fit for use."""
    rows = SHARED.server.ask(
        f"SET search_path = {schema_of(dsn)}",
        "SELECT c.relname, i.indisvalid FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid"
        " WHERE i.indrelid = 'entry'::regclass",
    )
    return dict(rows)


def layout(dsn: str) -> int:
    """Its version."""
    ((version,),) = SHARED.server.ask(f"SELECT max(version) FROM {schema_of(dsn)}.migration")  # noqa: S608 - ours
    return int(version)


async def test_an_index_is_made_while_others_write(dsn: str) -> None:
    """Whoever is in the middle of something holds up the new node, which waits, and nobody who comes meanwhile."""
    async with connected(dsn) as db, connected(dsn) as slow, connected(dsn) as new:
        await bring_up_to_date(db, FORMER)
        await slow.execute("BEGIN")
        await slow.execute("UPDATE entry SET told = told")
        await slow.execute("SELECT 1 FROM entry")
        migrating = asyncio.create_task(bring_up_to_date(new))
        async with asyncio.timeout(30):
            while not await db.fetchval(SQL["is_being_made"], "entry_turn"):
                assert not migrating.done()

        await db.execute("UPDATE entry SET told = told")
        assert not migrating.done()
        await slow.execute("COMMIT")
        await migrating

    found = indexes(dsn)
    assert (found["entry_turn"], "entry_by_rank" in found, layout(dsn)) == (True, False, migrations()[-1].version)


async def test_an_index_whose_making_was_ended_in_the_middle_is_made_anew(dsn: str) -> None:
    """It is there, every write goes into it, and it answers nothing."""
    async with connected(dsn) as db:
        await bring_up_to_date(db, FORMER)
        await db.execute("CREATE INDEX entry_turn ON entry (route, rank, number) WHERE place = 1")
        await db.execute("UPDATE pg_index SET indisvalid = false WHERE indexrelid = 'entry_turn'::regclass")

        await bring_up_to_date(db)

    assert indexes(dsn)["entry_turn"]


async def test_one_that_was_made_before_the_start_ended_is_left(dsn: str) -> None:
    """And one that was dropped by then isn't missed."""
    async with connected(dsn) as db:
        await bring_up_to_date(db, FORMER)
        await db.execute("CREATE INDEX entry_turn ON entry (route, rank, number) WHERE place = 1")
        await db.execute("DROP INDEX entry_by_rank")

        await bring_up_to_date(db)

    assert (indexes(dsn)["entry_turn"], layout(dsn)) == (True, migrations()[-1].version)


async def test_nodes_that_start_together_make_an_index_once(dsn: str) -> None:
    """Whoever comes second waits until it is there."""
    async with connected(dsn) as db, connected(dsn) as one, connected(dsn) as two:
        await bring_up_to_date(db, FORMER)

        await asyncio.gather(bring_up_to_date(one), bring_up_to_date(two))

    assert (indexes(dsn)["entry_turn"], layout(dsn)) == (True, migrations()[-1].version)


async def test_one_that_another_node_dropped_a_moment_ago_isn_t_missed(dsn: str) -> None:
    """Of two that start together both may find it there, and one of them comes second."""

    async def comes_second(db: Any, _sql: str, earnest: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        await db.execute("DROP INDEX entry_by_rank")
        await earnest()

    script: list[tuple[str, Doing]] = [("DROP INDEX CONCURRENTLY", comes_second)]
    async with connected(dsn) as db:
        await bring_up_to_date(db, FORMER)

        await bring_up_to_date(Scripted(db, script))

    assert (script, "entry_by_rank" in indexes(dsn)) == ([], False)


async def test_an_index_that_another_node_is_making_is_waited_for(dsn: str) -> None:
    """Looked at again after a moment, as often as it takes; it is not made twice."""

    async def is_being_made(_db: Any, _sql: str, _earnest: Callable[[], Coroutine[Any, Any, Any]]) -> bool:
        return True

    async def in_no_time(db: Any, _sql: str, _earnest: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        await db.execute("CREATE INDEX entry_turn ON entry (route, rank, number) WHERE place = 1")

    script: list[tuple[str, Doing]] = [(SQL["is_being_made"], is_being_made), (SQL["wait_a_second"], in_no_time)]
    async with connected(dsn) as db:
        await bring_up_to_date(db, FORMER)

        await bring_up_to_date(Scripted(db, script))

    assert (script, indexes(dsn)["entry_turn"]) == ([], True)


async def test_an_index_that_something_long_holds_up_is_given_up(dsn: str) -> None:
    """A start that would wait for ever says why instead."""
    async with connected(dsn) as db:
        await bring_up_to_date(db, FORMER)
        held = fails(asyncpg.LockNotAvailableError("a transaction is older"))

        with pytest.raises(SpoolUnfit, match="something long holds it up"):
            await bring_up_to_date(Scripted(db, [("CREATE INDEX CONCURRENTLY", held)] * 100))

    assert layout(dsn) == FORMER[-1].version


async def test_an_index_that_can_t_be_made_says_why(dsn: str) -> None:
    """The disk is full, say."""
    async with connected(dsn) as db:
        await bring_up_to_date(db, FORMER)

        with pytest.raises(asyncpg.DiskFullError):
            await bring_up_to_date(
                Scripted(db, [("CREATE INDEX CONCURRENTLY", fails(asyncpg.DiskFullError("no room")))])
            )


LONG_LOCKS: Final = re.compile(
    r"(CREATE (UNIQUE )?INDEX (?!CONCURRENTLY)|DROP INDEX (?!CONCURRENTLY)|REINDEX (?!.*CONCURRENTLY)"
    r"|ADD (CONSTRAINT \w+ )?CHECK(?!.*NOT VALID)|ALTER COLUMN \w+ (SET DATA )?TYPE|SET NOT NULL"
    r"|ADD COLUMN [^;]*(CHECK|REFERENCES|UNIQUE)|UPDATE entry|DELETE FROM|VACUUM FULL|CLUSTER)"
)
"""What keeps others from a table for as long as it takes to look through it."""


def long_locks(migration: Migration) -> list[str]:
    """Statements with which a migration that others work beside would stand in their way."""
    alone = migration.version in {1, migration.programs_from}
    lines = "\n".join(line for line in migration.script.splitlines() if not line.startswith("--"))
    return [] if alone else [found[0] for found in LONG_LOCKS.finditer(lines)]


@pytest.mark.parametrize("migration", migrations(), ids=lambda each: str(each.version))
def test_a_migration_that_others_work_beside_takes_no_long_lock(migration: Migration) -> None:
    """A lock of a millisecond is one; a look through fifty million entries under it is an outage."""
    assert long_locks(migration) == []


@pytest.mark.parametrize(
    "script",
    [
        "CREATE INDEX a ON entry (b);",
        "CREATE UNIQUE INDEX a ON entry (b);",
        "DROP INDEX a;",
        "ALTER TABLE entry ADD COLUMN a smallint CHECK (a > 0);",
        "ALTER TABLE entry ADD CONSTRAINT a CHECK (b > 0);",
        "ALTER TABLE entry ALTER COLUMN a TYPE bigint;",
        "UPDATE entry SET a = 1;",
    ],
)
def test_one_that_did_would_be_found(script: str) -> None:
    """A rule that finds nothing is none."""
    assert long_locks(Migration(9, 6, script, apart=False)) != []
