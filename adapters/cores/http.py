"""HTTP to a core: the one place that knows aiohttp's client.

It sends one request once, within a time, and says what came back: an answer, or how it failed. Which failures surely
left nothing at the core was measured exception by exception (`docs/reference/outcomes.md`): only those that end before
the connection was handed over are `NotSent`; everything else may have been read by the core and is `Unknown`.
"""

import asyncio
import concurrent.futures
import datetime as dt
import email.utils
import errno
import functools
import math
import socket
import ssl
from collections.abc import Mapping
from typing import Final

import aiohttp
import msgspec
from aiohttp.abc import AbstractResolver, ResolveResult
from yarl import URL

from adapters.cores.settings import HttpSettings
from adapters.outcome import Cause, Misconfigured, NotSent, Outcome, Posted, Unknown

RETRY_AFTER_S_MAX: Final = 86_400
"""A core that asks for more than a day is asked again after one."""

RESOLVER_THREADS: Final = 2
"""Threads that may hang in a dead resolver; they are our own, so nothing else waits for them."""

_CONNECT_SHARE: Final = 0.9
"""Part of an attempt's time its connection may take, so that a connection's timeout is never mistaken for an answer's."""

_SECONDS_DIGITS_MAX: Final = 9


class TlsFileUnusable(ValueError):
    """A certificate or key file is missing or holds no certificate or key."""


class HttpAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """One whole answer. Its body may hold personal data."""

    status: int
    #: Empty when the answer was too long to be read.
    body: bytes
    too_long: bool = False
    #: From `Retry-After`, at most `RETRY_AFTER_S_MAX`; 0 when the core named no time.
    retry_after_s: float = 0.0

    def __repr__(self) -> str:
        return f"HttpAnswer({self.status}, {len(self.body)} bytes)"


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
        self._base = settings.url
        self._headers = {"Accept-Encoding": "identity", "User-Agent": "nightsafe", **headers, **_basic(settings)}
        self._tls = _tls_context(settings)
        self._resolver: _Resolver | None = None
        self._session: aiohttp.ClientSession | None = None
        self._closed = False

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
        if self._closed or timeout_s <= 0:
            return NotSent(cause=Cause.UNREACHABLE if self._closed else Cause.CONNECT_TIMEOUT, detail="no time left")
        try:
            async with self._opened().request(
                method,
                URL(self._base + target, encoded=True),
                data=body,
                headers=headers,
                allow_redirects=False,
                timeout=self._limits(timeout_s),
                middlewares=() if method == "POST" else _ONCE,
            ) as response:
                return await self._read(response)
        except Exception as error:  # noqa: BLE001 - whatever a library lets through, it must end here, by default as unknown
            return failure_of(error, tls=self._settings.is_tls)

    async def touch(self, timeout_s: float) -> Outcome:
        """Open a connection, with its TLS handshake, and close it again: `Posted()` when somebody listens."""
        if self._closed or timeout_s <= 0:
            return NotSent(cause=Cause.UNREACHABLE, detail="closed")
        self._opened()
        assert self._resolver is not None, "opening made it"
        url = URL(self._base)
        host, port = url.raw_host or "", url.port or 0
        try:
            async with asyncio.timeout(timeout_s):
                found = await self._resolver.resolve(host, port)
                await _greet([each["host"] for each in found], port, self._tls, host)
        except TimeoutError:
            return NotSent(cause=Cause.CONNECT_TIMEOUT, detail=f"{host}:{port}")
        except OSError as error:
            return _unconnected(error, tls=self._settings.is_tls)
        return Posted()

    async def close(self) -> None:
        """Let connections go; requests under way end as `Unknown`, later ones as `NotSent`."""
        self._closed = True
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    def _limits(self, timeout_s: float) -> aiohttp.ClientTimeout:
        connect_s = min(self._settings.connect_timeout_s, timeout_s * _CONNECT_SHARE)
        return aiohttp.ClientTimeout(total=timeout_s, connect=connect_s, ceil_threshold=math.inf)

    async def _read(self, response: aiohttp.ClientResponse) -> HttpAnswer:
        body = await _read_at_most(response, self._settings.answer_bytes_max)
        return HttpAnswer(
            status=response.status,
            body=body or b"",
            too_long=body is None,
            retry_after_s=retry_after_s(response.headers) if "Retry-After" in response.headers else 0.0,
        )

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            settings = self._settings
            self._resolver = _Resolver(tuple(str(each) for each in settings.addresses))
            connector = aiohttp.TCPConnector(
                limit=settings.connections_max,
                keepalive_timeout=settings.connection_idle_s,
                force_close=False,
                resolver=self._resolver,
                use_dns_cache=settings.dns_cache_s > 0,
                ttl_dns_cache=math.ceil(settings.dns_cache_s),
                ssl=self._tls or True,
                timeout_ceil_threshold=math.inf,
            )
            self._session = aiohttp.ClientSession(
                connector=connector,
                headers=self._headers,
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
            )
        return self._session


class _BrokenOff(aiohttp.ClientError):
    """The connection broke after the request may have left."""


async def _once(request: aiohttp.ClientRequest, send: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    # aiohttp sends a GET a second time by itself when a kept connection breaks. A payment sent by GET to a core that
    # doesn't refuse repeats would be booked twice; an error it doesn't know ends the attempt instead.
    try:
        return await send(request)
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError, ssl.CertificateError):
        raise
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        raise _BrokenOff from error


_ONCE: Final = (_once,)
"""For every method but POST, which aiohttp never repeats."""


async def _read_at_most(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    length = response.content_length
    if length is not None:
        return None if length > limit else await response.read()
    chunks = bytearray()
    async for chunk in response.content.iter_any():
        chunks += chunk
        if len(chunks) > limit:
            return None
    return bytes(chunks)


def failure_of(error: Exception, *, tls: bool) -> Failure:
    """What an exception of a request means for the money. The order of the cases is the classes' own nesting."""
    match error:
        case aiohttp.ClientConnectorCertificateError():
            return _unconnected(error.certificate_error, tls=tls)
        case aiohttp.ClientConnectorDNSError():
            return NotSent(cause=Cause.DNS, detail=f"{error.host}: {error.strerror}")
        case aiohttp.ClientConnectorError():
            return _unconnected(error.os_error, tls=tls)
        case aiohttp.ConnectionTimeoutError():
            return NotSent(cause=Cause.CONNECT_TIMEOUT, detail="no connection in time, or none free")
        case aiohttp.InvalidURL():
            return Misconfigured(cause=Cause.CONTRACT, detail="no valid address")
        case TimeoutError():
            return Unknown(cause=Cause.ANSWER_TIMEOUT)
        case _BrokenOff() | aiohttp.ClientOSError() | aiohttp.ServerDisconnectedError():
            return Unknown(cause=Cause.RESET)
        case aiohttp.ClientPayloadError():
            return Unknown(cause=Cause.UNREADABLE, detail="answer cut short")
        case aiohttp.ClientResponseError():
            return Unknown(cause=Cause.UNREADABLE, detail="answer is not HTTP")
        case _:
            return Unknown(cause=Cause.UNREADABLE, detail=type(error).__name__)


_UNREACHABLE_ERRNOS: Final = {
    errno.ECONNREFUSED: Cause.REFUSED_CONNECTION,
    errno.ETIMEDOUT: Cause.CONNECT_TIMEOUT,
    errno.EHOSTUNREACH: Cause.UNREACHABLE,
    errno.ENETUNREACH: Cause.UNREACHABLE,
}


def _unconnected(error: Exception, *, tls: bool) -> NotSent:
    if isinstance(error, ssl.SSLCertVerificationError):
        return NotSent(cause=Cause.TLS, detail=f"certificate: {error.verify_message}")
    if isinstance(error, ssl.SSLError):
        return NotSent(cause=Cause.TLS, detail=error.reason or "handshake failed")
    if isinstance(error, socket.gaierror):
        return NotSent(cause=Cause.DNS, detail=error.strerror or "")
    number = error.errno if isinstance(error, OSError) else None
    detail = (error.strerror if isinstance(error, OSError) else None) or type(error).__name__
    # Past the TCP handshake only the TLS handshake is left to fail: the connection isn't handed over before it.
    default = Cause.TLS if tls and isinstance(error, ConnectionError) else Cause.UNREACHABLE
    return NotSent(cause=_UNREACHABLE_ERRNOS.get(number or 0, default), detail=detail)


async def _greet(addresses: list[str], port: int, tls: ssl.SSLContext | None, name: str) -> None:
    failure = OSError("no address")
    for address in addresses:
        try:
            _, writer = await asyncio.open_connection(
                address, port, ssl=tls, server_hostname=name if tls is not None else None
            )
        except OSError as error:
            failure = error
            continue
        # Aborted, as a TLS peer that doesn't answer our farewell would hold the probe up.
        writer.transport.abort()
        return
    raise failure


def retry_after_s(headers: Mapping[str, str]) -> float:
    """Seconds of `Retry-After` (RFC 9110, 10.2.3); a date counts from the answer's own `Date`. 0 when unreadable."""
    text = headers.get("Retry-After", "").strip()
    if text.isascii() and text.isdigit():
        return (
            float(min(int(text), RETRY_AFTER_S_MAX)) if len(text) <= _SECONDS_DIGITS_MAX else float(RETRY_AFTER_S_MAX)
        )
    then, now = _http_date(text), _http_date(headers.get("Date", ""))
    if then is None or now is None:
        return 0.0
    return float(min(max((then - now).total_seconds(), 0.0), RETRY_AFTER_S_MAX))


def _http_date(text: str) -> dt.datetime | None:
    try:
        read = email.utils.parsedate_to_datetime(text)
    except (ValueError, OverflowError):
        return None
    return read if read.tzinfo is not None else read.replace(tzinfo=dt.UTC)


def _basic(settings: HttpSettings) -> dict[str, str]:
    if settings.basic_password is None:
        return {}
    password = settings.basic_password.read().get_secret_value()
    return {"Authorization": aiohttp.encode_basic_auth(settings.basic_user, password, encoding="utf-8")}


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


class _Resolver(AbstractResolver):
    """Names to addresses: those configured, else the system's resolver, in threads of its own."""

    def __init__(self, fixed: tuple[str, ...]) -> None:
        self._fixed = fixed
        self._threads = concurrent.futures.ThreadPoolExecutor(RESOLVER_THREADS, thread_name_prefix="core-dns")

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        if self._fixed:
            return [_resolved(host, address, port) for address in self._fixed]
        ask = functools.partial(socket.getaddrinfo, host, port, family=family, type=socket.SOCK_STREAM)
        try:
            found = await asyncio.get_running_loop().run_in_executor(self._threads, ask)
        except UnicodeError as error:
            raise socket.gaierror(socket.EAI_NONAME, "no name that DNS could know") from error
        return [_resolved(host, str(address[0]), port) for _, _, _, _, address in found]

    async def close(self) -> None:
        self._threads.shutdown(wait=False, cancel_futures=True)


def _resolved(host: str, address: str, port: int) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)
