"""Who may speak to a channel at all: by address and by HTTP Basic, before a word is read."""

import base64
import binascii
import hmac
from collections.abc import Sequence
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final

from adapters.channel import Inbound, Rejected, Reply
from adapters.channels.osmp_settings import BasicSettings

_PEERS_MAX: Final = 1024

_NOT_FROM_THERE: Final = Reply(status=403, content_type="text/plain", body=b"")
_WHO_ARE_YOU: Final = Reply(
    status=401,
    content_type="text/plain",
    body=b"",
    headers={"WWW-Authenticate": 'Basic realm="payments", charset="UTF-8"'},
)


class Gate:
    """Lets in whom a channel's settings name. The replies to others tell nothing but their status."""

    def __init__(
        self, channel: str, networks: Sequence[IPv4Network | IPv6Network], basic: BasicSettings | None
    ) -> None:
        """Ready to be asked.

        Raises:
            SecretMissing: the password's file or variable isn't there.
        """
        self._channel = channel
        self._networks = networks
        self._expected = b""
        if basic is not None:
            password = basic.password.read().get_secret_value()
            self._expected = sha256(f"{basic.user}:{password}".encode()).digest()
        # Terminal networks call from a few addresses: each is looked at once.
        self._known: dict[str, bool] = {}

    def admit(self, inbound: Inbound) -> None:
        """Return if the sender may speak.

        Raises:
            Rejected: 403 for an address that isn't agreed, 401 for wrong or missing credentials.
        """
        if self._networks and not self._from_here(inbound.peer):
            raise Rejected("address", _NOT_FROM_THERE, channel=self._channel)
        if self._expected and not hmac.compare_digest(_presented(inbound), self._expected):
            raise Rejected("unauthorised", _WHO_ARE_YOU, channel=self._channel)

    def _from_here(self, peer: str) -> bool:
        known = self._known.get(peer)
        if known is None:
            if len(self._known) >= _PEERS_MAX:
                self._known.clear()
            known = self._known[peer] = self._agreed(peer)
        return known

    def _agreed(self, peer: str) -> bool:
        try:
            address = ip_address(peer)
        except ValueError:
            return False
        if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        return any(address in network for network in self._networks)


def _presented(inbound: Inbound) -> bytes:
    """SHA-256 of `user:password` as presented, so that not even a length can be timed; empty when there is none."""
    scheme, _, token = inbound.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return b""
    try:
        return sha256(base64.b64decode(token.strip().encode("ascii"), validate=True)).digest()
    except (binascii.Error, UnicodeEncodeError):
        return b""
