"""One core, several nodes: each has its share of the limit and of the rate, and hears what the others learned of the core."""

from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.clock import ManualClock
from gateway.forward.settings import ForwardSettings
from gateway.route.pace import TOLD_FOR_US, Pace, Slot, Who
from gateway.route.ramp import LEVEL_MIN, SAME_FALL_S, Ramp
from gateway.route.record import PaceTold
from spool.nodes import ALL, LEAST, SEATS_MAX, Share
from spool.postgres.others import Portion

LEASE_S = 5.0
US = 1_000_000


@pytest.fixture
def clock() -> ManualClock:
    """Time that goes on only when told."""
    return ManualClock()


def paces(clock: ManualClock, of: int = 2, **settings: float) -> list[Pace]:
    """Those of so many nodes, as after an outage, grown as far as may be."""
    made = [
        Pace(ForwardSettings.model_validate({"slow_start_s": 0.0, "explore_after_s": 0} | settings), clock)
        for _ in range(of)
    ]
    for place, pace in enumerate(made):
        pace.share = partial(Share, place, of)
        pace.backlog_waits = lambda: True
        pace.restart()
        while not pace.ramp.is_full:
            pace.ramp.succeeded(1, pace.ramp.failures, clock.monotonic())
    return made


def went(pace: Pace, who: Who = Who.BACKLOG) -> Slot | None:
    """A call that wants to go, and goes if it may."""
    if not (pace.lets_live() if who is Who.LIVE else pace.lets_backlog()):
        return None
    slot = Slot()
    pace.begin(slot, who)
    return slot


def told(clock: ManualClock, **changes: Any) -> PaceTold:
    """What another node tells now."""
    usual: dict[str, Any] = {"at_us": clock.now_us(), "at_core": 3, "recovering": False}
    return PaceTold(**usual | changes)


@given(of=st.integers(1, SEATS_MAX), whole=st.integers(1, 4096))
def test_parts_of_all_nodes_are_the_whole_or_one_each(of: int, whole: int) -> None:
    """Not one call more, nor less."""
    assert sum(Share(at, of).part(whole) for at in range(of)) == max(of, whole)


@pytest.mark.parametrize("limit", [2, 7, 12])
def test_all_nodes_together_keep_to_one_limit(clock: ManualClock, limit: int) -> None:
    """Live calls and the backlog of both."""
    both = paces(clock, in_flight_max=limit)
    for _ in range(20):
        for pace in both:
            went(pace)
            went(pace, Who.LIVE)
    assert sum(sum(pace.at_core) for pace in both) == limit


async def test_all_nodes_together_keep_to_one_rate(clock: ManualClock) -> None:
    """Ten a second and the burst, by two nodes that always want."""
    both = paces(clock, in_flight_max=1000, rate_max_per_s=10.0)
    calls = 0
    for _ in range(100):
        calls += sum(went(pace) is not None for pace in both)
        await clock.advance(0.1)
    assert 95 <= calls <= 104


async def test_a_wait_for_the_rate_changes_with_the_share(clock: ManualClock) -> None:
    """A node that had the least for a moment does not wait for a minute by that."""
    pace = Pace(ForwardSettings(rate_max_per_s=1.0), clock)
    pace.share = partial(Share, *LEAST)
    assert went(pace) is not None
    assert pace.wait_s() > 60.0
    pace.share = partial(Share, *ALL)
    assert pace.wait_s() == pytest.approx(0.9)


def test_calls_of_other_nodes_count_into_the_level(clock: ManualClock) -> None:
    """A call is the how many-th at the core, whoever sent the others; what was told long ago is over."""
    pace, _ = paces(clock, in_flight_max=32)
    pace.hear([told(clock, at_core=5), told(clock, at_core=2)])
    first = went(pace)
    pace.hear([told(clock, at_core=5, at_us=clock.now_us() - TOLD_FOR_US - 1)])
    second = went(pace)
    assert first is not None
    assert second is not None
    assert (first.level, second.level, pace.ramp.nodes) == (8, 2, 1)


def test_a_core_that_comes_back_for_another_node_is_limited_here(clock: ManualClock) -> None:
    """A node that was started meanwhile does not send it all that its payers bring."""
    pace = Pace(ForwardSettings(in_flight_max=2), clock)
    assert pace.free
    pace.hear([told(clock, recovering=True)])
    assert not pace.free
    assert [went(pace, Who.LIVE) is not None for _ in range(3)] == [True, True, False]
    pace.hear([])
    assert pace.free


async def test_rest_that_the_core_asked_one_node_for_is_kept_by_all(clock: ManualClock) -> None:
    """`Retry-After` is about the core, not about whoever asked."""
    one, two = paces(clock, in_flight_max=8)
    one.hold(10.0)
    assert one.told is not None
    two.hear([one.told])
    assert went(two) is None
    assert two.wait_s() == pytest.approx(10.0)
    await clock.advance(10.0)
    assert went(two) is not None


def test_where_it_fell_is_told_and_holds_at_the_other_node(clock: ManualClock) -> None:
    """In total: each has its share of that."""
    one, two = paces(clock, in_flight_max=32)
    one.ramp.recall(20, clock.monotonic(), clock.monotonic())
    assert one.told is not None
    two.hear([one.told])
    assert (two.ramp.learned, two.limit) == (20, 10)


async def test_what_is_told_stays_the_same_while_nothing_happens(clock: ManualClock) -> None:
    """Or each node would write it four times a second for as long as a fall is remembered."""
    pace = Pace(ForwardSettings(in_flight_max=32, explore_after_s=0), clock)
    assert pace.told is None
    pace.ramp.recall(20, clock.monotonic(), clock.monotonic())
    before = pace.told
    await clock.advance(3600.0)
    assert before is not None
    assert pace.told == before


@pytest.mark.parametrize(
    ("mine", "theirs", "after_s", "known"),
    [(12, 14, SAME_FALL_S, 14), (14, 12, SAME_FALL_S, 14), (14, 9, SAME_FALL_S + 1, 9), (9, 14, -SAME_FALL_S - 1, 9)],
)
def test_of_one_fall_who_proved_more_knows_better_and_of_two_the_later_counts(
    mine: int, theirs: int, after_s: float, known: int
) -> None:
    """Whatever a node had at the core went well in company of what the others had there."""
    ramp = Ramp(32, kept_s=3600.0)
    ramp.recall(mine, 100.0, 100.0)
    ramp.hear(theirs, 100.0 + after_s, 110.0)
    assert ramp.learned == known


def test_a_fall_of_long_ago_is_not_learned_anew() -> None:
    """A note of a node that is gone stays where it is."""
    ramp = Ramp(32, kept_s=60.0)
    ramp.hear(12, 0.0, 60.0)
    assert ramp.learned is None


def test_a_fall_that_another_node_knows_is_not_learned_again_at_the_end_of_the_outage() -> None:
    """This one had seen less of it, and would hold the core to that."""
    ramp = Ramp(32, kept_s=3600.0)
    for level in range(1, 3 * LEVEL_MIN):
        ramp.begun(level)
        ramp.succeeded(1, 0, 1.0)
    ramp.begun(LEVEL_MIN + 9)
    ramp.failed(2.0)
    ramp.hear(17, 2.0, 2.5)
    ramp.restart(60.0)
    assert ramp.learned == 17


def seat(number: int, *, lives: bool = True) -> dict[str, object]:
    """A row of the statement `seats`."""
    return {"seat": number, "name": f"n{number}", "lives": lives, "closed": []}


def test_a_node_alone_has_the_whole_at_once() -> None:
    """It saw that nobody else is there."""
    portion = Portion(LEASE_S)
    assert portion.share(0.0) == LEAST
    portion.see([seat(3), seat(4, lives=False)], 3, 0.0)
    assert portion.share(0.0) == ALL


def test_whoever_comes_has_the_least_until_the_others_know() -> None:
    """Those who were there use all until they look round; after a lease they have, or may send nothing."""
    portion, both = Portion(LEASE_S), [seat(0), seat(1)]
    portion.see(both, 1, 0.0)
    portion.see(both, 1, 4.0)
    assert (portion.share(4.9), portion.share(5.0)) == (LEAST, Share(1, 2))


def test_whoever_saw_nobody_for_a_lease_has_the_least() -> None:
    """And comes anew when it sees them again."""
    portion, both = Portion(LEASE_S), [seat(0), seat(1)]
    for now in (0.0, 4.0, 8.0):
        portion.see(both, 1, now)
    assert (portion.share(12.9), portion.share(13.0)) == (Share(1, 2), LEAST)
    portion.see(both, 1, 14.0)
    assert portion.share(14.0) == LEAST


def test_who_is_gone_leaves_its_part() -> None:
    """As soon as its lease is over."""
    portion = Portion(LEASE_S)
    for now in (0.0, 4.0, 8.0):
        portion.see([seat(0), seat(1)], 0, now)
    portion.see([seat(0), seat(1, lives=False)], 0, 9.0)
    assert portion.share(9.0) == ALL
