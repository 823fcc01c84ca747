"""What makes two requests the same: the bytes a fingerprint is taken over, and the names of what differs.

The kind, the account, the sum, the currency and the service decide, and for a reversal which payment it undoes. The
channel's time and the free attributes do not: channels send a repeat with a new time or another terminal (QIWI's rule
of repeats names the `txn_id` only), and a repeat must never become a second payment or a conflict. Channel and key are
not covered either, as they are what the fingerprint is looked up by.

The bytes are a JSON array that begins with the kind and the layout's version. They are kept hashed for years, so a
layout once used never changes; a new one gets a new version, and old fingerprints are compared by the old.
"""

from typing import Final

import msgspec

from adapters.payment import Check, Payment, Request, Reversal

_encode: Final = msgspec.json.Encoder().encode

_PAYMENT: Final = ("account", "amount", "currency", "service")
_REVERSAL: Final = ("number", "payment_key")
_INQUIRY: Final = ("number", "key")


def canonical(request: Request) -> bytes:
    """The bytes that are equal exactly when two requests under one key ask for the same thing. Holds personal data."""
    if isinstance(request, Payment):
        return _encode(("payment/1", request.account, request.amount, request.currency, request.service))
    if isinstance(request, Reversal):
        return _encode(("reversal/1", request.number, request.payment_key))
    if isinstance(request, Check):
        return _encode(("check/1", request.account, request.amount, request.currency, request.service))
    return _encode(("inquiry/1", request.number, request.key))


def differing(a: Request, b: Request) -> tuple[str, ...]:
    """Names of the covered fields in which two requests differ, `("kind",)` when they don't even ask the same thing."""
    if type(a) is not type(b):
        return ("kind",)
    return tuple(name for name in _covered(a) if getattr(a, name) != getattr(b, name))


def _covered(request: Request) -> tuple[str, ...]:
    if isinstance(request, Payment | Check):
        return _PAYMENT
    return _REVERSAL if isinstance(request, Reversal) else _INQUIRY
