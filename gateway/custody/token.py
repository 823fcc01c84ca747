"""A master in a token that speaks PKCS#11 (a security module), by python-pkcs11 (the extra `nightsafe[pkcs11]`).

The key is made in the token and marked not to be extractable, so no process ever sees it; the token wraps and opens by
AES-GCM. Its calls block, so they run in a thread, one after the other over one session.
"""

import asyncio
import contextlib
import importlib
import os
import threading
from collections.abc import Callable
from typing import Any, Final, TypeVar

from adapters.secret import SecretMissing
from gateway.custody.settings import Pkcs11MasterSettings
from spool.errors import KeysUnfit, MasterUnreachable
from spool.keys import KEY_BYTES
from spool.wrapping import Wrapped

T = TypeVar("T")

_NONCE_BYTES: Final = 12
_TAG_BITS: Final = 128
_AWAY: Final = (
    "DeviceError",
    "DeviceMemory",
    "DeviceRemoved",
    "HostMemory",
    "NoSuchToken",
    "OperationActive",
    "SessionClosed",
    "SessionHandleInvalid",
    "TokenNotPresent",
    "UserNotLoggedIn",
)
"""What python-pkcs11 says of a token that is not there, or was taken out and put in again."""


class TokenMaster:
    """A `KeyProvider` over the keys of one label in a token; the one with the highest id wraps."""

    renewable: bool = True

    def __init__(self, settings: Pkcs11MasterSettings) -> None:
        """Opens a session with the first request.

        Raises:
            KeysUnfit: the extra isn't installed.
        """
        self._settings = settings
        self._name = f"pkcs11:{settings.token}/{settings.key}"
        self.place: Final = f"the key {settings.key} in the token {settings.token}"
        try:
            self._library: Any = importlib.import_module("pkcs11")
        except ImportError as error:
            raise KeysUnfit("PKCS#11 needs a package more: pip install 'nightsafe[pkcs11]'") from error
        errors: Any = importlib.import_module("pkcs11.exceptions")
        self._failed: Any = errors.PKCS11Error
        self._away: Any = tuple(getattr(errors, name) for name in _AWAY)
        self._logged_in: Any = errors.UserAlreadyLoggedIn
        self._session: Any = None
        #: By id, in hexadecimal; as of the last look.
        self._keys: dict[str, Any] = {}
        self._one_at_a_time = threading.Lock()

    def __repr__(self) -> str:
        return f"TokenMaster({self._name})"

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        """Have a key wrapped by the newest. Errors: see `KeyProvider.wrap`."""
        return await self._ask(lambda: self._wrapped(key, context))

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """Have it opened. Errors: see `KeyProvider.unwrap`."""
        return await self._ask(lambda: self._unwrapped(wrapped, context))

    def knows(self, master: str) -> bool:
        """Is it one of the label's keys?"""
        return master.startswith(f"{self._name}:")

    def is_newest(self, master: str) -> bool:
        """Has it the highest id, as of the last look?"""
        return self.knows(master) and (not self._keys or master == f"{self._name}:{max(self._keys)}")

    async def look(self) -> None:
        """Look again which keys there are."""
        await self._ask(self._find)

    async def exists(self) -> bool:
        """Is there a key with this label? Errors: see `KeyProvider.wrap`."""
        await self.look()
        return bool(self._keys)

    async def renew(self, now_us: int) -> None:
        """Have the token make a key, with the next id. Errors: see `KeyProvider.renew`."""
        assert now_us > 0, "a token has no clock"
        await self._ask(self._generate)

    async def close(self) -> None:
        """End the session."""
        if self._session is not None:
            await asyncio.to_thread(self._end)

    async def _ask(self, work: Callable[[], T]) -> T:
        return await asyncio.to_thread(self._asked, work)

    def _asked(self, work: Callable[[], T]) -> T:
        """One request, in a thread; foreign errors end here."""
        with self._one_at_a_time:
            try:
                return self._done(work)
            except self._away as error:
                raise MasterUnreachable(f"{self.place} can't be reached ({type(error).__name__})") from None
            except self._failed as error:
                raise KeysUnfit(f"{self.place} refuses ({type(error).__name__})") from None

    def _done(self, work: Callable[[], T]) -> T:
        """Do it; over a new session where the old one turns out to be over, as when another one of ours logged out."""
        if self._session is not None:
            with contextlib.suppress(*self._away):
                return work()
            self._session, self._keys = None, {}
        self._begin()
        return work()

    def _begin(self) -> None:
        settings = self._settings
        try:
            pin = settings.pin.read().get_secret_value()
        except SecretMissing as error:
            raise KeysUnfit(f"the PIN for {self.place}: {error}") from error
        token = self._library.lib(str(settings.module)).get_token(token_label=settings.token)
        try:
            self._session = token.open(user_pin=pin, rw=True)
        except self._logged_in:
            # A process is logged in to a token once, for all its sessions.
            self._session = token.open(rw=True)
        self._find()

    def _end(self) -> None:
        with self._one_at_a_time:
            if self._session is not None:
                self._session.close()
            self._session, self._keys = None, {}

    def _find(self) -> None:
        attribute, kind = self._library.Attribute, self._library.ObjectClass.SECRET_KEY
        found = self._session.get_objects({attribute.CLASS: kind, attribute.LABEL: self._settings.key})
        self._keys = {key.id.hex(): key for key in found}

    def _wrapped(self, key: bytes, context: bytes) -> Wrapped:
        if not self._keys:
            raise KeysUnfit(
                f"there is no key {self._settings.key} in the token {self._settings.token}; make it in the token, or have it made by: nightsafe keys init"
            )
        newest, nonce = max(self._keys), os.urandom(_NONCE_BYTES)
        blob = nonce + self._keys[newest].encrypt(key, **self._how(nonce, context))
        return Wrapped(f"{self._name}:{newest}", blob)

    def _unwrapped(self, wrapped: Wrapped, context: bytes) -> bytes:
        name = wrapped.master.removeprefix(f"{self._name}:")
        if name not in self._keys:
            self._find()
        if name not in self._keys:
            raise KeysUnfit(f"the master key {wrapped.master} is not in {self.place}")
        nonce, sealed = wrapped.blob[:_NONCE_BYTES], wrapped.blob[_NONCE_BYTES:]
        if len(sealed) != KEY_BYTES + _TAG_BITS // 8:
            raise KeysUnfit(f"a key does not open under {wrapped.master}: the key store was edited")
        key: bytes = self._keys[name].decrypt(sealed, **self._how(nonce, context))
        return key

    def _how(self, nonce: bytes, context: bytes) -> dict[str, Any]:
        parameters = self._library.GCMParams(nonce, context, _TAG_BITS)
        return {"mechanism": self._library.Mechanism.AES_GCM, "mechanism_param": parameters}

    def _generate(self) -> None:
        attribute = self._library.Attribute
        self._find()
        highest = max(self._keys, default="")
        following = (int(highest or "0", 16) + 1).to_bytes(max(1, len(highest) // 2), "big")
        self._session.generate_key(
            self._library.KeyType.AES,
            8 * KEY_BYTES,
            label=self._settings.key,
            id=following,
            store=True,
            template={attribute.SENSITIVE: True, attribute.EXTRACTABLE: False},
        )
        self._find()
