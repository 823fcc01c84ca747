"""What every engine of the spool promises of reversals: netting, waiting, and at most one that counts."""

import asyncio

import pytest

from spool import lifecycle as way
from spool.lifecycle import UNSENT, State, Told, Transition
from spool.rank import USUAL
from spool.store import Inserted, Known, Move, NotReversible, Store
from tests.contracts.spool_examples import (
    NOW_US,
    MakeStore,
    draft,
    go,
    name_of,
    put,
    put_as,
    ready_numbers,
    reversal,
    undo,
)

UNDECIDED = [State.IN_FLIGHT, State.IN_DOUBT, State.PARKED, State.QUARANTINED]
OVER = [State.REFUSED, State.RETURNED, State.CANCELLED]


@pytest.mark.parametrize("state", sorted(UNSENT), ids=name_of)
async def test_a_reversal_and_its_unsent_payment_cancel_out(store: Store, state: State) -> None:
    """Nothing of it is at the core, so nothing needs to be sent at all."""
    payment = await put_as(store, draft(1), state)

    result = await store.reverse(reversal(2, payment), 1, b"")

    assert isinstance(result, Inserted)
    assert result.netted == payment
    cancelled, undone = await store.get(1), await store.get(2)
    assert cancelled is not None
    assert undone == result.entry
    assert (cancelled.state, undone.state) == (State.CANCELLED, State.CANCELLED)
    assert await ready_numbers(store) == []


async def test_netting_stands_in_both_histories(store: Store) -> None:
    """The proof that nothing was sent. The reason is what channels are told of the payment."""
    payment = await put(store, draft(1))

    await undo(store, reversal(2, payment))

    assert [(e.name, e.target, e.reason) for e in await store.history(1)] == [
        ("record", State.READY, ""),
        ("cancel", State.CANCELLED, "reversed"),
    ]
    assert [(e.name, e.target) for e in await store.history(2)] == [("record", State.CANCELLED)]


async def test_a_netted_pair_leaves_its_lane_clear(store: Store) -> None:
    """Both are finished."""
    await undo(store, reversal(2, await put(store, draft(1, lane=77))))

    assert store.nodes.shared or store.lane_is_clear("billing", 77)
    await put(store, draft(3, lane=77, state=State.IN_FLIGHT))


async def test_a_payment_set_behind_is_netted_too(store: Store) -> None:
    """Behind is ready."""
    payment = await put(store, draft(1, lane=77))
    await store.set_behind([payment])

    reversed_ = await undo(store, reversal(2, payment))

    assert reversed_.state is State.CANCELLED
    assert await store.followers("billing", 77, 10) == []


@pytest.mark.parametrize("state", UNDECIDED, ids=name_of)
async def test_a_reversal_waits_behind_an_undecided_payment(store: Store, state: State) -> None:
    """Only the payment's outcome says whether there is anything to reverse."""
    payment = await put_as(store, draft(1), state)

    waiting = await undo(store, reversal(2, payment))

    assert (waiting.state, waiting.attempts) == (State.READY, 0)
    assert await store.get(1) == payment
    (found,) = await store.ready("billing", USUAL, 0, 10)
    assert (found.entry, found.blocked) == (waiting, True)


async def test_a_reversal_behind_an_undecided_payment_is_not_in_flight(store: Store) -> None:
    """Even if its caller hoped to send it through at once."""
    payment = await put_as(store, draft(1), State.IN_DOUBT)

    waiting = await undo(store, reversal(2, payment, state=State.IN_FLIGHT))

    assert (waiting.state, waiting.attempts) == (State.READY, 0)


@pytest.mark.parametrize(("state", "attempts"), [(State.READY, 0), (State.IN_FLIGHT, 1)])
async def test_a_reversal_of_a_posted_payment_is_stored_as_drafted(store: Store, state: State, attempts: int) -> None:
    """Spooled, or sent through with its first attempt."""
    payment = await put_as(store, draft(1), State.POSTED)

    stored = await undo(store, reversal(2, payment, state=state))

    assert (stored.state, stored.attempts, stored.reverses) == (state, attempts, 1)
    assert await store.get(1) == payment


@pytest.mark.parametrize("state", OVER, ids=name_of)
async def test_a_payment_that_is_over_is_not_reversible(store: Store, state: State) -> None:
    """There is nothing to give back, and nothing changes."""
    payment = await put_as(store, draft(1), state)

    assert await store.reverse(reversal(2, payment), 1, b"") == NotReversible(entry=payment)

    assert await store.get(2) is None
    assert await store.find("kiosk", "key-2") is None


@pytest.mark.parametrize("state", [*sorted(UNSENT), *UNDECIDED, State.POSTED], ids=name_of)
async def test_a_payment_is_reversed_once(store: Store, state: State) -> None:
    """A second reversal with a key of its own finds the first in its way."""
    payment = await put_as(store, draft(1), state)
    first = await undo(store, reversal(2, payment))

    second = await store.reverse(reversal(3, payment), 1, b"")

    now = await store.get(1)
    assert now is not None
    assert second == NotReversible(entry=now, reversal=first)
    assert await store.get(3) is None


async def test_a_repeated_reversal_gets_the_first(store: Store) -> None:
    """The same key gets the same answer; that it can't be reversed any more is not the question."""
    payment = await put(store, draft(1))
    first = await undo(store, reversal(2, payment, key="undo"))

    assert await store.reverse(reversal(3, payment, key="undo"), 1, b"") == Known(entry=first)


async def test_a_reversal_cannot_take_a_payments_key(store: Store) -> None:
    """Keys are one list per channel; nothing is cancelled by the clash."""
    payment = await put(store, draft(1, key="twin"))

    assert await store.reverse(reversal(2, payment, key="twin"), 1, b"") == Known(entry=payment)

    assert await store.get(1) == payment


async def test_a_payment_cannot_take_a_reversals_key(store: Store) -> None:
    """The other way round."""
    first = await undo(store, reversal(2, await put(store, draft(1)), key="twin"))

    assert await store.insert(draft(3, key="twin"), 1, b"") == Known(entry=first)


@pytest.mark.parametrize(
    "end",
    [(way.CLAIM, way.REFUSE), (way.CANCEL,), (way.CLAIM, way.GIVE_BACK)],
    ids=["refused", "cancelled", "given back"],
)
async def test_a_reversal_that_came_to_nothing_makes_room_for_another(
    store: Store, end: tuple[Transition, ...]
) -> None:
    """The payment still stands, so it can still be reversed."""
    payment = await put_as(store, draft(1), State.POSTED)
    await go(store, await undo(store, reversal(2, payment)), *end)

    second = await undo(store, reversal(3, payment))

    assert await store.reversal_of(1) == second


async def test_of_many_reversals_at_once_one_is_stored(store: Store) -> None:
    """Each with a key of its own, all for one payment."""
    payment = await put_as(store, draft(1), State.POSTED)

    results = await asyncio.gather(*(store.reverse(reversal(n, payment), 1, b"") for n in range(2, 22)))

    (inserted,) = [result for result in results if isinstance(result, Inserted)]
    rivals = [result for result in results if isinstance(result, NotReversible)]
    assert len(rivals) == 19
    assert {rival.reversal for rival in rivals} == {inserted.entry}


async def test_exactly_one_of_sent_and_cancelled_wins(store: Store) -> None:
    """A claim and a reversal at the same moment: either the one nets, or the other waits for it."""
    payment = await put(store, draft(1))
    rivals = (
        store.move([Move(entry=payment, transition=way.CLAIM, at_us=NOW_US)]),
        store.reverse(reversal(2, payment), 1, b""),
    )

    made, undone = await asyncio.gather(*rivals)

    assert isinstance(undone, Inserted)
    assert (made, undone.entry.state) in [([True], State.READY), ([False], State.CANCELLED)]


async def test_the_reversal_of_a_payment_is_found(store: Store) -> None:
    """By the payment's number, as it is now."""
    payment = await put_as(store, draft(1), State.POSTED)
    first = await undo(store, reversal(2, payment))
    assert await store.reversal_of(1) == first

    claimed = await go(store, first, way.CLAIM)

    assert await store.reversal_of(1) == claimed


async def test_the_reversal_that_netted_a_payment_is_found(store: Store) -> None:
    """It wasn't refused: it is how the payment ended."""
    first = await undo(store, reversal(2, await put(store, draft(1))))

    assert await store.reversal_of(1) == first


async def test_a_refused_reversal_is_none(store: Store) -> None:
    """The payment stands."""
    payment = await put_as(store, draft(1), State.POSTED)
    await go(store, await undo(store, reversal(2, payment)), way.CLAIM, way.REFUSE)

    assert await store.reversal_of(1) is None


async def test_a_payment_nobody_reversed_has_no_reversal(store: Store) -> None:
    """Nor has a number nobody knows."""
    await put(store, draft(1, told=Told.POSTED))

    assert await store.reversal_of(1) is None
    assert await store.reversal_of(9) is None


async def test_a_reversal_is_in_the_way_after_reopening(make_store: MakeStore) -> None:
    """That there is one is on disk, not in memory."""
    first = make_store()
    await first.open(NOW_US)
    payment = await put_as(first, draft(1), State.POSTED)
    stored = await undo(first, reversal(2, payment))
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert await second.reverse(reversal(3, payment), 1, b"") == NotReversible(entry=payment, reversal=stored)

    await second.close()
