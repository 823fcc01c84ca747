"""What one commit does, in the writing connection's thread: plain functions over the driver's connection.

A commit takes everything that waited: new entries first, then all moves, then the rest in the order it came. Nothing in
a batch depends on anything else in it, as nobody was told of it yet; moves of one entry that cross are told apart by
their compare-and-set. Each group is tried as one statement over all its rows; only when the count shows that a row did not
take (a key known already, an entry that had changed) is the whole done again row by row to see which. Few statements matter:
each lets go of the interpreter's lock, and must win it back from a busy event loop.
"""

import os
from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from spool.entry import Draft, Entry
from spool.errors import StorageFull, StorageUncertain
from spool.lifecycle import CANCEL, FINAL, GIVE_BACK, UNSENT, State, Told
from spool.sqlite.connection import DatabaseError, OperationalError
from spool.sqlite.statements import SQL, ManyRows, entry_of
from spool.store import Inserted, Known, Move, NotReversible
from spool.tally import Cell

_INSERT: Final = ManyRows("insert_entries", 22)
_MOVE: Final = ManyRows("move_entries", 13)
_EVENT: Final = ManyRows("insert_events", 9)

_ARRIVAL: Final = 1
_ASIDE: Final = 2

Deltas = dict[Cell, list[int]]


class Insertion:
    """A new entry on its way to disk."""

    __slots__ = ("cell", "entry", "row")

    def __init__(self, draft: Draft, key_id: int, sealed: bytes) -> None:
        """Make the entry and the row of a draft."""
        self.entry = entry_from(draft, key_id, sealed)
        self.row = _row_of(self.entry, draft.state)
        #: Where it is counted.
        self.cell = cell_of(self.entry)


class Reversing:
    """A reversal on its way to disk; where it lands depends on its payment at that moment."""

    __slots__ = ("draft", "key_id", "sealed")

    def __init__(self, draft: Draft, key_id: int, sealed: bytes) -> None:
        """Keep what makes the entry."""
        self.draft, self.key_id, self.sealed = draft, key_id, sealed


class Planned:
    """A move with what it leads to, worked out once."""

    __slots__ = ("after", "from_cell", "move", "to_cell")

    def __init__(self, move: Move) -> None:
        """Look ahead."""
        self.move = move
        self.after = move.after()
        self.from_cell = cell_of(move.entry)
        self.to_cell = cell_of(self.after)


class Moves:
    """Moves that were asked for together."""

    __slots__ = ("planned",)

    def __init__(self, moves: Sequence[Move]) -> None:
        """Keep them in order."""
        self.planned = [Planned(each) for each in moves]


class Behind:
    """Entries to be taken out of arrival order."""

    __slots__ = ("entries",)

    def __init__(self, entries: Sequence[Entry]) -> None:
        """Keep them."""
        self.entries = entries


class Followers:
    """A lane whose entries go back into arrival order."""

    __slots__ = ("lane", "limit", "route")

    def __init__(self, route: str, lane: int, limit: int) -> None:
        """Keep which."""
        self.route, self.lane, self.limit = route, lane, limit


class Memo:
    """A small named value to keep."""

    __slots__ = ("name", "value")

    def __init__(self, name: str, value: bytes) -> None:
        """Keep it."""
        self.name, self.value = name, value


Work = Insertion | Reversing | Moves | Behind | Followers | Memo


def entry_from(draft: Draft, key_id: int, sealed: bytes) -> Entry:
    """The entry a draft becomes. One recorded in flight has begun its first attempt."""
    begun = 1 if draft.state is State.IN_FLIGHT else 0
    at_us = draft.accepted_at_us
    return Entry(
        draft.number,
        draft.id,
        draft.kind,
        draft.channel,
        draft.key,
        draft.fingerprint,
        draft.route,
        draft.lane,
        draft.amount,
        draft.currency,
        at_us,
        draft.state,
        begun,  # epoch
        begun,  # attempts
        0,  # due_at_us
        at_us,  # changed_at_us
        draft.told,
        "",  # reason
        draft.policy,
        draft.reverses,
        "",  # core_id
        key_id,
        sealed,
    )


def commit(db: Any, works: Sequence[Work], reserve_bytes: int, folder: str) -> list[Any]:
    """Do everything in one transaction and sync it; one result (or error of its own) for each work, in order.

    Raises:
        StorageFull: nothing was stored (the statements failed and were rolled back).
        StorageUncertain: the commit itself raised; nobody knows.
    """
    if reserve_bytes and _free_bytes(folder) < reserve_bytes:
        return _commit_without_insertions(db, works)
    try:
        results = _transact(db, works)
    except OperationalError as error:
        _roll_back(db)
        raise StorageFull(f"nothing was stored: {error}") from error
    except Exception as error:  # noqa: BLE001 - whatever a work breaks, its neighbours go on
        _roll_back(db)
        return [error] if len(works) == 1 else [_alone(db, work) for work in works]
    try:
        db.execute("COMMIT")
    except DatabaseError as error:
        raise StorageUncertain(f"the commit failed: {error}") from error
    return results


class _NotAll(Exception):
    """A row of a statement over many did not take: a known key, or an entry that had changed."""


def _transact(db: Any, works: Sequence[Work]) -> list[Any]:
    """Begin, and do everything at once; where that doesn't go, begin anew and do it row by row."""
    db.execute("BEGIN IMMEDIATE")
    try:
        return _apply(db, works, at_once=True)
    except _NotAll:
        db.execute("ROLLBACK")
        db.execute("BEGIN IMMEDIATE")
        return _apply(db, works, at_once=False)


def _alone(db: Any, work: Work) -> Any:
    """A work in a commit of its own: one that breaks a rule must not take its neighbours with it."""
    try:
        (result,) = commit(db, [work], 0, "")
    except StorageFull as full:
        return full  # of this work alone: those before it are on disk
    return result


def _free_bytes(folder: str) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


def _commit_without_insertions(db: Any, works: Sequence[Work]) -> list[Any]:
    """What may go on when the disk is down to its reserve: settling yes, new entries no."""
    full = StorageFull("the disk is down to its reserve; nothing was stored")
    rest = [work for work in works if not isinstance(work, Insertion | Reversing)]
    results = iter(commit(db, rest, 0, "") if rest else [])
    return [full if isinstance(work, Insertion | Reversing) else next(results) for work in works]


def _roll_back(db: Any) -> None:
    """Undo what the transaction did, unless SQLite has done so by itself."""
    try:
        if db.in_transaction:
            db.execute("ROLLBACK")
    except DatabaseError as error:
        raise StorageUncertain(f"what failed could not be rolled back: {error}") from error


def _apply(db: Any, works: Sequence[Work], *, at_once: bool) -> list[Any]:
    deltas: Deltas = {}
    insertions = [work for work in works if isinstance(work, Insertion)]
    planned = [each for work in works if isinstance(work, Moves) for each in work.planned]
    inserted = iter(_insert(db, insertions, deltas, at_once=at_once))
    moved = iter(_move(db, planned, deltas, at_once=at_once))
    results = [
        next(inserted)
        if isinstance(work, Insertion)
        else [next(moved) for _ in work.planned]
        if isinstance(work, Moves)
        else _do(db, work, deltas)
        for work in works
    ]
    for cell, (entries, amount) in deltas.items():
        if (entries or amount) and not db.execute(SQL["add_to_tally"], (entries, amount, *cell)).rowcount:
            db.execute(SQL["begin_tally"], (entries, amount, *cell))
    return results


def _do(db: Any, work: Work, deltas: Deltas) -> Any:
    if isinstance(work, Reversing):
        return _reverse(db, work, deltas)
    if isinstance(work, Behind):
        db.executemany(SQL["set_behind"], [(entry.number, entry.epoch) for entry in work.entries])
        return None
    if isinstance(work, Followers):
        return _followers(db, work)
    assert isinstance(work, Memo)
    db.execute(SQL["remember"], (work.name, work.value))
    return None


def cell_of(entry: Entry) -> Cell:
    """The cell an entry is counted in."""
    return Cell(entry.route, entry.channel, entry.currency, entry.kind, entry.state, entry.told)


def _count(deltas: Deltas, cell: Cell, entries: int, amount: int) -> None:
    at = deltas.get(cell)
    if at is None:
        at = deltas[cell] = [0, 0]
    at[0] += entries
    at[1] += amount


def _row_of(entry: Entry, recorded_as: State) -> tuple[Any, ...]:
    return (
        entry.number,
        entry.id,
        entry.kind,
        entry.channel,
        entry.key,
        entry.fingerprint,
        entry.route,
        entry.lane,
        entry.amount,
        entry.currency,
        entry.accepted_at_us,
        recorded_as,
        entry.policy,
        entry.reverses,
        entry.key_id,
        entry.state,
        place_of(entry.state, entry.due_at_us),
        entry.epoch,
        entry.attempts,
        entry.changed_at_us,
        entry.told,
        entry.sealed,
    )


def place_of(state: State, due_at_us: int) -> int:
    """Where an entry waits: 0 nowhere, 1 in arrival order, 2 aside."""
    if state in FINAL:
        return 0
    return _ARRIVAL if state is State.READY and not due_at_us else _ASIDE


def _insert(db: Any, insertions: Sequence[Insertion], deltas: Deltas, *, at_once: bool) -> list[Inserted | Known]:
    results: list[Inserted | Known]
    if at_once:
        pieces = _INSERT.pieces([work.row for work in insertions])
        _require(sum(db.execute(sql, values).rowcount for sql, values in pieces), len(insertions))
        results = [Inserted(entry=work.entry) for work in insertions]
    else:
        results = [_insert_one(db, work) for work in insertions]
    for work, result in zip(insertions, results, strict=True):
        if isinstance(result, Inserted):
            _count(deltas, work.cell, 1, work.entry.amount)
    return results


def _require(taken: int, wanted: int) -> None:
    if taken != wanted:
        raise _NotAll


def _insert_one(db: Any, work: Insertion) -> Inserted | Known:
    ((sql, values),) = _INSERT.pieces([work.row])
    if db.execute(sql, values).rowcount:
        return Inserted(entry=work.entry)
    known = db.execute(SQL["find_entry"], (work.entry.channel, work.entry.key)).fetchone()
    return Known(entry=entry_of(known))


def _move(db: Any, moves: Sequence[Planned], deltas: Deltas, *, at_once: bool) -> list[bool]:
    """Make moves by compare-and-set, tell the history, count the difference."""
    rows = [_move_row(each) for each in moves]
    if at_once:
        _require(sum(db.execute(sql, values).rowcount for sql, values in _MOVE.pieces(rows)), len(moves))
        results = [True] * len(moves)
    else:
        results = [_move_one(db, row) for row in rows]
    done = [each for each, was_made in zip(moves, results, strict=True) if was_made]
    for each in done:
        if each.move.transition is GIVE_BACK:
            db.execute(SQL["release_key"], (each.move.entry.number,))
    for sql, values in _EVENT.pieces([_event_row(each.move) for each in done]):
        db.execute(sql, values)
    for each in done:
        _count(deltas, each.from_cell, -1, -each.after.amount)
        _count(deltas, each.to_cell, 1, each.after.amount)
    return results


def _move_row(each: Planned) -> tuple[Any, ...]:
    entry, after = each.move.entry, each.after
    return (
        entry.number,
        entry.state,
        entry.epoch,
        entry.told,
        after.state,
        after.epoch,
        after.told,
        after.attempts,
        place_of(after.state, after.due_at_us),
        after.due_at_us,
        after.changed_at_us,
        after.reason,
        after.core_id,
    )


def _move_one(db: Any, row: tuple[Any, ...]) -> bool:
    ((sql, values),) = _MOVE.pieces([row])
    made: int = db.execute(sql, values).rowcount
    return made == 1


def _event_row(each: Move) -> tuple[Any, ...]:
    entry, transition = each.entry, each.transition
    attempt = entry.attempts + 1 if transition.target is State.IN_FLIGHT else entry.attempts
    return (
        entry.number,
        each.at_us,
        transition.name,
        entry.state,
        transition.target,
        attempt,
        each.reason,
        each.actor,
        each.note,
    )


def _reverse(db: Any, work: Reversing, deltas: Deltas) -> Inserted | Known | NotReversible:
    draft = work.draft
    known = db.execute(SQL["find_entry"], (draft.channel, draft.key)).fetchone()
    if known is not None:
        return Known(entry=entry_of(known))
    payment = entry_of(db.execute(SQL["get_entry"], (draft.reverses,)).fetchone())
    other = db.execute(SQL["reversal_of"], (draft.reverses,)).fetchone()
    if other is not None:
        return NotReversible(entry=payment, reversal=entry_of(other))
    if payment.state in FINAL and payment.state is not State.POSTED:
        return NotReversible(entry=payment)
    reversal = entry_from(_placed(draft, payment.state), work.key_id, work.sealed)
    if reversal.state is State.CANCELLED:
        cancelling = Move(entry=payment, transition=CANCEL, at_us=draft.accepted_at_us, reason="reversed")
        (made,) = _move(db, [Planned(cancelling)], deltas, at_once=False)
        assert made, "nobody else writes between this read and this write"
    ((sql, values),) = _INSERT.pieces([_row_of(reversal, reversal.state)])
    db.execute(sql, values)
    _count(deltas, cell_of(reversal), 1, reversal.amount)
    return Inserted(entry=reversal, netted=payment if reversal.state is State.CANCELLED else None)


def _placed(draft: Draft, payment: State) -> Draft:
    """The reversal as it is recorded beside a payment in this state (see `Store.reverse`)."""
    if payment is State.POSTED:
        return draft
    if payment in UNSENT:
        return replace(draft, state=State.CANCELLED, told=Told.POSTED)
    return replace(draft, state=State.READY, told=Told.PROVISIONAL)


def _followers(db: Any, work: Followers) -> list[Entry]:
    rows = db.execute(SQL["followers"], (work.route, work.lane, work.limit)).fetchall()
    found = [entry_of(row) for row in rows]
    db.executemany(SQL["restore_arrival"], [(entry.number,) for entry in found])
    return found
