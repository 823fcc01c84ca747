"""One connection to the spool's file: the library under it, its settings set and read back, and who owns it.

SQLite 3.7.0 to 3.51.2 can corrupt a WAL database when two connections write or checkpoint at the same moment
(sqlite.org, fixed in 3.51.3). So exactly one connection of this process writes and checkpoints, every other is opened
read-only, one process owns the file, and the driver is `pysqlite3`, whose wheel carries a fixed library, where it
exists.
"""

import fcntl
import importlib
import os
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import aiosqlite

from spool.errors import SpoolHeld, SpoolUnfit

driver: Any
try:
    driver = importlib.import_module("pysqlite3.dbapi2")
except ImportError:  # no wheel for this platform: the interpreter's own module, with its own library
    driver = importlib.import_module("sqlite3")

T = TypeVar("T")

APPLICATION_ID: Final = 0x4E534146
"""`NSAF` in the file's header: what `file` and we ourselves know a spool by."""

_STATEMENTS_CACHED: Final = 256

LIBRARY_VERSION: Final[str] = driver.sqlite_version
"""Version of the SQLite library in use."""

DatabaseError: Final[type[Exception]] = driver.DatabaseError
"""Anything that goes wrong in the database."""

OperationalError: Final[type[Exception]] = driver.OperationalError
"""What goes wrong there through no fault of the program: disk full, input or output errors."""


class Connection(aiosqlite.Connection):
    """aiosqlite's connection, able to run a whole function in its thread: one hop for one transaction."""

    async def run(self, work: Callable[[Any], T]) -> T:
        """Call `work` with the driver's own connection, in the connection's thread."""
        execute: Callable[..., Awaitable[T]] = self._execute
        return await execute(work, self._conn)


async def connect(path: Path, *, writing: bool) -> Connection:
    """Open the file, set what durability needs and read it back.

    Raises:
        SpoolUnfit: a setting did not take; the message says which.
    """
    mode = "rwc" if writing else "ro"

    def open_file() -> Any:
        return driver.connect(
            f"file:{path}?mode={mode}",
            uri=True,
            isolation_level=None,
            cached_statements=_STATEMENTS_CACHED,
            check_same_thread=False,
        )

    connection = Connection(open_file, iter_chunk_size=64)
    try:
        await connection
        await connection.run(_set_for_writing if writing else _set_for_reading)
    except BaseException:
        await connection.close()
        raise
    return connection


def _set_for_writing(db: Any) -> None:
    _pragma(db, "journal_mode", "wal")
    _pragma(db, "synchronous", 2)
    _pragma(db, "secure_delete", 1)
    _pragma(db, "foreign_keys", 1)
    _pragma(db, "cache_size", -16_000)
    _pragma(db, "temp_store", 2)
    _pragma(db, "wal_autocheckpoint", 2_000)
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
