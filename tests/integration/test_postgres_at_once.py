"""New payments in one statement: what it meets in the way, and what is known of it when the way to the server breaks."""

from collections.abc import Callable, Coroutine
from typing import Any

import asyncpg  # type: ignore[import-untyped]  # it comes without types
import pytest

from spool.errors import LaneTaken, OverLimit, StorageUncertain
from spool.evidence.tree import append, peaks_of, root_of
from spool.lifecycle import State, Told
from spool.postgres import PostgresStore
from spool.store import Inserted, Known
from spool.tally import Limit, Sum
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import NOW_US, draft, put
from tests.integration.postgres_nodes import (
    Doing,
    accepts_again,
    all_at_once,
    done_but,
    fails,
    inserted,
    node,
    scripted,
)

AT_ONCE = "log.size = $31"
"""Words of the statement."""

LOST = asyncpg.ConnectionDoesNotExistError("the way is broken")


@pytest.fixture
def dsn() -> str:
    """An empty spool."""
    return SHARED.emptied()


async def opened(store: PostgresStore) -> PostgresStore:
    """Open, with its first payment stored: from then on it knows where the log ends."""
    await store.open(NOW_US)
    await put(store, draft(1))
    return store


async def ends_of_blocks(store: PostgresStore) -> list[tuple[int, int]]:
    """Where each block of the log begins and ends."""
    async with store.records() as records:
        return [(block.first, block.size) for block in await records.blocks(0, 100)]


async def root_of_leaves(store: PostgresStore) -> bytes:
    """The root of the log, from all that its blocks hold of leaves."""
    async with store.records() as records:
        blocks = await records.blocks(0, 100)
    peaks = list[bytes]()
    append(peaks, 0, peaks_of(b"".join(block.leaves for block in blocks)))
    return root_of(peaks)


async def root_as_kept(store: PostgresStore) -> bytes:
    """The same as the last block says."""
    async with store.records() as records:
        return (await records.head()).root


async def test_what_it_stored_is_the_next_block_of_one_log(dsn: str) -> None:
    """The same log as by any other way."""
    async with node(dsn) as store:
        await put(store, draft(1))

        results = await all_at_once(*(store.insert(draft(number), 1, b"") for number in (2, 3, 4)))

        assert inserted(results) == [2, 3, 4]
        assert (await ends_of_blocks(store))[-1][1] == 4
        assert store.tally.exposure("billing").entries == 4


async def test_where_another_node_wrote_it_goes_on_behind_that(dsn: str) -> None:
    """By the longer way; nothing is stored twice, and no place in the log is left out."""
    async with node(dsn) as one, node(dsn, "two") as two:
        for number in range(1, 8, 2):
            await put(one, draft(number))
            await put(two, draft(number + 1))

        blocks = await ends_of_blocks(one)

    assert blocks == [(at, at + 1) for at in range(8)]


async def test_a_key_that_is_known_is_found_and_its_neighbours_are_stored(dsn: str) -> None:
    """Also one that comes twice in one commit."""
    async with node(dsn) as store:
        await put(store, draft(1))

        results = await all_at_once(
            store.insert(draft(2, key="key-1"), 1, b""),
            store.insert(draft(3), 1, b""),
            store.insert(draft(4, key="key-3"), 1, b""),
        )

        assert [type(result) for result in results] == [Known, Inserted, Known]
        assert results[2].entry.number == 3


async def test_a_lane_that_is_not_clear_is_told(dsn: str) -> None:
    """An attempt begun beside another would overtake it."""
    in_flight = {"state": State.IN_FLIGHT, "told": Told.NOTHING, "lane": 7}
    async with node(dsn) as store:
        await put(store, draft(1, **in_flight))

        results = await all_at_once(store.insert(draft(2, **in_flight), 1, b""), store.insert(draft(3), 1, b""))

        assert [type(result) for result in results] == [LaneTaken, Inserted]


async def test_limits_of_all_nodes_hold(dsn: str) -> None:
    """To the payment: whatever fits is stored, and what doesn't is told."""
    within = (Limit("", 4, None), Limit("kiosk", None, 35_000))
    async with node(dsn) as store, node(dsn, "two") as other:
        await put(other, draft(1))
        await put(store, draft(2, within=within))

        results = await all_at_once(*(store.insert(draft(number, within=within), 1, b"") for number in (3, 4)))

        assert [type(result) for result in results] == [Inserted, OverLimit]


@pytest.mark.parametrize(("what", "is_there"), [(fails(LOST), False), (done_but(LOST), True)], ids=["before", "after"])
async def test_where_the_way_breaks_nobody_knows_until_the_tables_tell(dsn: str, what: Doing, is_there: bool) -> None:  # noqa: FBT001 - a case
    """It may have got there: a no would be believed."""
    store = await opened(scripted(dsn, script := list[tuple[str, Doing]]()))
    script.append((AT_ONCE, what))

    with pytest.raises(StorageUncertain):
        await store.insert(draft(2), 1, b"")

    await accepts_again(store)
    assert (await store.get(2) is not None) is is_there
    await store.close()


async def test_one_statement_that_did_not_wait_for_its_standby_is_uncertain(dsn: str) -> None:
    """The server says so in a warning and calls it done; a failover now would lose it."""
    store = await opened(scripted(dsn, script := list[tuple[str, Doing]]()))

    async def warns(db: Any, _sql: str, earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        await db.execute("DO $$ BEGIN RAISE WARNING 'canceling wait for synchronous replication'; END $$")
        return await earnest()

    script.append((AT_ONCE, warns))

    with pytest.raises(StorageUncertain, match="standby"):
        await store.insert(draft(2), 1, b"")

    await accepts_again(store)
    await store.close()


async def test_an_error_of_the_server_stores_nothing_and_the_longer_way_is_taken(dsn: str) -> None:
    """Where a distributed database wants it again, say."""
    store = await opened(scripted(dsn, script := list[tuple[str, Doing]]()))
    script.append((AT_ONCE, fails(asyncpg.SerializationError("again"))))

    result = await store.insert(draft(2), 1, b"")

    assert (type(result), script) == (Inserted, [])
    await store.close()


async def test_what_differs_within_one_statement_is_stored_as_it_is(dsn: str) -> None:
    """What many have in common is sent once; each gets back its own."""
    urgent = {"route": "second", "currency": "USD", "amount": 7, "rank": 0}
    drafts = [
        draft(2),
        draft(3, channel="bank", **urgent),
        draft(4, state=State.IN_FLIGHT, told=Told.NOTHING, policy=""),
        draft(5, fingerprint=b"\x02" * 3),
        draft(6, channel="bank", **urgent),
    ]
    async with node(dsn) as store:
        await put(store, draft(1))

        results = await all_at_once(*(store.insert(each, each.number, bytes(each.number)) for each in drafts))

        assert [await store.get(number) for number in inserted(results)] == [result.entry for result in results]
        assert len(await ends_of_blocks(store)) == 2
        assert (store.tally.exposure("second", "bank"), store.tally.exposure("billing").entries) == (Sum(2, 14), 3)


async def test_in_turn_with_others_what_is_in_the_way_is_told_and_neighbours_are_stored(dsn: str) -> None:
    """The other node's entries are looked for once the log is held."""
    within = (Limit("", 4, None),)
    async with node(dsn) as store, node(dsn, "two") as other:
        await put(store, draft(1))
        await put(other, draft(2))

        results = await all_at_once(
            store.insert(draft(3, key="key-2"), 1, b""),
            *(store.insert(draft(number, within=within), 1, b"") for number in (4, 5, 6)),
        )

        assert [type(result) for result in results] == [Known, Inserted, Inserted, OverLimit]


async def test_what_a_commit_undid_is_done_anew_and_the_log_goes_on_behind_it(dsn: str) -> None:
    """The end of the log that the undone statement came to is nobody's, though what is stored in its place ends there, too."""
    store = scripted(dsn, script := list[tuple[str, Doing]]())
    await store.open(NOW_US)
    async with node(dsn, "two") as other:
        await put(other, draft(2))

        async def undoes(db: Any, _sql: str, _earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
            await db.execute("ROLLBACK")
            await put(other, draft(4, key="key-3"))
            raise asyncpg.SerializationError("again")

        script.append(("COMMIT", undoes))
        results = await all_at_once(store.insert(draft(3), 1, b""), store.insert(draft(5), 1, b""))
        await put(store, draft(6))

        assert [type(result) for result in results] == [Known, Inserted]
        assert await ends_of_blocks(store) == [(at, at + 1) for at in range(4)]
        assert await root_of_leaves(store) == await root_as_kept(store)
    await store.close()
