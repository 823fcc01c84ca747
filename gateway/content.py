"""What is sealed in an entry: everything personal or free, and the exact bytes to send."""

from typing import Final

import msgspec

from adapters.payment import Payment, Reversal
from spool.entry import Entry

LAYOUT: Final = 1
"""Layout of the sealed content; kept for years, so a layout once used never changes."""


class Content(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """The sealed part of an entry, in MessagePack. Personal data: never shown by its repr."""

    layout: int
    account: str
    service: str
    channel_time: str
    attributes: dict[str, str]
    #: What the core adapter prepared; sent unchanged on every attempt. Empty for reversals (see `gateway.forward`).
    wire: bytes
    #: A reversal's stated reason.
    note: str = ""
    #: How a reversal named its payment.
    target_number: int = 0
    target_key: str = ""

    def __repr__(self) -> str:
        return f"Content(layout={self.layout})"


_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(Content).decode


def of_payment(payment: Payment, wire: bytes) -> bytes:
    """The content of a payment's entry."""
    return _encode(Content(LAYOUT, payment.account, payment.service, payment.channel_time, payment.attributes, wire))


def of_reversal(reversal: Reversal, account: str) -> bytes:
    """The content of a reversal's entry; `account` is that of the payment it undoes."""
    return _encode(Content(LAYOUT, account, "", "", {}, b"", reversal.note, reversal.number, reversal.payment_key))


def read(content: bytes) -> Content:
    """The content of an opened entry.

    Raises:
        ValueError: it isn't one (msgspec's own errors are ValueErrors).
    """
    found = _decode(content)
    if found.layout != LAYOUT:
        raise ValueError(f"content of layout {found.layout}; this program knows {LAYOUT}")
    return found


def payment_of(entry: Entry, content: Content) -> Payment:
    """The payment an entry was made from."""
    return Payment(
        channel=entry.channel,
        key=entry.key,
        account=content.account,
        amount=entry.amount,
        currency=entry.currency,
        service=content.service,
        channel_time=content.channel_time,
        attributes=content.attributes,
    )


def reversal_of(entry: Entry, content: Content) -> Reversal:
    """The reversal an entry was made from."""
    return Reversal(
        channel=entry.channel,
        key=entry.key,
        number=content.target_number,
        payment_key=content.target_key,
        note=content.note,
    )
