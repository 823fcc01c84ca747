"""Making a core's delivery of an entry, and handing it over."""

from collections.abc import Callable
from typing import Final, NamedTuple

from adapters.core import Core, Delivery
from adapters.cores.leave import may_leave
from adapters.outcome import Cause, InquiryOutcome, Outcome, Unknown
from gateway import content
from gateway.content import Content
from gateway.route.breaker import Permit
from gateway.route.health import RouteHealth
from spool.entry import Entry
from spool.errors import RecordDamaged
from spool.lifecycle import Kind
from spool.nodes import Held
from spool.number import id_text
from spool.spool import Spool

ADAPTER_FAILED: Final = Unknown(cause=Cause.UNREADABLE, detail="the adapter failed")
"""What an exception out of an adapter comes to: our own bug, after which nobody knows what was sent."""


LEASE_ENDED: Final = Unknown(cause=Cause.WITHHELD, detail="another node may have it by now")
"""What this node may not wait for any more; the core may have it, and whoever has taken the entry over finds out."""


class Original(NamedTuple):
    """The payment a reversal undoes."""

    entry: Entry
    kept: Content


async def original_of(spool: Spool, entry: Entry) -> Original | None:
    """The payment of a reversal; None for payments.

    Raises:
        RecordDamaged, ValueError: the payment's record doesn't open, or is there no more.
        SpoolClosed, StorageUncertain, KeysUnfit: it, or its key, can't be had now.
    """
    if entry.kind is Kind.PAYMENT:
        return None
    payment = await spool.store.get(entry.reverses)
    if payment is None:
        # It was forgotten, and persons had the reversal sent again in the moment before that would have been as well.
        raise RecordDamaged(entry.reverses)
    return await open_original(spool, payment)


async def open_original(spool: Spool, payment: Entry) -> Original:
    """A payment to be undone, opened. Errors as above."""
    return Original(payment, content.read(await spool.opened(payment)))


def delivery_of(entry: Entry, kept: Content, wire: bytes) -> Delivery:
    """The order to a core for an entry, of the attempt that was just begun."""
    return Delivery(
        number=entry.number,
        id=id_text(entry.id),
        attempt=entry.attempts,
        wire=wire,
        account=kept.account,
        amount=entry.amount,
        currency=entry.currency,
    )


async def deliver(
    core: Core,
    entry: Entry,
    kept: Content,
    original: Original | None,
    timeout_s: float,
    *,
    held: Held,
    leave: Callable[[], bool] | None = None,
) -> Outcome:
    """Post a payment, or undo one, if this node still has it right before the first byte, and hang up once it hasn't any more.

    By `leave` there is more to be asked right before that byte than whether it is `held`. The bytes are the same on every attempt.
    """
    delivery = _delivery(core, entry, kept, original)
    before = may_leave.set(leave or held)
    try:
        order = (core.post if original is None else core.reverse)(delivery, timeout_s)
        outcome = await held.while_it_lasts(order)
        return LEASE_ENDED if outcome is None else outcome
    finally:
        may_leave.reset(before)


async def inquire(
    core: Core, entry: Entry, kept: Content, original: Original | None, timeout_s: float
) -> InquiryOutcome:
    """Ask a core what became of an entry."""
    return await core.inquire(_delivery(core, entry, kept, original), timeout_s)


def _delivery(core: Core, entry: Entry, kept: Content, original: Original | None) -> Delivery:
    """A reversal's bytes need the booking's id, known only once its payment is posted; made anew from the same facts."""
    if original is None:
        return delivery_of(entry, kept, kept.wire)
    first = delivery_of(original.entry, original.kept, original.kept.wire)
    wire = core.prepare_reversal(entry.number, id_text(entry.id), first, original.entry.core_id)
    return delivery_of(entry, kept, wire)


def tell_of_bug(health: RouteHealth, permit: Permit, took_s: float) -> None:
    """An adapter raised. Where many do the route opens, but no trial is decided by one: it may be this payment's fault."""
    if permit.trial:
        health.withdraw(permit)
    else:
        health.report(permit, ADAPTER_FAILED, took_s, ours=True)
