"""What one commit does with everything that waited: a transaction, its sync, and a result for each."""

import os
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from spool.errors import StorageFull, StorageUncertain
from spool.sqlite.connection import DatabaseError, OperationalError
from spool.sqlite.held import Held
from spool.sqlite.transaction import NotAll, Transaction
from spool.work import Insertion, Reversing, Work


class Disk(NamedTuple):
    """Where a spool is kept, as far as a commit must know."""

    #: Its folder, of whose file system `reserve_bytes` are left free.
    folder: str
    reserve_bytes: int
    #: Takes SQLite's log to disk; raises OSError.
    sync: Callable[[], None]

    def is_short(self) -> bool:
        """Less is free than is to be left."""
        if not self.reserve_bytes:
            return False
        disk = os.statvfs(self.folder)
        return disk.f_bavail * disk.f_frsize < self.reserve_bytes


def commit(db: Any, works: Sequence[Work], held: Held, disk: Disk) -> list[Any]:
    """Do everything in one transaction and sync it; one result (or error of its own) for each work, in order.

    Raises:
        StorageFull: nothing was stored (the statements failed and were rolled back).
        StorageUncertain: the commit itself raised, or its sync; nobody knows.
    """
    if disk.is_short():
        return _commit_without_insertions(db, works, held, disk)
    return _commit(db, works, held, disk)


def _commit(db: Any, works: Sequence[Work], held: Held, disk: Disk) -> list[Any]:
    try:
        results = _transact(db, works, held)
    except OperationalError as error:
        _roll_back(db)
        raise StorageFull(f"nothing was stored: {error}") from error
    except Exception as error:  # noqa: BLE001 - whatever a work breaks, its neighbours go on
        _roll_back(db)
        return [error] if len(works) == 1 else [_alone(db, work, held, disk) for work in works]
    try:
        db.execute("COMMIT")
        disk.sync()
    except (DatabaseError, OSError) as error:
        raise StorageUncertain(f"the commit failed: {error}") from error
    held.come_true()
    return results


def _transact(db: Any, works: Sequence[Work], held: Held) -> list[Any]:
    """Begin, and do everything at once; where that doesn't go, begin anew and do it row by row."""
    db.execute("BEGIN IMMEDIATE")
    try:
        return Transaction(db, held, at_once=True).apply(works)
    except NotAll:
        db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        return Transaction(db, held, at_once=False).apply(works)


def _alone(db: Any, work: Work, held: Held, disk: Disk) -> Any:
    """A work in a commit of its own: one that breaks a rule must not take its neighbours with it."""
    try:
        (result,) = _commit(db, [work], held, disk)
    except StorageFull as full:
        return full  # of this work alone: those before it are on disk
    return result


def _commit_without_insertions(db: Any, works: Sequence[Work], held: Held, disk: Disk) -> list[Any]:
    """What may go on when the disk is down to its reserve: settling yes, new entries no."""
    full = StorageFull("the disk is down to its reserve; nothing was stored")
    rest = [work for work in works if not isinstance(work, Insertion | Reversing)]
    results = iter(_commit(db, rest, held, disk) if rest else [])
    return [full if isinstance(work, Insertion | Reversing) else next(results) for work in works]


def _roll_back(db: Any) -> None:
    """Undo what the transaction did, unless SQLite has done so by itself."""
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
    except DatabaseError as error:
        raise StorageUncertain(f"what failed could not be rolled back: {error}") from error
