"""One transaction, in the writing connection's thread: plain functions over the driver's connection.

New entries go first, then all moves, then the rest in the order it came. Nothing in a batch depends on anything else in
it, as nobody was told of it yet; moves of one entry that cross are told apart by their compare-and-set. Each group is
tried as one statement over all its rows; only when a row does not take (a key known already, an entry that had changed)
is the whole done again row by row to see which. Few statements matter: each lets go of the interpreter's lock, and must
win it back from a busy event loop.

Members of enumerations are bound as plain integers (`+state`): the driver takes exact types as they are, and looks for an
adapter for each other one, which costs more than all the rest of a row.
"""

from collections.abc import Sequence
from itertools import count
from typing import Any, Final

from msgspec.structs import replace

from spool.account import AccountNote
from spool.entry import Draft, Entry
from spool.errors import SpoolClosed, SpoolError
from spool.evidence import leaf
from spool.evidence.growth import Block
from spool.evidence.resealing import resealed
from spool.forgetting import Forgotten
from spool.lifecycle import CANCEL, FINAL, UNSENT, State, Told
from spool.rows import entry_of, event_row, new_row
from spool.sqlite.held import Held
from spool.sqlite.statements import SQL, ManyRows
from spool.store import Inserted, Known, Move, NotReversible
from spool.tally import Cell
from spool.uses import UseChanges
from spool.work import (
    FORGOTTEN,
    Acting,
    Behind,
    Exchange,
    Followers,
    Forgetting,
    Insertion,
    Memo,
    Moves,
    Notes,
    Planned,
    Resealing,
    Reversing,
    Spend,
    Work,
    cell_of,
    entry_from,
    place_of,
)

_INSERT: Final = ManyRows("insert_entries", 20)
_MOVE: Final = ManyRows("move_entries", 13)
_EVENT: Final = ManyRows("insert_events", 12)
_TALLY: Final = ManyRows("add_to_tally", 8)
_USE: Final = ManyRows("add_to_key_uses", 4)
_KEY: Final = ManyRows("index_keys", 2)
_NOTE: Final = ManyRows("note_accounts", 7)

_LOOKED_UP: Final = None
"""In the place of a row's hash: whoever else has it is known to have another key."""


class NotAll(Exception):
    """A row of a statement over many did not take: a known key, or an entry that had changed."""


class Transaction:
    """What is done between BEGIN and COMMIT. Not for a second use."""

    __slots__ = ("_at_once", "_db", "_deltas", "_growth", "_keys", "_uses")

    def __init__(self, db: Any, held: Held, *, at_once: bool) -> None:
        """With nothing counted, no key taken and nothing proven yet.

        Args:
            db: the driver's connection, in a transaction.
            held: what memory holds of the file as of the last commit; to come true with this one.
            at_once: one statement for all rows of a kind, and `NotAll` when one does not take; else row by row.
        """
        self._db = db
        self._at_once = at_once
        self._keys, self._growth = held
        held.begin()
        self._deltas: dict[Cell, list[int]] = {}
        self._uses = UseChanges()

    def apply(self, works: Sequence[Work]) -> list[Any]:
        """Do all works; one result for each, in order.

        Raises:
            NotAll: only row by row can tell.
        """
        insertions = [work for work in works if type(work) is Insertion]
        planned = [each for work in works if type(work) is Moves for each in work.planned]
        inserted = iter(self._insert(insertions))
        moved = iter(self._move(planned))
        results = [
            next(inserted)
            if type(work) is Insertion
            else [next(moved) for _ in work.planned]
            if type(work) is Moves
            else self._do(work)
            for work in works
        ]
        self._index_some()
        self._execute(
            _TALLY,
            [
                (cell.route, cell.channel, cell.currency, +cell.kind, +cell.state, +cell.told, entries, amount)
                for cell, (entries, amount) in self._deltas.items()
                if entries or amount
            ],
        )
        self._execute(_USE, self._uses.rows())
        block = self._growth.block()
        if block is not None:
            self._db.execute(SQL["insert_block"], block_row(block))
        return results

    def _do(self, work: Work) -> Any:
        if isinstance(work, Reversing):
            return self._reverse(work)
        if isinstance(work, Behind):
            self._db.executemany(SQL["set_behind"], [(entry.number, entry.epoch) for entry in work.entries])
            return None
        if isinstance(work, Followers):
            return self._followers(work)
        if isinstance(work, Exchange):
            return self._exchange(work)
        if isinstance(work, Acting):
            return self._act(work)
        if isinstance(work, Resealing):
            return [self._reseal(entry, sealed, work.key_id) for entry, sealed in work.anew]
        if isinstance(work, Spend):
            return self._spend(work)
        if isinstance(work, Forgetting):
            return self._forget(work)
        if isinstance(work, Notes):
            self._execute(_NOTE, [_note_row(note) for note in work.notes])
            return None
        assert isinstance(work, Memo)
        self._db.execute(SQL["remember"], (work.name, work.value))
        return None

    def _exchange(self, work: Exchange) -> bool:
        row = self._db.execute(SQL["recall"], (work.name,)).fetchone()
        if (None if row is None else row[0]) != work.known:
            return False
        self._db.execute(SQL["remember"], (work.name, work.value))
        self._act(work.told)
        return True

    def _reseal(self, known: Entry | AccountNote, sealed: bytes, key_id: int) -> bool:
        if isinstance(known, AccountNote):
            return bool(self._db.execute(SQL["reseal_note"], (key_id, sealed, known.lane, known.key_id)).rowcount)
        row = self._db.execute(SQL["get_entry"], (known.number,)).fetchone()
        if row is None or (now := entry_of(row)).key_id != known.key_id:
            return False
        self._db.execute(SQL["reseal"], (key_id, sealed, known.number, known.key_id))
        self._uses.reseal(now, key_id)
        event = resealed(now, replace(now, key_id=key_id, sealed=sealed), self._growth.size)
        self._growth.add(leaf.moved(event), event.at_us)
        self._execute(_EVENT, [event_row(event)])
        return True

    def _forget(self, work: Forgetting) -> Forgotten:
        before_us = work.past.changed_before_us
        stretch = (before_us, before_us, work.after, work.past.before, work.limit)
        rows = self._db.execute(SQL["stretch"], stretch).fetchall()
        over = [entry_of(row) for row in rows if row[-1]]
        if over:
            places = [row[-2] for row in rows if row[-1]]
            work.take(over)
            for entry in over:
                places += [row[0] for row in self._db.execute(SQL["forget_events"], (entry.number,))]
                self._db.execute(SQL["forget_entry"], (entry.number,))
                hashed = self._keys.hash(entry.channel, entry.key)
                self._keys.release(hashed, entry.number)
                self._db.execute(SQL["forget_key"], (hashed, entry.number))
                self._count(cell_of(entry), -1, -entry.amount)
                self._uses.forget(entry)
            name, value, told = work.told(over, places, self._growth.size)
            self._db.execute(SQL["remember"], (name, value))
            self._act(told)
        return Forgotten(len(over), rows[-1][0] if rows else 0)

    def _act(self, work: Acting) -> Any:
        act = replace(work.act, leaf=self._growth.add(leaf.acted(work.act), work.act.at_us))
        row = (act.leaf, act.at_us, act.name, act.subject, act.detail, act.actor, act.note)
        self._db.execute(SQL["insert_act"], row)
        return act

    def _spend(self, work: Spend) -> bool:
        spending = work.spending
        if work.refunded:
            self._db.execute(SQL["refund"], (spending.amount, spending.day, spending.lane))
            return True
        lanes = (spending.lane, *spending.former)
        rows = [self._db.execute(SQL["spent"], (spending.day, lane)).fetchone() or (0, 0) for lane in lanes]
        if not spending.fits(*map(sum, zip(*rows, strict=True))):
            return False
        self._db.execute(SQL["spend"], (spending.day, spending.lane, spending.amount))
        self._db.execute(SQL["forget_days"], (spending.day - 1,))
        return True

    def _execute(self, statement: ManyRows, rows: Sequence[Sequence[Any]]) -> int:
        """Do a statement over many rows; how many took."""
        return sum(self._db.execute(sql, values).rowcount for sql, values in statement.pieces(rows))

    def _fetch(self, statement: ManyRows, rows: Sequence[Sequence[Any]]) -> list[Any]:
        """Do a statement over many rows; what it tells of those that took."""
        return [row for sql, values in statement.pieces(rows) for row in self._db.execute(sql, values)]

    def _count(self, cell: Cell, entries: int, amount: int) -> None:
        at = self._deltas.get(cell)
        if at is None:
            at = self._deltas[cell] = [0, 0]
        at[0] += entries
        at[1] += amount

    # New entries

    def _insert(self, insertions: Sequence[Insertion]) -> Sequence[Inserted | Known]:
        if not insertions:
            return ()
        if not self._at_once:
            return [self._insert_one(work.entry) for work in insertions]
        entries = [work.entry for work in insertions]
        hashed = [self._keys.hash(entry.channel, entry.key) for entry in entries]
        if not self._keys.hold_all(zip(hashed, [entry.number for entry in entries], strict=True)):
            raise NotAll
        leaves = [leaf.accepted(entry, entry.state, entry.told) for entry in entries]
        first = self._growth.add_all(leaves, max(entry.accepted_at_us for entry in entries))
        rows = list(map(_row_of, entries, hashed, count(first)))
        if self._execute(_INSERT, rows) != len(rows):
            raise NotAll
        for work in insertions:
            self._count(work.cell, 1, work.entry.amount)
        self._uses.record_all(entries)
        return [Inserted(entry=entry) for entry in entries]

    def _prove(self, entry: Entry) -> int:
        """A new entry's place in the log."""
        return self._growth.add(leaf.accepted(entry, entry.state, entry.told), entry.accepted_at_us)

    def _insert_one(self, entry: Entry) -> Inserted | Known:
        known = self._find(entry.channel, entry.key)
        if known is not None:
            return Known(entry=known)
        self._record(entry)
        return Inserted(entry=entry)

    def _record(self, entry: Entry) -> None:
        """Store an entry whose key nobody owns."""
        hashed = self._keys.hash(entry.channel, entry.key)
        taken = self._execute(_INSERT, [_row_of(entry, _LOOKED_UP, self._prove(entry))])
        assert taken == 1, "it was looked up in this transaction"
        if not self._keys.hold(hashed, entry.number):
            self._execute(_KEY, [(hashed, entry.number)])
        self._count(cell_of(entry), 1, entry.amount)
        self._uses.record(entry)

    def _find(self, channel: str, key: str) -> Entry | None:
        """Who owns a key."""
        hashed = self._keys.hash(channel, key)
        row = self._db.execute(SQL["find_entry"], (self._keys.candidate(hashed), hashed, channel, key)).fetchone()
        return None if row is None else entry_of(row)

    def _index_some(self) -> None:
        """Take the keys whose turn it is into the table."""
        rows, indexed_to = self._keys.sweep()
        self._execute(_KEY, rows)
        if indexed_to:
            self._db.execute(SQL["mark_keys"], (indexed_to,))

    # Moves

    def _move(self, moves: Sequence[Planned]) -> Sequence[bool]:
        """Make moves by compare-and-set, tell the history, count the difference."""
        if not moves:
            return ()
        rows = [_move_row(each) for each in moves]
        if self._at_once:
            key_ids = dict(self._fetch(_MOVE, rows))
            if len(key_ids) != len(rows):
                raise NotAll
            results, done = [True] * len(rows), moves
        else:
            made = [self._fetch(_MOVE, [row]) for row in rows]
            key_ids = dict(row for found in made for row in found)
            results = [bool(found) for found in made]
            done = [each for each, was_made in zip(moves, results, strict=True) if was_made]
        self._execute(_EVENT, [self._event_row(each) for each in done])
        for each in done:
            amount = each.after.amount
            self._count(each.from_cell, -1, -amount)
            self._count(each.to_cell, 1, amount)
            self._uses.move(key_ids[each.after.number], each.move.entry, each.after)
            if each.move.transition.frees_key:
                self._release(each.after)
        return results

    def _event_row(self, each: Planned) -> tuple[Any, ...]:
        """A move that was made, as its line of history, in its place in the log."""
        event = each.move.told_as(each.after, self._growth.size)
        self._growth.add(leaf.moved(event), event.at_us)
        return event_row(event)

    def _release(self, entry: Entry) -> None:
        """Let an entry go of its key."""
        hashed = self._keys.hash(entry.channel, entry.key)
        self._keys.release(hashed, entry.number)
        self._db.execute(SQL["release_key"], (entry.number,))
        self._db.execute(SQL["forget_key"], (hashed, entry.number))

    # Reversals

    def _reverse(self, work: Reversing) -> Inserted | Known | NotReversible | SpoolError:
        draft = work.draft
        known = self._find(draft.channel, draft.key)
        if known is not None:
            return Known(entry=known)
        row = self._db.execute(SQL["get_entry"], (draft.reverses,)).fetchone()
        if row is None:
            return SpoolClosed(FORGOTTEN)
        payment = entry_of(row)
        other = self._db.execute(SQL["reversal_of"], (draft.reverses,)).fetchone()
        if other is not None:
            return NotReversible(entry=payment, reversal=entry_of(other))
        if payment.state in FINAL and payment.state is not State.POSTED:
            return NotReversible(entry=payment)
        reversal = entry_from(_placed(draft, payment.state), work.key_id, work.sealed)
        if reversal.state is State.CANCELLED:
            self._cancel(payment, draft.accepted_at_us)
        self._record(reversal)
        return Inserted(entry=reversal, netted=payment if reversal.state is State.CANCELLED else None)

    def _cancel(self, payment: Entry, at_us: int) -> None:
        move = Move(entry=payment, transition=CANCEL, at_us=at_us, reason="reversed")
        (made,) = self._move([Planned(move)])
        assert made, "nobody else writes between the read and this write"

    def _followers(self, work: Followers) -> list[Entry]:
        rows = self._db.execute(SQL["followers"], (work.route, work.lane, work.limit)).fetchall()
        found = [entry_of(row) for row in rows]
        self._db.executemany(SQL["restore_arrival"], [(entry.number,) for entry in found])
        return found


def _placed(draft: Draft, payment: State) -> Draft:
    """The reversal as it is recorded beside a payment in this state (see `Store.reverse`)."""
    if payment is State.POSTED:
        return draft
    if payment in UNSENT:
        return replace(draft, state=State.CANCELLED, told=Told.POSTED)
    return replace(draft, state=State.READY, told=Told.PROVISIONAL)


def _row_of(entry: Entry, hashed: int | None, leaf: int) -> tuple[Any, ...]:
    return (*new_row(entry), hashed, leaf, entry.rank)


def _note_row(note: AccountNote) -> tuple[Any, ...]:
    known = None if note.known is None else int(note.known)
    denied = None if note.denied is None else int(note.denied)
    urgent = None if note.urgent is None else int(note.urgent)
    return (note.lane, known, denied, note.seen_at_us, note.key_id, note.sealed, urgent)


def _move_row(each: Planned) -> tuple[Any, ...]:
    entry, after = each.move.entry, each.after
    return (
        entry.number,
        +entry.state,
        entry.epoch,
        +entry.told,
        +after.state,
        after.epoch,
        +after.told,
        after.attempts,
        place_of(after.state, after.due_at_us),
        after.due_at_us,
        after.changed_at_us,
        after.reason,
        after.core_id,
    )


def block_row(block: Block) -> tuple[Any, ...]:
    """A block as `insert_block` takes it."""
    return block.first, block.size, block.at_us, block.peaks, block.leaves
