"""What one outcome says of a core's health. Pure.

The kinds are counted apart because they mean different things: a call that never reached the core is harmless and, a
few times in a row, certain; one without an answer leaves a payment in doubt; one answered with a fault shows that the
core's machine lives and its software does not.
"""

import enum
import math
from typing import Final, assert_never

from adapters.outcome import (
    Allowed,
    Cause,
    Conflict,
    Misconfigured,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Posted,
    Refused,
    Unknown,
)

Heard = Outcome | NotFound | Allowed
"""Whatever an adapter may come back with: from a delivery, an inquiry or a check."""


class Evidence(enum.IntEnum):
    """What an outcome says of the core. The numbers index counters; they are not stored."""

    NOTHING = 0
    """Of health, nothing: the core is throttling us, which is a matter of pace."""
    GOOD = 1
    """The core answered a payment properly and in time; a business refusal is a proper answer."""
    ALIVE = 2
    """The core answered a question properly (an inquiry, a check): well, but no proof that it can book."""
    SLUGGISH = 3
    """A proper answer, slower than this core's habit, not yet too slow for a payer."""
    SLOW = 4
    """A proper answer that took too long."""
    DID_NOT_REACH = 5
    """No name, no connection, no TLS: surely nothing was sent."""
    NO_ANSWER = 6
    """Sent, then silence or a broken connection."""
    FAULT = 7
    """Answered, but not properly: a server error, an unreadable answer, "under maintenance"."""
    MISCONFIGURED = 8
    """It refuses us as a whole; every payment would fail."""

    @property
    def word(self) -> str:
        """The kind as metrics and people write it: `did_not_reach`."""
        return self.name.lower()


ANSWERED: Final = frozenset({Evidence.GOOD, Evidence.ALIVE, Evidence.SLUGGISH, Evidence.SLOW})
"""Kinds that show a core doing its work."""

FAILED: Final = frozenset({Evidence.DID_NOT_REACH, Evidence.NO_ANSWER, Evidence.FAULT})
"""Kinds that count against it, call by call."""

PROPER: Final = (Posted, Refused, Conflict, Pending, NotFound, Allowed)
"""Outcomes in which the core did its work."""

NOT_THERE: Final = frozenset(
    {
        Cause.DNS,
        Cause.REFUSED_CONNECTION,
        Cause.TLS,
        Cause.UNREACHABLE,
        Cause.MAINTENANCE,
        Cause.CREDENTIALS,
        Cause.CONTRACT,
    }
)
"""Causes that have nothing to do with how much the core had in hand."""

_BY_CAUSE: Final = {
    Cause.SERVER_ERROR: Evidence.FAULT,
    Cause.UNREADABLE: Evidence.FAULT,
    Cause.MAINTENANCE: Evidence.FAULT,
    Cause.THROTTLED: Evidence.NOTHING,
    Cause.WITHHELD: Evidence.NOTHING,
    Cause.CREDENTIALS: Evidence.MISCONFIGURED,
    Cause.CONTRACT: Evidence.MISCONFIGURED,
}
"""Causes that say the same whether or not something was sent; for the others *not sent* and *unknown* decide."""


def classify(outcome: Heard, duration_s: float, slow_call_s: float, sluggish_s: float = math.inf) -> Evidence:
    """What `outcome`, which took `duration_s` seconds, says of the core's health.

    Only proper answers can be slow: a failure's duration is our own time limit, not the core's speed. `sluggish_s` is
    what this core's own habit says.
    """
    match outcome:
        case Posted() | Refused() | Conflict() | Pending():
            return _timed(Evidence.GOOD, duration_s, slow_call_s, sluggish_s)
        case NotFound() | Allowed():
            return _timed(Evidence.ALIVE, duration_s, slow_call_s, sluggish_s)
        case NotSent(cause=cause):
            return _BY_CAUSE.get(cause, Evidence.DID_NOT_REACH)
        case Unknown(cause=cause):
            return _BY_CAUSE.get(cause, Evidence.NO_ANSWER)
        case Misconfigured():
            return Evidence.MISCONFIGURED
    assert_never(outcome)


def _timed(kind: Evidence, duration_s: float, slow_call_s: float, sluggish_s: float) -> Evidence:
    if duration_s > slow_call_s:
        return Evidence.SLOW
    return kind if duration_s <= sluggish_s else Evidence.SLUGGISH
