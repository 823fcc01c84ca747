"""A disk that outlives processes, and a store over it that a process has in hand.

The image is what a new process would find: it changes only at the moment a commit reaches it, a whole batch at once.
Everything else (sums and lanes expected of what is submitted, who waits for which commit) belongs to the process and
dies with it. A commit takes time, is shared by all who wait, and fails in every way the seam allows: nothing stored,
nobody knows (kept or lost), or hanging until nobody can wait any longer. The store then does what the seam says a store
does: it tells, it turns away, it comes back when the disk does, and what is on the image decides.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, TypeVar

from msgspec.structs import replace

from spool.account import AccountNote, Spending
from spool.entry import Act, Draft, Entry, Event
from spool.errors import SpoolClosed, StorageFull, StorageUncertain
from spool.evidence.records import Records
from spool.lanes import Entering, FormerLanes, HeldLanes
from spool.lifecycle import CANCEL, FINAL
from spool.memory import MemoryStore
from spool.nodes import Alone, Nodes
from spool.store import FIRST, Aged, Filter, Health, Inserted, Known, Move, NotReversible, Owed, Ready
from spool.tally import Cell, Sum, Tally
from spool.uses import KeyUse
from spool.work import cell_of
from tests.simulation.nature import Nature

T = TypeVar("T")


class Work:
    """Something submitted: what it does to the image, and who waits for it."""

    __slots__ = ("answer", "do", "draft", "moves", "rank", "reverses")

    def __init__(
        self,
        do: Callable[[], Coroutine[Any, Any, Any]],
        answer: "asyncio.Future[Any]",
        *,
        draft: Draft | None = None,
        moves: Sequence[Move] = (),
        reverses: bool = False,
    ) -> None:
        self.do = do
        self.answer = answer
        self.draft = draft
        self.moves = moves
        self.reverses = reverses
        #: New entries first, then moves, then the rest: the order within one commit.
        self.rank = 0 if draft is not None and not reverses else 1 if moves else 2


class Disk:
    """What outlives every process: the image, and the disk's moods."""

    def __init__(self, nature: Nature) -> None:
        """An empty image on a disk of this seed's quality."""
        self.nature = nature
        self.image = MemoryStore()
        self.image._opened = True
        #: What was counted as finished while it was on its way to a disk that then didn't take it. Limits may be
        #: overshot by as much: a known gap, as a release is counted when it is submitted (see `Judge.disk_changed`).
        self.taken_back: list[Entry] = []
        #: Told after each change of the image.
        self.changed: Callable[[], None] = _nobody
        #: Told when the disk behaved badly: trouble seldom comes alone.
        self.trouble: Callable[[], None] = _nobody

    def fate(self) -> str:
        """How the next commit goes; empty when well."""
        for name, rate in self.nature.mix.disk.items():
            if self.nature.happens(rate):
                self.nature.fault(f"disk {name}")
                return name
        return ""

    def commit_s(self) -> float:
        """Seconds a commit takes."""
        return self.nature.mix.commit_s * (0.5 + self.nature.chance.random())

    def down_s(self) -> float:
        """Seconds for which a disk takes nothing at all after an uncertain commit."""
        return 0.0 if self.nature.healed else self.nature.chance.choice((0.0, 0.0, 1.0, 10.0))

    def apply(self, batch: Sequence[Work], results: list[Any] | None = None) -> list[Any]:
        """A batch reaches the image, whole and at once."""
        found: dict[int, Any] = {}
        for at in sorted(range(len(batch)), key=lambda index: batch[index].rank):
            found[at] = results[at] if results and results[at] is not None else at_once(batch[at].do())
        self.nature.note("commit", len(batch), len(self.image._numbers))
        self.changed()
        return [found[at] for at in range(len(batch))]


def _nobody() -> None:
    """Nobody listens yet."""


def at_once(work: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine of the memory engine, none of which waits."""
    try:
        work.send(None)
    except StopIteration as done:
        result: T = done.value
        return result
    raise AssertionError("the memory engine never waits")


def _comes_back(move: Move) -> bool:
    """Persons have it sent again: it is unfinished once more."""
    return move.entry.state in FINAL and move.transition.target not in FINAL


class SimStore:
    """One process's hands on the disk; keeps every promise of `spool.store.Store` on a disk that keeps none."""

    def __init__(self, disk: Disk, stall_s: float) -> None:
        """Not yet open."""
        self.disk = disk
        self.image = disk.image
        self.nature = disk.nature
        self.tally = Tally()
        self.nodes: Nodes = Alone()
        self._lanes: Counter[tuple[str, int]] = Counter()
        self._stall_s = stall_s
        self._pending: list[Work] = []
        #: The batch whose commit runs: a kill leaves it on disk, or not.
        self.at_work: list[Work] = []
        self._wake = asyncio.Event()
        self._closing = False
        self._reading = False
        self._trouble = "not open"
        self._committer: asyncio.Task[None] | None = None

    # Opening and closing

    async def open(self, now_us: int) -> None:
        """Take the disk in hand; attempts of a former run become in doubt."""
        await self.nature.pause(self.disk.commit_s())
        at_once(self.image.open(now_us))
        self.disk.changed()
        self._renew()
        self._trouble, self._reading = "", True
        self._committer = asyncio.ensure_future(self._commit_for_ever())

    async def close(self) -> None:
        """Commit what was submitted, then let go."""
        self._trouble = self._trouble or "closed"
        self._closing = True
        self._wake.set()
        if self._committer is not None:
            await self._committer
        self._reading = False

    def _renew(self) -> None:
        """Forget everything expected: what is on the image counts."""
        self.tally.load(self.image.tally.snapshot())
        self._lanes = Counter((e.route, e.lane) for e in self.image._entries.values() if e.state not in FINAL)

    # What is expected of what is submitted

    def _expect(self, work: Work) -> None:
        draft = work.draft
        if draft is not None:
            self._lanes[draft.route, draft.lane] += draft.state not in FINAL
            if not work.reverses:
                self.tally.add(_cell_of(draft), 1, draft.amount)
        for move in work.moves:
            self._shift(move, 1)
            if _comes_back(move):
                self._lanes[move.entry.route, move.entry.lane] += 1

    def _shift(self, move: Move, sign: int) -> None:
        amount = sign * move.entry.amount
        self.tally.add(cell_of(move.after()), sign, amount)
        self.tally.add(cell_of(move.entry), -sign, -amount)

    def _settle(self, work: Work, result: Any) -> None:
        """Bring what was expected in step with what became of it."""
        draft = work.draft
        if draft is not None and work.reverses:
            self._settle_reversal(draft, result)
        elif draft is not None and not isinstance(result, Inserted):
            self.tally.add(_cell_of(draft), -1, -draft.amount)
            self._lanes[draft.route, draft.lane] -= draft.state not in FINAL
        made = [False] * len(work.moves) if isinstance(result, Exception) else result
        for move, was_made in zip(work.moves, made if work.moves else (), strict=True):
            if not was_made:
                self._shift(move, -1)
                if _comes_back(move):
                    self._lanes[move.entry.route, move.entry.lane] -= 1
                if isinstance(result, Exception) and move.transition.target in FINAL:
                    self.disk.taken_back.append(move.entry)
            elif move.transition.target in FINAL and move.entry.state not in FINAL:
                self._lanes[move.entry.route, move.entry.lane] -= 1

    def _settle_reversal(self, draft: Draft, result: Any) -> None:
        entry = result.entry if isinstance(result, Inserted) else None
        if entry is None or entry.state in FINAL:
            self._lanes[draft.route, draft.lane] -= 1
        if entry is not None:
            self.tally.add(cell_of(entry), 1, entry.amount)
        if isinstance(result, Inserted) and result.netted is not None:
            self._shift(Move(entry=result.netted, transition=CANCEL, at_us=draft.accepted_at_us), 1)
            self._lanes[draft.route, draft.lane] -= 1

    # Writing

    def insert(self, draft: Draft, key_id: int, sealed: bytes) -> Awaitable[Inserted | Known]:
        """Record a new payment."""
        try:
            return self._submit(lambda: self.image.insert(draft, key_id, sealed), draft=draft)
        except SpoolClosed as closed:
            refused: asyncio.Future[Inserted | Known] = self.nature.loop.create_future()
            refused.set_exception(closed)
            return refused

    async def reverse(self, draft: Draft, key_id: int, sealed: bytes) -> Inserted | Known | NotReversible:
        """Record a reversal."""
        result: Inserted | Known | NotReversible = await self._submit(
            lambda: self.image.reverse(draft, key_id, sealed), draft=draft, reverses=True
        )
        return result

    async def move(self, moves: Sequence[Move]) -> list[bool]:
        """Make moves by compare-and-set."""
        made: list[bool] = await self._submit(lambda: self.image.move(moves), moves=moves)
        return made

    async def set_behind(self, entries: Sequence[Entry]) -> None:
        """Take ready entries out of arrival order."""
        if entries:
            await self._submit(lambda: self.image.set_behind(entries))

    async def followers(self, route: str, lane: int, limit: int) -> list[Entry]:
        """Fetch what was set behind in a lane."""
        found: list[Entry] = await self._submit(lambda: self.image.followers(route, lane, limit))
        return found

    async def reseal(self, anew: Sequence[tuple[Entry | AccountNote, bytes]], key_id: int) -> list[bool]:
        """Put contents sealed anew in their old ones' places."""
        done: list[bool] = await self._submit(lambda: self.image.reseal(anew, key_id))
        return done

    async def act(self, act: Act) -> Act:
        """Keep what a person did."""
        kept: Act = await self._submit(lambda: self.image.act(act))
        return kept

    async def remember(self, name: str, value: bytes) -> None:
        """Keep a small named value."""
        await self._submit(lambda: self.image.remember(name, value))

    async def exchange(self, name: str, known: bytes | None, value: bytes, at_us: int = 0) -> bool:
        """Keep a small named value in the place of the one its caller knew."""
        done: bool = await self._submit(lambda: self.image.exchange(name, known, value, at_us))
        return done

    async def spend(self, spending: Spending) -> bool:
        """Count a promise to an account."""
        done: bool = await self._submit(lambda: self.image.spend(spending))
        return done

    async def refund(self, spending: Spending) -> None:
        """Take a promise back."""
        await self._submit(lambda: self.image.refund(spending))

    async def notes_under(self, key_id: int, limit: int) -> list[AccountNote]:
        """What was said of accounts under a key."""
        return await self._read(lambda: self.image.notes_under(key_id, limit))

    async def note_accounts(self, notes: Sequence[AccountNote]) -> None:
        """Keep what was heard of accounts."""
        await self._submit(lambda: self.image.note_accounts(notes))

    async def account(self, lane: int) -> AccountNote | None:
        """What is known of an account."""
        return await self._read(lambda: self.image.account(lane))

    async def accounts_counted(self) -> tuple[int, int]:
        """How many there are."""
        return await self._read(self.image.accounts_counted)

    async def denies(self) -> bool:
        """Any is denied."""
        return await self._read(self.image.denies)

    def _submit(
        self,
        do: Callable[[], Coroutine[Any, Any, Any]],
        *,
        draft: Draft | None = None,
        moves: Sequence[Move] = (),
        reverses: bool = False,
    ) -> "asyncio.Future[Any]":
        if self._trouble:
            raise SpoolClosed(f"the spool takes nothing: {self._trouble}")
        work = Work(do, self.nature.loop.create_future(), draft=draft, moves=moves, reverses=reverses)
        self._expect(work)
        self._pending.append(work)
        self._wake.set()
        return work.answer

    async def _commit_for_ever(self) -> None:
        while True:
            await self._wake.wait()
            self._wake.clear()
            while self._pending:
                await self._commit_once()
            if self._closing:
                return

    async def _commit_once(self) -> None:
        batch, self._pending = self._pending, []
        fate = self.disk.fate()
        self.at_work = batch
        if fate.startswith("hangs"):
            await self._hang(batch, kept=fate == "hangs_kept")
            return
        slow = 50.0 if fate == "slow" else 1.0
        await self.nature.pause(min(self.disk.commit_s() * slow, 0.9 * self._stall_s))
        if fate.startswith("unsure"):
            await self._be_unsure(batch, kept=fate == "unsure_kept")
        elif fate == "fails":
            self._done(batch, [SpoolClosed("the commit could not begin")] * len(batch))
        else:
            room = fate != "full"
            refused = [None if room or work.draft is None else StorageFull("no room") for work in batch]
            self._done(batch, self.disk.apply(batch, refused))

    def _done(self, batch: Sequence[Work], results: Sequence[Any]) -> None:
        """Everybody is told what became of his own."""
        self.at_work = []
        for work, result in zip(batch, results, strict=True):
            self._settle(work, result)
            _tell(work.answer, result)

    async def _be_unsure(self, batch: list[Work], *, kept: bool) -> None:
        """The commit raised: nobody knows, until the disk is opened anew."""
        self._trouble = "reopening after an uncertain commit"
        if kept:
            self.disk.apply(batch)
        self.at_work = []
        for work in batch:
            _tell(work.answer, StorageUncertain(self._trouble))
        self._turn_away()
        self._reading = False
        self.disk.trouble()
        await self.nature.pause(self.disk.down_s())
        await self.nature.pause(self.disk.commit_s())
        self._renew()
        self._reading = True
        self._recover()

    async def _hang(self, batch: list[Work], *, kept: bool) -> None:
        """The commit hangs: nobody waits longer than the stall limit."""
        await self.nature.pause(self._stall_s)
        self._trouble = "a commit hangs"
        for work in batch:
            _tell(work.answer, StorageUncertain(self._trouble))
        self._turn_away()
        self.disk.trouble()
        await self.nature.pause(self.nature.chance.choice((0.1, 5.0, 40.0)))
        if kept:
            self._done(batch, self.disk.apply(batch))
            self._recover()
        else:
            await self._be_unsure(batch, kept=False)

    def _turn_away(self) -> None:
        """Nothing of what waits for a later commit was stored."""
        waiting, self._pending = self._pending, []
        self._done_not(waiting)

    def _done_not(self, waiting: Sequence[Work]) -> None:
        for work in waiting:
            self._settle(work, error := SpoolClosed(f"nothing was stored: {self._trouble}"))
            _tell(work.answer, error)

    def _recover(self) -> None:
        self._trouble = "closed" if self._closing else ""

    def killed(self) -> None:
        """The process is dead: a commit under way is on disk, or not."""
        if self.at_work and self.nature.chance.random() < 0.5:
            self.disk.apply(self.at_work)
        self.at_work = []

    # Reading: the image as it is at some moment of the call

    async def _read(self, ask: Callable[[], Coroutine[Any, Any, T]]) -> T:
        self._need_reader()
        if self.nature.chance.random() < 0.5:
            found = at_once(ask())
            await asyncio.sleep(0)
            return found
        await self.nature.pause(0.0 if self.nature.chance.random() < 0.8 else self.disk.commit_s())
        self._need_reader()
        return at_once(ask())

    def _need_reader(self) -> None:
        if not self._reading:
            raise SpoolClosed("the spool isn't open")

    async def get(self, number: int) -> Entry | None:
        """The entry with this number."""
        return await self._read(lambda: self.image.get(number))

    async def find(self, channel: str, key: str) -> Entry | None:
        """The entry that owns this key."""
        return await self._read(lambda: self.image.find(channel, key))

    async def reversal_of(self, number: int) -> Entry | None:
        """The reversal of a payment."""
        return await self._read(lambda: self.image.reversal_of(number))

    async def reversals_of(self, number: int) -> list[Entry]:
        """All reversals of a payment there ever were."""
        return await self._read(lambda: self.image.reversals_of(number))

    async def ready(self, route: str, rank: int, after: int, limit: int) -> list[Ready]:
        """Entries waiting in arrival order."""
        return await self._read(lambda: self.image.ready(route, rank, after, limit))

    async def due(self, route: str, now_us: int, limit: int) -> list[Entry]:
        """Entries whose time has come."""
        return await self._read(lambda: self.image.due(route, now_us, limit))

    async def next_due_us(self, route: str) -> int:
        """When the next falls due."""
        return await self._read(lambda: self.image.next_due_us(route))

    def lane_is_clear(self, route: str, lane: int) -> bool:
        """Nothing unfinished is in the lane, what is on its way to disk included."""
        return not self._lanes[route, lane]

    def former_lanes(self, entering: Entering) -> FormerLanes:
        """Those that hold something now, what is on its way to disk included."""
        held = [lane for (_, lane), held in self._lanes.items() if held]
        return HeldLanes([*held, *(lane for _, lane in entering)], self.lane_is_clear)

    async def page(self, wanted: Filter, limit: int) -> list[Entry]:
        """Entries that pass the filter."""
        return await self._read(lambda: self.image.page(wanted, limit))

    async def horizon(self, wanted: Filter, count: int) -> int:
        """How far a look gets."""
        return await self._read(lambda: self.image.horizon(wanted, count))

    async def find_core_id(self, core_id: str, limit: int) -> list[Entry]:
        """Entries by their core's id."""
        return await self._read(lambda: self.image.find_core_id(core_id, limit))

    async def shape(self, route: str, edges: Sequence[int]) -> dict[Aged, Sum]:
        """What is unfinished, by age."""
        return await self._read(lambda: self.image.shape(route, edges))

    async def deeds(self, first: int, limit: int) -> list[Act]:
        """What persons did."""
        return await self._read(lambda: self.image.deeds(first, limit))

    async def history(self, number: int) -> list[Event]:
        """What happened to an entry."""
        return await self._read(lambda: self.image.history(number))

    async def key_uses(self) -> dict[int, KeyUse]:
        """What needs which key."""
        return await self._read(self.image.key_uses)

    async def recount_keys(self) -> tuple[dict[int, KeyUse], dict[int, KeyUse]]:
        """The same, twice."""
        return await self._read(self.image.recount_keys)

    def lanes(self) -> AsyncIterator[Sequence[int]]:
        """The lanes of everything unfinished."""
        self._need_reader()
        return self.image.lanes()

    async def oldest_waiting_us(self, route: str) -> int:
        """When the oldest waiting entry was accepted."""
        return await self._read(lambda: self.image.oldest_waiting_us(route))

    def recount(self) -> AsyncIterator[dict[Cell, tuple[int, int]]]:
        """Count anew."""
        self._need_reader()
        return self.image.recount()

    def records(self) -> AbstractAsyncContextManager[Records]:
        """Everything there is."""
        self._need_reader()
        return self.image.records()

    async def highest_number(self) -> int:
        """The highest number of any entry."""
        return await self._read(self.image.highest_number)

    async def recall(self, name: str) -> bytes | None:
        """The value kept under this name."""
        return await self._read(lambda: self.image.recall(name))

    async def returns_due(self, route: str, limit: int, *, channel: str = "", after: Owed = FIRST) -> list[Entry]:
        """What is owed back."""
        return await self._read(lambda: self.image.returns_due(route, limit, channel=channel, after=after))

    async def recall_some(self, prefix: str, after: str, limit: int) -> list[tuple[str, bytes]]:
        """Values by the beginning of their names."""
        return await self._read(lambda: self.image.recall_some(prefix, after, limit))

    async def health(self) -> Health:
        """As the image is, and whether anything is taken; known also while nothing can be read."""
        well = await self.image.health()
        return replace(well, accepting=not self._trouble, trouble=self._trouble)


def _cell_of(draft: Draft) -> Cell:
    return Cell(draft.route, draft.channel, draft.currency, draft.kind, draft.state, draft.told)


def _tell(answer: "asyncio.Future[Any]", result: Any) -> None:
    if answer.done():
        return
    if isinstance(result, Exception):
        answer.set_exception(result)
    else:
        answer.set_result(result)
