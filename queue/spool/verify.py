"""The conservation check: every payment is in exactly one state, and what was accepted is what the states add up to.

It may run at any time. `Store.recount` gives the tally of one moment and then counts the entries of that same moment,
so the two must be equal to the last minor unit, whatever the service does meanwhile; there is nothing to wait for and
nothing to allow for. Then all that was there is held against its evidence (`spool.evidence.auditing`). On request every
seal is opened too, which finds records that don't open.
"""

from collections.abc import AsyncIterator, Iterable, Mapping
from typing import Final

import msgspec

from spool.entry import Entry
from spool.errors import RecordDamaged, RecordShredded
from spool.evidence.auditing import SWIFT, Pace, audit
from spool.evidence.findings import Fault, Finding, Mark
from spool.lifecycle import WAITING, Kind, State
from spool.seal import Sealer
from spool.store import Filter, Store
from spool.tally import NOTHING, Cell, Sum
from spool.uses import short_of

PAGE_ENTRIES: Final = 500
"""Entries held in memory at a time while seals are opened."""

DAMAGED_SHOWN_MAX: Final = 1000
"""Most damaged entries named; all are counted."""


class Difference(msgspec.Struct, frozen=True):
    """A cell in which the tally says something else than the entries."""

    cell: Cell
    tally: Sum
    counted: Sum


class Balance(msgspec.Struct, frozen=True, kw_only=True):
    """What was accepted of one kind in one currency, by the entries, and where it is, by the tally."""

    kind: Kind
    currency: str
    accepted: Sum
    posted: Sum
    refused: Sum
    cancelled: Sum
    returned: Sum
    waiting: Sum

    @property
    def holds(self) -> bool:
        """Accepted is posted, refused, cancelled, returned and waiting, in count and in money."""
        return self.accepted == self.posted + self.refused + self.cancelled + self.returned + self.waiting


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found."""

    #: Entries counted.
    counted: int
    balances: tuple[Balance, ...]
    differences: tuple[Difference, ...]
    #: Entries whose seals were opened or tried; 0 when that wasn't asked for.
    opened: int
    #: Numbers of entries that don't open, the first `DAMAGED_SHOWN_MAX` of them ...
    damaged: tuple[int, ...]
    #: ... of so many.
    damaged_count: int
    #: How many events the log tells of, and the hash over them.
    events: int
    root: bytes
    #: What the evidence is against, the first `FINDINGS_MAX` things ...
    findings: tuple[Finding, ...]
    #: ... and how many there are, by kind.
    faults: dict[Fault, int]
    #: Entries whose key was destroyed on purpose: nothing is wrong with them.
    shredded: int = 0

    @property
    def ok(self) -> bool:
        """Nothing is wrong."""
        wrong = self.differences or self.damaged_count or self.faults
        return not wrong and all(balance.holds for balance in self.balances)


async def verify(
    store: Store,
    sealer: Sealer | None = None,
    marks: Iterable[Mark] = (),
    told: Iterable[Finding] = (),
    pace: Pace = SWIFT,
) -> Verdict:
    """Check an open store while it works.

    Args:
        store: the store.
        sealer: opens every seal too; None: they stay closed.
        marks: heads of its log that were kept elsewhere.
        told: what was found wrong with these already.
        pace: how the audit lets others have their turn.

    Raises:
        SpoolClosed: the store was closed meanwhile.
    """
    steps = aiter(store.recount())
    tally = _sums(await anext(steps))
    counted = _sums(await _last(steps))
    seals = _Seals() if sealer is None else await _open_all(store, sealer)
    audited = await audit(store, marks, pace)
    short = short_of(*await store.recount_keys())
    # Against entries that aren't what they were, nothing can be held.
    for detail in short if not audited.counts else ():
        audited.find(Finding(fault=Fault.KEY_USE_FORGED, detail=detail))
    for finding in told:
        audited.find(finding)
    return Verdict(
        counted=sum(total.entries for total in counted.values()),
        balances=balances(tally, counted),
        differences=differences(tally, counted),
        opened=seals.opened,
        damaged=tuple(seals.damaged),
        damaged_count=seals.damaged_count,
        shredded=seals.shredded,
        events=audited.size,
        root=audited.head.root,
        findings=audited.named,
        faults=audited.counts,
    )


def differences(tally: Mapping[Cell, Sum], counted: Mapping[Cell, Sum]) -> tuple[Difference, ...]:
    """Every cell in which the two aren't equal, in order."""
    pairs = ((cell, tally.get(cell, NOTHING), counted.get(cell, NOTHING)) for cell in sorted({*tally, *counted}))
    return tuple(Difference(cell, said, found) for cell, said, found in pairs if said != found)


def balances(tally: Mapping[Cell, Sum], counted: Mapping[Cell, Sum]) -> tuple[Balance, ...]:
    """One balance for each kind and currency there is."""
    scopes = sorted({(cell.kind, cell.currency) for cell in (*tally, *counted)})
    return tuple(_balance(kind, currency, tally, counted) for kind, currency in scopes)


def _balance(kind: Kind, currency: str, tally: Mapping[Cell, Sum], counted: Mapping[Cell, Sum]) -> Balance:
    def total(sums: Mapping[Cell, Sum], *states: State) -> Sum:
        found = (
            s for cell, s in sums.items() if (cell.kind, cell.currency) == (kind, currency) and cell.state in states
        )
        return sum(found, start=NOTHING)

    return Balance(
        kind=kind,
        currency=currency,
        accepted=total(counted, *State),
        posted=total(tally, State.POSTED),
        refused=total(tally, State.REFUSED),
        cancelled=total(tally, State.CANCELLED),
        returned=total(tally, State.RETURNED),
        waiting=total(tally, *WAITING),
    )


async def _last(steps: AsyncIterator[dict[Cell, tuple[int, int]]]) -> dict[Cell, tuple[int, int]]:
    last: dict[Cell, tuple[int, int]] = {}
    async for step in steps:
        last = step
    return last


class _Seals:
    """What became of opening seals."""

    def __init__(self) -> None:
        self.opened = self.damaged_count = self.shredded = 0
        self.damaged: list[int] = []

    def look(self, entry: Entry, sealer: Sealer) -> None:
        """Open one. What was shredded is so on purpose; an unfinished entry's key never is."""
        self.opened += 1
        try:
            sealer.open(entry)
        except RecordShredded:
            self.shredded += 1
        except RecordDamaged:
            self.damaged_count += 1
            self.damaged += [entry.number] if self.damaged_count <= DAMAGED_SHOWN_MAX else []


async def _open_all(store: Store, sealer: Sealer) -> _Seals:
    """Open every entry there is now."""
    seals = _Seals()
    async for entry in _entries(store, await store.highest_number()):
        seals.look(entry, sealer)
    return seals


async def _entries(store: Store, last: int) -> AsyncIterator[Entry]:
    """Entries up to number `last`, page by page; those that come while it goes on are left for the next check."""
    after = 0
    while after < last and (page := await store.page(Filter(after=after), PAGE_ENTRIES)):
        for entry in page:
            if entry.number <= last:
                yield entry
        after = page[-1].number


def _sums(cells: Mapping[Cell, tuple[int, int]]) -> dict[Cell, Sum]:
    return {cell: Sum(*figures) for cell, figures in cells.items()}
