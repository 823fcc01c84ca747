"""What every engine of the spool promises of order: arrival, lanes, and who stays behind."""

import asyncio

import pytest

from spool import lifecycle as way
from spool.lifecycle import State, Transition
from spool.rank import USUAL
from spool.store import Move, Store
from tests.contracts.spool_examples import (
    ASIDE,
    NOW_US,
    REACHABLE_FINAL,
    WAYS,
    MakeStore,
    draft,
    go,
    name_of,
    put,
    put_as,
    ready_numbers,
)

LANE = 77


async def blocked_numbers(store: Store) -> list[int]:
    """Numbers in arrival order that must stay behind."""
    return [found.entry.number for found in await store.ready("billing", USUAL, 0, 100) if found.blocked]


# Arrival order


async def test_ready_entries_come_in_order_of_their_numbers(store: Store) -> None:
    """Numbers rise with arrival, whatever order the commits came in."""
    await asyncio.gather(*(put(store, draft(number)) for number in (5, 1, 4, 2, 3)))

    assert await ready_numbers(store) == [1, 2, 3, 4, 5]


async def test_ready_entries_come_in_bounded_pages(store: Store) -> None:
    """Whatever the backlog, memory holds a window of it."""
    await asyncio.gather(*(put(store, draft(number)) for number in range(1, 8)))

    assert await ready_numbers(store, limit=3) == [1, 2, 3]
    assert await ready_numbers(store, after=3, limit=3) == [4, 5, 6]
    assert await ready_numbers(store, after=6, limit=3) == [7]


async def test_each_route_has_an_order_of_its_own(store: Store) -> None:
    """A closed route does not hold another."""
    await put(store, draft(1, route="billing"))
    await put(store, draft(2, route="mobile"))

    assert await ready_numbers(store, "mobile") == [2]


async def test_a_ready_entry_is_shown_as_it_is_kept(store: Store) -> None:
    """The forwarder claims it as it read it."""
    entry = await put(store, draft(1))

    (found,) = await store.ready("billing", USUAL, 0, 10)

    assert found.entry == entry


@pytest.mark.parametrize("how", ASIDE)
async def test_what_waits_for_something_else_is_not_in_arrival_order(store: Store, how: str) -> None:
    """Only what could be sent now stands in line."""
    ways, details = ASIDE[how]
    await go(store, await put(store, draft(1)), *ways, **details)

    assert await ready_numbers(store) == []


@pytest.mark.parametrize("state", REACHABLE_FINAL, ids=name_of)
async def test_what_is_finished_is_not_in_arrival_order(store: Store, state: State) -> None:
    """Nothing more of it is sent."""
    await put_as(store, draft(1), state)

    assert await ready_numbers(store) == []


@pytest.mark.parametrize(
    "back", [(way.CLAIM, way.NOT_SENT), (way.HOLD, way.RELEASE), (*WAYS[State.IN_DOUBT], way.ABSENT)]
)
async def test_what_is_ready_again_takes_its_old_place(store: Store, back: tuple[Transition, ...]) -> None:
    """Its number didn't change, so a later one of its lane can't have overtaken it for good."""
    first = await put(store, draft(1))
    await put(store, draft(2))

    await go(store, first, *back)

    assert await ready_numbers(store) == [1, 2]


async def test_the_oldest_waiting_is_the_first_in_arrival_order(store: Store) -> None:
    """Its age is the guard against starving the backlog."""
    first, second = await put(store, draft(1)), await put(store, draft(2))
    assert await store.oldest_waiting_us("billing") == first.accepted_at_us

    await go(store, first, way.CLAIM)

    assert await store.oldest_waiting_us("billing") == second.accepted_at_us


async def test_nothing_waiting_has_no_age(store: Store) -> None:
    """Zero says that none waits."""
    await put_as(store, draft(1), State.HELD)

    assert await store.oldest_waiting_us("billing") == 0


# Blocked


@pytest.mark.parametrize("how", ASIDE)
async def test_an_entry_is_blocked_by_an_earlier_one_of_its_lane_that_waits_aside(store: Store, how: str) -> None:
    """It may not overtake a payment of the same account."""
    ways, details = ASIDE[how]
    await go(store, await put(store, draft(1, lane=LANE)), *ways, **details)
    await put(store, draft(2, lane=LANE))

    assert await blocked_numbers(store) == [2]


@pytest.mark.parametrize("state", REACHABLE_FINAL, ids=name_of)
async def test_an_entry_is_not_blocked_by_a_finished_one(store: Store, state: State) -> None:
    """The lane is free."""
    await put_as(store, draft(1, lane=LANE), state)
    await put(store, draft(2, lane=LANE))

    assert await blocked_numbers(store) == []


async def test_an_entry_is_not_blocked_by_one_in_arrival_order(store: Store) -> None:
    """Who reads in order meets the earlier one first and keeps them apart."""
    await put(store, draft(1, lane=LANE))
    await put(store, draft(2, lane=LANE))

    assert await blocked_numbers(store) == []


async def test_an_entry_is_not_blocked_by_a_later_one(store: Store) -> None:
    """The earlier goes first."""
    await put(store, draft(1, lane=LANE))
    await put_as(store, draft(2, lane=LANE), State.IN_DOUBT)

    assert await blocked_numbers(store) == []


async def test_an_entry_is_not_blocked_by_another_lane(store: Store) -> None:
    """One bad account does not stop the others, nor the same account on another route."""
    await put_as(store, draft(1, lane=LANE + 1), State.PARKED)
    await put_as(store, draft(2, lane=LANE, route="mobile"), State.PARKED)
    await put(store, draft(3, lane=LANE))

    assert await blocked_numbers(store) == []


async def test_an_entry_is_blocked_by_one_set_behind(store: Store) -> None:
    """Those who wait behind are served in order, not overtaken by whoever comes next."""
    await store.set_behind([await put(store, draft(1, lane=LANE))])
    await put(store, draft(2, lane=LANE))

    assert await blocked_numbers(store) == [2]


# Behind and followers


async def test_an_entry_set_behind_leaves_arrival_order(store: Store) -> None:
    """So that a long lane costs nothing at each reading."""
    first, second = await put(store, draft(1)), await put(store, draft(2))

    await store.set_behind([first])

    assert await ready_numbers(store) == [2]
    assert await store.oldest_waiting_us("billing") == second.accepted_at_us


async def test_setting_nobody_behind_is_nothing(store: Store) -> None:
    """Whoever looks for what must wait finds none most of the time; others keep their places."""
    await put(store, draft(1))

    await store.set_behind([])

    assert await ready_numbers(store) == [1]


async def test_setting_behind_changes_no_state(store: Store) -> None:
    """It can still be held, cancelled or claimed by whoever knows it."""
    entry = await put(store, draft(1))

    await store.set_behind([entry])

    assert await store.get(1) == entry
    assert len(await store.history(1)) == 1
    assert await store.move([Move(entry=entry, transition=way.HOLD, at_us=NOW_US)]) == [True]


async def test_followers_are_the_lane_set_behind_in_order(store: Store) -> None:
    """And of no other lane or route."""
    mine = [await put(store, draft(number, lane=LANE)) for number in (1, 2, 3)]
    others = [await put(store, draft(4, lane=LANE + 1)), await put(store, draft(5, lane=LANE, route="mobile"))]
    await store.set_behind([mine[2], *others, mine[0], mine[1]])

    assert await store.followers("billing", LANE, 10) == mine


async def test_followers_are_in_arrival_order_again(store: Store) -> None:
    """A crash right after fetching them loses none: they are simply ready."""
    entries = [await put(store, draft(number, lane=LANE)) for number in (1, 2)]
    await put(store, draft(3))
    await store.set_behind(entries)

    await store.followers("billing", LANE, 10)

    assert await ready_numbers(store) == [1, 2, 3]
    assert await store.followers("billing", LANE, 10) == []


async def test_followers_beyond_the_limit_stay_behind(store: Store) -> None:
    """A batch is bounded; the rest comes with the next."""
    entries = [await put(store, draft(number, lane=LANE)) for number in (1, 2, 3)]
    await store.set_behind(entries)

    assert await store.followers("billing", LANE, 2) == entries[:2]
    assert await ready_numbers(store) == [1, 2]
    assert await store.followers("billing", LANE, 2) == entries[2:]


@pytest.mark.parametrize("how", ASIDE)
async def test_nobody_follows_behind_one_that_waits_aside(store: Store, how: str) -> None:
    """A follower goes when those before it are done, not when somebody else of the lane is."""
    ways, details = ASIDE[how]
    before, held_up, after = [await put(store, draft(number, lane=LANE)) for number in (1, 2, 3)]
    await store.set_behind([before, after])
    released = await go(store, held_up, *ways, **details)

    assert await store.followers("billing", LANE, 10) == [before]
    assert await store.followers("billing", LANE, 10) == []
    assert await store.get(2) == released


@pytest.mark.parametrize("meanwhile", [way.CANCEL, way.HOLD, way.CLAIM, way.PARK], ids=name_of)
async def test_who_moved_on_meanwhile_follows_nobody(store: Store, meanwhile: Transition) -> None:
    """Only ready entries follow."""
    entry = await put(store, draft(1, lane=LANE))
    await store.set_behind([entry])

    await go(store, entry, meanwhile)

    assert await store.followers("billing", LANE, 10) == []


@pytest.mark.parametrize("meanwhile", [way.CANCEL, way.HOLD, way.CLAIM, way.PARK], ids=name_of)
async def test_only_ready_entries_are_set_behind(store: Store, meanwhile: Transition) -> None:
    """One that moved on since it was read stays where it is."""
    entry = await put(store, draft(1, lane=LANE))
    after = await go(store, entry, meanwhile)

    await store.set_behind([entry])

    assert await store.get(1) == after
    assert await store.followers("billing", LANE, 10) == []


async def test_reopening_puts_everyone_in_arrival_order_again(make_store: MakeStore) -> None:
    """The one they waited for may have finished just before the end: nobody may wait for ever."""
    first = make_store()
    await first.open(NOW_US)
    await put(first, draft(1, lane=LANE, state=State.IN_FLIGHT))
    waiting = [await put(first, draft(number, lane=LANE)) for number in (2, 3)]
    await first.set_behind(waiting)
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert await ready_numbers(second) == [2, 3]
    assert await blocked_numbers(second) == [2, 3]
    assert await second.followers("billing", LANE, 10) == []

    await second.close()
