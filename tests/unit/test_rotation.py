"""Keys are changed, wrapped anew and destroyed while everything runs, and none is ever lost by it."""

from pathlib import Path

import pytest

from gateway.custody.chest import Chest, Opened
from gateway.custody.keeper import Refused
from gateway.custody.local import FileMaster
from spool.errors import KeysChanged, MasterUnreachable, RecordShredded
from spool.keystore import KeyStore
from spool.lifecycle import CLAIM, POST
from spool.masters import add_master, make_key_file
from tests.contracts.spool_examples import go
from tests.unit.key_house import DAY_S, FixedMaster, House, ServiceMaster, rewrap_by


@pytest.fixture
async def house(tmp_path: Path) -> House:
    """One with a master that can go away."""
    return await House(tmp_path).open()


# Rotation


async def rival_rotates(house: House) -> None:
    """Another process was faster."""
    rival = Chest(house.file, house.master)
    kept = await rival.read()
    after, _, _ = await rival.with_new_key(kept, 2, house.clock.now_us(), first=1, last=2**62)
    await rival.change(kept, after)


async def test_of_two_rotations_at_once_one_wins_and_no_key_is_lost(house: House) -> None:
    """The other is told, and works with what is there."""
    old = await house.record(1)
    await rival_rotates(house)
    theirs = house.file.read()

    with pytest.raises(KeysChanged, match="changed by somebody else"):
        await house.keeper.rotate()

    assert house.file.read() == theirs
    new = await house.record(2)
    assert (new.key_id, house.content(old), house.content(new)) == (2, b"who paid", b"who paid")


async def test_a_look_takes_up_what_somebody_else_changed(house: House) -> None:
    """When a key is due and another process made it."""
    await rival_rotates(house)
    house.clock.jump(DAY_S)

    await house.keeper.run_once()

    assert (house.sealing, house.keeper.custody().trouble) == (2, "")


async def test_what_somebody_else_changed_may_not_open_here(house: House) -> None:
    """Then what is in memory goes on, and it is said."""
    await rewrap_by(house, ServiceMaster(9), {1})
    house.clock.jump(DAY_S)

    await house.keeper.run_once()

    assert "key 1: the master key local:" in house.keeper.custody().trouble
    assert house.content(await house.record()) == b"who paid"


async def test_a_new_master_wraps_every_key_at_once(house: House) -> None:
    """And nothing that was sealed is touched."""
    entry = await house.record()
    await house.keeper.rotate()
    before = house.file.read()

    await house.keeper.renew_master()

    after = house.file.read()
    assert len(after.masters) == 1
    assert not set(after.masters) & set(before.masters)
    assert (house.content(entry), await house.store.get(entry.number)) == (b"who paid", entry)
    await house.restart()
    assert house.content(entry) == b"who paid"


async def test_a_master_that_cannot_renew_itself_says_what_to_do(tmp_path: Path) -> None:
    """A person makes another one where it is kept."""
    house = await House(tmp_path, FixedMaster()).open()

    with pytest.raises(Refused, match="the service can't make a new master by itself: make one where it is kept"):
        await house.keeper.renew_master()


async def test_keys_move_to_another_master_by_themselves(house: House) -> None:
    """The configuration names a new place, and the old one as former."""
    entry, old = await house.record(), house.service
    house.master = ServiceMaster(5)
    await house.restart(former=[old])
    assert house.keeper.custody().outdated == 2

    await house.keeper.run_once()

    assert house.keeper.custody().outdated == 0
    await house.restart()
    assert house.content(entry) == b"who paid"


async def test_a_person_may_have_all_keys_wrapped_anew(tmp_path: Path) -> None:
    """After a master was added to the key file by hand, say."""
    make_key_file(tmp_path / "key", 1)
    house = await House(tmp_path, FileMaster(tmp_path / "key")).open()
    before = house.file.read()
    add_master(tmp_path / "key", 2)

    assert await house.keeper.rewrap() == 2

    assert not set(house.file.read().masters) & set(before.masters)


async def test_a_rotation_while_the_master_is_away_changes_nothing(house: House) -> None:
    """Whoever asked is told why."""
    before = house.file.read()
    house.service.away = True

    for ask in (house.keeper.rotate, house.keeper.renew_master, house.keeper.rewrap):
        with pytest.raises(MasterUnreachable):
            await ask()

    assert (house.file.read(), house.sealing) == (before, 1)


async def test_a_new_index_key_hashes_what_comes_and_what_was_is_found(house: House) -> None:
    """Also by the next process; an account with something waiting stays in its lane."""
    old, fingerprint = await house.record(1), house.spool.fingerprint(b"x")
    lane = house.spool.lane_of("billing", "1")

    await house.keeper.rotate(index=True)

    assert (house.sealing, house.spool.keys.index_id, house.spool.keys.former_index_ids) == (2, 2, (1,))
    await house.restart()
    assert house.spool.lane_of("billing", "1") != lane
    assert house.spool.lanes_of("billing", "1")[1] == lane
    assert house.spool.fingerprint(b"x") != fingerprint == house.spool.fingerprint_like(old, b"x")


# Destroying


async def test_a_destroyed_key_makes_its_entries_unreadable_and_nothing_else(house: House) -> None:
    """Amounts, states and fingerprints stay; the next day's entries open."""
    old = await house.posted(1)
    await house.keeper.rotate()
    new = await house.posted(2)

    use = await house.keeper.destroy(1)

    assert (use.entries, use.waiting) == (1, 0)
    with pytest.raises(RecordShredded, match=f"the content of entry {old.number} is gone: its key was destroyed"):
        house.content(old)
    assert house.content(new) == b"who paid"
    assert await house.store.find("kiosk", old.key) == old
    await house.restart()
    with pytest.raises(RecordShredded):
        house.content(old)


async def test_a_destroyed_key_is_in_no_file(house: House) -> None:
    """Its wrapped form is gone; that it was there, and when it went, stays."""
    wrapped = house.file.read().serving.wrapped
    await house.keeper.rotate()

    await house.keeper.destroy(1)

    gone = house.file.read().data_key(1)
    assert gone is not None
    assert gone.destroyed_us == house.clock.now_us()
    assert wrapped not in house.file.path.read_text(encoding="utf-8")


async def test_a_key_that_an_unfinished_entry_needs_is_not_destroyed(house: House) -> None:
    """Whatever anybody says: it would be a lost payment."""
    await house.record(1)
    await house.posted(2)
    await house.keeper.rotate()

    with pytest.raises(Refused, match="key 1 is not destroyed: 1 of its 2 entries still wait"):
        await house.keeper.destroy(1)

    assert house.spool.keys.ids == (1, 2)


async def test_a_key_younger_than_the_retention_is_not_destroyed(tmp_path: Path) -> None:
    """Channels may still ask, and people may still complain."""
    house = await House(tmp_path, retention_days=30).open()
    await house.posted()
    await house.keeper.rotate()
    house.clock.jump(29 * DAY_S)

    with pytest.raises(Refused, match="its last entry changed 28 days ago, and the retention is 30 days"):
        await house.keeper.destroy(1)


@pytest.mark.parametrize(
    ("key_id", "words"),
    [(2, "key 2 seals what comes in: rotate first"), (3, "there is no key 3"), (1, "destroyed before")],
)
async def test_what_cannot_be_destroyed_is_said(house: House, key_id: int, words: str) -> None:
    """The key that seals, one that is not there, one that is gone."""
    await house.keeper.rotate()
    await house.keeper.destroy(1)

    with pytest.raises(Refused, match=words):
        await house.keeper.destroy(key_id)


async def test_days_past_the_retention_are_destroyed_by_themselves(tmp_path: Path) -> None:
    """Each when its own time is over, and none that is still needed."""
    house = await House(tmp_path, retention_days=30).open()
    await house.posted()
    waiting = []
    for _ in range(2):
        await house.clock.advance(DAY_S)
        await house.keeper.run_once()
        waiting.append(await house.record())
    await house.clock.advance(31 * DAY_S)

    await house.keeper.run_once()
    await house.keeper.run_once()

    assert sorted(house.spool.keys.destroyed) == [1]
    assert [house.content(entry) for entry in waiting] == [b"who paid"] * 2


async def test_a_key_that_is_still_needed_is_looked_at_again_after_an_hour(tmp_path: Path) -> None:
    """Counting a day's entries takes a while."""
    house = await House(tmp_path, retention_days=1).open()
    entry = await house.record()
    await house.clock.advance(5 * DAY_S)
    await house.keeper.run_once()
    await go(house.store, entry, CLAIM, POST, at_us=entry.accepted_at_us)
    await house.keeper.run_once()
    assert house.spool.keys.destroyed == {}

    await house.clock.advance(3600)
    await house.keeper.run_once()

    assert set(house.spool.keys.destroyed) == {1}


async def test_a_clock_that_is_a_year_ahead_at_a_start_destroys_no_key(tmp_path: Path) -> None:
    """Whose payments are a week old; a day later they count as two days older."""
    house = await House(tmp_path, retention_days=30).open()
    await house.posted()
    await house.clock.advance(7 * DAY_S)
    await house.keeper.run_once()
    house.clock.jump(365 * DAY_S)

    await house.keeper.run_once()
    await house.clock.advance(DAY_S)
    await house.keeper.run_once()

    assert house.spool.keys.destroyed == {}


async def test_without_a_retention_nothing_is_destroyed(house: House) -> None:
    """An operator must have said for how long content is kept."""
    await house.posted()
    house.clock.jump(1000 * DAY_S)
    await house.keeper.run_once()
    await house.keeper.run_once()

    assert house.spool.keys.destroyed == {}


async def test_the_master_is_let_go_at_the_end(house: House) -> None:
    """Its connections close."""
    await house.keeper.close()

    assert house.service.closed


def test_nothing_of_keys_is_shown(tmp_path: Path) -> None:
    """Not in a log, not in a traceback."""
    chest = Chest(KeyStore(tmp_path / "k"), ServiceMaster())

    assert (repr(Opened({1: b"x" * 32}, {}, {})), repr(chest)) == ("Opened()", f"Chest({tmp_path / 'k'})")
