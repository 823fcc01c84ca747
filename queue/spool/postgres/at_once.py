"""A commit of new payments alone, as one statement that is a transaction by itself: what most commits under load are.

It is written for the log's end as this node left it. Where that isn't the end any more, or anything at all is in the way of
any entry, the statement stores nothing, and the works go the longer way (`spool.postgres.transaction`), which tells each
what it met. What the statement reads is of the moment it began; but if the log's end, which it then holds, is still the same,
nobody has recorded or moved anything since. See decision 0053.
"""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

from spool.errors import SpoolError
from spool.evidence.growth import Head
from spool.postgres.admission import Admission, InTheWay
from spool.postgres.connection import Connection
from spool.postgres.recording import Recording, columns
from spool.postgres.seat import Seat
from spool.postgres.statements import SQL
from spool.postgres.work import Work
from spool.store import Inserted, Known
from spool.tally import counts_as_exposure
from spool.work import Insertion

_NO_LIMITS: list[list[Any]] = [[] for _ in range(6)]


def is_of_new_payments(works: Sequence[Work]) -> bool:
    """Whether works are nothing else."""
    return all(type(work) is Insertion for work in works)


class AtOnce:
    """New payments that are recorded by one statement, or not at all. Not for a second use."""

    __slots__ = ("_limits", "_recording", "_size", "results")

    def __init__(self, works: Sequence[Work], head: Head) -> None:
        """Nothing but insertions, behind this end of the log."""
        self._recording = Recording(head)
        self._size = head.size
        insertions = [work for work in works if isinstance(work, Insertion)]
        admission, way = Admission(works), InTheWay({}, set(), {})
        #: What each comes to if the statement stores anything.
        self.results: list[Inserted | Known | SpoolError] = [admission.admit(work, way) for work in insertions]
        for each in self.results:
            if isinstance(each, Inserted):
                self._recording.record(each.entry)
        self._limits = _limits_of(insertions)

    async def store(self, db: Connection, seat: Seat, lease_s: float) -> Head | None:
        """The log's end after it; None where nothing was stored."""
        entries, end = self._recording.entries(seat), self._recording.end()
        assert end is not None, "the first of them is recorded, if nothing is in its way"
        size = await db.fetchval(
            SQL["record_at_once"], *entries, *end, seat.session, lease_s, self._size, *self._limits
        )
        if size is None:
            return None
        self._recording.growth.come_true()
        return self._recording.growth.head


def _limits_of(insertions: Sequence[Insertion]) -> list[list[Any]]:
    """Each scope with limits, what is added to it, and the lowest of its limits."""
    if not any(work.within for work in insertions):
        return _NO_LIMITS
    added = defaultdict[tuple[str, str], list[int]](lambda: [0, 0])
    most = dict[tuple[str, str], tuple[int | None, int | None]]()
    for work in insertions:
        if not counts_as_exposure(work.cell):
            continue
        for channel in ("", work.entry.channel):
            figures = added[work.entry.route, channel]
            figures[0] += 1
            figures[1] += work.entry.amount
        for limit in work.within:
            scope = (work.entry.route, limit.channel)
            before = most.get(scope, (None, None))
            most[scope] = (_lower(before[0], limit.entries_max), _lower(before[1], limit.amount_max))
    return columns([(*scope, *added[scope], *limits) for scope, limits in most.items()]) if most else _NO_LIMITS


def _lower(one: int | None, other: int | None) -> int | None:
    """The lower of two limits, of which either may be none."""
    known = [limit for limit in (one, other) if limit is not None]
    return min(known) if known else None
