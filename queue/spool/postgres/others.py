"""How the nodes share a route's lanes: each lane's backlog is sent by one of those whose way to the core is open.

It is a matter of speed, not of safety: while two nodes disagree for a moment, claims are told apart by compare-and-set,
and one attempt in flight per lane by an index.
"""

import math
from collections.abc import Sequence
from typing import Any

from spool.nodes import LEAST, Share
from spool.postgres.seat import living


def shares_of(rows: Sequence[Any], mine: int) -> dict[str, Share]:
    """This node's share, of rows of the statement `seats`: under "" of any route, and of those somebody doesn't send."""
    seats = living(list(rows))
    closed = {route for row in rows for route in row["closed"] if row["seat"] in seats}
    shares = {"": _share(seats, mine)}
    for route in closed:
        shares[route] = _share(
            [row["seat"] for row in rows if row["seat"] in seats and route not in row["closed"]], mine
        )
    return shares


class Portion:
    """What this node may put on a core: its share among all nodes that are there.

    Whoever comes, or saw nobody for a lease, has the least until the others have surely looked round: by then they have seen
    it, or their own leases are over.
    """

    def __init__(self, lease_s: float) -> None:
        """Nobody was seen yet."""
        self._lease_s = lease_s
        self._share = LEAST
        #: When it was looked last, and since when everybody knows of this node.
        self._seen_at, self._known_from = -math.inf, math.inf

    def see(self, rows: Sequence[Any], mine: int, now: float) -> None:
        """Rows of the statement `seats`, asked for at `now`, while this node had its seat."""
        self._share = _share(living(list(rows)), mine)
        if now - self._seen_at >= self._lease_s:
            self._known_from = now + (self._lease_s if self._share.of > 1 else 0.0)
        self._seen_at = now

    def share(self, now: float) -> Share:
        """See `spool.nodes.Nodes.share`."""
        return self._share if self._known_from <= now < self._seen_at + self._lease_s else LEAST


def _share(seats: Sequence[int], mine: int) -> Share:
    # One's own is always among them: a route that opens again is tried before the others know.
    members = sorted({*seats, mine})
    return Share(members.index(mine), len(members))
