"""Connections to PostgreSQL: how they are made, and what the errors of the driver mean.

The split that matters is made here: which errors say that the connection or the server is gone, which that the database
wants the transaction again, and which that it has no room. Everything else is an error of what was asked.
"""

import enum
from typing import Any, Final

import asyncpg  # type: ignore[import-untyped]  # pyright: ignore[reportMissingTypeStubs]  # it comes without types
from asyncpg import exceptions as _said  # pyright: ignore[reportMissingTypeStubs]  # as above

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
    """A connection to the server that takes writes, whichever of those named that is."""
    return await _driver.connect(**_options(settings, _WRITING))


async def pool(settings: PostgresSettings) -> Pool:
    """Connections for reading."""
    return await _driver.create_pool(
        **_options(settings, {}), min_size=1, max_size=settings.readers_max, max_inactive_connection_lifetime=60.0
    )


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


def was_rolled_back(error: Exception) -> bool:
    """Of an error of a commit: surely nothing of it was stored."""
    return isinstance(error, _errors.TransactionRollbackError)
