"""What waits by age, and what does not move: from facts to what is shown."""

from typing import Any, Final

import pytest

from adapters.core import Level
from gateway.admin.entries.inquiring import askable
from gateway.admin.entries.shape import COLUMNS, Counted, ages_s, shape_shown
from gateway.admin.state.stuck import RouteFacts, persons_first, route_stuck, states_stuck
from gateway.route.record import Slowed
from gateway.route.zone import Zone
from spool.lifecycle import Kind, State
from spool.store import Aged
from spool.tally import Sum
from tests.unit.fake_core import able

YOUNG, OLD = COLUMNS - 1, 0


def aged(**changes: Any) -> Aged:
    """A young payment of a kiosk, ready."""
    return Aged(
        **{
            "channel": "kiosk",
            "currency": "RUB",
            "kind": Kind.PAYMENT,
            "state": State.READY,
            "reason": "",
            "bucket": YOUNG,
            **changes,
        }
    )


COUNTED = Counted(
    at_us=1_800_000_000_000_000,
    by_route={
        "main": {aged(): Sum(2, 200), aged(channel="bank", bucket=OLD): Sum(1, 50)},
        "other": {aged(currency="USD", state=State.PARKED, reason="conflict"): Sum(1, 7)},
    },
)


def test_columns_double() -> None:
    """From five minutes to well over a day."""
    assert ages_s()[:3] == (300, 600, 1_200)
    assert ages_s()[-1] == 153_600


@pytest.mark.parametrize(
    ("by", "rows"),
    [
        ("route", {"": 4, "main": 3, "other": 1}),
        ("channel", {"": 4, "bank": 1, "kiosk": 3}),
        ("state", {"": 4, "ready": 3, "parked": 1}),
        ("operation", {"": 4, "payment": 4}),
        ("reason", {"": 4, "conflict": 1}),
        ("currency", {"": 4, "RUB": 3, "USD": 1}),
    ],
)
def test_rows_are_by_what_one_likes(by: str, rows: dict[str, int]) -> None:
    """The whole is always there, and the others add up to it where each has one."""
    shown = shape_shown(COUNTED, by)
    assert {row.name: sum(each.entries for each in row.total) for row in shown.rows} == rows


def test_the_young_stand_left_of_the_old() -> None:
    """As in qshape."""
    (row,) = [row for row in shape_shown(COUNTED, "channel", "main").rows if not row.name]
    assert [sum(each.entries for each in cell) for cell in row.cells] == [2, *[0] * (COLUMNS - 2), 1]
    assert [each.amount for each in row.total] == ["2.50"]


def test_whose_word_has_a_route_go_slower_stands_beside_what_waits() -> None:
    """Of all routes, or of the one that is looked at."""
    word = Slowed(until_us=1_800_000_060_000_000, actor="anna", reason="their ask", in_flight_max=4)
    words = {"main": None, "other": word}
    (shown,) = shape_shown(COUNTED, "channel", words=words).slowed.items()
    assert (shown[0], shown[1].actor, shown[1].in_flight_max, shown[1].until) == (
        "other", "anna", 4, "2027-01-15T08:01:00.000000Z",
    )  # fmt: skip
    assert shape_shown(COUNTED, "channel", "main", words).slowed == {}
    assert list(shape_shown(COUNTED, "channel", "other", words).slowed) == ["other"]


def facts(**changes: Any) -> RouteFacts:
    """A route that is well."""
    return RouteFacts(
        **{
            "name": "main",
            "zone": Zone.CLOSED,
            "since_us": 1,
            "waiting": {},
            "diagnosis": "",
            "forced_by": "",
            "forced_until_us": 0,
            "next_try_us": 1_800_000_000_000_000,
            "full": (),
            **changes,
        }
    )


def test_a_route_that_is_well_is_not_stuck() -> None:
    """Nothing is said of it."""
    assert list(route_stuck(facts())) == []


def test_an_open_route_says_when_it_looks_again() -> None:
    """By itself; so nobody is called for it."""
    (found,) = route_stuck(facts(zone=Zone.OPEN, diagnosis="the core is down"))
    assert (found.why, found.next_at) == ("the core is down", "2027-01-15T08:00:00.000000Z")
    assert found.next


def test_a_forced_route_says_whose_word_stands_until_when() -> None:
    """It is not probed for its own sake meanwhile."""
    (found,) = route_stuck(facts(zone=Zone.OPEN, forced_by="amina (a drill)", forced_until_us=1_800_000_060_000_000))
    assert (found.why, found.next_at) == ("amina (a drill) keeps it open", "2027-01-15T08:01:00.000000Z")


SLOWED: Final[dict[str, Any]] = {
    "slowed_by": "amina (their ask)",
    "slowed_to": "4 at once",
    "slowed_until_us": 1_800_000_060_000_000,
}


def test_what_waits_behind_a_persons_word_says_whose_and_until_when() -> None:
    """It moves, as slowly as she said; by itself it is quicker when that ends."""
    (found,) = route_stuck(facts(waiting={"RUB": Sum(2, 200)}, **SLOWED))
    assert (found.what, found.why) == ("pace", "amina (their ask) has it post at most 4 at once")
    assert (found.next_at, found.verbs) == ("2027-01-15T08:01:00.000000Z", ("pace --auto",))


@pytest.mark.parametrize("changes", [{}, {"zone": Zone.OPEN, "waiting": {"RUB": Sum(2, 200)}}])
def test_a_word_on_the_pace_of_which_nothing_comes_is_not_told_of(changes: dict[str, Any]) -> None:
    """Nothing waits, or nothing is sent anyhow."""
    assert "pace" not in {each.what for each in route_stuck(facts(**SLOWED, **changes))}


@pytest.mark.parametrize("zone", [Zone.SOFT, Zone.TRIAL])
def test_a_route_on_its_way_is_told_of(zone: Zone) -> None:
    """It moves, but not all of it."""
    (found,) = route_stuck(facts(zone=zone))
    assert (found.what, bool(found.next)) == ("route", True)


def test_a_limit_that_is_reached_is_told_of_whatever_the_zone() -> None:
    """Payments get try later then."""
    route, channel = route_stuck(facts(full=("", "kiosk")))
    assert ("all channels" in route.why, "kiosk" in channel.why) == (True, True)


def nobody_asks(_state: State, _reason: str) -> bool:
    """Its core can't be asked."""
    return False


def test_where_a_core_can_be_asked_now_a_person_is_told_so() -> None:
    """First, as it is the least."""
    cells = {
        aged(state=State.PARKED, reason="attempts"): Sum(1, 100),
        aged(state=State.PARKED, reason="conflict"): Sum(1, 100),
        aged(state=State.IN_DOUBT, reason="timeout"): Sum(1, 100),
    }
    found = states_stuck("main", cells, {}, 0, lambda state, reason: askable(state, reason, able(Level.B)))
    assert {each.case or each.what: each.verbs for each in found} == {
        "in_doubt": ("inquire",),
        "attempts": ("inquire", "retry", "close"),
        "conflict": ("retry", "close"),
    }


def test_states_are_told_by_reason_and_doubt_as_one() -> None:
    """A reason of parking is what a person must know; of doubt it is only the last attempt's."""
    cells = {
        aged(state=State.PARKED, reason="conflict"): Sum(1, 100),
        aged(state=State.PARKED, reason="conflict", channel="bank"): Sum(1, 100),
        aged(state=State.PARKED, reason="attempts"): Sum(1, 100),
        aged(state=State.IN_DOUBT, reason="timeout"): Sum(1, 100),
        aged(state=State.IN_DOUBT, reason="reset"): Sum(1, 100),
        aged(state=State.IN_FLIGHT): Sum(9, 900),
        aged(): Sum(9, 900),
    }
    found = list(states_stuck("main", cells, {(State.PARKED, "conflict"): 1_800_000_000_000_000}, 0, nobody_asks))
    told = [(each.what, each.waiting[0].entries, bool(each.next)) for each in found]
    assert told == [("in_doubt", 2, True), ("parked", 1, False), ("parked", 2, False)]
    assert found[2].since == "2027-01-15T08:00:00.000000Z"
    assert "another content (conflict)" in found[2].why


def test_a_reason_nobody_has_words_for_is_told_as_it_is() -> None:
    """A new one must not make the list fail at night."""
    (found,) = states_stuck("main", {aged(state=State.PARKED, reason="novel"): Sum(1, 1)}, {}, 0, nobody_asks)
    assert found.why == "the machine may not go on with it by itself (novel)"


def test_what_needs_a_person_comes_first() -> None:
    """In the order in which it was found otherwise."""
    waits = list(route_stuck(facts(zone=Zone.OPEN)))
    needs = list(states_stuck("main", {aged(state=State.HELD): Sum(1, 1)}, {}, 0, nobody_asks))
    assert persons_first([*waits, *needs]) == (*needs, *waits)
