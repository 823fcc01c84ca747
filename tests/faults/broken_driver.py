"""The database driver on a disk with bad moments: everything is real but the moments."""

import threading
from collections import deque
from collections.abc import Callable
from typing import Any, Final

from spool.sqlite.connection import OperationalError, open_file

WAIT_S: Final = 60

Moment = Callable[[Any, str, Any], Any]
"""Does a statement in its own way: (the driver's connection, SQL, parameters)."""


def fine(db: Any, sql: str, parameters: Any) -> Any:
    """As if nothing were wrong."""
    return db.execute(sql, parameters)


def fails(_db: Any, _sql: str, _parameters: Any) -> Any:
    """Nothing is done: an error of the disk comes first."""
    raise OperationalError("disk I/O error")


def fails_after(db: Any, sql: str, parameters: Any) -> Any:
    """All is done, and on disk; the error comes after it."""
    db.execute(sql, parameters)
    raise OperationalError("disk I/O error")


def is_full(_db: Any, _sql: str, _parameters: Any) -> Any:
    """There is no room for it."""
    raise OperationalError("database or disk is full")


class Disk:
    """What lies ahead for a disk."""

    def __init__(self) -> None:
        """Begin well."""
        #: What happens with the next statements that begin so; `open` is the opening of a file.
        self.ahead: dict[str, deque[Moment]] = {}
        #: Says that a hanging statement has begun ...
        self.hanging = threading.Event()
        #: ... and lets it go on.
        self.released = threading.Event()

    def will(self, verb: str, *moments: Moment) -> None:
        """Have these moments with the next statements that begin with `verb`."""
        self.ahead[verb] = deque(moments)

    def hangs(self, db: Any, sql: str, parameters: Any) -> Any:
        """Done in the end, but not before it is released."""
        self.hanging.set()
        assert self.released.wait(WAIT_S), "somebody releases it"
        return db.execute(sql, parameters)

    def hangs_and_fails(self, db: Any, sql: str, parameters: Any) -> Any:
        """An error in the end."""
        self.hanging.set()
        assert self.released.wait(WAIT_S), "somebody releases it"
        return fails(db, sql, parameters)

    def next(self, text: str) -> Moment:
        """What happens now."""
        moments = self.ahead.get(text.partition(" ")[0])
        return moments.popleft() if moments else fine

    def open_file(self, uri: str) -> Any:
        """Open a file on this disk."""
        if self.next("open") is not fine:
            raise OperationalError("unable to open database file")
        return BrokenDriver(uri, self)


class BrokenDriver:
    """The driver's own connection, on such a disk."""

    def __init__(self, uri: str, disk: Disk) -> None:
        """Open the file."""
        self._db = open_file(uri)
        self._disk = disk

    def execute(self, sql: str, parameters: Any = ()) -> Any:
        """Do a statement as the moment has it."""
        return self._disk.next(sql)(self._db, sql, parameters)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._db, name)
