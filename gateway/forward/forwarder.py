"""Sending what waits on one route: claim, send, outcome, record. One walk per entry, many entries at once.

`run` waits; `run_once` does one bounded round: brings the window up to date, takes up what fell due, and starts as many
walks as the pace allows. A walk is one coroutine from claim to record; commits are shared by the spool.
"""

import asyncio
from functools import partial
from typing import Final

import msgspec

from gateway import content
from gateway.clock import Clock
from gateway.conclude import (
    Step,
    cannot_tell,
    cannot_undo,
    leave_ended,
    may_inquire,
    may_resend,
)
from gateway.content import Content
from gateway.deliver import Original, original_of
from gateway.forward.courier import Courier
from gateway.forward.pace import Pace
from gateway.forward.window import Window
from gateway.log import log
from gateway.meter import Meter
from gateway.route.breaker import Permit
from gateway.route.route import Route
from gateway.route.zone import Zone
from gateway.settle import Settler
from spool import lifecycle
from spool.entry import Entry
from spool.errors import RecordDamaged, SpoolError, StorageUncertain
from spool.lifecycle import FINAL, State
from spool.spool import Spool
from spool.store import Move, Ready

LOAD_MAX: Final = 512
"""Most entries read at once."""

IDLE_S: Final = 1.0
"""Longest sleep without looking anew; wake-ups make it rarely matter."""

SOON_US: Final = 50_000
"""How soon what is due but not free is looked at again."""

PAUSE_S: Final = 0.25
"""How long nothing is claimed after the spool took nothing."""

NUMBER_MAX: Final = 2**63
"""Above every number."""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one round did."""

    loaded: int = 0
    set_behind: int = 0
    started: int = 0
    #: Seconds until there is surely something to do; IDLE_S when nothing is known.
    wait_s: float = IDLE_S


class Forwarder:
    """The forwarder of one route."""

    def __init__(self, *, route: Route, spool: Spool, clock: Clock, settler: Settler, meter: Meter) -> None:
        """Begin with an empty window; `run` does the rest."""
        self._route = route
        self._spool = spool
        self._store = spool.store
        self._clock = clock
        self._settler = settler
        self._window = Window(route.forward.window_entries_max, route.forward.lane_entries_max)
        self.pace = Pace(route.forward.in_flight_max)
        self._courier = Courier(route=route, clock=clock, meter=meter, pace=self.pace)
        self._cursor = 0
        #: Lowest place gone back to since the last load began.
        self._rewound_to = NUMBER_MAX
        #: There may be more in arrival order above the cursor.
        self._more = True
        #: When the next entry falls due, as far as known (µs since 1970); 0 = look.
        self._due_at_us = 0
        self._freed: set[int] = set()
        #: Lanes of which nobody knows whether what waited behind was fetched: the commit raised.
        self._half_fetched: set[int] = set()
        #: Lanes finished while the window is being loaded; None while it isn't.
        self._finished: set[int] | None = None
        self._walks: set[asyncio.Task[None]] = set()
        #: Numbers of entries that may be at the core: what the pace limits. Recording an outcome is none of the core's.
        self._at_core: set[int] = set()
        #: Nothing is started before this monotonic time.
        self._paused_until = 0.0
        self._wake = asyncio.Event()
        self._stopping = False
        route.entry_waits = self.entry_waits
        route.entry_returned = self.rewind
        route.lane_freed = self.lane_freed
        route.health.on_change(lambda old, new, _diagnosis: self._zone_changed(old, new))

    # What others tell

    def entry_waits(self, due_at_us: int) -> None:
        """An entry waits, from `due_at_us` on (0 = at once). Costs nothing while the route is open."""
        if due_at_us:
            self._due_at_us = min(self._due_at_us, due_at_us)
        else:
            self._more = self._route.health.backlog_waits = True
        if self._route.health.zone is not Zone.OPEN:
            self._wake.set()

    def lane_freed(self, lane: int) -> None:
        """Nothing of this lane is unfinished before what waits behind it."""
        self._freed.add(lane)
        self._wake.set()

    def rewind(self, number: int) -> None:
        """Entries from this number on may be ready anew (released by a person, found absent at the core)."""
        self._cursor = min(self._cursor, number - 1)
        # A load under way ends by moving the cursor on, but not past this.
        self._rewound_to = min(self._rewound_to, self._cursor)
        self.entry_waits(0)

    def _zone_changed(self, old: Zone, new: Zone) -> None:
        if new is Zone.CLOSED and old is not Zone.CLOSED:
            self.pace.restart()
        # Entries may wait, as far as we know before the next round: no payer is the trial while they do.
        self._route.health.backlog_waits = True
        self._wake.set()

    @property
    def in_hand(self) -> int:
        """Entries being sent or asked about."""
        return len(self._walks)

    # The loop

    async def run(self) -> None:
        """Go on until stopped."""
        while not self._stopping:
            self._wake.clear()
            try:
                done = await self.run_once()
            except SpoolError as error:
                # What was being loaded may stand in arrival order below the cursor now: read all of it again.
                self.rewind(1)
                log.warning("forwarder_waits_for_spool", route=self._route.name, error=type(error).__name__)
                done = Round(wait_s=IDLE_S)
            await self._rest(done.wait_s)

    async def _rest(self, seconds: float) -> None:
        if seconds <= 0 or self._wake.is_set():
            await self._clock.sleep(0)
            return
        timer = asyncio.ensure_future(self._clock.sleep(seconds))
        woken = asyncio.ensure_future(self._wake.wait())
        await asyncio.wait([timer, woken], return_when=asyncio.FIRST_COMPLETED)
        timer.cancel()
        woken.cancel()

    async def stop(self, grace_s: float) -> int:
        """Start nothing more, let attempts end within `grace_s`; how many were left (in doubt at the next start)."""
        self._stopping = True
        self._wake.set()
        if not self._walks:
            return 0
        _, left = await asyncio.wait(self._walks, timeout=grace_s)
        for walk in left:
            walk.cancel()
        if left:
            await asyncio.wait(left)
        return len(left)

    async def run_once(self) -> Round:
        """One bounded round."""
        if self._route.health.zone is Zone.OPEN:
            return Round(wait_s=IDLE_S)
        set_behind = await self._free_lanes()
        loaded, more_behind = await self._load()
        due = await self._take_up_due()
        self._route.health.backlog_waits = self._more or len(self._window) > 0
        started = due + self._start_walks()
        return Round(loaded=loaded, set_behind=set_behind + more_behind, started=started, wait_s=self._wait_s())

    @property
    def _wants_more(self) -> bool:
        return self._more and 2 * len(self._window) < self._route.forward.window_entries_max

    def _wait_s(self) -> float:
        if self._wants_more:
            return 0.0
        return min(IDLE_S, max(0.01, (self._due_at_us - self._clock.now_us()) / 1_000_000))

    async def _free_lanes(self) -> int:
        """Fetch what waited behind lanes that became free."""
        behind, limit = 0, self._route.forward.lane_entries_max
        while self._freed:
            lane = self._freed.pop()
            try:
                await self._put_in_line(lane)
                found = await self._store.followers(self._route.name, lane, limit)
            except SpoolError:
                self._freed.add(lane)
                self._half_fetched.add(lane)
                raise
            over = self._window.offer(Ready(entry=entry, blocked=False) for entry in found)
            if len(found) == limit:
                self._window.overflow(lane)
            await self._store.set_behind(over)
            behind += len(over)
        return behind

    async def _put_in_line(self, lane: int) -> None:
        """After an uncertain fetch some of a lane may be in arrival order, the rest behind: all of it is read anew there.

        Fetched and offered directly, the rest would overtake the first.
        """
        limit = self._route.forward.lane_entries_max
        while lane in self._half_fetched:
            if len(await self._store.followers(self._route.name, lane, limit)) < limit:
                self._half_fetched.discard(lane)
                self.rewind(1)

    async def _load(self) -> tuple[int, int]:
        """Fill the window in order of arrival; how many were read, and how many of them must wait behind."""
        if not self._wants_more:
            return 0, 0
        self._more = False
        self._finished = set()
        self._rewound_to = NUMBER_MAX
        try:
            limit = min(self._window.room, LOAD_MAX)
            found = await self._store.ready(self._route.name, self._cursor, limit)
            behind = self._window.offer(found)
            await self._store.set_behind(behind)
        except SpoolError:
            self._more = True
            raise
        finally:
            finished, self._finished = self._finished, None
        if found:
            self._cursor = min(self._rewound_to, max(self._cursor, found[-1].entry.number))
        self._more = self._more or len(found) == limit
        # What blocked an entry when it was read may have finished before it was set behind: look at its lane again.
        self._freed |= finished & {entry.lane for entry in behind}
        return len(found), len(behind)

    async def _take_up_due(self) -> int:
        """Start on what waited for a time: inquiries, resends, and second attempts."""
        now_us = self._clock.now_us()
        room = self.pace.limit - len(self._at_core)
        if len(self._window):
            # Neither starves the other: what fell due takes at most half of the pace while others wait.
            room = min(room, (self.pace.limit + 1) // 2)
        if now_us < self._due_at_us or room <= 0 or self._clock.monotonic() < self._paused_until:
            return 0
        # Those in hand are due as well until their outcome is recorded, and come first.
        found = await self._store.due(self._route.name, now_us, room + len(self._walks))
        started = 0
        for entry in found:
            if started == room or len(self._at_core) >= self.pace.limit or self._stopping:
                break
            started += self._take_up(entry)
        next_us = await self._store.next_due_us(self._route.name)
        # What is due already but could not be taken up (its lane is busy) is looked at again soon.
        self._due_at_us = max(next_us, now_us + SOON_US) if next_us else now_us + round(IDLE_S * 1_000_000)
        return started

    def _take_up(self, entry: Entry) -> bool:
        """Start on an entry that fell due, if its lane is free and, where it is sent, the route lets it."""
        if not self._window.seize(entry):
            return False
        if entry.state is State.IN_DOUBT and not self._may_resend(entry):
            self._walk(entry, None)
            return True
        permit = self._route.health.trial()
        if permit is None:
            self._window.finish(entry)
            return False
        self._walk(entry, permit)
        return True

    def _start_walks(self) -> int:
        """As many walks as pace and route allow now."""
        started = 0
        if self._clock.monotonic() < self._paused_until:
            return 0
        while len(self._at_core) < self.pace.limit and not self._stopping:
            entry = self._window.take()
            if entry is None:
                break
            permit = self._route.health.trial()
            if permit is None:
                self._window.put_back(entry)
                break
            self._walk(entry, permit)
            started += 1
        return started

    def _walk(self, entry: Entry, permit: Permit | None) -> None:
        walk = asyncio.ensure_future(self._from_claim_to_record(entry, permit))
        self._walks.add(walk)
        self._at_core.add(entry.number)
        walk.add_done_callback(partial(self._walked, entry.number))

    def _walked(self, number: int, walk: "asyncio.Task[None]") -> None:
        self._walks.discard(walk)
        self._at_core.discard(number)
        error = None if walk.cancelled() else walk.exception()
        if error is not None:
            log.error("forwarding_failed", route=self._route.name, error=type(error).__name__)
        if len(self._window):
            self._start_walks()
        if self._freed or self._wants_more:
            self._wake.set()

    # One entry's walk

    async def _from_claim_to_record(self, entry: Entry, permit: Permit | None) -> None:
        """Claim, send, hear, record; or, without leave to send, ask, hear, record."""
        try:
            kept = content.read(self._spool.content(entry))
            original = await original_of(self._spool, entry)
        except (RecordDamaged, ValueError):
            self._withdraw(permit)
            log.error("record_damaged", route=self._route.name, number=entry.number)
            await self._record(entry, Step(transition=lifecycle.QUARANTINE, reason="damaged"))
            return
        except SpoolError:
            self._withdraw(permit)
            self._return_unsent(entry)
            return
        instead = self._instead_of_sending(entry, original)
        if permit is None:
            await self._ask(entry, kept, original)
        elif instead is not None:
            self._withdraw(permit)
            await self._record(entry, instead)
        else:
            await self._attempt(entry, kept, original, permit)

    def _withdraw(self, permit: Permit | None) -> None:
        if permit is not None:
            self._route.health.withdraw(permit)

    def _may_resend(self, entry: Entry) -> bool:
        age_s = (self._clock.now_us() - entry.accepted_at_us) / 1_000_000
        return may_resend(self._route.core.capabilities, age_s)

    def _instead_of_sending(self, entry: Entry, original: Original | None) -> Step | None:
        """What becomes of a reversal that can't be sent: there is nothing to undo, or the core can't undo."""
        if original is None:
            return None
        if entry.state is State.READY and original.entry.state in FINAL - {State.POSTED}:
            return Step(transition=lifecycle.CANCEL, reason="nothing_to_reverse")
        return None if self._route.core.capabilities.reversal else cannot_undo()

    async def _attempt(self, entry: Entry, kept: Content, original: Original | None, permit: Permit) -> None:
        claimed = await self._claim(entry)
        if claimed is None:
            self._route.health.withdraw(permit)
            return
        repeated = entry.state is State.IN_DOUBT
        if not self._route.health.holds(permit):
            self._route.health.withdraw(permit)
            await self._record(claimed, leave_ended(repeated=repeated))
            return
        step = await self._courier.send(claimed, kept, original, permit, repeated=repeated)
        self._at_core.discard(entry.number)
        self._start_walks()
        await self._record(claimed, step)

    async def _claim(self, entry: Entry) -> Entry | None:
        """On disk before the first byte leaves; None when somebody else was faster, or nobody knows."""
        transition = lifecycle.CLAIM if entry.state is State.READY else lifecycle.RESEND
        move = Move(entry=entry, transition=transition, at_us=self._clock.now_us())
        try:
            (made,) = await self._spool.move([move])
        except StorageUncertain:
            self._settler.later(self._unclaim(move))
            return None
        except SpoolError:
            # The disk takes nothing: trying at once, for ever, would only keep the processor busy.
            self._paused_until = self._clock.monotonic() + PAUSE_S
            self._return_unsent(entry)
            return None
        if not made:
            await self._drop(entry)
            return None
        return move.after()

    async def _unclaim(self, claim: Move) -> None:
        """Nobody knows whether it was claimed: find out, and put it back as it was; what was in doubt still is."""
        claimed = claim.after()
        back = lifecycle.NOT_SENT if claim.transition is lifecycle.CLAIM else lifecycle.DOUBT
        returned = await self._settler.unclaim(claimed.number, claimed.epoch, back)
        self._return_unsent(returned or claim.entry)
        self._wake.set()

    def _return_unsent(self, entry: Entry) -> None:
        """Nothing was claimed: a ready entry goes back where it was, one in doubt is found again when it is due."""
        if entry.state is State.READY and not entry.due_at_us:
            self._window.put_back(entry)
        else:
            self._window.finish(entry)
            self.entry_waits(entry.due_at_us)

    async def _drop(self, entry: Entry) -> None:
        """Somebody else changed it, and may hold it: whatever waits for its lane stands behind until looked at anew."""
        await self._set_behind(self._window.block(entry))
        self.lane_freed(entry.lane)

    async def _ask(self, entry: Entry, kept: Content, original: Original | None) -> None:
        """Ask the core about an entry in doubt; a person where it can't be asked."""
        if not may_inquire(self._route.core.capabilities):
            await self._record(entry, cannot_tell())
            return
        await self._record(entry, await self._courier.ask(entry, kept, original))

    async def _record(self, entry: Entry, step: Step) -> None:
        """Put the step on disk, then let the lane go on, or hold it."""
        now_us = self._clock.now_us()
        timed = step.wait_s > 0 or step.transition.target is State.IN_DOUBT
        move = Move(
            entry=entry,
            transition=step.transition,
            at_us=now_us,
            due_at_us=now_us + round(step.wait_s * 1_000_000) if timed else 0,
            reason=step.reason,
            core_id=step.core_id,
        )
        if not await self._settler.insist(move):
            await self._drop(entry)
            return
        after = move.after()
        if after.state in FINAL:
            self._free(entry)
        elif after.state is State.READY and not after.due_at_us:
            self._window.put_back(after)
        else:
            await self._set_behind(self._window.block(entry))
            if after.due_at_us:
                self.entry_waits(after.due_at_us)
        if after.state is State.PARKED:
            log.warning("entry_parked", route=self._route.name, number=entry.number, reason=step.reason)

    def _free(self, entry: Entry) -> None:
        """An entry is finished; whoever was set behind it comes next."""
        if self._finished is not None:
            self._finished.add(entry.lane)
        held_its_lane = entry.state is State.IN_DOUBT or entry.due_at_us > 0 or entry.attempts > 1
        if self._window.finish(entry) or held_its_lane:
            self.lane_freed(entry.lane)

    async def _set_behind(self, entries: list[Entry]) -> None:
        try:
            await self._store.set_behind(entries)
        except SpoolError:
            # They stay in arrival order and are read again, and set behind then.
            if entries:
                self.rewind(entries[0].number)
