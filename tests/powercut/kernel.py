"""Power cuts of a real kernel: `python -m tests.powercut.kernel ROUNDS`, or `make powercut-kernel ROUNDS=200`.

Each round a process stores, claims and settles payments on a file system of its own (ext4 and XFS in turn, each in an
image on a loop device), and says so on its output; after some of that the file system is shut down by the kernel's
own ioctl, which drops the page cache and the unflushed journal; it is mounted again, replays its journal, and the spool
is opened and held against what the process had said.

`python -m tests.powercut.kernel pay PATH FIRST [lax]` is that process; `lax` is the control (no commit is synced).
"""

import asyncio
import contextlib
import fcntl
import os
import random
import shutil
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final, NamedTuple

from spool.lifecycle import CLAIM, POST, State
from spool.sqlite import SqliteStore
from spool.sqlite.connection import driver
from spool.sqlite.wal import Log, Syncing
from spool.store import Filter, Inserted, Move
from spool.verify import verify
from tests.contracts.spool_examples import NOW_US, draft
from tests.powercut.tape import Unsynced

MAKERS: Final = {"ext4": ("mkfs.ext4", "-q", "-F"), "xfs": ("mkfs.xfs", "-q", "-f")}
"""What makes each file system."""

IMAGE_BYTES: Final = 320 * 2**20
"""XFS takes nothing smaller than 300 MiB."""

TOGETHER: Final = 8
SHUTDOWN: Final = (2 << 30) | (4 << 16) | (ord("X") << 8) | 125
"""`EXT4_IOC_SHUTDOWN` and `XFS_IOC_GOINGDOWN`: one number."""

DROP_THE_LOG: Final = struct.pack("I", 2)
HOUSE: Final = Path(__file__).parents[2]
HEARD_MAX: Final = 400


class Unfit(Exception):
    """This machine lets nobody do that; says why."""


class Round(NamedTuple):
    """What came of one cut."""

    said: int
    lost: tuple[str, ...]
    #: The spool opened, its sums are right, and the database's own check is content.
    sound: bool


@contextlib.contextmanager
def file_system(kind: str, folder: Path) -> Iterator[Path]:
    """An image with a fresh file system, and where to mount it.

    Raises:
        Unfit: it can't be made or mounted here.
    """
    if shutil.which(MAKERS[kind][0]) is None:
        raise Unfit(f"there is no {MAKERS[kind][0]}")
    image, place = folder / f"{kind}.img", folder / kind
    place.mkdir()
    with image.open("wb") as file:
        file.truncate(IMAGE_BYTES)
    _call(*MAKERS[kind], str(image))
    mount(image, place)
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=False, capture_output=True)  # noqa: S607 - the system's own
        image.unlink()


def mount(image: Path, place: Path) -> None:
    """Mount an image by a loop device."""
    _call("mount", "-o", "loop", str(image), str(place))


def _call(*command: str) -> None:
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise Unfit(f"{command[0]}: {done.stderr.strip() or done.returncode}")


def cut(place: Path) -> None:
    """Cut the power of a file system.

    Raises:
        Unfit: the kernel doesn't know how.
    """
    folder = os.open(place, os.O_RDONLY)
    try:
        fcntl.ioctl(folder, SHUTDOWN, DROP_THE_LOG)
    except OSError as error:
        raise Unfit(f"the file system can't be shut down: {error}") from error
    finally:
        os.close(folder)


def one_round(place: Path, first: int, heard: int, *how: str) -> Round:
    """Let a process pay, cut the power after it said so many things, mount again, and look."""
    path = place / "spool.db"
    command = [sys.executable, "-m", "tests.powercut.kernel", "pay", str(path), str(first), *how]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.DEVNULL, cwd=HOUSE) as process:
        assert process.stdout is not None
        said = _listen(process.stdout.fileno(), heard)
        cut(place)
        process.kill()
    _call("umount", str(place))
    mount(place.with_suffix(".img"), place)
    return asyncio.run(_judge(path, [line.split() for line in said]))


def _listen(pipe: int, least: int) -> list[str]:
    """What was said until now, at least so many lines.

    What is said after the cut began doesn't count, as nobody speaks after a real one: a sync under way when XFS is shut
    down may find its inode unpinned and return success.
    """
    said = b""
    while said.count(b"\n") < least and (more := os.read(pipe, 65_536)):
        said += more
    os.set_blocking(pipe, False)
    with contextlib.suppress(BlockingIOError):
        said += os.read(pipe, 1 << 20)
    return said[: said.rfind(b"\n") + 1].decode().splitlines()


async def _judge(path: Path, said: Sequence[Sequence[str]]) -> Round:
    """Each payment must be at least where it was said to be."""
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(NOW_US)
    numbers = [int(number) for number, _ in said]
    wanted = Filter(after=min(numbers, default=1) - 1)
    there = {entry.number: entry.state for entry in await store.page(wanted, 1_000_000)}
    is_right = (await verify(store)).ok
    await store.close()
    db: Any = driver.connect(path)
    is_right &= db.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
    db.close()
    lost = (f"{number} {state}" for number, state in said if not _is_so(there.get(int(number)), state))
    return Round(len(said), tuple(lost), is_right)


def _is_so(found: State | None, said: str) -> bool:
    if found is None:
        return False
    return {"ready": True, "in_flight": found is not State.READY, "posted": found is State.POSTED}[said]


async def pay(path: Path, first: int, open_log: Callable[[Path], Syncing] = Log) -> None:
    """Store, claim and settle payments until the power is cut; say each when it was told."""
    store = SqliteStore(path, reserve_bytes=0, open_log=open_log)
    await store.open(NOW_US)
    try:
        while True:
            await asyncio.gather(*(_one_payment(store, number) for number in range(first, first + TOGETHER)))
            first += TOGETHER
    finally:
        await store.close()


async def _one_payment(store: SqliteStore, number: int) -> None:
    result = await store.insert(draft(number), 1, bytes(500))
    assert isinstance(result, Inserted)
    entry = result.entry
    _say(f"{number} ready")
    for transition, state in ((CLAIM, "in_flight"), (POST, "posted")):
        move = Move(entry=entry, transition=transition, at_us=NOW_US)
        assert await store.move([move]) == [True]
        entry = move.after()
        _say(f"{number} {state}")


def _say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its judge listens


def rounds(kind: str, number: int, *how: str) -> Iterator[Round]:
    """Rounds on one file system, one after the other, on one spool.

    Raises:
        Unfit: this machine lets nobody do that.
    """
    chance = random.Random(number)  # noqa: S311 - when to cut, not a secret
    with tempfile.TemporaryDirectory(prefix="nightsafe-kernel-") as folder, file_system(kind, Path(folder)) as place:
        for turn in range(number):
            yield one_round(place, 1 + turn * 1_000_000, chance.randint(1, HEARD_MAX), *how)


def main(number: int) -> int:
    """So many rounds on each file system, and the control; 1 if there is anything to object."""
    code = 0
    for kind in MAKERS:
        for how in ((), ("lax",)):
            try:
                told = list(rounds(kind, number, *how))
            except Unfit as reason:
                _say(f"{kind}: not on this machine: {reason}")
                continue
            lost = [each for each in told if each.lost]
            unsound = sum(not each.sound for each in told)
            said = sum(each.said for each in told)
            _say(
                f"{kind}{' with no sync of its own (the control)' if how else ''}: {len(told)} cuts, {said} things said,"
                f" lost in {len(lost)} cuts, unsound after {unsound}"
            )
            code |= bool(unsound or lost) and not how
    return code


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["pay", path, first]:
            asyncio.run(pay(Path(path), int(first)))
        case ["pay", path, first, "lax"]:
            asyncio.run(pay(Path(path), int(first), Unsynced))
        case [number]:
            sys.exit(main(int(number)))
        case _:
            sys.exit(__doc__)
