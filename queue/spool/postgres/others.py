"""How the nodes share a route's lanes: each lane's backlog is sent by one of those whose way to the core is open.

It is a matter of speed, not of safety: while two nodes disagree for a moment, claims are told apart by compare-and-set,
and one attempt in flight per lane by an index.
"""

from collections.abc import Sequence
from typing import Any

from spool.postgres.questions import Share
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


def _share(seats: Sequence[int], mine: int) -> Share:
    # One's own is always among them: a route that opens again is tried before the others know.
    members = sorted({*seats, mine})
    return Share(members.index(mine), len(members))
