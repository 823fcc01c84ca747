"""What memory counts while a commit is under way: never more room under a limit than the disk will grant."""

import pytest

from spool.errors import StorageFull
from spool.expected import Expected
from spool.lanes import LaneFilter
from spool.lifecycle import CLAIM, GIVE_BACK, POST, REFUSE, State, Transition
from spool.store import Inserted, Move
from spool.tally import NOTHING, Sum
from spool.work import Behind, Followers, Insertion, Memo, Moves, Work
from tests.contracts.spool_examples import LATER_US, draft


def claimed() -> tuple[Expected[LaneFilter], Move]:
    """Memory with one payment told provisional and now at the core, and the claim that brought it there."""
    expected, insertion = Expected(LaneFilter), Insertion(draft(1), 1, b"sealed")
    expected.expect(insertion)
    expected.settle(insertion, Inserted(entry=insertion.entry))
    claim = Move(entry=insertion.entry, transition=CLAIM, at_us=LATER_US)
    claiming = Moves([claim])
    expected.expect(claiming)
    expected.settle(claiming, [True])
    return expected, claim


def exposed(expected: Expected[LaneFilter], move: Move) -> Sum:
    """What the limits count on the route."""
    return expected.tally.exposure(move.entry.route)


@pytest.mark.parametrize("end", [POST, REFUSE, GIVE_BACK])
def test_a_payment_counts_against_the_limits_until_its_end_is_on_disk(end: Transition) -> None:
    """Room that a failing commit takes back would have been given to others meanwhile, over the limit."""
    expected, claim = claimed()
    one = exposed(expected, claim)
    ending = Moves([Move(entry=claim.after(), transition=end, at_us=LATER_US)])

    expected.expect(ending)

    assert exposed(expected, claim) == one == Sum(1, claim.entry.amount)
    expected.settle(ending, [True])
    assert exposed(expected, claim) == NOTHING


def test_an_end_that_was_not_recorded_changes_nothing() -> None:
    """Neither the sums nor the lane: the payment still waits."""
    expected, claim = claimed()
    before = expected.tally.snapshot()
    ending = Moves([Move(entry=claim.after(), transition=POST, at_us=LATER_US)])

    expected.expect(ending)
    expected.settle(ending, StorageFull("no room"))

    assert expected.tally.snapshot() == before
    assert not expected.lanes.is_clear(claim.entry.route, claim.entry.lane)


def test_a_payment_that_was_not_recorded_leaves_no_trace() -> None:
    """Neither in the sums nor in its lane: room under a limit would be gone for ever."""
    expected, insertion = Expected(LaneFilter), Insertion(draft(1), 1, b"sealed")

    expected.expect(insertion)
    expected.settle(insertion, StorageFull("no room"))

    assert expected.tally.snapshot() == {}
    assert expected.lanes.is_clear(insertion.entry.route, insertion.entry.lane)


def test_what_comes_finished_occupies_no_lane_and_leaves_none() -> None:
    """Another payment of its account waits in the lane; it must go on doing so whatever becomes of this one."""
    expected, waiting = Expected(LaneFilter), Insertion(draft(1, lane=7), 1, b"sealed")
    expected.expect(waiting)
    finished = Insertion(draft(2, lane=7, state=State.POSTED), 1, b"sealed")

    expected.expect(finished)
    expected.settle(finished, StorageFull("no room"))

    assert not expected.lanes.is_clear("billing", 7)
    expected.settle(waiting, StorageFull("no room"))
    assert expected.lanes.is_clear("billing", 7)


def test_the_end_of_a_payment_leaves_its_lane_to_the_next() -> None:
    """Who came after it still waits there: nobody may overtake him."""
    expected, claim = claimed()
    following = Insertion(draft(2, lane=claim.entry.lane), 1, b"sealed")
    expected.expect(following)
    expected.settle(following, Inserted(entry=following.entry))
    ending = Moves([Move(entry=claim.after(), transition=POST, at_us=LATER_US)])
    expected.expect(ending)
    expected.settle(ending, [True])
    assert not expected.lanes.is_clear(claim.entry.route, claim.entry.lane)


@pytest.mark.parametrize("work", [Memo("name", b"value"), Behind([]), Followers("billing", 1, 10)])
def test_what_moves_no_money_changes_no_sums(work: Work) -> None:
    """Order and small values are nobody's limit."""
    expected, claim = claimed()
    before = expected.tally.snapshot()

    expected.expect(work)
    expected.settle(work, None)

    assert expected.tally.snapshot() == before
    assert not expected.lanes.is_clear(claim.entry.route, claim.entry.lane)
