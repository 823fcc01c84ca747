"""An engine in memory: it keeps every promise of the seam but durability. For tests, rehearsals and the simulator.

Nothing here awaits, so each call is one moment: no other sees half of it. What was kept outlives `close`, so the same
object can be opened again and finds what a new process would find on disk.
"""

from bisect import bisect_left, bisect_right, insort
from collections import defaultdict
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from itertools import islice
from typing import Any, Final, NoReturn, TypeVar

from msgspec.structs import replace

from spool.account import AccountNote
from spool.entry import Act, Draft, Entry, Event
from spool.errors import SpoolClosed
from spool.evidence import leaf
from spool.evidence.growth import Block, Growth
from spool.evidence.resealing import resealed
from spool.evidence.settings import setting
from spool.forgetting import Forgotten, Past
from spool.lanes import Entering, FormerLanes, HeldLanes
from spool.lifecycle import CANCEL, DOUBT, FINAL, POSITIVE, UNSENT, WAITING, Kind, State, Told
from spool.memory_accounts import CLOSED, MemoryAccounts
from spool.memory_looking import deeds_of, horizon_of, owed_of, page_of, shape_of
from spool.memory_records import MemoryRecords, beside_of
from spool.nodes import Alone, Nodes
from spool.store import FIRST, Aged, Filter, Health, Inserted, Known, Move, NotReversible, Owed, Ready
from spool.tally import Cell, Sum, Tally
from spool.uses import KeyUse, uses_of
from spool.waiting import Spot, Waiting, spot_of
from spool.work import FORGOTTEN, Forgetting, cell_of

RECOUNT_STEP: Final = 1000
"""Entries counted between two steps of a recount."""

_OVER: Final = FINAL - {State.POSTED}

T = TypeVar("T")

_NOTHING_CAME_OF_IT: Final = frozenset({State.REFUSED, State.CANCELLED})
"""Ends of a reversal after which there may be another one. Returned is none: what a person settled stays settled."""

AHEAD_US: Final = 1_000_000
"""What changed longer than that after now was written by a clock that was ahead."""


class MemoryStore(MemoryAccounts):
    """A `Store` in plain dicts and sorted lists."""

    def __init__(self) -> None:
        super().__init__()
        self.tally = Tally()
        self.nodes: Nodes = Alone()
        self._entries: dict[int, Entry] = {}
        #: Every number, ascending.
        self._numbers: list[int] = []
        #: (channel, key) -> number of the entry that owns it.
        self._owners: dict[tuple[str, str], int] = {}
        #: Payment -> the reversal in its place; one that is refused or cancelled later makes room.
        self._reversals: dict[int, int] = {}
        self._history: defaultdict[int, list[Event]] = defaultdict(list)
        self._memos: dict[str, bytes] = {}
        self._growth = Growth()
        self._blocks: list[Block] = []
        self._acts: list[Act] = []
        self._waiting = Waiting()
        #: (when it was refused, number) of every entry whose money is owed back, by route.
        self._owed: defaultdict[str, list[Owed]] = defaultdict(list)

    async def open(self, now_us: int) -> None:
        """Take the spool in hand; attempts of a former run become in doubt, nothing stays set behind."""
        self._opened = True
        self._waiting = Waiting()
        for number, entry in self._entries.items():
            if entry.due_at_us > now_us and entry.changed_at_us > now_us + AHEAD_US:
                # Written by a clock that was ahead: nothing waits for its times.
                self._entries[number] = replace(entry, due_at_us=now_us)
            self._waiting.put(self._entries[number], spot_of(entry))
        for entry in [e for e in self._entries.values() if e.state is State.IN_FLIGHT]:
            self._make(Move(entry=entry, transition=DOUBT, at_us=now_us, due_at_us=now_us, reason="restart"))
        self._prove()

    async def close(self) -> None:
        """Let go; every call but `open` and `close` raises `SpoolClosed` from here on."""
        self._opened = False

    def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Coroutine[Any, Any, Inserted | Known]:
        """Record a new payment, at the call."""
        assert draft.kind is Kind.PAYMENT, "a reversal is recorded by reverse"
        if not self._opened:
            return _closed()
        owner = self._owner(draft.channel, draft.key)
        if owner:
            return self._known(owner.number)
        entry = self._record(draft, draft.state, key_id, sealed)
        self._prove()
        return _told(Inserted(entry=entry))

    async def _known(self, number: int) -> Known:
        """The owner of a key, as it is when its caller hears of it."""
        return Known(entry=self._entries[number])

    async def reverse(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known | NotReversible:
        """Record a reversal, or cancel it out with its payment."""
        self._need_open()
        owner = self._owner(draft.channel, draft.key)
        if owner:
            return Known(entry=owner)
        payment = self._entries.get(draft.reverses)
        if payment is None:
            raise SpoolClosed(FORGOTTEN)
        assert payment.kind is Kind.PAYMENT, "only payments are reversed"
        rival = self._reversals.get(payment.number)
        if rival is not None or payment.state in _OVER:
            return NotReversible(entry=payment, reversal=None if rival is None else self._entries[rival])
        if payment.state in UNSENT:
            self._make(Move(entry=payment, transition=CANCEL, at_us=draft.accepted_at_us, reason="reversed"))
            entry = self._record(draft, State.CANCELLED, key_id, sealed)
            self._prove()
            return Inserted(entry=entry, netted=payment)
        entry = self._record(draft, draft.state if payment.state is State.POSTED else State.READY, key_id, sealed)
        self._prove()
        return Inserted(entry=entry)

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        """Make each move whose entry is still as its caller knew it, one after the other."""
        self._need_open()
        made = [self._make(move) for move in moves]
        self._prove()
        return made

    async def reseal(self, anew: Sequence[tuple[Entry | AccountNote, bytes]], key_id: int) -> list[bool]:
        """Put contents sealed anew in their old ones' places."""
        self._need_open()
        done = [
            self._reseal(each, sealed, key_id) if isinstance(each, Entry) else self._reseal_note(each, sealed, key_id)
            for each, sealed in anew
        ]
        self._prove()
        return done

    def _reseal(self, known: Entry, sealed: bytes, key_id: int) -> bool:
        now = self._entries.get(known.number)
        if now is None or now.key_id != known.key_id:
            return False
        after = self._entries[known.number] = replace(now, key_id=key_id, sealed=sealed)
        event = resealed(now, after, self._growth.size)
        self._growth.add(leaf.moved(event), event.at_us)
        self._history[known.number].append(event)
        return True

    async def forget(self, past: Past, after: int, limit: int, at_us: int) -> Forgotten:
        """Forget entries of a stretch that are over."""
        self._need_open()
        begin, end = bisect_right(self._numbers, after), bisect_left(self._numbers, past.before)
        stretch = self._numbers[begin : min(end, begin + limit)]
        over = [entry for entry in map(self._entries.__getitem__, stretch) if self._is_over(entry, past)]
        if over:
            places = [event.leaf for entry in over for event in self._history[entry.number]]
            work = Forgetting(past, after, limit, at_us)
            work.take(over)
            for entry in over:
                self._forget(entry)
            name, self._memos[name], told = work.told(over, places, self._growth.size)
            await self.act(told.act)
        return Forgotten(len(over), stretch[-1] if stretch else 0)

    def _is_over(self, entry: Entry, past: Past) -> bool:
        """Nothing came of it or its reversals lately, and nothing is to come of them any more."""
        family = (entry, *(each for each in self._entries.values() if each.reverses == entry.number))
        ended = all(each.state in FINAL and each.changed_at_us < past.changed_before_us for each in family)
        return ended and entry.reverses not in self._entries and not any(map(_is_owed, family))

    def _forget(self, entry: Entry) -> None:
        del self._entries[entry.number], self._history[entry.number]
        self._numbers.remove(entry.number)
        if self._owners.get((entry.channel, entry.key)) == entry.number:
            del self._owners[entry.channel, entry.key]
        if self._reversals.get(entry.reverses) == entry.number:
            del self._reversals[entry.reverses]
        self.tally.add(cell_of(entry), -1, -entry.amount)

    async def key_uses(self) -> dict[int, KeyUse]:
        """By data key: what needs it; here counted anew."""
        self._need_open()
        return uses_of(self._entries.values(), self._accounts.values())

    async def recount_keys(self) -> tuple[dict[int, KeyUse], dict[int, KeyUse]]:
        """What needs data keys; here it is never kept, so both are counted."""
        return await self.key_uses(), uses_of(self._entries.values(), self._accounts.values())

    async def lanes(self) -> AsyncIterator[Sequence[int]]:
        """The lanes of all unfinished entries."""
        self._need_open()
        yield [entry.lane for entry in self._entries.values() if entry.state not in FINAL]

    async def set_behind(self, entries: Sequence[Entry]) -> None:
        """Take ready entries out of arrival order; one that has moved on since is left alone."""
        self._need_open()
        for entry in entries:
            if self._is_as_known(entry) and self._waiting.is_in_line(entry):
                self._waiting.take(entry)
                self._waiting.put(entry, Spot.BEHIND)

    async def get(self, number: int) -> Entry | None:
        """The entry with this number."""
        self._need_open()
        return self._entries.get(number)

    async def find(self, channel: str, key: str) -> Entry | None:
        """The entry that owns this key."""
        self._need_open()
        return self._owner(channel, key)

    async def reversal_of(self, number: int) -> Entry | None:
        """The reversal of a payment that was not refused, if there is one."""
        self._need_open()
        return self._entries.get(self._reversals.get(number, 0))

    async def reversals_of(self, number: int) -> list[Entry]:
        """All reversals of a payment there ever were, oldest first."""
        self._need_open()
        return [self._entries[each] for each in self._numbers if number and self._entries[each].reverses == number]

    async def ready(self, route: str, rank: int, after: int, limit: int) -> list[Ready]:
        """Entries of a rank waiting in arrival order above number `after`."""
        self._need_open()
        entries = (self._entries[n] for n in self._waiting.in_line(route, rank, after, limit))
        return [Ready(entry=entry, blocked=self._waiting.is_blocked(entry)) for entry in entries]

    async def followers(self, route: str, lane: int, limit: int) -> list[Entry]:
        """Ready entries of one lane that were set behind and may go on, put back in arrival order."""
        self._need_open()
        entries = [self._entries[n] for n in self._waiting.behind(route, lane, limit)]
        for entry in entries:
            self._waiting.take(entry)
            self._waiting.put(entry, Spot.LINE)
        return entries

    async def due(self, route: str, now_us: int, limit: int) -> list[Entry]:
        """Entries ready or in doubt whose time has come and that stand first in their lane, soonest first."""
        self._need_open()
        entries = (self._entries[n] for n in self._waiting.due(route, now_us))
        return list(islice((entry for entry in entries if not self._waiting.is_blocked(entry)), limit))

    async def next_due_us(self, route: str) -> int:
        """When the next entry of the route falls due; 0 when none waits for a time."""
        self._need_open()
        return self._waiting.next_due_us(route)

    def lane_is_clear(self, route: str, lane: int) -> bool:
        """No unfinished entry is in this lane; exact here."""
        self._need_open()
        return self._waiting.is_clear(route, lane)

    def former_lanes(self, entering: Entering) -> FormerLanes:
        """Those that hold something now or are about to, exactly."""
        held = [entry.lane for entry in self._entries.values() if entry.state not in FINAL]
        return HeldLanes([*held, *(lane for _, lane in entering)], self.lane_is_clear)

    async def page(self, wanted: Filter, limit: int) -> list[Entry]:
        """Entries that pass the filter, a page of at most `limit`."""
        self._need_open()
        return page_of(self._entries, self._numbers, wanted, limit)

    async def horizon(self, wanted: Filter, count: int) -> int:
        """How far a look through so many entries gets."""
        self._need_open()
        return horizon_of(self._entries, self._numbers, wanted, count)

    async def find_core_id(self, core_id: str, limit: int) -> list[Entry]:
        """Entries that their core knows by this id, oldest first."""
        self._need_open()
        found = (self._entries[number] for number in self._numbers)
        return [entry for entry in found if entry.core_id == core_id][:limit]

    async def shape(self, route: str, edges: Sequence[int]) -> dict[Aged, Sum]:
        """Unfinished entries of a route by age."""
        self._need_open()
        return shape_of(self._entries.values(), route, edges)

    async def history(self, number: int) -> list[Event]:
        """Everything that happened to an entry, oldest first."""
        self._need_open()
        return list(self._history.get(number, ()))

    async def oldest_waiting_us(self, route: str) -> int:
        """When the oldest entry waiting in arrival order was accepted; 0 when none waits."""
        self._need_open()
        return self._entries[oldest].accepted_at_us if (oldest := self._waiting.oldest_in_line(route)) else 0

    async def returns_due(self, route: str, limit: int, *, channel: str = "", after: Owed = FIRST) -> list[Entry]:
        """Refused entries of a route whose channel had a positive answer, refused first first."""
        self._need_open()
        return owed_of(self._entries, self._owed[route], channel, after, limit)

    async def recount(self) -> AsyncIterator[dict[Cell, tuple[int, int]]]:
        """The tally of this moment, then the entries of the same moment counted anew, in steps."""
        self._need_open()
        entries = list(self._entries.values())
        yield self.tally.snapshot()
        counted = Tally()
        for begin in range(0, max(len(entries), 1), RECOUNT_STEP):
            for entry in entries[begin : begin + RECOUNT_STEP]:
                counted.add(cell_of(entry), 1, entry.amount)
            yield counted.snapshot()

    async def act(self, act: Act) -> Act:
        """Keep what a person did that moves no entry."""
        self._need_open()
        kept = replace(act, leaf=self._growth.add(leaf.acted(act), act.at_us))
        self._acts.append(kept)
        self._prove()
        return kept

    async def deeds(self, first: int, limit: int) -> list[Act]:
        """What persons did, in the order of the log."""
        self._need_open()
        return deeds_of(self._acts, self._history.values(), first, limit)

    @asynccontextmanager
    async def records(self) -> AsyncGenerator["MemoryRecords"]:
        """Everything there is and its evidence, as of this moment."""
        self._need_open()
        owners = set(self._owners.values())
        history = {number: tuple(events) for number, events in self._history.items()}
        kept = [(self._entries[number], history[number], number in owners) for number in self._numbers]
        yield MemoryRecords(kept, self._blocks[:], self._acts[:], beside_of(self._memos, self._accounts, self._spent))

    async def highest_number(self) -> int:
        """The highest number of any entry; 0 when there is none."""
        self._need_open()
        return self._numbers[-1] if self._numbers else 0

    async def remember(self, name: str, value: bytes) -> None:
        """Keep a small named value."""
        self._need_open()
        self._memos[name] = value

    async def recall(self, name: str) -> bytes | None:
        """The value kept under this name."""
        self._need_open()
        return self._memos.get(name)

    async def exchange(self, name: str, known: bytes | None, value: bytes, at_us: int = 0) -> bool:
        """Keep a value if what is kept is still `known`, and tell the log."""
        self._need_open()
        if self._memos.get(name) != known:
            return False
        self._memos[name] = value
        await self.act(setting(name, value, at_us))
        return True

    async def recall_some(self, prefix: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Names of this beginning after `after`, with their values."""
        self._need_open()
        names = sorted(name for name in self._memos if name.startswith(prefix) and name > after)
        return [(name, self._memos[name]) for name in names[:limit]]

    async def health(self) -> Health:
        """Always well: there is no disk to fill."""
        self._need_open()
        return Health(
            engine="memory", version="", accepting=True, trouble="", free_bytes=0, reserve_bytes=0, size_bytes=0
        )

    def _owner(self, channel: str, key: str) -> Entry | None:
        return self._entries.get(self._owners.get((channel, key), 0))

    def _is_as_known(self, known: Entry) -> bool:
        now = self._entries.get(known.number)
        return now is not None and (now.state, now.epoch, now.told) == (known.state, known.epoch, known.told)

    def _record(self, draft: Draft, state: State, key_id: int, sealed: bytes) -> Entry:
        rank = self._waiting.rank_behind(draft.route, draft.lane, draft.rank)
        entry = _recorded(replace(draft, rank=rank), state, key_id, sealed)
        assert entry.number not in self._entries, "a number is given out once"
        self._entries[entry.number] = entry
        insort(self._numbers, entry.number)
        self._owners[entry.channel, entry.key] = entry.number
        if entry.reverses:
            self._reversals[entry.reverses] = entry.number
        self._waiting.put(entry, spot_of(entry))
        self.tally.add(cell_of(entry), 1, entry.amount)
        at = self._growth.add(leaf.accepted(entry, entry.state, entry.told), entry.accepted_at_us)
        self._history[entry.number].append(_record_event(entry, at))
        return entry

    def _make(self, move: Move) -> bool:
        """Make a move if its entry is as its caller knew it."""
        if not self._is_as_known(move.entry):
            return False
        before = self._entries[move.entry.number]
        # Its content may have been sealed anew since the caller read it.
        after = replace(move.after(), key_id=before.key_id, sealed=before.sealed)
        self._entries[after.number] = after
        if before.state in WAITING:
            self._waiting.take(before)
        self._waiting.put(after, spot_of(after))
        self._owe(before, after)
        self.tally.add(cell_of(before), -1, -before.amount)
        self.tally.add(cell_of(after), 1, after.amount)
        event = move.told_as(after, self._growth.size)
        self._growth.add(leaf.moved(event), event.at_us)
        self._history[after.number].append(event)
        if move.transition.frees_key and self._owners.get((after.channel, after.key)) == after.number:
            del self._owners[after.channel, after.key]
        if after.reverses:
            self._place_reversal(after)
        return True

    def _owe(self, before: Entry, after: Entry) -> None:
        """Keep the list of what is owed back in step with a move."""
        owed = self._owed[after.route]
        if _is_owed(before):
            owed.remove(Owed(before.changed_at_us, before.number))
        if _is_owed(after):
            insort(owed, Owed(after.changed_at_us, after.number))

    def _place_reversal(self, reversal: Entry) -> None:
        """Whether a reversal that moved still stands in the way of another one."""
        payment, number = reversal.reverses, reversal.number
        if reversal.state not in _NOTHING_CAME_OF_IT:
            self._reversals[payment] = min(number, self._reversals.get(payment, number))
        elif self._reversals[payment] == number:
            del self._reversals[payment]

    def _prove(self) -> None:
        """End a commit: its block."""
        block = self._growth.block()
        if block is not None:
            self._blocks.append(block)
            self._growth.come_true()
            self._growth.begin()


def _is_owed(entry: Entry) -> bool:
    return entry.state is State.REFUSED and entry.told in POSITIVE


def _recorded(draft: Draft, state: State, key_id: int, sealed: bytes) -> Entry:
    """A draft as it is kept: in flight its first attempt has begun; a reversal netted at once is done."""
    begun = int(state is State.IN_FLIGHT)
    return Entry(
        number=draft.number,
        id=draft.id,
        kind=draft.kind,
        channel=draft.channel,
        key=draft.key,
        fingerprint=draft.fingerprint,
        route=draft.route,
        lane=draft.lane,
        amount=draft.amount,
        currency=draft.currency,
        accepted_at_us=draft.accepted_at_us,
        state=state,
        epoch=begun,
        attempts=begun,
        due_at_us=0,
        changed_at_us=draft.accepted_at_us,
        # A reversal that ends here is done; a payment that ends here was refused.
        told=Told.POSTED if state is State.CANCELLED and draft.reverses else draft.told,
        reason="",
        policy=draft.policy,
        reverses=draft.reverses,
        core_id="",
        key_id=key_id,
        sealed=sealed,
        rank=draft.rank,
    )


def _record_event(entry: Entry, leaf: int) -> Event:
    return Event(
        number=entry.number,
        at_us=entry.accepted_at_us,
        name="record",
        source=None,
        target=entry.state,
        attempt=entry.attempts,
        reason="",
        actor="",
        note="",
        told=entry.told,
        core_id="",
        leaf=leaf,
    )


async def _told(result: T) -> T:
    """What was done at the call."""
    return result


async def _closed() -> NoReturn:
    raise SpoolClosed(CLOSED)
