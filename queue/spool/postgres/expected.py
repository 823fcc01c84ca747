"""What memory expects of works before they are on disk, and what the other nodes did."""

from collections.abc import Mapping
from typing import Any

from spool.expected import Expected
from spool.lifecycle import FINAL, WAITING
from spool.postgres.lanes import LanesUnknown, LanesUnranked
from spool.postgres.work import Bringing, Rescue, Work
from spool.tally import Cell
from spool.work import Forgetting, Insertion, Moves, Planned, Reversing, cell_of

_COMMON = (Insertion, Moves, Reversing, Forgetting)


class Expectations(Expected[LanesUnknown | LanesUnranked]):
    """The tally over all nodes: this one's as it will be, the others' as they were when last looked at."""

    def __init__(self, *, shared: bool) -> None:
        """Nobody did anything yet; where others write too, nothing is known of lanes."""
        super().__init__(LanesUnknown if shared else LanesUnranked)
        self._others: Mapping[Cell, tuple[int, int]] = {}

    def begin(self, cells: Mapping[Cell, tuple[int, int]], others: Mapping[Cell, tuple[int, int]]) -> None:
        """Forget everything: the sums of all nodes, and what of it is the others'."""
        self.renew(cells)
        self._others = others

    def hear(self, others: Mapping[Cell, tuple[int, int]]) -> bool:
        """Take over what the others did since; True when entries may wait that didn't."""
        more = False
        for cell in {**self._others, **others}:
            before, now = self._others.get(cell, (0, 0)), others.get(cell, (0, 0))
            if before != now:
                self.tally.add(cell, now[0] - before[0], now[1] - before[1])
                more |= cell.state in WAITING
        self._others = others
        return more

    def expect(self, work: Work) -> None:
        """A work was submitted."""
        if isinstance(work, _COMMON):
            super().expect(work)

    def settle(self, work: Work, result: Any) -> None:
        """Bring memory in step with what became of a work."""
        if isinstance(work, _COMMON):
            super().settle(work, result)
        elif isinstance(work, Rescue):
            for each in work.done:
                self._count(each)
        elif isinstance(work, Bringing) and not isinstance(result, Exception):
            self._bring(work)

    def _bring(self, work: Bringing) -> None:
        for entry in work.stored:
            self.tally.add(cell_of(entry), 1, entry.amount)
            self.lanes.add(entry.route, entry.lane, entry.rank)
        for each in work.moved:
            self._settle_move(each, made=True) if each.after.state in FINAL else self._count(each)

    def _count(self, each: Planned) -> None:
        self.tally.add(each.from_cell, -1, -each.after.amount)
        self.tally.add(each.to_cell, 1, each.after.amount)
