"""SQLite by APSW in the clothes of the driver the engine knows, so that the real engine runs on a taped disk.

What the controls take away is set behind the engine's back, after it has read its settings back.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final, NamedTuple

import apsw

from spool.sqlite.connection import driver
from tests.powercut.tape import Tape

BUSY_MS: Final = 5_000
"""How long the driver waits for a lock, as the engine's own does."""

_KINDS: Final[dict[int, type[Exception]]] = {
    apsw.SQLITE_CORRUPT: driver.DatabaseError,
    apsw.SQLITE_NOTADB: driver.DatabaseError,
    apsw.SQLITE_CONSTRAINT: driver.IntegrityError,
    apsw.SQLITE_MISMATCH: driver.IntegrityError,
    apsw.SQLITE_MISUSE: driver.InterfaceError,
    apsw.SQLITE_RANGE: driver.InterfaceError,
    apsw.SQLITE_INTERNAL: driver.InternalError,
    apsw.SQLITE_TOOBIG: driver.DataError,
}
"""What the driver calls each result of the library; anything else is an operational error."""


class Habits(NamedTuple):
    """What is done otherwise than the engine asks, each a control: it must lose what was told."""

    #: `PRAGMA synchronous = NORMAL` and nothing more: a commit in the log isn't synced.
    lax: bool = False
    #: Python's default: a rollback journal, whose deletion isn't synced.
    rollback_journal: bool = False


@contextlib.contextmanager
def _in_the_driver_s_words() -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        code: int = getattr(error, "extendedresult", apsw.SQLITE_ERROR)
        kind = _KINDS.get(code & 0xFF, driver.OperationalError)
        raise kind(f"{error} ({code})") from error


class Rows:
    """A cursor."""

    def __init__(self, cursor: apsw.Cursor, rowcount: int) -> None:
        """Wrap one that has begun."""
        self._cursor = cursor
        self.rowcount = rowcount
        self.description: Any = None

    def fetchall(self) -> list[Any]:
        """All rows that are left."""
        with _in_the_driver_s_words():
            return list(self._cursor)

    def fetchmany(self, size: int) -> list[Any]:
        """Some of them."""
        with _in_the_driver_s_words():
            return [row for _, row in zip(range(size), self._cursor, strict=False)]

    def fetchone(self) -> Any:
        """The next one, or None."""
        with _in_the_driver_s_words():
            return next(self._cursor, None)

    def __iter__(self) -> Iterator[Any]:
        return iter(self.fetchall())

    def close(self) -> None:
        """Be done."""
        with _in_the_driver_s_words():
            self._cursor.close()


class TapedConnection:
    """The driver's connection, over a tape."""

    row_factory: Any = None
    isolation_level: Any = None

    def __init__(self, uri: str, tape: Tape, habits: Habits) -> None:
        """Open the file; whether for writing, the URI says."""
        flags = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_URI
        with _in_the_driver_s_words():
            self._db = apsw.Connection(uri, flags=flags, vfs=tape.name)
        self._db.set_busy_timeout(BUSY_MS)
        self._habits = habits

    @property
    def in_transaction(self) -> bool:
        """A transaction is open."""
        return self._db.in_transaction

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Do a statement."""
        if self._habits.rollback_journal and sql.startswith("PRAGMA journal_mode"):
            sql = "SELECT 'wal'"
        rows = self._execute(sql, parameters)
        if sql == "PRAGMA synchronous" and self._habits.rollback_journal:
            return self._read_back(rows.fetchall())
        return rows

    def _execute(self, sql: str, parameters: Any) -> Rows:
        with _in_the_driver_s_words():
            before = self._db.total_changes()
            cursor = self._db.execute(sql, parameters)
            return Rows(cursor, self._db.total_changes() - before)

    def _read_back(self, found: list[Any]) -> "Found":
        """Show what was found, then set what Python's default has instead."""
        self._db.execute("PRAGMA synchronous = FULL")
        assert self._db.execute("PRAGMA journal_mode").get == "delete", "Python's default"
        return Found(found)

    def executemany(self, sql: str, parameters: Sequence[Any]) -> Any:
        """Do a statement for each."""
        with _in_the_driver_s_words():
            before = self._db.total_changes()
            cursor = self._db.executemany(sql, parameters)
            return Rows(cursor, self._db.total_changes() - before)

    def executescript(self, script: str) -> None:
        """Do all statements of a script."""
        with _in_the_driver_s_words():
            for _ in self._db.execute(script):
                pass

    def commit(self) -> None:
        """Commit what is open."""
        if self.in_transaction:
            self.execute("COMMIT")

    def rollback(self) -> None:
        """Undo what is open."""
        if self.in_transaction:
            self.execute("ROLLBACK")

    def interrupt(self) -> None:
        """End what runs."""
        self._db.interrupt()

    def close(self) -> None:
        """Let go of the file. A checkpoint that fails while closing is nobody's business, as in SQLite itself."""
        with contextlib.suppress(apsw.Error):
            self._db.close(True)


class Found(list[Any]):
    """Rows that were fetched already."""

    def fetchall(self) -> list[Any]:
        """All of them."""
        return list(self)

    def fetchone(self) -> Any:
        """The first."""
        return self[0] if self else None


def opening(tape: Tape, habits: Habits = Habits()) -> Callable[[str], Any]:  # noqa: B008 - a constant
    """What opens files on this tape, for `spool.sqlite.connection.connect`."""
    return lambda uri: TapedConnection(uri, tape, habits)
