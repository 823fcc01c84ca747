"""A billing system's JSON API: payments with an Idempotency-Key, lookup by the sender's reference, reversals, checks.

`POST /payments`, `GET /payments?reference=`, `GET /payments/{core_id}`, `POST /payments/{core_id}/reversal`,
`POST /checks`, `GET /health`. Amounts are decimal strings; errors are `{"code": ..., "detail": ...}`.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from adapters.amount import BadAmount, UnknownCurrency, read_amount, write_amount
from adapters.channel import Inbound, Reply
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

JSON: Final = "application/json"

STATUSES: Final[Mapping[Reason, int]] = {
    Reason.ACCOUNT_FORMAT: 422,
    Reason.ACCOUNT_UNKNOWN: 422,
    Reason.ACCOUNT_INACTIVE: 422,
    Reason.AMOUNT_TOO_SMALL: 422,
    Reason.AMOUNT_TOO_LARGE: 422,
    Reason.CONFLICT: 409,
    Reason.PAYMENT_UNKNOWN: 404,
    Reason.ALREADY_REVERSED: 409,
    Reason.NO_LOOKUP: 404,
}
"""Why not -> HTTP status; the body's `code` is the reason's own name."""

_PAYMENT: Final = re.compile(r"/payments/([0-9]{1,18})(/reversal)?", re.ASCII)


class _PaymentBody(msgspec.Struct, frozen=True):
    id: str
    account: str
    amount: str
    currency: str
    service: str = ""
    paid_at: str = ""


class _CheckBody(msgspec.Struct, frozen=True):
    account: str
    currency: str = ""
    amount: str = ""


class _ReversalBody(msgspec.Struct, frozen=True):
    id: str = ""


_payment: Final = msgspec.json.Decoder(_PaymentBody).decode
_check: Final = msgspec.json.Decoder(_CheckBody).decode
_reversal: Final = msgspec.json.Decoder(_ReversalBody).decode
_encode: Final = msgspec.json.Encoder().encode


def read(inbound: Inbound, level: Level, currency: str) -> Order | Reply:
    """Understand a request, or refuse it. `currency` is meant where a check names none."""
    try:
        return _order(inbound, level, currency)
    except (msgspec.ValidationError, msgspec.DecodeError, UnicodeDecodeError):
        return error(400, "malformed", "the body is not what this path takes")
    except (BadAmount, UnknownCurrency):
        return error(400, "malformed", "amount or currency is malformed")


def _order(inbound: Inbound, level: Level, currency: str) -> Order | Reply:
    match inbound.method, inbound.path:
        case "POST", "/payments":
            return _read_payment(inbound, level)
        case "POST", "/checks":
            body = _check(inbound.body)
            amount = read_amount(body.amount, body.currency or currency) if body.amount else 0
            return Check(protocol=Protocol.JSON, account=body.account, amount=amount)
        case "GET", "/health":
            return Probe()
        case "GET", "/payments":
            reference = parse_qs(inbound.query).get("reference", [""])[0]
            if not reference:
                return error(400, "malformed", "name a reference")
            return Lookup(protocol=Protocol.JSON, reference=reference)
        case _:
            return _read_one(inbound, level)


def _read_one(inbound: Inbound, level: Level) -> Order | Reply:
    """What is asked of one payment, named by our id."""
    path = _PAYMENT.fullmatch(inbound.path)
    if path is None or inbound.method != ("POST" if path[2] else "GET"):
        return error(404, "not_found", "there is nothing here")
    sequence = int(path[1])
    if not path[2]:
        return Lookup(protocol=Protocol.JSON, sequence=sequence)
    key = _key(inbound)
    if not key and level is Level.A:
        return _no_key()
    body = _reversal(inbound.body or b"{}")
    return Undo(protocol=Protocol.JSON, reference=body.id or key, key=key, sequence=sequence)


def _read_payment(inbound: Inbound, level: Level) -> Order | Reply:
    key = _key(inbound)
    if not key and level is Level.A:
        return _no_key()
    body = _payment(inbound.body)
    amount = read_amount(body.amount, body.currency)
    if not amount or not body.id:
        raise BadAmount("a payment has an id and an amount above zero")
    return Pay(
        protocol=Protocol.JSON,
        reference=body.id,
        key=key,
        account=body.account,
        amount=amount,
        currency=body.currency,
        service=body.service,
        paid_at=body.paid_at,
    )


def _key(inbound: Inbound) -> str:
    """The idempotency key, with or without the quotes the IETF's draft wants around it."""
    return inbound.headers.get("Idempotency-Key", "").strip().removeprefix('"').removesuffix('"')


def _no_key() -> Reply:
    return error(400, "key_missing", "an Idempotency-Key is required")


def write(order: Order, verdict: Verdict) -> Reply:
    """Say the verdict."""
    match verdict:
        case Booked(booking=booking, replayed=replayed, pending=pending):
            status = 202 if pending else 200 if replayed else 201
            headers = {"Idempotent-Replayed": "true"} if replayed else {}
            return reply(status, _shown(booking, pending=pending), headers)
        case Found() if isinstance(order, Lookup) and order.sequence:
            return _one(verdict)
        case Found():
            return reply(200, {"payments": _each(verdict)})
        case Refused(reason=reason):
            return error(STATUSES[reason], reason, reason.replace("_", " "))
        case Allowed():
            return reply(200, {"status": "allowed"})
        case Well():
            return reply(200, {"status": "ok"})


def _one(found: Found) -> Reply:
    shown = _each(found)
    return reply(200, shown[0]) if shown else error(404, Reason.PAYMENT_UNKNOWN, "payment unknown")


def _each(found: Found) -> list[dict[str, Any]]:
    return [
        _shown(booking, pending=booking.sequence in found.pending, reversed_=booking.sequence in found.reversed)
        for booking in found.bookings
    ]


def _shown(booking: Booking, *, pending: bool = False, reversed_: bool = False) -> dict[str, Any]:
    """A booking as the API shows it."""
    shown: dict[str, Any] = {
        "core_id": str(booking.sequence),
        "id": booking.reference,
        "kind": booking.kind,
        "status": "pending" if pending else "reversed" if reversed_ else "booked",
        "account": booking.account,
        "amount": write_amount(booking.amount, booking.currency),
        "currency": booking.currency,
        "booked_at": datetime.fromtimestamp(booking.booked_at_us / 1_000_000, UTC).isoformat(timespec="milliseconds"),
    }
    if booking.kind is Kind.REVERSAL:
        shown["reverses"] = str(booking.reverses)
    return shown


def reply(status: int, content: Any, headers: dict[str, str] | None = None) -> Reply:
    """One answer in JSON."""
    return Reply(status=status, content_type=JSON, body=_encode(content), headers=headers or {})


def error(status: int, code: str, detail: str, headers: dict[str, str] | None = None) -> Reply:
    """One no in JSON."""
    return reply(status, {"code": code, "detail": detail}, headers)
