"""Where each unfinished entry of the memory engine waits, in sorted lists: no question looks at all of them."""

import enum
from bisect import bisect_left, bisect_right, insort
from collections import Counter, defaultdict
from itertools import islice, takewhile

from spool.entry import Entry
from spool.lifecycle import WAITING, State
from spool.rank import RANKS


class Spot(enum.Enum):
    """How an entry waits."""

    LINE = enum.auto()
    """In arrival order."""
    CLOCK = enum.auto()
    """For its time."""
    BEHIND = enum.auto()
    """For the entries before it in its lane."""
    STILL = enum.auto()
    """For an outcome or a person."""


class Waiting:
    """Unfinished entries by how they wait, and by lane."""

    def __init__(self) -> None:
        self._spots: dict[int, Spot] = {}
        #: Per spot and route: (time due or rank, number), ascending.
        self._queues: defaultdict[tuple[Spot, str], list[tuple[int, int]]] = defaultdict(list)
        #: Per route and lane: numbers unfinished but not in arrival order, ascending.
        self._aside: defaultdict[tuple[str, int], list[int]] = defaultdict(list)
        self._unfinished: Counter[tuple[str, int]] = Counter()
        #: Of those, by rank.
        self._ranks: Counter[tuple[str, int, int]] = Counter()

    def put(self, entry: Entry, spot: Spot) -> None:
        """Let an entry wait at a spot; a finished one waits nowhere."""
        if entry.state not in WAITING:
            return
        self._spots[entry.number] = spot
        insort(self._queues[spot, entry.route], _place(spot, entry))
        self._unfinished[entry.route, entry.lane] += 1
        self._ranks[entry.route, entry.lane, entry.rank] += 1
        if spot is not Spot.LINE:
            insort(self._aside[entry.route, entry.lane], entry.number)

    def take(self, entry: Entry) -> None:
        """Forget where an unfinished entry waits; nothing leaves a final state."""
        spot = self._spots.pop(entry.number)
        queue = self._queues[spot, entry.route]
        del queue[bisect_left(queue, _place(spot, entry))]
        self._unfinished[entry.route, entry.lane] -= 1
        self._ranks[entry.route, entry.lane, entry.rank] -= 1
        if spot is not Spot.LINE:
            aside = self._aside[entry.route, entry.lane]
            del aside[bisect_left(aside, entry.number)]

    def is_in_line(self, entry: Entry) -> bool:
        """The entry waits in arrival order."""
        return self._spots.get(entry.number) is Spot.LINE

    def in_line(self, route: str, rank: int, after: int, limit: int) -> list[int]:
        """Numbers of a rank in arrival order above `after`."""
        line = self._queues[Spot.LINE, route]
        begin, end = bisect_right(line, (rank, after)), bisect_left(line, (rank + 1, 0))
        return [number for _, number in line[begin : min(end, begin + limit)]]

    def oldest_in_line(self, route: str) -> int:
        """The lowest number in arrival order, whatever its rank; 0 when there is none."""
        firsts = [self.in_line(route, rank, 0, 1) for rank in range(RANKS)]
        return min((number for first in firsts for number in first), default=0)

    def rank_behind(self, route: str, lane: int, rank: int) -> int:
        """This rank, or the worst of what is unfinished in the lane."""
        return max([rank, *(each for each in range(rank + 1, RANKS) if self._ranks[route, lane, each])])

    def behind(self, route: str, lane: int, limit: int) -> list[int]:
        """Numbers set behind in one lane, in order, up to the first entry that waits for anything else."""
        ahead = takewhile(lambda number: self._spots[number] is Spot.BEHIND, self._aside[route, lane])
        return list(islice(ahead, limit))

    def due(self, route: str, now_us: int) -> list[int]:
        """Numbers whose time has come, soonest first."""
        clock = self._queues[Spot.CLOCK, route]
        return [number for _, number in clock[: bisect_left(clock, (now_us + 1, 0))]]

    def next_due_us(self, route: str) -> int:
        """The soonest time; one that is due at once counts as long past, not as none."""
        clock = self._queues[Spot.CLOCK, route]
        return max(clock[0][0], 1) if clock else 0

    def is_blocked(self, entry: Entry) -> bool:
        """An earlier entry of the lane isn't in arrival order."""
        aside = self._aside[entry.route, entry.lane]
        return bool(aside) and aside[0] < entry.number

    def is_clear(self, route: str, lane: int) -> bool:
        """Nothing of the lane is unfinished."""
        return not self._unfinished[route, lane]


def spot_of(entry: Entry) -> Spot:
    """How an entry waits as long as nobody sets it behind."""
    if entry.state is State.READY:
        return Spot.CLOCK if entry.due_at_us else Spot.LINE
    return Spot.CLOCK if entry.state is State.IN_DOUBT else Spot.STILL


def _place(spot: Spot, entry: Entry) -> tuple[int, int]:
    return (entry.due_at_us if spot is Spot.CLOCK else entry.rank, entry.number)
