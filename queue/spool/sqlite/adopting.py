"""Taking entries from before the log into it, once, when a spool of an earlier version is first opened."""

from typing import Any, Final

from spool.entry import Entry, Event
from spool.evidence import leaf
from spool.evidence.growth import Growth
from spool.evidence.story import ADOPTED
from spool.lifecycle import State
from spool.rows import entry_of, event_row
from spool.sqlite.statements import SQL, ManyRows
from spool.sqlite.transaction import block_row

PIECE_ENTRIES: Final = 2_000
"""Entries taken in with one block."""


_EVENT: Final = ManyRows("insert_events", 12).sized(1)


def adopt(db: Any, growth: Growth) -> None:
    """Give each entry that has no place in the log two: its acceptance, and where it is now. In the writer's thread.

    What is taken in is what is found. A crash in between leaves whole pieces, and the next opening goes on.
    """
    if not db.execute(SQL["is_adopting"]).fetchone()[0]:
        return
    while rows := db.execute(SQL["unproven"], (PIECE_ENTRIES,)).fetchall():
        db.execute("BEGIN IMMEDIATE")
        growth.begin()
        for row in rows:
            _adopt_one(db, growth, entry_of(row), State(row[-1]))
        block = growth.block()
        assert block is not None, "there were entries"
        db.execute(SQL["insert_block"], block_row(block))
        db.execute("COMMIT")
        growth.come_true()
    db.execute(SQL["end_adopting"])


def _adopt_one(db: Any, growth: Growth, entry: Entry, recorded_as: State) -> None:
    at_us = entry.changed_at_us
    index = growth.add(leaf.accepted(entry, recorded_as, entry.told), at_us)
    db.execute(SQL["adopt"], (index, +entry.told, entry.number))
    event = Event(
        number=entry.number,
        at_us=at_us,
        name=ADOPTED,
        source=entry.state,
        target=entry.state,
        attempt=entry.attempts,
        reason=entry.reason,
        actor="",
        note="",
        told=entry.told,
        core_id=entry.core_id,
        leaf=growth.size,
    )
    growth.add(leaf.moved(event), at_us)
    db.execute(_EVENT, event_row(event))
