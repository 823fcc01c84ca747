"""The filter of lanes never calls one clear that isn't, whatever is counted when."""

import pytest

from spool.lanes import BUCKET_BITS, HeldLanes, LaneFilter
from spool.rank import USUAL, WORST

ROUTE = "billing"
LANE = 7
SAME_BUCKET = LANE + (1 << BUCKET_BITS)
"""Another lane that is counted together with the first."""


@pytest.fixture
def lanes() -> LaneFilter:
    """An empty one of a new spool."""
    return LaneFilter()


@pytest.fixture
def loading() -> LaneFilter:
    """One that is still counting what an earlier run left."""
    lanes = LaneFilter()
    lanes.complete = False
    return lanes


def enter(lanes: LaneFilter, lane: int, times: int) -> None:
    """So many entries come into a lane."""
    for _ in range(times):
        lanes.add(ROUTE, lane)


def leave(lanes: LaneFilter, lane: int, times: int) -> None:
    """So many entries of a lane are finished."""
    for _ in range(times):
        lanes.remove(ROUTE, lane)


@pytest.mark.parametrize("lane", [0, 1, -1, 2**63 - 1, -(2**63), LANE])
def test_a_lane_nobody_entered_is_clear(lanes: LaneFilter, lane: int) -> None:
    """Any 64-bit hash has its place."""
    assert lanes.is_clear(ROUTE, lane)


@pytest.mark.parametrize("lane", [0, 1, -1, 2**63 - 1, -(2**63), LANE])
def test_a_lane_with_an_entry_is_not_clear(lanes: LaneFilter, lane: int) -> None:
    """A later payment queues behind it."""
    lanes.add(ROUTE, lane)

    assert not lanes.is_clear(ROUTE, lane)


@pytest.mark.parametrize("entries", [1, 2, 100, 254])
def test_a_lane_is_clear_again_when_all_have_left(lanes: LaneFilter, entries: int) -> None:
    """And no sooner."""
    enter(lanes, LANE, entries)
    leave(lanes, LANE, entries - 1)
    assert not lanes.is_clear(ROUTE, LANE)

    leave(lanes, LANE, 1)

    assert lanes.is_clear(ROUTE, LANE)


def test_other_lanes_have_no_part_in_it(lanes: LaneFilter) -> None:
    """With few entries waiting nearly every lane is told apart."""
    lanes.add(ROUTE, LANE)

    assert lanes.is_clear(ROUTE, LANE + 1)
    assert lanes.is_clear("mobile", LANE)


def test_lanes_of_one_bucket_hold_each_other(lanes: LaneFilter) -> None:
    """A clear lane may be taken for occupied, never the other way round."""
    lanes.add(ROUTE, LANE)
    lanes.add(ROUTE, SAME_BUCKET)

    lanes.remove(ROUTE, LANE)

    assert not lanes.is_clear(ROUTE, LANE)
    assert not lanes.is_clear(ROUTE, SAME_BUCKET)


@pytest.mark.parametrize("entries", [255, 256, 1_000])
def test_a_bucket_that_overflowed_is_never_clear_again(lanes: LaneFilter, entries: int) -> None:
    """Its count is not known any more, so it must not come to nothing by itself."""
    enter(lanes, LANE, entries)

    leave(lanes, LANE, entries)

    assert not lanes.is_clear(ROUTE, LANE)


def test_leaving_a_lane_nobody_entered_is_our_own_mistake(lanes: LaneFilter) -> None:
    """It would make room for overtaking."""
    with pytest.raises(AssertionError, match="left only by what entered it"):
        lanes.remove(ROUTE, LANE)


def test_while_loading_no_lane_is_clear(loading: LaneFilter) -> None:
    """What an earlier run left in it may be counted later."""
    assert not loading.is_clear(ROUTE, LANE)


def test_once_loaded_an_empty_lane_is_clear(loading: LaneFilter) -> None:
    """Nothing was left in it."""
    loading.finish_loading()

    assert loading.is_clear(ROUTE, LANE)


def test_an_entry_that_leaves_before_it_is_counted_is_counted_down_later(loading: LaneFilter) -> None:
    """It was in the spool when it was opened, so it will be added, and is finished all the same."""
    loading.remove(ROUTE, LANE)
    loading.add(ROUTE, LANE)

    loading.finish_loading()

    assert loading.is_clear(ROUTE, LANE)


def test_a_late_removal_takes_one_entry_only(loading: LaneFilter) -> None:
    """The other one of its lane still waits."""
    enter(loading, LANE, 2)
    loading.remove(ROUTE, LANE)

    loading.finish_loading()

    assert not loading.is_clear(ROUTE, LANE)
    loading.remove(ROUTE, LANE)
    assert loading.is_clear(ROUTE, LANE)


def test_what_comes_and_goes_while_loading_leaves_no_trace(loading: LaneFilter) -> None:
    """New entries are counted at once, by memory."""
    enter(loading, LANE, 3)
    leave(loading, LANE, 3)

    loading.finish_loading()

    assert loading.is_clear(ROUTE, LANE)


def test_an_overflow_while_loading_sticks(loading: LaneFilter) -> None:
    """As at any other time."""
    enter(loading, LANE, 300)
    leave(loading, LANE, 300)

    loading.finish_loading()

    assert not loading.is_clear(ROUTE, LANE)


# Ranks


def test_in_a_clear_lane_an_entry_has_the_rank_it_asks_for(lanes: LaneFilter) -> None:
    """Whatever waits in others."""
    lanes.add(ROUTE, LANE + 1, WORST)

    assert [lanes.rank_behind(ROUTE, LANE, rank) for rank in range(4)] == [0, 1, 2, 3]


@pytest.mark.parametrize("before", range(4))
def test_nothing_is_ranked_before_what_is_in_its_lane(lanes: LaneFilter, before: int) -> None:
    """The worst of these counts."""
    lanes.add(ROUTE, LANE, 0)
    lanes.add(ROUTE, LANE, before)

    assert [lanes.rank_behind(ROUTE, LANE, rank) for rank in range(4)] == [max(rank, before) for rank in range(4)]


@pytest.mark.parametrize("rank", range(4))
def test_what_left_a_lane_is_in_nobodys_way(lanes: LaneFilter, rank: int) -> None:
    """Whatever its rank was."""
    lanes.add(ROUTE, LANE, 0)
    lanes.add(ROUTE, LANE, rank)
    lanes.remove(ROUTE, LANE, rank)

    assert lanes.rank_behind(ROUTE, LANE, 0) == 0


def test_a_bucket_that_overflowed_may_hold_the_usual(lanes: LaneFilter) -> None:
    """Its count is not known any more, so neither is what is left of it without the others."""
    for _ in range(300):
        lanes.add(ROUTE, LANE, 0)

    assert lanes.rank_behind(ROUTE, LANE, 0) == USUAL


@pytest.mark.parametrize("worst", [USUAL, WORST])
def test_while_loading_there_may_be_anything_up_to_the_worst_there_is(loading: LaneFilter, worst: int) -> None:
    """So it is ranked behind that."""
    loading.worst = worst

    assert loading.rank_behind(ROUTE, LANE, 0) == worst


def test_a_rank_that_leaves_before_it_is_counted_is_counted_down_later(loading: LaneFilter) -> None:
    """As the entry is."""
    loading.remove(ROUTE, LANE, WORST)
    loading.add(ROUTE, LANE, WORST)

    loading.finish_loading()

    assert loading.rank_behind(ROUTE, LANE, 0) == 0


# Lanes of before another index key


def test_an_account_stays_in_its_former_lane_until_that_is_clear(lanes: LaneFilter) -> None:
    """And has left it for good then, whatever comes into it later."""
    lanes.add(ROUTE, LANE)
    former = lanes.former(lanes.is_clear)
    held = [former.holds(ROUTE, LANE, ())]
    lanes.remove(ROUTE, LANE)
    held.append(former.holds(ROUTE, LANE, ()))
    lanes.add(ROUTE, SAME_BUCKET)
    held.append(former.holds(ROUTE, LANE, ()))

    assert held == [True, False, False]


def test_an_account_with_nothing_waiting_leaves_at_once(lanes: LaneFilter) -> None:
    """Its neighbours don't."""
    lanes.add(ROUTE, LANE + 1)
    former = lanes.former(lanes.is_clear)

    assert [former.holds(ROUTE, lane, ()) for lane in (LANE, LANE + 1, LANE + 2)] == [False, True, False]
    assert not former.holds("mobile", LANE + 1, ())


def test_nobody_leaves_a_bucket_that_somebody_is_about_to_enter(lanes: LaneFilter) -> None:
    """An account that was given its lane a moment ago is counted a moment later."""
    former = lanes.former(lanes.is_clear)

    assert former.holds(ROUTE, LANE, {(ROUTE, SAME_BUCKET)})
    assert not former.holds(ROUTE, LANE, {(ROUTE, LANE + 1)})


def test_nobody_leaves_while_an_earlier_run_is_counted(loading: LaneFilter) -> None:
    """Nobody knows who is still in."""
    former = loading.former(loading.is_clear)
    assert former.holds(ROUTE, LANE, ())

    loading.finish_loading()

    assert not former.holds(ROUTE, LANE, ())


def test_lanes_that_held_something_are_left_one_by_one(lanes: LaneFilter) -> None:
    """Those that didn't were left before; by name, as what waits elsewhere may share a bucket with them."""
    lanes.add(ROUTE, LANE)
    held = HeldLanes([LANE], lanes.is_clear)
    assert [held.holds(ROUTE, lane, ()) for lane in (LANE, SAME_BUCKET)] == [True, False]
    lanes.remove(ROUTE, LANE)
    assert held.holds(ROUTE, LANE, {(ROUTE, LANE)})

    assert not held.holds(ROUTE, LANE, ())

    lanes.add(ROUTE, LANE)
    assert not held.holds(ROUTE, LANE, ())
