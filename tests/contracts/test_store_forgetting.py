"""What every engine forgets when it is told to, what it never does, and that the books and the evidence know."""

import pytest
from msgspec.structs import replace

from spool.entry import Entry
from spool.errors import SpoolClosed
from spool.evidence.auditing import Pace, audit
from spool.forgetting import Forgotten, Past
from spool.lifecycle import CLAIM, CLOSE_RETURNED, GIVE_BACK, POST, REFUSE, State, Told
from spool.number import id_of
from spool.store import Filter, Inserted, Move, Store
from spool.verify import verify
from tests.contracts.spool_examples import (
    LATER_US,
    NOW_US,
    REACHABLE_FINAL,
    MakeStore,
    draft,
    go,
    name_of,
    put,
    put_as,
    reversal,
    undo,
)

ALL = 1_000
"""Above all numbers here."""


async def numbers_of(store: Store) -> list[int]:
    """What is there."""
    return [entry.number for entry in await store.page(Filter(), 100)]


async def forget(store: Store, after: int = 0, before: int = ALL, limit: int = 100) -> Forgotten:
    """A look for what is over."""
    return await store.forget(Past(before, LATER_US), after, limit, LATER_US)


async def posted(store: Store, number: int) -> Entry:
    """An entry that is over."""
    return await put_as(store, draft(number), State.POSTED)


@pytest.mark.parametrize("state", sorted(set(REACHABLE_FINAL) - {State.REFUSED}), ids=name_of)
async def test_what_is_over_goes_with_its_key_and_its_history(store: Store, state: State) -> None:
    """Nothing of it is found any more, and its key is nobody's."""
    entry = await put_as(store, draft(1), state)

    assert await forget(store) == Forgotten(1, 1)

    assert await store.get(1) is None
    assert await store.find(entry.channel, entry.key) is None
    assert await store.history(1) == []
    assert await store.find_core_id("c-1", 10) == []
    assert list(store.tally.cells()) == []
    assert await store.key_uses() == {}
    again = await store.insert(draft(2, key=entry.key), 1, b"sealed")
    assert isinstance(again, Inserted)
    assert (await verify(store)).ok


async def test_what_is_not_over_stays_however_old_it_is(store: Store) -> None:
    """Age deletes nothing that anybody waits for."""
    for number, state in enumerate(sorted(set(State) - set(REACHABLE_FINAL)), start=1):
        await put_as(store, draft(number), state)
    before = await numbers_of(store)

    assert await forget(store) == Forgotten(0, before[-1])

    assert await numbers_of(store) == before
    assert (await verify(store)).events == len([each for n in before for each in await store.history(n)])


async def test_what_is_owed_back_stays_until_it_is_returned(store: Store) -> None:
    """Refused after a positive answer: somebody waits for the money. Refused after none, nobody does."""
    owed = await put_as(store, draft(1), State.REFUSED)
    await put_as(store, draft(2, told=Told.NOTHING), State.REFUSED)

    assert await forget(store) == Forgotten(1, 2)
    assert await numbers_of(store) == [1]

    await go(store, owed, CLOSE_RETURNED)
    assert await forget(store) == Forgotten(1, 1)
    assert await numbers_of(store) == []


async def test_a_payment_stays_while_its_reversal_is_on_its_way(store: Store) -> None:
    """Whoever sends the reversal looks at the payment."""
    undone = await undo(store, reversal(2, await posted(store, 1), state=State.READY))

    assert await forget(store) == Forgotten(0, 2)

    await go(store, undone, CLAIM, POST)
    assert await forget(store) == Forgotten(1, 2)
    assert await numbers_of(store) == [2]
    assert await forget(store) == Forgotten(1, 2)
    assert (await verify(store)).ok


async def test_a_payment_stays_while_its_reversal_may_be_sent_again(store: Store) -> None:
    """One that was refused, and is owed or of late, may be reopened by persons; then the payment has to be there."""
    undone = await undo(store, reversal(2, await posted(store, 1), state=State.READY, told=Told.PROVISIONAL))
    refused = await go(store, undone, CLAIM, REFUSE)
    late = Past(ALL, refused.changed_at_us)

    assert await forget(store) == Forgotten(0, 2)
    await go(store, refused, CLOSE_RETURNED)
    assert await store.forget(late, 0, 100, LATER_US) == Forgotten(0, 2)

    assert await forget(store) == Forgotten(1, 2)
    assert await forget(store) == Forgotten(1, 2)
    assert (await verify(store)).ok


async def test_a_reversal_does_not_go_before_its_payment(store: Store) -> None:
    """Or the payment might be undone a second time."""
    await undo(store, reversal(2, await posted(store, 1), state=State.READY))
    await go(store, await put(store, draft(3)), CLAIM, POST)
    undone = await store.get(2)
    assert undone is not None
    await go(store, undone, CLAIM, POST)

    assert await forget(store, after=1) == Forgotten(1, 3)

    assert await numbers_of(store) == [1, 2]


async def test_a_look_goes_no_further_than_it_is_told(store: Store) -> None:
    """Neither in numbers nor in how many it looks at, so no payment waits long for it."""
    for number in range(1, 7):
        await posted(store, number)
    await put(store, draft(7))

    assert await forget(store, after=1, before=6, limit=2) == Forgotten(2, 3)
    assert await numbers_of(store) == [1, 4, 5, 6, 7]
    assert await forget(store, after=3, before=6) == Forgotten(2, 5)
    assert await forget(store, after=5, before=6) == Forgotten(0, 0)
    assert await numbers_of(store) == [1, 6, 7]


async def test_what_ended_lately_stays_though_it_was_taken_long_ago(store: Store) -> None:
    """After a long outage: its channel may ask about it still."""
    await posted(store, 1)
    late = await go(store, await put(store, draft(2)), CLAIM, POST)

    assert await store.forget(Past(ALL, late.changed_at_us), 0, 100, LATER_US) == Forgotten(1, 2)

    assert await numbers_of(store) == [2]


async def test_what_remains_is_right_in_books_and_evidence(store: Store) -> None:
    """Sums, uses of keys and each place in the log; also of those that come after it."""
    for number in range(1, 6):
        await posted(store, number)
    waiting = await put(store, draft(6))
    before = await verify(store)

    await forget(store, limit=2)
    await forget(store, after=2, limit=2)
    await go(store, waiting, CLAIM, POST)

    found = await verify(store)
    assert before.ok
    assert (found.ok, found.counted) == (True, 2)
    # Each of the two commits that forgot told the log so.
    assert found.events == before.events + 2 + 2
    uses = await store.key_uses()
    assert [(use.entries, use.waiting) for use in uses.values()] == [(2, 0)]


async def test_what_went_is_told_with_its_sums(store: Store) -> None:
    """What is left to read of them: how many, which numbers, how much."""
    await posted(store, 3)
    await put_as(store, draft(5), State.CANCELLED)

    await forget(store)

    ((name, value),) = await store.recall_some("gone/", "", 10)
    assert name == "gone/0000000000000000005"
    assert b'"first":3,"last":5,"entries":2' in value
    assert b'{"kind":"payment","currency":"TJS","state":"posted","entries":1,"amount":10000}' in value
    assert b'{"kind":"payment","currency":"TJS","state":"cancelled","entries":1,"amount":10000}' in value


async def test_it_is_forgotten_for_good(make_store: MakeStore) -> None:
    """A restart finds nothing of it, and the key is free still."""
    store = make_store()
    await store.open(NOW_US)
    await posted(store, 1)
    await posted(store, 2)
    await forget(store, before=2)
    await store.close()
    again = make_store()
    await again.open(LATER_US)

    assert await numbers_of(again) == [2]
    assert isinstance(await again.insert(draft(3, key="key-1"), 1, b"sealed"), Inserted)
    assert (await verify(again)).ok
    await again.close()


async def test_whoever_comes_late_finds_that_it_is_gone(store: Store) -> None:
    """A move, a content sealed anew, a reversal: of what is no more nothing is stored."""
    taken = await put(store, draft(1))
    entry = await go(store, taken, CLAIM, POST)
    await forget(store)

    assert await store.move([Move(entry=taken, transition=CLAIM, at_us=LATER_US)]) == [False]
    assert await store.reseal([(entry, b"anew")], 9) == [False]
    with pytest.raises(SpoolClosed, match="forgotten"):
        await store.reverse(reversal(2, entry), 1, b"sealed")

    assert await numbers_of(store) == []
    assert (await verify(store)).ok


async def test_a_key_that_was_given_back_is_left_to_its_owner(store: Store) -> None:
    """Who was given back is forgotten without the key that another entry owns now."""
    given = await put(store, draft(1, state=State.IN_FLIGHT, told=Told.NOTHING))
    await go(store, given, GIVE_BACK, actor="ann", note="by hand", core_id="c-1")
    owner = await put(store, draft(2, key=given.key))

    assert await forget(store) == Forgotten(1, 2)

    assert await store.find(owner.channel, owner.key) == owner
    assert (await verify(store)).ok


async def test_an_entry_of_the_same_content_may_come_again(store: Store) -> None:
    """Nothing of the old one stands in its way, in its lane neither."""
    old = await posted(store, 1)
    await forget(store)
    new = replace(draft(2, key=old.key, lane=old.lane), id=id_of(2, 0))

    entry = await put(store, new)

    assert (await go(store, entry, CLAIM, POST)).state is State.POSTED
    assert [event.name for event in await store.history(2)] == ["record", "claim", "post"]
    assert await forget(store) == Forgotten(1, 2)
    assert (await verify(store)).ok


async def test_what_is_forgotten_while_an_audit_looks_is_no_fault(store: Store) -> None:
    """It goes on for hours where there are millions: what went meanwhile is named by the end, and what came is not missed."""
    for number in range(1, 9):
        await posted(store, number)

    async def meanwhile() -> None:
        await forget(store, limit=2)

    found = await audit(store, pace=Pace(entries=1, goes=2, rest=meanwhile))

    assert found.counts == {}
    assert len(await numbers_of(store)) < 6
