"""Forgetting in a spool that several nodes share: beside traffic, by two at once, and beside who reads."""

import asyncio

import pytest

from spool.entry import Entry
from spool.forgetting import Forgotten, Past
from spool.lifecycle import CLAIM, POST, State
from spool.postgres import PostgresStore
from spool.verify import verify
from tests.contracts.postgres_server import SHARED
from tests.contracts.spool_examples import LATER_US, draft, go, put, put_as
from tests.integration.postgres_nodes import node

OLD, NEW = range(1, 41), range(1001, 1041)
"""Numbers of what is over, and of what comes meanwhile."""

PAST = Past(before=1000, changed_before_us=LATER_US)


@pytest.fixture(name="dsn")
def place() -> str:
    """An empty spool."""
    return SHARED.emptied()


async def paid(store: PostgresStore, number: int) -> Entry:
    """A payment from its acceptance to its end."""
    return await go(store, await put(store, draft(number)), CLAIM, POST)


async def forget(store: PostgresStore, after: int) -> Forgotten:
    """Four entries."""
    return await store.forget(PAST, after, 4, LATER_US)


async def test_payments_go_on_while_others_are_forgotten(dsn: str) -> None:
    """Each of two nodes takes payments, both forget the same entries, and a third looks through everything."""
    async with node(dsn, "one") as one, node(dsn, "two") as two, node(dsn, "three") as three:
        await asyncio.gather(*(put_as(one, draft(number), State.POSTED) for number in OLD))

        seen, *_ = await asyncio.gather(
            verify(three),
            asyncio.gather(*(paid(one, number) for number in NEW[::2])),
            asyncio.gather(*(paid(two, number) for number in NEW[1::2])),
            asyncio.gather(*(forget(store, after) for after in range(0, 40, 4) for store in (one, two))),
        )
        done = await verify(three)
        await one.look_round()
        cells = {cell.state: total.entries for cell, total in one.tally.cells()}

    assert (seen.ok, done.ok, done.counted) == (True, True, len(NEW)), (seen, done)
    assert cells == {State.POSTED: len(NEW)}


async def test_of_two_nodes_that_forget_the_same_one_does(dsn: str) -> None:
    """Whoever comes second finds nothing, and takes nothing out of the sums again."""
    async with node(dsn, "one") as one, node(dsn, "two") as two:
        await asyncio.gather(*(put_as(one, draft(number), State.POSTED) for number in OLD))

        results = await asyncio.gather(*(store.forget(PAST, 0, 100, LATER_US) for store in (one, two)))

        found = await verify(two)
    assert sorted(results) == [Forgotten(0, 0), Forgotten(40, 40)]
    assert (found.ok, found.counted) == (True, 0)
