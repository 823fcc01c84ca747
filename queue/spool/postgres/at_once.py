"""A commit of new payments alone, as one statement that records them or nothing: what most commits under load are.

Where this node knows the log's end, the statement is a transaction by itself (`by_itself`). Where other nodes write too, it
is one of a transaction that holds the log already (`in_turn`). Where anything at all is in the way of any entry it stores
nothing, and the works go the longer way (`spool.postgres.transaction`), which tells each what it met. What the statement
reads by itself is of the moment it began; but if the log's end, which it then holds, is still the same, nobody has recorded
or moved anything since. Of keys that were barred it looks for none: what came when its node had not heard of all bars goes the
longer way. See decisions 0053 and 0064.
"""

import enum
from collections import defaultdict
from collections.abc import Sequence
from typing import Any, Final

from spool.errors import SpoolError
from spool.evidence.growth import Head
from spool.postgres.admission import Admission, InTheWay
from spool.postgres.connection import Connection
from spool.postgres.recording import Newcomers, Recording, columns
from spool.postgres.seat import Seat
from spool.postgres.statements import SQL
from spool.postgres.work import Work
from spool.store import Inserted, Known
from spool.tally import counts_as_exposure
from spool.work import Insertion

_NO_LIMITS: list[list[Any]] = [[] for _ in range(6)]

_SOMETHING_IS_IN_THE_WAY: Final = -1


class Fared(enum.Enum):
    """How a statement by itself fared; but for the first, nothing was stored."""

    STORED = enum.auto()
    IN_THE_WAY = enum.auto()
    """Something was, of some entry."""
    BEHIND = enum.auto()
    """The log has gone on, or the lease is lost."""


def is_of_new_payments(works: Sequence[Work]) -> bool:
    """Whether works are nothing else."""
    return all(type(work) is Insertion for work in works)


class AtOnce:
    """New payments that are recorded by one statement, or not at all; written as far as can be before the log is held."""

    __slots__ = ("_heard", "_limits", "_new", "head", "results")

    def __init__(self, works: Sequence[Work]) -> None:
        """Nothing but insertions."""
        insertions = [work for work in works if isinstance(work, Insertion)]
        #: What each comes to if the statement stores anything.
        self.results = _results_of(insertions)
        self._new = Newcomers([each.entry for each in self.results if isinstance(each, Inserted)])
        self._limits = _limits_of(insertions)
        #: The last bar that was heard of before any of them came.
        self._heard = min(work.heard for work in insertions)
        #: The log's end after it, if it stored them the last time.
        self.head: Head | None = None

    async def by_itself(self, db: Connection, seat: Seat, lease_s: float, head: Head) -> Fared:
        """A whole transaction, of whoever knows the log's end."""
        if self._heard < seat.bars:
            return Fared.IN_THE_WAY
        recording = Recording(head)
        size = await db.fetchval(
            SQL["record_at_once"], *self._parameters(recording, seat), seat.session, lease_s, seat.bars
        )
        if size is None:
            return Fared.BEHIND
        return Fared.IN_THE_WAY if size == _SOMETHING_IS_IN_THE_WAY else self._stored(recording)

    async def in_turn(self, db: Connection, seat: Seat, head: Head) -> bool:
        """All that is left of a transaction that holds the log, which ends here; False where nothing was stored."""
        if self._heard < seat.bars:
            return False
        recording = Recording(head)
        size = await db.fetchval(SQL["record_in_turn"], *self._parameters(recording, seat))
        return size is not None and self._stored(recording) is Fared.STORED

    def _parameters(self, recording: Recording, seat: Seat) -> list[Any]:
        self.head = None
        entries, end = recording.record(self._new, seat), recording.end()
        assert end is not None, "the first of them is recorded, if nothing is in its way"
        return [*entries, *end, *self._limits]

    def _stored(self, recording: Recording) -> Fared:
        recording.growth.come_true()
        self.head = recording.growth.head
        return Fared.STORED


def written_at_once(works: Sequence[Work]) -> AtOnce | None:
    """None where there is anything else among them, or one can't be written: the longer way finds out which."""
    if not is_of_new_payments(works):
        return None
    try:
        return AtOnce(works)
    except Exception:  # noqa: BLE001 - of whichever it is, its neighbours go on
        return None


def _results_of(insertions: Sequence[Insertion]) -> list[Inserted | Known | SpoolError]:
    """What each comes to where nothing was there before; whether limits hold for all of them, the statement looks."""
    entries = [work.entry for work in insertions]
    lanes = {(entry.route, entry.lane) for entry in entries}
    keys = {(entry.channel, entry.key) for entry in entries}
    if len(lanes) == len(keys) == len(entries):
        return [Inserted(entry=entry) for entry in entries]
    admission, way = Admission(()), InTheWay({}, set(), {}, {})
    return [admission.admit(work, way) for work in insertions]


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
