"""How long a core may say nothing: by its habit, by pauses it came back from, and never by our own standing still."""

import asyncio

import pytest

from adapters.core import Level
from adapters.cores.json_mapping import JsonCoreSettings
from adapters.outcome import Cause, Posted
from adapters.payment import AnswerKind
from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.breaker import Permit
from gateway.route.endpoints import Endpoints
from gateway.route.health import RouteHealth
from gateway.route.opening import open_route_core, watched_by
from gateway.route.record import KeptInMemory
from gateway.route.settings import BreakerSettings
from gateway.route.softness import PAUSE_KEPT_US
from gateway.route.zone import Trip, Zone
from tests.unit.fake_core import FakeCore, able
from tests.unit.heart import OpenHeart

SETTINGS = BreakerSettings()
LOOK_S = SETTINGS.watch_interval_s
QUICK_S = 0.02
NEEDED = SETTINGS.hung_calls


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on only when told."""
    return ManualClock()


@pytest.fixture
def keeper() -> KeptInMemory:
    """What outlives a run."""
    return KeptInMemory()


def health_of(clock: ManualClock, keeper: KeptInMemory) -> RouteHealth:
    """A route that no probe helps, with no slow start after an outage."""
    sending = ForwardSettings(slow_start_s=0.0)
    return RouteHealth("billing", SETTINGS, clock, keeper=keeper, sending=sending)


@pytest.fixture
async def health(clock: ManualClock, keeper: KeptInMemory) -> RouteHealth:
    """A route whose core is known to answer in 20 ms."""
    found = health_of(clock, keeper)
    await learn(found, clock, QUICK_S)
    return found


async def look(health: RouteHealth, clock: ManualClock, times: int) -> None:
    """Look so often at what waits, as the service does."""
    for _ in range(times):
        await clock.advance(LOOK_S)
        health.watch_once()


async def learn(health: RouteHealth, clock: ManualClock, seconds: float) -> None:
    """Two thousand answers that took so long each: a few others are fewer than one in a hundred."""
    for _ in range(2000):
        health.report(sent(health, 1)[0], Posted(), seconds)
    await look(health, clock, 11)


def sent(health: RouteHealth, count: int) -> list[Permit]:
    """So many calls that leave now."""
    permits = [health.admit() or health.trial() for _ in range(count)]
    assert None not in permits
    return [permit for permit in permits if permit is not None]


def zone_of(health: RouteHealth) -> Zone:
    """Its zone, asked anew (a type checker would believe the last answer)."""
    return health.zone


async def pause(health: RouteHealth, clock: ManualClock, looks: int) -> None:
    """Calls leave, nothing is heard for so many looks, and then all of them are answered."""
    permits = sent(health, NEEDED + 1)
    await look(health, clock, looks)
    for permit in permits:
        health.report(permit, Posted(), looks * LOOK_S)


async def back(health: RouteHealth, clock: ManualClock) -> None:
    """An open route is tried, closed, and comes to its full pace again."""
    await look(health, clock, 20)
    for _ in range(SETTINGS.trials_needed):
        permit = health.trial()
        assert permit is not None
        health.report(permit, Posted(), QUICK_S)
    await look(health, clock, 21)
    assert (zone_of(health), health.pace.recovering) == (Zone.CLOSED, False)


# When it is enough


async def test_a_quick_core_that_says_nothing_is_hung_after_half_a_second(
    health: RouteHealth, clock: ManualClock
) -> None:
    """Five calls that began after its last answer: one by one never in a tail, together never by chance."""
    permits = sent(health, NEEDED)
    await look(health, clock, 4)
    assert zone_of(health) is Zone.CLOSED
    await look(health, clock, 2)
    assert (zone_of(health), health.trip, len(permits)) == (Zone.OPEN, Trip.HUNG, NEEDED)
    assert health.diagnosis is not None
    assert (health.diagnosis.cause, health.diagnosis.example) == (
        Cause.ANSWER_TIMEOUT,
        "no answer for over 0.5 s, while 5 calls and more wait",
    )


async def test_a_core_of_which_nothing_is_known_has_a_second(clock: ManualClock, keeper: KeptInMemory) -> None:
    """It may be one that takes so long."""
    health = health_of(clock, keeper)
    permits = sent(health, NEEDED)
    await look(health, clock, 9)
    assert (zone_of(health), len(permits)) == (Zone.CLOSED, NEEDED)
    await look(health, clock, 2)
    assert zone_of(health) is Zone.OPEN


@pytest.mark.parametrize(("usual_s", "hung_s"), [(0.02, 0.5), (0.2, 0.5), (0.4, 0.8), (0.8, 1.0), (2.5, 1.0)])
async def test_a_core_has_twice_its_usual_worst_and_a_second_at_most(
    clock: ManualClock, keeper: KeptInMemory, usual_s: float, hung_s: float
) -> None:
    """One that takes 0.8 s is never hung sooner than one of which nothing is known."""
    health = health_of(clock, keeper)
    await learn(health, clock, usual_s)
    assert health.hung_s() == pytest.approx(hung_s, rel=0.11)


async def test_what_is_known_of_it_outlives_a_restart(
    health: RouteHealth, clock: ManualClock, keeper: KeptInMemory
) -> None:
    """From the first call on."""
    health.keep()
    assert health_of(clock, keeper).hung_s() == health.hung_s() == 0.5


async def test_four_calls_are_not_enough_however_long_they_wait(health: RouteHealth, clock: ManualClock) -> None:
    """On a route of few payments they may all be of one slow account; their own time limit ends them."""
    permits = sent(health, NEEDED - 1)
    await look(health, clock, 25)
    assert (zone_of(health), len(permits)) == (Zone.CLOSED, NEEDED - 1)


async def test_calls_of_a_tail_do_not_speak_for_a_silence(health: RouteHealth, clock: ManualClock) -> None:
    """Nine that began before its last answer take long: four after it are four."""
    tail, last = sent(health, 9), sent(health, 1)
    await look(health, clock, 3)
    health.report(last[0], Posted(), 0.3)
    fresh = sent(health, NEEDED - 1)
    await look(health, clock, 6)
    assert (zone_of(health), len(tail), len(fresh)) == (Zone.CLOSED, 9, NEEDED - 1)


async def test_while_the_route_comes_back_it_has_a_second(health: RouteHealth, clock: ManualClock) -> None:
    """Cold, or fallen over again under the ramp, it takes longer than it used to: that is for the pace to see."""
    sent(health, NEEDED)
    await look(health, clock, 6)
    await back(health, clock)
    assert health.hung_s() == 0.5
    health.pace.restart()
    health.pace.ramp.resume(NEEDED, clock.monotonic())
    assert health.hung_s() == 1.0
    await pause(health, clock, 8)
    assert (zone_of(health), health.pace.recovering) == (Zone.CLOSED, True)
    await look(health, clock, 21)
    assert (health.pace.recovering, health.hung_s()) == (False, 0.5)


async def test_calls_that_come_one_after_the_other_are_a_silence_by_the_first_of_them(
    health: RouteHealth, clock: ManualClock
) -> None:
    """At ten a second: half a second since the first, by when the fifth has waited for longer than it ever has to."""
    permits = list[Permit]()
    for _ in range(NEEDED - 1):
        permits += sent(health, 1)
        await look(health, clock, 1)
    permits += sent(health, 1)
    assert (zone_of(health), len(permits)) == (Zone.CLOSED, NEEDED)
    await look(health, clock, 1)
    assert (zone_of(health), health.trip) == (Zone.OPEN, Trip.HUNG)


async def test_the_last_of_them_has_to_wait_for_the_cores_usual_worst(clock: ManualClock, keeper: KeptInMemory) -> None:
    """A core that takes 0.2 s: four have waited for long, the fifth has just come and says nothing yet."""
    health = health_of(clock, keeper)
    await learn(health, clock, 0.2)
    permits = sent(health, NEEDED - 1)
    await look(health, clock, 4)
    permits += sent(health, 1)
    await look(health, clock, 2)
    assert (zone_of(health), len(permits)) == (Zone.CLOSED, NEEDED)
    await look(health, clock, 1)
    assert (zone_of(health), health.trip) == (Zone.OPEN, Trip.HUNG)


async def test_where_fewer_may_be_there_all_of_them_have_to_wait_for_longer_than_any_good_answer(
    health: RouteHealth, clock: ManualClock
) -> None:
    """A core that falls silent again at the ramp's first steps: known after three seconds, not at the calls' own end."""
    health.pace.backlog_waits = lambda: True
    health.pace.restart()
    assert (health.pace.places, health.hung_s()) == (2, SETTINGS.slow_call_s)
    permits = sent(health, 2)
    await look(health, clock, 29)
    assert (zone_of(health), len(permits)) == (Zone.CLOSED, 2)
    await look(health, clock, 2)
    assert (zone_of(health), health.trip) == (Zone.OPEN, Trip.HUNG)
    assert health.diagnosis is not None
    assert health.diagnosis.example == "no answer for over 3.0 s, while 2 calls and more wait"


async def test_of_fewer_one_that_was_answered_speaks_for_the_core(health: RouteHealth, clock: ManualClock) -> None:
    """It is slow, and not silent."""
    health.pace.backlog_waits = lambda: True
    health.pace.restart()
    first, other = sent(health, 2)
    await look(health, clock, 25)
    health.report(first, Posted(), 2.5)
    again = sent(health, 1)
    await look(health, clock, 10)
    assert (zone_of(health), other.trial, len(again)) == (Zone.CLOSED, False, 1)


# Pauses


async def test_a_pause_opens_once_and_never_again(
    health: RouteHealth, clock: ManualClock, keeper: KeptInMemory
) -> None:
    """A garbage collection of 0.7 s: nobody can know it the first time. Its calls are answered, so it was no hang."""
    await pause(health, clock, 7)
    assert (zone_of(health), health.trip, health.counts.late) == (Zone.OPEN, Trip.HUNG, NEEDED + 1)
    await back(health, clock)
    assert health.hung_s() == 1.0
    await pause(health, clock, 7)
    assert zone_of(health) is Zone.CLOSED
    health.keep()
    again = health_of(clock, keeper)
    await pause(again, clock, 7)
    assert zone_of(again) is Zone.CLOSED


async def test_a_pause_too_short_to_open_is_known_as_well(health: RouteHealth, clock: ManualClock) -> None:
    """Half as much again is no silence yet."""
    await pause(health, clock, 4)
    assert zone_of(health) is Zone.CLOSED
    assert health.hung_s() == pytest.approx(0.6)


async def test_a_slow_call_and_a_crowd_that_comes_beside_it_are_no_pause(
    health: RouteHealth, clock: ManualClock
) -> None:
    """One of a tail, on a route that had nothing else to do for a moment."""
    tail = sent(health, 1)
    await look(health, clock, 6)
    crowd = sent(health, NEEDED)
    for permit in (*tail, *crowd):
        health.report(permit, Posted(), QUICK_S)
    assert health.hung_s() == 0.5


async def test_a_pause_is_kept_in_mind_for_a_day(health: RouteHealth, clock: ManualClock) -> None:
    """One more of its kind counts as it does; a shorter one takes nothing from it."""
    await pause(health, clock, 4)
    clock.jump(PAUSE_KEPT_US / 2_000_000)
    await pause(health, clock, 4)
    clock.jump(PAUSE_KEPT_US / 2_000_000)
    await look(health, clock, 11)
    assert health.hung_s() == pytest.approx(0.6)
    clock.jump(PAUSE_KEPT_US / 2_000_000)
    await look(health, clock, 11)
    assert health.hung_s() == 0.5


async def test_what_lasts_longer_than_any_silence_may_is_no_pause(health: RouteHealth, clock: ManualClock) -> None:
    """A core that answers everybody after eight seconds is down as much as one that never does."""
    await pause(health, clock, 12)
    await back(health, clock)
    assert health.hung_s() == 0.5


async def test_answers_to_calls_of_two_openings_ago_say_nothing_of_this_one(
    health: RouteHealth, clock: ManualClock
) -> None:
    """They were given up long since."""
    old = sent(health, NEEDED)
    await look(health, clock, 6)
    await back(health, clock)
    fresh = sent(health, NEEDED)
    await look(health, clock, 6)
    health.report(old[0], Posted(), 5.0)
    assert (zone_of(health), health.hung_s(), len(fresh)) == (Zone.OPEN, 0.5, NEEDED)


# We ourselves


async def test_time_in_which_we_stood_still_is_no_silence(health: RouteHealth, clock: ManualClock) -> None:
    """What came meanwhile lies unread: only what is heard after it counts, and the whole time anew."""
    permits = sent(health, NEEDED)
    await look(health, clock, 3)
    await clock.advance(2.5 * LOOK_S)
    health.watch_once()
    await look(health, clock, 4)
    assert (zone_of(health), len(permits)) == (Zone.CLOSED, NEEDED)
    await look(health, clock, 1)
    assert (zone_of(health), health.trip) == (Zone.OPEN, Trip.HUNG)


async def test_our_own_standing_still_is_no_pause_of_the_core(health: RouteHealth, clock: ManualClock) -> None:
    """Answers are read before anything else then."""
    permits = sent(health, NEEDED + 1)
    await look(health, clock, 1)
    await clock.advance(0.7)
    for permit in permits:
        health.report(permit, Posted(), 0.8)
    assert health.hung_s() == 0.5


async def test_a_disk_of_ours_that_hangs_is_no_silence_of_the_core(open_heart: OpenHeart) -> None:
    """Payments wait for the core from the moment they are sent."""
    heart = await open_heart()
    heart.troubles.stop("insert")
    asking = [asyncio.ensure_future(heart.pay(f"k{number}", account=f"10{number}")) for number in range(NEEDED)]
    await look(heart.health, heart.clock, 15)
    assert (zone_of(heart.health), heart.health.pace.at_core, heart.core.calls) == (Zone.CLOSED, [NEEDED, 0], [])
    heart.troubles.go_on()
    answers = await asyncio.gather(*asking)
    assert {answer.kind for answer in answers} == {AnswerKind.POSTED}


# Several endpoints


async def test_where_endpoints_are_watched_one_by_one_only_the_plain_rule_holds(
    clock: ManualClock, keeper: KeptInMemory
) -> None:
    """Each in half of a second, the route in a whole one: the others get the time to do the work of one that hangs."""
    settings = JsonCoreSettings.model_validate(
        {"protocol": "json", "level": "A", "url": "http://127.0.0.1:1", "endpoints": [{"url": "http://127.0.0.1:2"}]}
    )
    core = open_route_core("billing", settings, SETTINGS, clock, lambda _: keeper)
    assert isinstance(core, Endpoints)
    route = watched_by(core, SETTINGS)
    assert (route.hung_after_s, route.hung_early_share) == (1.0, 1.0)
    first = core.each[0].health
    await learn(first, clock, QUICK_S)
    assert first.hung_s() == 0.5
    await core.close()


def test_a_core_of_one_endpoint_is_watched_as_it_is_said() -> None:
    """There is nobody to do its work."""
    assert watched_by(FakeCore(able(Level.A)), SETTINGS) == SETTINGS
