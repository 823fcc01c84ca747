"""A node's seat at the spool: the lease under which alone it writes.

Each transaction begins with `Seat.renew`, which changes the node's own row. So whoever takes its claims away (`take_over`,
by another node) and it itself, when it begins anew after a commit nobody knows of (`begin_anew`), wait for a transaction
under way to end, and one that comes later finds the row changed and stores nothing.
"""

from collections.abc import Sequence
from typing import Any, Final

from spool.errors import SpoolClosed
from spool.evidence.growth import Head
from spool.evidence.tree import peaks_of
from spool.nodes import SEATS_MAX
from spool.postgres.connection import Connection, connect
from spool.postgres.settings import PostgresSettings
from spool.postgres.statements import SQL

NEVER: Final = 0
MAY_COME_TO: Final = 1
MAY_HAVE: Final = 2
"""Whether a node may have payments that the database doesn't: `node.alone`."""


class LeaseLost(SpoolClosed):
    """Others have taken this node's claims away; nothing was stored."""


class SeatTaken(Exception):
    """A node of this name is at work, as far as anybody knows."""


class Seat:
    """Which row, lease and session are this node's, and what was heard at it."""

    __slots__ = ("bars", "lease", "number", "session")

    def __init__(self, number: int, lease: int, session: int) -> None:
        """As taken."""
        self.number, self.lease, self.session = number, lease, session
        #: The last bar that was heard of: see `spool.nodes.Nodes.bars`.
        self.bars = 0

    @property
    def sitting(self) -> bytes:
        """See `spool.nodes.Nodes.sitting`."""
        return sitting_of(self.number, self.lease)

    async def renew(self, db: Connection, lease_s: float) -> None:
        """The first statement of a transaction.

        Raises:
            LeaseLost: the rest of it must not be done.
        """
        said: str = await db.execute(SQL["renew"], self.number, self.lease, self.session, lease_s)
        if said != "UPDATE 1":
            raise LeaseLost("this node lost its lease; nothing was stored")

    async def renew_for_log(self, db: Connection, lease_s: float) -> Head:
        """The same, of a transaction that adds to the log; the log's end, held until its commit.

        Raises:
            LeaseLost: the rest of it must not be done.
        """
        row = await db.fetchrow(SQL["renew_for_log"], self.number, self.lease, self.session, lease_s)
        if row is None:
            raise LeaseLost("this node lost its lease; nothing was stored")
        self.bars = row[2]
        return Head(row[0], tuple(peaks_of(row[1])))

    def hear(self, rows: Sequence[Any]) -> None:
        """Of rows of the statement `seats`: bars of others."""
        self.bars = max(self.bars, *(row["bars"] for row in rows), 0)

    async def begin_anew(self, db: Connection, lease_s: float) -> bool:
        """Wait for what an earlier connection left under way, and let nothing of it come later; False if it is lost."""
        session: int | None = await db.fetchval(SQL["begin_anew"], self.number, self.lease, self.session, lease_s)
        if session is None:
            return False
        self.session = session
        return True

    async def leave(self, db: Connection, alone: int = NEVER) -> None:
        """Let others have the seat; unless payments of it aren't here, or may come to be: then its name keeps it."""
        await db.execute(SQL["stand_up"], self.number, self.lease, self.session, alone)


async def take_seat(
    db: Connection, name: str, lease_s: float, nodes_max: int = SEATS_MAX, *, alone: bool = False
) -> Seat:
    """The seat of this name, or an empty one; `alone` says that payments of this node may not be here yet.

    Raises:
        SeatTaken: another node has this name, and its lease runs; or as many nodes work as may.
    """
    async with db.transaction():
        # One at a time, so that no two find the last place empty.
        await db.fetchval(SQL["hold_log"])
        seats = await db.fetch(SQL["seats"])
        if len([row for row in seats if row["name"] not in {"", name} and row["lives"]]) >= nodes_max:
            raise SeatTaken
        mine = await db.fetchrow(SQL["my_seat"], name)
        if mine is not None and mine["lives"]:
            raise SeatTaken
        number = mine["seat"] if mine is not None else await _empty_seat(db)
        lease, session = await db.fetchrow(SQL["sit_down"], number, name, lease_s, MAY_HAVE if alone else NEVER)
    return Seat(number, lease, session)


async def _empty_seat(db: Connection) -> int:
    for _ in range(SEATS_MAX):
        found: int | None = await db.fetchval(SQL["empty_seat"])
        if found is not None:
            return found
        await db.execute(SQL["add_seat"])
    raise SeatTaken


async def unheard(settings: PostgresSettings) -> list[str]:
    """Nodes that may have payments in files of their own that aren't in the database."""
    db = await connect(settings)
    try:
        return [row["name"] for row in await db.fetch(SQL["seats"]) if row["unheard"]]
    finally:
        db.terminate()


def living(rows: list[Any]) -> list[int]:
    """Seats of nodes whose lease runs, of rows of the statement `seats`."""
    return [row["seat"] for row in rows if row["name"] and row["lives"]]


def sittings_in(rows: list[Any]) -> frozenset[bytes]:
    """Sittings that nobody has taken over, of rows of the statement `seats`."""
    return frozenset(sitting_of(row["seat"], row["lease"]) for row in rows if row["name"] and not row["gone"])


def sitting_of(seat: int, lease: int) -> bytes:
    """A seat under one lease."""
    return f"{seat}/{lease}".encode()
