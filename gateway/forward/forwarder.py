"""Sending what waits on one route: which entry goes next, and when.

`run` waits; `run_once` does one bounded round: brings the window up to date, takes up what fell due, and begins as many
walks (`gateway.forward.walks`) as the pace allows.
"""

import asyncio
import math
from collections.abc import Sequence
from typing import Final

import msgspec

from gateway.clock import Clock
from gateway.conclude import may_resend
from gateway.forward.courier import Courier
from gateway.forward.estimate import Estimate, Flow
from gateway.forward.reading import Reading
from gateway.forward.walks import Walks, operation_of
from gateway.forward.window import Window
from gateway.log import log
from gateway.meter import Meter
from gateway.route.route import Route
from gateway.route.zone import PASSING, Zone
from gateway.settle import Settler
from spool.entry import Entry
from spool.errors import SpoolError
from spool.lifecycle import FINAL, POST, Kind, State, Told
from spool.rank import RANKS
from spool.spool import Spool
from spool.store import Move, Ready

LOAD_MAX: Final = 512
"""Most entries read at once."""

HELD_UP_LOAD: Final = 8
"""How many are read of a rank for which a full window waits. Of these at least one may go then, or another rank is next."""

IDLE_S: Final = 1.0
"""Longest sleep without looking anew; wake-ups make it rarely matter."""

SOON_US: Final = 50_000
"""How soon what is due but not free is looked at again."""

LOOK_S: Final = 0.01
"""Shortest sleep before looking anew; what is left of a wait can be less than a clock can tell."""

PAUSE_S: Final = 0.25
"""How long nothing is claimed after the spool took nothing."""

GOING: Final = frozenset({State.READY, State.IN_FLIGHT, State.IN_DOUBT})
"""States that need no person to go on."""

_OPEN: Final = Zone.OPEN  # looked up once: in an enumeration that costs each payment as much as a call


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
        self._store = spool.store
        self._clock = clock
        self._window = Window(route.forward.window_entries_max, route.forward.lane_entries_max, route.order.ahead)
        self._reading = Reading(route.order.ranks)
        self.pace = route.health.pace
        courier = Courier(route=route, clock=clock, meter=meter)
        self._flow = Flow()
        self._walks = Walks(route=route, spool=spool, clock=clock, settler=settler, courier=courier, line=self)
        #: When the next entry falls due, as far as known (µs since 1970); 0 = look.
        self._due_at_us = 0
        self._freed: set[int] = set()
        #: Lanes of which nobody knows what waits behind and what in arrival order: a commit raised.
        self._half_fetched: set[int] = set()
        #: Lanes finished while the window is being loaded; None while it isn't.
        self._finished: set[int] | None = None
        #: When everything is looked at anew at the latest, where other nodes write too.
        self._anew_at = 0.0
        #: Everything is to be read anew, by the next round.
        self._all_anew = False
        #: Nothing is started before this monotonic time.
        self._paused_until = 0.0
        self._wake = asyncio.Event()
        self._stopping = False
        route.entry_waits = self.entry_waits
        route.lane_freed = self.lane_freed
        route.lane_unsure = self.lane_unsure
        route.health.backlog_waits = self.may_wait
        self.pace.backlog_waits = lambda: self._walks.waiting > 0 or self.may_wait()
        self.pace.drained_in_s = lambda: self.estimate.empty_s
        route.health.room_freed = self._room_freed
        route.health.on_change(lambda _old, _new, _diagnosis: self._zone_changed())

    # What others tell

    def entry_waits(self, due_at_us: int, rank: int | None = None) -> None:
        """An entry waits, from `due_at_us` on (0 = at once); of any rank where none is named. Costs little while open."""
        if due_at_us:
            self._due_at_us = min(self._due_at_us, due_at_us)
        else:
            self._reading.more_of(rank)
        if self._route.health.zone is not _OPEN:
            self._wake.set()

    def lane_freed(self, lane: int) -> None:
        """Nothing of this lane is unfinished before what waits behind it."""
        self._freed.add(lane)
        self._wake.set()

    def lane_unsure(self, lane: int) -> None:
        """Nobody knows what of this lane waits behind, what in arrival order, and what for nothing any more."""
        self._half_fetched.add(lane)
        self.lane_freed(lane)

    def rewind(self, number: int) -> None:
        """Entries from this number on may stand in arrival order again."""
        self._reading.rewind(number)
        self.entry_waits(0)

    def look_anew(self) -> None:
        """Other nodes took payments, or are gone: what waits may stand anywhere, and fall due at any time."""
        self._due_at_us = 0
        self._anew_at = self._clock.monotonic() + IDLE_S
        self._all_anew = True
        self.rewind(1)

    def _zone_changed(self) -> None:
        self._share_out()
        self._flow.begin_anew()
        self._walks.send_claimed()
        self._wake.set()

    def _share_out(self) -> None:
        """While nothing is sent from here, this node's share of lanes is the others' to send."""
        self._store.nodes.forwards(self._route.name, does=self._route.health.zone is not _OPEN)

    def _room_freed(self) -> None:
        """A live call left the core, which is limited: what waits may have its place."""
        self._walks.send_claimed()
        self.go_on()

    @property
    def estimate(self) -> Estimate:
        """How the backlog goes, and when nothing of it waits any more."""
        waiting, _ = self._counted()
        return self._flow.estimate(waiting)

    def _look_at_flow(self) -> None:
        now = self._clock.monotonic()
        if self._flow.is_due(now):
            self._flow.look(now, *self._counted())

    def _counted(self) -> tuple[int, int]:
        """Entries told provisional: how many the machine still works on, how many it has finished."""
        waiting = finished = 0
        for cell, total in self._store.tally.cells():
            if cell.route == self._route.name and cell.told is Told.PROVISIONAL:
                waiting += total.entries if cell.state in GOING else 0
                finished += total.entries if cell.state in FINAL else 0
        return waiting, finished

    @property
    def in_hand(self) -> int:
        """Entries being sent or asked about."""
        return len(self._walks.in_hand)

    def may_wait(self) -> bool:
        """Entries wait for leave to be sent, or may as far as is known before the next look at the disk."""
        return self._reading.more or self._finished is not None or len(self._window) > 0

    # The loop

    async def run(self) -> None:
        """Go on until stopped."""
        self._share_out()
        while not self._stopping:
            self._wake.clear()
            try:
                done = await self.run_once()
            except SpoolError as error:
                # What was being loaded may stand in arrival order below the cursor now: read all of it again.
                self.rewind(1)
                # That is no news to be woken by: trying at once, for ever, would only keep the processor busy.
                self._wake.clear()
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
        return await self._walks.stop(grace_s)

    async def run_once(self) -> Round:
        """One bounded round."""
        self._look_at_flow()
        if self._route.health.zone is Zone.OPEN:
            return Round(wait_s=IDLE_S)
        if self._store.nodes.shared and self._clock.monotonic() >= self._anew_at:
            # What another node gave up, finished, or put back in arrival order, is no news of anybody's.
            self.look_anew()
        if self._all_anew:
            self._all_anew = False
            self._window.open_all()
        set_behind = await self._free_lanes()
        loaded, more_behind = await self._load()
        due = await self._take_up_due()
        self._walks.send_claimed()
        self._window.look_anew()
        started = due + self._start_walks()
        return Round(loaded=loaded, set_behind=set_behind + more_behind, started=started, wait_s=self._wait_s())

    @property
    def _wants_more(self) -> bool:
        return any(self._wants(rank) for rank in range(RANKS))

    def _wants(self, rank: int) -> bool:
        """There may be more of a rank, and there is room for it; or all that is here has to wait for it."""
        if not self._reading.wants(rank):
            return False
        return self._window.wants(rank) or self._window.waits_for(rank, self._reading.furthest(rank))

    def _wait_s(self) -> float:
        if self._wants_more:
            return 0.0
        held_s = self.pace.wait_s()
        if held_s > 0 and self._walks.waiting:
            # Nothing that ends makes room before that.
            return min(IDLE_S, max(LOOK_S, held_s))
        if self._walks.room <= 0:
            # Whatever ends wakes us; what is due already would have us look a hundred times a second until then.
            return IDLE_S
        due_s = (self._due_at_us - self._clock.now_us()) / 1_000_000
        return min(IDLE_S, max(LOOK_S, due_s, self._paused_until - self._clock.monotonic()))

    async def _free_lanes(self) -> int:
        """Fetch what waited behind lanes that became free."""
        behind, limit = 0, self._route.forward.lane_entries_max
        while self._freed:
            lane = self._freed.pop()
            # One that is here already stands before those that are behind: whoever finishes it is to look again.
            self._window.overflow(lane)
            try:
                await self._put_in_line(lane)
                self._window.open(lane)
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
        """Where some of a lane may be in arrival order, the rest behind, all of it is read anew in arrival order.

        Fetched and offered directly, the rest would overtake the first.
        """
        limit = self._route.forward.lane_entries_max
        while lane in self._half_fetched:
            if len(await self._store.followers(self._route.name, lane, limit)) < limit:
                self._half_fetched.discard(lane)
                self.rewind(1)

    async def _load(self) -> tuple[int, int]:
        """Fill the window in order of arrival; how many were read, and how many of them must wait behind.

        The best rank is read last: of what is read of a worse one, all that comes before it in its lane is known then.
        """
        loaded = behind = 0
        for rank in reversed(range(RANKS)):
            if self._wants(rank):
                found, set_behind = await self._load_rank(rank)
                loaded, behind = loaded + found, behind + set_behind
        return loaded, behind

    async def _load_rank(self, rank: int) -> tuple[int, int]:
        self._finished = set()
        place = self._reading.begin(rank)
        try:
            limit = min(max(self._window.room(rank), HELD_UP_LOAD), LOAD_MAX)
            found = await self._store.ready(self._route.name, rank, place, limit)
            behind = self._window.offer(found)
            if behind:
                await self._store.set_behind(behind)
        finally:
            finished, self._finished = self._finished, None
        self._reading.end(rank, found[-1].entry.number if found else 0, more=len(found) == limit)
        # What blocked an entry when it was read may have finished before it was set behind: look at its lane again.
        self._freed |= finished & {entry.lane for entry in behind}
        return len(found), len(behind)

    async def _take_up_due(self) -> int:
        """Start on what waited for a time: inquiries, resends, and second attempts."""
        now_us = self._clock.now_us()
        room = self._walks.room
        if len(self._window):
            # Neither starves the other: what fell due takes at most half of the pace while others wait.
            room = min(room, (self.pace.backlog_limit + 1) // 2)
        if now_us < self._due_at_us or room <= 0 or self._clock.monotonic() < self._paused_until:
            return 0
        # Those in hand are due as well until their outcome is recorded, and come first.
        found = await self._store.due(self._route.name, now_us, room + self.in_hand)
        started = 0
        for entry in found:
            # While it was read the pace may have halved, or we are stopping.
            if started == room or self._walks.room <= 0:
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
        if entry.state is State.IN_DOUBT and not self.may_resend(entry):
            self._walks.ask(entry)
            return True
        if self._send(entry):
            return True
        self._window.finish(entry)
        return False

    def may_resend(self, entry: Entry) -> bool:
        """An attempt that begins now reaches a core that still knows the key."""
        now_us = self._clock.now_us()
        # A clock that was set back while we were stopped shows times to come: then nobody knows how old the key is.
        is_known = now_us >= max(entry.accepted_at_us, entry.changed_at_us)
        age_s = (now_us - entry.accepted_at_us) / 1_000_000 if is_known else math.inf
        # Its bytes may leave as late as it may last: a connection has to be made first.
        return may_resend(self._route.core.capabilities, age_s + self._route.forward.attempt_timeout_s)

    def _start_walks(self) -> int:
        """As many walks as pace and route allow now."""
        if self._clock.monotonic() < self._paused_until:
            return 0
        self._window.bound = self._reading.bound(self._window.turn)
        if self._route.health.zone not in PASSING:
            return self._start_trial()
        started = 0
        # A core may take payments and no reversals: these wait with their lanes, and hold up nobody else.
        for payments_only in (False, True):
            while self._walks.room > 0 and (entry := self._window.take(payments_only=payments_only)) is not None:
                if not self._send(entry):
                    self._window.put_back(entry)
                    break
                started += 1
        return started

    def _start_trial(self) -> int:
        """The oldest payment, alone, with the trial's leave; a reversal only where no payment waits."""
        entry = self._window.oldest() if self._walks.room > 0 else None
        permit = None if entry is None else self._route.health.trial(operation_of(entry))
        if entry is None or permit is None:
            return 0
        self._window.pick(entry)
        self._walks.send(entry, permit)
        return 1

    def _send(self, entry: Entry) -> bool:
        """Begin to send, if the route lets us: one alone with the trial's leave, any while it passes calls."""
        operation = operation_of(entry)
        if self._route.health.zone_of(operation) in PASSING:
            self._walks.send(entry, None)
            return True
        permit = self._route.health.trial(operation)
        if permit is not None:
            self._walks.send(entry, permit)
        return permit is not None

    # What the walks tell

    def unsent(self, entry: Entry) -> None:
        """A ready entry goes back where it was, one in doubt is found again when it is due."""
        if entry.state is State.READY and not entry.due_at_us:
            self._window.put_back(entry)
        else:
            self._window.finish(entry)
            self.entry_waits(entry.due_at_us, entry.rank)

    async def overtaken(self, entry: Entry) -> None:
        """Somebody else may hold it: whatever waits for its lane stands behind until it is looked at anew."""
        await self._set_behind(self._window.block(entry))
        self.lane_freed(entry.lane)

    async def moved(self, moves: Sequence[Move]) -> None:
        """Let the lanes go on, or hold them."""
        behind = list[Entry]()
        for move in moves:
            if move.transition.target in FINAL:
                self._free(move.entry)
                if move.transition is POST and move.entry.kind is Kind.PAYMENT:
                    self._route.account_proved(move.entry.lane)
            else:
                behind += self._hold(move.after())
        await self._set_behind(behind)

    def pause(self) -> None:
        """Begin nothing for a moment."""
        self._paused_until = self._clock.monotonic() + PAUSE_S
        self._route.health.disk_failed("no claim of a payment could be recorded")

    def go_on(self) -> None:
        """Begin more, or wake whoever finds more."""
        if len(self._window):
            self._start_walks()
        if self._freed or self._wants_more or self._due_at_us <= self._clock.now_us() + SOON_US:
            self._wake.set()

    def _hold(self, entry: Entry) -> list[Entry]:
        """An entry that isn't finished goes back, or holds its lane: what must wait behind it."""
        if entry.state is State.READY and not entry.due_at_us:
            self._window.put_back(entry)
            return []
        if entry.due_at_us:
            self.entry_waits(entry.due_at_us, entry.rank)
        if entry.state is State.PARKED:
            log.warning("entry_parked", route=self._route.name, number=entry.number, reason=entry.reason)
        return self._window.block(entry)

    def _free(self, entry: Entry) -> None:
        """An entry is finished; whoever was set behind it comes next."""
        if self._finished is not None:
            self._finished.add(entry.lane)
        held_its_lane = entry.state is State.IN_DOUBT or entry.due_at_us > 0 or entry.attempts > 1
        if self._window.finish(entry) or held_its_lane:
            self.lane_freed(entry.lane)

    async def _set_behind(self, entries: list[Entry]) -> None:
        if not entries:
            return
        try:
            await self._store.set_behind(entries)
        except SpoolError:
            # They may have stayed in arrival order, where they are read again. What of their lanes was set behind
            # meanwhile must not be fetched before them.
            self._half_fetched.update(entry.lane for entry in entries)
            self.rewind(min(entry.number for entry in entries))
