"""Sealing: a record's content, encrypted and bound to its place.

A sealed record is

```
1 byte   format version (1)
4 bytes  key id, big-endian
12 bytes nonce, random
rest     AES-256-GCM ciphertext and its 16-byte tag
```

The tag also covers the associated data below, which isn't stored: it is written anew from the row the record is found
in, and holds everything of the header that never changes. A record moved to another row, or a row with another amount,
doesn't open.

```
1 byte   format version
4 bytes  key id
8 bytes  number
8 bytes  amount
8 bytes  lane, signed
8 bytes  reverses
8 bytes  time of acceptance
1 byte   kind
4 bytes  length of each of: id, fingerprint, channel, key, route, currency, policy
the same seven one after the other, texts in UTF-8
```

All numbers are big-endian. Every field has a fixed width or a length before it, so no two places are written alike.
Nonces are random and never from a counter: a spool rolled back to an older copy would repeat them, and one repeated
nonce gives away both contents and the authentication key. At random, a key may seal 2^32 records (NIST SP 800-38D, 8.3).
"""

import os
import struct
from collections.abc import Callable
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spool.entry import Draft, Entry
from spool.errors import RecordDamaged, RecordShredded
from spool.keys import KeyRing

FORMAT: Final = 1
NONCE_BYTES: Final = 12
TAG_BYTES: Final = 16
_PAGE_BYTES: Final = 341 * NONCE_BYTES
_HEAD: Final = struct.Struct(">BI")
_CIPHER_AT: Final = _HEAD.size + NONCE_BYTES
_PLACE: Final = struct.Struct(">BIqqqqqB7I")


class Nonces:
    """Random nonces, each given out once; chance is taken a page at a time, as asking the kernel costs a seal's time.

    Pages are this process's own: a sealer must not be used on both sides of a fork.
    """

    __slots__ = ("_at", "_page", "_random_bytes")

    def __init__(self, random_bytes: Callable[[int], bytes]) -> None:
        """Take chance from `random_bytes` (a number of bytes -> unpredictable bytes)."""
        self._random_bytes = random_bytes
        self._page = b""
        self._at = 0

    def __repr__(self) -> str:
        return "Nonces()"

    def next(self) -> bytes:
        """The next one."""
        start = self._at
        if start + NONCE_BYTES > len(self._page):
            self._page, start = self._random_bytes(_PAGE_BYTES), 0
        self._at = start + NONCE_BYTES
        return self._page[start : self._at]


class Sealer:
    """Seals and opens contents with the keys of one ring."""

    def __init__(self, ring: KeyRing, random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        """Take chance for nonces from `random_bytes` (a number of bytes -> unpredictable bytes)."""
        self._nonces = Nonces(random_bytes)
        self._ciphers: dict[int, AESGCM] = {}
        self._current_id = 0
        #: How many records were sealed under the key that seals since it was adopted.
        self.sealed_count = 0
        self.adopt(ring)

    def __repr__(self) -> str:
        return "Sealer()"

    def adopt(self, ring: KeyRing) -> None:
        """Seal and open with the keys of another ring from now on."""
        if ring.current_id != self._current_id:
            self.sealed_count = 0
        self._ciphers = {key_id: AESGCM(ring.get(key_id) or b"") for key_id in ring.ids}
        self._destroyed = frozenset(ring.destroyed)
        self._current_id = ring.current_id
        self._current = self._ciphers[ring.current_id]
        self._head = _HEAD.pack(FORMAT, ring.current_id)

    def seal(self, draft: Draft) -> tuple[int, bytes]:
        """The id of the key used, and the draft's content sealed for the draft's place."""
        self.sealed_count += 1
        nonce = self._nonces.next()
        place = _place_of(draft, self._current_id)
        return self._current_id, self._head + nonce + self._current.encrypt(nonce, draft.content, place)

    def seal_anew(self, entry: Entry, key_id: int) -> bytes:
        """The content of an entry, sealed for its place under another key of the ring.

        Raises:
            RecordDamaged: it does not open.
        """
        nonce = self._nonces.next()
        sealed = self._ciphers[key_id].encrypt(nonce, self.open(entry), _place_of(entry, key_id))
        return _HEAD.pack(FORMAT, key_id) + nonce + sealed

    def open(self, entry: Entry) -> bytes:
        """The content of an entry.

        Raises:
            RecordShredded: its key was destroyed on purpose.
            RecordDamaged: it was moved, edited or cut, or its key isn't in the ring. No other key is tried: GCM doesn't
                commit to its key, so a record might open under two.
        """
        sealed, cipher = entry.sealed, self._ciphers.get(entry.key_id)
        if cipher is None and entry.key_id in self._destroyed:
            raise RecordShredded(entry.number)
        if cipher is None or len(sealed) < _CIPHER_AT + TAG_BYTES:
            raise RecordDamaged(entry.number)
        if _HEAD.unpack_from(sealed) != (FORMAT, entry.key_id):
            raise RecordDamaged(entry.number)
        try:
            place = _place_of(entry, entry.key_id)
            return cipher.decrypt(sealed[_HEAD.size : _CIPHER_AT], sealed[_CIPHER_AT:], place)
        except (InvalidTag, struct.error, UnicodeEncodeError) as error:
            raise RecordDamaged(entry.number) from error


def _place_of(record: Draft | Entry, key_id: int) -> bytes:
    """What binds a record to its place (see above)."""
    channel, key, route = record.channel.encode(), record.key.encode(), record.route.encode()
    currency, policy = record.currency.encode(), record.policy.encode()
    fixed = _PLACE.pack(
        FORMAT,
        key_id,
        record.number,
        record.amount,
        record.lane,
        record.reverses,
        record.accepted_at_us,
        record.kind,
        len(record.id),
        len(record.fingerprint),
        len(channel),
        len(key),
        len(route),
        len(currency),
        len(policy),
    )
    return b"".join((fixed, record.id, record.fingerprint, channel, key, route, currency, policy))
