"""Every statement is one the database takes, and none on a payment's way reads more than it needs."""

import re
from typing import Any, Final

import pytest

from spool.sqlite.connection import driver
from spool.sqlite.schema import bring_up_to_date
from spool.sqlite.statements import SQL, ManyRows, migrations

WIDTHS: Final = {
    "insert_entries": 20,
    "move_entries": 13,
    "insert_events": 12,
    "add_to_tally": 8,
    "index_keys": 2,
    "note_accounts": 7,
    "add_to_key_uses": 4,
}
"""Values of a row of the statements that take many."""

WAYS: Final = {
    "insert_entries": ["SEARCH key USING PRIMARY KEY (hash=?)"],
    "index_keys": [],
    "mark_keys": ["SCAN key_mark"],
    "key_mark": ["SCAN key_mark"],
    "forget_key": ["SEARCH key USING PRIMARY KEY (hash=? AND number=?)"],
    "move_entries": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)"],
    "insert_events": [],
    "release_key": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)"],
    "add_to_tally": [],
    "get_entry": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)"],
    "find_entry": [
        "SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)",
        "SCAN CONSTANT ROW",
        "SEARCH key USING PRIMARY KEY (hash=?)",
    ],
    "find_entry_unaided": [
        "SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH key USING PRIMARY KEY (hash=?)",
        "SEARCH entry USING INTEGER PRIMARY KEY (rowid>?)",
        "SCAN key_mark",
    ],
    "reversal_of": ["SEARCH entry USING INDEX entry_reverses (reverses=?)"],
    "reversals_of": ["SEARCH entry USING INDEX entry_reverses (reverses=?)"],
    "ready": [
        "SEARCH entry USING INDEX entry_turn (route=? AND rank=? AND number>?)",
        "SEARCH ahead USING COVERING INDEX entry_aside (route=? AND lane=? AND number<?)",
    ],
    "set_behind": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)"],
    "followers": [
        "SEARCH entry USING INDEX entry_aside (route=? AND lane=?)",
        "SEARCH ahead USING INDEX entry_aside (route=? AND lane=? AND number<?)",
    ],
    "restore_arrival": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)"],
    "due": [
        "SEARCH entry USING INDEX entry_due (route=? AND due_at_us>? AND due_at_us<?)",
        "SEARCH ahead USING COVERING INDEX entry_aside (route=? AND lane=? AND number<?)",
    ],
    "next_due": ["SEARCH entry USING COVERING INDEX entry_due (route=? AND due_at_us>?)"],
    "oldest_arrival": [
        "SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)",
        *["SEARCH entry USING COVERING INDEX entry_turn (route=? AND rank=?)"] * 4,
        "SEARCH (subquery-4)",
    ],
    "page_ascending": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
    "page_descending": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
    "page_apart_ascending": ["SEARCH entry USING INDEX entry_apart (state=? AND number>? AND number<?)"],
    "page_apart_descending": ["SEARCH entry USING INDEX entry_apart (state=? AND number>? AND number<?)"],
    "page_arrival_ascending": ["SEARCH entry USING INDEX entry_turn (route=? AND rank=? AND number>? AND number<?)"],
    "page_arrival_descending": ["SEARCH entry USING INDEX entry_turn (route=? AND rank=? AND number>? AND number<?)"],
    "horizon_ascending": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
    "horizon_descending": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)"],
    "horizon_apart_ascending": ["SEARCH entry USING COVERING INDEX entry_apart (state=? AND number>? AND number<?)"],
    "horizon_apart_descending": ["SEARCH entry USING COVERING INDEX entry_apart (state=? AND number>? AND number<?)"],
    "horizon_arrival_ascending": [
        "SEARCH entry USING COVERING INDEX entry_turn (route=? AND rank=? AND number>? AND number<?)"
    ],
    "horizon_arrival_descending": [
        "SEARCH entry USING COVERING INDEX entry_turn (route=? AND rank=? AND number>? AND number<?)"
    ],
    "find_core_id": ["SEARCH entry USING INDEX entry_core_id (core_id=?)"],
    "deeds_acts": ["SEARCH act USING INTEGER PRIMARY KEY (rowid>?)"],
    "deeds_moves": ["SEARCH event USING INDEX event_by_hand (sequence>?)"],
    "history": ["SEARCH event USING INDEX event_number (number=?)"],
    "recorded": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)"],
    "highest_number": ["SEARCH entry"],
    "remember": [],
    "recall": ["SEARCH memo USING PRIMARY KEY (name=?)"],
    "recall_some": ["SEARCH memo USING PRIMARY KEY (name>?)"],
    "insert_block": [],
    "insert_act": [],
    "last_block": ["SCAN block"],
    "block_at": ["SEARCH block USING INTEGER PRIMARY KEY (rowid<?)"],
    "blocks": ["SEARCH block USING INTEGER PRIMARY KEY (rowid>?)"],
    "kept_acts": [
        "SEARCH act USING INTEGER PRIMARY KEY (rowid>?)",
        "SEARCH block USING INTEGER PRIMARY KEY (rowid<?)",
    ],
    "kept_entries": [
        "SEARCH entry USING INTEGER PRIMARY KEY (rowid>?)",
        "SEARCH block USING INTEGER PRIMARY KEY (rowid<?)",
    ],
    "kept_events": [
        "SEARCH event USING INDEX event_number (number>? AND number<?)",
        "SEARCH block USING INTEGER PRIMARY KEY (rowid<?)",
    ],
    "has_key": ["SEARCH key USING PRIMARY KEY (hash=? AND number=?)"],
    "reseal": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)"],
    "reseal_note": ["SEARCH account USING INTEGER PRIMARY KEY (rowid=?)"],
    "notes_under": ["SEARCH account USING INDEX account_said (key_id=?)"],
    "returns_due": ["SEARCH entry USING INDEX entry_owed (route=? AND changed_at_us>?)"],
    "account": ["SEARCH account USING INTEGER PRIMARY KEY (rowid=?)"],
    "denies": ["SCAN CONSTANT ROW", "SCAN account USING COVERING INDEX account_denied"],
    "note_accounts": [],
    "add_to_key_uses": [],
    "spend": [],
    "spent": ["SEARCH spent USING PRIMARY KEY (day=? AND lane=?)"],
    "refund": ["SEARCH spent USING PRIMARY KEY (day=? AND lane=?)"],
    "stretch": [
        "SEARCH entry USING INTEGER PRIMARY KEY (rowid>? AND rowid<?)",
        "SEARCH payment USING INTEGER PRIMARY KEY (rowid=?)",
        "SEARCH reversal USING INDEX entry_reverses (reverses=?)",
    ],
    "forget_entry": ["SEARCH entry USING INTEGER PRIMARY KEY (rowid=?)"],
    "forget_events": ["SEARCH event USING COVERING INDEX event_number (number=?)"],
    "forget_days": ["SEARCH spent USING PRIMARY KEY (day=? AND lane=?)", "SEARCH spent USING PRIMARY KEY (day<?)"],
}
"""Statements asked while the service works, and how each comes to its rows."""

AT_OPENING: Final = {
    "keys_above",
    "restore_all_arrivals",
    "restore_times",
    "in_flight",
    "lanes_in_arrival",
    "lanes_aside",
    "has_late",
    "tally",
    "things",
    "is_adopting",
    "unproven",
    "adopt",
    "end_adopting",
}
"""Statements asked once, at opening."""

IN_STEPS: Final = {"recount", "recount_keys", "shape_arrival", "shape_aside", "memos", "accounts", "promised"}
"""Statements that read everything, a stretch at a time, on a connection of their own."""

ON_ARRIVAL: Final = {"fill_entry", "fill_account", "fill_promised", "sum_up", "sum_up_keys"}
"""Statements that fill a new file with what another engine kept, before anybody works on it."""

FOR_PERSONS: Final = {
    "accounts_counted",
    "key_uses",
    "page_aside_ascending",
    "page_aside_descending",
    "routes",
    "strays",
}
"""Statements that read all of something, beside payments, when a person or an audit asks."""


@pytest.fixture(scope="module")
def db() -> Any:
    """A database with every migration made, empty."""
    db = driver.connect(":memory:", isolation_level=None)
    bring_up_to_date(db)
    yield db
    db.close()


def whole(name: str) -> str:
    """A statement as it is prepared; those for many rows, for eight."""
    sql = SQL[name]
    if name in WIDTHS:
        (sql, _) = next(ManyRows(name, WIDTHS[name]).pieces([[None] * WIDTHS[name]] * 8))
    return sql


def nothings(sql: str) -> Any:
    """As many empty parameters as a statement takes."""
    named = re.findall(r":(\w+)", sql)
    return dict.fromkeys(named, 0) if named else [None] * sql.count("?")


def plan_of(db: Any, name: str) -> list[str]:
    """How the database would do a statement."""
    sql = whole(name)
    explain = f"EXPLAIN QUERY PLAN {sql}"
    return [row[3] for row in db.execute(explain, nothings(sql))]


@pytest.mark.parametrize("name", sorted(SQL))
def test_the_database_takes_every_statement(db: Any, name: str) -> None:
    """Each names tables and columns there are, and ends where it should."""
    sql = whole(name)
    explain = f"EXPLAIN {sql}"

    assert db.execute(explain, nothings(sql)).fetchall()


def test_every_statement_is_judged_here() -> None:
    """A new one says whether it is on a payment's way."""
    assert set(SQL) == {*WAYS, *AT_OPENING, *IN_STEPS, *ON_ARRIVAL, *FOR_PERSONS}


@pytest.mark.parametrize("name", sorted(WAYS))
def test_a_statement_comes_to_its_rows_by_the_index_made_for_it(db: Any, name: str) -> None:
    """Its cost must not depend on how much waits, or how much there ever was."""
    plan = [step for step in plan_of(db, name) if step.startswith(("SEARCH", "SCAN"))]
    plan = [step for step in plan if step != "SCAN 8-ROW VALUES CLAUSE"]

    assert [step[: len(way)] for step, way in zip(plan, WAYS[name], strict=True)] == WAYS[name]


@pytest.mark.parametrize("name", sorted(WAYS))
def test_a_statement_sorts_nothing(db: Any, name: str) -> None:
    """The index has the order already; a sort would read all before it gives the first."""
    assert not [step for step in plan_of(db, name) if "TEMP B-TREE" in step]


@pytest.mark.parametrize("count", range(201))
def test_pieces_cover_every_row_once_and_in_order(count: int) -> None:
    """Whatever the number of rows."""
    rows = [(number, -number) for number in range(count)]
    pieces = list(ManyRows("insert_events", 2).pieces(rows))

    assert [value for _, values in pieces for value in values] == [value for row in rows for value in row]
    assert [sql.count("?") for sql, _ in pieces] == [len(values) for _, values in pieces]


@pytest.mark.parametrize(("count", "pieces"), [(0, 0), (1, 1), (63, 1), (64, 1), (65, 2), (512, 8)])
def test_pieces_are_few(count: int, pieces: int) -> None:
    """A full batch is eight statements."""
    assert len(list(ManyRows("insert_events", 1).pieces([(1,)] * count))) == pieces


def test_a_new_entry_is_checked_by_comparisons_alone(db: Any) -> None:
    """For an IN over more than two constants SQLite makes a table of them, for each row: half of what the row costs."""
    explain = f"EXPLAIN {whole('insert_entries')}"

    assert "OpenEphemeral" not in {row[1] for row in db.execute(explain, nothings(whole("insert_entries")))}


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE entry SET kind = 3",
        "UPDATE entry SET recorded_as = 3",
        "UPDATE entry SET place = 3",
        "UPDATE entry SET place = 0",
        "UPDATE entry SET owns_key = 2",
        "UPDATE entry SET state = 7",
        "UPDATE entry SET state = 11",
        "UPDATE entry SET told = 4",
    ],
)
def test_no_entry_is_what_it_cannot_be(db: Any, change: str) -> None:
    """The file refuses it even if the program does not."""
    db.execute("BEGIN")
    entry = (1, b"i" * 16, 1, "bank", "k", b"", "main", 1, 1, "RUB", 1, 1, "", 0, 1, 2, b"", None, 0, 2)
    db.execute(ManyRows("insert_entries", 20).sized(1), entry)

    with pytest.raises(driver.IntegrityError, match="CHECK"):
        db.execute(change)
    db.execute("ROLLBACK")


def test_migrations_are_numbered_without_a_gap() -> None:
    """A spool of version n has seen the first n of them."""
    assert [number for number, _ in migrations()] == list(range(1, len(migrations()) + 1))


def test_a_database_is_brought_up_to_date_once(db: Any) -> None:
    """Opening again changes nothing."""
    before = db.execute("PRAGMA schema_version").fetchone()

    bring_up_to_date(db)

    assert db.execute("PRAGMA schema_version").fetchone() == before
