"""A spool from before there was a log is brought forward: all of it is taken into the log, once."""

from pathlib import Path
from typing import Final

import pytest

from spool.evidence.growth import Growth
from spool.lifecycle import CLAIM, POST, State, Told
from spool.number import id_of
from spool.sqlite import SqliteStore
from spool.sqlite.adopting import PIECE_ENTRIES, adopt
from spool.sqlite.connection import driver
from spool.sqlite.held import head_in
from spool.sqlite.schema import APPLICATION_ID, bring_up_to_date
from spool.sqlite.statements import migrations
from spool.verify import Verdict, verify
from tests.contracts.spool_examples import LATER_US, NOW_US, draft, go, put

INSERT: Final = """
INSERT INTO entry (number, id, kind, channel, key, fingerprint, route, lane, amount, currency, accepted_at_us, recorded_as,
    policy, reverses, key_id, state, place, epoch, attempts, changed_at_us, told, sealed)
VALUES (?, ?, 1, 'kiosk', 'key-' || ?1, x'01', 'billing', ?1, 10000, 'TJS', ?3, 1, '', 0, 1, ?4, ?5, ?6, ?6, ?3, ?7, x'02')
"""
TALLY: Final = "INSERT INTO tally VALUES ('billing', 'kiosk', 'TJS', 1, ?, ?, ?, ?)"
EVENT: Final = "INSERT INTO event VALUES (NULL, ?, ?, ?, ?, ?, 1, '', '', '')"


def make_former(path: Path, waiting: int) -> None:
    """A spool of the first version: entry 1 posted, and so many more that wait."""
    db = driver.connect(path, isolation_level=None)
    db.executescript(migrations()[0][1] + f"PRAGMA application_id = {APPLICATION_ID}; PRAGMA user_version = 1;")
    rows = [(number, id_of(number, 0), NOW_US, 1, 1, 0, 2) for number in range(2, waiting + 2)]
    db.execute("BEGIN")
    db.executemany(INSERT, [(1, id_of(1, 0), NOW_US, 7, 0, 1, 2), *rows])
    db.executemany(TALLY, [(7, 2, 1, 10_000), (1, 2, waiting, 10_000 * waiting)])
    db.executemany(EVENT, [(1, NOW_US, "claim", 1, 2), (1, NOW_US, "post", 2, 7)])
    db.execute("COMMIT")
    db.close()


async def opened(path: Path) -> SqliteStore:
    """The spool, brought up to date."""
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(LATER_US)
    return store


async def verdict_of(path: Path) -> Verdict:
    """What there is once it was opened."""
    store = await opened(path)
    try:
        return await verify(store)
    finally:
        await store.close()


async def test_what_was_there_before_the_log_is_taken_into_it(tmp_path: Path) -> None:
    """Two events for each entry: that it was taken, and where it is; then nothing tells it from any other."""
    make_former(tmp_path / "spool.db", waiting=2)

    found = await verdict_of(tmp_path / "spool.db")

    assert found.findings == ()
    assert (found.ok, found.events) == (True, 6)


async def test_the_former_history_stays_and_goes_on(tmp_path: Path) -> None:
    """What happened before has its order, and no place in the log."""
    make_former(tmp_path / "spool.db", waiting=1)
    store = await opened(tmp_path / "spool.db")
    waiting = await store.get(2)
    assert waiting is not None

    await go(store, waiting, CLAIM, POST, told=Told.POSTED)
    await put(store, draft(7))

    former, (found,) = await store.history(1), [await verify(store)]
    assert [(event.name, event.leaf) for event in former] == [("record", 0), ("claim", -2), ("post", -1), ("adopt", 1)]
    assert [event.name for event in await store.history(2)] == ["record", "adopt", "claim", "post"]
    assert former[-1].source is former[-1].target is State.POSTED
    assert (found.ok, found.events) == (True, 7)
    await store.close()


async def test_opening_again_takes_nothing_in_twice(tmp_path: Path) -> None:
    """And what somebody puts in later without a place isn't made true by a restart."""
    path = tmp_path / "spool.db"
    make_former(path, waiting=1)
    first = await verdict_of(path)
    db = driver.connect(path, isolation_level=None)
    db.execute("UPDATE entry SET leaf = NULL WHERE number = 2")
    db.close()

    again = await verdict_of(path)

    assert first.ok
    assert again.events == first.events
    assert [finding.fault.word for finding in again.findings] == ["entry_unknown", "row_missing"]


@pytest.mark.parametrize("waiting", [PIECE_ENTRIES - 2, PIECE_ENTRIES + 1])
async def test_a_crash_in_between_leaves_whole_pieces(tmp_path: Path, waiting: int) -> None:
    """However far it came, the next opening goes on from there."""
    path = tmp_path / "spool.db"
    make_former(path, waiting)
    db = driver.connect(path, isolation_level=None)
    bring_up_to_date(db)
    db.execute("CREATE TEMP TRIGGER crash AFTER UPDATE OF adopting ON log BEGIN SELECT RAISE(ABORT, 'crash'); END")
    with pytest.raises(driver.IntegrityError):
        adopt(db, Growth(head_in(db)))
    db.close()

    found = await verdict_of(path)

    assert (found.ok, found.events) == (True, 2 * (waiting + 1))
