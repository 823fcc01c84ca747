"""The key store in a PostgreSQL database, so that a key one node makes is every node's.

Wrapped keys alone are in it, as in the file (`spool.keystore`). A destroyed key lives on in the database's own backups and
archived logs until they are thrown away; so where keys are to be destroyed in time, this is better a database apart from
the spool's, with backups that are kept less long.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from spool.errors import KeysAway, KeysChanged, KeysUnfit, SpoolUnfit
from spool.keystore import KeptKeys, raised, read_kept, written
from spool.postgres.connection import Connection, Trouble, connect, lies_outside, passes_by_itself, trouble_of
from spool.postgres.settings import PostgresSettings
from spool.postgres.statements import SQL

T = TypeVar("T")

PLACE: Final = "in the database"


class PostgresKeyStore:
    """A `KeyPlace` of one row. Each call has a connection of its own: keys change once a day."""

    def __init__(self, dsn: str) -> None:
        """Keep keys in the database that `dsn` leads to; it holds a password."""
        self._settings = PostgresSettings(dsn=dsn)

    def __repr__(self) -> str:
        return "PostgresKeyStore()"

    @property
    def place(self) -> str:
        """Where it is, in words."""
        return PLACE

    def exists(self) -> bool:
        """Is there one?

        Raises:
            KeysUnfit: the database can't be asked.
        """

        async def asking(db: Connection) -> bool:
            return await _text(db) is not None

        return self._do(asking)

    def read(self) -> KeptKeys:
        """What is in it.

        Raises:
            KeysUnfit: it is missing or damaged, or the database can't be asked.
        """

        async def reading(db: Connection) -> bytes | None:
            return await _text(db)

        text = self._do(reading)
        if text is None:
            raise KeysUnfit(f"there is no key store {PLACE}; for a new spool it is made at the first start")
        return read_kept(text, PLACE)

    def make(self, kept: KeptKeys) -> None:
        """Write a new one; never over another.

        Raises:
            KeysChanged: another node was faster.
            KeysUnfit: it can't be written.
        """

        async def making(db: Connection) -> str:
            await _make_table(db)
            said: str = await db.execute(SQL["make_key_store"], written(kept))
            return said

        if self._do(making) != "INSERT 0 1":
            raise KeysChanged(f"another node made the key store {PLACE} meanwhile")

    def change(self, before: KeptKeys, after: KeptKeys) -> KeptKeys:
        """Write what `before` became, if it is what is there still; says what is there now.

        Raises:
            KeysChanged: somebody else was faster; nothing was written.
            KeysUnfit: it can't be written, or nobody knows whether it was.
        """
        new = raised(before, after, PLACE)

        async def changing(db: Connection) -> str:
            said: str = await db.execute(SQL["change_key_store"], written(before), written(new))
            return said

        if self._do(changing) != "UPDATE 1":
            raise KeysChanged(f"the key store {PLACE} was changed by somebody else meanwhile; look again")
        return new

    def _do(self, work: Callable[[Connection], Awaitable[T]]) -> T:
        async def doing() -> T:
            db = await connect(self._settings)
            try:
                return await work(db)
            finally:
                db.terminate()

        try:
            return asyncio.run(doing())
        except SpoolUnfit as unfit:
            raise KeysUnfit(str(unfit)) from None
        except Exception as error:
            if not lies_outside(error):
                raise
            kind = KeysAway if passes_by_itself(error) else KeysUnfit
            raise kind(f"the key store {PLACE} can't be asked now: {type(error).__name__}") from error


async def _text(db: Connection) -> bytes | None:
    if not await db.fetchval(SQL["key_store_is_there"]):
        return None
    found: bytes | None = await db.fetchval(SQL["key_store"])
    return found


async def _make_table(db: Connection) -> None:
    """Two nodes at once: the second is refused, and finds it made."""
    try:
        await db.execute(SQL["lay_out_key_store"])
    except Exception as error:
        if trouble_of(error) is not Trouble.AGAIN:
            raise
        await db.execute(SQL["lay_out_key_store"])
