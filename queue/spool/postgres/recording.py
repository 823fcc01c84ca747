"""What a commit adds beside moves: new entries with their leaves, sums, what data keys are needed for, the block."""

from collections.abc import Sequence
from typing import Any

from spool.entry import Entry
from spool.evidence import leaf
from spool.evidence.growth import NO_HEAD, Growth, Head
from spool.evidence.tree import leaf_hash
from spool.postgres.seat import Seat
from spool.tally import Cell
from spool.uses import UseChanges


class Newcomers:
    """New entries that nothing is in the way of, as far as they can be written before it is known where the log ends.

    Most of a commit have nearly everything in common: what a `kin` shares is sent once.
    """

    __slots__ = ("_columns", "at_us", "cells", "hashes", "uses")

    def __init__(self, entries: Sequence[Entry]) -> None:
        """In the order of the log; at least one."""
        self.hashes = [leaf_hash(leaf.accepted(entry, entry.state, entry.told)) for entry in entries]
        accepted = [entry.accepted_at_us for entry in entries]
        #: When the newest of them was accepted.
        self.at_us = max(accepted)
        kins: dict[tuple[Any, ...], int] = {}
        of_kin = [kins.setdefault(_kin_of(entry), len(kins) + 1) for entry in entries]
        #: Entries and amounts by where they are counted.
        self.cells: dict[Cell, list[int]] = {}
        figures = [self.cells.setdefault(Cell(kin[2], kin[1], kin[3], kin[0], kin[4], kin[8]), [0, 0]) for kin in kins]
        for entry, kin in zip(entries, of_kin, strict=True):
            at = figures[kin - 1]
            at[0] += 1
            at[1] += entry.amount
        self.uses = UseChanges()
        self.uses.record_all(entries)
        self._columns = [
            _numbers([entry.number for entry in entries]),
            [entry.key for entry in entries],
            [entry.fingerprint for entry in entries],
            _numbers([entry.lane for entry in entries]),
            _numbers([entry.amount for entry in entries]),
            _numbers(accepted),
            [entry.sealed for entry in entries],
            _numbers(of_kin),
            *columns(list(kins)),
            b"".join([entry.id for entry in entries]),
        ]

    def parameters(self, first: int, seat: Seat) -> list[Any]:
        """Of what records them, the first one's leaf being this."""
        return [*self._columns, first, seat.number, seat.lease]


class Recording:
    """Gathered in the order of the log. Not for a second use."""

    __slots__ = ("_deltas", "growth", "uses")

    def __init__(self, head: Head = NO_HEAD) -> None:
        """Behind this end of the log."""
        self.growth = Growth(head)
        self.uses = UseChanges()
        self._deltas: dict[Cell, list[int]] = {}

    def record(self, new: Newcomers, seat: Seat) -> list[Any]:
        """New entries, which go behind what was added before; parameters of what records them."""
        first = self.growth.add_hashed(new.hashes, new.at_us)
        for cell, (entries, amount) in new.cells.items():
            self.count(cell, entries, amount)
        self.uses.add(new.uses)
        return new.parameters(first, seat)

    def count(self, cell: Cell, entries: int, amount: int) -> None:
        """So many more (or fewer) at a cell."""
        at = self._deltas.get(cell)
        if at is None:
            at = self._deltas[cell] = [0, 0]
        at[0] += entries
        at[1] += amount

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


def _kin_of(entry: Entry) -> tuple[Any, ...]:
    """What many entries of one commit have in common."""
    return (
        entry.kind,
        entry.channel,
        entry.route,
        entry.currency,
        entry.state,
        entry.policy,
        entry.reverses,
        entry.key_id,
        entry.told,
        entry.rank,
    )


def _numbers(column: list[int]) -> str:
    """Whole numbers as the text of an array: the driver takes four times as long over a list of them."""
    return f"{{{str(column)[1:-1]}}}"


def _columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    """Rows as what `unnest` takes."""
    return columns(rows) if rows else [[] for _ in range(count)]


def columns(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows (at least one) as what `unnest` takes."""
    return [list(column) for column in zip(*rows, strict=True)]
