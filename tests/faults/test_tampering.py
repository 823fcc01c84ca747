"""Everything that can be done to a spool's file behind its back, and what the audit finds. The table of the docs."""

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from spool.entry import Act
from spool.evidence.findings import Fault, Finding, Mark
from spool.forgetting import Forgotten, Past
from spool.lifecycle import CLAIM, GIVE_BACK, POST, State, Told
from spool.sqlite import SqliteStore
from spool.sqlite.connection import driver
from spool.sqlite.reading import SqliteReading
from spool.verify import Verdict, verify
from tests.contracts.spool_examples import LATER_US, NOW_US, draft, go, put, put_as
from tests.tidy.house import ROOT

POSTED, WAITING, IN_DOUBT, GIVEN_BACK, LAST, RESEALED, FORGOTTEN = 1, 2, 3, 4, 6, 7, 8
"""Numbers of the example's entries, by what became of them; 5 waits as 2 does."""


async def lived(path: Path) -> None:
    """A spool that has lived a little; every key is in the table of keys."""
    store = SqliteStore(path, reserve_bytes=0, keys_held_max=0)
    await store.open(NOW_US)
    await put_as(store, draft(POSTED), State.POSTED)
    await store.insert(draft(WAITING), 1, b"sealed for 2")
    await put_as(store, draft(IN_DOUBT), State.IN_DOUBT)
    given_back = await put(store, draft(GIVEN_BACK, state=State.IN_FLIGHT, told=Told.NOTHING))
    await go(store, given_back, GIVE_BACK)
    await store.insert(draft(5), 1, b"sealed for 5")
    await store.act(Act(at_us=LATER_US, name="route_open", subject="billing", actor="ann", note="repairs"))
    await put_as(store, draft(LAST), State.POSTED)
    await store.insert(draft(RESEALED), 1, b"sealed for 7")
    sealed = await store.get(RESEALED)
    assert sealed is not None
    await store.reseal([(sealed, b"sealed anew")], 2)
    await store.exchange("policy/billing", None, b"the first", NOW_US)
    await store.exchange("policy/billing", b"the first", b"the second", LATER_US)
    await put_as(store, draft(FORGOTTEN), State.POSTED)
    await store.close()
    shutil.copy(path, path.with_name(OLDER))
    store = SqliteStore(path, reserve_bytes=0, keys_held_max=0)
    await store.open(LATER_US)
    assert await store.forget(Past(100, LATER_US), RESEALED, 10, LATER_US) == Forgotten(1, FORGOTTEN)
    await store.close()


OLDER: Final = "older.db"
"""A copy of the example from before it forgot anything."""


class Tampering(NamedTuple):
    """What was done, in SQL, and what is found: (fault, entry's number)."""

    done: str
    found: set[tuple[Fault, int]]


F = Fault
TABLE: Final[dict[str, Tampering]] = {
    "an amount is edited": Tampering(
        "UPDATE entry SET amount = 1 WHERE number = 2", {(F.ENTRY_EDITED, WAITING)}
    ),
    "a route is edited": Tampering("UPDATE entry SET route = 'mine' WHERE number = 2", {(F.ENTRY_EDITED, WAITING)}),
    "a sealed record is edited": Tampering(
        "UPDATE entry SET sealed = x'00' WHERE number = 2", {(F.ENTRY_EDITED, WAITING)}
    ),
    "two sealed records are swapped": Tampering(
        "CREATE TEMP TABLE kept AS SELECT number, sealed FROM entry;"
        "UPDATE entry SET sealed = (SELECT sealed FROM kept WHERE kept.number = 7 - entry.number) WHERE number IN (2, 5)",
        {(F.ENTRY_EDITED, WAITING), (F.ENTRY_EDITED, 5)},
    ),
    "a key is edited": Tampering(
        "UPDATE entry SET key = 'another' WHERE number = 2", {(F.ENTRY_EDITED, WAITING), (F.KEY_LOST, WAITING)}
    ),
    "a row is deleted, with its history": Tampering(
        "DELETE FROM event WHERE number = 1; DELETE FROM entry WHERE number = 1",
        {(F.ROW_MISSING, 0)},
    ),
    "a row is deleted, its history stays": Tampering(
        "DELETE FROM entry WHERE number = 1", {(F.ENTRY_MISSING, POSTED), (F.ROW_MISSING, 0)}
    ),
    "a row is put in": Tampering(
        "CREATE TEMP TABLE copy AS SELECT * FROM entry WHERE number = 2;"
        "UPDATE copy SET number = 99, key = 'new', leaf = NULL; INSERT INTO entry SELECT * FROM copy;"
        "INSERT INTO key SELECT hash + 1, 99 FROM key WHERE number = 2",
        {(F.ENTRY_UNKNOWN, 99)},
    ),
    "a row is put in at the log's end": Tampering(
        "CREATE TEMP TABLE copy AS SELECT * FROM entry WHERE number = 2;"
        "UPDATE copy SET number = 99, key = 'new', leaf = 10000; INSERT INTO entry SELECT * FROM copy",
        {(F.ENTRY_UNKNOWN, 99)},
    ),
    "a row is put in at another's place": Tampering(
        "CREATE TEMP TABLE copy AS SELECT * FROM entry WHERE number = 2;"
        "UPDATE copy SET number = 99, key = 'new'; INSERT INTO entry SELECT * FROM copy",
        {(F.ENTRY_EDITED, 99)},
    ),
    "a waiting entry is called posted": Tampering(
        "UPDATE entry SET state = 7, place = 0 WHERE number = 2", {(F.STATE_FORGED, WAITING)}
    ),
    "a posted entry is put back to be sent again": Tampering(
        "UPDATE entry SET state = 1, place = 1, epoch = 0, attempts = 0 WHERE number = 1", {(F.STATE_FORGED, POSTED)}
    ),
    "what was told is edited": Tampering("UPDATE entry SET told = 3 WHERE number = 2", {(F.STATE_FORGED, WAITING)}),
    "the core's id is edited": Tampering(
        "UPDATE entry SET core_id = 'x' WHERE number = 1", {(F.STATE_FORGED, POSTED)}
    ),
    "an epoch is edited": Tampering("UPDATE entry SET epoch = 9 WHERE number = 2", {(F.STATE_FORGED, WAITING)}),
    "a row is rolled back with its history": Tampering(
        "UPDATE entry SET state = 1, place = 1, epoch = 0, attempts = 0, changed_at_us = accepted_at_us WHERE number = 1;"
        "DELETE FROM event WHERE number = 1",
        {(F.ROW_MISSING, 0)},
    ),
    "a line of history is edited": Tampering(
        "UPDATE event SET actor = 'bob' WHERE number = 1 AND name = 'claim'", {(F.EVENT_EDITED, POSTED)}
    ),
    "a line of history is deleted": Tampering(
        "DELETE FROM event WHERE number = 1 AND name = 'claim'", {(F.HISTORY_BROKEN, POSTED), (F.ROW_MISSING, 0)}
    ),
    "the last line of history is deleted": Tampering(
        "DELETE FROM event WHERE number = 1 AND name = 'post'", {(F.STATE_FORGED, POSTED), (F.ROW_MISSING, 0)}
    ),
    "a line of history is put in": Tampering(
        "INSERT INTO event SELECT 10000, number, at_us, 'hold', 1, 4, 0, '', 'ann', '', 2, '' FROM event WHERE number = 1"
        " AND name = 'post'; UPDATE event SET number = 2 WHERE sequence = 10000",
        {(F.EVENT_UNKNOWN, WAITING), (F.STATE_FORGED, WAITING)},
    ),
    "a line of history is put before the log": Tampering(
        "INSERT INTO event SELECT -1, 2, at_us, 'hold', 1, 4, 0, '', 'ann', '', 2, '' FROM event WHERE number = 1"
        " AND name = 'post'",
        {(F.EVENT_UNKNOWN, WAITING), (F.STATE_FORGED, WAITING)},
    ),
    "an attempt is counted that wasn't made": Tampering(
        "UPDATE event SET attempt = 2 WHERE number = 1 AND name = 'post';"
        "UPDATE entry SET attempts = 2, epoch = 2 WHERE number = 1",
        {(F.EVENT_EDITED, POSTED), (F.HISTORY_BROKEN, POSTED)},
    ),
    "an unheard-of move is put in": Tampering(
        "UPDATE event SET name = 'bribe' WHERE number = 1 AND name = 'post'",
        {(F.EVENT_EDITED, POSTED), (F.HISTORY_BROKEN, POSTED)},
    ),
    "a key is let go of": Tampering("UPDATE entry SET owns_key = 0 WHERE number = 2", {(F.KEY_LOST, WAITING)}),
    "a key is taken out of the table": Tampering("DELETE FROM key WHERE number = 2", {(F.KEY_LOST, WAITING)}),
    "a key that was given back is taken again": Tampering(
        "UPDATE entry SET owns_key = 1 WHERE number = 4; INSERT INTO key SELECT hash + 1, 4 FROM key WHERE number = 2;"
        "UPDATE key_mark SET indexed_to = 0",
        {(F.KEY_LOST, GIVEN_BACK)},
    ),
    "a content that was sealed anew is edited": Tampering(
        "UPDATE entry SET sealed = x'00' WHERE number = 7", {(F.ENTRY_EDITED, RESEALED)}
    ),
    "a content is put back to the one before it was sealed anew": Tampering(
        "UPDATE entry SET sealed = CAST('sealed for 7' AS BLOB), key_id = 1 WHERE number = 7",
        {(F.ENTRY_EDITED, RESEALED)},
    ),
    "how a content was sealed anew is edited": Tampering(
        "UPDATE event SET note = 'nothing' WHERE name = 'reseal'",
        {(F.ENTRY_EDITED, RESEALED), (F.EVENT_EDITED, RESEALED)},
    ),
    "a key that is needed is called free": Tampering(
        "UPDATE key_use SET waiting = 0, changed_at_us = 0 WHERE key_id = 1", {(F.KEY_USE_FORGED, 0)}
    ),
    "what a key is needed for is deleted": Tampering("DELETE FROM key_use WHERE key_id = 1", {(F.KEY_USE_FORGED, 0)}),
    "an act is edited": Tampering("UPDATE act SET actor = 'bob' WHERE name = 'route_open'", {(F.ACT_EDITED, 0)}),
    "an act is deleted": Tampering("DELETE FROM act WHERE name = 'route_open'", {(F.ROW_MISSING, 0)}),
    "an act is put in": Tampering(
        "INSERT INTO act SELECT 10000, at_us, name, subject, detail, actor, note FROM act WHERE name = 'route_open'",
        {(F.ACT_UNKNOWN, 0)},
    ),
    "a policy is edited": Tampering(
        "UPDATE memo SET value = CAST('the third' AS BLOB) WHERE name = 'policy/billing'", {(F.SETTING_FORGED, 0)}
    ),
    "a policy is put back to an older one": Tampering(
        "UPDATE memo SET value = CAST('the first' AS BLOB) WHERE name = 'policy/billing'", {(F.SETTING_FORGED, 0)}
    ),
    "a policy is deleted": Tampering("DELETE FROM memo WHERE name = 'policy/billing'", {(F.SETTING_FORGED, 0)}),
    "a policy is put in": Tampering(
        "INSERT INTO memo VALUES ('policy/other', CAST('mine' AS BLOB))", {(F.SETTING_FORGED, 0)}
    ),
    "a row that is deleted is called forgotten": Tampering(
        "DELETE FROM event WHERE number = 1; DELETE FROM entry WHERE number = 1;"
        "INSERT INTO memo VALUES ('gone/1', CAST('{\"first\":1,\"last\":1,\"entries\":1,\"sums\":[],"
        "\"places\":\"eJxjZGQEAAAJAAQ=\"}' AS BLOB))",
        {(F.SETTING_FORGED, 0), (F.ROW_MISSING, 0)},
    ),
    "what is told of what was forgotten is edited": Tampering(
        "UPDATE memo SET value = CAST('{}' AS BLOB) WHERE name LIKE 'gone/%'", {(F.SETTING_FORGED, 0), (F.ROW_MISSING, 0)}
    ),
    "what is told of what was forgotten is deleted": Tampering(
        "DELETE FROM memo WHERE name LIKE 'gone/%'", {(F.SETTING_FORGED, 0), (F.ROW_MISSING, 0)}
    ),
    "a row that was forgotten is put back to be sent again": Tampering(
        "INSERT INTO entry SELECT * FROM older.entry WHERE number = 8;"
        "UPDATE entry SET state = 1, place = 1, epoch = 0, attempts = 0, changed_at_us = accepted_at_us WHERE number = 8",
        {(F.FORGOTTEN_BACK, FORGOTTEN), (F.KEY_LOST, FORGOTTEN)},
    ),
    "a block's hashes are edited": Tampering(
        "UPDATE block SET leaves = zeroblob(32) WHERE first = 3", {(F.BLOCK_EDITED, 0), (F.ENTRY_EDITED, WAITING)}
    ),
    "a block's peaks are edited": Tampering("UPDATE block SET peaks = zeroblob(32) WHERE first = 3", {(F.BLOCK_EDITED, 0)}),
    "a block is cut out": Tampering(
        "DELETE FROM block WHERE first = 3", {(F.BLOCK_MISSING, 0), (F.ENTRY_UNKNOWN, WAITING)}
    ),
    "the first block is cut out": Tampering(
        "DELETE FROM block WHERE first = 0", {(F.BLOCK_MISSING, 0), (F.ENTRY_UNKNOWN, POSTED)}
    ),
}  # fmt: skip


PAGE: Final = ROOT / "docs/reference/evidence.md"


def tamper(path: Path, script: str) -> None:
    """Do it as somebody with the file would: no check of ours stands in the way."""
    db = driver.connect(path, isolation_level=None)
    db.execute("PRAGMA ignore_check_constraints = 1")
    db.execute("ATTACH ? AS older", (str(path.with_name(OLDER)),))
    db.executescript(script)
    db.close()


async def look(path: Path, marks: Iterable[Mark] = ()) -> Verdict:
    """What `verify` says of a file in nobody's hands."""
    store = SqliteReading(path)
    await store.open()
    try:
        return await verify(store, marks=marks)
    finally:
        await store.close()


async def mark_at(path: Path, index: int) -> Mark:
    """What a witness had kept of the log when it was so far."""
    store = SqliteReading(path)
    await store.open()
    try:
        async with store.records() as records:
            block = await records.block_at(index)
    finally:
        await store.close()
    assert block is not None
    return Mark(size=block.size, root=block.head().root, source="a witness")


def named(findings: Iterable[Finding]) -> set[tuple[Fault, int]]:
    """Faults and entries."""
    return {(finding.fault, finding.number) for finding in findings}


@pytest.fixture
async def path(tmp_path: Path) -> Path:
    """The example, closed."""
    path = tmp_path / "spool.db"
    await lived(path)
    return path


async def test_what_nobody_touched_is_whole(path: Path) -> None:
    """Else the table below would prove nothing."""
    assert (await look(path)).ok


@pytest.mark.parametrize("case", TABLE.values(), ids=TABLE)
async def test_what_was_done_to_the_file_is_found(path: Path, case: Tampering) -> None:
    """With the entry it was done to, where there is one, and with nobody else's."""
    tamper(path, case.done)

    found = await look(path)

    assert named(found.findings) == case.found
    assert not found.ok
    assert sum(found.faults.values()) == len(found.findings)


async def test_an_older_copy_is_found_by_what_a_witness_kept(path: Path, tmp_path: Path) -> None:
    """By itself it is whole: only somebody outside can know that it went on."""
    older = tmp_path / "older-whole.db"
    shutil.copy(path, older)
    store = SqliteStore(path, reserve_bytes=0)
    await store.open(LATER_US)
    await put_as(store, draft(20), State.POSTED)
    await store.close()
    newest = await look(path)
    mark = Mark(size=newest.events, root=newest.root, source="the file on the other machine")

    assert (await look(path, [mark])).ok
    assert (await look(older)).ok
    found = await look(older, [mark])

    assert named(found.findings) == {(Fault.ROLLED_BACK, 0)}
    assert "3 events are missing" in found.findings[0].detail
    assert "the file on the other machine" in found.findings[0].detail


async def test_a_log_made_up_anew_is_found_by_what_a_witness_kept(path: Path, tmp_path: Path) -> None:
    """Whoever rewrites all of it, hashes and all, makes a log that is whole; but not the one that was witnessed."""
    other = tmp_path / "other.db"
    store = SqliteStore(other, reserve_bytes=0)
    await store.open(NOW_US)
    await put_as(store, draft(POSTED, amount=1), State.POSTED)
    entry = await put(store, draft(2))
    await go(store, entry, CLAIM, POST)
    await store.close()
    mark = await mark_at(path, 4)

    found = await look(other, [mark])

    assert named(found.findings) == {(Fault.CHECKPOINT_FORGED, 0)}
    assert (await look(path, [mark])).ok


async def test_a_sum_that_was_edited_is_found(path: Path) -> None:
    """Sums are no evidence; they are counted anew."""
    tamper(path, "UPDATE tally SET amount = amount + 1 WHERE state = 7")

    found = await look(path)

    assert not found.ok
    assert len(found.differences) == 1


async def test_a_damaged_database_is_found(path: Path) -> None:
    """What the database itself calls damaged is told in its words: here an index that isn't of its table."""
    tamper(
        path,
        "PRAGMA writable_schema = 1;"
        "UPDATE sqlite_master SET sql = replace(sql, 'place = 1', 'place = 2') WHERE name = 'entry_turn'",
    )

    found = await look(path)

    assert Fault.DATABASE_DAMAGED in found.faults
    assert "entry_turn" in found.findings[0].detail


@pytest.mark.parametrize("name", TABLE)
def test_the_page_tells_of_each_case(name: str) -> None:
    """An operator looks up what was found, and what may have been done."""
    words = ", ".join(f"`{word}`" for word in sorted({fault.word for fault, _ in TABLE[name].found}))

    assert f"\n| {name} | {words} |\n" in PAGE.read_text()


@pytest.mark.parametrize("fault", Fault)
def test_the_page_says_what_each_finding_means(fault: Fault) -> None:
    """In the words of the command."""
    assert f"\n| `{fault.word}` | {fault.meaning} |\n" in PAGE.read_text()
