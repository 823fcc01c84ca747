"""The keeper opens a spool's keys and makes each day's; whatever fails, what is in use goes on."""

import asyncio
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.clock import ManualClock
from gateway.custody.keeper import Refused
from gateway.custody.local import FileMaster
from spool.errors import KeysAway, KeysUnfit, MasterUnreachable, SpoolClosed, SpoolError, StorageFull, StorageUncertain
from spool.keys import KeyRing
from spool.memory import MemoryStore
from spool.spool import Spool
from spool.store import Inserted
from tests.contracts.spool_examples import draft
from tests.unit.key_house import DAY_S, FixedMaster, House, ServiceMaster, key_file_of_before, rewrap_by


@pytest.fixture
async def house(tmp_path: Path) -> House:
    """One with a master that can go away."""
    return await House(tmp_path).open()


# At start


async def test_a_first_start_makes_the_key_store(house: House) -> None:
    """With one data key and one index key, wrapped."""
    kept = house.file.read()

    assert ([key.id for key in kept.data_keys], [key.id for key in kept.index_keys]) == ([1], [1])
    assert house.sealing == 1
    assert house.content(await house.record()) == b"who paid"


async def test_the_next_start_opens_what_was_sealed(house: House) -> None:
    """By the key store alone."""
    entry = await house.record()

    await house.restart()

    assert house.content(entry) == b"who paid"


async def test_a_lost_key_store_is_not_made_anew(house: House) -> None:
    """The records of before could never be opened again, and their keys' ids would be given to others."""
    await house.record()
    house.file.path.unlink()

    with pytest.raises(
        KeysUnfit, match=r"there is no key store .*records sealed under its keys \(1\); put the key store"
    ):
        await house.restart()

    assert not house.file.exists()


async def test_a_master_that_cannot_be_asked_at_start_is_a_reason_not_to_start(house: House) -> None:
    """In its own words."""
    house.service.away = True

    with pytest.raises(MasterUnreachable, match="the service does not answer"):
        await house.restart()


async def test_a_master_that_is_gone_is_told_with_what_needs_it(house: House) -> None:
    """Which keys, and how many entries need each: the operator knows what is at stake, and which backup to look for."""
    await house.posted(1)
    await house.keeper.rotate()
    await house.record(2)
    await house.keeper.rotate()
    kept = house.file.read()
    other = ServiceMaster(9)
    await rewrap_by(house, other, {1, 2})

    with pytest.raises(KeysUnfit) as caught:
        await house.restart()

    words = str(caught.value)
    assert "2 data keys can't be opened: key 1 (1 entries, 0 of them waiting): the master key local:" in words
    assert "key 2 (1 entries, 1 of them waiting): the master key local:" in words
    assert len(kept.data_keys) == 3


async def test_a_key_that_nothing_needs_hinders_no_start(house: House) -> None:
    """It sealed nothing, or what it sealed was sealed anew."""
    await house.keeper.rotate()
    await rewrap_by(house, ServiceMaster(9), {1})

    await house.restart()

    assert house.spool.keys.ids == (2,)
    assert house.keeper.custody().outdated == 0


async def test_the_key_that_seals_must_open(house: House) -> None:
    """Whether something was sealed under it or not."""
    await rewrap_by(house, ServiceMaster(9), {1})

    with pytest.raises(KeysUnfit, match="1 data keys can't be opened: key 1: the master key local:"):
        await house.restart()


async def test_many_missing_keys_are_counted_and_some_named(house: House) -> None:
    """A message stays readable."""
    for number in range(22):
        await house.posted(number)
        await house.keeper.rotate()
    await rewrap_by(house, ServiceMaster(9), set(range(1, 23)))

    with pytest.raises(KeysUnfit, match=r"22 data keys can't be opened: key 1 .*; and 2 more"):
        await house.restart()


# A key file of before


async def test_a_key_file_of_before_goes_on_working(tmp_path: Path) -> None:
    """What its keys sealed is opened as before, by the key store, into which they were taken."""
    store = MemoryStore()
    before = Spool(store, KeyRing([(1, b"\x01" * 32), (2, b"\x02" * 32)], b"\x03" * 32))
    await before.open(ManualClock().now_us())
    recorded = await before.record(draft(7, content=b"of before"))
    assert isinstance(recorded, Inserted)
    lane, fingerprint = before.lane_of("billing", "1"), before.fingerprint(b"x")
    await store.close()
    house = House(tmp_path, FileMaster(key_file_of_before(tmp_path)))
    house.store = store
    house.spool, house.keeper = house.made()

    with capture_logs() as logs:
        await house.open()

    assert [line["event"] for line in logs] == ["keys_taken_over"]
    assert house.content(recorded.entry) == b"of before"
    assert (house.sealing, house.spool.lane_of("billing", "1"), house.spool.fingerprint(b"x")) == (2, lane, fingerprint)
    await house.restart()
    assert house.content(recorded.entry) == b"of before"


async def test_a_key_that_stands_in_a_key_file_of_before_is_destroyed_only_once_it_left_it(tmp_path: Path) -> None:
    """Else it would be destroyed here and live on there."""
    house = await House(tmp_path, FileMaster(key_file_of_before(tmp_path))).open()
    await house.keeper.rotate()
    with pytest.raises(Refused, match="key 1 stands in clear in the key file: renew the master first"):
        await house.keeper.destroy(1)

    await house.keeper.renew_master()
    await house.keeper.destroy(1)

    assert house.spool.keys.ids == (2, 3)


# Each day's key


async def test_within_a_day_and_its_share_no_key_is_made(house: House) -> None:
    """The master is only asked whether a start would go well."""
    asked = house.service.asked

    await house.keeper.run_once()

    assert (house.sealing, house.service.asked - asked) == (1, 2)


async def test_a_new_day_has_a_new_key(house: House) -> None:
    """Which seals from then on; what the one before sealed is opened as before."""
    old = await house.record()
    house.clock.jump(DAY_S)

    await house.keeper.run_once()

    new = await house.record()
    assert (old.key_id, new.key_id) == (1, 2)
    assert [house.content(old), house.content(new)] == [b"who paid", b"who paid"]
    first, second = house.file.read().data_keys
    assert first.first <= old.number <= first.last
    assert (second.first <= new.number, second.last) == (True, 0)


async def test_a_key_that_sealed_its_share_is_followed_by_another(tmp_path: Path) -> None:
    """Whatever the day."""
    house = await House(tmp_path, data_key_records_max=1000).open()
    for number in range(1000):
        await house.record(number)

    await house.keeper.run_once()

    assert (house.sealing, house.keeper.sealed_count) == (2, 0)


async def test_what_a_key_sealed_is_counted_over_restarts(tmp_path: Path) -> None:
    """As far as the last look."""
    house = await House(tmp_path, data_key_records_max=1000).open()
    for number in range(600):
        await house.record(number)
    await house.keeper.run_once()
    await house.restart()
    assert house.keeper.sealed_count == 600

    for number in range(600, 1000):
        await house.record(number)
    await house.keeper.run_once()

    assert house.sealing == 2


async def test_while_the_master_is_away_the_old_key_serves_and_it_is_said(house: House) -> None:
    """Payments never wait for it. Once it is back, the day's key is made."""
    house.clock.jump(DAY_S)
    house.service.away = True

    with capture_logs() as logs:
        await house.keeper.run_once()
        await house.keeper.run_once()

    assert [line["event"] for line in logs] == ["keys_in_trouble"]
    assert logs[0]["unreachable"] is True
    assert house.content(await house.record()) == b"who paid"
    custody = house.keeper.custody()
    assert (custody.trouble, custody.troubled_since_us) == ("the service does not answer", house.clock.now_us())

    house.service.away = False
    with capture_logs() as logs:
        await house.keeper.run_once()

    assert [line["event"] for line in logs] == ["data_key_made", "keys_well_again"]
    assert (house.sealing, house.keeper.custody().trouble) == (2, "")


@pytest.mark.parametrize(
    ("trouble", "level"),
    [
        (KeysAway, "warning"),
        (SpoolClosed, "warning"),
        (StorageUncertain, "warning"),
        (StorageFull, "warning"),
        (MasterUnreachable, "error"),
        (KeysUnfit, "error"),
    ],
)
async def test_what_passes_by_itself_wakes_nobody(house: House, trouble: type[SpoolError], level: str) -> None:
    """The database that the key store is in is away with the spool, of which there is word enough."""
    house.clock.jump(DAY_S)
    house.service.away, house.service.trouble = True, trouble

    with capture_logs() as logs:
        await house.keeper.run_once()

    assert [(line["event"], line["log_level"]) for line in logs] == [("keys_in_trouble", level)]
    assert house.keeper.custody().trouble == "the service does not answer"


async def test_a_master_that_opens_another_key_than_it_wrapped_makes_none(tmp_path: Path) -> None:
    """Else the next start could not open what was sealed meanwhile."""
    master = FixedMaster()
    house = await House(tmp_path, master).open()
    master.lying = True

    with pytest.raises(KeysUnfit, match="the service opens another key than it wrapped"):
        await house.keeper.rotate()

    assert (house.sealing, len(house.file.read().data_keys)) == (1, 1)


async def test_a_key_store_that_cannot_be_written_leaves_the_old_key_in_use(house: House) -> None:
    """The key is drawn and thrown away."""
    house.clock.jump(DAY_S)
    (house.folder / "keys.store.lock").unlink(missing_ok=True)
    (house.folder / "keys.store.lock").mkdir()

    await house.keeper.run_once()

    assert (house.sealing, "can't be made" in house.keeper.custody().trouble) == (1, True)


async def test_a_key_the_spool_could_not_take_is_taken_at_the_next_look(house: House) -> None:
    """It is on disk and not yet in use: nothing is lost, whether the process lives or not."""
    await house.store.close()
    with pytest.raises(SpoolClosed):
        await house.keeper.rotate()
    assert (house.sealing, house.file.read().sealing) == (1, 2)
    await house.store.open(house.clock.now_us())

    await house.keeper.run_once()

    assert (house.sealing, house.keeper.custody().trouble) == (2, "")


async def test_an_id_that_was_used_is_never_given_to_another_key(house: House) -> None:
    """A key store of before the last key was put back: the spool remembers the id."""
    before = house.file.path.read_bytes()
    await house.keeper.rotate()
    house.file.path.write_bytes(before)
    await house.restart()

    await house.keeper.rotate()

    assert house.sealing == 3


async def looked(house: House) -> None:
    """Return once the look that has begun is over."""
    await house.clock.advance(0)
    async with house.keeper._one_at_a_time:
        pass


async def test_the_keeper_looks_again_and_again(house: House) -> None:
    """Until it is cancelled; a bug in between is told and survived."""
    house.clock.jump(DAY_S)
    task = asyncio.create_task(house.keeper.run())
    await looked(house)
    assert house.sealing == 2
    house.clock.jump(DAY_S)
    house.service.asked = None  # type: ignore[assignment]  # the bug
    with capture_logs() as logs:
        await house.clock.advance(60)
    assert [line["event"] for line in logs] == ["keys_look_failed"]
    house.service.asked = 0

    await house.clock.advance(60)
    await looked(house)

    assert house.sealing == 3
    task.cancel()
    await asyncio.wait([task])
