"""The seam to a channel: bytes in, a request out; an answer in, bytes out. No I/O here.

A channel authenticates over the bytes as received, before it understands them, and raises `Rejected` with the reply in
its own protocol for everything it can't or won't understand. Nothing of a rejected request is ever stored.
"""

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

from adapters.payment import Answer, Request

HEADERS_KNOWN: Final = (
    "Authorization",
    "Content-Type",
    "Content-Encoding",
    "Idempotency-Key",
    "If-None-Match",
    "Prefer",
    "Traceparent",
)
"""Headers a channel may look at; a listener passes on no others."""


class Inbound(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP request as received."""

    method: str
    #: Path without the query, still percent-encoded.
    path: str
    #: Query string still percent-encoded, without the question mark.
    query: str
    #: Those of HEADERS_KNOWN that came, spelt as there; one that came more than once has its values joined by ", "
    #: (RFC 9110, 5.3), which no single value of theirs may contain.
    headers: Mapping[str, str]
    body: bytes
    #: Address of the peer, as the socket tells it.
    peer: str

    def __repr__(self) -> str:
        return f"Inbound({self.method} {self.path})"


class Reply(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One HTTP answer, ready to be written."""

    status: int
    content_type: str
    body: bytes
    headers: dict[str, str] = {}


class Rejected(Exception):
    """A request that is not taken; carries the protocol's own reply and the reason it is counted under.

    Where only the channel's own rules of today (account pattern, limits, card data) are against a well-formed request,
    it carries that request too: if its key is known, the first answer is still the answer, as a rule made since then
    must not turn the yes to a booked payment into a no.
    """

    def __init__(self, reason: str, reply: Reply, *, channel: str = "", request: Request | None = None) -> None:
        super().__init__(reason)
        #: Bounded vocabulary (a metric's label): `unauthorised`, `amount`, `key`, `account`, `charset`, ...
        self.reason = reason
        self.reply = reply
        #: Name of the channel, where it was known.
        self.channel = channel
        #: The request, when it was understood and only this channel's rules are against it.
        self.request = request


class Channel(Protocol):
    """One configured channel: a terminal network, a bank, a wallet."""

    #: Configured name: the first half of every key's uniqueness.
    name: str
    #: ISO 4217 code of its amounts.
    currency: str
    #: Seconds within which it must have an answer, whatever happens behind us.
    deadline_s: float

    def read(self, inbound: Inbound) -> Request:
        """Authenticate and understand one request.

        Raises:
            Rejected: it isn't authentic or can't be understood; the reply is in the channel's protocol.
        """
        ...

    def write(self, request: Request, answer: Answer) -> Reply:
        """Say the answer in the channel's protocol. Total: every answer has a reply."""
        ...
