"""Opening a spool in a database: what a former run left, who lays it out, and what is refused before anything is taken."""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest

from spool import lifecycle as way
from spool.errors import SpoolAway, SpoolBusy, SpoolClosed, SpoolUnfit
from spool.lifecycle import State
from spool.postgres import PostgresStore
from spool.postgres.commit import TRIES_MAX
from spool.postgres.statements import SQL, migrations
from spool.postgres.transaction import ORPHANS_MAX
from spool.store import Move
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import LATER_US, NOW_US, draft, put, reversal
from tests.integration.postgres_nodes import (
    Doing,
    fails,
    node,
    opened,
    schema,
    scripted,
    settings,
)

FULL: Final = asyncpg.DiskFullError("could not extend file")
BUSY: Final = asyncpg.LockNotAvailableError("held")


@pytest.fixture(name="dsn")
def place() -> str:
    """An empty spool."""
    return SHARED.emptied()


async def test_all_that_a_former_run_left_in_flight_comes_into_doubt(dsn: str) -> None:
    """However much it is: some hundreds by each commit."""
    left = ORPHANS_MAX + 3
    async with node(dsn) as store:
        await asyncio.gather(*(put(store, draft(i, state=State.IN_FLIGHT)) for i in range(1, left + 1)))
    async with node(dsn) as store:
        assert {cell.state: total.entries for cell, total in store.tally.cells()} == {State.IN_DOUBT: left}


async def test_a_bug_in_clearing_up_lets_nothing_open(dsn: str) -> None:
    """Its error is the caller's, as it is."""
    script: list[tuple[str, Doing]] = [("NOT EXISTS (", fails(LookupError("a bug")))]

    with pytest.raises(LookupError):
        await scripted(dsn, script).open(NOW_US)


async def test_a_database_that_is_not_there_is_said_so(dsn: str) -> None:
    """Before anything else is tried."""
    store = PostgresStore(settings(dsn.replace("host=", "host=/nowhere")))

    with pytest.raises(SpoolAway, match="can't be reached"):
        await store.open(NOW_US)

    await store.close()


@pytest.mark.parametrize(
    ("at", "error"),
    [
        ("CREATE TABLE IF NOT EXISTS migration", FULL),
        ("node SET name", FULL),
        ("node SET name", BUSY),
        ("NOT EXISTS (", FULL),
        ("NOT EXISTS (", BUSY),
        ("SET place = 1", FULL),
        ("SET place = 1", BUSY),
    ],
)
async def test_a_database_that_has_no_room_for_an_opening_may_be_opened_later(at: str, error: Exception) -> None:
    """It passes by itself; and the seat that was taken half-way is this node's still."""
    script: list[tuple[str, Doing]] = []
    store = scripted(dsn := SHARED.schema(), script)
    script += [(at, fails(error))] * 2 * TRIES_MAX

    with pytest.raises(SpoolBusy):
        await store.open(NOW_US)

    script.clear()
    await store.open(NOW_US)
    await put(store, draft(1))
    await store.close()
    async with node(dsn) as again:
        assert await again.get(1) is not None


async def test_a_database_that_answers_before_it_syncs_is_refused(dsn: str) -> None:
    """A power cut would take payments with a yes."""
    store = PostgresStore(settings(f"{dsn}&synchronous_commit=off"))

    with pytest.raises(SpoolUnfit, match="synchronous_commit"):
        await store.open(NOW_US)


async def test_without_its_standby_nothing_new_is_taken_and_what_waits_goes_on(dsn: str) -> None:
    """Where a copy must be there before a yes, a yes without it would be a lie."""
    async with node(dsn) as store:
        entry = await put(store, draft(1))
    async with node(dsn, standbys_min=1) as store:
        with pytest.raises(SpoolClosed, match="0 of 1 synchronous standbys follow"):
            await store.insert(draft(2), 1, b"")
        with pytest.raises(SpoolClosed):
            await store.reverse(reversal(3, entry), 1, b"")

        assert await store.move([Move(entry=entry, transition=way.CLAIM, at_us=LATER_US)]) == [True]
        await store.look_round()
        assert not (await store.health()).accepting


async def test_a_layout_newer_than_the_program_is_refused_where_it_can_t_work_beside(dsn: str) -> None:
    """A rolling upgrade goes one step at a time; two would let an old node write what the new layout forbids."""
    async with node(dsn):
        pass
    newer = migrations()[-1].version + 1
    table = f"{schema(dsn)}.migration"
    SHARED.server.ask(f"INSERT INTO {table} VALUES ({newer}, {newer - 1})")  # noqa: S608 - ours
    async with node(dsn) as beside:
        await put(beside, draft(1))

    SHARED.server.ask(f"UPDATE {table} SET programs_from = {newer} WHERE version = {newer}")  # noqa: S608 - ours
    with pytest.raises(SpoolUnfit, match="needs a program"):
        async with node(dsn):
            raise AssertionError

    SHARED.server.ask(f"DELETE FROM {table} WHERE version = {newer}")  # noqa: S608 - ours


async def test_nodes_that_start_together_lay_the_spool_out_once() -> None:
    """Whichever comes first; the others find it done."""
    dsn = SHARED.schema()
    stores = [PostgresStore(settings(dsn, node=f"node-{i}")) for i in range(4)]

    await asyncio.gather(*(store.open(NOW_US) for store in stores))

    await asyncio.gather(*(put(store, draft(i)) for i, store in enumerate(stores, 1)))
    assert await stores[0].highest_number() == 4
    await asyncio.gather(*(store.close() for store in stores))


async def test_a_layout_that_another_node_made_meanwhile_is_left_as_it_is() -> None:
    """It was missing when this node looked, and is there when it has the lock."""
    dsn = SHARED.schema()

    async def meanwhile(_db: Any, _sql: str, earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        async with node(dsn, "two"):
            pass
        return await earnest()

    store = await opened(scripted(dsn, [("SET LOCAL lock_timeout", meanwhile)]))

    await put(store, draft(1))
    await store.close()


@pytest.mark.parametrize("at", ["CREATE TABLE IF NOT EXISTS migration", "SELECT version FROM migration"])
async def test_a_layout_that_is_always_in_somebody_s_hands_is_given_up(at: str) -> None:
    """A long transaction holds a table: it waits a little each time, so that payments behind it don't wait long."""
    script: list[tuple[str, Doing]] = [(at, fails(asyncpg.LockNotAvailableError("held")))] * 100
    store = scripted(SHARED.schema(), script)

    with pytest.raises(SpoolUnfit):
        await store.open(NOW_US)


@pytest.mark.parametrize("at", ["CREATE TABLE IF NOT EXISTS migration", "SELECT version FROM migration"])
async def test_a_layout_that_can_t_be_made_says_why(at: str) -> None:
    """No right to make tables, say."""
    script: list[tuple[str, Doing]] = [(at, fails(asyncpg.InsufficientPrivilegeError("no")))]
    store = scripted(SHARED.schema(), script)

    with pytest.raises(SpoolUnfit, match="InsufficientPrivilegeError"):
        await store.open(NOW_US)


def test_every_migration_says_beside_which_programs_it_works() -> None:
    """And none needs one that doesn't exist yet."""
    assert all(1 <= each.programs_from <= each.version for each in migrations())
    assert [each.version for each in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_shown_setting_never_shows_the_address() -> None:
    """It may hold a password."""
    assert "secret" not in repr(settings("postgresql://user:secret@host/db"))


def test_every_statement_is_used_by_name() -> None:
    """A name that is misspelt fails in a test, not in a night."""
    assert {"renew", "insert_entries", "move_entries", "take_over"} <= set(SQL)
