"""What the engine must be told."""

import msgspec

from spool.nodes import SEATS_MAX


class PostgresSettings(msgspec.Struct, frozen=True, kw_only=True):
    """Where the database is, and how long to wait for it."""

    #: URL of the database; it may name several hosts. It may hold a password, so it is never shown.
    dsn: str
    #: Most nodes at work at once; with more there, this one waits for one of them to end, and then gives up.
    nodes_max: int = SEATS_MAX
    #: What this node is called; no two that run at once may have the same name.
    node: str = "nightsafe"
    #: A node that did not write for so long has lost its claims to the others.
    lease_s: float = 5.0
    #: How often the others' sums, deaths and zones are looked at.
    poll_s: float = 0.25
    #: How long a connection may take to be made, and a statement to be done.
    connect_s: float = 5.0
    statement_s: float = 10.0
    #: Seconds after which whoever waits for a hanging commit is told that nobody knows.
    stall_s: float = 5.0
    #: Pause between attempts to connect again.
    reopen_s: float = 0.5
    #: Most connections for reading; one more writes.
    readers_max: int = 4
    #: How many standbys must be following synchronously; with fewer nothing new is taken.
    standbys_min: int = 0
    #: It goes on by itself while the database is away (`spool.away`): its seat is kept as long as it may have payments.
    alone: bool = False

    @property
    def silence_s(self) -> float:
        """How long a node may be silent within a transaction, in which others wait for it."""
        return max(1.0, self.lease_s / 2)

    def __repr__(self) -> str:
        return f"PostgresSettings(node={self.node!r})"
