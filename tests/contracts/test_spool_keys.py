"""What a spool promises while its keys change, over every engine: what was sealed opens, and no account changes its lane."""

import asyncio

import pytest

from spool.entry import Entry
from spool.errors import KeysUnfit, RecordDamaged, RecordShredded, SpoolClosed
from spool.keys import KeyRing
from spool.lifecycle import CLAIM, POST
from spool.seal import Sealer
from spool.spool import Spool
from spool.store import Inserted, Store
from spool.verify import verify
from tests.contracts.spool_examples import NOW_US, MakeStore, draft, go

ONE, TWO, THREE, INDEX, NEW_INDEX, NEWEST_INDEX = (bytes([number]) * 32 for number in (1, 2, 3, 8, 9, 10))
FIRST = KeyRing([(1, ONE)], INDEX)
SECOND = KeyRing([(1, ONE), (2, TWO)], INDEX)
HASHED_ANEW = KeyRing([(1, ONE), (2, TWO)], NEW_INDEX, index_id=2, former_index_keys={1: INDEX}, index_ids={1: 1, 2: 2})
HASHED_ONCE_MORE = KeyRing(
    [(1, ONE), (2, TWO), (3, THREE)], NEWEST_INDEX, index_id=3, former_index_keys={1: INDEX, 2: NEW_INDEX},
    index_ids={1: 1, 2: 2, 3: 3},
)  # fmt: skip
SHREDDED = KeyRing([(2, TWO)], INDEX, destroyed={1: NOW_US})


@pytest.fixture
def spool(store: Store) -> Spool:
    """A spool under its first keys; its engine is closed by its own fixture."""
    return Spool(store, FIRST)


async def begun(spool: Spool) -> Spool:
    """The spool's keys proved, over the engine that is open."""
    await spool._prove(spool.keys)
    return spool


async def record(spool: Spool, number: int, account: str = "100") -> Entry:
    """A payment of an account."""
    new = draft(number, lane=spool.lane_of("billing", account), content=account.encode())
    result = await spool.record(new)
    assert isinstance(result, Inserted)
    return result.entry


async def test_a_new_data_key_seals_and_the_old_one_opens(spool: Spool) -> None:
    """From one payment to the next."""
    await begun(spool)
    old = await record(spool, 1)

    await spool.adopt(SECOND)

    new = await record(spool, 2, "200")
    assert (old.key_id, new.key_id, spool.sealed_count) == (1, 2, 1)
    assert [spool.content(old), spool.content(new)] == [b"100", b"200"]


async def test_a_key_is_remembered_before_it_seals(spool: Spool) -> None:
    """Else a start without it would not know what is missing."""
    await begun(spool)
    await spool.store.close()

    with pytest.raises(SpoolClosed):
        await spool.adopt(SECOND)

    assert spool.keys is FIRST


async def test_another_key_under_a_known_id_is_not_adopted(spool: Spool) -> None:
    """What is sealed under the right one goes on."""
    await begun(spool)
    old = await record(spool, 1)

    with pytest.raises(KeysUnfit, match="is not the key 1"):
        await spool.adopt(KeyRing([(1, TWO)], INDEX))

    assert spool.content(old) == b"100"


async def test_a_key_nothing_was_sealed_under_may_be_missing(make_store: MakeStore) -> None:
    """It was made and lost again before the first payment."""
    spool = Spool(make_store(), SECOND)
    await spool.open(NOW_US)
    await spool.close()
    again = Spool(make_store(), FIRST)

    await again.open(NOW_US)

    assert again.known_key_ids == (1, 2)
    await again.close()


async def test_a_shredded_record_says_so(spool: Spool) -> None:
    """It is not damaged, and a check of all seals finds nothing wrong."""
    await begun(spool)
    gone = await go(spool.store, await record(spool, 1), CLAIM, POST)
    await spool.adopt(SECOND)
    there = await record(spool, 2, "200")

    await spool.adopt(SHREDDED)

    with pytest.raises(RecordShredded, match="the content of entry 1 is gone: its key was destroyed"):
        spool.content(gone)
    assert spool.content(there) == b"200"
    verdict = await verify(spool.store, spool.sealer)
    assert (verdict.ok, verdict.opened, verdict.shredded, verdict.damaged) == (True, 2, 1, ())


async def test_a_start_after_shredding_needs_no_key_of_that_time(make_store: MakeStore) -> None:
    """It is gone on purpose."""
    spool = Spool(make_store(), SECOND)
    await spool.open(NOW_US)
    await record(spool, 1)
    await spool.close()
    again = Spool(make_store(), SHREDDED)

    await again.open(NOW_US)

    await again.close()


# Sealing anew


async def test_entries_are_sealed_anew_and_open_as_before(spool: Spool) -> None:
    """Those that don't open stay as they are."""
    await begun(spool)
    await spool.adopt(SECOND)
    sealer = Sealer(FIRST)
    for number in (1, 2):
        new = draft(number, content=b"old")
        await spool.store.insert(new, *sealer.seal(new))
    await spool.store.insert(draft(3), 1, b"damaged")
    entries = [entry for number in (1, 2, 3) if (entry := await spool.store.get(number)) is not None]

    assert await spool.seal_anew(entries, 2) == 2

    after = [entry for number in (1, 2, 3) if (entry := await spool.store.get(number)) is not None]
    assert [entry.key_id for entry in after] == [2, 2, 1]
    assert [spool.content(entry) for entry in after[:2]] == [b"old", b"old"]
    with pytest.raises(RecordDamaged):
        spool.content(after[2])
    assert await spool.seal_anew(after[2:], 2) == 0


# Another index key


async def test_a_fingerprint_is_compared_as_it_was_made(spool: Spool) -> None:
    """A repeat of a payment of before the change gets its first answer."""
    await begun(spool)
    old, before = await record(spool, 1), spool.fingerprint(b"content")
    await spool.adopt(HASHED_ANEW)
    new = await record(spool, 2, "200")

    assert spool.fingerprint(b"content") != before
    assert spool.fingerprint_like(old, b"content") == before
    assert spool.fingerprint_like(new, b"content") == spool.fingerprint(b"content")


async def test_an_account_with_something_waiting_stays_in_its_lane(spool: Spool) -> None:
    """In another one its next payment could overtake this one, and two of it could be on their way at once."""
    await begun(spool)
    waiting = await record(spool, 1)

    await spool.adopt(HASHED_ANEW)

    assert (await record(spool, 2)).lane == waiting.lane
    new = Spool(spool.store, HASHED_ANEW).lane_of("billing", "200")
    assert spool.store.nodes.shared or spool.lane_of("billing", "200") == new


async def test_an_account_with_nothing_waiting_gets_its_new_lane(spool: Spool) -> None:
    """Once what waited is over, and for good; where others write too nobody knows that it is, and the old lane does."""
    await begun(spool)
    waiting = await record(spool, 1)
    await spool.adopt(HASHED_ANEW)

    await go(spool.store, waiting, CLAIM, POST)

    new = await record(spool, 2)
    assert spool.store.nodes.shared or new.lane != waiting.lane
    assert spool.lane_of("billing", "100") == new.lane
    assert new.lane in spool.lanes_of("billing", "100")
    assert spool.lanes_of("billing", "100")[1:] == (waiting.lane,)


async def test_after_a_start_with_nothing_waiting_every_account_has_its_new_lane(make_store: MakeStore) -> None:
    """Under a former index key nothing is left that could be overtaken."""
    before = Spool(make_store(), FIRST)
    await before.open(NOW_US)
    entry = await record(before, 1)
    await go(before.store, entry, CLAIM, POST)
    await before.store.close()
    spool = Spool(make_store(), HASHED_ANEW)

    await spool.open(NOW_US)

    assert spool.store.nodes.shared or spool.lane_of("billing", "100") != entry.lane
    await spool.store.close()


async def test_lanes_handed_out_while_the_index_key_changes_are_kept_too(make_store: MakeStore) -> None:
    """A payment that is on its way to disk at that moment is not on it yet."""
    spool = Spool(make_store(), FIRST)
    await spool.open(NOW_US)
    handed = draft(1, lane=spool.lane_of("billing", "100"))
    recording = asyncio.ensure_future(spool.record(handed))
    await asyncio.sleep(0)

    await spool.adopt(HASHED_ANEW)

    await recording
    assert spool.lane_of("billing", "100") == handed.lane
    await spool.close()


async def test_lanes_are_kept_over_a_restart(make_store: MakeStore) -> None:
    """Under whichever index key they were made."""
    spool = Spool(make_store(), FIRST)
    await spool.open(NOW_US)
    waiting = await record(spool, 1)
    await spool.adopt(HASHED_ANEW)
    other = await record(spool, 2, "200")
    await spool.close()
    again = Spool(make_store(), HASHED_ANEW)
    await again.open(NOW_US)

    assert (await record(again, 3)).lane == waiting.lane
    assert (await record(again, 4, "200")).lane == other.lane
    await again.close()


async def test_an_account_about_to_be_recorded_stays_in_the_lane_it_was_given(spool: Spool) -> None:
    """The store hears of it only a moment later; in another lane its next payment would be on its way beside it."""
    await begun(spool)
    lane = spool.lane_of("billing", "100")
    spool.entering["billing", lane] += 1

    await spool.adopt(HASHED_ANEW)

    assert spool.lane_of("billing", "100") == lane
    await record(spool, 1)
    del spool.entering["billing", lane]
    assert spool.lane_of("billing", "100") == lane


async def test_an_account_waits_in_its_oldest_lane_however_often_the_index_key_changes(make_store: MakeStore) -> None:
    """Over a restart between the changes, too."""
    spool = Spool(make_store(), FIRST)
    await spool.open(NOW_US)
    waiting = await record(spool, 1)
    await spool.adopt(HASHED_ANEW)
    await spool.close()
    again = Spool(make_store(), HASHED_ANEW)
    await again.open(NOW_US)
    other = await record(again, 2, "200")

    await again.adopt(HASHED_ONCE_MORE)

    assert (await record(again, 3)).lane == waiting.lane
    assert (await record(again, 4, "200")).lane == other.lane
    assert len(again.lanes_of("billing", "100")) == 3
    await again.close()


async def test_who_has_left_a_lane_is_not_drawn_back_into_it(spool: Spool) -> None:
    """By what comes into it later, or into a lane that a filter can't tell from it: something of the account waits elsewhere."""
    await begun(spool)
    former = spool.lane_of("billing", "100")
    await spool.adopt(HASHED_ANEW)
    lane = (await record(spool, 1)).lane

    await spool.store.insert(draft(2, lane=former), 1, b"sealed")

    assert spool.lane_of("billing", "100") == lane
    assert spool.store.nodes.shared or lane != former
