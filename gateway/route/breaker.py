"""The breaker: the permits and trials of one route, and the evidence that moves its state (`gateway.route.machine`).

A caller does this:

    permit = breaker.admit()                       # None: don't send
    try:
        outcome = await core.post(...)
    except asyncio.CancelledError:
        breaker.withdraw(permit)                   # says nothing of the core
        raise
    breaker.report(permit, evidence)

Each change of zone begins a new epoch; results of permits of an older one are ignored. One event loop, no locks.
"""

import sys
from collections.abc import Callable
from typing import Final

from gateway.clock import Clock
from gateway.route.evidence import ANSWERED, Evidence
from gateway.route.machine import Machine
from gateway.route.pace import Slot
from gateway.route.record import BreakerRecord, Forced, PaceKept, RecordKeeper
from gateway.route.relapse import Patience
from gateway.route.settings import BreakerSettings
from gateway.route.softness import Habit, share, silence
from gateway.route.telling import tell
from gateway.route.window import Figures, Silence, Window, decide
from gateway.route.word import Standing
from gateway.route.zone import PASSING, Operation, Trip, Zone

STALL_S: Final = 0.5
"""A look at waiting calls that comes later than this is not believed: we stood still, answers may lie unread."""

PAUSE_S: Final = 0.1
"""An answer that comes sooner after the one before it ends no pause."""

_TRIAL: Final = Zone.TRIAL  # looked up once: in an enumeration that costs each payment as much as a call
_FORCED: Final = frozenset({Zone.OPEN, Zone.CLOSED})

_SHARED: Final = frozenset({Evidence.DID_NOT_REACH, Evidence.MISCONFIGURED})
"""What one operation's call says of all of them."""


class Permit(Slot, eq=False, gc=False, kw_only=True):
    """Leave to send one call, and a place at the core; given back once, by `report` or `withdraw`. Equal to itself alone."""

    epoch: int
    begun_s: float
    trial: bool
    #: What the core is asked by it.
    operation: Operation = Operation.POST


Told = Callable[[Zone, Zone], None]
"""Called after each change with the old and the new zone; what it raises is logged by name and goes no further."""


class Breaker:
    """Decides which calls of one operation of a route may leave, by what became of the ones before."""

    def __init__(
        self,
        name: str,
        settings: BreakerSettings,
        clock: Clock,
        *,
        operation: Operation = Operation.POST,
        probed: bool = False,
        told: Told | None = None,
        keeper: RecordKeeper | None = None,
    ) -> None:
        """Begin closed, or as `keeper` remembers.

        `probed` says that somebody sends probes: then only they, not time alone, let an open route try again.
        """
        self.name = name
        self.operation = operation
        self._settings = settings
        self._clock = clock
        self._probed = probed
        self._told = told
        self._keeper = keeper
        now = clock.monotonic()
        record = (keeper.load() if keeper else None) or BreakerRecord(zone=Zone.CLOSED, since_us=clock.now_us())
        self._machine = Machine(name, Zone.CLOSED if record.zone in PASSING else Zone.OPEN)
        #: The present zone: the machine's, or SOFT where that one is closed and the core in trouble.
        self.zone = self._machine.zone
        self._share = 1.0
        self._soft_at = now
        self._window = Window(settings, now)
        #: What was kept of the pace, and what is to be kept of it: set by whoever has one (`gateway.route.health`).
        self.pace_found: PaceKept | None = record.pace
        self.pace_now: Callable[[], PaceKept | None] = _no_pace
        #: Whether the core comes back from an outage: set by whoever has a pace.
        self.comes_back: Callable[[], bool] = _never
        #: How many calls may be at the core at once now: set as the one above.
        self.places: Callable[[], int] = _any_number
        #: What this core's answers usually take.
        self.habit = Habit(settings, now, record.baseline, record.pause)
        #: When the core fell silent, if that opened the route.
        self._silent_since: float | None = None
        self._patience = Patience(settings, now, record.level)
        self._try_at = now + self._patience.open_for_s
        self._trial: Permit | None = None
        self._trial_free_at = now
        self._passed = 0
        self._probes_failed = 0
        self._probe_failing_at: float | None = None
        self._watched_at = now
        #: Counts the changes of zone of this run; permits carry theirs.
        self.epoch = 1
        #: A person's word.
        self.word = Standing(clock, record.forced, record.forced_at_us)
        #: Microseconds since 1970 at which the present zone began.
        self.since_us = record.since_us
        #: When the trouble began that ended its health last, by the first call that met it; 0 when no trouble did.
        self.trouble_us = 0
        #: The rule that opened the route last.
        self.trip: Trip | None = None if self.zone is Zone.CLOSED else Trip.RESTARTED

    @property
    def forced(self) -> Forced | None:
        """A person's word, while it stands."""
        return self.word.now

    @property
    def share(self) -> float:
        """The share of new calls that pass through while the zone is closed or soft."""
        return self._share

    @property
    def waiting(self) -> int:
        """Calls begun in this epoch and not ended; a trial isn't among them."""
        return self._window.waiting

    @property
    def answered_at(self) -> float:
        """When the core last answered a call properly, or the zone began, by the clock's `monotonic`."""
        return self._window.answered_at

    @property
    def probe_interval_s(self) -> float:
        """Seconds between probes now; grows with relapses while open, short again once a probe has failed."""
        if self.zone is Zone.OPEN:
            return self._patience.probe_interval_s
        return self._settings.probe_interval_s if self._probes_failed else self._settings.idle_probe_interval_s

    @property
    def open_for_s(self) -> float:
        """Seconds the last opening lasts at least."""
        return self._patience.open_for_s

    @property
    def silence(self) -> Silence:
        """What counts as silence now."""
        return silence(self.habit, self._settings, self.places(), comes_back=self.comes_back())

    def tries_in_s(self) -> float:
        """Seconds until an opening is over and one real payment is tried, where no probe tells sooner."""
        return max(0.0, self._try_at - self._clock.monotonic())

    def figures(self) -> Figures:
        """The window now."""
        return self._window.figures(self._clock.monotonic(), self.silence.calls)

    def current(self, permit: Permit) -> bool:
        """Whether what became of `permit` still matters."""
        return permit.epoch == self.epoch

    # Calls

    def admit(self, *, later: bool = False) -> Permit | None:
        """Leave to send one new call: any while closed, a share while soft, else nothing.

        One that is sent `later`, as it is recorded first, waits for the core from `sends` on.
        """
        zone = self.zone
        if zone not in PASSING or (zone is Zone.SOFT and self._clock.fraction() >= self._share):
            return None
        return self._permit() if later else self._begin()

    def sends(self, permit: Permit) -> None:
        """A call that was let in earlier leaves now."""
        if permit.epoch == self.epoch and not permit.trial:
            self._window.begin(permit, self._clock.monotonic())

    def admit_waiting(self) -> Permit | None:
        """Leave to send what waits while closed or soft; how much of it goes at once is a matter of pace."""
        return self._begin() if self.zone in PASSING else None

    def _begin(self) -> Permit:
        permit = self._permit()
        self._window.begin(permit, permit.begun_s)
        return permit

    def _permit(self) -> Permit:
        return Permit(epoch=self.epoch, begun_s=self._clock.monotonic(), trial=False, operation=self.operation)

    def trial(self, *, free_for_s: float = 0.0) -> Permit | None:
        """The one trial of a half-open route, if it is free and has been for `free_for_s`; else nothing."""
        if self.zone is not _TRIAL or self._trial is not None:
            return None
        now = self._clock.monotonic()
        if now < self._trial_free_at + free_for_s:
            return None
        self._trial = Permit(epoch=self.epoch, begun_s=now, trial=True, operation=self.operation)
        return self._trial

    def report(self, permit: Permit, evidence: Evidence, *, wait_s: float = 0.0) -> bool:
        """What became of a permitted call; `wait_s` is the core's own Retry-After, 0 when it said none.

        Returns false, and does nothing, when the permit is of an older epoch or was given back before.
        """
        if permit.epoch != self.epoch:
            return False
        now = self._clock.monotonic()
        if permit is self._trial:
            self._judge(evidence, wait_s, now)
            return True
        if now - self._window.answered_at >= PAUSE_S and evidence in ANSWERED:
            self._heard_again(self._unheard_s)
        if not self._window.end(permit):
            return False
        self._window.record(evidence, now, permit.begun_s)
        if evidence > Evidence.ALIVE:
            self._believe(evidence, wait_s, now)
        return True

    def _believe(self, evidence: Evidence, wait_s: float, now: float) -> None:
        """A core that asks to be left alone for a whole window is away: held back so long, no other call could say so."""
        away = evidence is Evidence.FAULT and wait_s >= self._settings.window_s
        if not (away and self.zone in PASSING and self._open(Trip.AWAY, now, wait_s)):
            self._consider(evidence, now)

    def heard_late(self, permit: Permit) -> None:
        """The core answered, properly, a call from before the last change: was it silence that opened, it was a pause."""
        if self._silent_since is not None and permit.epoch == self.epoch - 1:
            self._heard_again(self._clock.monotonic() - self._silent_since)
            self._silent_since = None

    @property
    def _unheard_s(self) -> float:
        """For how long it said nothing, as far as that is a silence by the calls that met it."""
        needed = self.silence
        first_s, last_s = self._window.unheard_s(needed.calls)
        return first_s if last_s >= needed.last_s else 0.0

    def _heard_again(self, unheard_s: float) -> None:
        """It was well after a silence: a pause. Not so one that comes back, which may fall over any moment."""
        if not self.comes_back():
            self.habit.paused(unheard_s, self._clock.now_us())

    def overhear(self, evidence: Evidence) -> None:
        """What another operation's call says of the core as a whole: it can't be reached, it can, it refuses us."""
        now = self._clock.monotonic()
        if evidence in ANSWERED:
            self._window.reached()
        elif evidence in _SHARED and self.zone in PASSING:
            self._window.record(evidence, now)
            self._consider(evidence, now)

    def withdraw(self, permit: Permit) -> None:
        """The call was cancelled: it says nothing of the core, and a trial is free again."""
        if permit is self._trial:
            self._free_trial(self._clock.monotonic())
        else:
            self._window.end(permit)

    # Time

    def watch(self) -> None:
        """Look at what only time brings: waiting calls, a stuck trial, an expired word, the end of an opening."""
        now = self._clock.monotonic()
        late_s = now - self._watched_at - self._settings.watch_interval_s
        self._watched_at = now
        self._window.listen(now, anew=late_s >= self._settings.watch_interval_s)
        if self.word.is_over:
            self.lapse()
        if self.zone is Zone.OPEN:
            if not self._probed:
                self._try_again(now)
        elif late_s <= STALL_S:
            self._watch_calls(now)
        if self.habit.look(now, self._clock.now_us()):
            self.keep()

    def _watch_calls(self, now: float) -> None:
        if self._trial is None:
            self._consider(Evidence.NOTHING, now)
        elif now - self._trial.begun_s >= self._settings.trial_deadline_s:
            self._open(Trip.TRIAL_LOST, now)

    # Probes

    def probe_passed(self, epoch: int) -> None:
        """A probe begun in `epoch` was answered well: an open route may be tried, nothing more."""
        if epoch == self.epoch:
            self._probes_failed = 0
            self._probe_failing_at = None
            self._try_again(self._clock.monotonic())

    def probe_failed(self, epoch: int, evidence: Evidence) -> None:
        """A probe begun in `epoch` was not answered, or badly."""
        if epoch != self.epoch:
            return
        now = self._clock.monotonic()
        if self.zone is Zone.OPEN:
            self._distrust(evidence, now)
        elif evidence is not Evidence.NOTHING:
            self._count_probe(now)

    def _distrust(self, evidence: Evidence, now: float) -> None:
        """A health page that fails for long while it can be reached may be wrong; let a real payment say."""
        if evidence is Evidence.DID_NOT_REACH:
            self._probe_failing_at = None
        elif self._probe_failing_at is None:
            self._probe_failing_at = now
        elif now - self._probe_failing_at >= self._settings.probe_distrust_s:
            self._try_again(now)

    def _count_probe(self, now: float) -> None:
        if self._probe_failing_at is None or self._window.answered_at > self._probe_failing_at:
            self._probe_failing_at, self._probes_failed = now, 0
        self._probes_failed += 1
        if self._probes_failed >= self._settings.probes_failed_in_a_row:
            self._open(Trip.PROBES, now)

    # A person's word

    def force(self, word: Forced) -> None:
        """Open or close the route whatever the evidence, until the word expires or is taken back.

        Raises:
            ValueError: it forces neither open nor closed, or its end is past or too far away.
        """
        left_s = (word.until_us - self._clock.now_us()) / 1_000_000
        if word.zone not in _FORCED:
            raise ValueError("a route is forced open or closed")
        if not 0 < left_s <= self._settings.forced_max_s:
            raise ValueError(f"a forced route needs an end within {self._settings.forced_max_s:.0f} s from now")
        self.word.say(word)
        if word.zone is self.zone:
            self.keep()
        elif word.zone is Zone.OPEN:
            self.trip, self.trouble_us = word.speaker.trip, 0
            self._move(Zone.OPEN, self._clock.monotonic())
        else:
            self._move(Zone.CLOSED, self._clock.monotonic())

    def release(self) -> None:
        """Take a person's word back: an open route may be tried at once, a closed one is judged by its evidence."""
        self.word.say(None)
        self.lapse()

    def lapse(self) -> None:
        """The same, but that nobody said so: it ended by itself."""
        self.word.lapse()
        self._try_at = self._clock.monotonic()
        self.keep()

    # Other nodes' evidence

    def opened_elsewhere(self) -> None:
        """Another node opened the same route: a passing one opens here too, and is tried as after any opening."""
        if self.zone in PASSING:
            self._open(Trip.ELSEWHERE, self._clock.monotonic())

    def closed_elsewhere(self) -> None:
        """Another node closed it: an open one may be tried at once; closed it is by trials of this node alone."""
        self._try_at = self._clock.monotonic()

    # Transitions

    def _consider(self, evidence: Evidence, now: float) -> None:
        if self.zone not in PASSING:
            return
        needed = self.silence
        figures = self._window.figures(now, needed.calls)
        misconfigured = evidence is Evidence.MISCONFIGURED
        trip = Trip.MISCONFIGURED if misconfigured else decide(figures, self._settings, needed)
        if trip is None or not self._open(trip, now):
            self._soften(figures, now)

    def _soften(self, figures: Figures, now: float) -> None:
        """Let through as much as the core's trouble allows; back to all of it when there is none."""
        self._share = 1.0 if self.forced is not None else share(figures, self._settings)
        zone = Zone.SOFT if self._share < 1.0 else Zone.CLOSED
        if zone is self.zone or (zone is Zone.CLOSED and now - self._soft_at < self._settings.soft_for_s):
            return
        was, self.zone, self._soft_at = self.zone, zone, now
        self.since_us = self._clock.now_us()
        self._tell(was)

    def _judge(self, evidence: Evidence, wait_s: float, now: float) -> None:
        """What a trial proves: good answers in a row close, failures open for longer, the rest says nothing.

        A slow answer does neither: the core works, one payment at a time, and stays on trial until it is quick.
        """
        self._window.record(evidence, now)
        match evidence:
            case Evidence.GOOD | Evidence.SLUGGISH:
                self._passed += 1
            case Evidence.SLOW:
                self._passed = 0
            case Evidence.ALIVE:
                pass
            case Evidence.NOTHING:
                pause_s = max(self._settings.trial_pause_s, min(wait_s, self._settings.open_for_max_s))
                self._free_trial(now + pause_s)
                return
            case _:
                misconfigured = evidence is Evidence.MISCONFIGURED
                self._open(Trip.MISCONFIGURED if misconfigured else Trip.TRIAL_FAILED, now, wait_s)
                return
        self._free_trial(now)
        if self._passed >= self._settings.trials_needed:
            self._move(Zone.CLOSED, now)

    def _free_trial(self, at: float) -> None:
        self._trial = None
        self._trial_free_at = at

    def _try_again(self, now: float) -> None:
        if self.zone is Zone.OPEN and self.forced is None and now >= self._try_at:
            self._move(Zone.TRIAL, now)

    def _open(self, trip: Trip, now: float, wait_s: float = 0.0) -> bool:
        """Open, and leave the core alone for `wait_s` at least, which it asked for."""
        if self.forced is not None and self.forced.zone is Zone.CLOSED:
            return False
        unheard_s = self._unheard_s if trip is Trip.HUNG else 0.0
        if self.zone in PASSING:
            began = self._probe_failing_at if trip is Trip.PROBES else self._window.trouble_since(trip, now)
            self.trouble_us = self._clock.now_us() - round((now - (now if began is None else began)) * 1_000_000)
        self._patience.opened(now)
        self._try_at = now + max(self._patience.open_for_s, min(wait_s, self._settings.open_for_max_s))
        self.trip = trip
        self._move(Zone.OPEN, now)
        self._silent_since = now - unheard_s if unheard_s else None
        return True

    def _move(self, zone: Zone, now: float) -> None:
        """Change the zone and begin a new epoch; then tell, when all of it is in place."""
        self.epoch += 1
        self.since_us = self._clock.now_us()
        self._window.clear(now)
        self._free_trial(now)
        self._passed = self._probes_failed = 0
        self._probe_failing_at = self._silent_since = None
        self._share = 1.0
        was, self.zone = self.zone, zone
        match zone:
            case Zone.OPEN:
                self._machine.open()
            case Zone.TRIAL:
                self._machine.half_open()
            case _:
                assert zone is Zone.CLOSED, "soft is no move of the machine"
                self._patience.closed(now)
                self._machine.close()
        self.keep()
        self._tell(was)

    def keep(self) -> None:
        """Have the next run find all this."""
        if self._keeper is None:
            return
        record = BreakerRecord(
            zone=self._machine.zone,
            since_us=self.since_us,
            level=self._patience.level,
            forced=self.forced,
            forced_at_us=self.word.said_at_us,
            baseline=self.habit.kept,
            pause=self.habit.pause,
            pace=self.pace_now(),
        )
        tell(self._keeper.keep, self.name, record)

    def _tell(self, was: Zone) -> None:
        if self._told is not None and was is not self.zone:
            tell(self._told, self.name, was, self.zone)


def _no_pace() -> None:
    """There is none beside this breaker."""


def _never() -> bool:
    """As above."""
    return False


def _any_number() -> int:
    """As above."""
    return sys.maxsize
