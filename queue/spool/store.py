"""The seam to an engine: what every store of entries promises, whatever it keeps them in.

The promises, which one contract suite (`tests/contracts/`) holds every engine to:

- *Durable when it returns.* `insert`, `reverse` and `move` return after the change is on stable storage (the memory
  engine keeps every promise but this one). Requests waiting at the same moment share one commit.
- *Three answers, not two.* An error before the commit means nothing was stored (`StorageFull`, `SpoolClosed`); an error
  of the commit itself means nobody knows (`StorageUncertain`). The store then reopens itself, and what is on disk decides.
- *One entry per key.* (channel, key) is unique among entries that were not given back; the second insert gets the first
  entry back and changes nothing.
- *Compare and set.* A move names the entry as its caller knew it. If state, epoch or told differ, nothing changes and
  the move's answer is False.
- *One truth in sums.* The tally changes in the same commit as the entries it counts, and is readable at any time
  without I/O, including what is on its way to disk: limits computed from it can't be overshot by a race.
- *Evidence in the commit.* Every insert, move and act is a leaf of the store's log, and the block that tells of a commit
  is in the same commit (see `spool.evidence`). What is on disk is told by the log, always, and nothing else.
- *Nobody waits for ever.* If a commit hangs, whoever waits for it is told `StorageUncertain` after the store's stall
  limit, and until the disk is back new submissions raise `SpoolClosed`.
- *Several nodes* may share an engine whose `nodes.shared` says so. Then at most one entry of a lane is in flight, whichever
  node it is with: a draft in flight is stored only in a lane where nothing is unfinished (else `LaneTaken`), and a claim is
  made only where none other is in flight (and, `in_turn`, nothing earlier is unfinished). Limits that a draft or move names hold over all nodes (else `OverLimit`). What a
  node that died or lost touch had in flight comes into doubt, and it can change nothing any more. A backlog's lanes are
  shared out among the nodes: `ready` and `due` tell of a node's own share. A draft whose request came before its key was
  barred (`nodes.bar`) isn't stored (`KeyBarred`).
- *Cost doesn't depend on the backlog*, for insert, move, ready, due, followers, and opening.
"""

from collections.abc import AsyncIterator, Awaitable, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple, Protocol

import msgspec

from spool.account import AccountNote, Spending
from spool.entry import Act, Draft, Entry, Event
from spool.evidence.records import Records
from spool.forgetting import Forgotten, Past
from spool.lanes import Entering, FormerLanes
from spool.lifecycle import Kind, State, Told, Transition
from spool.nodes import Nodes
from spool.tally import Cell, Limit, Sum, Tally
from spool.uses import KeyUse


class Move(msgspec.Struct, frozen=True, kw_only=True):
    """One transition of one entry, as a compare-and-set against the entry as its caller knows it."""

    entry: Entry
    transition: Transition
    at_us: int
    #: Not before this time; 0 = at once.
    due_at_us: int = 0
    #: What the channel is told by it; None leaves what it was told.
    told: Told | None = None
    #: Bounded words; empty clears.
    reason: str = ""
    #: The core's id of the booking; empty leaves it.
    core_id: str = ""
    #: Who did it, and why; empty for the machine.
    actor: str = ""
    note: str = ""
    #: It begins an attempt only if nothing earlier of its lane is unfinished. Whoever has a spool alone sees to that himself;
    #: where nodes share it they may disagree for a moment whose lane it is, and the store does.
    in_turn: bool = False
    #: Limits that telling it provisional is to be within. Such a move is asked for alone.
    within: tuple[Limit, ...] = ()
    #: Nobody waits for it: it may wait for company itself, for a moment.
    lingers: bool = False

    def __post_init__(self) -> None:
        assert self.entry.state in self.transition.sources, (
            f"{self.transition.name} does not start from {self.entry.state.word}"
        )

    def after(self) -> Entry:
        """The entry as it is once the move is made. A claim or resend raises epoch and attempts."""
        entry, target = self.entry, self.transition.target
        begins = target is State.IN_FLIGHT
        return msgspec.structs.replace(
            entry,
            state=target,
            epoch=entry.epoch + 1 if begins else entry.epoch,
            attempts=entry.attempts + 1 if begins else entry.attempts,
            due_at_us=self._due_at_us(target),
            changed_at_us=self.at_us,
            told=entry.told if self.told is None else self.told,
            reason=self.reason,
            core_id=self.core_id or entry.core_id,
        )

    def told_as(self, after: Entry, leaf: int) -> Event:
        """The line of history it is, at this place in the log, for an entry as it is after it."""
        return Event(
            number=after.number,
            at_us=self.at_us,
            name=self.transition.name,
            source=self.entry.state,
            target=after.state,
            attempt=after.attempts,
            reason=self.reason,
            actor=self.actor,
            note=self.note,
            told=after.told,
            core_id=after.core_id,
            leaf=leaf,
        )

    def _due_at_us(self, target: State) -> int:
        """Only what the machine goes on with by itself waits for a time; in doubt, the beginning of time is at once."""
        if target is State.IN_DOUBT:
            return self.due_at_us or 1
        return self.due_at_us if target is State.READY else 0


class Inserted(msgspec.Struct, frozen=True, kw_only=True):
    """The draft is stored, as this entry."""

    entry: Entry
    #: For a reversal that cancelled out with its payment: the payment as it was just before.
    netted: Entry | None = None


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """The key was there already; nothing changed. The caller compares fingerprints."""

    entry: Entry


class NotReversible(msgspec.Struct, frozen=True, kw_only=True):
    """There is nothing to reverse: the payment is over, or another reversal of it exists. Nothing changed."""

    #: The payment named.
    entry: Entry
    #: The reversal in the way, if that is the reason.
    reversal: Entry | None = None


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """An entry waiting in arrival order."""

    entry: Entry
    #: An earlier entry of its lane is not finished and is not itself waiting in arrival order: it must stay behind.
    blocked: bool


class Filter(msgspec.Struct, frozen=True, kw_only=True):
    """Which entries to list; every field given narrows. Pages go by number, never by offset."""

    states: frozenset[State] = frozenset()
    route: str = ""
    channel: str = ""
    kind: Kind | None = None
    key: str = ""
    lane: int | None = None
    #: Why it is where it is, in the entry's bounded words.
    reason: str = ""
    currency: str = ""
    #: Minor units, both ends in it; 0 = any.
    amount_min: int = 0
    amount_max: int = 0
    accepted_from_us: int = 0
    accepted_before_us: int = 0
    #: Only entries above this number (ascending) ...
    after: int = 0
    #: ... or below it (descending, newest first), when set.
    before: int = 0
    newest_first: bool = False


class Owed(NamedTuple):
    """The place of an entry among those whose money is owed back."""

    refused_at_us: int
    number: int


FIRST: Final = Owed(0, 0)
"""Before all of them."""


class Aged(NamedTuple):
    """What unfinished entries are counted by in a shape."""

    channel: str
    currency: str
    kind: Kind
    state: State
    #: Why it is there; empty for all that wait in arrival order.
    reason: str
    #: How many of the edges are at or below its number.
    bucket: int


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine says of itself, for `status` and readiness."""

    engine: str
    #: Version of the library under it; empty where there is none.
    version: str
    #: True when new entries are taken.
    accepting: bool
    #: Why not, in words.
    trouble: str
    #: Bytes free on its disk and kept in reserve; 0 where there is no disk.
    free_bytes: int
    reserve_bytes: int
    #: Bytes it takes on disk.
    size_bytes: int
    #: It can't be reached, and this node goes on by itself, in a file beside it.
    alone: bool = False
    #: Payments in that file that are yet to be brought over.
    beside: int = 0


class Store(Protocol):
    """An engine of the spool. All methods are called from one event loop.

    What returns an awaitable is to be awaited at once: whether the call or the await submits it, is the engine's affair.
    But `insert` submits at the call: when it returns, sums and lanes count the payment.
    """

    #: Sums by route, channel, state and what was told; changes with every insert and move. Read only.
    tally: Tally
    #: This node, and the others that there may be.
    nodes: Nodes

    async def open(self, now_us: int) -> None:
        """Take the spool in hand; attempts of a former run become in doubt.

        Raises:
            SpoolHeld: another process owns it.
            SpoolUnfit: it can't keep the promises.
        """
        ...

    async def close(self) -> None:
        """Commit what was submitted, then let go. After it every call raises `SpoolClosed`."""
        ...

    def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Awaitable[Inserted | Known]:
        """Record a new payment.

        Raises:
            StorageFull, SpoolClosed: nothing was stored.
            LaneTaken, OverLimit, KeyBarred: the same, because of other nodes.
            StorageUncertain: nobody knows.
        """
        ...

    def reverse(self, draft: Draft, key_id: int, sealed: bytes) -> Awaitable[Inserted | Known | NotReversible]:
        """Record a reversal, deciding in the same commit whether it and its payment cancel out.

        Payment ready or held: both end `CANCELLED`. Payment in flight, in doubt, parked, quarantined: the reversal waits
        as `READY` behind it. Payment posted: it is stored in the draft's state. Else `NotReversible`.

        Raises:
            As insert.
        """
        ...

    def move(self, moves: Sequence[Move]) -> Awaitable[list[bool]]:
        """Make each move whose entry is still as its caller knew it; say for each whether it was made.

        Who reopens an entry sees to it that nothing of its lane is unfinished (see `Spool.reopen`).

        Raises:
            SpoolClosed: nothing changed.
            OverLimit: the same; other nodes used up a limit of the one move asked for.
            StorageUncertain: nobody knows.
        """
        ...

    def reseal(self, anew: Sequence[tuple[Entry | AccountNote, bytes]], key_id: int) -> Awaitable[list[bool]]:
        """Put each content, sealed anew under this key, in its old one's place, if that is still there.

        Nothing else of an entry changes, and moves made meanwhile are no hindrance: a record opens in its place whatever
        its state. A note that was heard meanwhile stays. Errors: as move.
        """
        ...

    async def forget(self, past: Past, after: int, limit: int, at_us: int) -> Forgotten:
        """Look at `limit` entries above number `after` that may be past, and forget those that are, and are over.

        An entry goes with its key and its history, durably: its number and its key are then nobody's. The log tells in the
        same commit, at this time, what went (`spool.evidence.gone`). These never go: an entry that isn't final, or whose money
        is owed back; a payment before all of that holds of its reversals too; a reversal before its payment.

        Raises:
            As move.
        """
        ...

    async def key_uses(self) -> dict[int, KeyUse]:
        """By data key: what needs it; as counted in the commits, however many entries there are."""
        ...

    async def recount_keys(self) -> tuple[dict[int, KeyUse], dict[int, KeyUse]]:
        """What needs data keys as it was kept at one moment, and as it is counted anew from the entries of that same moment."""
        ...

    def lanes(self) -> AsyncIterator[Sequence[int]]:
        """The lanes of all unfinished entries as of one moment, in pieces; a lane may come more than once."""
        ...

    async def set_behind(self, entries: Sequence[Entry]) -> None:
        """Take ready entries out of arrival order until `followers` fetches them: their lane isn't free."""
        ...

    async def get(self, number: int) -> Entry | None:
        """The entry with this number."""
        ...

    async def find(self, channel: str, key: str) -> Entry | None:
        """The entry that owns this key."""
        ...

    async def reversal_of(self, number: int) -> Entry | None:
        """The reversal of a payment that was not refused, if there is one."""
        ...

    async def reversals_of(self, number: int) -> list[Entry]:
        """All reversals of a payment there ever were, whatever came of them; oldest first."""
        ...

    async def ready(self, route: str, rank: int, after: int, limit: int) -> list[Ready]:
        """Entries of this rank waiting in arrival order above number `after`.

        In order of (rank, number) none comes before one that it stands behind in its lane: a draft that asks for a better
        rank than what is unfinished before it in its lane is stored with that one's (`spool.rank`).
        """
        ...

    async def followers(self, route: str, lane: int, limit: int) -> list[Entry]:
        """Ready entries of one lane that were set behind, in order; they are in arrival order again afterwards.

        None stands behind an entry of the lane that is in flight, in doubt, held, parked, quarantined or not yet due.
        """
        ...

    async def due(self, route: str, now_us: int, limit: int) -> list[Entry]:
        """Entries ready or in doubt whose time has come and that stand first in their lane, soonest first."""
        ...

    async def next_due_us(self, route: str) -> int:
        """When the next entry of the route falls due; 0 when none waits for a time."""
        ...

    def lane_is_clear(self, route: str, lane: int) -> bool:
        """No unfinished entry is in this lane. May say no of a clear lane, never yes of one that isn't. No I/O."""
        ...

    def former_lanes(self, entering: Entering) -> FormerLanes:
        """Asked when another index key is about to hash: which accounts stay in their lanes of before. No I/O.

        `entering` are lanes of payments that have one and are yet to be submitted.
        """
        ...

    async def page(self, wanted: Filter, limit: int) -> list[Entry]:
        """Entries that pass the filter, a page of at most `limit`."""
        ...

    async def horizon(self, wanted: Filter, count: int) -> int:
        """How far a look through `count` of the entries that a page would have to look at gets, in its direction.

        The number of the last of them; 0 when there are no more than these. So a page up to there costs no more than so
        many entries, however few of them pass.
        """
        ...

    async def find_core_id(self, core_id: str, limit: int) -> list[Entry]:
        """Entries that their core knows by this id, oldest first. It isn't empty."""
        ...

    async def shape(self, route: str, edges: Sequence[int]) -> dict[Aged, Sum]:
        """Unfinished entries of a route by age: `edges` are numbers, ascending, as numbers rise with time.

        Reads all that is unfinished, in steps, from indexes where they wait in arrival order; not of one moment.
        """
        ...

    async def history(self, number: int) -> list[Event]:
        """Everything that happened to an entry, oldest first."""
        ...

    async def oldest_waiting_us(self, route: str) -> int:
        """When the oldest entry waiting in arrival order was accepted; 0 when none waits."""
        ...

    async def returns_due(self, route: str, limit: int, *, channel: str = "", after: Owed = FIRST) -> list[Entry]:
        """Refused entries of a route whose channel had a positive answer: their money is owed back. Refused first first.

        Of all channels, or of one; only those behind `after`, so pages go by it. Costs nothing for entries of which nothing
        is owed.
        """
        ...

    def recount(self) -> AsyncIterator[dict[Cell, tuple[int, int]]]:
        """Count entries and sums anew from the entries themselves, in steps.

        The first dict yielded is the tally as it was kept at one moment, the following are what was counted so far of
        the entries of that same moment, and the last of them is whole; at least two are yielded. So the two can be
        compared while the service goes on: see `spool.verify`.
        """
        ...

    async def act(self, act: Act) -> Act:
        """Keep what a person did that moves no entry, with its place in the log; durably.

        Raises:
            As move.
        """
        ...

    async def deeds(self, first: int, limit: int) -> list[Act]:
        """What persons did, in the order of the log from place `first` on: acts, and moves of entries as acts.

        A move's subject is the entry's number, its detail the states it went from and to.
        """
        ...

    def records(self) -> AbstractAsyncContextManager[Records]:
        """Everything there is and its evidence, as of one moment, to be looked through while the service goes on."""
        ...

    async def highest_number(self) -> int:
        """The highest number of any entry; 0 when there is none."""
        ...

    async def remember(self, name: str, value: bytes) -> None:
        """Keep a small named value (a key's check value, a state to survive restarts), durably.

        Raises:
            As move.
        """
        ...

    async def recall(self, name: str) -> bytes | None:
        """The value kept under this name."""
        ...

    async def exchange(self, name: str, known: bytes | None, value: bytes, at_us: int = 0) -> bool:
        """Keep a value if what is kept under its name is still `known` (None: nothing is); False when it isn't.

        The log tells of it in the same commit, at this time: see `spool.evidence.settings`.

        Raises:
            As move.
        """
        ...

    async def recall_some(self, prefix: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Names that begin with `prefix` and come after `after`, with their values, in order of their code points."""
        ...

    async def spend(self, spending: Spending) -> bool:
        """Count a promise to an account if it fits under its limit of the day; False when it doesn't.

        Exact whoever asks at the same moment. Days before the one before this are forgotten by and by.

        Raises:
            As move.
        """
        ...

    async def refund(self, spending: Spending) -> None:
        """Take a promise back that was counted and not given.

        Raises:
            As move.
        """
        ...

    async def note_accounts(self, notes: Sequence[AccountNote]) -> None:
        """Keep what was heard of accounts, each over what was known of it.

        Raises:
            As move.
        """
        ...

    async def account(self, lane: int) -> AccountNote | None:
        """What is known of an account; None when nothing is."""
        ...

    async def notes_under(self, key_id: int, limit: int) -> list[AccountNote]:
        """Some of the accounts of which what their core said is sealed under this key, by lane."""
        ...

    async def accounts_counted(self) -> tuple[int, int]:
        """How many accounts are known, and how many are on the negative list. Reads all of them."""
        ...

    async def denies(self) -> bool:
        """Any account is on the negative list. Costs nothing."""
        ...

    async def health(self) -> Health:
        """How the engine is."""
        ...
