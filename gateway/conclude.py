"""What follows from an attempt or an inquiry: pure decisions, the same for live payments and the backlog.

Facts in, a `Step` out; the callers turn it into a move of the entry. The one rule behind all of it: after *not sent* a
payment may go again, after *unknown* only the core can tell, and where the core can't tell a person must.
"""

from typing import Final

import msgspec

from adapters.core import Capabilities, Level
from adapters.outcome import (
    Conflict,
    InquiryOutcome,
    Misconfigured,
    NotFound,
    NotSent,
    Outcome,
    Pending,
    Posted,
    Refused,
    Unknown,
)
from spool import lifecycle
from spool.entry import Entry
from spool.lifecycle import Transition

PARKED_FOR_CONFLICT: Final = "conflict"
PARKED_AS_BLIND: Final = "core_cannot_tell"
PARKED_FOR_ATTEMPTS: Final = "attempts"
PARKED_AS_FINAL: Final = "core_cannot_undo"
"""Reasons of parking: a bounded vocabulary."""

ROUTE_OPENED: Final = "route_opened"
"""Reason of an attempt that was recorded and not made."""


class Terms(msgspec.Struct, frozen=True, kw_only=True):
    """What a route's settings and core say about going on."""

    capabilities: Capabilities
    #: Unclear attempts after which an entry is parked, while the route is well; 0 = never.
    attempts_max: int
    #: True when the route is well, so that a failure is the entry's own.
    route_is_well: bool
    #: Seconds this entry waits before its next own attempt or inquiry (full jitter, made by the caller).
    backoff_s: float
    #: The attempt repeated one that ended in doubt, and that one may be booked whatever became of this one.
    repeated: bool = False
    #: When the core was asked, the settle delay had passed since anything can have been sent.
    settled: bool = True


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One transition to make."""

    transition: Transition
    #: Seconds until the entry may be taken in hand again; 0 = at once.
    wait_s: float = 0.0
    reason: str = ""
    core_id: str = ""


def leave_ended(*, repeated: bool) -> Step:
    """The route opened while an attempt went to disk, so nothing was sent; what was in doubt before still is."""
    return Step(transition=lifecycle.DOUBT if repeated else lifecycle.NOT_SENT, reason=ROUTE_OPENED)


def booked(outcome: Posted) -> Step:
    """The core has it: whatever else is known of the entry changes nothing."""
    return Step(transition=lifecycle.POST, core_id=outcome.core_id)


def after_attempt(entry: Entry, outcome: Outcome, terms: Terms) -> Step:
    """What an attempt's outcome means for an entry in flight."""
    if isinstance(outcome, Posted):
        return booked(outcome)
    if isinstance(outcome, Refused):
        return Step(transition=lifecycle.REFUSE, reason=outcome.refusal.value)
    if isinstance(outcome, Conflict):
        return Step(transition=lifecycle.PARK, reason=PARKED_FOR_CONFLICT)
    if isinstance(outcome, Pending):
        return Step(transition=lifecycle.DOUBT, wait_s=outcome.poll_after_s, reason="pending")
    unsent = lifecycle.DOUBT if terms.repeated else lifecycle.NOT_SENT
    if isinstance(outcome, NotSent):
        wait_s = max(outcome.retry_after_s, terms.backoff_s) if terms.route_is_well else outcome.retry_after_s
        return Step(transition=unsent, wait_s=wait_s, reason=outcome.cause.value)
    if isinstance(outcome, Misconfigured):
        return Step(transition=unsent, reason=outcome.cause.value)
    return _after_unknown(entry, outcome, terms)


def _after_unknown(entry: Entry, outcome: Unknown, terms: Terms) -> Step:
    able = terms.capabilities
    if able.level is Level.C and not able.lookup:
        return Step(transition=lifecycle.PARK, reason=PARKED_AS_BLIND)
    if terms.route_is_well and terms.attempts_max and entry.attempts >= terms.attempts_max:
        return Step(transition=lifecycle.PARK, reason=PARKED_FOR_ATTEMPTS)
    settle_s = 0.0 if able.level is Level.A else able.settle_delay_s
    wait_s = max(settle_s, terms.backoff_s, outcome.retry_after_s)
    return Step(transition=lifecycle.DOUBT, wait_s=wait_s, reason=outcome.cause.value)


def may_resend(capabilities: Capabilities, age_s: float) -> bool:
    """An entry in doubt may be sent again as it is: the core dedupes, and still remembers the key.

    `age_s` is the time since the entry was accepted, so no attempt is older.
    """
    if capabilities.level is not Level.A:
        return False
    # What is sent now the core may look at as late as its longest request takes.
    looked_at_s = age_s + capabilities.settle_delay_s
    return not capabilities.key_lifetime_s or looked_at_s < capabilities.key_lifetime_s


def may_inquire(capabilities: Capabilities) -> bool:
    """The core can be asked about an entry in doubt."""
    return capabilities.lookup


def after_inquiry(outcome: InquiryOutcome, terms: Terms) -> Step:
    """What an inquiry's answer means for an entry in doubt."""
    if isinstance(outcome, Posted):
        return booked(outcome)
    if isinstance(outcome, Refused):
        return Step(transition=lifecycle.REFUSE, reason=outcome.refusal.value)
    if isinstance(outcome, Conflict):
        return Step(transition=lifecycle.PARK, reason=PARKED_FOR_CONFLICT)
    if isinstance(outcome, Pending):
        return Step(transition=lifecycle.POSTPONE, wait_s=outcome.poll_after_s, reason="pending")
    if isinstance(outcome, NotFound):
        if terms.capabilities.level is Level.C or not terms.capabilities.not_found_is_final:
            return Step(transition=lifecycle.PARK, reason=PARKED_AS_BLIND)
        if not terms.settled:
            # After a restart or a person's word it was asked at once: what was sent may still be in work there.
            return Step(transition=lifecycle.POSTPONE, wait_s=terms.capabilities.settle_delay_s, reason="not_found")
        return Step(transition=lifecycle.ABSENT, reason="not_found")
    if isinstance(outcome, Misconfigured) and terms.capabilities.level is Level.C:
        # Such a core was only hoped to be searchable.
        return cannot_tell()
    told_s = 0.0 if isinstance(outcome, Misconfigured) else outcome.retry_after_s
    return Step(transition=lifecycle.POSTPONE, wait_s=max(terms.backoff_s, told_s), reason=outcome.cause.value)


def cannot_tell() -> Step:
    """An entry in doubt that may neither be sent again nor asked for: a person must look."""
    return Step(transition=lifecycle.PARK, reason=PARKED_AS_BLIND)


def cannot_undo() -> Step:
    """A reversal that came to a core without reversals (its payment went out meanwhile): a person must see to it."""
    return Step(transition=lifecycle.PARK, reason=PARKED_AS_FINAL)
