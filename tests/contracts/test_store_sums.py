"""What every engine of the spool promises of its sums: one truth, at any time, equal to the entries themselves."""

import asyncio

import pytest

from spool import lifecycle as way
from spool.lifecycle import FINAL, WAITING, Kind, State, Told
from spool.store import Move, Store
from spool.tally import NOTHING, Cell, Sum
from tests.contracts.spool_examples import (
    NOW_US,
    WAYS,
    MakeStore,
    draft,
    go,
    name_of,
    put,
    put_as,
    reversal,
    undo,
)

REACHABLE = sorted(WAYS)
PROVISIONAL = Cell("billing", "kiosk", "TJS", Kind.PAYMENT, State.READY, Told.PROVISIONAL)


async def recounted(store: Store) -> list[dict[Cell, tuple[int, int]]]:
    """Every step of a recount."""
    return [dict(step) async for step in store.recount()]


async def test_an_empty_spool_sums_to_nothing(store: Store) -> None:
    """In memory and in the entries."""
    assert store.tally.snapshot() == {}
    steps = await recounted(store)
    assert len(steps) >= 2
    assert (steps[0], steps[-1]) == ({}, {})


@pytest.mark.parametrize("state", REACHABLE, ids=name_of)
async def test_an_entry_is_counted_where_it_is_and_nowhere_else(store: Store, state: State) -> None:
    """Every move takes from one cell and adds to another."""
    await put_as(store, draft(1, amount=7), state)

    assert store.tally.snapshot() == {PROVISIONAL._replace(state=state): (1, 7)}


async def test_cells_tell_route_channel_currency_and_told_apart(store: Store) -> None:
    """Each is a line of a report."""
    await put(store, draft(1, amount=1))
    await put(store, draft(2, amount=2, route="mobile"))
    await put(store, draft(3, amount=4, channel="bank"))
    await put(store, draft(4, amount=8, currency="USD"))
    await put(store, draft(5, amount=16, told=Told.NOTHING))
    await put(store, draft(6, amount=32))

    assert store.tally.snapshot() == {
        PROVISIONAL: (2, 33),
        PROVISIONAL._replace(route="mobile"): (1, 2),
        PROVISIONAL._replace(channel="bank"): (1, 4),
        PROVISIONAL._replace(currency="USD"): (1, 8),
        PROVISIONAL._replace(told=Told.NOTHING): (1, 16),
    }


async def test_what_the_channel_was_told_moves_the_sum(store: Store) -> None:
    """A payment told provisional is exposure from then on, whatever its state."""
    entry = await put_as(store, draft(1, amount=7, told=Told.NOTHING), State.IN_DOUBT)
    assert store.tally.exposure("billing") == NOTHING

    await go(store, entry, way.POSTPONE, told=Told.PROVISIONAL)

    assert store.tally.exposure("billing") == Sum(1, 7)


async def test_a_known_key_counts_once(store: Store) -> None:
    """A repeat is no second payment."""
    await put(store, draft(1, key="twin", amount=7))
    await store.insert(draft(2, key="twin", amount=7), 1, b"")

    assert store.tally.snapshot() == {PROVISIONAL: (1, 7)}


async def test_a_move_that_was_not_made_counts_nothing(store: Store) -> None:
    """The loser of a race leaves the sums alone."""
    known = await put(store, draft(1, amount=7))
    rivals = [Move(entry=known, transition=each, at_us=NOW_US) for each in (way.HOLD, way.CLAIM, way.PARK)]
    await asyncio.gather(*(store.move([rival]) for rival in rivals))
    entry = await store.get(1)
    assert entry is not None

    assert store.tally.snapshot() == {PROVISIONAL._replace(state=entry.state): (1, 7)}


@pytest.mark.parametrize("state", sorted(WAITING), ids=name_of)
async def test_exposure_is_what_was_told_provisional_and_is_not_finished(store: Store, state: State) -> None:
    """By route, and by channel on it."""
    await put_as(store, draft(1, amount=7), state)
    await put(store, draft(2, amount=2, channel="bank"))
    await put(store, draft(3, amount=90, told=Told.NOTHING))

    assert store.tally.exposure("billing") == Sum(2, 9)
    assert store.tally.exposure("billing", "kiosk") == Sum(1, 7)
    assert store.tally.exposure("mobile") == NOTHING


@pytest.mark.parametrize("state", sorted(FINAL & set(WAYS)), ids=name_of)
async def test_what_is_finished_is_no_exposure(store: Store, state: State) -> None:
    """The money is booked, or owed by nobody."""
    await put_as(store, draft(1), state)

    assert store.tally.exposure("billing") == NOTHING
    assert store.tally.waiting("billing") == NOTHING


async def test_exposure_includes_what_is_on_its_way_to_disk(store: Store) -> None:
    """A hundred requests that arrive together can't all find the limit untouched."""
    inserts = [asyncio.ensure_future(store.insert(draft(number, amount=7), 1, b"")) for number in range(1, 11)]
    await asyncio.sleep(0)

    assert store.tally.exposure("billing") == Sum(10, 70)

    await asyncio.gather(*inserts)
    assert store.tally.exposure("billing") == Sum(10, 70)


async def test_a_netted_pair_is_counted_cancelled_twice(store: Store) -> None:
    """Payment and reversal each stay in the books."""
    await undo(store, reversal(2, await put(store, draft(1, amount=7))))

    cells = {(cell.kind, cell.state): total for cell, total in store.tally.cells()}
    assert cells == {(Kind.PAYMENT, State.CANCELLED): Sum(1, 7), (Kind.REVERSAL, State.CANCELLED): Sum(1, 7)}
    assert store.tally.exposure("billing") == NOTHING


async def test_a_reversal_that_was_not_stored_counts_nothing(store: Store) -> None:
    """Known or not reversible: the sums stay."""
    payment = await put_as(store, draft(1, amount=7), State.REFUSED)
    await store.reverse(reversal(2, payment), 1, b"")
    await store.reverse(reversal(3, payment, key="key-1"), 1, b"")

    assert store.tally.snapshot() == {PROVISIONAL._replace(state=State.REFUSED): (1, 7)}


async def fill(store: Store) -> None:
    """One payment in every state, a netted pair, and a reversal that waits."""
    for number, state in enumerate(REACHABLE, start=1):
        await put_as(store, draft(number, amount=2**number), state)
    await undo(store, reversal(100, await put(store, draft(99, amount=5))))
    await undo(store, reversal(102, await put_as(store, draft(101, amount=6), State.IN_DOUBT)))


async def test_the_recount_finds_what_the_tally_says(store: Store) -> None:
    """Accepted is posted, refused, cancelled and waiting, in count and in money."""
    await fill(store)

    steps = await recounted(store)

    assert steps[0] == steps[-1] == store.tally.snapshot()
    assert sum(entries for entries, _ in steps[-1].values()) == len(REACHABLE) + 4


async def test_a_recount_is_of_one_moment_whatever_happens_meanwhile(store: Store) -> None:
    """So that sums can be checked while the service runs."""
    await fill(store)
    before = store.tally.snapshot()
    recount = store.recount()
    first = dict(await anext(recount))

    await put(store, draft(500))
    held = await store.get(REACHABLE.index(State.HELD) + 1)
    assert held is not None
    await go(store, held, way.RELEASE, way.CLAIM, way.POST)
    rest = [dict(step) async for step in recount]

    assert first == rest[-1] == before
    assert store.tally.snapshot() != before


async def test_the_sums_are_there_after_reopening(make_store: MakeStore) -> None:
    """Only what was in flight has moved, to in doubt."""
    first = make_store()
    await first.open(NOW_US)
    await fill(first)
    before = first.tally.snapshot()
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    in_flight = before.pop(PROVISIONAL._replace(state=State.IN_FLIGHT))
    doubtful = PROVISIONAL._replace(state=State.IN_DOUBT)
    before[doubtful] = (before[doubtful][0] + in_flight[0], before[doubtful][1] + in_flight[1])
    assert second.tally.snapshot() == before
    assert (await recounted(second))[-1] == before

    await second.close()
