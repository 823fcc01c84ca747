"""The books: what an order does at each level of protection. Pure; the journal makes it durable.

The levels are `adapters.core.Level`: A knows a repeat by its key and answers as the first time, B and C book whatever
they are sent as often as they are sent it, A and B can be asked by the sender's reference, C can't.
"""

import re
from collections.abc import Iterable

import msgspec

from adapters.core import Level
from adapters.cores.scripted.orders import (
    Allowed,
    Booked,
    Booking,
    Check,
    Found,
    Kind,
    Lookup,
    Order,
    Pay,
    Probe,
    Protocol,
    Reason,
    Refused,
    Undo,
    Verdict,
    Well,
)


class Accounts(msgspec.Struct, frozen=True, kw_only=True):
    """Which accounts there are, and how much may be paid."""

    #: An account not of this form is malformed (OSMP 4).
    format: str = "[0-9A-Za-z]{1,20}"
    #: An account of the form that isn't of this pattern is unknown (OSMP 5).
    known: str = ".*"
    #: These are known, but not active (OSMP 79).
    inactive: frozenset[str] = frozenset()
    #: Minor units; less is too small (OSMP 241), more too large (OSMP 242).
    amount_min: int = 1
    amount_max: int = 10**15

    def __post_init__(self) -> None:
        for pattern in (self.format, self.known):
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{pattern!r} is no regular expression: {error}") from error

    def objection(self, account: str, amount: int) -> Reason | None:
        """Why this amount (0: none was told) can't be paid to this account; None when it can."""
        if re.fullmatch(self.format, account) is None:
            return Reason.ACCOUNT_FORMAT
        if account in self.inactive:
            return Reason.ACCOUNT_INACTIVE
        if re.fullmatch(self.known, account) is None:
            return Reason.ACCOUNT_UNKNOWN
        if amount and amount < self.amount_min:
            return Reason.AMOUNT_TOO_SMALL
        if amount > self.amount_max:
            return Reason.AMOUNT_TOO_LARGE
        return None


class Books:
    """Everything booked, indexed as far as the level needs it."""

    def __init__(self, level: Level, accounts: Accounts) -> None:
        self.level = level
        self._accounts = accounts
        self._next = 1
        self._by_sequence: dict[int, Booking] = {}
        self._by_key: dict[tuple[Protocol, str], Booking] = {}
        self._by_reference: dict[str, tuple[Booking, ...]] = {}
        #: Sequence of a payment -> its first reversal.
        self._undone: dict[int, Booking] = {}
        #: Sequence -> when the core begins to call it booked, microseconds since 1970.
        self._pending: dict[int, int] = {}

    def restore(self, bookings: Iterable[Booking]) -> None:
        """Take in what an earlier run booked, in the order of the ledger."""
        for booking in bookings:
            self._keep(booking)

    def account_of(self, order: Order) -> str:
        """The account an order moves money on; empty when it moves none."""
        if isinstance(order, Pay):
            return order.account
        if isinstance(order, Undo):
            payment = self._payment(order)
            return payment.account if payment else ""
        return ""

    def apply(self, order: Order, now_us: int, pending_us: int = 0) -> Verdict:
        """Do it. A booking made is to be recorded durably before anybody hears of it.

        `pending_us` above 0 makes a payment booked now look pending for so long.
        """
        match order:
            case Pay():
                return self._pay(order, now_us, pending_us)
            case Undo():
                return self._undo(order, now_us)
            case Lookup():
                return self._look_up(order, now_us)
            case Check():
                objection = self._accounts.objection(order.account, order.amount)
                return Refused(reason=objection) if objection else Allowed()
            case Probe():
                return Well()

    def _pay(self, order: Pay, now_us: int, pending_us: int) -> Verdict:
        if self.level is Level.A and (first := self._by_key.get((order.protocol, order.key))):
            return self._repeat(first, order, now_us)
        if objection := self._accounts.objection(order.account, order.amount):
            return Refused(reason=objection)
        booking = Booking(
            sequence=self._next,
            reference=order.reference,
            key=order.key,
            account=order.account,
            amount=order.amount,
            currency=order.currency,
            kind=Kind.PAYMENT,
            service=order.service,
            paid_at=order.paid_at,
            booked_at_us=now_us,
            protocol=order.protocol,
        )
        self._keep(booking)
        if pending_us:
            self._pending[booking.sequence] = now_us + pending_us
        return Booked(booking=booking, pending=pending_us > 0)

    def _repeat(self, first: Booking, order: Pay, now_us: int) -> Verdict:
        known = (first.kind, first.reference, first.account, first.amount, first.currency, first.service)
        asked = (Kind.PAYMENT, order.reference, order.account, order.amount, order.currency, order.service)
        if known != asked:
            return Refused(reason=Reason.CONFLICT)
        return Booked(booking=first, replayed=True, pending=self._is_pending(first.sequence, now_us))

    def _undo(self, order: Undo, now_us: int) -> Verdict:
        payment = self._payment(order)
        if self.level is Level.A and order.key and (first := self._by_key.get((order.protocol, order.key))):
            same = payment is not None and first.reverses == payment.sequence
            return Booked(booking=first, replayed=True) if same else Refused(reason=Reason.CONFLICT)
        if payment is None:
            return Refused(reason=Reason.PAYMENT_UNKNOWN)
        if self.level is Level.A and (earlier := self._undone.get(payment.sequence)):
            # A cancel without a key of its own (OSMP) is known by the payment it cancels.
            keyless = not order.key and not earlier.key
            return Booked(booking=earlier, replayed=True) if keyless else Refused(reason=Reason.ALREADY_REVERSED)
        return self._give_back(payment, order, now_us)

    def _give_back(self, payment: Booking, order: Undo, now_us: int) -> Verdict:
        booking = Booking(
            sequence=self._next,
            reference=order.reference,
            key=order.key,
            account=payment.account,
            amount=payment.amount,
            currency=payment.currency,
            kind=Kind.REVERSAL,
            reverses=payment.sequence,
            service=payment.service,
            booked_at_us=now_us,
            protocol=order.protocol,
        )
        self._keep(booking)
        return Booked(booking=booking)

    def _payment(self, order: Undo) -> Booking | None:
        """The payment an `Undo` names; by reference only where the level can look it up."""
        found = self._by_sequence.get(order.sequence)
        if found is None and order.original:
            found = next(iter(self._by_reference.get(order.original, ())), None)
        return found if found and found.kind is Kind.PAYMENT else None

    def _look_up(self, order: Lookup, now_us: int) -> Verdict:
        if self.level is Level.C:
            return Refused(reason=Reason.NO_LOOKUP)
        if order.sequence:
            bookings: tuple[Booking, ...] = (known,) if (known := self._by_sequence.get(order.sequence)) else ()
        else:
            bookings = self._by_reference.get(order.reference, ())
        numbers = [booking.sequence for booking in bookings]
        return Found(
            bookings=bookings,
            pending=frozenset(number for number in numbers if self._is_pending(number, now_us)),
            reversed=frozenset(number for number in numbers if number in self._undone),
        )

    def _is_pending(self, sequence: int, now_us: int) -> bool:
        until = self._pending.get(sequence)
        if until is None or until > now_us:
            return until is not None
        del self._pending[sequence]
        return False

    def _keep(self, booking: Booking) -> None:
        self._next = max(self._next, booking.sequence + 1)
        self._by_sequence[booking.sequence] = booking
        if booking.kind is Kind.REVERSAL:
            self._undone.setdefault(booking.reverses, booking)
        if self.level is Level.A and booking.key:
            self._by_key.setdefault((booking.protocol, booking.key), booking)
        if self.level is not Level.C and booking.reference:
            self._by_reference[booking.reference] = (*self._by_reference.get(booking.reference, ()), booking)
