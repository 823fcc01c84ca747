"""The provider's side of OSMP: what a channel (or our own client) asks, and the XML it gets.

Requests by GET or form POST; `check`, `pay`, and the dialects' `status`, `cancel`, `getInfo`. Sources: QIWI provider
protocol (requests, errors) and its wider family, ABillS for `status` and `cancel`, PegasPay for 251.
"""

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qsl
from xml.sax.saxutils import escape

from adapters.amount import BadAmount, UnknownCurrency, read_amount, write_amount
from adapters.channel import Inbound, Reply
from adapters.cores.scripted.orders import (
    Allowed,
    Booked,
    Booking,
    Check,
    Found,
    Lookup,
    Order,
    Pay,
    Protocol,
    Reason,
    Refused,
    Undo,
    Verdict,
    Well,
    reference_of,
)

OK: Final = 0
TEMPORARY: Final = 1
PENDING: Final = 90
NOT_FOUND: Final = 79
"""`status` of a payment that isn't known, as ABillS answers a cancel of one."""
OTHER: Final = 300

RESULTS: Final[Mapping[Reason, int]] = {
    Reason.ACCOUNT_FORMAT: 4,
    Reason.ACCOUNT_UNKNOWN: 5,
    Reason.ACCOUNT_INACTIVE: 79,
    Reason.AMOUNT_TOO_SMALL: 241,
    Reason.AMOUNT_TOO_LARGE: 242,
    Reason.CONFLICT: 300,
    Reason.PAYMENT_UNKNOWN: 251,
    Reason.ALREADY_REVERSED: 251,
    Reason.NO_LOOKUP: 300,
}
"""Why not -> result code."""

XML: Final = "text/xml; charset=utf-8"

_TXN_ID: Final = re.compile(r"[0-9]{1,20}", re.ASCII)
_SEQUENCE: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


class _Malformed(Exception):
    """The request isn't OSMP; carries the result code and a comment."""

    def __init__(self, result: int, comment: str) -> None:
        super().__init__(comment)
        self.result = result


def read(inbound: Inbound, currency: str) -> Order | Reply:
    """Understand a request, or refuse it. `currency` is meant where the request names none."""
    try:
        asked = dict(parse_qsl(inbound.query if inbound.method == "GET" else inbound.body.decode("utf-8")))
    except UnicodeDecodeError:
        return reply("", OTHER, comment="not UTF-8")
    try:
        return _order(asked, currency)
    except _Malformed as no:
        return reply(asked.get("txn_id", ""), no.result, comment=str(no))


def _order(asked: Mapping[str, str], currency: str) -> Order:
    match asked.get("command"):
        case "pay":
            reference = _txn_id(asked)
            return Pay(
                protocol=Protocol.OSMP,
                reference=reference,
                key=reference,
                account=_account(asked),
                amount=_amount(asked, currency, least=1),
                currency=asked.get("ccy", currency),
                service=asked.get("prv_id", ""),
                paid_at=asked.get("txn_date", ""),
            )
        case "check" | "getInfo":
            amount = _amount(asked, currency, least=0) if "sum" in asked else 0
            reference = asked.get("txn_id", "")
            return Check(protocol=Protocol.OSMP, account=_account(asked), amount=amount, reference=reference)
        case "status":
            return Lookup(protocol=Protocol.OSMP, reference=_txn_id(asked))
        case "cancel":
            return _undo(asked)
        case _:
            raise _Malformed(OTHER, "unknown command")


def _undo(asked: Mapping[str, str]) -> Undo:
    number = asked.get("prv_txn", "")
    original = asked.get("cancel_txn_id", "")
    if _SEQUENCE.fullmatch(number) is None and not original:
        raise _Malformed(RESULTS[Reason.PAYMENT_UNKNOWN], "no such payment")
    key = asked.get("txn_id", "")
    sequence = int(number) if number else 0
    return Undo(protocol=Protocol.OSMP, reference=key, key=key, sequence=sequence, original=original)


def _txn_id(asked: Mapping[str, str]) -> str:
    text = asked.get("txn_id", "")
    if _TXN_ID.fullmatch(text) is None:
        raise _Malformed(OTHER, "txn_id is 1 to 20 digits")
    return text


def _account(asked: Mapping[str, str]) -> str:
    account = asked.get("account", "")
    if not account:
        raise _Malformed(RESULTS[Reason.ACCOUNT_FORMAT], "no account")
    return account


def _amount(asked: Mapping[str, str], currency: str, *, least: int) -> int:
    try:
        amount = read_amount(asked.get("sum", ""), asked.get("ccy", currency))
    except (BadAmount, UnknownCurrency) as error:
        raise _Malformed(OTHER, "sum or ccy is malformed") from error
    if amount < least:
        raise _Malformed(RESULTS[Reason.AMOUNT_TOO_SMALL], "sum too small")
    return amount


def write(order: Order, verdict: Verdict) -> Reply:
    """Say the verdict."""
    reference = reference_of(order)
    match verdict:
        case Booked(booking=booking, pending=pending):
            return reply(reference, PENDING if pending else OK, booking=booking, comment="OK")
        case Found(bookings=()):
            return reply(reference, NOT_FOUND, comment="no such payment")
        case Found(bookings=bookings, pending=pending):
            result = PENDING if bookings[0].sequence in pending else OK
            return reply(reference, result, booking=bookings[0], comment="OK")
        case Refused(reason=reason):
            comment = "unknown command" if reason is Reason.NO_LOOKUP else reason.replace("_", " ")
            return reply(reference, RESULTS[reason], comment=comment)
        case Allowed() | Well():
            return reply(reference, OK)


def reply(
    reference: str,
    result: int,
    *,
    booking: Booking | None = None,
    comment: str = "",
    headers: dict[str, str] | None = None,
) -> Reply:
    """One answer in XML."""
    booked = ""
    if booking is not None:
        amount = write_amount(booking.amount, booking.currency)
        booked = f"<prv_txn>{booking.sequence}</prv_txn>\n<sum>{amount}</sum>\n"
    text = (
        '<?xml version="1.0" encoding="UTF-8"?>\n<response>\n'
        f"<osmp_txn_id>{escape(reference)}</osmp_txn_id>\n{booked}"
        f"<result>{result}</result>\n<comment>{escape(comment)}</comment>\n</response>\n"
    )
    return Reply(status=200, content_type=XML, body=text.encode(), headers=headers or {})
