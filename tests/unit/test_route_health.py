"""The shell round the breaker: outcomes in, zone and diagnosis out, probes sent, listeners told."""

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest
from pydantic import ValidationError

from adapters.outcome import Cause, Misconfigured, NotSent, Outcome, Posted, Refused, Unknown
from adapters.payment import Refusal
from gateway.clock import ManualClock, settle
from gateway.route.breaker import Permit
from gateway.route.diagnosis import WORDS, Casebook, Diagnosis, OwnCause
from gateway.route.evidence import Heard
from gateway.route.health import RouteHealth
from gateway.route.record import KeptInMemory
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Trip, Zone

SETTINGS = BreakerSettings()
REFUSED = NotSent(cause=Cause.REFUSED_CONNECTION, detail="127.0.0.1:9 refused")


class ScriptedProbe:
    """A core's health page: answers as it is set to, and notes when it was asked."""

    def __init__(self, clock: ManualClock) -> None:
        """Well, until told otherwise."""
        self._clock = clock
        self.outcome: Outcome = Posted()
        self.error: Exception | None = None
        self.hang: asyncio.Event | None = None
        self.asked = list[float]()

    async def __call__(self) -> Outcome:
        """Answer."""
        self.asked.append(self._clock.monotonic())
        if self.hang is not None:
            await self.hang.wait()
        if self.error is not None:
            raise self.error
        return self.outcome


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on only when told."""
    return ManualClock()


@pytest.fixture
def probe(clock: ManualClock) -> ScriptedProbe:
    """A probe that finds the core well."""
    return ScriptedProbe(clock)


@pytest.fixture
def health(clock: ManualClock, probe: ScriptedProbe) -> RouteHealth:
    """A closed route with a probe, not running."""
    return RouteHealth("billing", SETTINGS, clock, probe)


@pytest.fixture
async def running(health: RouteHealth) -> AsyncIterator[RouteHealth]:
    """The same, running."""
    task = asyncio.create_task(health.run())
    await settle()
    yield health
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task


def zone_of(health: RouteHealth) -> Zone:
    """Its zone, asked anew (a type checker would believe the last answer)."""
    return health.zone


def permit_of(health: RouteHealth) -> Permit:
    """A permit that must be there."""
    permit = health.admit()
    assert permit is not None
    return permit


def pay(health: RouteHealth, *outcomes: Heard, duration_s: float = 0.01) -> None:
    """Payments one after another, with what became of them."""
    for outcome in outcomes:
        health.report(permit_of(health), outcome, duration_s)


# The course of an outage


async def test_an_outage_from_the_first_refused_connection_to_the_third_good_trial(
    running: RouteHealth, clock: ManualClock, probe: ScriptedProbe
) -> None:
    """Dead, noticed, probed, back, tried, closed; told at each step."""
    told = list[tuple[Zone, Zone, Cause | OwnCause | None]]()
    running.on_change(lambda old, new, why: told.append((old, new, why.cause if why else None)))
    probe.outcome = REFUSED
    pay(running, *[Posted()] * 20, *[REFUSED] * 3)
    assert running.admit() is None
    await clock.advance(30.0)
    assert zone_of(running) is Zone.OPEN
    probe.outcome = Posted()
    await clock.advance(1.0)
    assert zone_of(running) is Zone.TRIAL
    pay(running, Posted(), Refused(refusal=Refusal.UNKNOWN_ACCOUNT), Posted())
    assert zone_of(running) is Zone.CLOSED
    assert told == [
        (Zone.CLOSED, Zone.OPEN, Cause.REFUSED_CONNECTION),
        (Zone.OPEN, Zone.TRIAL, Cause.REFUSED_CONNECTION),
        (Zone.TRIAL, Zone.CLOSED, Cause.REFUSED_CONNECTION),
    ]
    assert running.diagnosis is None


async def test_a_dead_core_is_noticed_without_any_payment(
    running: RouteHealth, clock: ManualClock, probe: ScriptedProbe
) -> None:
    """Within idle interval plus two quick probes: about six seconds."""
    probe.outcome = REFUSED
    await clock.advance(SETTINGS.idle_probe_interval_s + 2 * SETTINGS.probe_interval_s + 0.5)
    assert (running.zone, running.trip) == (Zone.OPEN, Trip.PROBES)
    assert len(probe.asked) == 3


async def test_a_core_that_is_heard_of_is_not_probed(
    running: RouteHealth, clock: ManualClock, probe: ScriptedProbe
) -> None:
    """Payments say more, and probes are load."""
    for _ in range(20):
        pay(running, Posted())
        await clock.advance(1.0)
    assert probe.asked == []


async def test_a_hanging_core_is_noticed_in_about_a_second(running: RouteHealth, clock: ManualClock) -> None:
    """At 200 payments a second, none of which has ended yet; and soon, as it is known to be quick."""
    pay(running, *[Posted()] * 100)
    await clock.advance(0.3)
    permits = [permit_of(running) for _ in range(10)]
    await clock.advance(1.2)
    assert (running.zone, running.trip, len(permits)) == (Zone.OPEN, Trip.HUNG, 10)
    assert running.diagnosis is not None
    assert running.diagnosis.cause is Cause.ANSWER_TIMEOUT
    assert running.diagnosis.example == "no answer for over 0.5 s, while 5 calls and more wait"


@pytest.mark.parametrize(("seconds", "borne"), [(SETTINGS.slow_call_s + 1.0, 0), (0.1, 3)])
def test_answers_too_slow_for_a_payer_do_not_speak_for_how_much_a_core_bears(
    clock: ManualClock, seconds: float, borne: int
) -> None:
    """A core that hung for a while and then answered all that had piled up was not well with so many."""
    health = RouteHealth("billing", SETTINGS, clock)
    for permit in [permit_of(health) for _ in range(6)]:
        health.report(permit, Posted(), seconds)
    assert health.pace.kept.borne == borne


async def test_an_open_route_is_probed_steadily_and_less_after_each_relapse(
    running: RouteHealth, clock: ManualClock, probe: ScriptedProbe
) -> None:
    """Half a second at first; a page that lies is asked less and less."""
    pay(running, *[REFUSED] * 3)
    probe.outcome = REFUSED
    await clock.advance(3.05)
    assert len(probe.asked) == 6
    probe.outcome = Posted()
    await clock.advance(0.6)
    pay(running, REFUSED)
    assert running.trip is Trip.TRIAL_FAILED
    probe.outcome, before = REFUSED, len(probe.asked)
    await clock.advance(3.05)
    assert len(probe.asked) - before == 3


async def test_without_a_safe_probe_time_alone_leads_to_trial(clock: ManualClock) -> None:
    """And nothing is ever sent that isn't a payment."""
    health = RouteHealth("blind", SETTINGS, clock)
    pay(health, *[REFUSED] * 3)
    await clock.advance(1.0)
    assert not await health.run_once()
    assert zone_of(health) is Zone.TRIAL


# Probes that misbehave


async def test_a_probe_that_hangs_keeps_nobody_from_watching(
    running: RouteHealth, clock: ManualClock, probe: ScriptedProbe
) -> None:
    """The watch over waiting payments goes on beside it."""
    probe.hang = asyncio.Event()
    await clock.advance(5.5)
    assert len(probe.asked) == 1
    permits = [permit_of(running) for _ in range(5)]
    await clock.advance(1.5)
    assert (running.trip, len(permits)) == (Trip.HUNG, 5)


async def test_a_probe_without_an_answer_fails_at_its_deadline(clock: ManualClock, probe: ScriptedProbe) -> None:
    """By the loop's own timer, here set to expire at once."""
    health = RouteHealth("billing", BreakerSettings(probe_deadline_s=1e-9), clock, probe)
    probe.hang = asyncio.Event()
    await clock.advance(5.0)
    assert await health.run_once()
    assert health.counts.probes_failed == 1


async def test_a_probe_that_raises_counts_as_failed(
    health: RouteHealth, clock: ManualClock, probe: ScriptedProbe
) -> None:
    """An adapter's bug must not end the watch; its text may hold anything, so only its name is kept."""
    pay(health, *[REFUSED] * 3)
    probe.error = ValueError("account 4711")
    await clock.advance(0.5)
    assert await health.run_once()
    assert health.counts.probes_failed == 1
    assert "4711" not in repr(health.diagnosis)


async def test_a_probe_asked_before_the_route_changed_is_not_heeded(
    running: RouteHealth, clock: ManualClock, probe: ScriptedProbe
) -> None:
    """It saw the core of then."""
    probe.hang = asyncio.Event()
    await clock.advance(5.5)
    assert len(probe.asked) == 1
    pay(running, Misconfigured(cause=Cause.CREDENTIALS))
    await clock.advance(2.0)
    probe.outcome = NotSent(cause=Cause.DNS)
    seen = running.diagnosis
    probe.hang.set()
    await settle()
    assert (zone_of(running), running.diagnosis) == (Zone.OPEN, seen)


async def test_ending_the_run_ends_a_probe_under_way(
    health: RouteHealth, clock: ManualClock, probe: ScriptedProbe
) -> None:
    """A stop is a normal path: no task is left, and it ends as cancelled."""
    probe.hang = asyncio.Event()
    task = asyncio.create_task(health.run())
    await settle()
    await clock.advance(5.5)
    assert len(probe.asked) == 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert asyncio.all_tasks() == {asyncio.current_task()}


# Who gets the trial


async def test_waiting_entries_have_the_trial_first_and_not_for_ever(health: RouteHealth, clock: ManualClock) -> None:
    """The oldest goes first; but a lane that can't move wedges nothing."""
    pay(health, *[REFUSED] * 3)
    await clock.advance(1.0)
    await health.run_once()
    health.backlog_waits = lambda: True
    assert health.admit() is None
    trial = health.trial()
    assert trial is not None
    health.withdraw(trial)
    await clock.advance(SETTINGS.trial_reserved_s)
    assert health.admit() is not None


async def test_without_a_backlog_a_live_payment_is_the_trial(health: RouteHealth, clock: ManualClock) -> None:
    """Somebody has to be; the others stand in meanwhile."""
    pay(health, *[REFUSED] * 3)
    await clock.advance(1.0)
    await health.run_once()
    assert [health.admit() is not None for _ in range(3)] == [True, False, False]


async def test_a_waiting_entry_goes_freely_on_a_closed_route(health: RouteHealth) -> None:
    """One call for the forwarder, whatever the zone."""
    assert [health.trial() is not None for _ in range(3)] == [True, True, True]


async def test_a_throttled_trial_waits_as_long_as_the_core_asked(health: RouteHealth, clock: ManualClock) -> None:
    """Retry-After reaches the breaker."""
    pay(health, *[REFUSED] * 3)
    await clock.advance(1.0)
    await health.run_once()
    pay(health, NotSent(cause=Cause.THROTTLED, retry_after_s=9.0))
    await clock.advance(8.0)
    assert health.trial() is None
    await clock.advance(1.0)
    assert health.trial() is not None


# Diagnosis


async def test_the_diagnosis_says_what_where_to_look_and_since_when(health: RouteHealth, clock: ManualClock) -> None:
    """What an operator needs at night."""
    began = clock.now_us()
    pay(health, REFUSED)
    await clock.advance(1.0)
    pay(health, REFUSED, REFUSED)
    assert health.diagnosis == Diagnosis(
        cause=Cause.REFUSED_CONNECTION,
        words=WORDS[Cause.REFUSED_CONNECTION],
        first_seen_us=began,
        last_seen_us=began + 1_000_000,
        seen=3,
        example="127.0.0.1:9 refused",
    )


async def test_the_diagnosis_follows_the_probes(running: RouteHealth, clock: ManualClock, probe: ScriptedProbe) -> None:
    """The core's host is up again and its certificate has expired: that is what matters now."""
    pay(running, *[REFUSED] * 3)
    probe.outcome = NotSent(cause=Cause.TLS, detail="certificate expired 2025-12-31")
    await clock.advance(10.0)
    assert running.diagnosis is not None
    assert (running.diagnosis.cause, running.diagnosis.example) == (Cause.TLS, "certificate expired 2025-12-31")


def test_refused_credentials_are_named_at_once(health: RouteHealth) -> None:
    """Whatever else was seen before."""
    pay(health, Unknown(cause=Cause.RESET), Unknown(cause=Cause.RESET), Posted())
    pay(health, Misconfigured(cause=Cause.CREDENTIALS, detail="401"))
    assert health.diagnosis is not None
    assert health.diagnosis.cause is Cause.CREDENTIALS


async def test_a_new_outage_has_a_diagnosis_of_its_own(health: RouteHealth, clock: ManualClock) -> None:
    """A closed route has forgotten the last one, however near it was."""
    pay(health, *[REFUSED] * 3)
    await clock.advance(1.0)
    await health.run_once()
    pay(health, *[Posted()] * 3, *[REFUSED] * 3)
    assert health.diagnosis is not None
    assert (health.diagnosis.seen, health.diagnosis.first_seen_us) == (3, clock.now_us())


def test_a_slow_core_is_named_slow(health: RouteHealth) -> None:
    """Though every one of its answers was proper."""
    pay(health, *[Posted()] * 10, duration_s=3.5)
    assert health.diagnosis is not None
    assert (health.trip, health.diagnosis.cause) == (Trip.SLOW_RATE, OwnCause.SLOW)


def test_a_route_open_since_before_the_restart_says_so(clock: ManualClock) -> None:
    """Until the first probe knows more."""
    keeper = KeptInMemory()
    pay(RouteHealth("billing", SETTINGS, clock, keeper=keeper), *[REFUSED] * 3)
    diagnosis = RouteHealth("billing", SETTINGS, clock, keeper=keeper).diagnosis
    assert diagnosis is not None
    assert diagnosis.cause is OwnCause.RESTARTED


async def test_a_lost_trial_is_a_diagnosis_of_its_own(clock: ManualClock) -> None:
    """No answer and no error ever came, so the deadline itself is what is known."""
    health = RouteHealth("blind", SETTINGS, clock)
    health.force(Zone.OPEN, until_us=clock.now_us() + 1_000_000, actor="anna", reason="drill")
    await clock.advance(1.0)
    health.watch_once()
    permit = health.admit()
    await clock.advance(SETTINGS.trial_deadline_s)
    health.watch_once()
    health.watch_once()
    assert health.diagnosis is not None
    assert (permit is not None, health.trip, health.diagnosis.cause) == (True, Trip.TRIAL_LOST, Cause.ANSWER_TIMEOUT)


@pytest.mark.parametrize("cause", [*Cause, *OwnCause])
def test_every_cause_has_words(cause: Cause | OwnCause) -> None:
    """A cause added later must not end in a KeyError at night."""
    assert WORDS[cause]


def test_a_cause_not_seen_for_long_begins_anew() -> None:
    """A stray timeout of the morning is not when the evening's outage began."""
    book = Casebook(forget_us=120_000_000)
    book.note(Cause.RESET, "", 0)
    book.note(Cause.DNS, "", 0)
    book.note(Cause.RESET, "", 120_000_000)
    assert book.diagnosis is not None
    assert (book.diagnosis.cause, book.diagnosis.seen) == (Cause.RESET, 1)
    assert book.diagnosis.first_seen_us == 120_000_000


# A person's word, listeners, counts


async def test_a_person_opens_the_route_until_it_expires(running: RouteHealth, clock: ManualClock) -> None:
    """And then the core has to prove itself by a payment."""
    until_us = clock.now_us() + 60_000_000
    running.force(Zone.OPEN, until_us=until_us, actor="anna", reason="core moves house")
    await clock.advance(59.0)
    assert running.admit() is None
    assert running.diagnosis is not None
    assert (running.diagnosis.cause, running.diagnosis.example) == (OwnCause.FORCED, "core moves house")
    assert running.forced is not None
    assert "moves" not in repr(running.forced)
    await clock.advance(1.2)
    assert zone_of(running) is Zone.TRIAL


async def test_a_word_taken_back_has_the_core_probed_at_once(running: RouteHealth, clock: ManualClock) -> None:
    """Nobody waits for an interval that grew in between."""
    running.force(Zone.OPEN, until_us=clock.now_us() + 60_000_000, actor="anna", reason="drill")
    await clock.advance(10.05)
    running.release()
    await clock.advance(0.1)
    assert zone_of(running) is Zone.TRIAL


def test_a_listener_that_raises_keeps_the_next_from_nothing(
    health: RouteHealth, capsys: pytest.CaptureFixture[str]
) -> None:
    """Nor the payment that brought the news."""
    told = list[Zone]()

    def raising(_old: Zone, _new: Zone, _why: Diagnosis | None) -> None:
        raise RuntimeError

    health.on_change(raising)
    health.on_change(lambda _old, new, _why: told.append(new))
    pay(health, *[REFUSED] * 3)
    assert told == [Zone.OPEN]
    assert "RuntimeError" in capsys.readouterr().err


def test_the_counts_tell_each_kind_apart(health: RouteHealth) -> None:
    """For metrics: what was counted, what came late, what was withdrawn."""
    late = permit_of(health)
    health.withdraw(permit_of(health))
    pay(health, Posted(), Unknown(cause=Cause.RESET), *[REFUSED] * 3)
    health.report(late, Posted(), 60.0)
    counts = health.counts
    assert {kind: count for kind, count in counts.evidence.items() if count} == {
        "good": 1,
        "no_answer": 1,
        "did_not_reach": 3,
    }
    assert counts.trips["unreached"] == 1
    assert (counts.late, counts.withdrawn, counts.waiting, counts.epoch) == (1, 1, 0, 2)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("window_calls", 5),
        ("open_for_s", 61.0),
        ("probe_interval_s", 11.0),
        ("failure_rate", 0.0),
        ("failure_rate", 1.1),
        ("trials_needed", 0),
        ("fail_max", 5),
    ],
)
def test_settings_that_make_no_sense_are_refused(field: str, value: float) -> None:
    """Before anything opens, naming the field."""
    with pytest.raises(ValidationError, match=field):
        BreakerSettings.model_validate({field: value})


@pytest.mark.parametrize("field", BreakerSettings.model_fields)
def test_every_setting_says_what_it_is(field: str) -> None:
    """The reference page and the example configuration are made of these."""
    assert BreakerSettings.model_fields[field].description
