"""What goes wrong with a database: nothing stored is said surely, nobody knows is said honestly, and it goes on by itself."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest

from spool import lifecycle as way
from spool.errors import SpoolClosed, StorageFull, StorageUncertain
from spool.lifecycle import State
from spool.postgres import PostgresStore
from spool.postgres.commit import TRIES_MAX, Lost
from spool.store import Filter, Inserted, Move
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import LATER_US, draft, put
from tests.integration.postgres_nodes import (
    WAIT_S,
    Doing,
    accepts_again,
    all_at_once,
    done_but,
    fails,
    forget_nodes,
    inserted,
    node,
    opened,
    scripted,
    until,
)

SERIALIZATION: Final = asyncpg.SerializationError("another transaction was faster")
DEADLOCK: Final = asyncpg.DeadlockDetectedError("two waited for each other")
GONE: Final = asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation")
FULL: Final = asyncpg.DiskFullError("could not extend file")
BUSY: Final = asyncpg.LockNotAvailableError("canceling statement due to lock timeout")

INSERT: Final = "INSERT INTO entry"
COMMIT: Final = "COMMIT"


@pytest.fixture(name="dsn")
def place() -> str:
    """An empty spool."""
    return SHARED.emptied()


# Others were faster


@pytest.mark.parametrize("at", [INSERT, COMMIT, "node SET expires", "tally"])
@pytest.mark.parametrize("error", [SERIALIZATION, DEADLOCK], ids=["40001", "40P01"])
async def test_a_transaction_the_database_wants_again_is_done_again(dsn: str, at: str, error: Exception) -> None:
    """As distributed engines do often, and PostgreSQL itself when two transactions wait for each other."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script += [(at, fails(error))] * 3

    entry = await put(store, draft(1))

    assert script == []
    assert await store.get(1) == entry
    assert [total.entries for _, total in store.tally.cells()] == [1]
    await store.close()


async def test_what_others_are_always_in_the_way_of_is_given_up(dsn: str) -> None:
    """Nothing was stored; try later. Its neighbours are done alone."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script += [(INSERT, fails(SERIALIZATION))] * (2 * TRIES_MAX)

    results = await all_at_once(store.insert(draft(1), 1, b""), store.insert(draft(2), 1, b""))

    assert [type(each) for each in results] == [StorageFull, Inserted]
    assert await store.get(1) is None
    assert [total.entries for _, total in store.tally.cells()] == [1]
    await store.close()


async def test_a_commit_the_server_turned_into_a_rollback_is_none(dsn: str) -> None:
    """It is answered without an error; only the words tell."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))

    async def rolls_back(db: Any, _sql: str, _earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        return await db.execute("ROLLBACK")

    script.append((COMMIT, rolls_back))

    entry = await put(store, draft(1))

    assert await store.get(1) == entry
    await store.close()


# What lies in a work itself


@pytest.mark.parametrize("poison", ["nul\0", "\ud800"], ids=["server", "driver"])
async def test_a_poisonous_payment_does_not_take_its_neighbours_with_it(dsn: str, poison: str) -> None:
    """Neither what the server refuses nor what the driver can't send."""
    async with node(dsn) as store:
        results = await all_at_once(
            store.insert(draft(1), 1, b""), store.insert(draft(2, key=poison), 1, b""), store.insert(draft(3), 1, b"")
        )

        assert inserted(results) == [1, 3]
        assert [entry.number for entry in await store.page(Filter(), 9)] == [1, 3]
        assert sum(total.entries for _, total in store.tally.cells()) == 2
        await put(store, draft(4))


async def test_a_question_that_can_t_be_asked_fails_alone(dsn: str) -> None:
    """And not as if the database were away."""
    async with node(dsn) as store:
        with pytest.raises(asyncpg.PostgresError):
            await store.find("kiosk", "nul\0")


# No room


async def test_a_full_disk_stores_nothing_and_ends_by_itself(dsn: str) -> None:
    """Try later, surely; and later it goes on."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script.append((INSERT, fails(FULL)))

    with pytest.raises(StorageFull):
        await store.insert(draft(1), 1, b"")

    assert store.tally.snapshot() == {}
    await put(store, draft(1))
    await store.close()


async def test_a_transaction_that_found_no_room_renewed_no_lease(dsn: str) -> None:
    """The database undid that as well: to send on the strength of it could be a second attempt beside another node's."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script.append((INSERT, fails(FULL)))
    store._hold.lose()

    with pytest.raises(StorageFull):
        await store.insert(draft(1), 1, b"")

    assert not store.holds()
    await put(store, draft(1))
    assert store.holds()
    await store.close()


async def test_a_full_disk_met_alone_is_told_alone(dsn: str) -> None:
    """Neighbours that were done alone are stored."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script += [(INSERT, fails(ValueError("a bug"))), (INSERT, fails(FULL))]

    results = await all_at_once(store.insert(draft(1), 1, b""), store.insert(draft(2), 1, b""))

    assert type(results[0]) is StorageFull
    assert isinstance(results[1], Inserted)
    await store.close()


# The connection is gone


@pytest.mark.parametrize("at", ["BEGIN", "node SET expires", INSERT, "tally"])
@pytest.mark.parametrize("error", [GONE, OSError("reset"), TimeoutError()], ids=["closed", "reset", "timeout"])
async def test_a_connection_lost_before_the_commit_stored_nothing(dsn: str, at: str, error: Exception) -> None:
    """Said surely, so that the channel may be told no for now; and the store connects again."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script.append((at, fails(error)))

    with pytest.raises(Lost, match="nothing was stored"):
        await store.insert(draft(1), 1, b"")

    await accepts_again(store)
    assert await store.get(1) is None
    assert store.tally.snapshot() == {}
    await put(store, draft(1))
    await store.close()


async def test_a_connection_lost_while_rolling_back_stored_nothing_either(dsn: str) -> None:
    """The server undoes what nobody commits."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script += [(INSERT, fails(FULL)), ("ROLLBACK", fails(GONE))]

    with pytest.raises(Lost):
        await store.insert(draft(1), 1, b"")

    await accepts_again(store)
    await store.close()


@pytest.mark.parametrize("committed", [False, True], ids=["not stored", "stored"])
async def test_of_a_commit_that_broke_nobody_knows_until_the_database_tells(dsn: str, *, committed: bool) -> None:
    """Never a no, and never a yes: ask again. What it was is found with the next connection, and counted right."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script.append((COMMIT, done_but(GONE) if committed else fails(GONE)))

    results = await all_at_once(store.insert(draft(1), 1, b""), store.insert(draft(2, lane=9), 1, b""))

    assert [type(each) for each in results] == [StorageUncertain] * 2
    await accepts_again(store)
    assert (await store.get(1) is not None) == committed
    assert sum(total.entries for _, total in store.tally.cells()) == 2 * committed
    again = await store.insert(draft(11, key="key-1"), 1, b"")
    assert again.entry.number == (1 if committed else 11)
    await store.close()


async def test_an_attempt_that_this_process_has_in_hand_survives_its_connection(dsn: str) -> None:
    """Its lease still runs: it is not put in doubt because a cable was pulled."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    claimed = await put(store, draft(1, state=State.IN_FLIGHT))
    script.append(("BEGIN", fails(GONE)))
    with pytest.raises(SpoolClosed):
        await store.remember("a", b"")
    await accepts_again(store)

    assert await store.move([Move(entry=claimed, transition=way.POST, at_us=LATER_US)]) == [True]
    await store.close()


async def test_a_commit_that_did_not_wait_for_its_standby_is_uncertain(dsn: str) -> None:
    """The server says so in a warning and calls it done; a failover now would lose it."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))

    async def warns(db: Any, _sql: str, _earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        await db.execute("DO $$ BEGIN RAISE WARNING 'canceling wait for synchronous replication'; END $$")
        return await db.execute("COMMIT")

    script.append((COMMIT, warns))

    with pytest.raises(StorageUncertain, match="standby"):
        await store.insert(draft(1), 1, b"")

    await accepts_again(store)
    await store.close()


async def test_a_commit_that_hangs_keeps_nobody_waiting(dsn: str) -> None:
    """Its standby is away, say. Who waits is told that nobody knows; who comes meanwhile, that nothing is taken."""
    go_on = asyncio.Event()

    async def hangs(_db: Any, _sql: str, earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        await go_on.wait()
        return await earnest()

    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script, stall_s=0.2))
    script.append((COMMIT, hangs))
    first = asyncio.ensure_future(store.insert(draft(1), 1, b""))
    await until(lambda: script == [])
    second = asyncio.ensure_future(store.insert(draft(2), 1, b""))

    results = await all_at_once(first, second, store.health())
    assert [type(each) for each in results[:2]] == [StorageUncertain, SpoolClosed]
    with pytest.raises(SpoolClosed):
        await store.insert(draft(3), 1, b"")

    go_on.set()
    await accepts_again(store)
    assert [entry.number for entry in await store.page(Filter(), 9)] == [1]
    assert [total.entries for _, total in store.tally.cells()] == [1]
    await store.close()


async def test_it_is_tried_until_the_database_is_back(dsn: str) -> None:
    """However long; whoever reads meanwhile is told that it can't be asked."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script += [(COMMIT, fails(GONE))]
    script += [("current_setting", fails(OSError("refused")))]
    script += [("session = session + 1", fails(GONE)), ("NOT EXISTS (", fails(GONE))]

    with pytest.raises(StorageUncertain):
        await store.insert(draft(1), 1, b"")
    with pytest.raises(SpoolClosed):
        await store.get(1)

    await accepts_again(store)
    assert script == []
    await store.close()


@pytest.mark.parametrize("at", ["session = session + 1", "NOT EXISTS ("], ids=["sitting down", "clearing up"])
@pytest.mark.parametrize("error", [FULL, DEADLOCK], ids=["full", "in the way"])
async def test_a_database_that_refuses_while_it_is_connected_to_again_is_tried_again(
    dsn: str, at: str, error: Exception
) -> None:
    """A disk that filled up takes connections along, and has no room when they come back."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script += [(COMMIT, fails(GONE))] + [(at, fails(error))] * 2

    with pytest.raises(StorageUncertain):
        await store.insert(draft(1), 1, b"")

    await accepts_again(store)
    assert script == []
    await put(store, draft(1))
    await store.close()


async def test_closing_does_not_wait_for_a_database_that_is_away(dsn: str) -> None:
    """A stop is a stop."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script, reopen_s=3600.0))
    script += [(COMMIT, fails(GONE)), ("current_setting", fails(OSError("refused")))]
    with pytest.raises(StorageUncertain):
        await store.insert(draft(1), 1, b"")
    await until(lambda: "yet" in store._trouble)

    await store.close()

    with pytest.raises(SpoolClosed):
        await store.insert(draft(1), 1, b"")


async def test_a_bug_while_connecting_again_is_not_taken_for_a_database_that_is_away(dsn: str) -> None:
    """It would be tried for ever, and nobody told."""
    script: list[tuple[str, Doing]] = []
    store = await opened(scripted(dsn, script))
    script += [(COMMIT, fails(GONE)), ("current_setting", fails(LookupError("a bug")))]
    with pytest.raises(StorageUncertain):
        await store.insert(draft(1), 1, b"")

    assert store._committer is not None
    with pytest.raises(LookupError):
        await store._committer
    store._committer = None
    await store._close_connections()


async def test_a_look_round_at_a_database_that_is_away_changes_nothing(dsn: str) -> None:
    """The committer finds out by itself."""
    async with node(dsn) as store:
        readers, store._readers = store._readers, None

        await store.look_round()

        store._readers = readers


@asynccontextmanager
async def reading_elsewhere(store: PostgresStore) -> AsyncGenerator[None]:
    """All of a node's connections for reading are in somebody's hands."""
    assert store._readers is not None
    async with asyncio.timeout(WAIT_S), store._readers.acquire():
        yield


async def test_payments_are_taken_while_all_connections_for_reading_are_in_use(dsn: str) -> None:
    """Questions wait for one, but not for ever: no answer now is no "there is none"."""
    async with node(dsn, readers_max=1, connect_s=0.05) as store:
        async with reading_elsewhere(store):
            entry = await put(store, draft(1))
            with pytest.raises(SpoolClosed, match="can't be asked now"):
                await store.get(1)
            with pytest.raises(SpoolClosed, match="can't be asked now"):
                async with store.records():
                    raise AssertionError

        assert await store.get(1) == entry


async def test_a_lease_is_renewed_while_all_connections_for_reading_are_in_use(dsn: str) -> None:
    """A node whose persons read for long is no dead one."""
    async with node(dsn, readers_max=1, connect_s=0.05) as store, reading_elsewhere(store):
        store._hold.lose()

        await store.look_round()

        assert store.holds()


async def test_a_look_round_is_given_up_before_the_lease_must_be_renewed_again(dsn: str) -> None:
    """However long a connection may be waited for."""
    async with node(dsn, readers_max=1, connect_s=2 * WAIT_S, lease_s=0.3) as store, reading_elsewhere(store):
        await store.look_round()


class Refusing:
    """Connections for reading that are refused everything, or only what asks for a single figure."""

    def __init__(self, readers: Any, error: Exception, *, rows: bool) -> None:
        """Beside real ones."""
        self._error = error
        self.fetch = self.fetchval if rows else readers.fetch

    async def fetchval(self, *_asked: Any) -> Any:
        """No."""
        raise self._error


@pytest.mark.parametrize("rows", [True, False], ids=["seats", "standbys"])
@pytest.mark.parametrize("error", [FULL, BUSY, GONE], ids=["full", "locked", "gone"])
async def test_a_look_round_that_a_database_refuses_is_made_again_later(
    dsn: str, error: Exception, *, rows: bool
) -> None:
    """Were its task to end, the lease of a quiet node would run out, and nobody be heard of again."""
    async with node(dsn, standbys_min=1) as store:
        readers = store._readers
        store._readers = Refusing(readers, error, rows=rows)

        await store.look_round()

        store._readers = readers


@pytest.mark.parametrize("error", [FULL, BUSY], ids=["full", "locked"])
async def test_a_question_that_a_database_refuses_for_now_may_be_asked_again(dsn: str, error: Exception) -> None:
    """No room for what it would sort, or somebody changes the table: no error that ends whoever asks."""
    async with node(dsn) as store:
        readers = store._readers
        store._readers = Refusing(readers, error, rows=True)

        with pytest.raises(SpoolClosed, match="can't be asked now"):
            await store.get(1)

        store._readers = readers


async def test_a_question_that_loses_its_connection_says_that_it_can_t_be_asked_now(dsn: str) -> None:
    """As any other, it may be asked again."""
    async with node(dsn) as store:
        assert store._readers is not None
        store._readers.terminate()

        with pytest.raises(SpoolClosed, match="can't be asked now"):
            await store.get(1)


# Gathering


async def test_under_load_a_commit_waits_for_those_the_last_one_answered(dsn: str) -> None:
    """But not for long, and not at all for more than come."""
    async with node(dsn) as store:
        crowd = [store.insert(draft(i), 1, b"") for i in range(1, 41)]
        await asyncio.gather(*crowd)

        first = store.insert(draft(44), 1, b"")
        await asyncio.sleep(0)
        await asyncio.gather(first, store.insert(draft(45), 1, b""))
        await asyncio.gather(*(store.insert(draft(i), 1, b"") for i in range(50, 90)))

        few = [store.insert(draft(i), 1, b"") for i in range(41, 44)]
        await asyncio.gather(*few)

        assert await store.highest_number() == 89


async def test_a_database_that_knows_no_node_gives_a_seat_anew(dsn: str) -> None:
    """A copy from before this node's seat stands in its place: whoever looks round finds nobody, and goes on looking."""
    store = await opened(scripted(dsn, []))
    forget_nodes(dsn)

    await store.look_round()
    with pytest.raises((SpoolClosed, StorageFull, StorageUncertain)):
        await put(store, draft(1))

    await accepts_again(store)
    await put(store, draft(2))
    await store.close()
