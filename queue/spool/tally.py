"""Counts and sums of entries by where they are: what limits, status and the conservation check read.

Pure memory, kept in step with the entries by the engine: every insert adds to one cell, every move takes from one cell
and adds to another. Engines keep the same cells on disk, changed in the same commit.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from spool.lifecycle import WAITING, Kind, State, Told


class Cell(NamedTuple):
    """What entries are counted by."""

    route: str
    channel: str
    currency: str
    kind: Kind
    state: State
    told: Told


class Sum(NamedTuple):
    """How many entries, and the sum of their amounts in minor units."""

    entries: int
    amount: int

    def __add__(self, other: object) -> "Sum":
        assert isinstance(other, Sum)
        return Sum(self.entries + other.entries, self.amount + other.amount)


NOTHING = Sum(0, 0)

_new: Final = tuple.__new__  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType] - of any; a named tuple's own costs three times as much, for each payment


class Limit(NamedTuple):
    """Most of what may be exposed on an entry's route, of one channel or (without a name) of all; None = any."""

    channel: str
    entries_max: int | None
    amount_max: int | None

    def is_broken(self, exposed: Sum, amount: int) -> bool:
        """One more payment over `amount` would be too much beside what is exposed."""
        too_many = self.entries_max is not None and exposed.entries >= self.entries_max
        return too_many or (self.amount_max is not None and exposed.amount + amount > self.amount_max)


def limit_broken(limits: Sequence[Limit], exposed: Callable[[str], Sum], amount: int) -> Limit | None:
    """The first limit that one more payment over `amount` would break, given the exposure of a channel or of all."""
    return next((limit for limit in limits if limit.is_broken(exposed(limit.channel), amount)), None)


def counts_as_exposure(cell: Cell) -> bool:
    """Payments accepted provisionally and not yet finished."""
    return cell.told is Told.PROVISIONAL and cell.state in WAITING and cell.kind is Kind.PAYMENT


class Tally:
    """The cells, and the exposure derived from them."""

    def __init__(self, cells: Mapping[Cell, tuple[int, int]] | None = None) -> None:
        #: [count, amount] of each cell, and with it every figure of `_exposure` it counts in.
        self._cells: dict[Cell, tuple[list[int], ...]] = {}
        #: (route, channel) and (route, "") -> [count, amount] of payments told provisional and not finished.
        self._exposure: dict[tuple[str, str], list[int]] = {}
        self.load(cells or {})

    def load(self, cells: Mapping[Cell, tuple[int, int]]) -> None:
        """Forget everything and start from these cells."""
        self._cells.clear()
        self._exposure.clear()
        for cell, (entries, amount) in cells.items():
            self.add(cell, entries, amount)

    def add(self, cell: Cell, count: int, amount: int) -> None:
        """Add (or, with negative figures, take) entries at a cell."""
        at = self._cells.get(cell) or self._begin(cell)
        for figures in at:
            figures[0] += count
            figures[1] += amount

    def _begin(self, cell: Cell) -> tuple[list[int], ...]:
        """A cell there was nothing in yet."""
        exposed: list[list[int]] = []
        if counts_as_exposure(cell):
            scopes = ((cell.route, ""), (cell.route, cell.channel))
            exposed = [self._exposure.setdefault(scope, [0, 0]) for scope in scopes]
        at = self._cells[cell] = ([0, 0], *exposed)
        return at

    def exposure(self, route: str, channel: str = "") -> Sum:
        """Payments accepted provisionally and not yet finished, on a route, of one channel or of all."""
        at = self._exposure.get((route, channel))
        return NOTHING if at is None else _new(Sum, (at[0], at[1]))

    def cells(self) -> Iterator[tuple[Cell, Sum]]:
        """Every cell that isn't empty."""
        for cell, ((count, amount), *_) in self._cells.items():
            if count or amount:
                yield cell, Sum(count, amount)

    def waiting(self, route: str) -> Sum:
        """Everything of a route that still owes something."""
        found = NOTHING
        for cell, total in self.cells():
            if cell.route == route and cell.state in WAITING:
                found += total
        return found

    def snapshot(self) -> dict[Cell, tuple[int, int]]:
        """A copy of every cell that isn't empty."""
        return {cell: (total.entries, total.amount) for cell, total in self.cells()}
