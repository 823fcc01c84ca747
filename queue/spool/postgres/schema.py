"""The migrations that bring the layout up to date, and what else must hold before a spool is opened."""

from typing import Final

from spool.errors import SpoolAbsent, SpoolUnfit
from spool.postgres.connection import Connection, Trouble, trouble_of
from spool.postgres.statements import SQL, migrations

TRIES_MAX: Final = 30


async def bring_up_to_date(db: Connection) -> None:
    """Apply the migrations that weren't yet, each whole or not at all, one node at a time.

    Raises:
        SpoolUnfit: the layout is newer than this program can work with.
    """
    await _make_lock(db)
    known = migrations()
    version = await check(db)
    for each in known:
        if each.version > version:
            await _apply(db, each.version, each.programs_from, each.script)


async def check(db: Connection) -> int:
    """The layout's version.

    Raises:
        SpoolAbsent: there is none.
        SpoolUnfit: this program can't work with it.
    """
    if not await db.fetchval(SQL["is_there"]):
        raise SpoolAbsent("there is no spool in this database: start the service once to lay it out")
    version, programs_from = await db.fetchrow(SQL["migrated"])
    known = migrations()[-1].version
    if (programs_from or 0) > known:
        raise SpoolUnfit(
            f"the spool is of version {version} and needs a program that knows {programs_from}; this one knows {known}"
        )
    return version or 0


async def _make_lock(db: Connection) -> None:
    """Two nodes that make it at once: the second is refused, and finds it made."""
    for _ in range(TRIES_MAX):
        try:
            await db.execute(SQL["make_lock"])
            await db.execute(SQL["begin_lock"])
        except Exception as error:
            if trouble_of(error) is not Trouble.AGAIN:
                raise
        else:
            return
    raise SpoolUnfit("the table of migrations can't be made")


async def _apply(db: Connection, version: int, programs_from: int, script: str) -> None:
    for _ in range(TRIES_MAX):
        try:
            async with db.transaction():
                await db.execute(SQL["limit_lock_wait"])
                await db.fetchval(SQL["lock_migrations"])
                if (await db.fetchrow(SQL["migrated"]))[0] >= version:
                    return
                await db.execute(script)
                await db.execute(SQL["note_migration"], version, programs_from)
        except Exception as error:
            if trouble_of(error) is not Trouble.AGAIN:
                raise
        else:
            return
    raise SpoolUnfit(f"migration {version} got no lock in {TRIES_MAX} tries: the table is held by something long")
