"""What is asked of a database before its spool is opened, each over a connection of its own."""

from collections.abc import Awaitable, Callable

from spool.postgres.connection import Connection, means_gone, not_opened
from spool.postgres.settings import PostgresSettings
from spool.postgres.statements import SQL

Connect = Callable[[PostgresSettings], Awaitable[Connection]]


async def answers(connect: Connect, settings: PostgresSettings) -> bool:
    """It can be reached."""
    try:
        db = await connect(settings)
    except Exception as error:  # noqa: BLE001 - what else is wrong with it, opening says
        return not means_gone(error)
    db.terminate()
    return True


async def time_us(connect: Connect, settings: PostgresSettings) -> int:
    """Its time, microseconds since 1970.

    Raises:
        SpoolUnfit, SpoolAway: as where it is opened.
    """
    try:
        db = await connect(settings)
        try:
            now_us: int = await db.fetchval(SQL["time"])
        finally:
            db.terminate()
    except Exception as error:
        raise not_opened(error) or error from error
    return now_us
