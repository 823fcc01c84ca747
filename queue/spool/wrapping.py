"""The seam to a master key: what wraps data keys, wherever it is kept. And the wrapping by a master key at hand.

A master key never seals a payment. It wraps the few keys that do, so it can stay in a key service or a security module
that gives it to nobody, and can be changed without touching a single record. The promises, which one contract suite
(`tests/contracts/test_key_provider.py`) holds every provider to:

- *Bound to its purpose.* What was wrapped for one context (a key's use and id) is opened for no other.
- *Named.* What is wrapped says which master it was wrapped by; one that isn't here is asked for by that name.
- *Two errors, not one.* `MasterUnreachable` passes by itself, so whoever has the keys in memory goes on; `KeysUnfit`
  doesn't: a person must act.
- *Silent.* No key, token or wrapped key in an error, a log or a repr.
"""

import hashlib
import hmac
import os
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from spool.errors import KeysUnfit
from spool.keys import KEY_BYTES

_NONCE_BYTES: Final = 12
_NAME_LABEL: Final = b"nightsafe master name v1"


class Wrapped(msgspec.Struct, frozen=True):
    """A key as it is kept: opened only by the master that is named."""

    #: Which master wrapped it: `local:0123456789abcdef`, `vault:transit/nightsafe`.
    master: str
    blob: bytes

    def __repr__(self) -> str:
        return f"Wrapped({self.master})"


class KeyProvider(Protocol):
    """A master key. Asked at start and when keys are made or wrapped anew, never for a payment."""

    @property
    def place(self) -> str:
        """What it is, in words for people: `the key file /etc/nightsafe/master.key`."""
        ...

    @property
    def renewable(self) -> bool:
        """It can make itself a new master key, by `renew`."""
        ...

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        """Wrap a key, for one context, under the newest master.

        Raises:
            MasterUnreachable: it can't be asked now.
            KeysUnfit: it refuses, or can't be used.
        """
        ...

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """The key again.

        Raises:
            MasterUnreachable: it can't be asked now.
            KeysUnfit: it has no such master, or this isn't what it wrapped for this context.
        """
        ...

    def knows(self, master: str) -> bool:
        """Is this the name of a master of this provider, as far as can be told without asking?"""
        ...

    def is_newest(self, master: str) -> bool:
        """Is it what would wrap now, as far as can be told without asking?"""
        ...

    async def look(self) -> None:
        """Look again which master is the newest, where a person may have made one meanwhile. Errors: as wrap."""
        ...

    async def renew(self, now_us: int) -> None:
        """Make a new master, which wraps from then on; what older ones wrapped is opened as before.

        Raises:
            MasterUnreachable, KeysUnfit: as above. Only where `renewable`.
        """
        ...

    async def close(self) -> None:
        """Let go of connections and sessions."""
        ...


def context_of(use: str, key_id: int) -> bytes:
    """What a wrapped key is bound to: its use (`data` or `index`) and its id."""
    return f"nightsafe {use} key {key_id}".encode()


def name_of(master: bytes) -> str:
    """The name of a master key at hand: tells one from another, and nothing of it."""
    return f"local:{hmac.digest(master, _NAME_LABEL, hashlib.sha256).hex()[:16]}"


class LocalMasters:
    """Master keys at hand, the newest last: AES-256-GCM with a random nonce, the context as associated data."""

    def __init__(self, masters: Sequence[bytes], random_bytes: Callable[[int], bytes] = os.urandom) -> None:
        """Wrap by the last of these 32-byte keys; open by each."""
        assert masters, "there is a master"
        assert all(len(master) == KEY_BYTES for master in masters), "masters are of 256 bits"
        self._ciphers = {name_of(master): AESGCM(master) for master in masters}
        #: The name of the one that wraps.
        self.newest: Final = name_of(masters[-1])
        self._random_bytes = random_bytes

    def __repr__(self) -> str:
        return f"LocalMasters({self.newest})"

    def knows(self, master: str) -> bool:
        """Is it here?"""
        return master in self._ciphers

    def wrap(self, key: bytes, context: bytes) -> Wrapped:
        """Wrap a key under the newest."""
        nonce = self._random_bytes(_NONCE_BYTES)
        return Wrapped(self.newest, nonce + self._ciphers[self.newest].encrypt(nonce, key, context))

    def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """The key again.

        Raises:
            KeysUnfit: its master isn't here, or it isn't what was wrapped for this context.
        """
        cipher = self._ciphers.get(wrapped.master)
        if cipher is None:
            raise KeysUnfit(f"the master key {wrapped.master} is not here")
        try:
            return cipher.decrypt(wrapped.blob[:_NONCE_BYTES], wrapped.blob[_NONCE_BYTES:], context)
        except (InvalidTag, ValueError):
            raise KeysUnfit(f"a key does not open under {wrapped.master}: the key store was edited") from None
