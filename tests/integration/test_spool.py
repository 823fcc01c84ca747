"""A spool and its keys: only the right ones open it, and whatever is changed in it while it is stopped is found."""

from pathlib import Path
from typing import Any, Final

import pytest

from spool.errors import KeysUnfit, RecordDamaged, SpoolClosed, SpoolUnfit
from spool.keys import KeyRing
from spool.lifecycle import CLAIM, HOLD, POST, QUARANTINE, State, Transition
from spool.seal import Sealer
from spool.spool import Spool
from spool.sqlite import SqliteStore
from spool.sqlite.connection import driver
from spool.store import Inserted, Move
from spool.verify import Verdict, verify
from tests.contracts.spool_examples import NOW_US, draft, go, reversal

ONE, TWO, OTHER, INDEX = (bytes([number]) * 32 for number in (1, 2, 3, 9))
RING: Final = KeyRing([(1, ONE)], INDEX)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the spool is kept."""
    return tmp_path / "spool.db"


def spool_of(path: Path, ring: KeyRing = RING) -> Spool:
    """A spool with these keys, as each new process would make it."""
    return Spool(SqliteStore(path, reserve_bytes=0), ring)


@pytest.fixture
async def stopped(path: Path) -> Path:
    """A spool with three payments, of which the second is posted, stopped."""
    spool = spool_of(path)
    await spool.open(NOW_US)
    for number in (1, 2, 3):
        result = await spool.record(draft(number, content=f"content {number}".encode()))
        assert isinstance(result, Inserted)
    second = await spool.store.get(2)
    assert second is not None
    await go(spool.store, second, CLAIM, POST)
    await spool.close()
    return path


def change(path: Path, sql: str) -> None:
    """What somebody with the file in hands does to one row."""
    assert damage(path, sql) == 1


def damage(path: Path, sql: str) -> int:
    """What somebody with the file in hands does to it; how many rows were changed."""
    db: Any = driver.connect(path, isolation_level=None)
    rows: int = db.execute(sql).rowcount
    db.close()
    return rows


async def looked_through(path: Path) -> Verdict:
    """What the check finds after the next start."""
    spool = spool_of(path)
    await spool.open(NOW_US)
    verdict = await verify(spool.store, Sealer(RING))
    await spool.close()
    return verdict


# Keys


async def test_a_record_is_read_back_with_the_key_it_was_sealed_under(stopped: Path) -> None:
    """By a process that was given the same key file."""
    spool = spool_of(stopped)
    await spool.open(NOW_US)

    entry = await spool.store.get(3)

    assert entry is not None
    assert spool.content(entry) == b"content 3"
    assert b"content 3" not in entry.sealed
    await spool.close()


@pytest.mark.parametrize(
    ("ring", "words"),
    [
        (KeyRing([(1, OTHER)], INDEX), r"key 1 \(fingerprint [0-9a-f]{8}\) is not the key 1"),
        (KeyRing([(1, ONE)], OTHER), r"key 1 \(fingerprint [0-9a-f]{8}\) is not the key 1"),
        (KeyRing([(2, TWO)], INDEX), r"keys are missing: key 1 \(3 entries, 2 of them waiting\)"),
    ],
    ids=["another key", "another index key", "a missing key"],
)
async def test_keys_that_are_not_the_spools_are_refused_at_start(stopped: Path, ring: KeyRing, words: str) -> None:
    """Not at the first record that does not open, hours later, with new ones sealed under the wrong key by then."""
    with pytest.raises(KeysUnfit, match=words):
        await spool_of(stopped, ring).open(NOW_US)


async def test_a_spool_refused_for_its_keys_is_let_go(stopped: Path) -> None:
    """The right key file is given back, and the service starts."""
    wrong = spool_of(stopped, KeyRing([(1, OTHER)], INDEX))
    with pytest.raises(KeysUnfit):
        await wrong.open(NOW_US)
    with pytest.raises(SpoolClosed):
        await wrong.store.get(1)

    assert (await looked_through(stopped)).ok


async def test_wrong_keys_leave_no_trace(stopped: Path) -> None:
    """What was remembered of the right ones stays."""
    with pytest.raises(KeysUnfit):
        await spool_of(stopped, KeyRing([(1, OTHER), (2, TWO)], INDEX)).open(NOW_US)

    assert (await looked_through(stopped)).ok


async def test_records_under_an_older_key_still_open(stopped: Path) -> None:
    """A new key seals what is new; what is old is not sealed anew for it."""
    spool = spool_of(stopped, KeyRing([(1, ONE), (2, TWO)], INDEX))
    await spool.open(NOW_US)

    await spool.record(draft(4, content=b"content 4"))

    old, new = await spool.store.get(1), await spool.store.get(4)
    assert old is not None
    assert new is not None
    assert [(old.key_id, spool.content(old)), (new.key_id, spool.content(new))] == [
        (1, b"content 1"),
        (2, b"content 4"),
    ]
    await spool.close()


async def test_a_key_that_was_used_is_asked_for_from_then_on(stopped: Path) -> None:
    """Going back to the key file of before the new key would leave records nobody can open."""
    spool = spool_of(stopped, KeyRing([(1, ONE), (2, TWO)], INDEX))
    await spool.open(NOW_US)
    await spool.record(draft(4))
    await spool.close()

    with pytest.raises(KeysUnfit, match=r"keys are missing: key 2 \(1 entries, 1 of them waiting\)"):
        await spool_of(stopped).open(NOW_US)


async def test_a_reversal_is_sealed_as_its_payment_is(stopped: Path) -> None:
    """Its content too is nobody else's business."""
    spool = spool_of(stopped)
    await spool.open(NOW_US)
    payment = await spool.store.get(2)
    assert payment is not None

    result = await spool.record_reversal(reversal(5, payment, content=b"why", state=State.READY))

    assert isinstance(result, Inserted)
    kept = await spool.store.get(5)
    assert kept is not None
    assert spool.content(kept) == b"why"
    await spool.close()


# What is changed while it is stopped


async def test_an_untouched_spool_is_in_order(stopped: Path) -> None:
    """Or none of the findings below would mean anything."""
    verdict = await looked_through(stopped)

    assert verdict.ok
    assert (verdict.counted, verdict.opened) == (3, 3)


@pytest.mark.parametrize(
    "edit",
    [
        "sealed = CAST(substr(sealed, 1, 20) || x'00' || substr(sealed, 22) AS BLOB)",
        "sealed = substr(sealed, 1, length(sealed) - 1)",
        "sealed = x''",
        "sealed = (SELECT sealed FROM entry WHERE number = 1)",
        "lane = lane + 1",
        "key = 'another'",
        "channel = 'bank'",
        "route = 'mobile'",
        "currency = 'USD'",
        "accepted_at_us = accepted_at_us + 1",
        "fingerprint = x'00'",
        "policy = 'generous'",
        "key_id = 2",
        "amount = amount - 1",
        "number = 30",
    ],
)
async def test_a_record_changed_in_anything_it_was_accepted_with_does_not_open(stopped: Path, edit: str) -> None:
    """The seal binds the content to its place and to every word of its header that never changes."""
    change(stopped, f"UPDATE entry SET {edit} WHERE number = 3")  # noqa: S608 - the edits stand above

    verdict = await looked_through(stopped)

    assert not verdict.ok
    assert verdict.damaged_count == 1
    assert verdict.damaged in {(3,), (30,)}


async def test_an_amount_that_was_changed_shows_in_the_sums(stopped: Path) -> None:
    """By counting alone, without any key."""
    change(stopped, "UPDATE entry SET amount = 9999 WHERE number = 3")

    verdict = await looked_through(stopped)

    (found,) = verdict.differences
    assert (found.tally.amount, found.counted.amount) == (20_000, 19_999)
    assert not verdict.balances[0].holds


async def test_a_row_that_was_deleted_shows_in_the_sums(stopped: Path) -> None:
    """No record is left that could fail to open."""
    change(stopped, "DELETE FROM entry WHERE number = 3")

    verdict = await looked_through(stopped)

    assert not verdict.ok
    (found,) = verdict.differences
    assert (found.cell.state, found.tally.entries, found.counted.entries) == (State.READY, 2, 1)
    assert verdict.damaged_count == 0


async def test_a_state_that_was_changed_shows_in_the_sums(stopped: Path) -> None:
    """A payment said to be posted that the core never saw: the seal does not cover states, the tally does."""
    change(stopped, "UPDATE entry SET state = 7, place = 0 WHERE number = 3")

    verdict = await looked_through(stopped)

    assert not verdict.ok
    assert {found.cell.state for found in verdict.differences} == {State.READY, State.POSTED}
    assert verdict.damaged_count == 0


async def test_what_the_channel_was_told_can_not_be_changed_unseen(stopped: Path) -> None:
    """Nor a refusal be made of a promise."""
    change(stopped, "UPDATE entry SET told = 3 WHERE number = 3")

    assert len((await looked_through(stopped)).differences) == 2


@pytest.mark.parametrize(
    "edit",
    ["UPDATE tally SET amount = amount + 1 WHERE state = 1", "DELETE FROM tally WHERE state = 7"],
)
async def test_sums_that_were_changed_are_found(stopped: Path, edit: str) -> None:
    """The entries know better."""
    change(stopped, edit)

    verdict = await looked_through(stopped)

    assert len(verdict.differences) == 1
    assert not verdict.balances[0].holds


async def test_a_damaged_record_does_not_stop_its_neighbours(stopped: Path) -> None:
    """It can be looked at and set aside; the others are sent (P9)."""
    change(stopped, "UPDATE entry SET sealed = x'00' WHERE number = 1")
    spool = spool_of(stopped)
    await spool.open(NOW_US)
    damaged, sound = await spool.store.get(1), await spool.store.get(3)
    assert damaged is not None
    assert sound is not None

    with pytest.raises(RecordDamaged):
        spool.content(damaged)

    assert spool.content(sound) == b"content 3"
    await go(spool.store, sound, CLAIM, POST)
    await spool.close()


@pytest.mark.parametrize("transition", [QUARANTINE, CLAIM, HOLD])
async def test_an_entry_whose_amount_was_changed_can_still_be_moved(stopped: Path, transition: Transition) -> None:
    """Above all into quarantine: sums that no longer add up must not hold it, or whatever shares its commit."""
    change(stopped, "UPDATE entry SET amount = 99999999 WHERE number = 1")
    spool = spool_of(stopped)
    await spool.open(NOW_US)
    damaged, sound = await spool.store.get(1), await spool.store.get(3)
    assert damaged is not None
    assert sound is not None
    moves = [Move(entry=entry, transition=transition, at_us=NOW_US) for entry in (damaged, sound)]

    assert await spool.store.move(moves) == [True, True]

    assert not (await verify(spool.store)).ok
    await spool.close()


async def test_attempts_that_can_not_be_put_in_doubt_refuse_the_start(stopped: Path) -> None:
    """Nobody moves on what stays in flight of a former run: better no service than payments nobody looks after."""
    spool = spool_of(stopped)
    await spool.open(NOW_US)
    entry = await spool.store.get(3)
    assert entry is not None
    await go(spool.store, entry, CLAIM)
    await spool.close()
    damage(stopped, "CREATE TRIGGER stuck BEFORE UPDATE ON entry BEGIN SELECT raise(ABORT, 'stuck'); END")

    with pytest.raises(SpoolUnfit, match=r"can't be put in doubt: stuck"):
        await spool.open(NOW_US)
