"""What every engine of the spool promises of ranks: some go before others, and none before one of its own lane."""

import pytest

from spool import lifecycle as way
from spool.lifecycle import State
from spool.rank import RANKS, USUAL, Rank
from spool.store import Filter, Store
from tests.contracts.spool_examples import NOW_US, MakeStore, draft, go, put, put_as, reversal, undo

LANE = 77
FIRST, EARLY, LATE = int(Rank.FIRST), int(Rank.EARLY), int(Rank.LATE)


async def by_rank(store: Store) -> list[list[int]]:
    """Numbers in arrival order, of each rank."""
    return [[each.entry.number for each in await store.ready("billing", rank, 0, 100)] for rank in range(RANKS)]


async def test_each_rank_has_an_order_of_its_own(store: Store) -> None:
    """Whoever reads a rank reads nothing of the others."""
    for number, rank in enumerate((LATE, FIRST, USUAL, FIRST, EARLY), start=1):
        await put(store, draft(number, rank=rank))

    assert await by_rank(store) == [[2, 4], [5], [3], [1]]


async def test_a_rank_is_read_in_bounded_pages(store: Store) -> None:
    """As arrival order always is."""
    for number in range(1, 6):
        await put(store, draft(number, rank=FIRST if number % 2 else USUAL))

    found = await store.ready("billing", FIRST, 1, 1)

    assert [each.entry.number for each in found] == [3]


@pytest.mark.parametrize("state", [State.READY, State.IN_FLIGHT, State.IN_DOUBT, State.HELD, State.PARKED])
@pytest.mark.parametrize("before", [EARLY, USUAL, LATE])
async def test_an_entry_is_not_ranked_before_one_unfinished_in_its_lane(
    store: Store, before: int, state: State
) -> None:
    """It would overtake a payment of the same account."""
    await put_as(store, draft(1, lane=LANE, rank=before), state)

    assert (await put(store, draft(2, lane=LANE, rank=FIRST))).rank == before


@pytest.mark.parametrize("rank", range(RANKS))
async def test_an_entry_behind_nothing_has_the_rank_it_asks_for(store: Store, rank: int) -> None:
    """What is finished stands in nobody's way, and neither does what comes from others."""
    await put_as(store, draft(1, lane=LANE, rank=LATE), State.POSTED)
    await put(store, draft(2, lane=LANE + 1, rank=LATE))

    assert (await put(store, draft(3, lane=LANE, rank=rank))).rank == rank


async def test_a_worse_rank_than_that_of_its_lane_is_kept(store: Store) -> None:
    """It overtakes nobody."""
    await put(store, draft(1, lane=LANE, rank=FIRST))

    assert (await put(store, draft(2, lane=LANE, rank=LATE))).rank == LATE


async def test_ranks_hold_for_those_that_came_at_the_same_moment(store: Store) -> None:
    """Many share a commit; the later of one lane knows of the earlier."""
    first, second = (
        store.insert(draft(1, lane=LANE, rank=LATE), 1, b""),
        store.insert(draft(2, lane=LANE, rank=0), 1, b""),
    )

    await first
    await second

    assert await by_rank(store) == [[], [], [], [1, 2]]


async def test_ranks_outlive_the_process(make_store: MakeStore) -> None:
    """And what comes after knows of what came before."""
    store = make_store()
    await store.open(NOW_US)
    await put(store, draft(1, lane=LANE, rank=LATE))
    await put(store, draft(2, rank=FIRST))
    await store.close()

    again = make_store()
    await again.open(NOW_US)

    assert (await put(again, draft(3, lane=LANE, rank=FIRST))).rank == LATE
    assert await by_rank(again) == [[2], [], [], [1, 3]]
    await again.close()


async def test_a_reversal_stands_behind_its_payment(store: Store) -> None:
    """Though it asks for more."""
    payment = await put_as(store, draft(1, lane=LANE, rank=LATE), State.IN_DOUBT)

    assert (await undo(store, reversal(2, payment, rank=FIRST))).rank == LATE


async def test_an_entry_that_comes_back_has_its_rank(store: Store) -> None:
    """Held and released, it stands where it stood."""
    await go(store, await put(store, draft(1, rank=EARLY)), way.HOLD, way.RELEASE)

    assert await by_rank(store) == [[], [1], [], []]


async def test_the_oldest_is_the_oldest_of_all_ranks(store: Store) -> None:
    """Its age is what starving would show by."""
    await put(store, draft(2, rank=FIRST))
    oldest = await put(store, draft(1, rank=LATE))

    assert await store.oldest_waiting_us("billing") == oldest.accepted_at_us


async def test_entries_are_listed_with_their_ranks(store: Store) -> None:
    """For whoever asks why one went before another."""
    await put(store, draft(1, rank=LATE))

    assert [each.rank for each in await store.page(Filter(), 10)] == [LATE]
