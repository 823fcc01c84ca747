"""Which faults hit an order, and when."""

import pytest

from adapters.cores.scripted.faults import CALM, Cliff, Dice, Fault, FaultKind, Faults
from adapters.cores.scripted.orders import Operation


def faults_with(*faults: Fault, chance: float = 0.5) -> Faults:
    """Faults set at second 0, whose dice always fall the same."""
    script = Faults(lambda: chance)
    for fault in faults:
        script.set(fault, 0.0)
    return script


def test_nothing_is_wrong_unless_it_was_set() -> None:
    """A core without faults is a well core."""
    assert faults_with().draw(Operation.PAY, 0.0, 1) is CALM


def test_a_fault_hits_only_the_operation_it_names() -> None:
    """A core may be able to check while it can't pay."""
    script = faults_with(Fault(kind=FaultKind.HANG, operation=Operation.PAY))
    assert script.draw(Operation.CHECK, 0.0, 1) == CALM
    assert script.draw(Operation.PAY, 0.0, 1).named == "hang"


def test_a_counted_fault_is_gone_after_its_count() -> None:
    """`count` says how many orders it hits."""
    script = faults_with(Fault(kind=FaultKind.RESET_AFTER, count=2))
    names = [script.draw(Operation.PAY, 0.0, 1).named for _ in range(3)]
    assert names == ["reset_after", "reset_after", ""]


def test_the_dice_decide_by_the_probability() -> None:
    """Below the probability it hits, from it on it doesn't."""
    fault = Fault(kind=FaultKind.ERROR_BEFORE, probability=0.3)
    assert faults_with(fault, chance=0.29).draw(Operation.PAY, 0.0, 1).end == fault
    assert faults_with(fault, chance=0.3).draw(Operation.PAY, 0.0, 1) == CALM


def test_equal_seeds_give_equal_chances_in_range() -> None:
    """A run that went wrong can be run again."""
    one, other = Dice(7), Dice(7)
    drawn = [one() for _ in range(100)]
    assert drawn == [other() for _ in range(100)]
    assert all(0.0 <= number < 1.0 for number in drawn)
    assert len(set(drawn)) == 100


def test_the_dice_are_splitmix64() -> None:
    """The published generator's first output for seed 0 is 0xE220A8397B1DCDAF, so runs repeat on any machine."""
    assert Dice(0)() == (0xE220A8397B1DCDAF >> 11) / 2**53


@pytest.mark.parametrize(
    ("age", "on"), [(0.0, False), (2.9, False), (3.0, True), (4.9, True), (5.0, False), (13.0, True), (15.0, False)]
)
def test_a_repeating_fault_comes_and_goes(age: float, on: bool) -> None:  # noqa: FBT001 - a column of the table
    """An on-off core is one line: begin after 3 s, last 2 s, every 10 s."""
    fault = Fault(kind=FaultKind.REFUSE, after_s=3, for_s=2, every_s=10)
    assert fault.applies_at(age) is on


@pytest.mark.parametrize(("age", "turn"), [(0.0, 3.0), (3.0, 2.0), (4.0, 1.0), (5.0, 8.0), (13.5, 1.5)])
def test_the_next_turn_of_a_repeating_fault_is_known(age: float, turn: float) -> None:
    """The port opens and shuts by a timer, so it must be told when."""
    fault = Fault(kind=FaultKind.REFUSE, after_s=3, for_s=2, every_s=10)
    assert fault.next_turn_s(age) == pytest.approx(turn)


def test_a_fault_without_an_end_has_no_next_turn() -> None:
    """It stays until cleared."""
    assert Fault(kind=FaultKind.HANG).next_turn_s(5.0) is None
    assert Fault(kind=FaultKind.HANG, for_s=3).next_turn_s(5.0) is None


def test_waits_add_up_and_the_first_spoil_wins() -> None:
    """A core can be slow, late and rude at once, but answers in one way."""
    script = faults_with(
        Fault(kind=FaultKind.SLOW, delay_s=1),
        Fault(kind=FaultKind.SLOW, delay_s=2),
        Fault(kind=FaultKind.LATE, delay_s=4),
        Fault(kind=FaultKind.GARBAGE),
        Fault(kind=FaultKind.RESET_AFTER),
    )
    plan = script.draw(Operation.PAY, 0.0, 1)
    assert (plan.before_s, plan.after_s) == (3.0, 4.0)
    assert plan.spoil == Fault(kind=FaultKind.GARBAGE)
    assert [each.hits for each in script.standing(0.0)] == [1, 1, 1, 1, 0]


def test_an_order_that_ended_is_hit_by_nothing_more() -> None:
    """What hangs can't be reset as well, and no count is used up for it."""
    script = faults_with(Fault(kind=FaultKind.HANG), Fault(kind=FaultKind.RESET_AFTER, count=1))
    plan = script.draw(Operation.PAY, 0.0, 1)
    assert plan.end == Fault(kind=FaultKind.HANG)
    assert plan.spoil is None
    assert script.standing(0.0)[1].hits == 0


@pytest.mark.parametrize(("books", "ends"), [(True, False), (False, True)])
def test_a_wrong_code_comes_with_or_without_a_booking(books: bool, ends: bool) -> None:  # noqa: FBT001 - a table
    """Both happen in the field; the gateway can't tell them apart, the ledger can."""
    plan = faults_with(Fault(kind=FaultKind.WRONG_CODE, books=books)).draw(Operation.PAY, 0.0, 1)
    assert (plan.end is not None, plan.spoil is not None) == (ends, not ends)


def test_a_health_page_may_say_ok_while_everything_fails() -> None:
    """It never has the last word, and this is why."""
    script = faults_with(Fault(kind=FaultKind.ERROR_BEFORE), Fault(kind=FaultKind.HEALTH_SAYS_OK))
    assert script.draw(Operation.PROBE, 0.0, 1).end is None
    assert script.draw(Operation.PAY, 0.0, 1).end is not None


def test_a_health_page_may_say_down_while_all_is_well() -> None:
    """The reverse lie."""
    script = faults_with(Fault(kind=FaultKind.HEALTH_SAYS_DOWN))
    assert script.draw(Operation.PROBE, 0.0, 1).end is not None
    assert script.draw(Operation.PAY, 0.0, 1) == CALM


def test_without_a_lie_the_health_page_fails_like_the_rest() -> None:
    """`any` is any operation."""
    assert faults_with(Fault(kind=FaultKind.ERROR_BEFORE)).draw(Operation.PROBE, 0.0, 1).end is not None


def test_a_cliff_is_not_felt_below_its_limit() -> None:
    """Up to its capacity the core is well."""
    cliff = Cliff(limit=4, calm_s=10)
    cliff.weigh(0.0, 4)
    assert not cliff.fallen


def test_a_fallen_core_gets_up_only_after_the_load_was_gone_for_a_while() -> None:
    """Falling over takes one order too many, getting up takes quiet: half the limit for the calm time."""
    cliff = Cliff(limit=4, calm_s=10)
    cliff.weigh(0.0, 5)
    assert cliff.fallen
    cliff.note(1.0, 3)
    cliff.weigh(10.9, 1)
    assert cliff.fallen
    cliff.weigh(11.0, 1)
    assert not cliff.fallen


def test_over_the_cliff_orders_are_slow_and_a_share_fails() -> None:
    """As real systems fall over: late, and often for nothing."""
    fault = Fault(kind=FaultKind.CLIFF, limit=2, delay_s=3, fails=0.5)
    failing = faults_with(fault, chance=0.4).draw(Operation.PAY, 1.0, 3)
    slow = faults_with(fault, chance=0.6).draw(Operation.PAY, 1.0, 3)
    assert (failing.before_s, failing.end) == (3.0, fault)
    assert (slow.before_s, slow.end) == (3.0, None)
    assert faults_with(fault).draw(Operation.PAY, 1.0, 2) == CALM


def test_clearing_takes_one_or_all() -> None:
    """By the number given when it was set."""
    script = faults_with(Fault(kind=FaultKind.HANG), Fault(kind=FaultKind.LATE), Fault(kind=FaultKind.SLOW))
    assert (script.clear(2), script.clear(2), script.clear()) == (1, 0, 2)


@pytest.mark.parametrize(
    "fields",
    [
        {"kind": FaultKind.HANG, "probability": 1.5},
        {"kind": FaultKind.HANG, "count": -1},
        {"kind": FaultKind.HANG, "delay_s": -0.1},
        {"kind": FaultKind.HANG, "every_s": 5.0},
        {"kind": FaultKind.HANG, "for_s": 6.0, "every_s": 5.0},
        {"kind": FaultKind.CLIFF, "limit": 0},
        {"kind": FaultKind.WRONG_CODE, "status": 99},
        {"kind": FaultKind.REFUSE, "operation": Operation.PAY},
        {"kind": FaultKind.REFUSE, "count": 3},
    ],
)
def test_a_fault_that_makes_no_sense_is_refused(fields: dict[str, object]) -> None:
    """A rehearsal with a mistyped fault would prove nothing."""
    with pytest.raises(ValueError, match=r"."):
        Fault(**fields)  # type: ignore[arg-type]  # wrong on purpose
