"""What a node knows of lanes without asking: alone, which are clear; beside others that write as well, nothing.

Which rank an entry is to have for its lane's sake, the transaction that stores it finds out.
"""

from spool.lanes import Entering, FormerLanes, IsClear, LaneFilter
from spool.rank import USUAL, WORST


class LanesUnranked(LaneFilter):
    """A filter that counts all ranks alike."""

    def add(self, route: str, lane: int, rank: int = USUAL) -> None:  # noqa: ARG002 - whichever
        """One more unfinished entry."""
        super().add(route, lane)

    def remove(self, route: str, lane: int, rank: int = USUAL) -> None:  # noqa: ARG002 - whichever
        """One less."""
        super().remove(route, lane)


class LanesUnknown:
    """In the place of a filter: no lane is surely clear, and each may be."""

    def __init__(self) -> None:
        """Nothing is counted, so nothing is to be loaded."""
        self.complete = True
        self.worst = WORST

    def add(self, route: str, lane: int, rank: int) -> None:
        """Nothing is counted."""

    def remove(self, route: str, lane: int, rank: int) -> None:
        """Nothing is counted."""

    def finish_loading(self) -> None:
        """Nothing was loaded."""

    def is_clear(self, route: str, lane: int) -> bool:  # noqa: ARG002 - whichever
        """Never surely."""
        return False

    def former(self, is_clear: IsClear) -> FormerLanes:  # noqa: ARG002 - it never says so
        """All lanes: another node may put something into each, so nobody leaves."""
        return AllHeld()


class AllHeld:
    """Former lanes that nobody leaves."""

    def holds(self, route: str, lane: int, entering: Entering) -> bool:  # noqa: ARG002 - whichever
        """Always."""
        return True
