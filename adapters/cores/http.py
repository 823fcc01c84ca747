"""HTTP to a core: one request, once, within a time, and what came back: an answer, or how it failed.

`NotSent` and `Unknown` are told apart by who had the request. As long as it was with us (`pool`, `dial`) nothing was
sent; from the moment its bytes are handed to a transport (`wire`) it may have been read, and whatever then fails is
`Unknown`. Nothing is sent twice for one `ask` (docs/decisions/0017).
"""

import asyncio
import base64
import ssl
from collections.abc import Mapping
from typing import Final

from adapters.cores.carried import NOTHING, carried
from adapters.cores.dial import Dial
from adapters.cores.http_answer import RETRY_AFTER_S_MAX, HttpAnswer, retry_after_s
from adapters.cores.http_request import Requests, Unsendable
from adapters.cores.leave import WITHHELD, may_leave
from adapters.cores.place import place_of
from adapters.cores.pool import CLOSED, Pool
from adapters.cores.settings import HttpSettings
from adapters.outcome import Cause, Misconfigured, NotSent, Outcome, Posted, Unknown

__all__ = ["RETRY_AFTER_S_MAX", "Failure", "HttpAnswer", "HttpClient", "TlsFileUnusable", "retry_after_s"]

_CONNECT_SHARE: Final = 0.9
"""Part of an attempt's time its connection may take, so that some is left for the answer."""

_NO_TIME: Final = NotSent(cause=Cause.CONNECT_TIMEOUT, detail="no time left")


class TlsFileUnusable(ValueError):
    """A certificate or key file is missing or holds no certificate or key."""


Failure = NotSent | Unknown | Misconfigured


class HttpClient:
    """Keep-alive connections to one core. Opens with its first request and belongs to that event loop."""

    def __init__(self, settings: HttpSettings, headers: Mapping[str, str]) -> None:
        """Send `headers` with every request.

        Raises:
            TlsFileUnusable: a file of the TLS settings can't be used.
            SecretMissing: the password isn't where the settings say.
        """
        self._settings = settings
        self._place = place_of(settings.url)
        always = {"Accept-Encoding": "identity", "User-Agent": "nightsafe"}
        self._requests = Requests(self._place, {**always, **headers, **_basic(settings)})
        self._dial = Dial(settings, self._place, _tls_context(settings))
        self._pool: Pool | None = None
        self._is_closed = False

    async def ask(
        self,
        method: str,
        target: str,
        timeout_s: float,
        *,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> HttpAnswer | Failure:
        """Send one request, once, and read its answer, all within `timeout_s`.

        `target` is what follows the core's address (path, query), already percent-encoded.
        """
        if self._is_closed or timeout_s <= 0:
            return CLOSED if self._is_closed else _NO_TIME
        try:
            along = carried.get()
            headers = {**along, **(headers or NOTHING)} if along else headers or NOTHING
            request = self._requests.written(method, target, headers, body)
        except Unsendable as error:
            return Misconfigured(cause=Cause.CONTRACT, detail=str(error))
        now_s = asyncio.get_running_loop().time()
        pool = self._pool or self._opened()
        connection = pool.kept()
        if connection is None:
            connect_s = min(self._settings.connect_timeout_s, timeout_s * _CONNECT_SHARE)
            taken = await pool.taken(now_s + connect_s)
            if isinstance(taken, NotSent):
                return taken
            connection = taken
        if not may_leave.get()():
            pool.unused(connection)
            return WITHHELD
        # Before this line surely nothing was sent, after it perhaps; no await stands between the checks and it.
        answer = connection.ask(request, now_s + timeout_s, is_bodiless=method == "HEAD")
        try:
            return await answer
        except asyncio.CancelledError:
            connection.give_up(answer)
            raise

    async def touch(self, timeout_s: float) -> Outcome:
        """Open a connection, with its TLS handshake, and close it again: `Posted()` when somebody listens."""
        if self._is_closed or timeout_s <= 0:
            return CLOSED
        try:
            async with asyncio.timeout(timeout_s):
                transport, _ = await self._dial.opened(asyncio.Protocol)
        except TimeoutError:
            return NotSent(cause=Cause.CONNECT_TIMEOUT, detail=f"{self._place.host}:{self._place.port}")
        except Exception as error:  # noqa: BLE001 - whatever it was, nothing was sent
            return self._dial.failure_of(error)
        # Aborted, as a TLS peer that doesn't answer our farewell would hold the probe up.
        transport.abort()
        return Posted()

    async def close(self) -> None:
        """Let connections go; requests under way end as `Unknown`, later ones as `NotSent`."""
        self._is_closed = True
        self._dial.close()
        if self._pool is not None:
            await self._pool.close()

    def _opened(self) -> Pool:
        self._pool = Pool(self._settings, self._dial)
        return self._pool


def _basic(settings: HttpSettings) -> dict[str, str]:
    if settings.basic_password is None:
        return {}
    password = settings.basic_password.read().get_secret_value()
    credentials = base64.b64encode(f"{settings.basic_user}:{password}".encode()).decode("ascii")
    return {"Authorization": f"Basic {credentials}"}


def _tls_context(settings: HttpSettings) -> ssl.SSLContext | None:
    if not settings.is_tls:
        return None
    try:
        context = ssl.create_default_context(cafile=settings.tls_ca_file)
        if settings.tls_certificate_file is not None:
            context.load_cert_chain(settings.tls_certificate_file, settings.tls_key_file, password=_no_password)
    except (OSError, ValueError) as error:
        raise TlsFileUnusable(f"TLS files of {settings.url}: {error}") from error
    return context


def _no_password() -> str:
    # Without this OpenSSL asks on the terminal, and a service would hang at its start.
    raise ValueError("the key has a password")
