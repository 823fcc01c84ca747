"""How far the backlog has been read, by rank, and what of it may go by that. No I/O."""

from collections.abc import Callable, Collection
from typing import Final

from gateway.forward.window import ANY_TURN
from spool.number import NUMBER_MAX
from spool.rank import RANKS

ABOVE_ALL: Final = NUMBER_MAX + 1
"""Above every number."""


class Reading:
    """A cursor in each rank's arrival order."""

    def __init__(self, ranks: Collection[int]) -> None:
        """Nothing is read; `ranks` there may be of entries to come."""
        self._ranks = set(ranks)
        self._cursors = [0] * RANKS
        #: How far each was read at the most: going back doesn't make it unread.
        self._furthest = [0] * RANKS
        #: Lowest place gone back to since a rank's last reading began.
        self._rewound_to = [ABOVE_ALL] * RANKS
        #: There may be more above the cursor.
        self._more = [True] * RANKS
        #: So it is whatever a reading under way finds.
        self._news = [False] * RANKS

    @property
    def more(self) -> bool:
        """There may be more of any."""
        return any(self._more)

    def wants(self, rank: int) -> bool:
        """There may be more of a rank."""
        return self._more[rank]

    def furthest(self, rank: int) -> int:
        """The highest number that was read of a rank; 0 where none was."""
        return self._furthest[rank]

    def more_of(self, rank: int | None) -> None:
        """There may be more of this rank; of all there are where none is named."""
        for each in self._ranks if rank is None else (rank,):
            self._more[each] = self._news[each] = True

    def rewind(self, number: int) -> None:
        """Entries from this number on may stand in arrival order again."""
        for rank in range(RANKS):
            self._cursors[rank] = min(self._cursors[rank], number - 1)
            # A reading under way ends by moving the cursor on, but not past this.
            self._rewound_to[rank] = min(self._rewound_to[rank], self._cursors[rank])

    def begin(self, rank: int) -> int:
        """Read a rank above this number. The better ones are to be read after it.

        What of these came before it in its lane is on disk by then; their senders may not have been told yet.
        """
        self._news[rank] = False
        self._rewound_to[rank] = ABOVE_ALL
        for better in self._ranks:
            self._more[better] = self._more[better] or better < rank
        return self._cursors[rank]

    def end(self, rank: int, last: int, *, more: bool) -> None:
        """It was read up to this number (0: nothing was found), and there may be `more`."""
        if last:
            self._ranks.add(rank)
            self._cursors[rank] = min(self._rewound_to[rank], max(self._cursors[rank], last))
            self._furthest[rank] = max(self._furthest[rank], last)
        self._more[rank] = self._news[rank] or more

    def bound(self, turn: Callable[[int, int], int]) -> int:
        """The turn up to which everything is known: what is unread of any rank comes later."""
        return min((turn(self._furthest[rank], rank) for rank in range(RANKS) if self._more[rank]), default=ANY_TURN)
