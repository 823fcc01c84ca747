"""Places at a core: one limit for all, shares by weight that starve nobody, caps a second, and a core that asks for rest."""

from collections import Counter
from fractions import Fraction

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.pace import BURST_S, KEEP_S, RESUMED_S, TRICKLE, WANTED_S, Pace, Slot, Who
from gateway.route.record import PaceKept
from spool.nodes import ALL, Share

SLOW_START_S = 5.0


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on only when told."""
    return ManualClock()


def make(clock: ManualClock, limit: int = 8, **settings: float) -> Pace:
    """A pace that comes back from an outage, at `limit`, with a backlog."""
    usual: dict[str, float] = {"in_flight_max": limit, "slow_start_s": SLOW_START_S, "explore_after_s": 0}
    pace = Pace(ForwardSettings.model_validate(usual | settings), clock)
    pace.backlog_waits = lambda: True
    pace.restart()
    raise_to(pace, limit, clock.monotonic() + SLOW_START_S)
    return pace


def raise_to(pace: Pace, limit: int, now: float) -> None:
    """Good answers until it is so high."""
    while pace.limit < limit:
        pace.ramp.succeeded(1, pace.ramp.failures, now)


def live(pace: Pace) -> Slot | None:
    """A live call that wants to go."""
    return placed(pace, Who.LIVE) if pace.free or pace.lets_live() else None


def waiting(pace: Pace) -> Slot | None:
    """One of the backlog that wants to go."""
    return placed(pace, Who.BACKLOG) if pace.lets_backlog() else None


def placed(pace: Pace, who: Who) -> Slot:
    """It goes."""
    slot = Slot()
    pace.begin(slot, who)
    return slot


def test_before_any_outage_nothing_limits_live_calls(clock: ManualClock) -> None:
    """The backlog keeps to the limit, live ones don't take its places."""
    pace = Pace(ForwardSettings(in_flight_max=4), clock)
    raise_to(pace, 4, 0.0)
    assert all(live(pace) for _ in range(50))
    assert [waiting(pace) is not None for _ in range(5)] == [True, True, True, True, False]


def test_after_an_outage_both_count_against_one_limit(clock: ManualClock) -> None:
    """Half for each; not one more, whoever asks."""
    pace = make(clock, 8)
    assert sum(live(pace) is not None for _ in range(20)) == 4
    assert sum(waiting(pace) is not None for _ in range(20)) == 4
    assert (pace.at_core, pace.backlog_limit) == ([4, 4], 4)


async def test_what_one_does_not_want_the_other_may_have(clock: ManualClock) -> None:
    """No live payment for a second: all places are the backlog's, and the other way round."""
    pace = make(clock, 8)
    assert not pace.at_core[Who.LIVE]
    await clock.advance(WANTED_S)
    assert (pace.backlog_limit, sum(waiting(pace) is not None for _ in range(20))) == (8, 8)
    pace = make(clock, 8)
    pace.backlog_waits = lambda: False
    assert sum(live(pace) is not None for _ in range(20)) == 8


async def test_the_backlog_leaves_live_calls_one_place_more_than_they_used_of_late(clock: ManualClock) -> None:
    """Few payers don't hold half of the core; as soon as one is turned aside there is one place more for the next."""
    pace = make(clock, 8)
    first = live(pace)
    held = [slot for slot in [waiting(pace) for _ in range(20)] if slot]
    assert (first is not None, len(held), pace.backlog_limit) == (True, 6, 6)
    second, third = live(pace), live(pace)
    assert (second is not None, third) == (True, None)
    pace.end(held.pop())
    assert (waiting(pace), live(pace) is not None) == (None, True)
    for _ in range(2):
        await clock.advance(WANTED_S)
        pace.look(0.0)
    assert pace.backlog_limit == 4


def test_a_place_given_back_is_free_once(clock: ManualClock) -> None:
    """Whoever gives it back twice frees no second one."""
    pace = make(clock, 2)
    slot = live(pace)
    assert slot is not None
    assert (pace.end(slot), pace.end(slot), pace.at_core) == (1, 0, [0, 0])


@pytest.mark.parametrize("weights", [(1, 1), (3, 1), (1, 4)])
@given(limit=st.integers(1, 40), order=st.lists(st.sampled_from(Who), min_size=50, max_size=50))
def test_both_always_want_and_neither_starves(weights: tuple[int, int], limit: int, order: list[Who]) -> None:
    """Whoever asks in whatever order, each gets its weight's share of the calls, to a tenth, as each ends in turn."""
    pace = make(ManualClock(), limit, live_weight=weights[0], backlog_weight=weights[1])
    went, held = Counter[Who](), list[Slot]()
    asks = {Who.LIVE: live, Who.BACKLOG: waiting}
    for who in [*Who, *order * 4]:
        # Both always ask, in an order that chance gives.
        for each in (who, Who(1 - who)):
            slot = asks[each](pace)
            went[each] += slot is not None
            held += [slot] if slot else []
            assert sum(pace.at_core) <= limit
        # The one that is there for longest ends.
        pace.end(held.pop(0))
    share = Fraction(weights[0], sum(weights))
    assert abs(went[Who.LIVE] - share * went.total()) <= went.total() / 10 + limit


def test_one_place_goes_round(clock: ManualClock) -> None:
    """At a limit of one: whoever had it last lets the other go first."""
    pace = make(clock, 1)
    for _ in range(3):
        first = live(pace)
        assert first is not None
        assert waiting(pace) is None
        pace.end(first)
        assert live(pace) is None
        second = waiting(pace)
        assert second is not None
        pace.end(second)


def test_in_trouble_the_backlog_trickles(clock: ManualClock) -> None:
    """Live ones are thinned by their share already."""
    pace = Pace(ForwardSettings(in_flight_max=32, explore_after_s=0), clock)
    raise_to(pace, 32, 0.0)
    pace.soft = True
    assert (sum(waiting(pace) is not None for _ in range(9)), pace.backlog_limit) == (TRICKLE, TRICKLE)
    pace.restart()
    live(pace)
    pace.lets_live()
    assert pace.backlog_limit == 1


async def test_a_core_that_asks_for_rest_gets_it(clock: ManualClock) -> None:
    """Retry-After: for so long nobody goes, live or not; then both as before."""
    pace = Pace(ForwardSettings(), clock)
    pace.hold(3.0)
    pace.hold(1.0)
    assert (live(pace), waiting(pace), pace.wait_s()) == (None, None, 3.0)
    await clock.advance(3.0)
    pace.look(0.0)
    assert (pace.free, live(pace) is not None, waiting(pace) is not None) == (True, True, True)


async def test_a_cap_a_second_is_shared_and_kept(clock: ManualClock) -> None:
    """Ten a second for two seconds, both always want: five a second each, and never ahead by more than a moment."""
    pace = make(clock, 1000, rate_max_per_s=10)
    went = Counter[str]()
    for _ in range(200):
        went["live"] += live(pace) is not None
        went["backlog"] += waiting(pace) is not None
        await clock.advance(0.01)
    assert 20 <= went.total() <= 24
    assert abs(went["live"] - went["backlog"]) <= 2


async def test_a_cap_a_second_is_all_for_whoever_is_alone(clock: ManualClock) -> None:
    """Nobody pays: the backlog has it, and knows how long to wait for its next."""
    pace = make(clock, 1000, rate_max_per_s=10)
    await clock.advance(WANTED_S)
    assert [waiting(pace) is not None for _ in range(3)] == [True, True, False]
    assert pace.wait_s() == pytest.approx(0.2 - BURST_S)
    await clock.advance(pace.wait_s())
    assert waiting(pace) is not None


async def test_a_cap_a_second_holds_outside_of_outages_too(clock: ManualClock) -> None:
    """It is the core's contract, not its weakness."""
    pace = Pace(ForwardSettings(rate_max_per_s=10), clock)
    pace.look(0.0)
    assert (pace.free, [live(pace) is not None for _ in range(3)]) == (False, [True, True, False])


async def test_a_recovery_is_over_when_nothing_waits_and_nobody_is_turned_aside(clock: ManualClock) -> None:
    """Not while entries wait, not in the slow start, not a second after a payer had to be stood in for."""
    pace = make(clock, 2)
    await clock.advance(SLOW_START_S)
    pace.look(0.0)
    assert pace.recovering
    pace.backlog_waits = lambda: False
    held = [live(pace) for _ in range(3)]
    assert held[-1] is None
    pace.look(0.0)
    assert pace.recovering
    await clock.advance(WANTED_S)
    last = placed(pace, Who.BACKLOG)
    pace.look(0.0)
    assert pace.recovering
    pace.end(last)
    pace.look(0.0)
    assert (pace.recovering, pace.free) == (False, True)


def fallen(clock: ManualClock) -> Pace:
    """A pace in the middle of a recovery, that has learned that its core falls above nineteen at once."""
    pace = make(clock, 64, fall_kept_s=100.0)
    for _ in range(20):
        for level in range(1, 21):
            pace.ramp.noted(level, pace.ramp.failures)
    pace.ramp.begun(22)
    for _ in range(3):
        pace.ramp.failed(clock.monotonic())
    return pace


async def test_while_it_is_known_where_the_core_falls_live_calls_stay_below(clock: ManualClock) -> None:
    """Also long after the outage; and no longer than it is remembered."""
    pace = fallen(clock)
    raise_to(pace, 19, clock.monotonic() + SLOW_START_S)
    pace.backlog_waits = lambda: False
    await clock.advance(SLOW_START_S + WANTED_S)
    pace.look(0.0)
    assert (pace.recovering, pace.free, sum(live(pace) is not None for _ in range(40))) == (False, False, 19)
    await clock.advance(100.0)
    pace.look(0.0)
    assert pace.free


def again(clock: ManualClock, found: Pace | PaceKept) -> Pace:
    """The next process's, with a backlog."""
    kept = found.kept if isinstance(found, Pace) else found
    pace = Pace(
        ForwardSettings(in_flight_max=64, slow_start_s=SLOW_START_S, fall_kept_s=100.0, explore_after_s=0), clock, kept
    )
    pace.backlog_waits = lambda: True
    pace.look(0.0)
    return pace


async def test_a_restart_goes_on_below_where_the_core_falls_and_where_the_ramp_was(clock: ManualClock) -> None:
    """And live calls still count: they would push it over beside the backlog."""
    before = fallen(clock)
    raise_to(before, 12, clock.monotonic() + SLOW_START_S)
    after = again(clock, before)
    assert (after.limit, after.recovering, after.free) == (12, True, False)
    for _ in range(2_000):
        after.ramp.succeeded(1, 0, clock.monotonic() + SLOW_START_S)
    assert (after.limit, before.ramp.learned) == (19, 19)


async def test_the_slow_start_goes_on_where_it_was(clock: ManualClock) -> None:
    """A restart in the middle of it doesn't lift the ceiling."""
    kept = msgspec.structs.replace(make(clock, 64).kept, limit=33)
    after = again(clock, kept)
    for _ in range(2_000):
        after.ramp.succeeded(1, 0, clock.monotonic())
    assert after.limit == 33
    await clock.advance(SLOW_START_S / 2)
    after.backlog_waits = lambda: False
    after.look(0.0)
    assert not after.recovering


async def test_after_a_long_stop_it_begins_slowly_and_still_knows_where_the_core_falls(clock: ManualClock) -> None:
    """Nobody warmed it meanwhile; and what is older than it is remembered for is of another core."""
    kept = fallen(clock).kept
    await clock.advance(RESUMED_S)
    soon = again(clock, kept)
    await clock.advance(100.0 - RESUMED_S)
    late = again(clock, kept)
    assert (soon.limit, soon.recovering, soon.ramp.learned) == (2, True, 19)
    assert (late.limit, late.recovering, late.ramp.learned) == (2, True, None)


async def test_without_a_recovery_or_a_fall_a_restart_begins_as_ever(clock: ManualClock) -> None:
    """Nothing limits live payments."""
    after = again(clock, Pace(ForwardSettings(), clock))
    assert (after.recovering, after.free) == (False, True)


async def test_a_clock_that_was_set_back_keeps_what_is_safe(clock: ManualClock) -> None:
    """Moments to come are of now: the fall is remembered, the speed isn't believed."""
    kept = msgspec.structs.replace(fallen(clock).kept, at_us=2**62, fell_at_us=2**62)
    after = again(clock, kept)
    assert (after.limit, after.recovering, after.ramp.learned) == (2, True, 19)


async def test_what_was_learned_is_kept_at_once_and_while_it_grows_now_and_then(clock: ManualClock) -> None:
    """A process may be killed at any time; a core that is well is no reason to write."""
    pace = make(clock, 64)
    assert (pace.is_to_be_kept(), pace.is_to_be_kept()) == (True, False)
    await clock.advance(KEEP_S)
    assert (pace.is_to_be_kept(), pace.is_to_be_kept()) == (True, False)
    await clock.advance(SLOW_START_S)
    pace.backlog_waits = lambda: False
    pace.look(0.0)
    assert (pace.is_to_be_kept(), pace.is_to_be_kept()) == (True, False)
    await clock.advance(KEEP_S)
    assert not pace.is_to_be_kept()


def test_the_habit_is_handed_to_the_ramp(clock: ManualClock) -> None:
    """What rounds are compared with."""
    pace = Pace(ForwardSettings(), clock)
    pace.look(0.25)
    assert pace.ramp.habit_s == 0.25


def test_live_calls_that_pile_up_at_a_core_that_hangs_teach_nothing(clock: ManualClock) -> None:
    """Their number is not why it hangs: after the outage the ramp isn't held down for it."""
    pace = Pace(ForwardSettings(in_flight_max=64, explore_after_s=0), clock)
    for _ in range(200):
        slot = live(pace)
        assert slot is not None
        pace.answered()
        pace.ramp.noted(pace.end(slot), slot.failures)
    held = [live(pace) for _ in range(30)]
    for _ in held:
        pace.ramp.failed(clock.monotonic())
    pace.restart()
    assert pace.ramp.learned is None


# What it bore in health


def grown(pace: Pace, clock: ManualClock) -> int:
    """The limit after many good answers in a recovery in which entries wait."""
    pace.backlog_waits = lambda: True
    pace.restart()
    for _ in range(3000):
        pace.ramp.succeeded(1, pace.ramp.failures, clock.monotonic())
    return pace.limit


def bearing(clock: ManualClock, level: int, found: PaceKept | None = None) -> Pace:
    """The pace of a core that has borne so many at once while it was well."""
    pace = Pace(ForwardSettings(in_flight_max=64, slow_start_s=0.0, fall_kept_s=100.0), clock, found)
    for _ in range(level):
        pace.ramp.saw_health(level, 0)
    return pace


@pytest.mark.parametrize(("level", "limit"), [(0, 8), (5, 8), (20, 20), (100, 64)])
def test_after_an_outage_as_many_may_be_there_as_the_core_bore_in_health(
    clock: ManualClock, level: int, limit: int
) -> None:
    """Eight in any case, and never more than is agreed."""
    assert grown(bearing(clock, level), clock) == limit


def test_what_it_bore_is_proved_by_a_whole_round_without_a_failure(clock: ManualClock) -> None:
    """Nineteen answers at twenty at once are not twenty; those before a failure count no more."""
    pace = bearing(clock, 0)
    for _ in range(19):
        pace.ramp.saw_health(20, 0)
    pace.ramp.failed(0.0, teaches=False)
    pace.ramp.saw_health(20, 1)
    assert grown(pace, clock) == 19


async def test_what_it_bore_outlives_restarts_and_relapses_and_is_forgotten_in_the_end(clock: ManualClock) -> None:
    """It may be another core by then."""
    found = bearing(clock, 20).kept
    pace = bearing(clock, 0, found)
    assert [grown(pace, clock), grown(pace, clock)] == [20, 20]
    await clock.advance(101.0)
    assert grown(bearing(clock, 0, found), clock) == 8


async def test_more_is_tried_where_that_drains_too_slowly(clock: ManualClock) -> None:
    """By the estimate, once it is one of that pace; until the next outage's end."""
    pace = bearing(clock, 20)
    pace.drained_in_s = lambda: 1801.0
    assert grown(pace, clock) == 20
    pace.look(0.0)
    await clock.advance(29.0)
    pace.look(0.0)
    assert not pace.ramp.explores
    await clock.advance(2.0)
    pace.look(0.0)
    assert pace.ramp.explores
    for _ in range(3000):
        pace.ramp.succeeded(1, 0, clock.monotonic())
    assert pace.limit == 64
    pace.drained_in_s = lambda: 1799.0
    assert grown(pace, clock) == 20
    await clock.advance(60.0)
    pace.look(0.0)
    assert not pace.ramp.explores


def test_of_several_nodes_each_may_have_as_many_there_as_it_had_in_health(clock: ManualClock) -> None:
    """The whole is reckoned from each one's own; its part of that is what it had."""
    pace = bearing(clock, 20)
    pace.share = lambda: Share(0, 2)
    assert (grown(pace, clock), pace.ramp.limit) == (20, 40)
    pace.share = lambda: ALL
    pace.look(0.0)
    pace.ramp.succeeded(1, 0, clock.monotonic())
    assert pace.limit == 20
