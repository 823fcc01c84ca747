"""One connection to the spool's file: the library under it, its settings set and read back, and who owns it.

SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections write or checkpoint at the same moment
(sqlite.org, fixed in 3.51.3). So exactly one connection of this process writes and checkpoints, every other is opened
read-only, one process owns the file, and the driver is `pysqlite3`, whose wheel carries a fixed library, where it
exists.
"""

import asyncio
import contextlib
import fcntl
import importlib
import os
import socket
from collections.abc import Awaitable, Callable
from functools import partial
from pathlib import Path
from typing import Any, Final, Protocol, TypeVar
from urllib.parse import quote

import aiosqlite

from spool.errors import SpoolHeld, SpoolUnfit
from spool.sqlite.schema import refuse_foreign

driver: Any
try:
    driver = importlib.import_module("pysqlite3.dbapi2")
except ImportError:  # no wheel for this platform: the interpreter's own module, with its own library
    driver = importlib.import_module("sqlite3")

# The driver asks three times how to adapt each value that isn't exactly of a type it knows, and forgot bytes among them:
# that costs more than the row. What it finds registered it asks for no more.
driver.register_adapter(bytes, bytes)

T = TypeVar("T")

_STATEMENTS_CACHED: Final = 400

LIBRARY_VERSION: Final[str] = driver.sqlite_version
"""Version of the SQLite library in use."""

DatabaseError: Final[type[Exception]] = driver.DatabaseError
"""Anything that goes wrong in the database."""

OperationalError: Final[type[Exception]] = driver.OperationalError
"""What goes wrong there through no fault of the program: disk full, input or output errors."""


class Connection(aiosqlite.Connection):
    """aiosqlite's connection, able to run a whole function in its thread: one hop for one transaction."""

    #: Done when its thread has nothing more to say to the loop, once it was told to stop.
    stopped: "asyncio.Future[Any] | None" = None

    def stop(self) -> "asyncio.Future[Any] | None":
        """Have the thread end after what it was given."""
        # aiosqlite leaves the types of its own way in open.
        stop: Callable[[], asyncio.Future[Any] | None] = getattr(super(), "stop")  # noqa: B009 - typed by hand
        self.stopped = stop()
        return self.stopped

    async def run(self, work: Callable[[Any], T]) -> T:
        """Call `work` with the driver's own connection, in the connection's thread."""
        # aiosqlite leaves the types of its own way in open.
        execute: Callable[..., Awaitable[T]] = getattr(self, "_execute")  # noqa: B009 - typed by hand
        return await execute(work, self._conn)


class Connect(Protocol):
    """What opens connections to a spool's file."""

    def __call__(self, path: Path, *, writing: bool) -> Awaitable[Connection]:
        """Open one. See `connect`."""
        ...


def open_file(uri: str) -> Any:
    """The driver's own connection to a file."""
    return driver.connect(
        uri,
        uri=True,
        isolation_level=None,
        cached_statements=_STATEMENTS_CACHED,
        check_same_thread=False,
    )


async def connect(path: Path, *, writing: bool, open_file: Callable[[str], Any] = open_file) -> Connection:
    """Open the file, which is there, set what durability needs and read it back.

    Raises:
        SpoolUnfit: it is somebody else's database, or a setting did not take; the message says which.
        DatabaseError: it can't be opened, or is no database.
    """
    uri = f"file:{quote(str(path))}?mode={'rw' if writing else 'ro'}"
    connection = Connection(partial(open_file, uri), iter_chunk_size=64)
    try:
        await connection
        await connection.run(_set_for_writing if writing else _set_for_reading)
    except BaseException:
        await connection.close()
        if connection.stopped is not None:
            # aiosqlite doesn't wait when opening fails, and a thread that outlives its loop would raise in it.
            await asyncio.wait([connection.stopped])
        raise
    return connection


def make_file(path: Path) -> None:
    """An empty file for its owner alone, where there is none; SQLite gives its companions the same mode."""
    # Never open and close one that is there: closing it would drop the locks of every connection of this process.
    with contextlib.suppress(FileExistsError):
        os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def _set_for_writing(db: Any) -> None:
    refuse_foreign(db)
    _pragma(db, "journal_mode", "wal")
    # NORMAL, as the engine syncs each commit itself (see `spool.sqlite.wal`).
    _pragma(db, "synchronous", 1)
    _pragma(db, "secure_delete", 1)
    _pragma(db, "foreign_keys", 1)
    _pragma(db, "cache_size", -16_000)
    _pragma(db, "temp_store", 2)
    # Never within a commit: the engine carries the log over when a commit is on disk and told (see `spool.sqlite.wal`).
    _pragma(db, "wal_autocheckpoint", 0)
    _pragma(db, "mmap_size", 0)


def _set_for_reading(db: Any) -> None:
    _pragma(db, "query_only", 1)
    _pragma(db, "cache_size", -8_000)
    _pragma(db, "temp_store", 2)
    _pragma(db, "mmap_size", 0)


def _pragma(db: Any, name: str, value: str | int) -> None:
    """Set, read back, and refuse what did not take."""
    db.execute(f"PRAGMA {name} = {value}").fetchall()
    found = db.execute(f"PRAGMA {name}").fetchone()
    if found is None or found[0] != value:
        raise SpoolUnfit(f"SQLite {LIBRARY_VERSION} did not take {name} = {value} (it says {found and found[0]})")


class Owner:
    """The lock that makes this process the file's only owner; the kernel lets it go with the process."""

    def __init__(self, path: Path, started: str) -> None:
        """Take it.

        Raises:
            SpoolHeld: another process has it; says who.
        """
        self._fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            holder = os.pread(self._fd, 200, 0).decode(errors="replace").strip() or "another process"
            os.close(self._fd)
            raise SpoolHeld(str(path.with_suffix("")), holder) from None
        os.ftruncate(self._fd, 0)
        os.pwrite(self._fd, f"process {os.getpid()} on {socket.gethostname()}, since {started}\n".encode(), 0)

    def release(self) -> None:
        """Let go."""
        os.close(self._fd)
