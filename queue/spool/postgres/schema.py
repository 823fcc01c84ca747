"""The migrations that bring the layout up to date, and what else must hold before a spool is opened."""

from collections.abc import Sequence
from typing import Final

from spool.errors import SpoolAbsent, SpoolUnfit
from spool.layout import Outlook, ahead
from spool.postgres.connection import Connection, Trouble, connect, lies_outside, trouble_of
from spool.postgres.settings import PostgresSettings
from spool.postgres.statements import SQL, IndexStep, Migration, migrations

TRIES_MAX: Final = 30
LONGEST_S: Final = 86_400.0
"""A step may take as long as it takes to look through every entry."""


async def bring_up_to_date(db: Connection, known: Sequence[Migration] | None = None) -> None:
    """Apply the migrations that weren't yet, each whole or not at all, one node at a time; others go on working.

    Raises:
        SpoolUnfit: the layout is newer than this program can work with.
    """
    await _make_lock(db)
    version = await check(db)
    is_new = version == 0
    for each in known if known is not None else migrations():
        if each.version > version:
            if each.apart and not is_new:
                await _apply_apart(db, each)
            else:
                await _apply(db, each, each.on_empty_tables() if is_new else each.script)


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


async def outlook(settings: PostgresSettings) -> Outlook:
    """What a start would change of this database's layout.

    Raises:
        SpoolUnfit: it can't be reached, or it is newer than this program can work with.
    """
    try:
        db = await connect(settings)
    except Exception as error:
        if lies_outside(error):
            raise SpoolUnfit(f"the database can't be read: {type(error).__name__}") from error
        raise
    try:
        version = await check(db)
    except SpoolAbsent:
        version = 0
    finally:
        await db.close()
    return ahead(version, [(each.version, each.script) for each in migrations()])


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


async def _apply(db: Connection, migration: Migration, script: str) -> None:
    for _ in range(TRIES_MAX):
        try:
            async with db.transaction():
                await db.execute(SQL["limit_lock_wait"])
                await db.fetchval(SQL["lock_migrations"])
                if (await db.fetchrow(SQL["migrated"]))[0] >= migration.version:
                    return
                await db.execute(script, timeout=LONGEST_S)
                await db.execute(SQL["note_migration"], migration.version, migration.programs_from)
        except Exception as error:
            if trouble_of(error) is not Trouble.AGAIN:
                raise
        else:
            return
    raise SpoolUnfit(
        f"migration {migration.version} got no lock in {TRIES_MAX} tries: the table is held by something long"
    )


async def _apply_apart(db: Connection, migration: Migration) -> None:
    """Index by index; a start that was ended in the middle goes on where it was."""
    await db.execute(SQL["limit_wait_for_others"])
    try:
        for step in migration.indexes():
            await _index(db, step)
    finally:
        await db.execute(SQL["limit_no_wait"])
    await _apply(db, migration, SQL["nothing"])


async def _index(db: Connection, step: IndexStep) -> None:
    for _ in range(TRIES_MAX):
        try:
            while await db.fetchval(SQL["is_being_made"], step.name):
                await db.fetchval(SQL["wait_a_second"])
            state = await db.fetchval(SQL["index_state"], step.name)
            if state is (True if step.made else None):
                return
            # An index whose making was ended in the middle is there, is written to, and answers nothing.
            dropping = SQL["drop_index"].replace("/*index*/", step.name)
            await db.execute(step.statement if state is None else dropping, timeout=LONGEST_S)
        except Exception as error:
            if trouble_of(error) is not Trouble.AGAIN:
                raise
    raise SpoolUnfit(f"the index {step.name} could not be made in {TRIES_MAX} tries: something long holds it up")
