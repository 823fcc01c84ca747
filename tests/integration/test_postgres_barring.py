"""What a sender was told isn't there doesn't come after all, though another node has it under way."""

import asyncio
from collections.abc import AsyncGenerator, Callable, Coroutine
from typing import Any

import pytest

from spool.errors import KeyBarred, SpoolClosed
from spool.lifecycle import State
from spool.postgres import PostgresStore
from spool.postgres.transaction import BARRED_FOR_US
from spool.store import Inserted, Known
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import NOW_US, draft, put, reversal
from tests.integration.postgres_nodes import Doing, all_at_once, expire, node, schema, scripted

AT_ONCE = "log.bars = $48"
IN_TURN = "log.bars FROM mine"
"""Words of the statements that new payments begin with: where the node knows the log's end, and where it doesn't."""


@pytest.fixture
def dsn() -> str:
    """An empty spool."""
    return SHARED.emptied()


@pytest.fixture
def script() -> list[tuple[str, Doing]]:
    """What befalls the first node's statements."""
    return []


@pytest.fixture
async def one(dsn: str, script: list[tuple[str, Doing]]) -> AsyncGenerator[PostgresStore]:
    """A node with a payment, which knows where the log ends."""
    store = scripted(dsn, script)
    await store.open(NOW_US)
    await put(store, draft(1))
    yield store
    await store.close()


@pytest.fixture
async def two(dsn: str, one: PostgresStore) -> AsyncGenerator[PostgresStore]:  # noqa: ARG001 - it comes second
    """Another one."""
    async with node(dsn, "two") as store:
        yield store


def bars(at: PostgresStore, *keys: str) -> Doing:
    """Keys are barred at another node right before a statement gets there."""

    async def doing(_db: Any, _sql: str, earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        assert await all_at_once(*(at.bar("kiosk", key, NOW_US) for key in keys)) == [None] * len(keys)
        return await earnest()

    return doing


@pytest.mark.parametrize(("at", "theirs"), [(AT_ONCE, ()), (IN_TURN, (2,))], ids=["by itself", "in turn with others"])
async def test_what_is_under_way_is_not_stored_under_a_barred_key(
    one: PostgresStore, two: PostgresStore, script: list[tuple[str, Doing]], at: str, theirs: tuple[int, ...]
) -> None:
    """Its neighbours are, and it too when its request comes again."""
    await all_at_once(*(two.insert(draft(number), 1, b"") for number in theirs))
    script.append((at, bars(two, "key-3")))

    results = await all_at_once(*(one.insert(draft(number), 1, b"") for number in (3, 4)))

    assert [type(each) for each in results] == [KeyBarred, Inserted]
    assert await two.find("kiosk", "key-3") is None
    assert isinstance(await one.insert(draft(5, key="key-3", heard=one.bars), 1, b""), Inserted)


async def test_beside_other_works_it_is_the_same(
    one: PostgresStore, two: PostgresStore, script: list[tuple[str, Doing]]
) -> None:
    """Whatever shares its commit."""
    undoing = reversal(4, await _first(one))
    script.append((IN_TURN, bars(two, "key-3", "key-4")))

    results = await all_at_once(
        one.insert(draft(3), 1, b""),
        one.remember("name", b"value"),
        one.reverse(undoing, 1, b""),
    )

    assert [type(each) for each in results] == [KeyBarred, type(None), KeyBarred]
    assert (await _first(one)).state is State.READY


async def _first(store: PostgresStore) -> Any:
    return await store.get(1)


async def test_a_bar_that_is_committed_while_a_statement_waits_for_the_log_is_seen(
    dsn: str, one: PostgresStore
) -> None:
    """What the statement read by itself is of the moment it began; the log still ends where it did, and yet it isn't the same."""
    payment: list[asyncio.Future[Inserted | Known]] = []

    async def meanwhile(db: Any, _sql: str, earnest: Callable[[], Coroutine[Any, Any, Any]]) -> Any:
        payment.append(asyncio.ensure_future(one.insert(draft(2), 1, b"")))
        while not await db.fetchval("SELECT count(*) FROM pg_locks WHERE NOT granted"):
            assert not payment[0].done()
        return await earnest()

    two = scripted(dsn, script := list[tuple[str, Doing]](), node="two")
    await two.open(NOW_US)
    script.append(("COMMIT", meanwhile))

    assert await two.bar("kiosk", "key-2", NOW_US) is None

    assert [type(each) for each in await all_at_once(*payment)] == [KeyBarred]
    await two.close()


async def test_what_is_there_is_found_and_not_barred(one: PostgresStore, two: PostgresStore) -> None:
    """It was committed after it was looked for first."""
    found = await two.bar("kiosk", "key-1", NOW_US)

    assert found == await one.get(1)
    assert isinstance(await one.insert(draft(2, key="key-1"), 1, b""), Known)


async def test_a_node_hears_of_bars_when_it_looks_round(one: PostgresStore, two: PostgresStore) -> None:
    """So it need not fail first: what comes after that is taken."""
    await two.bar("kiosk", "key-2", NOW_US)
    before = one.bars
    await one.look_round()

    assert isinstance(await one.insert(draft(2, heard=one.bars), 1, b""), Inserted)
    assert (before, one.bars) == (0, 1)


async def test_what_came_before_a_node_heard_of_a_bar_is_stored_by_no_way(one: PostgresStore) -> None:
    """Though the node knows of it by now, and where the log ends."""
    came = draft(2, heard=one.bars)
    await one.bar("kiosk", "key-2", NOW_US)

    with pytest.raises(KeyBarred):
        await one.insert(came, 1, b"")


async def test_and_of_its_own_at_once(one: PostgresStore) -> None:
    """It need not look round for these."""
    await one.bar("kiosk", "key-2", NOW_US)

    assert one.bars == 1


async def test_and_when_it_comes(dsn: str, one: PostgresStore) -> None:
    """It begins with all there are."""
    await one.bar("kiosk", "key-2", NOW_US)

    async with node(dsn, "two") as two:
        assert two.bars == 1


async def test_a_key_that_is_barred_again_is_barred_to_those_who_heard_of_the_first(
    one: PostgresStore, two: PostgresStore
) -> None:
    """The no may be the second one."""
    await two.bar("kiosk", "key-2", NOW_US)
    await one.look_round()
    late = draft(2, heard=one.bars)
    await two.bar("kiosk", "key-2", NOW_US)

    with pytest.raises(KeyBarred):
        await one.insert(late, 1, b"")


async def test_bars_are_kept_for_a_day(dsn: str, one: PostgresStore) -> None:
    """Nothing is under way for so long; the next one takes them away."""
    await one.bar("kiosk", "old", NOW_US)
    await one.bar("kiosk", "young", NOW_US + 1)

    await one.bar("kiosk", "new", NOW_US + 1 + BARRED_FOR_US)

    assert SHARED.server.ask(f"SELECT key FROM {schema(dsn)}.barred ORDER BY nth") == [("young",), ("new",)]  # noqa: S608 - ours


async def test_a_node_that_may_have_no_others_bars_nothing(dsn: str) -> None:
    """It knows itself what it has under way."""
    async with node(dsn, nodes_max=1) as only:
        assert await only.bar("kiosk", "key-1", NOW_US) is None

    assert SHARED.server.ask(f"SELECT count(*) FROM {schema(dsn)}.barred") == [(0,)]  # noqa: S608 - ours


async def test_where_a_node_may_have_taken_it_by_itself_there_is_no_no(
    dsn: str,
    one: PostgresStore,
    two: PostgresStore,  # noqa: ARG001 - it is there
) -> None:
    """Though the others have not looked round since it lost touch: it may be in a file there."""
    assert await one.bar("kiosk", "key-2", NOW_US) is None
    SHARED.server.ask(f"UPDATE {schema(dsn)}.node SET alone = 1 WHERE name = 'two'")  # noqa: S608 - ours
    assert await one.bar("kiosk", "key-2", NOW_US) is None
    expire(dsn, "two")

    with pytest.raises(SpoolClosed, match="by itself"):
        await one.bar("kiosk", "key-2", NOW_US)

    assert not one.unheard
