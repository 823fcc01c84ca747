"""Many entries written out for other programs: JSON lines, CSV that runs nothing in a spreadsheet, or a spreadsheet's file.

It is what a list shows: nothing sealed is opened, so no account and nothing personal is in it. Numbers in CSV are text to
whoever asks a spreadsheet to keep them so; a cell that would begin a formula has an apostrophe in front.
"""

import csv
import io
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Final

import msgspec
from msgspec.structs import replace

from gateway.admin.asks import Form
from gateway.admin.entries.looking import leaf
from gateway.admin.http.problem import Code, Trouble
from gateway.admin.http.share import step_aside
from gateway.admin.reports.sheet import ROWS_MAX, TYPE, Sheet
from gateway.admin.views import EntryRow, entry_row
from spool.entry import Entry
from spool.store import Filter, Store

STEP: Final = 500
"""Entries read, and written, at once."""

TYPES: Final[dict[Form, str]] = {
    "csv": "text/csv; charset=utf-8; header=present",
    "jsonl": "application/jsonl",
    "xlsx": TYPE,
}
"""Content types by form."""

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula, or hides before one."""


def head(form: Form) -> bytes:
    """What comes before the entries."""
    return _lines([EntryRow.__struct_fields__]) if form == "csv" else b""


def body(form: Form, entries: Sequence[Entry]) -> bytes:
    """Entries, one a line."""
    rows = [entry_row(entry) for entry in entries]
    if form == "jsonl":
        return b"".join(msgspec.json.encode(row) + b"\n" for row in rows)
    return _lines([[harmless(str(value)) for value in msgspec.structs.astuple(row)] for row in rows])


def harmless(cell: str) -> str:
    """A cell that begins no formula. A number below nothing is one that does, to a spreadsheet: lanes have an apostrophe."""
    return f"'{cell}" if cell.startswith(_FORMULA) else cell


def _lines(rows: Sequence[Sequence[str]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8")


async def written(store: Store, wanted: Filter, form: Form) -> AsyncIterator[bytes]:
    """All that passes a filter, oldest first, piece by piece; each piece is read when the one before is taken."""
    yield head(form)
    async for found in _leaves(store, wanted):
        yield body(form, found)


async def sheet(store: Store, wanted: Filter, made_at: datetime) -> bytes:
    """All that passes a filter, oldest first, as a spreadsheet's file.

    Raises:
        Trouble: it is more than goes into one.
    """
    made = Sheet("entries", EntryRow.__struct_fields__, made_at)
    async for found in _leaves(store, wanted):
        if made.rows + len(found) > ROWS_MAX:
            raise Trouble(Code.INVALID, f"more than {ROWS_MAX} entries pass: narrow the filter, or take CSV")
        for entry in found:
            made.add([str(value) for value in msgspec.structs.astuple(entry_row(entry))])
    return await made.written()


async def _leaves(store: Store, wanted: Filter) -> AsyncIterator[list[Entry]]:
    wanted = replace(wanted, newest_first=False)
    while True:
        found, following = await leaf(store, wanted, STEP)
        if found:
            yield found
        if not following:
            return
        wanted = replace(wanted, after=following)
        await step_aside()
