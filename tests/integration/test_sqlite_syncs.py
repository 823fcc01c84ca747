"""The engine syncs its commits itself: nobody is told of one before its sync, by whatever way he asks."""

import asyncio
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Final

import pytest

from spool.account import AccountNote
from spool.errors import SpoolClosed, StorageUncertain
from spool.evidence.auditing import Pace, audit
from spool.sqlite import SqliteStore
from spool.sqlite.connection import driver
from spool.sqlite.wal import Log, carry_over, log_of
from spool.store import Inserted
from tests.contracts.spool_examples import NOW_US, draft

WAIT_S: Final = 60
PAGE_BYTES: Final = 4096
ACCOUNTS: Final = 100
STEPS: Final = 40
STRIDE: Final = 2**63 // (ACCOUNTS * STEPS)
"""Between lanes: they are hashes, and so spread over all there are."""


class GatedLog(Log):
    """A disk whose next sync waits for somebody, and fails when he says so."""

    def __init__(self, path: Path) -> None:
        """Let every sync through until `stop`."""
        super().__init__(path)
        self.begun = threading.Event()
        self._gate = threading.Event()
        self._gate.set()
        self._fails = False

    def stop(self) -> None:
        """Keep the next sync."""
        self.begun.clear()
        self._gate.clear()

    def let_go(self, *, fails: bool = False) -> None:
        """Let it end."""
        self._fails = fails
        self._gate.set()

    def sync(self) -> None:
        """Wait at the gate."""
        self.begun.set()
        assert self._gate.wait(WAIT_S), "somebody opens the gate"
        fails, self._fails = self._fails, False
        if fails:
            raise OSError(5, "Input/output error")
        super().sync()


class Opened:
    """An open spool and its log."""

    def __init__(self, path: Path, *, log_pages_max: int = 10_000) -> None:
        """Not yet open."""
        self.logs = list[GatedLog]()
        self.store = SqliteStore(
            path, reserve_bytes=0, reopen_s=0.01, stall_s=1.0, log_pages_max=log_pages_max, open_log=self._open_log
        )

    def _open_log(self, path: Path) -> GatedLog:
        self.logs.append(GatedLog(path))
        return self.logs[-1]

    @property
    def log(self) -> GatedLog:
        """Its log."""
        (log,) = self.logs
        return log

    async def begin(self, number: int) -> "asyncio.Future[object]":
        """A payment whose commit is done, and whose sync waits at the gate."""
        self.log.stop()
        inserting: asyncio.Future[object] = asyncio.ensure_future(self.store.insert(draft(number), 1, b"sealed"))
        assert await asyncio.to_thread(self.log.begun.wait, WAIT_S)
        return inserting

    async def answered(self, asked: "asyncio.Future[object]") -> bool:
        """Whether somebody has his answer, now that the reader has done what it was asked before."""
        reader = self.store._reader  # what it does is not told by anything else
        assert reader is not None
        await reader.run(lambda _: None)
        await asyncio.sleep(0)
        return asked.done()


@pytest.fixture
async def opened(tmp_path: Path) -> AsyncIterator[Opened]:
    """An open spool."""
    opened = Opened(tmp_path / "spool.db")
    await opened.store.open(NOW_US)
    yield opened
    await opened.store.close()


async def test_nobody_is_told_of_a_payment_before_its_sync(opened: Opened) -> None:
    """Neither who sent it nor who asks for it, though SQLite shows it already."""
    inserting = await opened.begin(1)
    asking: asyncio.Future[object] = asyncio.ensure_future(opened.store.get(1))

    told = [await opened.answered(inserting), await opened.answered(asking)]
    opened.log.let_go()

    assert told == [False, False]
    inserted = await inserting
    assert isinstance(inserted, Inserted)
    assert await asking == inserted.entry


async def test_after_a_sync_that_failed_nobody_is_told_what_was_read_before_the_disk_was_asked_again(
    opened: Opened,
) -> None:
    """It reads as written, and may not be there after a power cut."""
    inserting = await opened.begin(1)
    asking: asyncio.Future[object] = asyncio.ensure_future(opened.store.get(1))
    await opened.answered(asking)

    opened.log.let_go(fails=True)

    with pytest.raises(StorageUncertain):
        await inserting
    with pytest.raises(SpoolClosed, match="may not be on disk"):
        await asking


async def test_a_log_that_was_taken_away_is_no_longer_trusted(opened: Opened) -> None:
    """What is written to it is gone with it, however well it is synced."""
    await opened.store.insert(draft(1), 1, b"sealed")

    log_of(opened.store.path).unlink()

    with pytest.raises(StorageUncertain):
        await opened.store.insert(draft(2), 1, b"sealed")


async def test_the_log_is_carried_over_when_there_is_much_of_it(tmp_path: Path) -> None:
    """Else it would grow for ever, and each start would read all of it."""
    path = tmp_path / "spool.db"
    store = SqliteStore(path, reserve_bytes=0, log_pages_max=30)
    await store.open(NOW_US)
    for number in range(1, 13):
        await store.insert(draft(number), 1, b"sealed")

    # Beside the log: what is in the database file itself.
    beside = driver.connect(f"file:{path}?immutable=1", uri=True)
    carried = beside.execute("SELECT count(*) FROM entry").fetchone()[0]
    beside.close()
    await store.close()

    assert 0 < carried <= 12


async def test_the_log_does_not_grow_for_as_long_as_an_audit_takes(tmp_path: Path) -> None:
    """An audit of millions takes an hour; read as of one moment, all that comes meanwhile would stay in the log."""
    store = SqliteStore(tmp_path / "spool.db", reserve_bytes=0, log_pages_max=30)
    await store.open(NOW_US)
    for number in range(1, 41):
        await store.insert(draft(number), 1, b"sealed")
    came, sizes = 40, list[int]()

    async def go_on() -> None:
        nonlocal came
        for _ in range(5):
            came += 1
            await store.insert(draft(came), 1, b"sealed")
        sizes.append(log_of(store.path).stat().st_size)

    found = await audit(store, pace=Pace(entries=1, pause=go_on, goes=5, rest=go_on))
    await store.close()

    assert (found.size, found.counts) == (40, {})
    assert sizes[-1] < 1.3 * sizes[len(sizes) // 2]


def test_a_log_that_can_not_be_carried_over_now_stays(tmp_path: Path) -> None:
    """Within a transaction, say: it is tried again after the next commits."""
    db = driver.connect(tmp_path / "some.db", isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("CREATE TABLE some (one)")
    db.execute("BEGIN IMMEDIATE")
    db.execute("INSERT INTO some VALUES (1)")

    assert not carry_over(db)
    db.execute("COMMIT")
    assert carry_over(db)
    db.close()


async def test_nobody_waits_for_ever_while_the_log_is_carried_over(tmp_path: Path) -> None:
    """A disk that hangs then keeps whoever comes no longer than one that hangs in a commit, and nothing of his is stored."""
    opened = Opened(tmp_path / "spool.db", log_pages_max=1)
    await opened.store.open(NOW_US)
    inserting, gate = await opened.begin(1), threading.Event()
    writer = opened.store._writer
    assert writer is not None
    # What the carrying over has to wait behind.
    hanging = asyncio.ensure_future(writer.run(lambda _: gate.wait(WAIT_S)))
    await asyncio.sleep(0)

    opened.log.let_go()
    assert isinstance(await inserting, Inserted)
    with pytest.raises(SpoolClosed, match="hanging"):
        await opened.store.insert(draft(2), 1, b"sealed")

    gate.set()
    assert await hanging
    await opened.store.close()


async def test_many_accounts_noted_are_carried_over_like_payments(tmp_path: Path) -> None:
    """Each has a page of its own, as its place is a hash: an import of millions doesn't fill the disk with its log."""
    path = tmp_path / "spool.db"
    store = SqliteStore(path, reserve_bytes=0, log_pages_max=ACCOUNTS)
    await store.open(NOW_US)
    sizes = list[int]()
    for step in range(STEPS):
        lanes = [place * STRIDE for place in range(step, ACCOUNTS * STEPS, STEPS)]
        await store.note_accounts([AccountNote(lane=lane, known=True, seen_at_us=NOW_US) for lane in lanes])
        sizes.append(log_of(path).stat().st_size // PAGE_BYTES)
    await store.close()
    assert max(sizes) < 3 * ACCOUNTS
