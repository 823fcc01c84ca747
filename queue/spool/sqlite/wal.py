"""SQLite's log: syncing it, and making sure that it is on disk as it reads.

A commit in the log is synced here, not by SQLite. Built as its wheels are, SQLite calls `fsync`, which takes the file's
new time of change to disk as well; on a file system with a journal that is a journal's commit each time, behind whatever
else the machine writes: one in a hundred takes twenty times as long. `fdatasync` takes what the file's bytes need. So the
writer has `synchronous=NORMAL` (the log's header before its frames, the log before it is carried over, the database after
it: all that keeps the file whole) and each commit is followed by a sync of our own before anybody is told of it.

Nor does SQLite carry the log over by itself. It would do so within a commit, before our sync, and say nothing of a sync
of its own that failed; after that the kernel calls the pages clean, and ours would succeed without them.

After a sync that failed the kernel calls the pages clean: they read as written, the disk may not have them, and no later
sync takes them there. SQLite, opening such a log, trusts what it reads. It would add commits behind pages that a power
cut takes away, and these commits with them; or carry the log over into the database and leave a log that, cut short,
is older than the database it is then applied to. So before the log is read or carried over after trouble, each of its
bytes is written again as it reads, and synced: then what is read is what is there.
"""

import contextlib
import os
from pathlib import Path
from typing import Any, Final, Protocol

from spool.sqlite.connection import DatabaseError

_PIECE_BYTES: Final = 2**20

PAGES_MAX: Final = 2_000
"""About how many pages the log has when it is carried over into the database."""


def log_of(path: Path) -> Path:
    """The log beside a database."""
    return path.with_name(path.name + "-wal")


class Syncing(Protocol):
    """What takes a log's commits to disk."""

    def sync(self) -> None:
        """Return when everything written to the log is on disk.

        Raises:
            OSError: nobody knows what of it is.
        """
        ...

    def close(self) -> None:
        """Let go of it; a later sync takes it up anew."""
        ...


class Log:
    """The log beside a database. Opening and closing it drops no lock: SQLite has none on this file."""

    def __init__(self, path: Path) -> None:
        """Of the database at `path`; nothing is opened before the first sync."""
        self._log = log_of(path)
        self._file = -1

    def sync(self) -> None:
        """See `Syncing`."""
        if self._file < 0:
            self._file = os.open(self._log, os.O_RDWR | os.O_CLOEXEC)
        os.fdatasync(self._file)
        if not os.fstat(self._file).st_nlink:
            raise FileNotFoundError("the log was taken away: what was synced is not what SQLite writes to")

    def close(self) -> None:
        """See `Syncing`."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def carry_over(db: Any) -> bool:
    """Take what is in the log over into the database, as far as no reader is in the way; in the writer's thread.

    Where that fails the log stays, and nothing in it is the worse for it.

    Returns:
        Whether all of it was taken over: then the next commit begins the log anew.
    """
    with contextlib.suppress(DatabaseError):
        _busy, frames, carried = db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        return bool(frames == carried)
    return False


def write_over(log: Path) -> None:
    """Write a log over itself and sync it; nothing to do where there is none.

    Nobody may be writing to it meanwhile. Opening and closing it drops no lock: SQLite has none on this file.

    Raises:
        OSError: the disk doesn't take it; what it has is as uncertain as before.
    """
    try:
        file = os.open(log, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        offset = 0
        while piece := os.pread(file, _PIECE_BYTES, offset):
            offset += os.pwrite(file, piece, offset)
        os.fsync(file)
    finally:
        os.close(file)
