"""Looking at a spool's file beside its owner, or while it has none."""

import os
from pathlib import Path

import pytest

from spool.entry import Draft
from spool.errors import SpoolClosed, SpoolUnfit
from spool.lifecycle import Kind, State, Told
from spool.number import EPOCH_MS, id_of
from spool.sqlite import SqliteStore
from spool.sqlite.connection import driver
from spool.sqlite.reading import SqliteReading
from spool.store import Filter
from spool.tally import Cell, Sum
from spool.verify import verify

NOW_US = EPOCH_MS * 1000


def draft(number: int) -> Draft:
    """A waiting payment."""
    return Draft(
        number=number,
        id=id_of(number, 0),
        kind=Kind.PAYMENT,
        channel="kiosk",
        key=f"k{number}",
        fingerprint=b"f",
        route="main",
        lane=number,
        amount=100,
        currency="RUB",
        accepted_at_us=NOW_US,
        state=State.READY,
        told=Told.PROVISIONAL,
        content=b"",
    )


async def made(path: Path) -> None:
    """A spool with one payment, closed."""
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(NOW_US)
    await store.insert(draft(1), 1, b"sealed")
    await store.close()


async def test_a_stopped_spool_is_read_as_it_is(tmp_path: Path) -> None:
    """Books, entries, history and the count."""
    await made(tmp_path / "spool.db")
    reading = SqliteReading(tmp_path / "spool.db")
    await reading.open()
    cell = Cell("main", "kiosk", "RUB", Kind.PAYMENT, State.READY, Told.PROVISIONAL)
    assert list(reading.tally.cells()) == [(cell, Sum(1, 100))]
    assert [entry.number for entry in await reading.page(Filter(), 10)] == [1]
    assert len(await reading.history(1)) == 1
    assert (await verify(reading)).ok
    await reading.close()


async def test_it_sees_what_the_owner_writes_meanwhile(tmp_path: Path) -> None:
    """Each question is answered from what is committed by then."""
    owner = SqliteStore(tmp_path / "spool.db", reserve_bytes=0)
    await owner.open(NOW_US)
    reading = SqliteReading(tmp_path / "spool.db")
    await reading.open()
    await owner.insert(draft(1), 1, b"sealed")
    found = await reading.get(1)
    await reading.close()
    await owner.close()
    assert found is not None


async def test_it_writes_nothing(tmp_path: Path) -> None:
    """Neither new entries nor anything else: the owner alone writes."""
    await made(tmp_path / "spool.db")
    reading = SqliteReading(tmp_path / "spool.db")
    await reading.open()
    with pytest.raises(SpoolClosed, match="reading only"):
        await reading.insert(draft(2), 1, b"sealed")
    with pytest.raises(SpoolClosed, match="reading only"):
        await reading.remember("name", b"value")
    await reading.close()


async def test_where_there_is_no_spool_none_is_made(tmp_path: Path) -> None:
    """Looking must leave nothing behind."""
    with pytest.raises(SpoolUnfit, match="there is no spool"):
        await SqliteReading(tmp_path / "none.db").open()
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - pathlib's way counts as blocking here


async def test_another_database_is_not_taken_for_a_spool(tmp_path: Path) -> None:
    """Nor is its content shown."""
    other = driver.connect(tmp_path / "other.db")
    other.execute("PRAGMA user_version = 1")
    other.close()
    with pytest.raises(SpoolUnfit, match="is no spool"):
        await SqliteReading(tmp_path / "other.db").open()


async def test_a_spool_of_another_version_is_left_alone(tmp_path: Path) -> None:
    """Its columns may mean something else."""
    await made(tmp_path / "spool.db")
    newer = driver.connect(tmp_path / "spool.db")
    newer.execute("PRAGMA user_version = 99")
    newer.close()
    with pytest.raises(SpoolUnfit, match="version 99"):
        await SqliteReading(tmp_path / "spool.db").open()


async def test_a_file_that_is_no_database_is_refused_in_words(tmp_path: Path) -> None:
    """Never by a raw error of the driver; and nothing of it stays open."""
    path = tmp_path / "spool.db"
    path.write_bytes(b"no database " * 1_000)
    with pytest.raises(SpoolUnfit, match=r"spool\.db can't be read: file is not a database"):
        await SqliteReading(path).open()


async def test_all_that_is_read_within_is_of_one_moment(tmp_path: Path) -> None:
    """A report whose sums and entries are of two moments would not add up; afterwards it sees what came meanwhile."""
    await made(tmp_path / "spool.db")
    reading = SqliteReading(tmp_path / "spool.db")
    await reading.open()
    owner = SqliteStore(tmp_path / "spool.db", reserve_bytes=0)
    async with reading.still():
        before = await reading.page(Filter(), 10)
        await owner.open(NOW_US)
        await owner.insert(draft(2), 1, b"sealed")
        assert await reading.page(Filter(), 10) == before
    assert [entry.number for entry in await reading.page(Filter(), 10)] == [1, 2]
    await owner.close()
    await reading.close()
