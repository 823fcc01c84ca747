"""Keys of a spool that other nodes seal in as well: theirs are had in time, and none is taken away from under them."""

import asyncio
from pathlib import Path

import pytest

from gateway.custody.chest import Chest
from gateway.custody.keeper import HOUR_US, Refused
from spool.entry import Entry
from spool.errors import KeysUnfit, RecordDamaged
from spool.spool import LISTED, Spool
from spool.store import Inserted
from tests.contracts.spool_examples import draft
from tests.unit.key_house import House


@pytest.fixture
async def house(tmp_path: Path) -> House:
    """A node on a spool that is shared."""
    house = House(tmp_path, data_key_records_max=1_000)
    house.store.nodes.shared = True
    await house.open()
    house.spool.fetch_keys = house.keeper.take_up
    return house


async def sealed_elsewhere(house: House) -> Entry:
    """An entry that another node took, under a key that it has just made."""
    chest = Chest(house.file, house.master)
    kept = await chest.read()
    after, _, _ = await chest.with_new_key(kept, 2, house.clock.now_us(), first=1, last=1)
    kept = await chest.change(kept, after)
    other = Spool(house.store, (await chest.open(kept)).ring(kept))
    await other.adopt(other.keys)
    recorded = await other.record(draft(1, content=b"who paid"))
    assert isinstance(recorded, Inserted)
    return recorded.entry


async def test_an_entry_under_a_key_of_another_node_is_opened(house: House) -> None:
    """The key is in the store before it seals, so it is there to be read."""
    entry = await sealed_elsewhere(house)
    assert 2 not in house.spool.keys.ids

    assert await house.spool.opened(entry) == b"who paid"


async def test_many_at_once_have_the_store_read_once(house: House) -> None:
    """A backlog of an hour begins with many entries under the new key."""
    entry, read = await sealed_elsewhere(house), 0
    fetch = house.spool.fetch_keys
    assert fetch is not None

    async def counted() -> None:
        nonlocal read
        read += 1
        await fetch()

    house.spool.fetch_keys = counted
    await asyncio.gather(*(house.spool.opened(entry) for _ in range(5)))

    assert read == 1


async def test_while_the_key_store_can_not_be_read_it_is_not_called_damaged(house: House) -> None:
    """Or it would be quarantined, and a person would have to look at what time alone mends."""
    entry, text = await sealed_elsewhere(house), house.file.path.read_bytes()
    house.file.path.unlink()

    with pytest.raises(KeysUnfit):
        await house.spool.opened(entry)

    house.file.path.write_bytes(text)
    house.file.path.chmod(0o600)
    assert await house.spool.opened(entry) == b"who paid"


async def test_a_key_that_is_nowhere_is_a_damaged_record(house: House) -> None:
    """Once the store has been read there is nothing to wait for."""
    entry = await sealed_elsewhere(house)
    house.spool.fetch_keys = None

    with pytest.raises(RecordDamaged):
        await house.spool.opened(entry)


async def test_keys_that_others_seal_by_are_had_before_an_entry_asks_for_them(house: House) -> None:
    """It is seen in the spool that there are some."""
    await sealed_elsewhere(house)

    await house.spool.follow_keys()

    assert house.spool.keys.ids == (1, 2)


async def test_two_nodes_that_list_keys_at_once_list_both(house: House) -> None:
    """A key that isn't listed isn't missed when it is lost."""
    await house.store.remember(LISTED, b"1 7")

    await house.keeper.rotate()

    assert await house.store.recall(LISTED) == b"1 7 2"


async def test_a_look_has_what_another_node_changed(house: House) -> None:
    """A key that was destroyed there is forgotten here."""
    await sealed_elsewhere(house)

    await house.keeper.run_once()

    assert house.spool.keys.current_id == house.keeper.kept.sealing == 2


async def test_what_all_nodes_sealed_counts_for_a_keys_share(house: House) -> None:
    """Random nonces are safe for so many records of one key, whoever seals them."""
    await house.store.remember("sealed-1/5", b"600")
    await house.store.remember("sealed-1/6", b"399")
    await house.keeper.run_once()
    assert house.keeper.kept.sealing == 1
    await house.record()

    await house.keeper.run_once()

    assert (house.keeper.custody().kept.sealing, house.keeper.sealed_count) == (2, 0)


async def test_a_key_that_sealed_until_lately_is_not_destroyed(house: House) -> None:
    """Another node may not have heard of the new one, and seals by it still."""
    await house.keeper.rotate()
    with pytest.raises(Refused, match="another node may not know yet: ask again in an hour"):
        await house.keeper.destroy(1)

    await house.clock.advance(2 * HOUR_US / 1_000_000)

    assert (await house.keeper.destroy(1)).entries == 0


async def test_the_index_key_is_not_changed_while_others_may_hash_with_it(house: House) -> None:
    """One account would have two lanes, and its payments overtake each other."""
    with pytest.raises(Refused, match="stop all nodes but one"):
        await house.keeper.rotate(index=True)

    assert house.spool.keys.index_id == 1


async def test_no_key_is_destroyed_while_a_node_may_have_payments_under_it(house: House) -> None:
    """What it took while the database was away is counted nowhere, and could never be opened again."""
    await house.keeper.rotate()
    await house.clock.advance(2 * HOUR_US / 1_000_000)
    house.store.nodes.unheard = True

    with pytest.raises(Refused, match="ask again when it has brought them over"):
        await house.keeper.destroy(1)
