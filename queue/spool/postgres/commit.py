"""What one commit does with everything that waited: a transaction, done anew where others were faster."""

from collections.abc import Sequence
from typing import Any, Final

from spool.errors import SpoolClosed, StorageFull, StorageUncertain
from spool.evidence.growth import Head
from spool.postgres.at_once import AtOnce, Fared, written_at_once
from spool.postgres.connection import Connection, Trouble, means_gone, trouble_of, was_rolled_back
from spool.postgres.seat import LeaseLost, Seat
from spool.postgres.transaction import Transaction
from spool.postgres.work import Work

TRIES_MAX: Final = 10
"""How often a transaction that others were in the way of is done anew before each work is tried alone, and gives up."""

SKIPS_MAX: Final = 15
"""Commits in a row that aren't tried at once, while others move the log's end."""

_STANDBY_WARNING: Final = "01000"
"""Class of the warning with which a commit says that it waited for its standby in vain."""


class Lost(SpoolClosed):
    """The connection is gone, and nothing was stored."""


class Writer:
    """The one connection that writes, and under which lease."""

    def __init__(self, db: Connection, seat: Seat, lease_s: float) -> None:
        """Listen to what the server says beside its answers."""
        self.db = db
        self.seat = seat
        self._lease_s = lease_s
        self._warned = False
        #: The log's end as this node left it, if it knows.
        self._head: Head | None = None
        #: Commits that go the longer way first, as other nodes write; and how many the last time.
        self._skips = self._skipped = 0
        db.add_log_listener(self._hear)

    def _hear(self, _db: Connection, message: Any) -> None:
        """A commit whose wait for a standby was broken off says so in a warning, and is no error."""
        self._warned = self._warned or message.sqlstate == _STANDBY_WARNING

    async def commit(self, works: Sequence[Work]) -> list[Any]:
        """Do everything in one transaction; one result (or error of its own) for each work, in order.

        Raises:
            StorageFull, Lost, LeaseLost: nothing was stored.
            StorageUncertain: the commit itself raised; nobody knows.
        """
        at_once = written_at_once(works)
        fared = await self._by_itself(at_once) if at_once is not None else Fared.IN_THE_WAY
        if at_once is not None and fared is Fared.STORED:
            return list(at_once.results)
        return await self._longer(works, at_once if fared is Fared.BEHIND else None)

    async def _longer(self, works: Sequence[Work], at_once: AtOnce | None) -> list[Any]:
        """By a transaction of several statements, as often as the server wants it."""
        results: list[Any] | None = None
        for _ in range(TRIES_MAX):
            try:
                results = await self._transact(works, at_once)
            except (LeaseLost, StorageUncertain):
                raise
            except Exception as error:
                trouble = trouble_of(error)
                if trouble is Trouble.GONE:
                    raise Lost(f"nothing was stored: {type(error).__name__}") from error
                if trouble is Trouble.NO_ROOM:
                    await self._roll_back()
                    raise StorageFull(f"nothing was stored: {type(error).__name__}") from error
                if trouble is Trouble.ITS_OWN:
                    await self._roll_back()
                    return [error] if len(works) == 1 else [await self._alone(work) for work in works]
            if results is not None:
                return results
            await self._roll_back()
        if len(works) == 1:
            return [StorageFull(f"nothing was stored: others were in the way {TRIES_MAX} times")]
        return [await self._alone(work) for work in works]

    async def _by_itself(self, at_once: AtOnce) -> Fared:
        """On disk by one statement; or nothing was stored, and the longer way tells why or stores it."""
        self._skips -= 1
        if self._head is None or self._skips >= 0:
            return Fared.BEHIND
        self._warned = False
        try:
            fared = await at_once.by_itself(self.db, self.seat, self._lease_s, self._head)
        except Exception as error:
            if means_gone(error):
                raise StorageUncertain(f"the commit failed: {type(error).__name__}") from error
            return Fared.IN_THE_WAY  # an error of the server's before the commit: it stores nothing of such a statement
        if self._warned:
            raise StorageUncertain("the commit did not wait for its standby to the end")
        if fared is Fared.BEHIND:
            self._skipped, self._head = min(2 * self._skipped + 1, SKIPS_MAX), None
        else:
            self._skipped, self._head = 0, at_once.head or self._head
        self._skips = self._skipped
        return fared

    async def _transact(self, works: Sequence[Work], at_once: AtOnce | None) -> list[Any] | None:
        """The results, on disk; None when the server wants it done anew."""
        await self.db.execute("BEGIN")
        transaction = Transaction(self.db, self.seat, at_once)
        results = await transaction.apply(works, self._lease_s)
        self._warned = False
        try:
            said = await self.db.execute("COMMIT")
        except Exception as error:
            if was_rolled_back(error):
                return None
            raise StorageUncertain(f"the commit failed: {type(error).__name__}") from error
        if self._warned:
            raise StorageUncertain("the commit did not wait for its standby to the end")
        if said != "COMMIT":
            return None
        self._head = transaction.committed() or self._head
        return results

    async def _alone(self, work: Work) -> Any:
        """A work in a commit of its own: one that breaks a rule must not take its neighbours with it."""
        try:
            (result,) = await self.commit([work])
        except (StorageFull, SpoolClosed) as error:
            return error  # of this work alone: those before it are on disk
        return result

    async def _roll_back(self) -> None:
        """Undo what the transaction did; where nothing is under way, nothing happens but a warning.

        Raises:
            Lost: the connection went meanwhile, which undid it as well.
        """
        try:
            await self.db.execute("ROLLBACK")
        except Exception as error:
            raise Lost(f"nothing was stored: {type(error).__name__}") from error
