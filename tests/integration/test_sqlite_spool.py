"""The SQLite engine over its file: what is set, who owns it, what it refuses, and what shares a commit."""

import asyncio
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest
from msgspec.structs import replace

from spool.entry import Draft
from spool.errors import SpoolClosed, SpoolHeld, SpoolUnfit, StorageFull
from spool.lifecycle import CLAIM, POST, State
from spool.sqlite import SqliteStore
from spool.sqlite.connection import connect, driver, make_file, open_file
from spool.sqlite.reading import SqliteReading
from spool.sqlite.schema import APPLICATION_ID
from spool.sqlite.statements import SQL, migrations
from spool.sqlite.store import BATCH_MAX, LANES_LOADED_AT_ONCE
from spool.store import Filter, Inserted, Known, Move
from spool.verify import verify
from tests.contracts.spool_examples import NOW_US, draft, go, put, put_as

WAIT_S: Final = 60


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is kept."""
    return tmp_path / "spool.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[SqliteStore]:
    """An open one."""
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(NOW_US)
    yield store
    await store.close()


@pytest.fixture
def beside(path: Path, store: SqliteStore) -> Iterator[Any]:
    """A connection of somebody else, to look at the open spool with."""
    assert store.path == path
    db = driver.connect(path, isolation_level=None)
    yield db
    db.close()


def setting(db: Any, name: str) -> Any:
    """What a connection has set."""
    return db.execute(f"PRAGMA {name}").fetchone()[0]


def tables(path: Path) -> set[str]:
    """What a database holds."""
    db = driver.connect(path)
    names = {row[0] for row in db.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    db.close()
    return names


def made_by_somebody_else(path: Path, version: int, application_id: int) -> bytes:
    """A database with a table of its own; returns its bytes."""
    db = driver.connect(path, isolation_level=None)
    db.execute("CREATE TABLE customer (name TEXT)")
    db.execute(f"PRAGMA user_version = {version}")
    db.execute(f"PRAGMA application_id = {application_id}")
    db.close()
    return path.read_bytes()


def names_in(folder: Path) -> set[str]:
    """What is in a folder."""
    return {file.name for file in folder.iterdir()}


def bytes_of(path: Path) -> bytes:
    """What is in a file."""
    return path.read_bytes()


def fill(path: Path, text: str) -> bytes:
    """Make a file of some pages; returns its bytes."""
    path.write_text(f"{text}\n" * 1_000)
    return path.read_bytes()


def remove(path: Path) -> None:
    """Take a file away."""
    path.unlink()


# Settings


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 1),
        ("secure_delete", 1),
        ("foreign_keys", 1),
        ("mmap_size", 0),
        ("query_only", 0),
    ],
)
async def test_the_writing_connection_is_set_for_durability(path: Path, name: str, value: Any) -> None:
    """`synchronous` and `secure_delete` are not kept in the file: every connection has to set them."""
    make_file(path)
    writing = await connect(path, writing=True)

    assert await writing.run(lambda db: setting(db, name)) == value

    await writing.close()


async def test_the_reading_connection_can_write_nothing(store: SqliteStore) -> None:
    """Two writers at once can corrupt the file in libraries that are still about."""
    reading = await connect(store.path, writing=False)

    with pytest.raises(driver.OperationalError, match="readonly"):
        await reading.execute("PRAGMA user_version = 9")

    await reading.close()


async def test_a_setting_that_does_not_take_refuses_the_start(path: Path) -> None:
    """A database that can't be in WAL mode can't keep the promises, however well it goes on."""

    def open_in_memory(uri: str) -> Any:
        assert uri.startswith("file:")
        return driver.connect(":memory:", isolation_level=None)

    store = SqliteStore(path, reserve_bytes=0, connect=partial(connect, open_file=open_in_memory))

    with pytest.raises(SpoolUnfit, match="did not take journal_mode = wal"):
        await store.open(NOW_US)


# The file


@pytest.mark.parametrize("name", ["spool.db", "spool.db-wal", "spool.db-shm", "spool.db.lock"])
async def test_its_files_are_for_its_owner_alone(store: SqliteStore, name: str) -> None:
    """Headers are in clear: amounts and keys are nobody else's business."""
    assert store.path.with_name(name).stat().st_mode & 0o777 == 0o600


async def test_a_folder_it_makes_is_for_its_owner_alone(tmp_path: Path) -> None:
    """As its files are."""
    store = SqliteStore(tmp_path / "new" / "spool.db", reserve_bytes=0)
    await store.open(NOW_US)
    await store.close()

    assert (tmp_path / "new").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("name", ["50% off", "50%41", "what?mode=ro", "number #1", "Ташкент", "a b&c"])
async def test_any_name_of_a_folder_will_do(tmp_path: Path, name: str) -> None:
    """The database is where it was said to be, and nowhere else."""
    folder = tmp_path / name
    store = SqliteStore(folder / "spool.db", reserve_bytes=0)
    await store.open(NOW_US)
    await put(store, draft(1))
    await store.close()

    assert names_in(folder) == {"spool.db", "spool.db.lock"}
    assert names_in(tmp_path) == {name}


async def test_a_new_file_is_marked_as_a_spool_of_our_version(store: SqliteStore, beside: Any) -> None:
    """So that it is known again, by us and by `file`."""
    assert setting(beside, "application_id") == APPLICATION_ID
    assert setting(beside, "user_version") == migrations()[-1][0]
    assert tables(store.path) >= {"entry", "event", "tally", "memo"}


@pytest.mark.parametrize(("version", "application_id"), [(0, 0), (3, 0), (0, 77), (1, 77)])
async def test_a_database_of_somebody_else_is_refused_untouched(path: Path, version: int, application_id: int) -> None:
    """Most have no mark at all; a mistaken path must not put a spool into one of them."""
    before = made_by_somebody_else(path, version, application_id)

    with pytest.raises(SpoolUnfit, match="not a spool"):
        await SqliteStore(path, reserve_bytes=0).open(NOW_US)

    assert bytes_of(path) == before


async def test_a_file_that_is_no_database_is_refused_untouched(path: Path) -> None:
    """In words, and with its path."""
    before = fill(path, "Dear accountant")

    with pytest.raises(SpoolUnfit, match=r"spool\.db can't be opened as a spool: file is not a database"):
        await SqliteStore(path, reserve_bytes=0).open(NOW_US)

    assert bytes_of(path) == before


async def test_a_newer_spool_is_refused(path: Path, store: SqliteStore) -> None:
    """An older program would not keep what the newer one promised."""
    await store.close()
    db = driver.connect(path, isolation_level=None)
    db.execute("PRAGMA user_version = 99")
    db.close()

    with pytest.raises(SpoolUnfit, match=r"of version 99, .* use a newer one"):
        await SqliteStore(path, reserve_bytes=0).open(NOW_US)


async def test_a_folder_that_can_not_be_made_is_refused(tmp_path: Path) -> None:
    """Not with a traceback."""
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(SpoolUnfit, match="can't be opened as a spool"):
        await SqliteStore(tmp_path / "file" / "spool.db").open(NOW_US)


async def test_a_store_that_could_not_be_opened_may_be_closed(path: Path) -> None:
    """Stopping after a failed start closes what there is, and nobody else's files."""
    fill(path, "no database")
    store = SqliteStore(path, reserve_bytes=0)
    with pytest.raises(SpoolUnfit):
        await store.open(NOW_US)
    ours, theirs = os.pipe()

    await store.close()

    os.close(ours)
    os.close(theirs)


async def test_a_store_that_could_not_be_opened_lets_go_of_the_file(path: Path) -> None:
    """The next attempt, the fault mended, goes well."""
    fill(path, "no database")
    store = SqliteStore(path, reserve_bytes=0)
    with pytest.raises(SpoolUnfit):
        await store.open(NOW_US)
    remove(path)

    await store.open(NOW_US)

    await put(store, draft(1))
    await store.close()


# One owner


async def test_a_second_owner_is_refused_and_told_who_is_the_first(store: SqliteStore) -> None:
    """By process and host, so that a person can find and stop the right one."""
    second = SqliteStore(store.path, reserve_bytes=0)

    with pytest.raises(SpoolHeld) as told:
        await second.open(NOW_US)

    assert f"process {os.getpid()} on {socket.gethostname()}, since 20" in str(told.value)
    assert str(store.path) in str(told.value)


async def test_a_second_owner_that_was_refused_changes_nothing_for_the_first(store: SqliteStore) -> None:
    """Its lock, its file and its entries stay."""
    with pytest.raises(SpoolHeld):
        await SqliteStore(store.path, reserve_bytes=0).open(NOW_US)

    await put(store, draft(1))
    with pytest.raises(SpoolHeld):
        await SqliteStore(store.path, reserve_bytes=0).open(NOW_US)


async def test_a_closed_spool_can_be_owned_by_another(store: SqliteStore) -> None:
    """And what the first put there is the other's."""
    await put(store, draft(1))
    await store.close()
    second = SqliteStore(store.path, reserve_bytes=0)

    await second.open(NOW_US)

    assert await second.get(1) is not None
    await second.close()


OWNER: Final = """
import asyncio, sys
from pathlib import Path
from spool.sqlite import SqliteStore

async def own() -> None:
    await SqliteStore(Path(sys.argv[1]), reserve_bytes=0).open(2_000_000_000_000_000)
    print("open", flush=True)
    await asyncio.Event().wait()

asyncio.run(own())
"""


def started(script: str, path: Path) -> "subprocess.Popen[str]":
    """A process of its own."""
    return subprocess.Popen([sys.executable, "-c", script, str(path)], stdout=subprocess.PIPE, text=True)


@pytest.mark.process
async def test_the_lock_dies_with_its_process(path: Path) -> None:
    """After SIGKILL nobody has to remove anything by hand."""
    with started(OWNER, path) as owner:
        assert owner.stdout is not None
        assert await asyncio.to_thread(owner.stdout.readline) == "open\n"
        store = SqliteStore(path, reserve_bytes=0)
        with pytest.raises(SpoolHeld, match=f"process {owner.pid} "):
            await store.open(NOW_US)
        owner.kill()
        owner.wait(WAIT_S)

    await store.open(NOW_US)

    await store.close()


# Reading beside writing


async def test_a_reader_sees_what_was_committed(store: SqliteStore, beside: Any) -> None:
    """As soon as its writer was told so."""
    entry = await put(store, draft(1))
    assert beside.execute("SELECT state FROM entry").fetchall() == [(State.READY,)]

    await go(store, entry, CLAIM)

    assert beside.execute("SELECT state FROM entry").fetchall() == [(State.IN_FLIGHT,)]


async def test_the_log_stays_bounded_while_somebody_reads(store: SqliteStore) -> None:
    """Readers come and go all the time; the file they read beside must not grow with every payment."""
    sealed = bytes(2_000)
    log = store.path.with_name("spool.db-wal")
    sizes = list[int]()
    for start in range(1, 20_001, BATCH_MAX):
        drafts = [draft(number) for number in range(start, start + BATCH_MAX)]
        await asyncio.gather(*(store.insert(each, 1, sealed) for each in drafts), *map(store.get, range(1, 9)))
        sizes.append(log.stat().st_size)

    assert store.path.stat().st_size > 40_000_000
    assert max(sizes) < 20_000_000


async def test_everything_is_there_after_reopening(store: SqliteStore) -> None:
    """Entries in every detail, their history, the sums and the small values."""
    for number in range(1, 101):
        await put_as(store, draft(number), State.POSTED if number % 2 else State.HELD)
    await store.remember("name", b"value")
    entries, history = await store.page(Filter(), 200), await store.history(7)
    sums = store.tally.snapshot()
    await store.close()

    again = SqliteStore(store.path, reserve_bytes=0)
    await again.open(NOW_US)

    assert await again.page(Filter(), 200) == entries
    assert await again.history(7) == history
    assert again.tally.snapshot() == sums
    assert await again.recall("name") == b"value"
    assert (await verify(again)).ok
    await again.close()


async def test_a_closed_spool_is_one_file(store: SqliteStore) -> None:
    """It can be copied as it is; nothing is left in a log beside it."""
    await put(store, draft(1))
    await store.close()

    assert names_in(store.path.parent) == {"spool.db", "spool.db.lock"}


# What shares a commit


async def test_more_than_a_batch_takes_more_commits_and_loses_nobody(store: SqliteStore) -> None:
    """A batch is bounded; the rest goes with the next ones."""
    numbers = range(1, 3 * BATCH_MAX + 2)

    await asyncio.gather(*(store.insert(draft(number), 1, b"sealed") for number in numbers))

    assert [entry.number for entry in await store.page(Filter(), 10_000)] == list(numbers)
    assert (await verify(store)).ok


async def test_a_caller_that_gives_up_harms_nobody(store: SqliteStore) -> None:
    """Its own payment may be stored or not; all others are answered, and the sums are right."""
    tasks = [asyncio.create_task(put(store, draft(number))) for number in range(1, 11)]
    await asyncio.sleep(0)
    tasks[4].cancel()

    results = await asyncio.gather(*tasks, return_exceptions=True)

    assert [isinstance(result, BaseException) for result in results] == [number == 5 for number in range(1, 11)]
    assert isinstance(results[4], asyncio.CancelledError)
    found = {entry.number for entry in await store.page(Filter(), 100)}
    assert found >= {1, 2, 3, 4, 6, 7, 8, 9, 10}
    assert (await verify(store)).ok
    assert store.tally.waiting("billing").entries == len(found)


POISON: Final = {
    "a currency of four letters": {"currency": "TJSX"},
    "an amount beyond 64 bits": {"amount": 2**63},
    "a key that is no text": {"key": "\ud800"},
    "an empty key": {"key": ""},
    "a time beyond 64 bits": {"accepted_at_us": 2**63},
    "a state nothing is recorded in": {"state": State.PARKED},
    "a number that is taken": {"number": 1, "key": "another"},
}
"""Drafts that break a rule of the table or of the driver: bugs of ours, every one."""


@pytest.mark.parametrize("poison", POISON.values(), ids=POISON)
async def test_one_poisonous_payment_does_not_take_its_neighbours_with_it(
    store: SqliteStore, poison: dict[str, Any]
) -> None:
    """They share a commit, not a fate (P9)."""
    await put(store, draft(1))
    bad = replace(draft(4), **poison)

    results = await asyncio.gather(
        *(store.insert(new, 1, b"sealed") for new in (draft(2), draft(3), bad, draft(5))), return_exceptions=True
    )

    assert [type(result) for result in results[:2] + results[3:]] == [Inserted] * 3
    assert isinstance(results[2], Exception)
    assert [entry.number for entry in await store.page(Filter(), 10)] == [1, 2, 3, 5]
    assert store.tally.waiting("billing").entries == 4
    assert (await verify(store)).ok


async def test_after_a_poisonous_payment_its_lane_is_clear(store: SqliteStore) -> None:
    """Nothing of it is there to wait behind."""
    with pytest.raises(driver.IntegrityError):
        await put(store, draft(1, lane=5, currency="TJSX"))

    assert store.lane_is_clear("billing", 5)


async def test_a_poisonous_move_does_not_take_its_neighbours_with_it(store: SqliteStore) -> None:
    """Another caller's moves, and a payment, are made all the same."""
    bad, good = await put(store, draft(1)), await put(store, draft(2))
    poison = Move(entry=bad, transition=CLAIM, at_us=2**63)

    results = await asyncio.gather(
        store.move([poison]),
        store.move([Move(entry=good, transition=CLAIM, at_us=NOW_US)]),
        store.insert(draft(3), 1, b"sealed"),
        return_exceptions=True,
    )

    assert isinstance(results[0], OverflowError)
    assert results[1] == [True]
    assert isinstance(results[2], Inserted)
    unmoved = await store.get(1)
    assert unmoved == bad
    assert (await verify(store)).ok


async def test_twins_beside_a_poisonous_payment_are_still_one(store: SqliteStore) -> None:
    """The same key twice, and the rule broken by a third: one is stored, its twin gets it."""
    results = await asyncio.gather(
        store.insert(draft(1, key="same"), 1, b"sealed"),
        store.insert(draft(2, currency="TJSX"), 1, b"sealed"),
        store.insert(draft(3, key="same"), 1, b"sealed"),
        return_exceptions=True,
    )

    assert isinstance(results[0], Inserted)
    assert isinstance(results[1], driver.IntegrityError)
    assert isinstance(results[2], Known)
    assert results[2].entry.number == 1


# Lanes of an earlier run, where there are many

BACKLOG: Final = LANES_LOADED_AT_ONCE + 10


@pytest.fixture(scope="module")
def backlog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A spool with a few entries in doubt, and more waiting than are counted before opening is over."""
    path = tmp_path_factory.mktemp("backlog") / "spool.db"

    async def fill() -> None:
        store = SqliteStore(path, reserve_bytes=0)
        await store.open(NOW_US)
        for start in range(1, BACKLOG + 1, 2_000):
            numbers = range(start, min(start + 2_000, BACKLOG + 1))
            await asyncio.gather(*(store.insert(_in_backlog(number), 1, b"") for number in numbers))
        await store.close()

    asyncio.run(fill())
    return path


def _in_backlog(number: int) -> Draft:
    """The first ten were in flight when the former run ended."""
    return draft(number, state=State.IN_FLIGHT if number <= 10 else State.READY)


class GatedDriver:
    """The driver's connection, which reads lanes aside only once its gate is open."""

    def __init__(self, uri: str, gate: threading.Event) -> None:
        """Open the file."""
        self._db = open_file(uri)
        self._gate = gate

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Wait at the gate, where that is due, then do."""
        if sql == SQL["lanes_aside"]:
            self._gate.wait(WAIT_S)
        return self._db.execute(sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)


@pytest.fixture
def gate() -> threading.Event:
    """What the count of lanes waits for, halfway."""
    return threading.Event()


@pytest.fixture
async def laden(backlog: Path, path: Path, gate: threading.Event) -> AsyncIterator[SqliteStore]:
    """The backlog, just opened; its lanes are still being counted."""
    shutil.copy(backlog, path)
    store = SqliteStore(path, reserve_bytes=0, connect=partial(connect, open_file=partial(GatedDriver, gate=gate)))
    await store.open(NOW_US)
    yield store
    gate.set()
    await store.close()


async def test_until_the_lanes_of_a_large_backlog_are_counted_none_is_clear(
    laden: SqliteStore, gate: threading.Event
) -> None:
    """Opening doesn't wait for the count; payments queue up until it is done."""
    assert not laden.lane_is_clear("billing", BACKLOG + 1)

    await lanes_counted(laden, gate)

    assert laden.lane_is_clear("billing", BACKLOG + 1)
    assert not laden.lane_is_clear("billing", BACKLOG)
    assert not laden.lane_is_clear("billing", 1)


async def test_what_is_finished_while_lanes_are_counted_leaves_its_lane(
    laden: SqliteStore, gate: threading.Event
) -> None:
    """Entries in doubt are settled first of all after a restart, long before a million lanes are counted."""
    first, last = await laden.get(1), await laden.get(10)
    assert first is not None
    assert last is not None
    move = Move(entry=first, transition=POST, at_us=NOW_US)
    assert await laden.move([move]) == [True]
    assert not laden.lane_is_clear("billing", first.lane)

    await lanes_counted(laden, gate)

    assert laden.lane_is_clear("billing", first.lane)
    assert not laden.lane_is_clear("billing", last.lane)


async def test_what_comes_while_lanes_are_counted_is_counted_once(laden: SqliteStore, gate: threading.Event) -> None:
    """Counted twice, its lane would not be clear again until a restart."""
    new = draft(BACKLOG + 5, key="new while counting")
    entry = await put(laden, new)
    await lanes_counted(laden, gate)
    assert not laden.lane_is_clear("billing", new.lane)

    await go(laden, entry, CLAIM, POST)

    assert laden.lane_is_clear("billing", new.lane)


async def test_a_store_may_be_closed_while_lanes_are_counted(backlog: Path, path: Path) -> None:
    """A restart on top of a restart."""
    shutil.copy(backlog, path)
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(NOW_US)
    await store.close()

    with pytest.raises(SpoolClosed):
        await store.get(1)


async def lanes_counted(store: SqliteStore, gate: threading.Event) -> None:
    """Let the count go on to its end."""
    assert store._loader is not None
    gate.set()
    await store._loader


# The reserve


async def test_below_the_reserve_nothing_new_is_taken_and_what_waits_is_settled(path: Path) -> None:
    """The last of the disk is for bringing to an end what was accepted."""
    before = SqliteStore(path, reserve_bytes=0)
    await before.open(NOW_US)
    payment = await put(before, draft(1))
    await before.close()
    store = SqliteStore(path, reserve_bytes=2**62)
    await store.open(NOW_US)

    results = await asyncio.gather(
        store.insert(draft(2), 1, b"sealed"),
        store.move([Move(entry=payment, transition=CLAIM, at_us=NOW_US)]),
        store.insert(draft(3), 1, b"sealed"),
        store.remember("name", b"value"),
        return_exceptions=True,
    )

    assert [type(result) for result in results] == [StorageFull, list, StorageFull, type(None)]
    assert results[1] == [True]
    assert store.lane_is_clear("billing", 2)
    assert [entry.number for entry in await store.page(Filter(), 10)] == [1]
    health = await store.health()
    assert (health.accepting, health.trouble) == (False, "the disk is down to its reserve")
    assert (await verify(store)).ok
    await store.close()


async def test_a_spool_held_for_reading_is_in_nobodys_hands(store: SqliteStore) -> None:
    """Looking takes no lock, so the owner may come and go."""
    reading = SqliteReading(store.path)
    await reading.open()
    await store.close()

    await store.open(NOW_US)

    await put(store, draft(1))
    assert await reading.get(1) is not None
    await reading.close()
