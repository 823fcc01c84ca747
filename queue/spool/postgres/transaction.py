"""One transaction of a node: everything that waited, with few statements, each over all rows of its kind.

It begins with the node's own row and the end of the log, in this order in every transaction. As the log has one order,
one transaction at a time adds to it, whichever node's; so nobody waits for anything behind it, and what a transaction reads
(who owns a key, whether a lane is clear, what is exposed) holds until its commit. See decision 0026.
"""

from collections.abc import Sequence
from typing import Any, Final

from msgspec.structs import replace

from spool.account import AccountNote
from spool.away.fate import COMES, Fate
from spool.entry import Act, Draft, Entry
from spool.errors import OverLimit, SpoolClosed, SpoolError
from spool.evidence import leaf
from spool.evidence.growth import Head
from spool.evidence.resealing import resealed
from spool.forgetting import Forgotten
from spool.lifecycle import CANCEL, DOUBT, FINAL, UNSENT, State, Told
from spool.postgres.admission import Admission, InTheWay, is_barred, lane_taken
from spool.postgres.at_once import AtOnce, is_of_new_payments
from spool.postgres.bringing import fates_of, incoming
from spool.postgres.connection import Connection
from spool.postgres.recording import Newcomers, Recording, columns
from spool.postgres.seat import Seat
from spool.postgres.statements import SQL
from spool.postgres.work import Bar, Bringing, Closed, Heard, Rescue, Sweep, Work
from spool.rows import entry_of, event_row
from spool.store import Inserted, Known, Move, NotReversible
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
    entry_from,
    place_of,
)

ORPHANS_MAX: Final = 512
"""Attempts of dead nodes put in doubt by one transaction."""

STRAYS_MAX: Final = 512

_TELLING: Final = (Insertion, Moves, Reversing, Acting, Exchange, Resealing, Spend, Rescue, Bar, Bringing, Forgetting)
"""Works that the log tells of, what is counted exactly, and bars: one transaction at a time does these."""

BARRED_FOR_US: Final = 86_400_000_000
"""Nothing is under way for so long."""


class Transaction:
    """What is done between BEGIN and COMMIT. Not for a second use."""

    __slots__ = ("_admission", "_at_once", "_bars", "_db", "_last", "_recording", "_seat", "_together")

    def __init__(self, db: Connection, seat: Seat, at_once: AtOnce | None = None) -> None:
        """With nothing counted and nothing proven yet; what may be done at once is tried so first."""
        self._db = db
        self._seat = seat
        self._recording = Recording()
        self._admission = Admission(())
        #: New entries are recorded with the end of the commit, by one statement: nothing else is to see them.
        self._together = False
        #: Parameters of that statement, as far as the entries go.
        self._last: list[Any] = []
        self._at_once = at_once
        #: The last bar that it set itself.
        self._bars = 0

    async def apply(self, works: Sequence[Work], lease_s: float) -> list[Any]:
        """Do all works; one result (or error of its own) for each, in order.

        Raises:
            LeaseLost: others have taken over.
        """
        if any(isinstance(work, _TELLING) for work in works):
            head = await self._seat.renew_for_log(self._db, lease_s)
            if self._at_once is not None and await self._at_once.in_turn(self._db, self._seat, head):
                return list(self._at_once.results)
            self._recording = Recording(head)
        else:
            await self._seat.renew(self._db, lease_s)
        self._together = is_of_new_payments(works)
        self._admission = Admission(works)
        await self._admission.limits.count(self._db)
        insertions = [work for work in works if type(work) is Insertion]
        planned = [each for work in works if type(work) is Moves for each in work.planned]
        inserted = iter(await self._insert(insertions))
        moved = iter(await self._move(planned))
        results = [
            next(inserted)
            if type(work) is Insertion
            else _together([next(moved) for _ in work.planned])
            if type(work) is Moves
            else await self._do(work)
            for work in works
        ]
        await self._end()
        return results

    def committed(self) -> Head | None:
        """It is on disk: the log's end, if it told of anything."""
        self._seat.bars = max(self._seat.bars, self._bars)
        if self._at_once is not None and self._at_once.head is not None:
            return self._at_once.head
        if not self._recording.growth.size:
            return None
        self._recording.growth.come_true()
        return self._recording.growth.head

    async def _do(self, work: Work) -> Any:
        if isinstance(work, Reversing):
            return await self._reverse(work)
        if isinstance(work, Followers):
            return await self._followers(work)
        if isinstance(work, Exchange):
            return await self._exchange(work)
        if isinstance(work, Acting):
            return await self._act(work)
        if isinstance(work, Resealing):
            return [await self._reseal(entry, sealed, work.key_id) for entry, sealed in work.anew]
        if isinstance(work, Spend):
            return await self._spend(work)
        return await self._forget(work) if isinstance(work, Forgetting) else await self._do_among_nodes(work)

    async def _do_among_nodes(self, work: Work) -> Any:
        if isinstance(work, Rescue):
            return await self._rescue(work)
        if isinstance(work, Bar):
            return await self._bar(work)
        if isinstance(work, Bringing):
            return await self._bring(work)
        return await self._sweep() if isinstance(work, Sweep) else await self._do_silently(work)

    async def _do_silently(self, work: Work) -> None:
        """What has no result; of a renewal there is nothing left to do."""
        if isinstance(work, Behind):
            numbers, epochs = [e.number for e in work.entries], [e.epoch for e in work.entries]
            await self._db.execute(SQL["set_behind"], numbers, epochs)
        elif isinstance(work, Memo):
            await self._db.execute(SQL["remember"], work.name, work.value)
        elif isinstance(work, Notes):
            for note in sorted(work.notes, key=lambda each: each.lane):
                await self._db.execute(
                    SQL["note_account"],
                    note.lane,
                    note.known,
                    note.denied,
                    note.seen_at_us,
                    note.key_id,
                    note.sealed,
                    note.urgent,
                )
        elif isinstance(work, Closed):
            await self._db.execute(SQL["say_closed"], self._seat.number, sorted(work.routes))
        elif isinstance(work, Heard):
            await self._db.execute(SQL["say_heard"], self._seat.number)

    async def _exchange(self, work: Exchange) -> bool:
        if work.known is None:
            said = await self._db.execute(SQL["remember_new"], work.name, work.value)
        else:
            said = await self._db.execute(SQL["exchange"], work.name, work.known, work.value)
        if said not in {"INSERT 0 1", "UPDATE 1"}:
            return False
        await self._act(work.told)
        return True

    async def _end(self) -> None:
        """The sums and the evidence of all that was done."""
        end = self._recording.end()
        if end is None:
            return
        if self._together:
            await self._db.execute(SQL["record_and_end"], *self._last, *end)
        else:
            await self._db.execute(SQL["end_commit"], self._seat.number, *end)

    async def _act(self, work: Acting) -> Act:
        act = replace(work.act, leaf=self._recording.growth.add(leaf.acted(work.act), work.act.at_us))
        await self._db.execute(
            SQL["insert_act"], act.leaf, act.at_us, act.name, act.subject, act.detail, act.actor, act.note
        )
        return act

    # New entries

    async def _insert(self, insertions: Sequence[Insertion]) -> Sequence[Inserted | Known | SpoolError]:
        if not insertions:
            return ()
        way = await self._in_the_way([work.entry for work in insertions])
        results = [self._admission.admit(work, way) for work in insertions]
        await self._record([each.entry for each in results if isinstance(each, Inserted)])
        return results

    async def _in_the_way(self, entries: Sequence[Entry]) -> InTheWay:
        """What these entries meet. Nobody else can add to it until we have committed: one transaction adds to the log."""
        rows = [(e.number, e.channel, e.key, e.route, e.lane, +e.state, e.rank) for e in entries]
        found = await self._db.fetch(SQL["in_the_way"], *columns(rows))
        numbers = [row["owner"] for row in found if row["owner"] is not None]
        kept = map(entry_of, await self._db.fetch(SQL["get_entries"], numbers)) if numbers else ()
        return InTheWay(
            {(e.channel, e.key): e for e in kept},
            {row["number"] for row in found if row["taken"]},
            {row["number"]: row["worst"] for row in found if row["worst"] is not None},
            {row["number"]: row["barred"] for row in found if row["barred"] is not None},
        )

    async def _record(self, entries: Sequence[Entry]) -> None:
        """Store entries that nothing is in the way of."""
        if entries:
            self._last = self._recording.record(Newcomers(entries), self._seat)
            if not self._together:
                await self._db.execute(SQL["insert_entries"], *self._last)

    # Moves

    async def _move(self, moves: Sequence[Planned]) -> list[bool | SpoolError]:
        """Make moves by compare-and-set, tell the history, count the difference."""
        results: list[bool | SpoolError] = [False] * len(moves)
        left = list(range(len(moves)))
        while left:
            left, at = _apart(moves, left)
            refused = {i: limit for i in at if (limit := self._too_much(moves[i])) is not None}
            made = await self._move_entries([moves[i] for i in at if i not in refused])
            for i in at:
                results[i] = refused.get(i) or moves[i].after.number in made
        return results

    def _too_much(self, each: Planned) -> OverLimit | None:
        return self._admission.limits.broken(each.to_cell, each.after.amount, each.move.within)

    async def _move_entries(self, moves: Sequence[Planned]) -> dict[int, int]:
        """Make moves of different entries; numbers of those that were made, each with its data key."""
        if not moves:
            return {}
        rows = sorted(map(_move_row, moves))
        moved = await self._db.fetch(SQL["move_entries"], *columns(rows), self._seat.number, self._seat.lease)
        made = {row[0]: row[1] for row in moved}
        done = [each for each in moves if each.after.number in made]
        if done:
            await self._db.execute(SQL["insert_events"], *columns([self._event_row(each) for each in done]))
        for each in done:
            self._recording.count(each.from_cell, -1, -each.after.amount)
            self._recording.count(each.to_cell, 1, each.after.amount)
            self._recording.uses.move(made[each.after.number], each.move.entry, each.after)
        return made

    def _event_row(self, each: Planned) -> tuple[Any, ...]:
        """A move that was made, as its line of history, in its place in the log."""
        event = each.move.told_as(each.after, self._recording.growth.size)
        self._recording.growth.add(leaf.moved(event), event.at_us)
        return event_row(event)

    # What a node took by itself

    async def _bring(self, work: Bringing) -> list[Fate]:
        """Bring payments in that a node took while it could not ask. None of them was sent."""
        work.stored, work.moved = [], []
        found = await self._db.fetch(SQL["get_entries"], [entry.number for entry in work.entries])
        there = {entry.number: entry.id for entry in map(entry_of, found)}
        new = [entry for entry in work.entries if entry.number not in there]
        way = await self._in_the_way(new) if new else InTheWay({}, set(), {}, {})
        fates = fates_of(work.entries, there, way.owners, work.passed_over)
        ranked = [
            self._admission.ranked(entry, way) if fate in COMES else entry
            for entry, fate in zip(work.entries, fates, strict=True)
        ]
        come = incoming(list(zip(ranked, fates, strict=True)), way.owners, work.now_us)
        made = await self._move_entries(come.first)
        await self._record([entry for entry in come.stored if entry.number not in come.keyless])
        await self._record_keyless([entry for entry in come.stored if entry.number in come.keyless])
        made |= await self._move_entries(come.then)
        assert len(made) == len(come.first) + len(come.then), "nobody else moves entries until we have committed"
        work.stored, work.moved = come.stored, [*come.first, *come.then]
        return fates

    async def _record_keyless(self, entries: Sequence[Entry]) -> None:
        if entries:
            await self._db.execute(SQL["insert_keyless"], *self._recording.record(Newcomers(entries), self._seat))

    # Reversals

    async def _reverse(self, work: Reversing) -> Inserted | Known | NotReversible | SpoolError:
        draft = work.draft
        row = await self._db.fetchrow(SQL["get_entry"], draft.reverses)
        if row is None:
            return SpoolClosed(FORGOTTEN)
        payment = entry_of(row)
        reversal = entry_from(_placed(draft, payment.state), work.key_id, work.sealed)
        way = await self._in_the_way([reversal])
        if way.owners:
            return Known(entry=way.owners[draft.channel, draft.key])
        if barred := is_barred(reversal, draft.heard, way):
            return barred
        other = await self._db.fetchrow(SQL["reversal_of"], draft.reverses)
        if other is not None:
            return NotReversible(entry=payment, reversal=entry_of(other))
        if payment.state in FINAL and payment.state is not State.POSTED:
            return NotReversible(entry=payment)
        if way.taken:
            return lane_taken()
        reversal = self._admission.ranked(reversal, way)
        if reversal.state is State.CANCELLED:
            await self._cancel(payment, draft.accepted_at_us)
        await self._record([reversal])
        return Inserted(entry=reversal, netted=payment if reversal.state is State.CANCELLED else None)

    async def _cancel(self, payment: Entry, at_us: int) -> None:
        move = Move(entry=payment, transition=CANCEL, at_us=at_us, reason="reversed")
        (made,) = await self._move([Planned(move)])
        assert made is True, "nobody else moves entries until we have committed"

    # Lanes, and the nodes' common affairs

    async def _bar(self, work: Bar) -> Entry | SpoolClosed | None:
        """The owner of a key; where there is none, nothing that is under way will have it."""
        row = await self._db.fetchrow(SQL["find_entry"], work.channel, work.key)
        if row is not None:
            return entry_of(row)
        if await self._db.fetchval(SQL["may_be_elsewhere"]):
            return SpoolClosed("a node may have taken it by itself; nothing was barred")
        self._bars = await self._db.fetchval(SQL["bar"], work.channel, work.key, work.at_us)
        await self._db.execute(SQL["unbar"], work.at_us - BARRED_FOR_US)
        return None

    async def _followers(self, work: Followers) -> list[Entry]:
        rows = await self._db.fetch(SQL["followers"], work.route, work.lane, work.limit)
        found = list(map(entry_of, rows))
        await self._db.execute(SQL["restore_arrivals"], [entry.number for entry in found])
        return found

    async def _reseal(self, known: Entry | AccountNote, sealed: bytes, key_id: int) -> bool:
        if isinstance(known, AccountNote):
            said = await self._db.execute(SQL["reseal_note"], key_id, sealed, known.lane, known.key_id)
            return bool(said == "UPDATE 1")
        row = await self._db.fetchrow(SQL["get_entry"], known.number)
        if row is None or (now := entry_of(row)).key_id != known.key_id:
            return False
        await self._db.execute(SQL["reseal"], key_id, sealed, known.number)
        self._recording.uses.reseal(now, key_id)
        event = resealed(now, replace(now, key_id=key_id, sealed=sealed), self._recording.growth.size)
        self._recording.growth.add(leaf.moved(event), event.at_us)
        await self._db.execute(SQL["insert_events"], *columns([event_row(event)]))
        return True

    async def _spend(self, work: Spend) -> bool:
        spending = work.spending
        if work.refunded:
            await self._db.execute(SQL["refund"], spending.day, spending.lane, spending.amount)
            return True
        rows = [
            await self._db.fetchrow(SQL["spent"], spending.day, lane) or (0, 0)
            for lane in (spending.lane, *spending.former)
        ]
        if not spending.fits(*map(sum, zip(*rows, strict=True))):
            return False
        await self._db.execute(SQL["spend"], spending.day, spending.lane, spending.amount)
        await self._db.execute(SQL["forget_days"], spending.day - 1)
        return True

    async def _rescue(self, work: Rescue) -> int:
        """Take claims from nodes that are gone, and put what they had in flight in doubt, never back in line."""
        if work.may_take_over:
            await self._db.execute(SQL["take_over"])
        found = list(map(entry_of, await self._db.fetch(SQL["orphans"], ORPHANS_MAX)))
        moves = [
            Move(entry=each, transition=DOUBT, at_us=work.now_us, due_at_us=work.now_us, reason=work.reason)
            for each in found
        ]
        made = await self._move([Planned(move) for move in moves])
        work.done = [Planned(move) for move, was_made in zip(moves, made, strict=True) if was_made is True]
        return len(found)

    async def _forget(self, work: Forgetting) -> Forgotten:
        rows = await self._db.fetch(
            SQL["stretch"], work.after, work.past.before, work.limit, work.past.changed_before_us
        )
        over = [entry_of(row) for row in rows if row["over"]]
        if over:
            numbers = [entry.number for entry in over]
            events = await self._db.fetch(SQL["forget_events"], numbers)
            await self._db.execute(SQL["forget_entries"], numbers)
            work.take(over)
            for cell, (entries, amount) in work.cells.items():
                self._recording.count(cell, -entries, -amount)
            for entry in over:
                self._recording.uses.forget(entry)
            places = [row["leaf"] for row in rows if row["over"]] + [row[0] for row in events]
            name, value, told = work.told(over, places, self._recording.growth.size)
            await self._db.execute(SQL["remember"], name, value)
            await self._act(told)
        return Forgotten(len(over), rows[-1]["number"] if rows else 0)

    async def _sweep(self) -> int:
        """Put whoever waits behind nobody in arrival order."""
        numbers = [row[0] for row in await self._db.fetch(SQL["waiting_for_nobody"], STRAYS_MAX)]
        await self._db.execute(SQL["restore_arrivals"], sorted(numbers))
        return len(numbers)


def _together(made: list[bool | SpoolError]) -> list[bool] | SpoolError:
    """The answer to moves that were asked for together; of those with limits there is one alone."""
    answers: list[bool] = []
    for each in made:
        if not isinstance(each, bool):
            assert len(made) == 1, "a move within limits is asked for alone"
            return each
        answers.append(each)
    return answers


def _apart(moves: Sequence[Planned], left: Sequence[int]) -> tuple[list[int], list[int]]:
    """What must wait for the next statement, and what may go into this one.

    A statement sees the rows as they were before it. So it has one move of an entry, and one attempt begun in a lane.
    """
    entries, lanes = set[int](), set[tuple[str, int]]()
    later: list[int] = []
    now: list[int] = []
    for i in left:
        after = moves[i].after
        begins = after.state is State.IN_FLIGHT
        lane = (after.route, after.lane)
        if after.number in entries or (begins and lane in lanes):
            later.append(i)
            continue
        entries.add(after.number)
        if begins:
            lanes.add(lane)
        now.append(i)
    return later, now


def _placed(draft: Draft, payment: State) -> Draft:
    """The reversal as it is recorded beside a payment in this state (see `Store.reverse`)."""
    if payment is State.POSTED:
        return draft
    if payment in UNSENT:
        return replace(draft, state=State.CANCELLED, told=Told.POSTED)
    return replace(draft, state=State.READY, told=Told.PROVISIONAL)


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
        each.move.transition.frees_key,
        each.move.in_turn,
    )
