"""What every engine promises whoever looks for entries: by state, by sum, how far a look gets, and the shape of what waits."""

import pytest
from msgspec.structs import replace

from spool import lifecycle as way
from spool.entry import Act
from spool.lifecycle import Kind, State
from spool.store import Aged, Filter, Move, Store
from spool.tally import Sum
from tests.contracts.spool_examples import LATER_US, NOW_US, WAYS, draft, go, put, put_as


async def one_of_each(store: Store) -> dict[State, int]:
    """An entry in every state, twice; the states' first numbers."""
    found = dict[State, int]()
    for number, state in enumerate([*WAYS, *WAYS], start=1):
        await put_as(store, draft(number, route=f"route-{number % 2}"), state)
        found.setdefault(state, number)
    return found


@pytest.mark.parametrize("newest_first", [False, True])
@pytest.mark.parametrize("state", WAYS, ids=lambda state: state.word)
async def test_entries_are_found_by_each_state_in_order(store: Store, state: State, *, newest_first: bool) -> None:
    """Wherever the engine looks for them."""
    first = (await one_of_each(store))[state]
    found = await store.page(Filter(states=frozenset({state}), newest_first=newest_first), 10)
    numbers = [first, first + len(WAYS)]
    assert [entry.number for entry in found] == (numbers[::-1] if newest_first else numbers)


@pytest.mark.parametrize("newest_first", [False, True])
async def test_what_waits_is_listed_in_order_wherever_it_waits(store: Store, *, newest_first: bool) -> None:
    """In arrival order, under way, for its time; of several routes; a page cuts where it should."""
    entries = [await put(store, draft(number, route=f"route-{number % 2}")) for number in range(1, 9)]
    for under_way in (entries[2], entries[5]):
        await go(store, under_way, way.CLAIM)
    for later in (entries[3], entries[7]):
        await go(store, later, way.CLAIM, way.NOT_SENT, due_at_us=LATER_US)
    wanted = Filter(states=frozenset({State.READY, State.IN_FLIGHT}), newest_first=newest_first)
    numbers = list(range(1, 9))[:: -1 if newest_first else 1]
    assert [entry.number for entry in await store.page(wanted, 10)] == numbers
    assert [entry.number for entry in await store.page(wanted, 5)] == numbers[:5]
    of_one_route = replace(wanted, route="route-1")
    assert [entry.number for entry in await store.page(of_one_route, 10)] == [each for each in numbers if each % 2]


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(amount_min=300), [3, 4, 5]),
        (Filter(amount_max=200), [1, 2]),
        (Filter(amount_min=200, amount_max=400), [2, 3, 4]),
        (Filter(currency="TJS", amount_min=500), [5]),
        (Filter(currency="USD"), []),
        (Filter(reason="conflict"), [2]),
        (Filter(reason="conflict", states=frozenset({State.PARKED}), newest_first=True), [2]),
    ],
)
async def test_a_page_is_narrowed_by_sum_and_reason(store: Store, wanted: Filter, numbers: list[int]) -> None:
    """Both ends of a sum count."""
    entries = [await put(store, draft(number, amount=100 * number)) for number in range(1, 6)]
    await go(store, entries[1], way.PARK, reason="conflict")
    assert [entry.number for entry in await store.page(wanted, 10)] == numbers


@pytest.mark.parametrize(
    ("wanted", "count", "horizon"),
    [
        (Filter(), 3, 3),
        (Filter(after=2), 3, 5),
        (Filter(newest_first=True), 3, 4),
        (Filter(newest_first=True, before=5), 2, 3),
        (Filter(), 7, 0),
        (Filter(after=2, before=5), 3, 0),
        (Filter(states=frozenset({State.POSTED})), 3, 3),
        (Filter(states=frozenset({State.REFUSED})), 1, 2),
        (Filter(states=frozenset({State.REFUSED}), newest_first=True), 1, 4),
        (Filter(states=frozenset({State.REFUSED, State.HELD})), 3, 0),
        (Filter(states=frozenset({State.IN_FLIGHT})), 3, 0),
    ],
)
async def test_a_horizon_is_so_many_entries_away(store: Store, wanted: Filter, count: int, horizon: int) -> None:
    """Counting what would be looked at; 0 where no more than these is left."""
    for number in range(1, 7):
        await put_as(store, draft(number), State.REFUSED if number in {2, 4} else State.POSTED)
    assert await store.horizon(wanted, count) == horizon


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_horizon_of_what_waits_is_no_further_than_the_nearest_of_its_routes(
    store: Store, *, newest_first: bool
) -> None:
    """So that a page up to it is whole: nothing of another route is left out."""
    for number in range(1, 9):
        await put(store, draft(number, route="busy" if number < 6 else "quiet"))
    wanted = Filter(states=frozenset({State.READY}), newest_first=newest_first)
    horizon = await store.horizon(wanted, 2)
    assert horizon
    narrowed = replace(wanted, after=horizon - 1) if newest_first else replace(wanted, before=horizon + 1)
    found = await store.page(narrowed, 100)
    assert [entry.number for entry in found] == (list(range(8, horizon - 1, -1)) if newest_first else [1, 2][:horizon])


async def test_a_payment_is_found_by_the_id_its_core_gave_it(store: Store) -> None:
    """Oldest first, should a core use one twice; and what has none is not found by nothing."""
    for number, core_id in ((1, "B-7"), (2, "B-8"), (3, "B-7")):
        entry = await go(store, await put(store, draft(number)), way.CLAIM)
        move = Move(entry=entry, transition=way.POST, at_us=NOW_US + 9, core_id=core_id)
        assert await store.move([move]) == [True]
    assert [entry.number for entry in await store.find_core_id("B-7", 10)] == [1, 3]
    assert [entry.number for entry in await store.find_core_id("B-7", 1)] == [1]
    assert await store.find_core_id("B-9", 10) == []


async def test_a_shape_counts_what_is_unfinished_by_age(store: Store) -> None:
    """Numbers are the age; what is final counts no more, and another route's neither."""
    for number in range(1, 10):
        await put(store, draft(number, channel=f"channel-{number % 2}", amount=10 * number))
    for number in (20, 21):
        await put_as(store, draft(number), State.POSTED)
    await put(store, draft(30, route="another"))
    found = await store.shape("billing", [4, 8])
    ready = {(aged.channel, aged.bucket): total for aged, total in found.items()}
    assert ready == {
        ("channel-0", 0): Sum(1, 20),
        ("channel-1", 0): Sum(2, 40),
        ("channel-0", 1): Sum(2, 100),
        ("channel-1", 1): Sum(2, 120),
        ("channel-0", 2): Sum(1, 80),
        ("channel-1", 2): Sum(1, 90),
    }


async def test_a_shape_tells_states_and_reasons_apart(store: Store) -> None:
    """A reason is only told of what left arrival order, as the rest is counted without being read."""
    await put(store, draft(1))
    await go(store, await put(store, draft(2)), way.PARK, reason="conflict")
    await go(store, await put(store, draft(3)), way.PARK, reason="attempts")
    await go(store, await put(store, draft(4)), way.CLAIM)
    shape = await store.shape("billing", [])
    assert shape == {
        Aged("kiosk", "TJS", Kind.PAYMENT, State.READY, "", 0): Sum(1, 10_000),
        Aged("kiosk", "TJS", Kind.PAYMENT, State.PARKED, "conflict", 0): Sum(1, 10_000),
        Aged("kiosk", "TJS", Kind.PAYMENT, State.PARKED, "attempts", 0): Sum(1, 10_000),
        Aged("kiosk", "TJS", Kind.PAYMENT, State.IN_FLIGHT, "", 0): Sum(1, 10_000),
    }


async def test_what_persons_did_is_told_in_the_order_of_the_log(store: Store) -> None:
    """Acts, and moves by hand as acts; the machine's own doings are no deeds."""
    entry = await put(store, draft(1))
    await store.act(Act(at_us=NOW_US, name="reveal", subject="1", actor="amina", note="a call"))
    await store.act(Act(at_us=NOW_US, name="limits", detail="changed by the program"))
    await go(store, entry, way.HOLD, actor="boris", note="a dispute")
    await store.act(Act(at_us=NOW_US, name="route_open", subject="main", actor="amina", note="a drill"))
    deeds = await store.deeds(0, 10)
    assert [(deed.name, deed.subject, deed.actor, deed.note) for deed in deeds] == [
        ("reveal", "1", "amina", "a call"),
        ("hold", "1", "boris", "a dispute"),
        ("route_open", "main", "amina", "a drill"),
    ]
    assert deeds[1].detail == "ready to held"
    assert await store.deeds(0, 2) == deeds[:2]
    assert await store.deeds(deeds[1].leaf + 1, 10) == deeds[2:]


@pytest.mark.parametrize("newest_first", [False, True])
async def test_a_look_for_what_waits_counts_nothing_that_is_settled(store: Store, *, newest_first: bool) -> None:
    """After an outage's first hour a page of what waits isn't empty because millions were posted before or since."""
    settled = [await put_as(store, draft(number), State.POSTED) for number in (*range(1, 9), *range(20, 28))]
    assert len(settled) == 16
    for number in range(10, 15):
        await put(store, draft(number))
    wanted = Filter(states=frozenset({State.READY}), newest_first=newest_first)
    assert await store.horizon(wanted, 2) == (13 if newest_first else 11)
    assert await store.horizon(replace(wanted, route="route-9"), 2) == 0
