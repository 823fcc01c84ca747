"""What memory expects of works before they are on disk, so that limits and lanes can't be raced."""

from collections.abc import Callable, Mapping
from typing import Any, Generic, Protocol, TypeVar

from spool import work as works
from spool.lanes import FormerLanes, IsClear
from spool.lifecycle import FINAL, State
from spool.rank import WORST
from spool.store import Inserted
from spool.tally import Cell, Tally


class Lanes(Protocol):
    """What is kept of lanes: see `spool.lanes.LaneFilter`."""

    complete: bool
    worst: int

    def add(self, route: str, lane: int, rank: int) -> None:
        """One more unfinished entry."""
        ...

    def remove(self, route: str, lane: int, rank: int) -> None:
        """One less."""
        ...

    def finish_loading(self) -> None:
        """Everything of an earlier run has been added."""
        ...

    def is_clear(self, route: str, lane: int) -> bool:
        """No unfinished entry is in the lane, surely."""
        ...

    def former(self, is_clear: IsClear) -> FormerLanes:
        """The lanes up to now as former ones; `is_clear` asks these lanes, or whichever take their place."""
        ...


L = TypeVar("L", bound=Lanes)


class Expected(Generic[L]):
    """Tally and lanes as they are once everything submitted is done; corrected by what was."""

    def __init__(self, make_lanes: Callable[[], L]) -> None:
        """With nothing in any lane."""
        self.tally = Tally()
        self._make_lanes = make_lanes
        self.lanes = make_lanes()

    def renew(self, cells: Mapping[Cell, tuple[int, int]], worst: int = WORST) -> None:
        """Forget everything: sums as the disk has them, lanes yet to be loaded, none of a worse rank than this."""
        self.tally.load(cells)
        self.lanes = self._make_lanes()
        self.lanes.complete = False
        self.lanes.worst = worst

    def expect(self, work: works.Work) -> None:
        """A work was submitted."""
        if isinstance(work, works.Insertion):
            entry = work.entry
            self.tally.add(work.cell, 1, entry.amount)
            if entry.state not in FINAL:
                self.lanes.add(entry.route, entry.lane, entry.rank)
        elif isinstance(work, works.Moves):
            for each in work.planned:
                if each.after.state not in FINAL:
                    self._shift(each, 1)
                    if each.move.entry.state in FINAL:
                        self.lanes.add(each.after.route, each.after.lane, each.after.rank)
        elif isinstance(work, works.Reversing):
            self.lanes.add(work.draft.route, work.draft.lane, work.draft.rank)

    def settle(self, work: works.Work, result: Any) -> None:
        """Bring memory in step with what became of a work: its result, or the error that stored nothing of it."""
        if isinstance(work, works.Insertion):
            if not isinstance(result, Inserted):
                self._take_back(work)
        elif isinstance(work, works.Moves):
            made = [False] * len(work.planned) if isinstance(result, Exception) else result
            for each, was_made in zip(work.planned, made, strict=True):
                self._settle_move(each, made=was_made)
        elif isinstance(work, works.Reversing):
            self._settle_reversing(work, result)
        elif isinstance(work, works.Forgetting) and not isinstance(result, Exception):
            for cell, (entries, amount) in work.cells.items():
                self.tally.add(cell, -entries, -amount)

    def _take_back(self, work: works.Insertion) -> None:
        entry = work.entry
        self.tally.add(work.cell, -1, -entry.amount)
        if entry.state not in FINAL:
            self.lanes.remove(entry.route, entry.lane, entry.rank)

    def _shift(self, each: works.Planned, sign: int) -> None:
        """Count a move; a move that crosses (two of one entry at once) may only be taken back."""
        amount = sign * each.after.amount
        self.tally.add(each.to_cell, sign, amount)
        self.tally.add(each.from_cell, -sign, -amount)

    def _settle_move(self, each: works.Planned, *, made: bool) -> None:
        if each.after.state not in FINAL:
            if not made:
                self._shift(each, -1)
                if each.move.entry.state in FINAL:
                    self.lanes.remove(each.after.route, each.after.lane, each.after.rank)
        elif made:
            # Counted only now: room under a limit that a failing commit takes back would have been given to others.
            self._shift(each, 1)
            if each.move.entry.state not in FINAL:
                self.lanes.remove(each.after.route, each.after.lane, each.after.rank)

    def _settle_reversing(self, work: works.Reversing, result: Any) -> None:
        entry = result.entry if isinstance(result, Inserted) else None
        if entry is None or entry.state in FINAL:
            self.lanes.remove(work.draft.route, work.draft.lane, work.draft.rank)
        if entry is None:
            return
        self.tally.add(works.cell_of(entry), 1, entry.amount)
        if entry.state is State.CANCELLED:
            self._settle_netting(result)

    def _settle_netting(self, result: Any) -> None:
        payment = result.netted
        self.tally.add(works.cell_of(payment), -1, -payment.amount)
        cancelled = works.cell_of(payment)._replace(state=State.CANCELLED)
        self.tally.add(cancelled, 1, payment.amount)
        self.lanes.remove(payment.route, payment.lane, payment.rank)
