"""A person's word that a route post slower: what it bounds, that it never lifts a bound, and how it ends."""

from functools import partial
from typing import Any

import pytest

from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.pace import EXPLORES_AFTER_S, RATE_MIN, Pace, Slot, Who
from gateway.route.record import PaceKept, Slowed
from spool.nodes import Share

US = 1_000_000
LASTS_S = 1800.0
HOUR_S = 3600.0


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on only when told."""
    return ManualClock()


def make(clock: ManualClock, found: PaceKept | None = None, **settings: float) -> Pace:
    """The pace of a core that is well, with a backlog."""
    usual: dict[str, float] = {"in_flight_max": 32, "slow_start_s": 0.0, "explore_after_s": 0}
    pace = Pace(ForwardSettings.model_validate(usual | settings), clock, found)
    pace.backlog_waits = lambda: True
    return pace


def word(clock: ManualClock, **changes: Any) -> Slowed:
    """A person's, for half an hour."""
    usual: dict[str, Any] = {"until_us": clock.now_us() + round(LASTS_S * US), "actor": "anna", "reason": "their ask"}
    return Slowed(**usual | changes)


def went(pace: Pace, who: Who, times: int = 100) -> list[Slot]:
    """Of so many calls that want to go, those that went."""
    return [placed(pace, who) for _ in range(times) if lets(pace, who)]


def lets(pace: Pace, who: Who) -> bool:
    """It may go now."""
    return pace.lets_backlog() if who is Who.BACKLOG else pace.free or pace.lets_live()


def placed(pace: Pace, who: Who) -> Slot:
    """It goes."""
    slot = Slot()
    pace.begin(slot, who)
    return slot


def grown(pace: Pace, clock: ManualClock) -> Pace:
    """After as many good answers as anybody needs."""
    for _ in range(5_000):
        pace.ramp.succeeded(1, pace.ramp.failures, clock.monotonic())
    return pace


def test_payers_and_what_waits_count_against_it_together_though_the_core_is_well(clock: ManualClock) -> None:
    """Whoever asked for four at once has never five, and payers beyond it are stood in for."""
    pace = grown(make(clock), clock)
    pace.say(word(clock, in_flight_max=4))
    assert (pace.free, pace.places, pace.limit) == (False, 4, 4)
    assert (len(went(pace, Who.LIVE)), len(went(pace, Who.BACKLOG))) == (2, 2)
    assert (pace.at_core, pace.backlog_limit) == ([2, 2], 2)


def test_payers_have_all_of_it_where_nothing_waits(clock: ManualClock) -> None:
    """Also before the ramp has grown so far: it is the backlog's alone."""
    pace = make(clock)
    pace.backlog_waits = lambda: False
    pace.say(word(clock, in_flight_max=20))
    assert (pace.limit, len(went(pace, Who.LIVE))) == (2, 20)


def test_it_never_lets_more_go_than_the_settings(clock: ManualClock) -> None:
    """Nor does one that was given before they were lowered."""
    pace = grown(make(clock, in_flight_max=8, rate_max_per_s=5.0), clock)
    pace.say(word(clock, in_flight_max=4096, rate_max_per_s=1000.0))
    assert (pace.places, pace.limit) == (8, 8)
    assert len(went(pace, Who.LIVE)) == 1


async def test_calls_a_second_are_those_of_the_word(clock: ManualClock) -> None:
    """Of payers and what waits together; the first goes at once."""
    pace = grown(make(clock), clock)
    pace.say(word(clock, rate_max_per_s=10.0))
    count = 0
    for _ in range(1000):
        slots = [*went(pace, Who.BACKLOG, 1), *went(pace, Who.LIVE, 1)]
        count += len([pace.end(slot) for slot in slots])
        await clock.advance(0.01)
    assert 98 <= count <= 104


async def test_what_was_to_be_waited_for_is_less_at_a_quicker_word(clock: ManualClock) -> None:
    """Who has just slowed it too far need not wait for that."""
    pace = grown(make(clock), clock)
    pace.say(word(clock, rate_max_per_s=RATE_MIN))
    went(pace, Who.BACKLOG)
    slow_s = pace.wait_s()
    pace.say(word(clock, rate_max_per_s=1.0))
    quick_s = pace.wait_s()
    pace.say(None)
    assert (slow_s > 90.0, quick_s <= 1.0, pace.wait_s()) == (True, True, 0.0)


def test_a_word_on_the_rate_alone_leaves_calls_at_once_as_they_are(clock: ManualClock) -> None:
    """Nobody counts them while the core is well."""
    pace = grown(make(clock, live_max=50), clock)
    pace.say(word(clock, rate_max_per_s=1000.0))
    assert (pace.places, pace.limit, pace.free) == (50, 32, False)


def test_one_from_a_damaged_record_is_none(clock: ManualClock) -> None:
    """It isn't synced, so it may hold anything; a route must not stand for it."""
    pace = grown(make(clock), clock)
    pace.say(word(clock, in_flight_max=-7, rate_max_per_s=-7.0))
    assert (pace.free, pace.limit) == (True, 32)
    pace.say(word(clock, rate_max_per_s=1e-300))
    went(pace, Who.BACKLOG)
    assert pace.wait_s() <= 2 / RATE_MIN


async def test_it_ends_by_itself_and_the_ramp_goes_on_from_there(clock: ManualClock) -> None:
    """A core that was given four at once for a while is not given thirty-two in the next moment."""
    pace = grown(make(clock), clock)
    pace.restart()
    pace.say(word(clock, in_flight_max=4))
    grown(pace, clock)
    under = pace.limit
    await clock.advance(LASTS_S - 1)
    pace.look(0.0)
    stands = pace.slowed is not None
    await clock.advance(1.0)
    pace.look(0.0)
    assert (under, stands, pace.slowed, pace.limit) == (4, True, None, 4)
    assert grown(pace, clock).limit == 32


async def test_when_it_is_over_nothing_limits_payers(clock: ManualClock) -> None:
    """As before it."""
    pace = grown(make(clock), clock)
    pace.say(word(clock, in_flight_max=1, rate_max_per_s=1.0))
    pace.say(None)
    assert (pace.free, pace.wait_s()) == (True, 0.0)


def test_a_recovery_under_it_keeps_to_the_lower_of_both(clock: ManualClock) -> None:
    """It is the ramp's limit while that is lower, and the word's from there on."""
    pace = make(clock)
    pace.say(word(clock, in_flight_max=6))
    pace.restart()
    assert pace.places == 2
    assert grown(pace, clock).places == 6


async def test_that_it_drains_slowly_under_a_word_is_no_reason_to_try_more_of_the_core(clock: ManualClock) -> None:
    """It isn't what the core was seen to bear that holds it."""
    pace = make(clock, explore_after_s=1)
    pace.drained_in_s = lambda: HOUR_S
    pace.restart()
    pace.say(word(clock, in_flight_max=4))
    grown(pace, clock)
    for _ in range(3):
        pace.look(0.0)
        await clock.advance(EXPLORES_AFTER_S)
    assert (pace.ramp.is_full, pace.ramp.explores) == (True, False)


def test_nodes_have_their_shares_of_it(clock: ManualClock) -> None:
    """Five of two: three and two."""
    both = [grown(make(clock), clock) for _ in range(2)]
    for place, pace in enumerate(both):
        pace.share = partial(Share, place, 2)
        pace.say(word(clock, in_flight_max=5))
    assert [len(went(pace, Who.LIVE)) + len(went(pace, Who.BACKLOG)) for pace in both] == [3, 2]


async def test_a_restart_finds_it_until_its_end(clock: ManualClock) -> None:
    """Also in the middle of a recovery; its end comes while the service is stopped, too."""
    before = make(clock)
    before.restart()
    said = word(clock, in_flight_max=4, rate_max_per_s=100.0)
    before.say(said)
    assert (before.is_to_be_kept(), before.is_to_be_kept()) == (True, False)
    grown(before, clock)
    after = make(clock, before.kept)
    await clock.advance(LASTS_S)
    late = make(clock, before.kept)
    assert (after.slowed, after.limit, grown(after, clock).places) == (said, 4, 4)
    assert late.slowed is None


def test_whose_word_it_is_is_shown_and_not_why(clock: ManualClock) -> None:
    """A reason may name somebody, and a repr ends in logs."""
    assert "their ask" not in repr(word(clock, in_flight_max=4))
