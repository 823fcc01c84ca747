"""What is the memory engine's own; what it shares with every engine is in `tests/contracts/`."""

import pytest

from spool.errors import SpoolClosed
from spool.lifecycle import CLAIM, DOUBT, HOLD, POST, State
from spool.memory import RECOUNT_STEP, MemoryStore
from spool.store import Filter
from tests.contracts.spool_examples import NOW_US, draft, go, put, put_as, ready_numbers, reversal


@pytest.fixture
async def store() -> MemoryStore:
    """An open one."""
    store = MemoryStore()
    await store.open(NOW_US)
    return store


async def test_it_takes_nothing_before_it_is_opened() -> None:
    """As an engine with a file would."""
    with pytest.raises(SpoolClosed):
        await put(MemoryStore(), draft(1))


async def test_it_may_be_closed_twice(store: MemoryStore) -> None:
    """A stop on top of a stop is no error."""
    await store.close()
    await store.close()


async def test_even_calls_without_io_are_refused_once_it_is_closed(store: MemoryStore) -> None:
    """A rehearsal finds whoever still asks."""
    await store.close()

    with pytest.raises(SpoolClosed):
        store.lane_is_clear("billing", 1)
    with pytest.raises(SpoolClosed):
        await store.health()


async def test_it_names_itself(store: MemoryStore) -> None:
    """And takes no disk."""
    health = await store.health()

    assert (health.version, health.trouble, health.accepting) == ("", "", True)
    assert (health.engine, health.free_bytes, health.reserve_bytes, health.size_bytes) == ("memory", 0, 0, 0)


async def test_the_same_object_opened_again_holds_what_it_held(store: MemoryStore) -> None:
    """So that a crash can be rehearsed: close or not, then open."""
    await put_as(store, draft(1), State.IN_FLIGHT)

    await store.open(NOW_US + 5)

    (entry,) = await store.page(Filter(), 10)
    assert (entry.state, entry.due_at_us, entry.reason) == (State.IN_DOUBT, NOW_US + 5, "restart")


async def test_its_lanes_are_exact(store: MemoryStore) -> None:
    """A lane is clear as soon as nothing of it is unfinished, and no other lane has a part in it."""
    entry = await put(store, draft(1, lane=5))
    assert store.lane_is_clear("billing", 6)
    assert store.lane_is_clear("mobile", 5)

    await go(store, entry, CLAIM, POST)

    assert store.lane_is_clear("billing", 5)


async def test_in_doubt_without_a_time_counts_as_long_due(store: MemoryStore) -> None:
    """Zero would say that nothing waits."""
    await go(store, await put(store, draft(1)), CLAIM, DOUBT)

    assert await store.next_due_us("billing") == 1


async def test_a_number_given_out_twice_is_our_own_mistake(store: MemoryStore) -> None:
    """Numbers are minted, never guessed."""
    await put(store, draft(1))

    with pytest.raises(AssertionError, match="given out once"):
        await store.insert(draft(1, key="another"), 1, b"")


async def test_a_reversal_is_not_inserted(store: MemoryStore) -> None:
    """It would pass by the decision whether to net."""
    payment = await put(store, draft(1))

    with pytest.raises(AssertionError, match="recorded by reverse"):
        await store.insert(reversal(2, payment), 1, b"")


async def test_a_reversal_is_not_reversed(store: MemoryStore) -> None:
    """Only payments are."""
    posted = await put_as(store, draft(1), State.POSTED)
    await store.reverse(reversal(2, posted), 1, b"")
    undone = await store.get(2)
    assert undone is not None

    with pytest.raises(AssertionError, match="only payments"):
        await store.reverse(reversal(3, undone), 1, b"")


async def test_a_long_recount_goes_in_steps(store: MemoryStore) -> None:
    """The tally, a full step, and the rest."""
    for number in range(1, RECOUNT_STEP + 2):
        await put(store, draft(number, amount=1))

    steps = [sum(entries for entries, _ in step.values()) async for step in store.recount()]

    assert steps == [RECOUNT_STEP + 1, RECOUNT_STEP, RECOUNT_STEP + 1]


async def test_numbers_may_arrive_out_of_order(store: MemoryStore) -> None:
    """Pages and arrival go by number all the same."""
    for number in (5, 2, 9, 1):
        await put(store, draft(number))
    await go(store, await put(store, draft(7)), HOLD)

    assert [entry.number for entry in await store.page(Filter(after=1, before=9), 10)] == [2, 5, 7]
    assert await ready_numbers(store) == [1, 2, 5, 9]
