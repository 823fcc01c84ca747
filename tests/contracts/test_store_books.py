"""What every engine of the spool promises of its books: history, pages, small values, opening and closing."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from spool import lifecycle as way
from spool.errors import SpoolClosed
from spool.lifecycle import Kind, State, Told
from spool.rank import USUAL
from spool.store import Filter, Inserted, Move, Store
from tests.contracts.spool_examples import (
    NOW_US,
    MakeStore,
    draft,
    due_numbers,
    go,
    put,
    put_as,
    reversal,
    spending,
    undo,
)

# History


async def test_history_begins_with_the_recording(store: Store) -> None:
    """From nothing to the state it was recorded in."""
    entry = await put(store, draft(1))

    (event,) = await store.history(1)

    assert (event.number, event.name, event.source, event.target) == (1, "record", None, State.READY)
    assert (event.at_us, event.attempt, event.actor) == (entry.accepted_at_us, 0, "")


async def test_history_tells_every_move_in_order(store: Store) -> None:
    """Oldest first, each from where the one before ended."""
    await put_as(store, draft(2), State.POSTED)
    entry = await put(store, draft(1))
    await go(store, entry, way.CLAIM, way.NOT_SENT, way.CLAIM, way.DOUBT, way.POST)

    events = await store.history(1)

    assert [event.name for event in events] == ["record", "claim", "not_sent", "claim", "doubt", "post"]
    assert [event.source for event in events[1:]] == [event.target for event in events[:-1]]
    assert [event.attempt for event in events] == [0, 1, 1, 2, 2, 2]


async def test_history_tells_who_did_it_and_why(store: Store) -> None:
    """Whatever a person does to a payment is recorded."""
    entry = await put(store, draft(1))
    await go(store, entry, way.HOLD, at_us=NOW_US + 77, reason="fraud", actor="amina", note="asked by the bank")

    event = (await store.history(1))[-1]

    assert (event.at_us, event.name, event.reason) == (NOW_US + 77, "hold", "fraud")
    assert (event.actor, event.note) == ("amina", "asked by the bank")


# Pages


async def fill(store: Store) -> None:
    """Nine payments of two routes and channels, three of them posted, and the reversal of the first posted one."""
    for number in range(1, 10):
        new = draft(number, route=f"route-{number % 2}", channel=f"channel-{number % 3}", lane=number % 4)
        await put_as(store, new, State.POSTED if number % 3 == 0 else State.READY)
    payment = await store.get(3)
    assert payment is not None
    await undo(store, reversal(10, payment, route=payment.route, channel=payment.channel))


@pytest.mark.parametrize(
    ("wanted", "numbers"),
    [
        (Filter(), [1, 2, 3, 4, 5, 6, 7, 8, 9, 10]),
        (Filter(newest_first=True), [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (Filter(after=4), [5, 6, 7, 8, 9, 10]),
        (Filter(before=4, newest_first=True), [3, 2, 1]),
        (Filter(after=2, before=6), [3, 4, 5]),
        (Filter(after=2, before=6, newest_first=True), [5, 4, 3]),
        (Filter(states=frozenset({State.POSTED})), [3, 6, 9]),
        (Filter(states=frozenset({State.POSTED, State.READY}), after=7), [8, 9, 10]),
        (Filter(states=frozenset({State.HELD})), []),
        (Filter(route="route-0"), [2, 4, 6, 8]),
        (Filter(channel="channel-1"), [1, 4, 7]),
        (Filter(kind=Kind.REVERSAL), [10]),
        (Filter(kind=Kind.PAYMENT, after=8), [9]),
        (Filter(key="key-5"), [5]),
        (Filter(lane=0), [4, 8]),
        (Filter(accepted_from_us=NOW_US + 9), [9, 10]),
        (Filter(accepted_before_us=NOW_US + 3), [1, 2]),
        (Filter(route="route-1", channel="channel-0", states=frozenset({State.POSTED}), newest_first=True), [9, 3]),
    ],
)
async def test_a_page_holds_what_passes_every_part_of_the_filter(
    store: Store, wanted: Filter, numbers: list[int]
) -> None:
    """Every field given narrows."""
    await fill(store)

    assert [entry.number for entry in await store.page(wanted, 100)] == numbers


async def test_pages_follow_each_other_without_gap_or_overlap(store: Store) -> None:
    """The next page begins after the last number of the one before."""
    await fill(store)

    first = await store.page(Filter(), 4)
    second = await store.page(Filter(after=first[-1].number), 4)
    newest = await store.page(Filter(newest_first=True), 4)
    older = await store.page(Filter(newest_first=True, before=newest[-1].number), 4)

    assert [entry.number for entry in first + second] == [1, 2, 3, 4, 5, 6, 7, 8]
    assert [entry.number for entry in newest + older] == [10, 9, 8, 7, 6, 5, 4, 3]


# Small values, opening and closing


async def test_a_value_is_recalled_as_it_was_last_remembered(store: Store) -> None:
    """One name, one value."""
    await store.remember("key-1", b"old")
    await store.remember("key-1", b"\x00new")

    assert await store.recall("key-1") == b"\x00new"
    assert await store.recall("key-2") is None


async def test_what_was_recorded_is_there_after_reopening(make_store: MakeStore) -> None:
    """Entries, history and values survive, each as it was."""
    first = make_store()
    await first.open(NOW_US)
    posted = await put_as(first, draft(1), State.POSTED)
    held = await put_as(first, draft(2), State.HELD)
    history = await first.history(1)
    await first.remember("name", b"value")
    await first.close()
    second = make_store()
    await second.open(NOW_US)

    assert await second.page(Filter(), 10) == [posted, held]
    assert await second.history(1) == history
    assert await second.recall("name") == b"value"

    await second.close()


async def test_attempts_of_a_former_run_become_in_doubt(make_store: MakeStore) -> None:
    """They may have left before the process died, so only their core can tell; and it is asked without delay."""
    first = make_store()
    await first.open(NOW_US)
    claimed = await put_as(first, draft(1), State.IN_FLIGHT)
    await put(first, draft(2, state=State.IN_FLIGHT, told=Told.NOTHING))
    await first.close()
    second = make_store()
    await second.open(NOW_US + 1_000)

    doubtful = await second.get(1)

    assert doubtful is not None
    assert (doubtful.state, doubtful.epoch, doubtful.attempts) == (State.IN_DOUBT, claimed.epoch, claimed.attempts)
    assert await due_numbers(second, NOW_US + 1_000) == [1, 2]
    event = (await second.history(2))[-1]
    assert (event.name, event.source, event.at_us) == ("doubt", State.IN_FLIGHT, NOW_US + 1_000)
    await second.close()


async def test_what_was_submitted_before_closing_is_stored(make_store: MakeStore) -> None:
    """Closing commits first, be it more than one commit takes: a stop loses nothing that was in hand."""
    first = make_store()
    await first.open(NOW_US)
    inserts = [asyncio.ensure_future(first.insert(draft(number), 1, b"")) for number in range(1, 601)]
    await asyncio.sleep(0)
    await first.close()
    assert [type(result) for result in await asyncio.gather(*inserts)] == [Inserted] * 600
    second = make_store()
    await second.open(NOW_US)

    assert len(await second.page(Filter(), 1_000)) == 600

    await second.close()


async def test_a_healthy_store_says_so(store: Store) -> None:
    """And names its engine for whoever looks."""
    health = await store.health()

    assert health.engine
    assert (health.accepting, health.trouble) == (True, "")


async def first_of(steps: AsyncIterator[Any]) -> Any:
    """The first step."""
    return await anext(steps)


ENTRY_CALLS: dict[str, Callable[[Store, Any], Awaitable[Any]]] = {
    "insert": lambda store, _: store.insert(draft(2), 1, b""),
    "reverse": lambda store, entry: store.reverse(reversal(2, entry), 1, b""),
    "move": lambda store, entry: store.move([Move(entry=entry, transition=way.CLAIM, at_us=NOW_US)]),
    "set_behind": lambda store, entry: store.set_behind([entry]),
    "get": lambda store, _: store.get(1),
    "find": lambda store, _: store.find("kiosk", "key-1"),
    "reversal_of": lambda store, _: store.reversal_of(1),
    "reversals_of": lambda store, _: store.reversals_of(1),
    "ready": lambda store, _: store.ready("billing", USUAL, 0, 10),
    "followers": lambda store, entry: store.followers("billing", entry.lane, 10),
    "due": lambda store, _: store.due("billing", NOW_US, 10),
    "next_due_us": lambda store, _: store.next_due_us("billing"),
    "page": lambda store, _: store.page(Filter(), 10),
    "horizon": lambda store, _: store.horizon(Filter(), 10),
    "find_core_id": lambda store, _: store.find_core_id("42", 10),
    "shape": lambda store, _: store.shape("billing", []),
    "deeds": lambda store, _: store.deeds(0, 10),
    "history": lambda store, _: store.history(1),
    "oldest_waiting_us": lambda store, _: store.oldest_waiting_us("billing"),
    "recount": lambda store, _: first_of(store.recount()),
    "highest_number": lambda store, _: store.highest_number(),
    "remember": lambda store, _: store.remember("name", b""),
    "recall": lambda store, _: store.recall("name"),
    "exchange": lambda store, _: store.exchange("name", None, b""),
    "recall_some": lambda store, _: store.recall_some("", "", 10),
    "spend": lambda store, _: store.spend(spending()),
    "refund": lambda store, _: store.refund(spending()),
    "note_accounts": lambda store, _: store.note_accounts([]),
    "account": lambda store, _: store.account(1),
    "accounts_counted": lambda store, _: store.accounts_counted(),
    "denies": lambda store, _: store.denies(),
    "returns_due": lambda store, _: store.returns_due("billing", 10),
}


@pytest.mark.parametrize("call", ENTRY_CALLS)
async def test_a_closed_store_says_that_it_is_closed(store: Store, call: str) -> None:
    """Nothing is stored, surely, and nobody waits for ever."""
    entry = await put(store, draft(1))
    await store.close()

    with pytest.raises(SpoolClosed):
        await ENTRY_CALLS[call](store, entry)
