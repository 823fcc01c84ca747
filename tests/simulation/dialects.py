"""The bytes of channels: what a client's request looks like in a protocol, and what it understands of the reply."""

import json
import re
from collections.abc import Callable
from hashlib import sha256
from ipaddress import IPv4Network
from typing import Final, Protocol
from urllib.parse import urlencode

from adapters.channel import Channel, Inbound, Rejected, Reply
from adapters.channels.json_settings import JsonChannelSettings
from adapters.channels.json_v1 import JsonChannel
from adapters.channels.osmp import OsmpChannel
from adapters.channels.osmp_settings import OsmpChannelSettings
from adapters.payment import Answer, AnswerKind, Check, Inquiry, Payment, Request, Reversal

PEER: Final = "127.0.0.1"
YES: Final = frozenset({AnswerKind.POSTED, AnswerKind.PROVISIONAL})
LATER: Final = frozenset({AnswerKind.IN_PROGRESS, AnswerKind.TRY_LATER})


class Dialect(Protocol):
    """How a channel's client speaks."""

    channel: Channel

    def bytes_of(self, request: Request) -> Inbound | None:
        """A request as it comes in; None where it is asked without bytes."""
        ...

    def understood(self, request: Request, reply: Reply, answer: Answer) -> Answer:
        """What the client knows after a reply to its request that the gateway meant as `answer`."""
        ...

    def undoing(self, payment: Payment, number: int) -> Reversal | None:
        """The reversal of a payment; None where the protocol can't name it, as it never had a number."""
        ...


def dialect(protocol: str, name: str, deadline_s: float) -> Dialect:
    """The client of one channel."""
    known: dict[str, Callable[[str, float], Dialect]] = {"json": Bank, "osmp": Kiosk, "": Familiar}
    return known[protocol](name, deadline_s)


def through_bytes(dialect: Dialect, request: Request) -> Request:
    """The request as its channel reads it from the client's bytes."""
    inbound = dialect.bytes_of(request)
    if inbound is None:
        return request
    try:
        return dialect.channel.read(inbound)
    except Rejected as rejected:
        raise AssertionError(f"the channel rejects {request}: {rejected.reason}") from None


class Familiar:
    """Speaks to the gateway's heart without bytes; answers go out by JSON all the same."""

    def __init__(self, name: str, deadline_s: float) -> None:
        self.channel: Channel = _json_channel(name, deadline_s)

    def bytes_of(self, request: Request) -> Inbound | None:  # noqa: ARG002 - the seam's words
        """None are needed."""
        return None

    def understood(self, request: Request, reply: Reply, answer: Answer) -> Answer:  # noqa: ARG002 - the seam's words
        """As it was meant."""
        return answer

    def undoing(self, payment: Payment, number: int) -> Reversal | None:  # noqa: ARG002 - the seam's words
        """By the payment's key."""
        return Reversal(channel=payment.channel, key=f"r{payment.key}", payment_key=payment.key)


# A bank, by JSON

_KIND_OF_CODE: Final = {
    "refused": AnswerKind.REFUSED,
    "payment_not_found": AnswerKind.REFUSED,
    "in_progress": AnswerKind.IN_PROGRESS,
    "conflict": AnswerKind.CONFLICT,
    "try_later": AnswerKind.TRY_LATER,
}


class Bank:
    """JSON in, JSON out; what is said is what its bytes say."""

    def __init__(self, name: str, deadline_s: float) -> None:
        self.channel: Channel = _json_channel(name, deadline_s)
        self._token = _token(name)

    def bytes_of(self, request: Request) -> Inbound | None:
        """As `docs/reference` has it."""
        headers = {"Authorization": f"Bearer {self._token}", "Content-Type": "application/json"}
        method, path, query, body = "POST", "/v1/payments", "", b""
        if isinstance(request, Check):
            path, body = "/v1/checks", _asked(request)
        elif isinstance(request, Inquiry):
            method, query = "GET", f"key={request.key}"
            del headers["Content-Type"]
        elif isinstance(request, Payment):
            headers["Idempotency-Key"] = request.key
            body = _asked(request)
        else:
            headers["Idempotency-Key"] = request.key
            path = f"/v1/payments/{request.number}/reversal"
        return Inbound(method=method, path=path, query=query, headers=headers, body=body, peer=PEER)

    def understood(self, request: Request, reply: Reply, answer: Answer) -> Answer:  # noqa: ARG002 - the bytes alone count
        """The kind and the payment's number, from the bytes alone."""
        said = json.loads(reply.body)
        if said.get("payable") is not None:
            sure = AnswerKind.PROVISIONAL if said.get("provisional") else AnswerKind.POSTED
            return Answer(kind=sure if said["payable"] else AnswerKind.REFUSED)
        if reply.status in {200, 201, 202}:
            return Answer(kind=AnswerKind(said["status"]), number=int(said["id"]))
        return Answer(kind=_KIND_OF_CODE[said["code"]], number=int(said.get("payment_id") or 0))

    def undoing(self, payment: Payment, number: int) -> Reversal | None:
        """By the number the payment got."""
        return Reversal(channel=payment.channel, key=f"r{payment.key}", number=number) if number else None


def _asked(request: Payment | Check) -> bytes:
    said = {"account": request.account, "amount": _sum(request.amount), "currency": request.currency}
    return json.dumps(said).encode()


def _token(name: str) -> str:
    return f"token-of-the-{name}-long-enough-to-be-one"


def _json_channel(name: str, deadline_s: float) -> JsonChannel:
    digest = sha256(_token(name).encode()).hexdigest()
    settings = JsonChannelSettings(protocol="json", currency="RUB", deadline_s=deadline_s, tokens_sha256=(digest,))
    return JsonChannel(name, settings)


# A terminal, by OSMP


class Kiosk:
    """Forms in, XML out: nought is a yes, 1 and 90 mean to come again, everything else is a no for good.

    A check that can't be made now has a no of its own, 243: nobody has paid yet.
    """

    def __init__(self, name: str, deadline_s: float) -> None:
        settings = OsmpChannelSettings(
            protocol="osmp",
            currency="RUB",
            deadline_s=deadline_s,
            allow=(IPv4Network(PEER),),
            commands=("check", "pay", "status", "cancel"),
            codes={},
        )
        self.channel: Channel = OsmpChannel(name, settings)

    def bytes_of(self, request: Request) -> Inbound | None:
        """A query."""
        said: dict[str, str]
        if isinstance(request, Payment | Check):
            command = "pay" if isinstance(request, Payment) else "check"
            said = {"command": command, "txn_id": request.key, "account": request.account, "sum": _sum(request.amount)}
            if isinstance(request, Payment):
                said["txn_date"] = request.channel_time
        elif isinstance(request, Inquiry):
            said = {"command": "status", "txn_id": request.key.removeprefix("cancel:")}
        else:
            said = {"command": "cancel", "txn_id": request.payment_key}
        return Inbound(method="GET", path="/osmp", query=urlencode(said), headers={}, body=b"", peer=PEER)

    def understood(self, request: Request, reply: Reply, answer: Answer) -> Answer:
        """What was meant, if the bytes say as much: the protocol has no word for provisional."""
        text = reply.body.decode()
        code, number = _tag(text, "result"), _tag(text, "prv_txn")
        meant = 0 if answer.kind in YES else 1 if answer.kind in LATER else 2
        again = {"1", "90", "243"} if isinstance(request, Check) else {"1", "90"}
        said = 0 if code == "0" else 1 if code in again else 2
        assert said == meant, f"{answer} was said as {code}"
        assert said or not answer.number or number == str(answer.number), f"{answer} was said with {number}"
        return answer

    def undoing(self, payment: Payment, number: int) -> Reversal | None:  # noqa: ARG002 - the seam's words
        """By the payment's own id."""
        return Reversal(channel=payment.channel, key=f"cancel:{payment.key}", payment_key=payment.key)


def _tag(text: str, name: str) -> str:
    found = re.search(f"<{name}>([0-9]+)</{name}>", text)
    return found[1] if found else ""


def _sum(amount: int) -> str:
    return f"{amount // 100}.{amount % 100:02}"
