"""What a commit adds beside moves: new entries with their leaves, sums, what data keys are needed for, the block."""

from collections.abc import Sequence
from typing import Any, Final

from spool.entry import Entry
from spool.evidence import leaf
from spool.evidence.growth import NO_HEAD, Growth, Head
from spool.postgres.seat import Seat
from spool.rows import new_row
from spool.tally import Cell
from spool.uses import UseChanges
from spool.work import cell_of

_WHOLE: Final = frozenset({0, 2, 7, 8, 10, 11, 13, 14, 15, 17, 18})
"""Columns of whole numbers, of those of a new entry."""


class Recording:
    """Gathered in the order of the log. Not for a second use."""

    __slots__ = ("_deltas", "growth", "rows", "uses")

    def __init__(self, head: Head = NO_HEAD) -> None:
        """Behind this end of the log."""
        self.growth = Growth(head)
        self.uses = UseChanges()
        self._deltas: dict[Cell, list[int]] = {}
        #: New entries that are not in the table yet.
        self.rows: list[tuple[Any, ...]] = []

    def record(self, entry: Entry) -> None:
        """A new entry that nothing is in the way of."""
        told = leaf.accepted(entry, entry.state, entry.told)
        self.rows.append(_row_of(entry, self.growth.add(told, entry.accepted_at_us)))
        self.count(cell_of(entry), 1, entry.amount)
        self.uses.record(entry)

    def count(self, cell: Cell, entries: int, amount: int) -> None:
        """So many more (or fewer) at a cell."""
        at = self._deltas.get(cell)
        if at is None:
            at = self._deltas[cell] = [0, 0]
        at[0] += entries
        at[1] += amount

    def entries(self, seat: Seat) -> list[Any]:
        """Parameters of what records new entries, which are taken out."""
        rows, self.rows = self.rows, []
        found = [_numbers(column) if at in _WHOLE else column for at, column in enumerate(_columns(rows, 19))]
        return [*found, seat.number, seat.lease]

    def end(self) -> list[Any] | None:
        """Parameters of what ends the commit; None when it tells of nothing."""
        block = self.growth.block()
        if block is None:
            return None
        figures = [(*cell, entries, amount) for cell, (entries, amount) in sorted(self._deltas.items())]
        return [
            *_columns(figures, 8),
            block.first,
            block.size,
            block.at_us,
            block.peaks,
            block.leaves,
            *_columns(self.uses.rows(), 4),
        ]


def _numbers(column: list[Any]) -> str:
    """Whole numbers as the text of an array: the driver takes four times as long over a list of them."""
    return f"{{{','.join(map(str, column))}}}"


def _columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Rows as what `unnest` takes."""
    return columns(rows) if rows else [[] for _ in range(count)]


def columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows (at least one) as what `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]


def _row_of(entry: Entry, leaf: int) -> tuple[Any, ...]:
    return (*new_row(entry), leaf, entry.rank)
