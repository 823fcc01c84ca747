"""Connections to PostgreSQL: how they are made, and what the errors of the driver mean.

The split that matters is made here: which errors say that the connection or the server is gone, which that the database
wants the transaction again, and which that it has no room. Everything else is an error of what was asked.
"""

import contextlib
import enum
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it comes without types
from asyncpg import exceptions as _said  # pyright: ignore[reportMissingTypeStubs]  # as above

from spool.errors import SpoolAway, SpoolBusy, SpoolClosed, SpoolUnfit, StorageFull, StorageUncertain
from spool.postgres.settings import PostgresSettings

_driver: Any = asyncpg
_errors: Any = _said

Connection = Any
"""A connection of the driver, which comes without types."""

Pool = Any
"""The same of a pool."""

_GONE: Final[tuple[type[BaseException], ...]] = (
    OSError,
    TimeoutError,
    _errors.InterfaceError,
    _errors.InternalClientError,
    _errors.PostgresConnectionError,
    _errors.OperatorInterventionError,
    _errors.ReadOnlySQLTransactionError,
    _errors.TooManyConnectionsError,
)
"""The server or the connection is gone, or it isn't the primary any more. What was not committed by then never will be."""

_AGAIN: Final[tuple[type[BaseException], ...]] = (
    _errors.SerializationError,
    _errors.DeadlockDetectedError,
    _errors.TransactionRollbackError,
    _errors.UniqueViolationError,
    _errors.LockNotAvailableError,
    # Two nodes lay out the same at once.
    _errors.DuplicateObjectError,
    _errors.DuplicateTableError,
)
"""Others were faster, and nothing was stored: the same transaction, done anew, sees what they did."""

_NO_ROOM: Final[type[BaseException]] = _errors.InsufficientResourcesError
"""The server has no disk or no memory left."""

_SESSION: Final = {
    # Figures of a table that was small when a statement was planned must not lead it through all of a large one: every
    # statement here is meant to go by an index, row by row.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    # Of a table nobody has looked through yet the server takes an index of all that waits for one of a few rows, reads all
    # of them and sorts them, for the first few: claiming 64 of a hundred thousand took a quarter of a second.
    "enable_bitmapscan": "off",
    "jit": "off",
    "timezone": "UTC",
    "application_name": "nightsafe",
}


_WRITING: Final = {
    # Planning what a commit does costs a third of it, and comes to the same each time. What persons ask is planned for what
    # they ask: which index serves it depends on that.
    "plan_cache_mode": "force_generic_plan",
}


async def connect(settings: PostgresSettings) -> Connection:
    """A connection to the server that takes writes, whichever of those named that is.

    Raises:
        SpoolUnfit: the URL can't be understood.
        Exception: what the driver says (`trouble_of`).
    """
    try:
        return await _driver.connect(**_options(settings, _WRITING))
    except ValueError:  # not chained: what the driver quotes may be a piece of the password
        raise SpoolUnfit(
            "the database's URL can't be understood: it is to be like postgresql://user:password@host:5432/database, with"
            " other characters than letters and digits in the password as %40 for @, and so on"
        ) from None


class Readers:
    """Connections for reading. Whoever finds none free waits for one, but not for long: `TimeoutError`."""

    def __init__(self, pool: Pool, wait_s: float) -> None:
        """Some of the driver's, for which one waits at most so long."""
        self._pool, self._wait_s = pool, wait_s

    def acquire(self) -> Any:
        """One of them, for as long as the context lasts."""
        return self._pool.acquire(timeout=self._wait_s)

    async def fetch(self, sql: str, *values: Any) -> Any:
        """What a statement finds."""
        async with self.acquire() as db:
            return await db.fetch(sql, *values)

    async def fetchval(self, sql: str, *values: Any) -> Any:
        """The first value of that."""
        async with self.acquire() as db:
            return await db.fetchval(sql, *values)

    def terminate(self) -> None:
        """Hang up, whatever is under way."""
        self._pool.terminate()


class Lent(Readers):
    """One connection in the place of many, for as long as all is to be read by it."""

    def __init__(self, db: Connection) -> None:
        """Its owner ends it."""
        super().__init__(None, 0.0)
        self._db = db

    def acquire(self) -> Any:
        """The one, for as long as the context lasts."""
        return contextlib.nullcontext(self._db)


async def pool(settings: PostgresSettings) -> Readers:
    """Connections for reading."""
    made = await _driver.create_pool(
        **_options(settings, {}), min_size=1, max_size=settings.readers_max, max_inactive_connection_lifetime=60.0
    )
    return Readers(made, settings.connect_s)


def _options(settings: PostgresSettings, more: dict[str, str]) -> dict[str, Any]:
    return {
        "dsn": settings.dsn,
        "timeout": settings.connect_s,
        "command_timeout": settings.statement_s,
        "target_session_attrs": "read-write",
        "server_settings": {
            **_SESSION,
            **more,
            # A node that stands still within a transaction holds what others wait for: the server ends it then.
            "idle_in_transaction_session_timeout": f"{settings.silence_s * 1000:.0f}ms",
        },
    }


class Trouble(enum.Enum):
    """What an error of the driver or the server means for a transaction that was not committed."""

    GONE = enum.auto()
    AGAIN = enum.auto()
    NO_ROOM = enum.auto()
    ITS_OWN = enum.auto()
    """It lies in what was asked, and nowhere else."""


def trouble_of(error: Exception) -> Trouble:
    """What an error means."""
    # The driver calls a value it can't encode an error of its interface, as it does the loss of a connection.
    if isinstance(error, _GONE) and not isinstance(error, ValueError):
        return Trouble.GONE
    if isinstance(error, _AGAIN):
        return Trouble.AGAIN
    return Trouble.NO_ROOM if isinstance(error, _NO_ROOM) else Trouble.ITS_OWN


def lies_outside(error: Exception) -> bool:
    """The server or the way to it is what is wrong: gone, or not as we need it (a password, a right, a name)."""
    return means_gone(error) or isinstance(error, _errors.PostgresError)


def means_gone(error: Exception) -> bool:
    """Whether only another connection can help."""
    return trouble_of(error) is Trouble.GONE


def passes_by_itself(error: Exception) -> bool:
    """Gone, without room, or with others in the way: the same may go well later, with nobody's help but theirs."""
    return trouble_of(error) is not Trouble.ITS_OWN


def not_opened(error: Exception) -> SpoolUnfit | None:
    """What is said of a spool whose opening met an error; None of what is the caller's as it is: our own words, and bugs."""
    if means_gone(error) or isinstance(error, SpoolClosed | StorageUncertain):
        return SpoolAway(f"the database can't be reached: {type(error).__name__}")
    if passes_by_itself(error) or isinstance(error, StorageFull):
        return SpoolBusy(f"the database has no room, or others are in the way: {type(error).__name__}")
    return (
        SpoolUnfit(f"the database can't be opened as a spool: {type(error).__name__}") if lies_outside(error) else None
    )


def said_of(error: BaseException) -> str:
    """What is told of it. What the driver says holds no data of ours, but may name hosts: of that its class is enough."""
    return str(error) if isinstance(error, SpoolClosed | SpoolUnfit) else type(error).__name__


def was_rolled_back(error: Exception) -> bool:
    """Of an error of a commit: surely nothing of it was stored."""
    return isinstance(error, _errors.TransactionRollbackError)
