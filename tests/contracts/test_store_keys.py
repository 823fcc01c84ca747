"""What every engine promises of data keys: which entries need one, and sealing anew by compare-and-set."""

from msgspec.structs import replace

from spool.lifecycle import CLAIM, DOUBT, HOLD, POST, State
from spool.store import KeyUse, Store
from tests.contracts.spool_examples import LATER_US, NOW_US, MakeStore, draft, go, put

MOST = 2**63 - 1


async def lanes_of(store: Store) -> set[int]:
    """The lanes of everything unfinished."""
    return {lane async for lanes in store.lanes() for lane in lanes}


async def test_nothing_needs_a_key_in_an_empty_spool(store: Store) -> None:
    """No key, no entry."""
    assert await store.key_uses(0, MOST) == {}
    assert await lanes_of(store) == set()


async def test_each_key_is_needed_by_its_entries(store: Store) -> None:
    """Counted with those that wait, and the time of the last change."""
    for number, key_id in ((1, 1), (2, 1), (3, 2)):
        await store.insert(draft(number), key_id, b"sealed")
    first = await store.get(1)
    assert first is not None
    await go(store, first, CLAIM, POST)

    uses = await store.key_uses(0, MOST)

    posted, third = await store.get(1), await store.get(3)
    assert posted is not None
    assert third is not None
    assert uses == {
        1: KeyUse(entries=2, waiting=1, changed_at_us=posted.changed_at_us),
        2: KeyUse(entries=1, waiting=1, changed_at_us=third.changed_at_us),
    }


async def test_uses_are_counted_between_two_numbers(store: Store) -> None:
    """Both included: a day's key is looked for among the day's numbers."""
    for number in (1, 2, 3, 4):
        await store.insert(draft(number), 1, b"sealed")

    assert (await store.key_uses(2, 3))[1].entries == 2


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
