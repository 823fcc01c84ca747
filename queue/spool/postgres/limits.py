"""Limits over all nodes, kept exactly: counted in the transaction that takes a payment within them.

One transaction at a time adds to the log, so what is counted stays as it is until the commit.
"""

from collections.abc import Iterable, Sequence

from spool.errors import OverLimit
from spool.postgres.connection import Connection
from spool.postgres.statements import SQL
from spool.postgres.work import Work
from spool.tally import Cell, Limit, Sum, counts_as_exposure, limit_broken
from spool.work import Insertion, Moves


class Limits:
    """What is exposed on the routes of one transaction, with what it adds."""

    __slots__ = ("_asked", "_exposed")

    def __init__(self, works: Sequence[Work]) -> None:
        """For these; nothing is counted yet."""
        #: Routes on which something is to be taken within limits: on others nothing need be counted.
        self._asked = {route for work in works for route in _limited(work)}
        self._exposed: dict[tuple[str, str], Sum] = {}

    async def count(self, db: Connection) -> None:
        """What is exposed on all routes on which something is to be taken within limits."""
        if not self._asked:
            return
        for route, channel, entries, amount in await db.fetch(SQL["exposed"], sorted(self._asked)):
            self._add(route, channel, Sum(entries, amount))

    def broken(self, cell: Cell, amount: int, within: Sequence[Limit]) -> OverLimit | None:
        """The limit that a payment told provisionally would break; if none, it is counted."""
        if cell.route not in self._asked or not counts_as_exposure(cell):
            return None
        limit = limit_broken(within, lambda channel: self._exposed.get((cell.route, channel), Sum(0, 0)), amount)
        if limit is not None:
            return OverLimit(limit.channel)
        self._add(cell.route, cell.channel, Sum(1, amount))
        return None

    def _add(self, route: str, channel: str, more: Sum) -> None:
        for scope in ((route, ""), (route, channel)):
            self._exposed[scope] = self._exposed.get(scope, Sum(0, 0)) + more


def _limited(work: Work) -> Iterable[str]:
    """Routes on which a work is bound by limits."""
    if isinstance(work, Insertion):
        return [work.entry.route] if work.within else []
    if isinstance(work, Moves):
        return [each.after.route for each in work.planned if each.move.within]
    return []
