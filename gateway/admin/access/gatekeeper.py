"""Guessing is slowed, client by client: who comes with unknown tokens again and again waits longer and longer. Pure.

A token is drawn at random, so nobody guesses one; but a stolen list of old ones is tried, and who tries is to be seen and
slowed. What once was let in from a client is let in on, so that a neighbour's guesses behind the same proxy lock nobody out.
"""

import ipaddress
from collections import OrderedDict
from typing import Final

FREE: Final = 10
"""Unknown tokens of one client that cost nothing."""

WAIT_MAX_S: Final = 60.0
FORGOTTEN_S: Final = 600.0
"""Without an unknown token for so long, a client begins anew."""

CLIENTS_MAX: Final = 4_096
"""Clients remembered; one more, and the one that was quiet for longest is forgotten."""

KNOWN_MAX: Final = 64
"""Tokens remembered of a client that was let in."""


class _Client:
    """What is remembered of one client."""

    __slots__ = ("failed_at", "failures", "known", "waits_until")

    def __init__(self) -> None:
        self.failures = 0
        self.failed_at = self.waits_until = 0.0
        #: Hashes of what it was let in with, the newest last.
        self.known: OrderedDict[bytes, None] = OrderedDict()


class Gatekeeper:
    """Remembers who guessed."""

    def __init__(self) -> None:
        """Nobody has yet."""
        self._clients: OrderedDict[str, _Client] = OrderedDict()

    def wait_s(self, client: str, digest: bytes, now: float) -> float:
        """Seconds this client has to wait before this token is looked at; 0 when it needn't. `now` is monotonic."""
        found = self._clients.get(client)
        if found is None or digest in found.known:
            return 0.0
        return max(0.0, found.waits_until - now)

    def failed(self, client: str, now: float) -> None:
        """It came with a token that nobody has."""
        found = self._remembered(client)
        if now - found.failed_at > FORGOTTEN_S:
            found.failures = 0
        found.failures += 1
        found.failed_at = now
        over = found.failures - FREE
        if over > 0:
            found.waits_until = now + min(WAIT_MAX_S, 2.0 ** min(over - 1, 10))

    def passed(self, client: str, digest: bytes) -> None:
        """It was let in with this."""
        known = self._remembered(client).known
        known[digest] = None
        known.move_to_end(digest)
        if len(known) > KNOWN_MAX:
            known.popitem(last=False)

    def _remembered(self, client: str) -> _Client:
        found = self._clients.setdefault(client, _Client())
        self._clients.move_to_end(client)
        if len(self._clients) > CLIENTS_MAX:
            self._clients.popitem(last=False)
        return found


def client_of(address: str | None) -> str:
    """Who an address belongs to: itself, or of IPv6 the network of 64 bits that one customer has."""
    try:
        read = ipaddress.ip_address((address or "").partition("%")[0])
    except ValueError:
        return ""
    if isinstance(read, ipaddress.IPv6Address):
        if read.ipv4_mapped is not None:
            return str(read.ipv4_mapped)
        return str(ipaddress.IPv6Network((int(read), 64), strict=False))
    return str(read)
