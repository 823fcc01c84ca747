"""A master in HashiCorp Vault: its transit engine wraps and opens; the key never leaves it.

Written from https://developer.hashicorp.com/vault/api-docs/secret/transit: `POST /v1/:mount/encrypt/:name` and
`decrypt/:name` with `associated_data`, `POST keys/:name/rotate`, `GET keys/:name`. Keys of type aes256-gcm96 (Vault's
default) take associated data; others refuse it.
"""

import base64
import binascii
import re
import ssl
from http import HTTPStatus
from typing import Any, Final

import aiohttp
import msgspec

from adapters.secret import SecretMissing
from gateway.custody.settings import VaultMasterSettings
from spool.errors import KeysUnfit, MasterUnreachable
from spool.wrapping import Wrapped

_VERSION: Final = re.compile(rb"vault:v([0-9]{1,9}):[A-Za-z0-9+/=]+")
_ANSWER_BYTES_MAX: Final = 65_536
_AWAY: Final = frozenset({HTTPStatus.TOO_MANY_REQUESTS, 412, 472, 473})
"""Answers of a Vault that will answer otherwise soon: too many requests, not caught up yet, a standby."""


class _Data(msgspec.Struct, frozen=True):
    ciphertext: str = ""
    plaintext: str = ""
    latest_version: int = 0


class _Answer(msgspec.Struct, frozen=True):
    data: _Data = _Data()


class _Problem(msgspec.Struct, frozen=True):
    errors: list[str] = []


class VaultMaster:
    """A `KeyProvider` over one key of a transit engine."""

    renewable: bool = True

    def __init__(self, settings: VaultMasterSettings) -> None:
        """Connects with the first request."""
        self._settings = settings
        self._name = f"vault:{settings.mount}/{settings.key}"
        self.place: Final = f"the key {settings.key} in Vault at {settings.url}"
        #: As far as it was told; 0 until then.
        self._latest = 0
        self._session: aiohttp.ClientSession | None = None

    def __repr__(self) -> str:
        return f"VaultMaster({self._name})"

    async def wrap(self, key: bytes, context: bytes) -> Wrapped:
        """Have a key wrapped by the newest version. Errors: see `KeyProvider.wrap`."""
        body = {"plaintext": _text(key), "associated_data": _text(context)}
        blob = (await self._ask("POST", "encrypt", body)).ciphertext.encode()
        version = _VERSION.fullmatch(blob)
        if version is None:
            raise KeysUnfit(f"{self.place} answered something else than a wrapped key")
        self._latest = int(version[1])
        return Wrapped(f"{self._name}:v{self._latest}", blob)

    async def unwrap(self, wrapped: Wrapped, context: bytes) -> bytes:
        """Have it opened. Errors: see `KeyProvider.unwrap`."""
        version = _VERSION.fullmatch(wrapped.blob)
        if version is None or wrapped.master != f"{self._name}:v{int(version[1])}":
            raise KeysUnfit(f"what {wrapped.master} wrapped is not for {self.place}")
        body = {"ciphertext": wrapped.blob.decode(), "associated_data": _text(context)}
        try:
            return base64.b64decode((await self._ask("POST", "decrypt", body)).plaintext, validate=True)
        except (binascii.Error, ValueError):
            raise KeysUnfit(f"{self.place} answered something else than a key") from None

    def knows(self, master: str) -> bool:
        """Is it a version of this key?"""
        return master.startswith(f"{self._name}:v")

    def is_newest(self, master: str) -> bool:
        """Is it the latest version, as far as Vault told?"""
        return self.knows(master) and (not self._latest or master == f"{self._name}:v{self._latest}")

    async def look(self) -> None:
        """Ask for the latest version. Needs `read` on the key; without that, what wraps is taken for the latest."""
        try:
            self._latest = (await self._ask("GET", "keys")).latest_version or self._latest
        except MasterUnreachable:
            raise
        except KeysUnfit:
            return

    async def renew(self, now_us: int) -> None:
        """Have Vault make a new version. Errors: see `KeyProvider.renew`."""
        assert now_us > 0, "Vault has a clock of its own"
        await self._ask("POST", "keys", {}, suffix="/rotate")
        self._latest = 0
        await self.look()

    async def close(self) -> None:
        """Close connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _ask(self, method: str, verb: str, body: Any = None, *, suffix: str = "") -> _Data:
        settings = self._settings
        url = f"{settings.url.rstrip('/')}/v1/{settings.mount}/{verb}/{settings.key}{suffix}"
        try:
            headers = {"X-Vault-Token": settings.token.read().get_secret_value(), "X-Vault-Request": "true"}
        except SecretMissing as error:
            raise KeysUnfit(f"the token for {self.place}: {error}") from error
        if settings.namespace:
            headers["X-Vault-Namespace"] = settings.namespace
        try:
            async with self._opened().request(method, url, json=body, headers=headers, allow_redirects=False) as answer:
                content = await answer.content.read(_ANSWER_BYTES_MAX)
                status = answer.status
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            # Their words may repeat headers.
            raise MasterUnreachable(f"{self.place} does not answer ({type(error).__name__})") from None
        return self._read(status, content)

    def _read(self, status: int, content: bytes) -> _Data:
        if status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in _AWAY:
            raise MasterUnreachable(f"{self.place} can't answer now (HTTP {status}): is it sealed, or a standby?")
        try:
            if status not in {HTTPStatus.OK, HTTPStatus.NO_CONTENT}:
                told = "; ".join(msgspec.json.decode(content, type=_Problem).errors)[:200]
                raise KeysUnfit(f"{self.place} refuses (HTTP {status}): {told}")
            return msgspec.json.decode(content or b"{}", type=_Answer).data
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise KeysUnfit(f"what answers at {self._settings.url} is no Vault (HTTP {status})") from None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            secure = self._settings.url.startswith("https:")
            context = ssl.create_default_context(cafile=self._settings.tls_ca_file) if secure else True
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._settings.timeout_s),
                connector=aiohttp.TCPConnector(limit=8, ssl=context),
            )
        return self._session


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
