"""Reads all there is, page by page, and has it audited.

The log is read up to where it ends now, then every row, then what was forgotten. A row tells only what its log tells in the
same commit, and one that is forgotten is named in that commit (`spool.evidence.gone`); so it need not be of the log's moment,
only of a later one, and every place of that log must still be some row's, or be named. No moment is held for long: a database can't tidy up behind one that is still being read, and its files grow.
"""

from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from typing import Final, NamedTuple, Protocol

from spool.evidence.audit import FINDINGS_MAX, Audit
from spool.evidence.findings import Fault, Finding, Mark
from spool.evidence.records import Records
from spool.evidence.settings import GONE, digest_of, is_setting

PAGE_BLOCKS: Final = 200


async def _at_once() -> None:
    """No pause."""


class Pace(NamedTuple):
    """How an audit lets others have their turn: whoever waits for the event loop, and the database's own tidying up."""

    #: Entries looked at in one go.
    entries: int = 50
    #: What is waited for between two goes.
    pause: Callable[[], Awaitable[None]] = _at_once
    #: Goes within one moment of the store ...
    goes: int = 200
    #: ... and what is waited for between two moments.
    rest: Callable[[], Awaitable[None]] = _at_once


SWIFT: Final = Pace()
"""Somebody waits for the answer."""


class Audited(Protocol):
    """What an audit needs of a store."""

    def records(self) -> AbstractAsyncContextManager[Records]:
        """Everything there is, as of one moment."""
        ...

    async def highest_number(self) -> int:
        """The highest number of any entry; 0 when there is none."""
        ...


async def audit(store: Audited, marks: Iterable[Mark] = (), pace: Pace = SWIFT) -> Audit:
    """Everything that was there when it began, against the log, and the log against heads that were kept elsewhere.

    What comes meanwhile may be looked at too, or not.
    """
    found = Audit(marks)
    async with store.records() as records:
        size = (await records.head()).size
        await _expect_gone(found, records, size)
    await _in_goes(store, pace, _Log(found, size).go)
    await _in_goes(store, pace, _Rows(found, await store.highest_number(), pace.entries).go)
    async with store.records() as records:
        for stray in await records.strays(FINDINGS_MAX):
            found.take_stray(stray)
        start = 0
        while acts := await records.acts(start, PAGE_BLOCKS):
            for act in acts:
                found.take_act(act)
            start = acts[-1].act.leaf + 1
        await _take_settings(found, records)
        for words in await records.faults():
            found.find(Finding(fault=Fault.DATABASE_DAMAGED, detail=words))
    found.finish()
    return found


async def _expect_gone(found: Audit, records: Records, size: int) -> None:
    """What was forgotten by now."""
    after = GONE
    while page := [memo for memo in await records.memos(after, PAGE_BLOCKS) if memo[0].startswith(GONE)]:
        for _, value in page:
            found.expect_gone(value, size)
        after = page[-1][0]


async def _take_settings(found: Audit, records: Records) -> None:
    """Values that the log tells of, and those it should tell of; none of them is kept."""
    kept, after = dict[str, str](), ""
    while page := await records.memos(after, PAGE_BLOCKS):
        for name, value in page:
            if name in found.told or is_setting(name):
                kept[name] = digest_of(value)
            if name.startswith(GONE):
                found.take_gone(name, value)
        after = page[-1][0]
    found.take_settings(kept)


async def _in_goes(store: Audited, pace: Pace, go: Callable[[Records], Awaitable[bool]]) -> None:
    """Go on for as long as there is more, moment by moment."""
    while True:
        async with store.records() as records:
            for _ in range(pace.goes):
                if not await go(records):
                    return
                await pace.pause()
        await pace.rest()


class _Log:
    """Takes the log's blocks up to a size."""

    def __init__(self, found: Audit, size: int) -> None:
        self._found = found
        self._size = size
        self._start = 0

    async def go(self, records: Records) -> bool:
        """Take some; whether there may be more."""
        blocks = [block for block in await records.blocks(self._start, PAGE_BLOCKS) if block.first < self._size]
        for block in blocks:
            self._found.take_block(block)
            self._start = block.first + 1
        return bool(blocks)


class _Rows:
    """Takes entries, with all that happened to them, up to a number."""

    def __init__(self, found: Audit, last: int, limit: int) -> None:
        self._found = found
        self._last = last
        self._limit = limit
        self._after = 0

    async def go(self, records: Records) -> bool:
        """Take some; whether there may be more."""
        page = await records.kept(self._after, self._limit)
        for kept in page:
            self._found.take_kept(kept)
            self._after = kept.entry.number
        return bool(page) and self._after < self._last
