"""What a person may do to entries: hold, release, inquire, retry, reopen; one, or all that pass a filter.

Each is a compare-and-set with the person's name and reason in the entry's history, so what was decided meanwhile by
the machine or by somebody else always stands. Many are done step by step, oldest first: see `gateway.admin.jobs.jobs`.
"""

import enum
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

import msgspec
from msgspec.structs import replace

from gateway.admin.entries.looking import leaf
from gateway.admin.entries.reopening import Reopening
from gateway.admin.entries.why import Why
from gateway.clock import Clock
from spool import lifecycle
from spool.entry import Entry
from spool.errors import StorageUncertain
from spool.lifecycle import State, Transition
from spool.spool import Spool
from spool.store import Filter, Move, Store
from spool.tally import NOTHING, Sum

STEP_ENTRIES: Final = 256
"""Entries changed in one commit."""

EXAMPLES_MAX: Final = 20
"""Entries named among those that did not change; all are counted."""

BY_HAND: Final = "by_hand"
"""An entry's reason while a person's word is the last: a bounded vocabulary."""


class Act(enum.Enum):
    """What may be done."""

    HOLD = ("hold", lifecycle.HOLD)
    """Stop what was not sent yet."""
    RELEASE = ("release", lifecycle.RELEASE)
    """Let what was held go on, in its old place."""
    INQUIRE = ("inquire", lifecycle.POSTPONE, lifecycle.RETRY._replace(sources=frozenset({State.PARKED})))
    """Have the core asked now about what is in doubt, or parked as nobody knows what became of it."""
    RETRY = ("retry", lifecycle.RETRY)
    """Have the machine ask its core (or, where that dedupes, send) again about what it gave to a person."""
    REOPEN = ("reopen", lifecycle.REOPEN)
    """Send again what its core refused wrongly, after a yes of ours. Two persons' affair, always."""

    def __init__(self, word: str, *ways: Transition) -> None:
        self.word = word
        self._ways = ways
        #: States that it starts from.
        self.sources = frozenset[State]().union(*(way.sources for way in ways))

    def way(self, state: State) -> Transition:
        """The transition that it is from one of these."""
        return next(way for way in self._ways if state in way.sources)


AT_ONCE: Final = frozenset({Act.INQUIRE, Act.RETRY})
"""What has an entry taken up in the next moment."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """An act as ordered: what, by whom, why."""

    act: Act
    actor: str
    #: The person's own words; kept in the entry's history, never logged.
    reason: str


class Unchanged(msgspec.Struct, frozen=True):
    """An entry that stayed as it was."""

    number: int
    state: State
    why: Why


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What an order did, or (`dry_run`) would do."""

    act: Act
    dry_run: bool
    #: Changed entries and their sums, by currency.
    sums: dict[str, Sum]
    #: How many did not change, by why.
    unchanged: dict[Why, int]
    #: The first of them.
    examples: tuple[Unchanged, ...]
    #: Where the next step goes on: above this number; 0 when everything was looked at.
    next_after: int = 0
    #: It ended before an entry for which there was no room.
    cut: bool = False

    @property
    def entries(self) -> int:
        """How many changed."""
        return sum(total.entries for total in self.sums.values())


class Forwarding(Protocol):
    """What a route's forwarder is told after an act."""

    def lane_unsure(self, lane: int) -> None:
        """Whatever waits in this lane is to be read anew, in order."""
        ...

    def entry_waits(self, due_at_us: int, rank: int | None = None) -> None:
        """An entry of this rank (any, where none is named) waits, from `due_at_us` on."""
        ...


class Acts:
    """Does what persons order."""

    def __init__(
        self,
        spool: Spool,
        shelf: Store,
        clock: Clock,
        forwarders: Mapping[str, Forwarding],
        reopening: Reopening,
        *,
        unaskable: Callable[[Entry], Why | None],
    ) -> None:
        """Look through `shelf`, move in `spool`, tell the forwarders (by route; a route may have none any more).

        `unaskable` says why what is in doubt or parked can't be asked about; None where it can.
        """
        self._spool = spool
        self._shelf = shelf
        self._clock = clock
        self._forwarders = forwarders
        self._reopening = reopening
        self.unaskable = unaskable

    async def one(self, entry: Entry, order: Order) -> Done:
        """Do it to one entry as it is known. Errors: see `Store.move`."""
        count = _Count(order.act)
        await self._do(await self._able([entry], order, count), order, count)
        return count.done()

    async def step(self, wanted: Filter, order: Order, limit: int, room: Mapping[str, Sum] | None = None) -> Done:
        """Do it to the next of what passes the filter: at most `limit`, in one commit, and no more than there is room for.

        Without `room` (by currency) it only counts. Without states it is about all it can be done to. Errors: see
        `Store.move`.
        """
        count = _Count(order.act, dry_run=room is None)
        states = wanted.states or order.act.sources
        page, following = await leaf(self._shelf, replace(wanted, states=states, newest_first=False), limit)
        able = await self._able(page, order, count)
        fitting = len(able) if room is None else _fitting(able, room)
        await self._do(able[:fitting], order, count)
        cut = fitting < len(able)
        return replace(count.done(), next_after=0 if cut else following, cut=cut)

    async def _able(self, entries: Sequence[Entry], order: Order, count: "_Count") -> list[Entry]:
        """Those it can be done to; the others stay."""
        able = list[Entry]()
        for entry in entries:
            if entry.state in order.act.sources:
                able.append(entry)
            else:
                count.stays(entry, Why.STATE)
        obstacles = await self._obstacles(order.act, able)
        for entry, why in zip(able, obstacles, strict=True):
            if why is not None:
                count.stays(entry, why)
        return [entry for entry, why in zip(able, obstacles, strict=True) if why is None]

    async def _obstacles(self, act: Act, able: Sequence[Entry]) -> Sequence[Why | None]:
        """What stands in the way of each, besides its state."""
        if act is Act.REOPEN:
            return await self._reopening.sift(able)
        return [self.unaskable(entry) if act is Act.INQUIRE else None for entry in able]

    async def _do(self, able: Sequence[Entry], order: Order, count: "_Count") -> None:
        now_us = self._clock.now_us()
        moves = [_move(entry, order, now_us) for entry in able]
        try:
            why_not = [None] * len(moves) if count.dry_run else await self._made(moves, order.act)
        except StorageUncertain:
            # It may be on disk all the same, and then nobody else would ever look.
            self._tell(order.act, moves)
            raise
        changed = list[Move]()
        for move, why in zip(moves, why_not, strict=True):
            if why is None:
                changed.append(move)
                count.changes(move.entry)
            else:
                count.stays(move.entry, why)
        if not count.dry_run:
            self._tell(order.act, changed)

    async def _made(self, moves: Sequence[Move], act: Act) -> list[Why | None]:
        """Make moves; for each that was not made, why."""
        if act is Act.REOPEN:
            return await self._reopening.move(moves)
        return [None if made else Why.CHANGED for made in await self._spool.move(moves)]

    def _tell(self, act: Act, changed: Sequence[Move]) -> None:
        """Have the forwarders look at what may go on."""
        for move in changed:
            forwarder = self._forwarders.get(move.entry.route)
            if forwarder is None:
                continue
            if act in {Act.RELEASE, Act.REOPEN}:
                # It may have been tried before it was held, and what waits behind it be set behind.
                forwarder.lane_unsure(move.entry.lane)
            elif act in AT_ONCE:
                forwarder.entry_waits(move.due_at_us)


class _Count:
    """Counts what an order does."""

    def __init__(self, act: Act, *, dry_run: bool = False) -> None:
        self.dry_run = dry_run
        self._act = act
        self._sums: dict[str, Sum] = {}
        self._unchanged: Counter[Why] = Counter()
        self._examples: list[Unchanged] = []

    def changes(self, entry: Entry) -> None:
        """An entry was, or would be, changed."""
        self._sums[entry.currency] = self._sums.get(entry.currency, NOTHING) + Sum(1, entry.amount)

    def stays(self, entry: Entry, why: Why) -> None:
        """An entry stayed as it was."""
        self._unchanged[why] += 1
        if len(self._examples) < EXAMPLES_MAX:
            self._examples.append(Unchanged(entry.number, entry.state, why))

    def done(self) -> Done:
        """All of it."""
        return Done(
            act=self._act,
            dry_run=self.dry_run,
            sums=self._sums,
            unchanged=dict(self._unchanged),
            examples=tuple(self._examples),
        )


def _fitting(able: Sequence[Entry], room: Mapping[str, Sum]) -> int:
    """How many of these, from the first on, there is room for."""
    taken = dict[str, Sum]()
    for at, entry in enumerate(able):
        total = taken.get(entry.currency, NOTHING) + Sum(1, entry.amount)
        most = room.get(entry.currency, NOTHING)
        if total.entries > most.entries or total.amount > most.amount:
            return at
        taken[entry.currency] = total
    return len(able)


def _move(entry: Entry, order: Order, now_us: int) -> Move:
    """The person's word as a move; what is to be asked about is due at once."""
    return Move(
        entry=entry,
        transition=order.act.way(entry.state),
        at_us=now_us,
        due_at_us=now_us if order.act in AT_ONCE else 0,
        reason="" if order.act in {Act.RELEASE, Act.REOPEN} else BY_HAND,
        actor=order.actor,
        note=order.reason,
    )
