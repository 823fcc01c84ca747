"""Reads all there is, page by page, and has it audited."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from spool.evidence.audit import FINDINGS_MAX, Audit
from spool.evidence.findings import Fault, Finding, Mark
from spool.evidence.records import Records

PAGE_ENTRIES: Final = 50
"""Entries looked at in one go: between two pages whoever waits for the event loop has his turn."""

PAGE_BLOCKS: Final = 200


Pause = Callable[[], Awaitable[None]]
"""What is waited for between two pages."""


async def at_once() -> None:
    """No pause."""


async def audit(records: Records, marks: Iterable[Mark] = (), pause: Pause = at_once) -> Audit:
    """Everything as of the records' moment, against the log, and the log against heads that were kept elsewhere."""
    found = Audit(marks)
    start = 0
    while blocks := await records.blocks(start, PAGE_BLOCKS):
        for block in blocks:
            found.take_block(block)
        start = blocks[-1].first + 1
        await pause()
    after = 0
    while page := await records.kept(after, PAGE_ENTRIES):
        for kept in page:
            found.take_kept(kept)
        after = page[-1].entry.number
        await pause()
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
