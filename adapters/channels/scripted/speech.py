"""What the senders say, and how they take what they hear. Pure.

OSMP: result 0 is a yes, 1 and 90 are not final, every other code is a no (QIWI provider protocol, table of errors).
JSON: 201 and 202 are a yes, a problem says by `final` whether it is a no; without a body that can be read, 5xx, 409 and
429 ask for the same request again (draft-ietf-httpapi-idempotency-key-header, 2.6 and 2.7).
"""

import re
from collections.abc import Mapping
from typing import Final, Protocol
from urllib.parse import urlencode

import msgspec

from adapters.amount import write_amount
from adapters.channels.scripted.diary import Heard, Order

NOT_FINAL: Final = frozenset({1, 90})

_RESULT: Final = re.compile(rb"<result>([0-9]{1,5})</result>")
_NUMBER: Final = re.compile(rb"<prv_txn>([0-9]{1,19})</prv_txn>")
_OK: Final = 200
_CANCEL: Final = "cancel:"
"""What the gateway keeps a cancel's `txn_id` under begins with it."""
_YES: Final = (201, 202)


class Asking(msgspec.Struct, frozen=True, kw_only=True):
    """One HTTP request; `path` is below the gateway's address and has the query in it, still encoded."""

    method: str
    path: str
    headers: Mapping[str, str] = {}
    body: bytes = b""


class Speech(Protocol):
    """One channel's way to ask and to understand."""

    #: Name of the channel at the gateway.
    channel: str

    def key(self, serial: int) -> str:
        """The sender's id of its payment of this serial number (1, 2, ...)."""
        ...

    def undo_key(self, serial: int) -> str:
        """The key the gateway keeps a reversal under whose serial number this is."""
        ...

    def ask(self, order: Order) -> Asking:
        """The request for a payment or reversal; the same bytes every time."""
        ...

    def hear(self, status: int, body: bytes) -> Heard:
        """What an answer means."""
        ...


class OsmpSpeech:
    """A terminal network."""

    def __init__(self, channel: str, *, first_id: int = 1) -> None:
        """Of this name; its `txn_id` begin at `first_id`."""
        self.channel = channel
        self._first_id = first_id

    def key(self, serial: int) -> str:
        """A `txn_id`: digits only."""
        return str(self._first_id + serial - 1)

    def undo_key(self, serial: int) -> str:
        """A cancel has a `txn_id` of its own."""
        return _CANCEL + self.key(serial)

    def ask(self, order: Order) -> Asking:
        """`pay` or, naming the payment by its `txn_id`, `cancel`, by GET."""
        if order.reverses:
            undoing = {"txn_id": order.key.removeprefix(_CANCEL), "cancel_txn_id": order.reverses}
            return Asking(method="GET", path=f"/osmp/{self.channel}?{urlencode({'command': 'cancel'} | undoing)}")
        query = urlencode(
            {
                "command": "pay",
                "txn_id": order.key,
                "txn_date": "20260115120133",
                "account": order.account,
                "sum": write_amount(order.amount, order.currency),
            }
        )
        return Asking(method="GET", path=f"/osmp/{self.channel}?{query}")

    def hear(self, status: int, body: bytes) -> Heard:
        """An answer without a result is none."""
        result = _RESULT.search(body)
        if status != _OK or result is None:
            return Heard(kind="unknown", code=f"http {status}")
        code = int(result[1])
        if code in NOT_FINAL:
            return Heard(kind="unknown", code=str(code))
        number = _NUMBER.search(body)
        if code == 0 and number is not None:
            return Heard(kind="yes", code="0", number=number[1].decode())
        return Heard(kind="no", code=str(code))


class _Receipt(msgspec.Struct, frozen=True):
    id: str
    status: str


class _Problem(msgspec.Struct, frozen=True):
    final: bool
    type: str = ""


class JsonSpeech:
    """A bank."""

    def __init__(self, channel: str, token: str, *, prefix: str = "order") -> None:
        """Of this name, with this bearer token; its keys begin with `prefix`."""
        self.channel = channel
        self._token = token
        self._prefix = prefix

    def key(self, serial: int) -> str:
        """An `Idempotency-Key`."""
        return f"{self._prefix}-{serial}"

    def undo_key(self, serial: int) -> str:
        """An `Idempotency-Key` as any other."""
        return self.key(serial)

    def ask(self, order: Order) -> Asking:
        """`POST /v1/payments`, or the reversal of the payment with this receipt."""
        body = {
            "account": order.account,
            "amount": write_amount(order.amount, order.currency),
            "currency": order.currency,
        }
        headers = {
            "Authorization": f"Bearer {self._token}",
            "Idempotency-Key": order.key,
            "Content-Type": "application/json",
        }
        if order.reverses:
            path = f"/v1/payments/{order.receipt}/reversal"
            return Asking(method="POST", path=path, headers=headers, body=b"{}")
        return Asking(method="POST", path="/v1/payments", headers=headers, body=msgspec.json.encode(body))

    def hear(self, status: int, body: bytes) -> Heard:
        """An answer that can't be read is none."""
        try:
            if status in _YES:
                receipt = msgspec.json.decode(body, type=_Receipt)
                return Heard(kind="yes", code=str(status), number=receipt.id, status=receipt.status)
            told = msgspec.json.decode(body, type=_Problem)
        except msgspec.DecodeError:
            return Heard(kind="unknown", code=f"http {status}")
        return Heard(kind="no" if told.final else "unknown", code=f"{status} {told.type.rpartition(':')[2]}".strip())
