"""The kinds of outages that are rehearsed, and what is seen of each."""

import enum
from collections.abc import Mapping
from typing import Final

import msgspec

from adapters.cores.scripted.faults import Fault, FaultKind
from adapters.cores.scripted.orders import Operation


class Kind(enum.StrEnum):
    """What billing does."""

    REFUSED = "refused"
    """Its machine refuses connections."""
    HANGS = "hangs"
    """It takes calls and says nothing."""
    ERRORS = "errors"
    """It answers with errors, and books nothing."""
    SLOW = "slow"
    """It answers, after ten seconds."""
    MAINTENANCE = "maintenance"
    """It says that it is under maintenance."""
    RESET = "reset"
    """It breaks connections before it answers, and books nothing."""
    GARBAGE = "garbage"
    """It books, and what it answers can't be read."""
    THROTTLED = "throttled"
    """It asks to be sent less."""
    CREDENTIALS = "credentials"
    """It refuses ours: somebody changed the password."""
    LOST = "lost"
    """It books, and its answers are lost on the way: what nobody knows must not be booked twice."""


FAULTS: Final[Mapping[Kind, Fault]] = {
    Kind.REFUSED: Fault(kind=FaultKind.REFUSE),
    Kind.HANGS: Fault(kind=FaultKind.HANG),
    Kind.ERRORS: Fault(kind=FaultKind.ERROR_BEFORE),
    Kind.SLOW: Fault(kind=FaultKind.SLOW, delay_s=10.0),
    Kind.MAINTENANCE: Fault(kind=FaultKind.MAINTENANCE, retry_after_s=1),
    Kind.RESET: Fault(kind=FaultKind.RESET_BEFORE),
    Kind.GARBAGE: Fault(kind=FaultKind.GARBAGE),
    Kind.THROTTLED: Fault(kind=FaultKind.THROTTLE, retry_after_s=1),
    Kind.CREDENTIALS: Fault(kind=FaultKind.UNAUTHORISED),
    Kind.LOST: Fault(kind=FaultKind.RESET_AFTER, operation=Operation.PAY),
}
"""What the scripted core is told to do."""


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What payers and billing saw of one kind of outage, on one route."""

    kind: str
    route: str
    core: str
    level: str
    #: Payments, and what their payers were told first.
    payments: int
    posted: int
    provisional: int
    try_later: int
    refused: int
    #: "Ask again with the same key".
    unclear: int
    #: Seconds the slowest answer took in health; in the outage, the one that came nearest to its channel's deadline.
    slowest_before_s: float
    slowest_s: float
    #: That channel's.
    deadline_s: float
    #: Why payers were told to try later, and how many for each reason.
    turned_away: Mapping[str, int]
    #: Seconds until the route was opened, from the outage's beginning; None when it never was.
    known_after_s: float | None
    #: Seconds from the outage's end until payments passed through again, and until nothing waited; None: not in time.
    back_after_s: float | None
    drained_after_s: float | None
    #: Payments in billing's own ledger.
    booked: int
    #: Told yes, and neither booked nor on a duty list.
    lost: int
    #: Booked more than once.
    doubled: int
    #: Booked after a no.
    booked_after_no: int
    #: Parked: the machine may not go on by itself at such a core.
    for_a_person: int
    #: What the route said was wrong.
    diagnosis: str

    @property
    def is_well(self) -> bool:
        """Nothing lost, nothing doubled, nothing left."""
        return not (self.lost or self.doubled or self.booked_after_no) and self.drained_after_s is not None


class Rehearsed(msgspec.Struct, frozen=True, kw_only=True):
    """A whole rehearsal."""

    ok: bool
    seen: tuple[Seen, ...]
