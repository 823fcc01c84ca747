"""What people are told of: one frozen record feeds every sink. Nothing personal is ever in it."""

import enum
from typing import Final

import msgspec

US: Final = 1_000_000


class Severity(enum.IntEnum):
    """How urgent it is. The words are those of the configuration."""

    INFO = 1
    WARNING = 2
    CRITICAL = 3

    @property
    def word(self) -> str:
        """As it is written."""
        return self.name.lower()


class Kind(enum.StrEnum):
    """What may be told of: a bounded vocabulary, as a webhook's `type` says it."""

    ROUTE_OPEN = "route.open"
    """A route's core is away; payments are taken in its place."""
    ROUTE_SOFT = "route.soft"
    """Failures or slowness rise; a part of the payments is taken in the core's place."""
    OPERATION_OPEN = "operation.open"
    """Checks or reversals alone don't pass: a core's search hangs, say, while it goes on booking."""
    LIMIT_NEAR = "limit.near"
    """What may be taken in the core's place is nearly used up, or soon will be."""
    LIMIT_REACHED = "limit.reached"
    """It is used up: payments get try later."""
    WINDOW_AHEAD = "window.ahead"
    """A planned window comes."""
    WINDOW_BEGUN = "window.begun"
    """A route stands in for a planned window."""
    WINDOW_CANCELLED = "window.cancelled"
    """A planned window that was announced, or had begun, was taken out of the plan."""
    WINDOW_OVERRUN = "window.overrun"
    """A planned window is over, and its core isn't back."""
    RETURN_DUE = "return.due"
    """Money is owed back."""
    CHANNEL_RETURNS = "channel.returns"
    """Money is owed back by a channel, which is told so: by its own sinks, of nothing else."""
    ENTRIES_PARKED = "entries.parked"
    """Payments wait for a person's decision."""
    ENTRIES_QUARANTINED = "entries.quarantined"
    """Records don't open, or something speaks against them."""
    ENTRIES_DOUBTFUL = "entries.doubtful"
    """Payments have been in doubt for long, though their core answers."""
    PROPOSALS_WAITING = "proposals.waiting"
    """What one person proposed waits for a second one."""
    DISK_TROUBLE = "disk.trouble"
    """The spool takes nothing new."""
    DATABASE_AWAY = "database.away"
    """The database can't be reached, and this node takes payments by itself; until all of them are brought over."""
    KEYS_TROUBLE = "keys.trouble"
    """Who keeps the master key can't be asked."""
    EVIDENCE_TROUBLE = "evidence.trouble"
    """The log and the entries don't agree, or a witness keeps nothing."""
    SINK_TROUBLE = "sink.trouble"
    """One of the ways to people doesn't work."""
    NODE_GONE = "node.gone"
    """One of several nodes on a spool is there no longer, and did not say that it ends."""
    OUTAGE_OVER = "outage.over"
    """An outage is over, and everything it left is settled: its report is there."""
    TEST = "test"
    """A person tries whether a sink works."""


class Phase(enum.StrEnum):
    """What is told of it."""

    RAISED = "raised"
    ESCALATED = "escalated"
    """It has become more urgent."""
    REPEATED = "repeated"
    """It still lasts."""
    CLEARED = "cleared"
    """It is over; the facts hold the totals."""
    TOLD = "told"
    """It has no end of its own."""


Facts = dict[str, str | int]
"""Words and figures, by name: never an account, a key or a person's data. Sums are written with their currency."""


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing to tell."""

    #: Rises with each event of this node.
    sequence: int
    node: str
    at_us: int
    kind: Kind
    phase: Phase
    severity: Severity
    #: Of what: a route, a channel, a route and a channel, a sink; empty for the whole service.
    subject: str
    #: When it began, microseconds since 1970 in UTC.
    since_us: int
    facts: Facts

    @property
    def id(self) -> str:
        """The same whenever and by whatever way it is told again."""
        return f"{self.node}-{self.at_us}-{self.sequence}"
