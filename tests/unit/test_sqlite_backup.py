"""Copies of a spool's file: whole, checked, and never over anything. What a kill leaves: tests/faults/test_copies.py."""

from pathlib import Path

import pytest

from spool.errors import SpoolUnfit
from spool.lifecycle import State
from spool.sqlite import SqliteStore
from spool.sqlite.backup import clear, copy
from spool.sqlite.connection import driver
from spool.sqlite.reading import SqliteReading
from spool.verify import verify
from tests.contracts.spool_examples import NOW_US, draft, put, put_as


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """A spool with an entry, closed."""
    path = tmp_path / "spool.db"
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(NOW_US)
    await put_as(store, draft(1), State.IN_DOUBT)
    await store.close()
    return path


async def test_a_copy_of_an_open_spool_is_one_whole_file(path: Path, tmp_path: Path) -> None:
    """With what was committed before it began, though it stands in the log alone."""
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(NOW_US)
    await put(store, draft(2))
    steps = list[str]()

    size = copy(path, tmp_path / "copy.db", steps.append)

    await store.close()
    assert steps == ["copy", "check", "sync", "name", "end"]
    assert size == (tmp_path / "copy.db").stat().st_size
    assert (tmp_path / "copy.db").stat().st_mode & 0o777 == 0o600
    copied = SqliteReading(tmp_path / "copy.db")
    await copied.open()
    found = await verify(copied)
    await copied.close()
    assert (found.ok, found.counted, found.events) == (True, 2, 4)


@pytest.mark.parametrize("end", ["", "-wal", "-shm", "-journal"])
def test_nothing_is_overwritten(path: Path, tmp_path: Path, end: str) -> None:
    """Nor is a copy put beside what SQLite would read with it."""
    (tmp_path / f"copy.db{end}").touch()

    with pytest.raises(SpoolUnfit, match="move it aside"):
        copy(path, tmp_path / "copy.db")


def test_what_a_killed_copy_left_is_cleared(path: Path, tmp_path: Path) -> None:
    """Its draft is nobody's."""
    draft_file = tmp_path / ".copy.db.copying"
    for end in ("", "-wal"):
        draft_file.with_name(draft_file.name + end).write_bytes(b"half")

    copy(path, tmp_path / "copy.db")

    assert list(tmp_path.glob("*copying*")) == []
    clear(draft_file)


def test_only_a_sound_spool_is_copied(path: Path, tmp_path: Path) -> None:
    """A copy of something else would be found out on the day it is needed."""
    db = driver.connect(tmp_path / "other.db")
    db.execute("CREATE TABLE t (x)")
    db.close()
    (tmp_path / "rubbish.db").write_bytes(b"rubbish" * 1000)

    with pytest.raises(SpoolUnfit, match="is no spool"):
        copy(tmp_path / "other.db", tmp_path / "copy.db")
    with pytest.raises(SpoolUnfit, match="can't be copied"):
        copy(tmp_path / "rubbish.db", tmp_path / "copy.db")
    with pytest.raises(SpoolUnfit, match="can't be copied"):
        copy(path, tmp_path / "nowhere" / "copy.db")
    db = driver.connect(path, isolation_level=None)
    db.executescript(
        "PRAGMA writable_schema = 1;"
        "UPDATE sqlite_master SET sql = replace(sql, 'place = 1', 'place = 2') WHERE name = 'entry_turn'"
    )
    db.close()
    with pytest.raises(SpoolUnfit, match="the copy is damaged"):
        copy(path, tmp_path / "copy.db")
    assert not (tmp_path / "copy.db").exists()
