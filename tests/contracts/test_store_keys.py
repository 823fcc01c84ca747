"""What every engine promises of data keys: what needs one, and sealing anew by compare-and-set."""

from msgspec.structs import replace

from spool.account import AccountNote
from spool.lifecycle import CLAIM, CLOSE_RETURNED, DOUBT, HOLD, POST, REFUSE, State
from spool.store import Store
from spool.uses import KeyUse
from spool.verify import verify
from tests.contracts.spool_examples import LATER_US, NOW_US, MakeStore, draft, go, put, reversal, undo


async def lanes_of(store: Store) -> set[int]:
    """The lanes of everything unfinished."""
    return {lane async for lanes in store.lanes() for lane in lanes}


async def test_nothing_needs_a_key_in_an_empty_spool(store: Store) -> None:
    """No key, no entry."""
    assert await store.key_uses() == {}
    assert await lanes_of(store) == set()


async def test_each_key_is_needed_by_its_entries(store: Store) -> None:
    """Counted with those that wait, and the time of the last change."""
    for number, key_id in ((1, 1), (2, 1), (3, 2)):
        await store.insert(draft(number), key_id, b"sealed")
    first = await store.get(1)
    assert first is not None
    await go(store, first, CLAIM, POST)

    uses = await store.key_uses()

    posted, third = await store.get(1), await store.get(3)
    assert posted is not None
    assert third is not None
    assert uses == {
        1: KeyUse(entries=2, waiting=1, changed_at_us=posted.changed_at_us),
        2: KeyUse(entries=1, waiting=1, changed_at_us=third.changed_at_us),
    }


async def test_what_is_over_waits_no_more_in_whichever_way_it_ended(store: Store) -> None:
    """Refused and returned is one end, not two; a payment and its reversal that cancel out are two."""
    refused = await put(store, draft(1, amount=5))
    await go(store, refused, CLAIM, REFUSE, CLOSE_RETURNED)
    await undo(store, reversal(3, await put(store, draft(2, amount=5))))
    known = await put(store, draft(4))
    assert await store.insert(draft(5, key=known.key), 2, b"sealed") is not None

    uses = await store.key_uses()

    assert {key_id: (use.entries, use.waiting) for key_id, use in uses.items()} == {known.key_id: (4, 1)}


async def test_what_is_told_of_an_account_needs_its_key(store: Store) -> None:
    """The newest of each account; what was told without words needs none."""
    await store.note_accounts(
        [
            AccountNote(lane=1, known=True, seen_at_us=1, key_id=3, sealed=b"sealed"),
            AccountNote(lane=2, known=True, seen_at_us=1, key_id=3, sealed=b"sealed"),
            AccountNote(lane=4, known=True, seen_at_us=1),
        ]
    )
    await store.note_accounts([AccountNote(lane=1, known=True, seen_at_us=2, key_id=4, sealed=b"anew")])

    uses = await store.key_uses()

    assert {key_id: (use.entries, use.notes) for key_id, use in uses.items()} == {3: (0, 1), 4: (0, 1)}


async def test_what_is_told_of_accounts_is_found_by_its_key_and_sealed_anew(store: Store) -> None:
    """Unless something newer was told meanwhile."""
    first, second = (AccountNote(lane=lane, known=True, seen_at_us=1, key_id=3, sealed=b"sealed") for lane in (1, 2))
    await store.note_accounts([first, second, AccountNote(lane=4, known=True, seen_at_us=1)])
    assert await store.notes_under(3, 10) == [first, second]
    assert await store.notes_under(3, 1) == [first]
    await store.note_accounts([AccountNote(lane=2, known=True, seen_at_us=2, key_id=4, sealed=b"newer")])

    assert await store.reseal([(first, b"anew"), (second, b"anew")], 9) == [True, False]

    assert await store.notes_under(9, 10) == [replace(first, key_id=9, sealed=b"anew")]
    assert await store.notes_under(3, 10) == []


async def test_uses_are_the_same_after_a_restart(make_store: MakeStore) -> None:
    """They are on disk with what they count."""
    store = make_store()
    await store.open(NOW_US)
    entry = await put(store, draft(1))
    await put(store, draft(2))
    await go(store, entry, CLAIM, POST)
    before = await store.key_uses()
    await store.close()
    again = make_store()
    await again.open(LATER_US)

    assert await again.key_uses() == before
    assert [(use.entries, use.waiting) for use in before.values()] == [(2, 1)]
    await again.close()


async def test_an_entry_that_is_sealed_anew_needs_its_new_key(store: Store) -> None:
    """Also when whoever moves it then knew it from before: a key must not seem to be needed, or not to be, for that."""
    entry, other = await put(store, draft(1)), await put(store, draft(2))
    await store.reseal([(entry, b"anew")], 9)
    between = await store.key_uses()
    await go(store, entry, CLAIM, POST)

    after = await store.key_uses()

    assert {k: (use.entries, use.waiting) for k, use in between.items()} == {other.key_id: (1, 1), 9: (1, 1)}
    assert {k: (use.entries, use.waiting) for k, use in after.items()} == {other.key_id: (1, 1), 9: (1, 0)}
    assert (await verify(store)).ok


async def test_the_lanes_of_all_that_waits_are_told(store: Store) -> None:
    """In whichever way it waits; what is over holds no lane."""
    for number in range(1, 6):
        await put(store, draft(number, lane=100 + number))
    for number, ways in ((2, (HOLD,)), (3, (CLAIM, POST)), (4, (CLAIM, DOUBT)), (5, (CLAIM,))):
        entry = await store.get(number)
        assert entry is not None
        await go(store, entry, *ways)

    assert await lanes_of(store) == {101, 102, 104, 105}


async def test_a_content_sealed_anew_takes_the_old_ones_place(make_store: MakeStore) -> None:
    """Nothing else of the entry changes, and a restart finds it so."""
    store = make_store()
    await store.open(NOW_US)
    entry = await put(store, draft(1))

    assert await store.reseal([(entry, b"anew")], 9) == [True]

    assert await store.get(1) == replace(entry, key_id=9, sealed=b"anew")
    await store.close()
    again = make_store()
    await again.open(LATER_US)
    assert await again.get(1) == replace(entry, key_id=9, sealed=b"anew")
    await again.close()


async def test_a_content_that_was_sealed_anew_meanwhile_stays(store: Store) -> None:
    """Of two at once one wins, and what is there opens."""
    entry, other = await put(store, draft(1)), await put(store, draft(2))
    await store.reseal([(entry, b"first")], 9)

    assert await store.reseal([(entry, b"second"), (other, b"other")], 8) == [False, True]

    kept = await store.get(1)
    assert kept is not None
    assert (kept.key_id, kept.sealed) == (9, b"first")


async def test_sealing_anew_and_moving_do_not_stand_in_each_others_way(store: Store) -> None:
    """The forwarder has entries in hand for minutes."""
    entry = await put(store, draft(1))
    await store.reseal([(entry, b"anew")], 9)

    posted = await go(store, entry, CLAIM, POST)
    assert await store.reseal([(entry, b"late")], 9) == [False]

    assert posted.state is State.POSTED
    kept = await store.get(1)
    assert kept is not None
    assert (kept.state, kept.key_id, kept.sealed) == (State.POSTED, 9, b"anew")
