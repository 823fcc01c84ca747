"""Making a core's delivery of an entry, and handing it over."""

from adapters.core import Core, Delivery
from adapters.outcome import InquiryOutcome, Outcome
from gateway import content
from gateway.content import Content
from spool.entry import Entry
from spool.lifecycle import Kind
from spool.number import id_text
from spool.spool import Spool


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


async def deliver(spool: Spool, core: Core, entry: Entry, kept: Content, timeout_s: float) -> Outcome:
    """Post a payment, or undo one; the bytes are the same on every attempt."""
    if entry.kind is Kind.PAYMENT:
        return await core.post(delivery_of(entry, kept, kept.wire), timeout_s)
    return await core.reverse(await _reversal_delivery(spool, core, entry, kept), timeout_s)


async def inquire(spool: Spool, core: Core, entry: Entry, kept: Content, timeout_s: float) -> InquiryOutcome:
    """Ask a core what became of an entry."""
    if entry.kind is Kind.PAYMENT:
        return await core.inquire(delivery_of(entry, kept, kept.wire), timeout_s)
    return await core.inquire(await _reversal_delivery(spool, core, entry, kept), timeout_s)


async def _reversal_delivery(spool: Spool, core: Core, entry: Entry, kept: Content) -> Delivery:
    """A reversal's bytes need the booking's id, known only once its payment is posted; made anew from the same facts."""
    original = await spool.store.get(entry.reverses)
    assert original is not None, "a reversal's payment is kept as long as the reversal"
    of_original = content.read(spool.content(original))
    first = delivery_of(original, of_original, of_original.wire)
    wire = core.prepare_reversal(entry.number, id_text(entry.id), first, original.core_id)
    return delivery_of(entry, kept, wire)
