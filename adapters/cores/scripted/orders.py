"""What the scripted core is asked and what it says, whatever the protocol: plain data between readers and books."""

import enum

import msgspec


class Operation(enum.StrEnum):
    """What an order is about; faults are filtered by it."""

    PAY = "pay"
    CHECK = "check"
    STATUS = "status"
    CANCEL = "cancel"
    PROBE = "probe"
    ANY = "any"
    """Only in a fault's filter: every operation."""


class Protocol(enum.StrEnum):
    """The language an order came in."""

    OSMP = "osmp"
    JSON = "json"


class Kind(enum.StrEnum):
    """What a booking is."""

    PAYMENT = "payment"
    REVERSAL = "reversal"


class Pay(msgspec.Struct, frozen=True, kw_only=True):
    """Book this."""

    protocol: Protocol
    #: The sender's own id of the payment; kept at every level, so that a judge can count.
    reference: str
    #: What level A knows a repeat by: OSMP's `txn_id`, JSON's `Idempotency-Key`.
    key: str
    account: str
    #: Minor units, at least 1.
    amount: int
    currency: str
    service: str = ""
    #: The payment's own date as it was sent.
    paid_at: str = ""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """May this account be paid?"""

    protocol: Protocol
    account: str
    #: Minor units; 0 when asked without an amount.
    amount: int = 0
    #: Echoed in the answer.
    reference: str = ""


class Lookup(msgspec.Struct, frozen=True, kw_only=True):
    """What became of it? Named by the sender's reference or by our own sequence (0 when unnamed)."""

    protocol: Protocol
    reference: str = ""
    sequence: int = 0


class Undo(msgspec.Struct, frozen=True, kw_only=True):
    """Give a booked payment back, whole. The payment is named by our sequence or by its sender's reference."""

    protocol: Protocol
    #: The reversal's own id and key; empty where the protocol has none.
    reference: str = ""
    key: str = ""
    sequence: int = 0
    original: str = ""


class Probe(msgspec.Struct, frozen=True, kw_only=True):
    """Is anybody there?"""

    protocol: Protocol = Protocol.JSON


Order = Pay | Check | Lookup | Undo | Probe

OPERATIONS: dict[type[Order], Operation] = {
    Pay: Operation.PAY,
    Check: Operation.CHECK,
    Lookup: Operation.STATUS,
    Undo: Operation.CANCEL,
    Probe: Operation.PROBE,
}
"""Which operation an order is."""


def reference_of(order: Order) -> str:
    """The sender's own id of an order; empty where it has none."""
    return "" if isinstance(order, Probe) else order.reference


class Booking(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One row of the ledger: money that moved. A payment booked twice is two of them."""

    #: Rises by one with each booking; in decimal digits it is the core's id (`prv_txn`, `core_id`).
    sequence: int
    reference: str
    key: str
    account: str
    #: Minor units.
    amount: int
    currency: str
    kind: Kind
    #: Sequence of the payment a reversal undoes; 0 for a payment.
    reverses: int = 0
    service: str = ""
    paid_at: str = ""
    #: Microseconds since 1970, UTC.
    booked_at_us: int = 0
    protocol: Protocol = Protocol.JSON

    @property
    def core_id(self) -> str:
        """The core's id of the booking."""
        return str(self.sequence)


class Done(enum.StrEnum):
    """What became of an attempt, as the log of attempts tells it."""

    BOOKED = "booked"
    REPLAYED = "replayed"
    REFUSED = "refused"
    FOUND = "found"
    NOT_FOUND = "not_found"
    ALLOWED = "allowed"
    NOTHING = "nothing"
    """A fault ended it before it did anything."""


class Attempt(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One order that arrived, and what was done about it."""

    arrived_at_us: int
    protocol: Protocol
    operation: Operation
    reference: str
    account: str
    done: Done
    #: Sequence of the booking made, replayed or found; 0 when there is none.
    booking: int = 0
    #: Other attempts to move money on the same account that were unanswered at its arrival, their senders waiting.
    in_flight: int = 0
    #: The same, but their senders had hung up: the core was still busy with them.
    abandoned: int = 0
    #: Kind of the fault that shaped the answer; empty when none did.
    fault: str = ""


class Reason(enum.StrEnum):
    """Why the core says no."""

    ACCOUNT_FORMAT = "account_format"
    ACCOUNT_UNKNOWN = "account_unknown"
    ACCOUNT_INACTIVE = "account_inactive"
    AMOUNT_TOO_SMALL = "amount_too_small"
    AMOUNT_TOO_LARGE = "amount_too_large"
    CONFLICT = "conflict"
    """Level A: the key is known with other content."""
    PAYMENT_UNKNOWN = "payment_unknown"
    ALREADY_REVERSED = "already_reversed"
    NO_LOOKUP = "no_lookup"
    """Level C can't be asked."""


class Booked(msgspec.Struct, frozen=True, kw_only=True):
    """The money moved, now or when the key was first seen."""

    booking: Booking
    #: Level A knew the key and repeats its first answer.
    replayed: bool = False
    #: Booked, but the core says so only later.
    pending: bool = False


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """Everything booked under what was asked for; perhaps nothing."""

    bookings: tuple[Booking, ...]
    #: Sequences of those the core calls pending.
    pending: frozenset[int] = frozenset()
    #: Sequences of those that were reversed.
    reversed: frozenset[int] = frozenset()


class Allowed(msgspec.Struct, frozen=True, kw_only=True):
    """The account may be paid."""


class Refused(msgspec.Struct, frozen=True, kw_only=True):
    """A no."""

    reason: Reason


class Well(msgspec.Struct, frozen=True, kw_only=True):
    """Somebody is there."""


Verdict = Booked | Found | Allowed | Refused | Well


def done_by(verdict: Verdict) -> tuple[Done, int]:
    """How the log of attempts tells a verdict: what was done, and about which booking."""
    match verdict:
        case Booked(booking=booking, replayed=replayed):
            return (Done.REPLAYED if replayed else Done.BOOKED), booking.sequence
        case Found(bookings=()):
            return Done.NOT_FOUND, 0
        case Found(bookings=bookings):
            return Done.FOUND, bookings[0].sequence
        case Refused():
            return Done.REFUSED, 0
        case Allowed() | Well():
            return Done.ALLOWED, 0
