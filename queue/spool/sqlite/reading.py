"""The same file, only to look at: beside its owner, or while it has none.

Looking through many entries on a connection of its own keeps such reads out of the way of payments; and a person sees
the spool while the service is stopped. SQLite lets readers and the one writer work at once; a reader never checkpoints.
"""

import contextlib
import os
from collections.abc import AsyncGenerator, Sequence
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

from spool.errors import SpoolUnfit
from spool.layout import Outlook, ahead
from spool.rows import cell_in
from spool.sqlite.connection import DatabaseError, connect, driver
from spool.sqlite.schema import require_current, version_of
from spool.sqlite.statements import SQL, migrations
from spool.sqlite.store import SqliteStore
from spool.tally import Cell


def outlook(path: Path) -> Outlook:
    """What a start would change of this file's layout.

    Raises:
        SpoolUnfit: it can't be read, it isn't a spool, or it is newer than we are.
    """
    if not path.exists():
        return ahead(0, migrations())
    try:
        db = driver.connect(f"file:{quote(str(path))}?mode=ro", uri=True, isolation_level=None)
        try:
            return ahead(version_of(db), migrations())
        finally:
            db.close()
    except DatabaseError as error:
        raise SpoolUnfit(f"{path} can't be read: {error}") from error


class SqliteReading(SqliteStore):
    """A SQLite spool in nobody's hands: everything that reads works, everything that writes raises `SpoolClosed`."""

    def __init__(self, path: Path) -> None:
        """Look at the spool at `path`."""
        super().__init__(path, reserve_bytes=0)
        self._trouble = "opened for reading only"

    async def open(self, now_us: int = 0) -> None:
        """Open it as it is; nothing in it changes, and the tally stays that of this moment.

        Raises:
            SpoolUnfit: there is no spool, or it is of another version.
        """
        assert now_us >= 0, "nothing is recorded, so the time doesn't matter"
        if not os.access(self.path, os.R_OK):
            # Asked first, as aiosqlite leaves its thread to itself when a connection can't be made.
            raise SpoolUnfit(f"there is no spool at {self.path} that may be read")
        try:
            self._reader = await connect(self.path, writing=False)
            await self._reader.run(partial(require_current, path=self.path))
            self.tally.load(dict(map(_counted, await self._rows(SQL["tally"], ()))))
        except DatabaseError as error:
            await self._close_connections()
            raise SpoolUnfit(f"the spool {self.path} can't be read: {error}") from error
        except BaseException:
            await self._close_connections()
            raise

    @contextlib.asynccontextmanager
    async def still(self) -> AsyncGenerator[None]:
        """All that is read within is of one moment, whatever the owner does; its write-ahead log grows meanwhile."""
        await self._reading.execute("BEGIN")
        try:
            yield
        finally:
            await self._reading.execute("ROLLBACK")

    async def close(self) -> None:
        """Look no more."""
        await self._close_connections()


def _counted(row: Sequence[Any]) -> tuple[Cell, tuple[int, int]]:
    return cell_in(row), (row[6], row[7])
