"""The sums of a database and of what is kept beside it, as one."""

from collections.abc import Iterator

from spool.lifecycle import WAITING
from spool.tally import Cell, Sum, Tally


class BothTallies(Tally):
    """Read only. What was brought over is counted where it is now, so of the file only what waits there."""

    def __init__(self, home: Tally, beside: Tally) -> None:
        """Read these two, as they are at each moment."""
        super().__init__()
        self._home, self._beside = home, beside

    def exposure(self, route: str, channel: str = "") -> Sum:
        """See `Tally.exposure`."""
        return self._home.exposure(route, channel) + self._beside.exposure(route, channel)

    def cells(self) -> Iterator[tuple[Cell, Sum]]:
        """See `Tally.cells`."""
        kept = {cell: total for cell, total in self._beside.cells() if cell.state in WAITING}
        for cell, total in self._home.cells():
            yield cell, total + kept.pop(cell, Sum(0, 0))
        yield from kept.items()
