"""What one commit does with everything that waited: a transaction, its sync, and a result for each."""

import os
from collections.abc import Sequence
from typing import Any

from spool.errors import StorageFull, StorageUncertain
from spool.sqlite.connection import DatabaseError, OperationalError
from spool.sqlite.keys import Keys
from spool.sqlite.transaction import NotAll, Transaction
from spool.sqlite.work import Insertion, Reversing, Work


def commit(db: Any, works: Sequence[Work], keys: Keys, reserve_bytes: int, folder: str) -> list[Any]:
    """Do everything in one transaction and sync it; one result (or error of its own) for each work, in order.

    Raises:
        StorageFull: nothing was stored (the statements failed and were rolled back).
        StorageUncertain: the commit itself raised; nobody knows.
    """
    if reserve_bytes and _free_bytes(folder) < reserve_bytes:
        return _commit_without_insertions(db, works, keys)
    try:
        results = _transact(db, works, keys)
    except OperationalError as error:
        _roll_back(db)
        raise StorageFull(f"nothing was stored: {error}") from error
    except Exception as error:  # noqa: BLE001 - whatever a work breaks, its neighbours go on
        _roll_back(db)
        return [error] if len(works) == 1 else [_alone(db, work, keys) for work in works]
    try:
        db.execute("COMMIT")
    except DatabaseError as error:
        raise StorageUncertain(f"the commit failed: {error}") from error
    keys.come_true()
    return results


def _transact(db: Any, works: Sequence[Work], keys: Keys) -> list[Any]:
    """Begin, and do everything at once; where that doesn't go, begin anew and do it row by row."""
    db.execute("BEGIN IMMEDIATE")
    try:
        return Transaction(db, keys, at_once=True).apply(works)
    except NotAll:
        db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        return Transaction(db, keys, at_once=False).apply(works)


def _alone(db: Any, work: Work, keys: Keys) -> Any:
    """A work in a commit of its own: one that breaks a rule must not take its neighbours with it."""
    try:
        (result,) = commit(db, [work], keys, 0, "")
    except StorageFull as full:
        return full  # of this work alone: those before it are on disk
    return result


def _free_bytes(folder: str) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _commit_without_insertions(db: Any, works: Sequence[Work], keys: Keys) -> list[Any]:
    """What may go on when the disk is down to its reserve: settling yes, new entries no."""
    full = StorageFull("the disk is down to its reserve; nothing was stored")
    rest = [work for work in works if not isinstance(work, Insertion | Reversing)]
    results = iter(commit(db, rest, keys, 0, "") if rest else [])
    return [full if isinstance(work, Insertion | Reversing) else next(results) for work in works]


def _roll_back(db: Any) -> None:
    """Undo what the transaction did, unless SQLite has done so by itself."""
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
    except DatabaseError as error:
        raise StorageUncertain(f"what failed could not be rolled back: {error}") from error
