"""The soft zone of a breaker: in by trouble, out by health, never an epoch's end; and operations apart from each other."""

import math

import pytest

from adapters.outcome import Allowed, Cause, Misconfigured, NotSent, Posted, Unknown
from gateway.clock import ManualClock
from gateway.route.breaker import Breaker
from gateway.route.diagnosis import OwnCause
from gateway.route.evidence import Evidence, Heard
from gateway.route.health import RouteHealth
from gateway.route.record import BreakerRecord, Forced, KeptInMemory
from gateway.route.settings import BreakerSettings
from gateway.route.zone import Operation, Zone

SETTINGS = BreakerSettings(failures_in_a_row=50, unreached_in_a_row=3)
SILENCE = Unknown(cause=Cause.ANSWER_TIMEOUT)
GONE = NotSent(cause=Cause.REFUSED_CONNECTION)


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on only when told."""
    return ManualClock()


@pytest.fixture
def told() -> list[tuple[Zone, Zone]]:
    """What listeners hear."""
    return []


@pytest.fixture
def breaker(clock: ManualClock, told: list[tuple[Zone, Zone]]) -> Breaker:
    """A closed breaker."""
    return Breaker("billing", SETTINGS, clock, probed=True, told=lambda old, new: told.append((old, new)))


@pytest.fixture
def health(clock: ManualClock) -> RouteHealth:
    """A closed route."""
    return RouteHealth("billing", SETTINGS, clock)


def call(breaker: Breaker, *said: Evidence) -> None:
    """Calls that leave whatever their share, with what each said."""
    for evidence in said:
        permit = breaker.admit_waiting()
        assert permit is not None
        breaker.report(permit, evidence)


def soften(breaker: Breaker) -> None:
    """Forty calls of which each fourth is answered with a fault."""
    call(breaker, *[Evidence.GOOD, Evidence.GOOD, Evidence.GOOD, Evidence.FAULT] * 10)


def zone_of(breaker: Breaker) -> Zone:
    """Its zone, asked anew."""
    return breaker.zone


def test_trouble_softens_and_lets_a_share_through(breaker: Breaker, told: list[tuple[Zone, Zone]]) -> None:
    """A quarter of the calls fails: of a thousand new ones about nine tenths pass, waiting ones all."""
    soften(breaker)
    assert (breaker.zone, told) == (Zone.SOFT, [(Zone.CLOSED, Zone.SOFT)])
    passed = sum(breaker.admit() is not None for _ in range(1000))
    assert breaker.share == pytest.approx(1 - (40 - 30 / 0.85) / 41)
    assert abs(passed - 1000 * breaker.share) < 50


def test_no_epoch_ends_when_a_route_turns_soft(breaker: Breaker) -> None:
    """What is under way counts on: it is the evidence."""
    permit = breaker.admit()
    assert permit is not None
    soften(breaker)
    assert breaker.report(permit, Evidence.GOOD)


async def test_it_closes_again_once_the_trouble_is_over(
    breaker: Breaker, clock: ManualClock, told: list[tuple[Zone, Zone]]
) -> None:
    """Good answers push the bad ones out of the window, yet it stays soft for two seconds at least."""
    soften(breaker)
    call(breaker, *[Evidence.GOOD] * 100)
    breaker.watch()
    assert (zone_of(breaker), breaker.share) == (Zone.SOFT, 1.0)
    await clock.advance(SETTINGS.soft_for_s)
    breaker.watch()
    breaker.watch()
    assert (zone_of(breaker), told[-1]) == (Zone.CLOSED, (Zone.SOFT, Zone.CLOSED))


async def test_it_closes_by_itself_when_nobody_pays(breaker: Breaker, clock: ManualClock) -> None:
    """After the window's seconds nothing speaks against the core any more."""
    soften(breaker)
    await clock.advance(SETTINGS.window_s)
    breaker.watch()
    breaker.watch()
    assert zone_of(breaker) is Zone.CLOSED


def test_more_trouble_opens_it_from_there(breaker: Breaker, told: list[tuple[Zone, Zone]]) -> None:
    """Listeners hear of the way: closed, soft, open."""
    soften(breaker)
    call(breaker, *[Evidence.DID_NOT_REACH] * 3)
    assert (zone_of(breaker), told[-1]) == (Zone.OPEN, (Zone.SOFT, Zone.OPEN))
    assert breaker.admit() is None
    assert breaker.admit_waiting() is None


def test_sluggish_answers_soften_and_never_open(breaker: Breaker) -> None:
    """All of them slower than the core's habit: payers still get through, if only a share of them."""
    call(breaker, *[Evidence.SLUGGISH] * 200)
    assert breaker.zone is Zone.SOFT
    assert breaker.share == pytest.approx(0.2)


async def test_a_core_that_comes_back_slower_than_its_habit_is_back(breaker: Breaker, clock: ManualClock) -> None:
    """Each trial answered well, and sluggishly: it serves its payers, and only its answers can teach its new habit."""
    call(breaker, *[Evidence.DID_NOT_REACH] * 3)
    await clock.advance(SETTINGS.open_for_s)
    breaker.probe_passed(breaker.epoch)
    for _ in range(SETTINGS.trials_needed):
        permit = breaker.trial()
        assert permit is not None
        breaker.report(permit, Evidence.SLUGGISH)
    assert zone_of(breaker) is Zone.CLOSED


def test_a_person_who_keeps_it_closed_has_it_closed(breaker: Breaker, clock: ManualClock) -> None:
    """His word stands above all evidence."""
    soften(breaker)
    until_us = clock.now_us() + 60_000_000
    breaker.force(Forced(zone=Zone.CLOSED, until_us=until_us, actor="anna", reason="a known fault"))
    assert zone_of(breaker) is Zone.CLOSED
    soften(breaker)
    assert (zone_of(breaker), breaker.share) == (Zone.CLOSED, 1.0)
    with pytest.raises(ValueError, match="open or closed"):
        breaker.force(Forced(zone=Zone.SOFT, until_us=until_us, actor="anna", reason="?"))


def test_a_soft_route_starts_closed_after_a_restart(clock: ManualClock) -> None:
    """Soft is closed to whatever outlives the process."""
    keeper = KeptInMemory(BreakerRecord(zone=Zone.SOFT, since_us=1))
    assert Breaker("billing", SETTINGS, clock, keeper=keeper).zone is Zone.CLOSED


async def test_a_routes_habit_is_learned_from_its_answers_and_kept(clock: ManualClock) -> None:
    """At 20 ms usually, half a second is sluggish; in the next run as well."""
    keeper = KeptInMemory()
    health = RouteHealth("billing", SETTINGS, clock, keeper=keeper)
    for _ in range(200):
        answer(health, Posted(), 0.02)
    assert health.sluggish_s() == math.inf
    for _ in range(2):
        await clock.advance(60.0)
        health.watch_once()
    assert health.sluggish_s() == SETTINGS.sluggish_min_s
    assert health.usual() is not None
    assert health.usual() == RouteHealth("billing", SETTINGS, clock, keeper=keeper).usual()
    answer(health, Posted(), 0.6)
    assert health.counts.evidence["sluggish"] == 1


def answer(health: RouteHealth, outcome: Heard, seconds: float = 0.01, operation: Operation = Operation.POST) -> None:
    """One call of an operation and what became of it."""
    permit = health.admit_check() if operation is Operation.CHECK else health.trial(operation)
    assert permit is not None
    health.report(permit, outcome, seconds)


async def test_checks_that_fail_stop_checks_and_no_payment(health: RouteHealth, clock: ManualClock) -> None:
    """The core's search hangs, its ledger works. After a second a check may try again, and three good ones close it."""
    settings = BreakerSettings()
    for _ in range(settings.minimum_calls):
        answer(health, SILENCE, operation=Operation.CHECK)
    assert (health.zone_of(Operation.CHECK), health.zone) == (Zone.OPEN, Zone.CLOSED)
    assert health.admit_check() is None
    assert health.admit() is not None
    await clock.advance(settings.open_for_s)
    health.watch_once()
    for _ in range(settings.trials_needed):
        answer(health, Allowed(), operation=Operation.CHECK)
    assert health.zone_of(Operation.CHECK) is Zone.CLOSED


def test_reversals_that_fail_stop_reversals_and_no_payment(health: RouteHealth) -> None:
    """Each operation is judged by its own evidence."""
    for _ in range(SETTINGS.minimum_calls):
        answer(health, SILENCE, operation=Operation.REVERSAL)
    assert (health.zone_of(Operation.REVERSAL), health.zone_of(Operation.POST)) == (Zone.OPEN, Zone.CLOSED)
    assert health.admit_reversal() is None
    assert health.trial(Operation.REVERSAL) is None
    assert health.trial() is not None


def test_good_checks_do_not_hide_that_payments_fail(health: RouteHealth) -> None:
    """A core whose ledger is broken and whose search works, as with a full disk."""
    for _ in range(SETTINGS.minimum_calls):
        answer(health, Allowed(), operation=Operation.CHECK)
        answer(health, SILENCE)
    assert health.zone is Zone.OPEN


def test_a_check_that_reaches_nobody_speaks_for_payments_too(health: RouteHealth) -> None:
    """It is one machine: three calls of any kind that can't reach it open the route."""
    answer(health, GONE)
    answer(health, GONE, operation=Operation.CHECK)
    answer(health, GONE, operation=Operation.REVERSAL)
    assert health.zone is Zone.OPEN


def test_a_check_that_is_answered_ends_a_row_of_calls_that_reached_nobody(health: RouteHealth) -> None:
    """A listener restarted between them."""
    answer(health, GONE)
    answer(health, GONE)
    answer(health, Allowed(), operation=Operation.CHECK)
    answer(health, GONE)
    assert health.zone is Zone.CLOSED


def test_credentials_refused_at_a_check_stop_everything(health: RouteHealth) -> None:
    """They are the same for every operation."""
    answer(health, Misconfigured(cause=Cause.CREDENTIALS), operation=Operation.CHECK)
    assert health.zone is Zone.OPEN


async def test_on_a_route_that_is_open_or_in_trial_no_check_is_sent(health: RouteHealth, clock: ManualClock) -> None:
    """Its one trial is for what books: a live reversal may be it."""
    for _ in range(3):
        answer(health, GONE)
    assert (health.admit_check(), health.zone_of(Operation.CHECK)) == (None, Zone.OPEN)
    assert health.admit_reversal() is None
    await clock.advance(SETTINGS.open_for_s)
    health.watch_once()
    assert (health.admit_check(), health.zone_of(Operation.CHECK)) == (None, Zone.TRIAL)
    reversal = health.admit_reversal()
    assert reversal is not None
    assert (reversal.trial, health.holds(reversal)) == (True, True)


def test_leave_for_a_reversal_ends_with_the_routes_zone(health: RouteHealth) -> None:
    """The core went down while it was on its way to disk."""
    permit = health.admit_reversal()
    assert permit is not None
    assert health.holds(permit)
    for _ in range(3):
        answer(health, GONE)
    assert not health.holds(permit)
    health.withdraw(permit)


async def test_our_own_disk_is_named_while_it_fails_whatever_the_core_does(
    health: RouteHealth, clock: ManualClock
) -> None:
    """Nobody need call billing's people for it; ten seconds after the last time it is over."""
    assert health.diagnosis is None
    health.disk_failed("no room")
    for _ in range(3):
        answer(health, GONE)
    found = health.diagnosis
    assert found is not None
    assert (found.cause, found.example, found.seen) == (OwnCause.DISK, "no room", 1)
    await clock.advance(10.0)
    found = health.diagnosis
    assert found is not None
    assert found.cause is Cause.REFUSED_CONNECTION
