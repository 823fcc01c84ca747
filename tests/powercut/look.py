"""Looking at what a power cut has left: quickly, by the database alone, or wholly, as the service would come up."""

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec.structs import astuple, replace

from spool.entry import Entry
from spool.errors import SpoolError
from spool.lifecycle import FINAL, State
from spool.rows import COLUMNS, entry_of
from spool.sqlite import SqliteStore
from spool.sqlite.connection import DatabaseError, driver
from spool.sqlite.statements import SQL, migrations
from spool.store import Filter, Inserted, Known
from spool.verify import verify
from tests.contracts.spool_examples import LATER_US, draft
from tests.powercut.disk import Image
from tests.powercut.witness import EMPTY, Found

SPOOL: Final = "spool.db"

RUBBISH: Final = b"\xa5rubbish" * 4096
"""What the shared memory's file may hold after a cut: anything."""

PROBE: Final = 10**9
"""Number of the payment that shows that the spool goes on."""


class Bench:
    """A folder in which states are laid out, one after the other; a file that is the same isn't written again."""

    def __init__(self, folder: Path) -> None:
        """Use an empty folder."""
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._laid: dict[str, bytes] = {}

    @property
    def path(self) -> Path:
        """Where the spool's file is."""
        return self._folder / SPOOL

    def lay(self, image: Mapping[str, bytes]) -> None:
        """Lay out a state."""
        for name in self._laid.keys() - image.keys():
            (self._folder / name).unlink(missing_ok=True)
        for name, content in image.items():
            if self._laid.get(name) != content:
                (self._folder / name).write_bytes(content)
        self._laid = dict(image)

    def forget(self, is_changed: bool) -> None:  # noqa: FBT001 - a fact
        """Clear the folder if somebody changed it."""
        if is_changed:
            self.clear()

    def clear(self) -> None:
        """Forget what is laid out: somebody may have changed it."""
        for file in self._folder.iterdir():
            file.unlink()
        self._laid = {}


def look(bench: Bench, image: Image) -> Found:
    """What is in the files, by the database's own recovery and nothing else of ours."""
    if SPOOL not in image:
        return EMPTY
    bench.lay(image)
    # Whoever only reads leaves the files as they are, but may not roll back a journal.
    rolls_back = f"{SPOOL}-journal" in image
    try:
        db = driver.connect(f"file:{bench.path}?mode={'rw' if rolls_back else 'ro'}", uri=True, isolation_level=None)
        try:
            return _read(db)
        finally:
            db.close()
            bench.forget(rolls_back)
    except (DatabaseError, UnicodeDecodeError) as error:  # the library quotes what it can not read
        return Found({}, {}, f"{type(error).__name__}: {error}")


def _read(db: Any) -> Found:
    if db.execute(SQL["things"]).fetchone()[0] == 0:
        return EMPTY
    if db.execute("PRAGMA user_version").fetchone()[0] < migrations()[-1][0]:
        # Still being laid out: nobody can have been told anything.
        entries = db.execute("SELECT count(*) FROM entry").fetchone()[0]
        return Found({}, {}, f"{entries} entries before it was laid out") if entries else EMPTY
    rows = {row[0]: row for row in db.execute(f"SELECT {COLUMNS} FROM entry")}  # noqa: S608 - our own columns
    events = dict(db.execute("SELECT number, count(*) FROM event GROUP BY number").fetchall())
    return Found(rows, events, _damage(db))


def _damage(db: Any) -> str:
    """What the check of the database and the recount of the sums say."""
    check = db.execute("PRAGMA integrity_check").fetchall()
    if check != [("ok",)]:
        return f"integrity: {check[:3]}"
    kept = {row[:6]: row[6:8] for row in db.execute(SQL["tally"]) if row[6] or row[7]}
    counted = {row[:6]: row[6:8] for row in db.execute(SQL["recount"], (0,))}
    return "" if kept == counted else f"sums: kept {kept}, counted {counted}"


async def come_up(bench: Bench, image: Image, found: Found, *, rubbish: bool) -> list[str]:
    """Open the spool as the service does, compare with what was found, and go on: what is wrong, in words.

    Args:
        bench: where to lay it out.
        image: the state.
        found: what a quick look found in it.
        rubbish: a file of shared memory was left, with anything in it.
    """
    bench.clear()
    bench.lay({**image, SPOOL + "-shm": RUBBISH} if rubbish else image)
    store = SqliteStore(bench.path, reserve_bytes=0)
    try:
        await store.open(LATER_US)
        try:
            return [f"coming up: {each}" for each in await _differences(store, found)]
        finally:
            await store.close()
    except SpoolError as error:
        return [f"coming up: {type(error).__name__}: {error}"]
    finally:
        bench.clear()


async def sums_are_right(store: SqliteStore) -> bool:
    """The conservation check holds, and memory has the same sums as the file."""
    async with contextlib.aclosing(store.recount()) as steps:  # type: ignore[type-var]  # it is a generator
        kept = await anext(steps)
    return (await verify(store)).ok and kept == store.tally.snapshot()


async def _differences(store: SqliteStore, found: Found) -> list[str]:
    entries = await store.page(Filter(), 100_000)
    wanted = [astuple(_after_a_restart(entry_of(row))) for _, row in sorted(found.rows.items())]
    wrong = list[str]()
    if [astuple(entry) for entry in entries] != wanted:
        wrong.append("other entries than the file has")
    if not await sums_are_right(store):
        wrong.append("the sums are wrong")
    if any(store.lane_is_clear(entry.route, entry.lane) for entry in entries if entry.state not in FINAL):
        wrong.append("a lane is called clear that isn't")
    return wrong + await _going_on(store)


async def _going_on(store: SqliteStore) -> list[str]:
    probe = draft(PROBE)
    first, again = await store.insert(probe, 1, b"sealed"), await store.insert(probe, 1, b"sealed")
    goes_on = isinstance(first, Inserted) and isinstance(again, Known)
    return [] if goes_on else ["it doesn't go on"]


def _after_a_restart(entry: Entry) -> Entry:
    """What an attempt that was in hand becomes."""
    if entry.state is not State.IN_FLIGHT:
        return entry
    return doubted(entry, LATER_US)


def doubted(entry: Entry, now_us: int) -> Entry:
    """An entry in flight, once the next run has found it."""
    return replace(entry, state=State.IN_DOUBT, due_at_us=now_us, changed_at_us=now_us, reason="restart")
