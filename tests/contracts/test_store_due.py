"""What every engine of the spool promises of times and lanes: what falls due when, and which lanes are clear."""

import asyncio

import pytest

from spool import lifecycle as way
from spool.lifecycle import State, Told
from spool.store import Store
from tests.contracts.spool_examples import (
    ASIDE,
    LATER_US,
    NOW_US,
    REACHABLE_FINAL,
    WAYS,
    MakeStore,
    draft,
    due_numbers,
    go,
    name_of,
    put,
    put_as,
    ready_numbers,
)

LANE = 77


async def test_what_waits_for_a_time_is_due_when_it_has_come(store: Store) -> None:
    """At that microsecond, not before."""
    await go(store, await put(store, draft(1)), way.CLAIM, way.NOT_SENT, due_at_us=LATER_US)

    assert await due_numbers(store, LATER_US - 1) == []
    assert await due_numbers(store, LATER_US) == [1]


async def test_ready_and_in_doubt_fall_due_soonest_first(store: Store) -> None:
    """Whatever their numbers."""
    await go(store, await put(store, draft(1)), *WAYS[State.IN_DOUBT], due_at_us=LATER_US + 2)
    await go(store, await put(store, draft(2)), way.CLAIM, way.NOT_SENT, due_at_us=LATER_US + 3)
    await go(store, await put(store, draft(3)), *WAYS[State.IN_DOUBT], due_at_us=LATER_US + 1)

    assert await due_numbers(store, LATER_US + 9) == [3, 1, 2]
    assert await due_numbers(store, LATER_US + 9, limit=2) == [3, 1]
    assert await due_numbers(store, LATER_US + 2) == [3, 1]


@pytest.mark.parametrize("how", ASIDE)
async def test_only_the_first_of_a_lane_is_due(store: Store, how: str) -> None:
    """What waits aside holds its lane, whatever the time of those after it."""
    ways, details = ASIDE[how]
    await go(store, await put(store, draft(2, lane=LANE)), way.CLAIM, way.NOT_SENT, due_at_us=NOW_US)
    await go(store, await put(store, draft(1, lane=LANE)), *ways, **{"due_at_us": LATER_US, **details})
    await go(store, await put(store, draft(3)), way.CLAIM, way.NOT_SENT, due_at_us=NOW_US)

    assert await due_numbers(store, NOW_US) == [3]


async def test_in_doubt_without_a_time_is_due_at_once(store: Store) -> None:
    """Nobody else looks for it: without this it would be in doubt for ever."""
    await put_as(store, draft(1), State.IN_DOUBT)

    assert await due_numbers(store, NOW_US) == [1]


async def test_ready_without_a_time_is_in_arrival_order_and_not_due(store: Store) -> None:
    """Each entry is found in one way, so that none is sent twice."""
    await put(store, draft(1))

    assert await due_numbers(store, LATER_US) == []


async def test_ready_whose_time_has_come_is_due_and_not_in_arrival_order(store: Store) -> None:
    """As above, the other way round."""
    await go(store, await put(store, draft(1)), way.CLAIM, way.NOT_SENT, due_at_us=NOW_US)

    assert await due_numbers(store, LATER_US) == [1]
    assert await ready_numbers(store) == []


@pytest.mark.parametrize(
    "state", [State.IN_FLIGHT, State.HELD, State.PARKED, State.QUARANTINED, State.POSTED], ids=name_of
)
async def test_what_waits_for_no_time_is_never_due(store: Store, state: State) -> None:
    """A time given with a move into such a state starts nothing."""
    await go(store, await put(store, draft(1)), *WAYS[state], due_at_us=NOW_US)

    assert await due_numbers(store, LATER_US) == []
    assert await store.next_due_us("billing") == 0


async def test_each_route_has_due_times_of_its_own(store: Store) -> None:
    """A route asks only for its own."""
    await go(store, await put(store, draft(1, route="mobile")), *WAYS[State.IN_DOUBT], due_at_us=NOW_US)

    assert await due_numbers(store, LATER_US) == []
    assert await due_numbers(store, LATER_US, "mobile") == [1]
    assert await store.next_due_us("billing") == 0


async def test_the_next_due_time_is_the_soonest(store: Store) -> None:
    """A forwarder with nothing to send sleeps until then."""
    assert await store.next_due_us("billing") == 0
    first = await go(store, await put(store, draft(1)), *WAYS[State.IN_DOUBT], due_at_us=LATER_US)
    await go(store, await put(store, draft(2)), way.CLAIM, way.NOT_SENT, due_at_us=LATER_US + 5)
    assert await store.next_due_us("billing") == LATER_US

    await go(store, first, way.POSTPONE, due_at_us=LATER_US + 9)

    assert await store.next_due_us("billing") == LATER_US + 5


async def test_due_times_survive_reopening(make_store: MakeStore) -> None:
    """A backoff isn't shortened by a restart."""
    first = make_store()
    await first.open(NOW_US)
    await go(first, await put(first, draft(1)), way.CLAIM, way.NOT_SENT, due_at_us=LATER_US)
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert await ready_numbers(second) == []
    assert await second.next_due_us("billing") == LATER_US

    await second.close()


# Lanes


@pytest.mark.parametrize("how", ["ready", *ASIDE])
async def test_a_lane_with_something_unfinished_is_never_clear(store: Store, how: str) -> None:
    """A new payment for it queues behind."""
    ways, details = ASIDE.get(how, ((), {}))
    await go(store, await put(store, draft(1, lane=LANE)), *ways, **details)

    assert not store.lane_is_clear("billing", LANE)


async def test_a_lane_is_not_clear_while_its_entry_is_on_its_way_to_disk(store: Store) -> None:
    """Two payments of one account that arrive together must not both pass through."""
    insert = asyncio.ensure_future(store.insert(draft(1, lane=LANE, told=Told.NOTHING, state=State.IN_FLIGHT), 1, b""))
    await asyncio.sleep(0)

    assert not store.lane_is_clear("billing", LANE)

    await insert


async def test_a_lane_with_two_entries_is_not_clear_when_one_is_finished(store: Store) -> None:
    """All of them count."""
    first, _ = await put(store, draft(1, lane=LANE)), await put(store, draft(2, lane=LANE))

    await go(store, first, way.CLAIM, way.POST)

    assert not store.lane_is_clear("billing", LANE)


async def test_a_lane_set_behind_is_not_clear(store: Store) -> None:
    """Behind is unfinished."""
    await store.set_behind([await put(store, draft(1, lane=LANE))])

    assert not store.lane_is_clear("billing", LANE)


async def test_a_lane_of_a_former_run_is_not_clear(make_store: MakeStore) -> None:
    """From the first moment after opening."""
    first = make_store()
    await first.open(NOW_US)
    await put(first, draft(1, lane=LANE))
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert not second.lane_is_clear("billing", LANE)

    await second.close()


@pytest.mark.parametrize("state", REACHABLE_FINAL, ids=name_of)
async def test_a_spool_in_which_all_is_finished_has_clear_lanes(store: Store, state: State) -> None:
    """An engine that always said no would never lie, and never let a payment pass through; a shared one looks itself."""
    await put_as(store, draft(1, lane=LANE), state)

    assert store.nodes.shared or store.lane_is_clear("billing", LANE)
    await put(store, draft(2, lane=LANE, state=State.IN_FLIGHT))


async def test_after_a_restart_nothing_waits_for_times_of_a_clock_that_was_ahead(make_store: MakeStore) -> None:
    """Set back a year while the service was stopped, a clock would make a wait of seconds one of a year."""
    first = make_store()
    await first.open(NOW_US)
    await go(first, await put(first, draft(1)), *WAYS[State.IN_DOUBT], due_at_us=LATER_US)
    await go(first, await put(first, draft(2)), way.CLAIM, way.NOT_SENT, due_at_us=LATER_US)
    await first.close()
    ahead, behind = make_store(), make_store()
    await ahead.open(NOW_US + 3)
    still_waiting = await due_numbers(ahead, NOW_US + 3)
    await ahead.close()
    await behind.open(year_before := NOW_US - 365 * 24 * 3_600_000_000)
    at_once = await due_numbers(behind, year_before)
    await behind.close()

    assert (still_waiting, at_once) == ([], [1, 2])
