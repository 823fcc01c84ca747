"""How soon an entry goes, beside those of other lanes. Within a lane the order is that of arrival, whatever the ranks.

An entry is never ranked before one that stands unfinished before it in its lane: it takes the worst rank of these. So the
order by (rank, number) is that of arrival in each lane, and whoever reads a rank at a time overtakes nobody.
"""

import enum
from typing import Final


class Rank(enum.IntEnum):
    """The numbers are stored; the lowest goes first."""

    FIRST = 0
    EARLY = 1
    USUAL = 2
    LATE = 3


USUAL: Final = int(Rank.USUAL)
"""The rank of what no rule speaks of."""

WORST: Final = int(Rank.LATE)

RANKS: Final = len(Rank)
