"""Real faults of a real disk under a process of its own, and SIGKILL: what was told is true, and it comes back."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from spool.sqlite import SqliteStore
from spool.sqlite.connection import driver
from spool.store import Filter
from spool.verify import verify
from tests.contracts.spool_examples import NOW_US
from tests.faults.storing import BALLAST, TOGETHER

pytestmark = pytest.mark.process

WAIT_S: Final = 120
PYTHON: Final = (sys.executable, "-m", "tests.faults.storing")
HOUSE: Final = Path(__file__).parents[2]


def through(path: Path, fault: str, *around: str) -> dict[str, Any]:
    """Store payments through a fault, by a process of its own; what came of it."""
    command = [*around, *PYTHON, "through", str(path), fault]
    done = subprocess.run(command, capture_output=True, text=True, timeout=WAIT_S, check=False, cwd=HOUSE)
    assert done.returncode == 0, done.stderr
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def is_sound(path: Path) -> bool:
    """The database's own check of itself, and of everything its rules say."""
    db: Any = driver.connect(path)
    found = db.execute("PRAGMA integrity_check").fetchall()
    db.close()
    return bool(found == [("ok",)])


def assert_nobody_was_told_wrong(told: dict[str, Any]) -> None:
    """Every yes is there, no "nothing was stored" is, and memory is in step with the disk."""
    assert told["heard"]["Inserted"] >= TOGETHER
    assert set(told["heard"]) - {"Inserted", "StorageFull", "StorageUncertain", "SpoolClosed"} == set()
    assert len(told["heard"]) > 1, "the fault was met"
    assert told["lost"] == []
    assert told["called lost and there"] == []
    assert told["told yes in the end and not there"] == []
    assert told["lanes wrong"] == []
    assert told["in order"]


def test_writes_that_fail_lose_nothing_and_deny_nothing(tmp_path: Path) -> None:
    """EFBIG: the file may not grow. SQLite calls it an I/O error of a write, at the commit."""
    path = tmp_path / "spool.db"

    told = through(path, "file limit")

    assert_nobody_was_told_wrong(told)
    assert told["while it lasted"] in {"SpoolClosed", "StorageUncertain", "StorageFull"}
    assert is_sound(path)


@pytest.mark.skipif(shutil.which("strace") is None, reason="strace makes the failing sync")
@pytest.mark.parametrize("when", ["9", "12..14", "15..25"])
def test_syncs_that_fail_lose_nothing_and_deny_nothing(tmp_path: Path, when: str) -> None:
    """EIO of a sync, counted by thread, so that it comes again after the reopening.

    The kernel calls the pages clean afterwards, so a second sync proves nothing of the first.
    """
    path = tmp_path / "spool.db"
    inject = f"inject=fdatasync,fsync:error=EIO:when={when}"

    told = through(path, "syncs", "strace", "-f", "-qq", "-o", "/dev/null", "-e", "trace=fdatasync,fsync", "-e", inject)

    assert_nobody_was_told_wrong(told)
    assert told["heard"]["StorageUncertain"] == TOGETHER
    assert is_sound(path)


FULL_DISK: Final = """
set -e
mount -t tmpfs -o size=1536k,mode=700 tmpfs "$1"
head -c 700k /dev/zero > "$1/$2"
shift 2
"$@"
"""
"""Make a small disk that nobody else sees, put ballast on it, and run a command there."""


@pytest.fixture
def own_disk(tmp_path: Path) -> list[str]:
    """What runs a command on a small disk of its own; skips where this machine lets nobody mount one."""
    namespace = [shutil.which("unshare") or "false", "--mount", "sh", "-c"]
    tried = subprocess.run([*namespace, "mount -t tmpfs -o size=64k tmpfs /mnt"], capture_output=True, check=False)
    if tried.returncode:
        pytest.skip("no right to mount a small disk")
    return [*namespace, FULL_DISK, "sh", str(tmp_path), BALLAST]


def test_a_disk_that_fills_up_loses_nothing_and_denies_nothing(tmp_path: Path, own_disk: list[str]) -> None:
    """ENOSPC to the last byte, past any reserve, until somebody makes room."""
    told = through(tmp_path / "spool.db", "no space", *own_disk)

    assert_nobody_was_told_wrong(told)
    assert told["while it lasted"] in {"SpoolClosed", "StorageUncertain", "StorageFull"}


KILLED_AFTER: Final = (1, 3, 8, 9, 40, 77, 150, 5, 16, 301)
"""Acknowledgements heard before each kill; what the process has come to by then, chance decides."""


def killed(path: Path, first: int, after: int) -> list[int]:
    """Run a process that stores payments, kill it, and return every number it had acknowledged."""
    command = [*PYTHON, "for_ever", str(path), str(first)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=HOUSE) as process:
        assert process.stdout is not None
        heard = [process.stdout.readline() for _ in range(after)]
        process.kill()
        # What it wrote before it died counts too; its last line may be cut.
        heard += process.stdout.read().splitlines(keepends=True)
    return [int(line) for line in heard if line.endswith("\n")]


async def test_nothing_acknowledged_is_lost_by_kills(tmp_path: Path) -> None:
    """Ten lives of one spool, each ended by SIGKILL at work."""
    path = tmp_path / "spool.db"
    acknowledged = list[int]()
    for life, after in enumerate(KILLED_AFTER):
        acknowledged += killed(path, 1 + life * 1_000_000, after)

    store = SqliteStore(path, reserve_bytes=0)
    await store.open(NOW_US)
    there = {entry.number for entry in await store.page(Filter(), 1_000_000)}
    verdict = await verify(store)
    await store.close()

    assert len(acknowledged) >= sum(KILLED_AFTER)
    assert sorted(set(acknowledged) - there) == []
    assert verdict.ok
    assert is_sound(path)
