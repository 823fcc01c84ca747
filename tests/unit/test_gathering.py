"""When a commit waits for company."""

import asyncio
from pathlib import Path

import pytest

from gateway.clock import settle
from spool.gathering import BUSY_FROM, WAIT_S, WITHIN, Gathering
from spool.sqlite import SqliteStore
from spool.store import Inserted
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
