"""A route's health: what the rest of the gateway asks before it sends, and tells after.

A thin shell: outcomes become evidence, the breaker decides, this module waits, probes, keeps the diagnosis and tells
the listeners. Every permit is given back once, whatever happens:

    permit = health.admit()
    if permit is None:
        ...                                            # stand in
    begun = clock.monotonic()
    try:
        outcome = await core.post(delivery, timeout_s)
    except BaseException:
        health.withdraw(permit)                        # cancelled, or our bug: says nothing of the core
        raise
    health.report(permit, outcome, clock.monotonic() - begun)
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final

from adapters.outcome import Cause, Misconfigured, NotSent, Outcome, Unknown
from gateway.clock import Clock
from gateway.forward.settings import ForwardSettings
from gateway.log import log
from gateway.route.baseline import Usual
from gateway.route.breaker import Breaker, Permit
from gateway.route.counts import RouteCounts
from gateway.route.diagnosis import Casebook, Diagnosis, OwnCause, told_by
from gateway.route.evidence import ANSWERED, NOT_THERE, PROPER, Evidence, Heard, classify
from gateway.route.pace import Pace, Who
from gateway.route.record import Forced, RecordKeeper, Speaker
from gateway.route.settings import BreakerSettings
from gateway.route.telling import tell
from gateway.route.word import Standing
from gateway.route.zone import PASSING, Operation, Trip, Zone

OWN_FORGOTTEN_US: Final = 10_000_000
"""A fault of our own not seen for so long is over."""

TICK_S: Final = 0.001
"""Shortest wait between two looks whether a probe is due."""

_TRIAL: Final = Zone.TRIAL  # looked up once: in an enumeration that costs each payment as much as a call

Probe = Callable[[], Awaitable[Outcome]]
"""Asks the core, without side effects, whether anybody is there; brings its own time limit."""

ChangeListener = Callable[[Zone, Zone, Diagnosis | None], None]
"""Called after each change: the old zone, the new zone, and what is (on closing: was) wrong."""


class RouteHealth:
    """Says whether one route's core can be sent payments, and notices when that changes."""

    def __init__(
        self,
        name: str,
        settings: BreakerSettings,
        clock: Clock,
        probe: Probe | None = None,
        *,
        keeper: RecordKeeper | None = None,
        apart: Mapping[Operation, RecordKeeper] = MappingProxyType({}),
        sending: ForwardSettings | None = None,
    ) -> None:
        """Begin closed, or as `keeper` remembers; give no `probe` where the core has no safe one.

        Checks and reversals have breakers of their own, kept `apart`; without a probe, time alone lets them try again.
        """
        self.name = name
        self._settings = settings
        self._clock = clock
        self._probe = probe
        self._breaker = Breaker(name, settings, clock, probed=probe is not None, told=self._changed, keeper=keeper)
        #: Breakers of what isn't posting.
        self._apart = {
            each: self._apart_breaker(each, apart.get(each)) for each in (Operation.CHECK, Operation.REVERSAL)
        }
        self._casebook = Casebook(forget_us=round(2_000_000 * settings.open_for_max_s))
        #: How much may be at the core, and whose.
        self.pace = Pace(sending or ForwardSettings(), clock, self._breaker.pace_found)
        self._breaker.pace_now = lambda: self.pace.kept
        for each in (self._breaker, *self._apart.values()):
            each.comes_back = lambda: self.pace.recovering
            each.places = lambda: self.pace.places
        #: Told when a live call has left its place at a core that is limited: set by the forwarder.
        self.room_freed: Callable[[], None] = _nobody_waits
        #: What is wrong on our own side.
        self._own_case = Casebook(forget_us=OWN_FORGOTTEN_US)
        self._listeners: list[ChangeListener] = []
        self._evidence = [0] * len(Evidence)
        self._trips = dict.fromkeys(Trip, 0)
        self._late = self._withdrawn = self._probes_passed = self._probes_failed = 0
        self._probed_at = clock.monotonic()
        #: Says whether entries wait, or may: then a free trial is theirs first. Set by the forwarder.
        self.backlog_waits: Callable[[], bool] = _nothing_waits
        if self._breaker.trip is Trip.RESTARTED:
            self._casebook.note(OwnCause.RESTARTED, "", self._breaker.since_us)

    def _apart_breaker(self, operation: Operation, keeper: RecordKeeper | None) -> Breaker:
        return Breaker(
            f"{self.name}/{operation.value}",
            self._settings,
            self._clock,
            operation=operation,
            told=lambda old, new: self._changed_apart(operation, old, new),
            keeper=keeper,
        )

    @property
    def zone(self) -> Zone:
        """Where the route stands: its zone for posting, without which nothing else is sent either."""
        return self._breaker.zone

    def zone_of(self, operation: Operation) -> Zone:
        """Where one operation stands: as the route does, or worse for reasons of its own."""
        return self._own(operation).zone if self._breaker.zone in PASSING else self._breaker.zone

    def share(self, operation: Operation = Operation.POST) -> float:
        """The share of an operation's new calls that pass through while it is closed or soft."""
        return self._own(operation).share

    def usual(self, operation: Operation = Operation.POST) -> Usual | None:
        """How long the core's answers usually take, as learned; nothing until enough is known."""
        return self._own(operation).habit.usual

    def sluggish_s(self, operation: Operation = Operation.POST) -> float:
        """Seconds above which an answer is slower than the core's habit."""
        return self._own(operation).habit.sluggish_s

    def hung_s(self, operation: Operation = Operation.POST) -> float:
        """Seconds of silence after which the core is hung now."""
        return self._own(operation).silence.first_s

    def _own(self, operation: Operation) -> Breaker:
        return self._breaker if operation is Operation.POST else self._apart[operation]

    @property
    def since_us(self) -> int:
        """When the present zone began, microseconds since 1970 in UTC; also across a restart."""
        return self._breaker.since_us

    @property
    def trip(self) -> Trip | None:
        """The rule that opened the route last; nothing when it never was."""
        return self._breaker.trip

    @property
    def trouble_us(self) -> int:
        """When the trouble began that opened the route, by the first call that met it; 0 when nothing like it did."""
        return self._breaker.trouble_us

    @property
    def forced(self) -> Forced | None:
        """A person's word, while it stands."""
        return self._breaker.forced

    @property
    def word(self) -> Standing[Forced]:
        """The same, and when it was given or taken back."""
        return self._breaker.word

    @property
    def forced_max_us(self) -> int:
        """The longest time for which a word may hold, microseconds."""
        return round(self._settings.forced_max_s * 1_000_000)

    @property
    def diagnosis(self) -> Diagnosis | None:
        """What is wrong; nothing while the route is closed (unless a person keeps it so) and our own side works."""
        if self.disk_fails:
            return self._own_case.diagnosis
        if self.zone is Zone.CLOSED and self.forced is None:
            return None
        return self._casebook.diagnosis

    @property
    def disk_fails(self) -> bool:
        """Our own spool takes nothing, as far as anybody has tried of late."""
        own = self._own_case.diagnosis
        return own is not None and self._clock.now_us() - own.last_seen_us < OWN_FORGOTTEN_US

    def disk_failed(self, example: str) -> None:
        """Our own spool took nothing: it isn't the core that keeps payments."""
        self._own_case.note(OwnCause.DISK, example, self._clock.now_us())

    @property
    def counts(self) -> RouteCounts:
        """What was seen so far."""
        return RouteCounts(
            evidence={kind.word: self._evidence[kind] for kind in Evidence},
            trips={trip.value: count for trip, count in self._trips.items()},
            late=self._late,
            withdrawn=self._withdrawn,
            probes_passed=self._probes_passed,
            probes_failed=self._probes_failed,
            waiting=self._breaker.waiting,
            epoch=self._breaker.epoch,
            window=self._breaker.figures(),
        )

    def on_change(self, listener: ChangeListener) -> None:
        """Have `listener` called on every change of zone, in the order they were added; what it raises is logged."""
        self._listeners.append(listener)

    @property
    def slow_call_s(self) -> float:
        """Seconds above which an answer is slow, and a trial's proves nothing."""
        return self._settings.slow_call_s

    # Calls

    def admit(self, *, later: bool = False) -> Permit | None:
        """Leave to send a live payment, or nothing: then it is stood in for.

        One that is sent `later`, as it is recorded first, waits for the core from `sends` on: our own disk's time is not
        the core's. On a route in trial a live payment may be the trial itself; while entries wait, they come first, for as long
        as `trial_reserved_s`.
        """
        if self.pace.full:
            return None
        if self._breaker.zone is _TRIAL:
            free_for_s = self._settings.trial_reserved_s if self.backlog_waits() else 0.0
            return self._placed(self._breaker.trial(free_for_s=free_for_s), Who.LIVE)
        if self.pace.free or (self._breaker.zone in PASSING and self.pace.lets_live()):
            return self._placed(self._breaker.admit(later=later), Who.LIVE)
        return None

    def sends(self, permit: Permit) -> None:
        """A call that was let in earlier leaves now."""
        self._own(permit.operation).sends(permit)

    def admit_check(self) -> Permit | None:
        """Leave to ask about an account: while the route passes payments, and checks are answered."""
        return self._admit_apart(self._apart[Operation.CHECK])

    def admit_reversal(self, *, later: bool = False) -> Permit | None:
        """Leave to send a live reversal; on a route in trial it may be the trial, as any live payment."""
        if self._breaker.zone is Zone.TRIAL:
            return self.admit(later=later)
        return self._admit_apart(self._apart[Operation.REVERSAL], later=later)

    def _admit_apart(self, breaker: Breaker, *, later: bool = False) -> Permit | None:
        if self._breaker.zone not in PASSING or self.pace.full or not (self.pace.free or self.pace.lets_live()):
            return None
        return self._placed(breaker.admit(later=later) or breaker.trial(), Who.LIVE)

    def trial(self, operation: Operation = Operation.POST) -> Permit | None:
        """Leave to send a waiting entry: any on a passing route, the single trial on one in trial, else nothing."""
        if operation is Operation.POST or self._breaker.zone not in PASSING:
            return self._placed(self._breaker.admit_waiting() or self._breaker.trial(), Who.BACKLOG)
        apart = self._apart[operation]
        return self._placed(apart.admit_waiting() or apart.trial(), Who.BACKLOG)

    def _placed(self, permit: Permit | None, who: Who) -> Permit | None:
        if permit is not None:
            self.pace.begin(permit, who)
        return permit

    def holds(self, permit: Permit) -> bool:
        """Whether leave given earlier still stands: it ends with the zone it was given in."""
        if permit.operation is Operation.POST:
            return self._breaker.current(permit)
        return self._breaker.zone in PASSING and self._apart[permit.operation].current(permit)

    def report(self, permit: Permit, outcome: Heard, duration_s: float, *, ours: bool = False) -> None:
        """What became of a permitted call, and the seconds the core took for it; `ours` when the fault is our own.

        Results of calls from before the last change of zone are counted as late and move nothing but the pace.
        """
        self._leave_place(permit, None if ours else outcome, duration_s)
        self._judge(permit, outcome, duration_s)
        if not self.pace.free:
            self.room_freed()

    def _judge(self, permit: Permit, outcome: Heard, duration_s: float) -> None:
        breaker = self._own(permit.operation)
        if not breaker.current(permit):
            self._late += 1
            if isinstance(outcome, PROPER):
                breaker.heard_late(permit)
            return
        evidence = classify(outcome, duration_s, self._settings.slow_call_s, breaker.habit.sluggish_s)
        self._evidence[evidence] += 1
        if evidence in ANSWERED:
            breaker.habit.add(duration_s)
        if breaker is not self._breaker:
            self._breaker.overhear(evidence)
            # That an account was told of is all a check can prove.
            evidence = Evidence.GOOD if evidence is Evidence.ALIVE else evidence
        if evidence <= Evidence.ALIVE:
            breaker.report(permit, evidence, wait_s=0.0 if evidence else _retry_after_s(outcome))
            return
        self._note(
            outcome, f"{'answered' if isinstance(outcome, PROPER) else 'a call, ended'} after {duration_s:.1f} s"
        )
        breaker.report(permit, evidence, wait_s=_retry_after_s(outcome))

    def withdraw(self, permit: Permit) -> None:
        """A permitted call was cancelled, or never made: it says nothing of the core."""
        self._withdrawn += 1
        self._leave_place(permit, None, 0.0)
        self._own(permit.operation).withdraw(permit)
        if permit.live and not self.pace.free:
            self.room_freed()

    def _leave_place(self, permit: Permit, outcome: Heard | None, duration_s: float) -> None:
        """Give a place back, and learn from what came of it; a trial teaches nothing: it is alone."""
        pace = self.pace
        level = pace.end(permit)
        if outcome is None or permit.trial or not level:
            return
        if isinstance(outcome, PROPER):
            pace.answered()
            if pace.free and permit.live:
                pace.ramp.noted(level, permit.failures)
                if duration_s <= self._settings.slow_call_s:
                    pace.ramp.saw_health(level, permit.failures)
            else:
                timed_s = duration_s if permit.operation is Operation.POST else 0.0
                pace.ramp.succeeded(level, permit.failures, self._clock.monotonic(), timed_s)
            return
        pace.ramp.failed(self._clock.monotonic(), teaches=outcome.cause not in NOT_THERE)
        if retry_after_s := _retry_after_s(outcome):
            pace.hold(min(retry_after_s, self._settings.open_for_max_s))

    @property
    def next_try_s(self) -> float:
        """Seconds until an open route looks at its core again by itself: a probe, or one real payment."""
        if self._probe is None:
            return self._breaker.tries_in_s()
        return max(0.0, self._probe_due_at() - self._clock.monotonic())

    # A person's word

    @property
    def drains(self) -> bool:
        """The core's own team asked for nothing new: what is under way has its time."""
        return self.forced is not None and self.forced.speaker is Speaker.DRAIN

    def force(self, zone: Zone, *, until_us: int, actor: str, reason: str, speaker: Speaker = Speaker.OPERATOR) -> None:
        """Keep the route OPEN or CLOSED whatever the evidence, until `until_us` (microseconds since 1970 in UTC).

        Raises:
            ValueError: another zone, or an end that is past or too far away (`forced_max_s`).
        """
        self._breaker.force(Forced(zone=zone, until_us=until_us, actor=actor, reason=reason, speaker=speaker))

    def release(self) -> None:
        """Back to deciding by evidence: an open route is probed and tried at once, never closed unproven."""
        self._breaker.release()
        self._probed_at = -math.inf

    def lapse(self) -> None:
        """The same, by what each node sees for itself: other nodes are told nothing."""
        self._breaker.lapse()
        self._probed_at = -math.inf

    # Other nodes' evidence

    def opened_elsewhere(self) -> None:
        """Another node opened this route by what it saw: so does this one, if it passes calls."""
        self._breaker.opened_elsewhere()

    def closed_elsewhere(self) -> None:
        """Another node's trials have closed this route: an open one is probed and tried at once here."""
        self._breaker.closed_elsewhere()
        self._probed_at = -math.inf

    # Time

    async def run(self) -> None:
        """Watch and probe until cancelled; a probe that hangs doesn't keep the watch from looking."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_watching(), name=f"watch {self.name}")
            group.create_task(self._keep_probing(), name=f"probe {self.name}")

    async def run_once(self) -> bool:
        """Look once and send one probe if it is due, waiting for its answer; says whether one was sent."""
        self.watch_once()
        return await self.probe_once()

    def watch_once(self) -> None:
        """Look at waiting calls, a stuck trial and an expired word."""
        was = self.forced
        self._breaker.watch()
        for apart in self._apart.values():
            apart.watch()
        usual = self.usual()
        self.pace.look(usual.median_s if usual else 0.0)
        if self.pace.is_to_be_kept():
            self._breaker.keep()
        if was is not None and self.forced is None:
            self._probed_at = -math.inf

    def keep(self) -> None:
        """Have the next run find all that this one has learned: at its end; what can't wait is kept by itself."""
        self._breaker.keep()
        for apart in self._apart.values():
            apart.keep()

    async def probe_once(self) -> bool:
        """Send one probe if it is due and wait for its answer; says whether one was sent."""
        now = self._clock.monotonic()
        if self._probe is None or now < self._probe_due_at():
            return False
        self._probed_at = now
        epoch = self._breaker.epoch
        self._heed(await self._ask(self._probe), epoch)
        return True

    async def _keep_watching(self) -> None:
        while True:
            self.watch_once()
            await self._clock.sleep(self._settings.watch_interval_s)

    async def _keep_probing(self) -> None:
        while self._probe is not None:
            await self.probe_once()
            due_in_s = self._probe_due_at() - self._clock.monotonic()
            await self._clock.sleep(max(TICK_S, min(due_in_s, self._settings.watch_interval_s)))

    def _probe_due_at(self) -> float:
        """An open route is probed steadily, another one only while nothing else tells of the core."""
        heard_at = -math.inf if self.zone is Zone.OPEN else self._breaker.answered_at
        return max(self._probed_at, heard_at) + self._breaker.probe_interval_s

    async def _ask(self, probe: Probe) -> Outcome:
        deadline_s = self._settings.probe_deadline_s
        try:
            async with asyncio.timeout(deadline_s):
                return await probe()
        except TimeoutError:
            return Unknown(cause=Cause.ANSWER_TIMEOUT, detail=f"a probe told nothing within {deadline_s:g} s")
        except Exception as error:  # noqa: BLE001 - an adapter's bug in a probe must not end the watch over the route
            return Unknown(cause=Cause.UNREADABLE, detail=f"the probe raised {type(error).__name__}")

    def _heed(self, outcome: Outcome, epoch: int) -> None:
        evidence = classify(outcome, 0.0, math.inf)  # a slow probe is an answer; payments say what is too slow
        if evidence in ANSWERED:
            self._probes_passed += 1
            self._breaker.probe_passed(epoch)
            return
        self._probes_failed += 1
        if epoch == self._breaker.epoch:
            self._note(outcome, "a probe")
            self._breaker.probe_failed(epoch, evidence)

    # Diagnosis

    def _note(self, outcome: Heard, example: str) -> None:
        now_us = self._clock.now_us()
        match outcome:
            case NotSent(cause=cause, detail=detail) | Unknown(cause=cause, detail=detail):
                self._casebook.note(cause, detail or example, now_us)
            case Misconfigured(cause=cause, detail=detail):
                self._casebook.note(cause, detail or example, now_us, sure=True)
            case _:
                self._casebook.note(OwnCause.SLOW, example, now_us)

    def _note_trip(self, trip: Trip) -> None:
        """Name what no single answer told: the rule that opened the route knows."""
        reason = self.forced.reason if self.forced else ""
        told = told_by(trip, self._settings, self._breaker.silence, reason)
        if told is not None:
            self._casebook.note(*told, self._clock.now_us(), sure=True)

    def _changed_apart(self, operation: Operation, old: Zone, new: Zone) -> None:
        log.warning("operation_zone", route=self.name, operation=operation.value, old=old.value, new=new.value)

    def _changed(self, old: Zone, new: Zone) -> None:
        self._probed_at = self._clock.monotonic()
        self.pace.soft = new is Zone.SOFT
        if new is Zone.CLOSED and old is not Zone.SOFT:
            self.pace.restart()
        trip = self._breaker.trip
        if new is Zone.OPEN and trip is not None:
            self._note_trip(trip)
            self._trips[trip] += 1
        diagnosis = self._casebook.diagnosis
        if new is Zone.CLOSED:
            self._casebook.clear()
        for listener in tuple(self._listeners):
            tell(listener, self.name, old, new, diagnosis)


def _nothing_waits() -> bool:
    """Before there is a forwarder."""
    return False


def _nobody_waits() -> None:
    """As above."""


def _retry_after_s(outcome: Heard) -> float:
    return outcome.retry_after_s if isinstance(outcome, NotSent | Unknown) else 0.0
