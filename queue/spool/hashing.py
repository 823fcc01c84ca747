"""Keyed hashes, HMAC-SHA-256 under the index key: of accounts, for lanes, and of contents, for comparing repeats.

Each use has a key of its own, derived by its label, so that equal inputs of different uses don't show. What such a hash
hides is hidden only as long as the index key is elsewhere: phone numbers are few enough to be tried through.

The hash objects are made once with the key taken in and copied for each use, which saves two of the four blocks.
"""

import hashlib
import hmac
from typing import Final

FINGERPRINT_BYTES: Final = 16
_LANE_LABEL: Final = b"nightsafe lane v1"
_FINGERPRINT_LABEL: Final = b"nightsafe fingerprint v1"
_BLOCK_BYTES: Final = 64
_INNER: Final = bytes(byte ^ 0x36 for byte in range(256))
_OUTER: Final = bytes(byte ^ 0x5C for byte in range(256))


class KeyedHash:
    """HMAC-SHA-256 (RFC 2104) under one key."""

    def __init__(self, key: bytes) -> None:
        """Take the key in; at most 64 bytes."""
        assert len(key) <= _BLOCK_BYTES, "longer keys would be hashed first"
        block = key.ljust(_BLOCK_BYTES, b"\0")
        self._inner = hashlib.sha256(block.translate(_INNER))
        self._outer = hashlib.sha256(block.translate(_OUTER))

    def __repr__(self) -> str:
        return "KeyedHash()"

    def digest(self, message: bytes) -> bytes:
        """The 32 bytes of a message."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(message)
        outer.update(inner.digest())
        return outer.digest()


class Hashes:
    """The keyed hashes of one spool."""

    def __init__(self, index_key: bytes) -> None:
        """Derive a key for each use from the index key."""
        self._lane = KeyedHash(hmac.digest(index_key, _LANE_LABEL, "sha256"))
        #: By route, of which there are few: its length and its name.
        self._prefixes: dict[str, bytes] = {}
        self._fingerprint = KeyedHash(hmac.digest(index_key, _FINGERPRINT_LABEL, "sha256"))

    def __repr__(self) -> str:
        return "Hashes()"

    def lane_of(self, route: str, account: str) -> int:
        """The lane of an account on a route: a signed 64-bit number.

        The route's length comes first, so that no two pairs are written alike.
        """
        prefix = self._prefixes.get(route)
        if prefix is None:
            name = route.encode()
            prefix = self._prefixes[route] = len(name).to_bytes(4, "big") + name
        digest = self._lane.digest(prefix + account.encode())
        return int.from_bytes(digest[:8], "big", signed=True)

    def fingerprint(self, canonical: bytes) -> bytes:
        """Sixteen bytes that tell one content from another; `canonical` is the same for the same content."""
        return self._fingerprint.digest(canonical)[:FINGERPRINT_BYTES]
