"""Which new entries are let in, given what they meet: what was there before, and those before them in the same commit."""

from collections.abc import Sequence
from typing import NamedTuple

from msgspec.structs import replace

from spool.entry import Entry
from spool.errors import KeyBarred, LaneTaken, SpoolError
from spool.lifecycle import State
from spool.postgres.limits import Limits
from spool.postgres.work import Work
from spool.store import Inserted, Known
from spool.work import Insertion


class InTheWay(NamedTuple):
    """What new entries meet."""

    #: Owners of their keys.
    owners: dict[tuple[str, str], Entry]
    #: Numbers of those in flight whose lane isn't clear.
    taken: set[int]
    #: By number, the rank of the last unfinished entry of its lane, where that is worse.
    worst: dict[int, int]
    #: By number, the bar of its key, where it has one.
    barred: dict[int, int]


class Admission:
    """What one commit lets in. Not for a second use."""

    __slots__ = ("_entered", "limits")

    def __init__(self, works: Sequence[Work]) -> None:
        """Nothing yet of these."""
        self.limits = Limits(works)
        #: Lanes that new entries of this commit are in, and the worst rank of these: an attempt that comes after them may
        #: not overtake them.
        self._entered: dict[tuple[str, int], int] = {}

    def admit(self, work: Insertion, way: InTheWay) -> Inserted | Known | SpoolError:
        """What becomes of a new entry, given those before it in the same commit."""
        entry = work.entry
        owner = way.owners.get((entry.channel, entry.key))
        if owner is not None:
            return Known(entry=owner)
        if barred := is_barred(entry, work.heard, way):
            return barred
        lane = (entry.route, entry.lane)
        if entry.number in way.taken or (entry.state is State.IN_FLIGHT and lane in self._entered):
            return lane_taken()
        over = self.limits.broken(work.cell, entry.amount, work.within)
        if over is not None:
            return over
        entry = self.ranked(entry, way)
        way.owners[entry.channel, entry.key] = entry
        return Inserted(entry=entry)

    def ranked(self, entry: Entry, way: InTheWay) -> Entry:
        """A new entry as it is stored: none of its lane is ranked behind it that stands before it."""
        lane = (entry.route, entry.lane)
        rank = max(entry.rank, way.worst.get(entry.number, 0), self._entered.get(lane, 0))
        self._entered[lane] = rank
        return entry if rank == entry.rank else replace(entry, rank=rank)


def is_barred(entry: Entry, heard: int, way: InTheWay) -> SpoolError | None:
    """Of an entry whose request came when its node had heard of so many bars, if its key was barred since."""
    if way.barred.get(entry.number, 0) <= heard:
        return None
    return KeyBarred("its sender was told that it isn't there; nothing was stored")


def lane_taken() -> SpoolError:
    """Of an attempt that was to begin."""
    return LaneTaken("another entry of the lane isn't finished; nothing was stored")
