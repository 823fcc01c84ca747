"""What memory counts while a commit is under way: never more room under a limit than the disk will grant."""

import pytest

from spool.errors import StorageFull
from spool.lifecycle import CLAIM, GIVE_BACK, POST, REFUSE, Transition
from spool.sqlite.expected import Expected
from spool.sqlite.work import Insertion, Moves
from spool.store import Inserted, Move
from spool.tally import NOTHING, Sum
from tests.contracts.spool_examples import LATER_US, draft


def claimed() -> tuple[Expected, Move]:
    """Memory with one payment told provisional and now at the core, and the claim that brought it there."""
    expected, insertion = Expected(), Insertion(draft(1), 1, b"sealed")
    expected.expect(insertion)
    expected.settle(insertion, Inserted(entry=insertion.entry))
    claim = Move(entry=insertion.entry, transition=CLAIM, at_us=LATER_US)
    claiming = Moves([claim])
    expected.expect(claiming)
    expected.settle(claiming, [True])
    return expected, claim


def exposed(expected: Expected, move: Move) -> Sum:
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
