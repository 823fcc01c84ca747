"""When a commit waits for company."""

import asyncio
import threading
from pathlib import Path

import pytest

from gateway.clock import settle
from spool.entry import Entry
from spool.gathering import BUSY_FROM, WAIT_S, WITHIN, Gathering
from spool.lifecycle import POST, State, Told
from spool.sqlite import SqliteStore
from spool.sqlite.wal import Log
from spool.store import Inserted, Move
from tests.contracts.spool_examples import NOW_US, draft


def after(carried: int, waiting: int = 0) -> Gathering:
    """A commit with so many works has ended at 100 s."""
    gathering = Gathering()
    gathering.ended(carried, waiting, 100.0)
    return gathering


def test_before_any_commit_nobody_is_waited_for() -> None:
    """There is nobody who could come back."""
    assert Gathering().wanted(0.0) == 0


@pytest.mark.parametrize(("carried", "waiting", "wanted"), [(16, 0, 12), (64, 0, 48), (32, 32, 56)])
def test_under_load_most_of_those_answered_are_waited_for_beside_those_who_wait(
    carried: int, waiting: int, wanted: int
) -> None:
    """Not all: one client who left would cost every commit the whole wait."""
    assert after(carried, waiting).wanted(100.0) == wanted


def test_without_load_nobody_is_waited_for() -> None:
    """It would only make a quiet spool slower."""
    assert after(BUSY_FROM - 1, waiting=3).wanted(100.0) == 0


def test_those_answered_are_expected_for_a_moment_only() -> None:
    """Who hasn't come by then comes on his own."""
    gathering = after(64)
    assert gathering.wanted(100.0 + WITHIN * WAIT_S / 2) == 48
    assert gathering.wanted(100.0 + 2 * WITHIN * WAIT_S) == 0


async def test_a_commit_waits_until_enough_have_come(tmp_path: Path) -> None:
    """Woken by the first who comes, it would carry him alone."""
    store = SqliteStore(tmp_path / "spool.db", reserve_bytes=0, gather_s=60.0)
    await store.open(NOW_US)
    await asyncio.gather(*(store.insert(draft(1 + number), 1, b"") for number in range(BUSY_FROM)))
    coming = [asyncio.ensure_future(store.insert(draft(100 + number), 1, b"")) for number in range(11)]
    await settle()
    assert not any(each.done() for each in coming)
    last = await store.insert(draft(200), 1, b"")
    assert [type(each) for each in (last, *await asyncio.gather(*coming))] == [Inserted] * 12
    await store.close()


async def test_closing_waits_for_nobody_who_may_come(tmp_path: Path) -> None:
    """And what had come is stored."""
    store = SqliteStore(tmp_path / "spool.db", reserve_bytes=0, gather_s=60.0)
    await store.open(NOW_US)
    await asyncio.gather(*(store.insert(draft(1 + number), 1, b"") for number in range(BUSY_FROM)))
    coming = asyncio.ensure_future(store.insert(draft(100), 1, b""))
    await settle()
    async with asyncio.timeout(30):
        await store.close()
    assert isinstance(await coming, Inserted)


async def claimed(store: SqliteStore, number: int) -> Entry:
    """An entry on its way to its core."""
    recorded = await store.insert(draft(number, state=State.IN_FLIGHT, told=Told.NOTHING), 1, b"")
    assert isinstance(recorded, Inserted)
    return recorded.entry


def posting(entry: Entry) -> Move:
    """What its core booked, and its channel was told already."""
    return Move(entry=entry, transition=POST, at_us=NOW_US, told=Told.POSTED, lingers=True)


async def commits(store: SqliteStore) -> int:
    """How many there were: each has a block of evidence."""
    async with store.records() as records:
        return len(await records.blocks(0, 100))


async def test_what_nobody_waits_for_goes_with_the_next_that_somebody_waits_for(tmp_path: Path) -> None:
    """A commit of its own would be in the way of the next payment."""
    store = SqliteStore(tmp_path / "spool.db", reserve_bytes=0, linger_s=60.0)
    await store.open(NOW_US)
    recording = asyncio.ensure_future(store.move([posting(await claimed(store, 1))]))
    await settle()
    assert not recording.done()
    before = await commits(store)
    await store.insert(draft(2), 1, b"")
    assert await recording == [True]
    assert await commits(store) == before + 1
    await store.close()


async def test_what_nobody_waits_for_waits_for_a_moment_only(tmp_path: Path) -> None:
    """Until it is recorded, its lane isn't free."""
    store = SqliteStore(tmp_path / "spool.db", reserve_bytes=0, linger_s=0.0)
    await store.open(NOW_US)
    async with asyncio.timeout(30):
        assert await store.move([posting(await claimed(store, 1))]) == [True]
    await store.close()


async def test_closing_records_what_nobody_waits_for(tmp_path: Path) -> None:
    """What was submitted is committed."""
    store = SqliteStore(tmp_path / "spool.db", reserve_bytes=0, linger_s=60.0)
    await store.open(NOW_US)
    recording = asyncio.ensure_future(store.move([posting(await claimed(store, 1))]))
    await settle()
    async with asyncio.timeout(30):
        await store.close()
    assert await recording == [True]


class Gated(Log):
    """The log of a disk whose next sync ends when it is told to."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.begun, self.goes_on = threading.Event(), threading.Event()
        self.goes_on.set()

    def sync(self) -> None:
        """As the disk is told."""
        self.begun.set()
        assert self.goes_on.wait(30)
        super().sync()


async def test_what_nobody_waits_for_lingers_though_it_came_during_a_commit(tmp_path: Path) -> None:
    """So it comes under load: with the answer to one payment, while the next is recorded."""
    log = Gated(tmp_path / "spool.db")
    store = SqliteStore(tmp_path / "spool.db", reserve_bytes=0, linger_s=60.0, open_log=lambda _: log)
    await store.open(NOW_US)
    entry = await claimed(store, 1)
    log.begun.clear()
    log.goes_on.clear()
    inserting = asyncio.ensure_future(store.insert(draft(2), 1, b""))
    assert await asyncio.to_thread(log.begun.wait, 30)
    recording = asyncio.ensure_future(store.move([posting(entry)]))
    await settle()
    log.goes_on.set()
    await inserting
    await store.insert(draft(3), 1, b"")
    assert await recording == [True]
    assert await commits(store) == 3
    await store.close()
