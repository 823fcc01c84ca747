"""Copies of a spool: made while it is in use, checked, and there whole or not at all.

A copy is made by the database's own online backup, in one step, from a connection that only reads: it is of one moment,
whatever is written meanwhile. (In small steps it would begin anew at each write, and never end.) It holds no key.
"""

import contextlib
import os
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from spool.errors import SpoolUnfit
from spool.sqlite.connection import DatabaseError, driver
from spool.sqlite.schema import APPLICATION_ID

_BESIDE: Final = ("-wal", "-shm", "-journal")
"""What SQLite keeps beside a database."""

Step = Callable[[str], None]
"""Told before each step; a test ends the process there."""


def on(_step: str) -> None:
    """Go on."""


def copy(source: Path, target: Path, step: Step = on) -> int:
    """Copy a spool, in use or not, to a file that isn't there yet; its bytes.

    Raises:
        SpoolUnfit: the source is no spool, the copy is damaged, or the target can't be written or is there.
    """
    require_nothing_at(target)
    draft = target.with_name(f".{target.name}.copying")
    try:
        clear(draft)
        step("copy")
        os.close(os.open(draft, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        with _opened(source, "ro") as reading, _opened(draft, "rw") as writing:
            if reading.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
                raise SpoolUnfit(f"{source} is no spool")
            reading.backup(writing, pages=-1)
            step("check")
            # One file, without a log beside it.
            writing.execute("PRAGMA journal_mode = DELETE").fetchall()
            found = writing.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if found != "ok":
                raise SpoolUnfit(f"the copy is damaged, and so is {source}: {found}")
        put_in_place(draft, target, step)
    except (DatabaseError, OSError) as error:
        raise SpoolUnfit(f"{source} can't be copied to {target}: {error}") from error
    finally:
        with contextlib.suppress(OSError):
            clear(draft)
    return target.stat().st_size


def require_nothing_at(path: Path) -> None:
    """A copy never takes the place of anything.

    Raises:
        SpoolUnfit: there is something, or SQLite left something beside it that would be read with a copy put there.
    """
    there = [each for each in (path, *_beside(path)) if each.exists()]
    if there:
        raise SpoolUnfit(f"{there[0]} is there: move it aside first, with what is beside it")


def put_in_place(draft: Path, target: Path, step: Step = on) -> None:
    """Give a draft its name, durably; never over another.

    Raises:
        OSError: it couldn't be; the target is there whole or not at all.
    """
    step("sync")
    _sync(draft)
    step("name")
    os.link(draft, target)
    step("end")
    draft.unlink()
    _sync(target.parent)


def clear(path: Path) -> None:
    """Take a draft away that was left behind, with what is beside it."""
    for each in (path, *_beside(path)):
        each.unlink(missing_ok=True)


def _beside(path: Path) -> list[Path]:
    return [path.with_name(path.name + end) for end in _BESIDE]


@contextlib.contextmanager
def _opened(path: Path, mode: str) -> Generator[Any]:
    db = driver.connect(f"file:{quote(str(path))}?mode={mode}", uri=True, isolation_level=None)
    try:
        yield db
    finally:
        db.close()


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
