"""The same spool, only to look at: beside the nodes that work on it, or while there are none."""

import contextlib
from collections.abc import AsyncGenerator

from spool.errors import SpoolAway, SpoolUnfit
from spool.postgres.connection import Lent, lies_outside, passes_by_itself, pool
from spool.postgres.questions import counted, snapshot
from spool.postgres.schema import check
from spool.postgres.settings import PostgresSettings
from spool.postgres.statements import SQL
from spool.postgres.store import PostgresStore


class PostgresReading(PostgresStore):
    """A spool without a seat at it: everything that reads works, everything that writes raises `SpoolClosed`."""

    def __init__(self, settings: PostgresSettings) -> None:
        """Look at the spool where the settings say."""
        super().__init__(settings)
        self._trouble = "opened for reading only"

    async def open(self, now_us: int = 0) -> None:
        """Look at it as it is; nothing in it changes, and the tally stays that of this moment.

        Raises:
            SpoolUnfit: there is no spool, or none that this program knows.
        """
        assert now_us >= 0, "nothing is recorded, so the time doesn't matter"
        try:
            readers = self._readers = await pool(self._settings)
            async with readers.acquire() as db:
                await check(db)
                self._version = db.get_settings().server_version
                self.tally.load(counted(await db.fetch(SQL["tally"])))
        except SpoolUnfit:
            await self.close()
            raise
        except Exception as error:
            await self.close()
            if passes_by_itself(error):
                raise SpoolAway(f"the database can't be read now: {type(error).__name__}") from error
            if lies_outside(error):
                raise SpoolUnfit(f"the database can't be read: {type(error).__name__}") from error
            raise

    @contextlib.asynccontextmanager
    async def still(self) -> AsyncGenerator[None]:
        """All that is read within is of one moment, whatever the nodes do; what they replace is kept that long."""
        readers = self._reading
        async with snapshot(readers) as db:
            self._readers = Lent(db)
            try:
                yield
            finally:
                self._readers = readers

    async def close(self) -> None:
        """Look no more."""
        await self._close_connections()
