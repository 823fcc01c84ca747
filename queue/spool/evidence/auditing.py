"""Reads all there is, page by page, and has it audited."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

from spool.evidence.audit import FINDINGS_MAX, Audit
from spool.evidence.findings import Fault, Finding, Mark
from spool.evidence.records import Records

PAGE_BLOCKS: Final = 200


async def _at_once() -> None:
    """No pause."""


class Pace(NamedTuple):
    """How an audit lets whoever waits for the event loop have his turn."""

    #: Entries looked at in one go.
    entries: int = 50
    #: What is waited for between two goes.
    pause: Callable[[], Awaitable[None]] = _at_once


SWIFT: Final = Pace()
"""Somebody waits for the answer."""


async def audit(records: Records, marks: Iterable[Mark] = (), pace: Pace = SWIFT) -> Audit:
    """Everything as of the records' moment, against the log, and the log against heads that were kept elsewhere."""
    found = Audit(marks)
    start = 0
    while blocks := await records.blocks(start, PAGE_BLOCKS):
        for block in blocks:
            found.take_block(block)
        start = blocks[-1].first + 1
        await pace.pause()
    after = 0
    while page := await records.kept(after, pace.entries):
        for kept in page:
            found.take_kept(kept)
        after = page[-1].entry.number
        await pace.pause()
    for stray in await records.strays(FINDINGS_MAX):
        found.take_stray(stray)
    start = 0
    while acts := await records.acts(start, PAGE_BLOCKS):
        for act in acts:
            found.take_act(act)
        start = acts[-1].act.leaf + 1
    for words in await records.faults():
        found.find(Finding(fault=Fault.DATABASE_DAMAGED, detail=words))
    found.finish()
    return found
