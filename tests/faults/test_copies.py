"""A kill at any step of a backup or a restore: what was there stays readable, and the next attempt goes through."""

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from spool.errors import SpoolUnfit
from spool.evidence.epoch import epoch_of
from spool.lifecycle import State
from spool.sqlite import SqliteStore
from spool.sqlite.backup import copy
from spool.sqlite.connection import driver
from spool.sqlite.reading import SqliteReading
from spool.store import Filter
from spool.verify import verify
from tests.contracts.spool_examples import LATER_US, NOW_US, draft, put_as

pytestmark = pytest.mark.process

KILLED: Final = -9
BACKUP_STEPS: Final = ("copy", "check", "sync", "name", "end")
RESTORE_STEPS: Final = (*BACKUP_STEPS, "open", "compare", "close")


@pytest.fixture
async def spool(tmp_path: Path) -> Path:
    """A spool with a little in it."""
    path = tmp_path / "spool.db"
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(NOW_US)
    for number, state in enumerate((State.POSTED, State.READY, State.IN_FLIGHT, State.IN_DOUBT), 1):
        await put_as(store, draft(number), state)
    await store.close()
    return path


def run(what: str, source: Path, target: Path, step: str = "") -> int:
    """Do it in a process of its own; how it ended."""
    command = [sys.executable, "-m", "tests.faults.copying", what, str(source), str(target), step]
    return subprocess.run(command, check=False).returncode


async def states(path: Path) -> list[State]:
    """The entries of a spool that is sound."""
    store = SqliteReading(path)
    await store.open()
    try:
        assert (await verify(store)).ok
        return [entry.state for entry in await store.page(Filter(), 10)]
    finally:
        await store.close()


@pytest.mark.parametrize("step", BACKUP_STEPS)
async def test_a_backup_that_is_killed_leaves_nothing_or_all_of_it(spool: Path, tmp_path: Path, step: str) -> None:
    """Its target is there whole, or not at all; and the spool is none the worse."""
    target = tmp_path / "backups" / "copy.db"
    target.parent.mkdir()

    assert run("backup", spool, target, step) == KILLED

    assert target.exists() == (step == "end")
    target.unlink(missing_ok=True)
    assert run("backup", spool, target) == 0
    assert await states(target) == await states(spool)
    assert [file.name for file in target.parent.iterdir()] == ["copy.db"]


@pytest.mark.parametrize("step", RESTORE_STEPS)
async def test_a_restore_that_is_killed_leaves_nothing_or_all_of_it(spool: Path, tmp_path: Path, step: str) -> None:
    """A spool half restored must not be taken for one."""
    backup, target = tmp_path / "backup.db", tmp_path / "new" / "spool.db"
    copy(spool, backup)

    assert run("restore", backup, target, step) == KILLED

    was_there = target.exists()
    assert run("restore", backup, target) == (1 if was_there else 0)
    assert await states(target) == [State.POSTED, State.READY, State.IN_DOUBT, State.IN_DOUBT]
    store = SqliteStore(target, reserve_bytes=0)
    await store.open(LATER_US)
    epoch = await epoch_of(store)
    await store.close()
    assert (epoch.number, epoch.accepted, epoch.began_number) == (2, False, 4)


async def test_a_damaged_spool_is_not_copied(spool: Path, tmp_path: Path) -> None:
    """A backup that can't be read is worse than none: nobody makes another."""
    db = driver.connect(spool, isolation_level=None)
    db.executescript(
        "PRAGMA writable_schema = 1;"
        "UPDATE sqlite_master SET sql = replace(sql, 'place = 1', 'place = 2') WHERE name = 'entry_turn'"
    )
    db.close()

    with pytest.raises(SpoolUnfit, match="the copy is damaged"):
        copy(spool, tmp_path / "copy.db")

    assert not (tmp_path / "copy.db").exists()


async def test_a_copy_that_can_not_be_written_is_said(spool: Path, tmp_path: Path) -> None:
    """Where to, and why."""
    with pytest.raises(SpoolUnfit, match="can't be copied to"):
        copy(spool, tmp_path / "nowhere" / "copy.db")
