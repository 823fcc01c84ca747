"""The admin side's listener: aiohttp's low-level server with limits, and errors that tell a stranger nothing.

What aiohttp leaves open is closed here: a body dripped byte by byte ends at its deadline (measured: otherwise never),
connections are counted, and a request that can't be parsed leaves one counted line in the log, not a traceback with the
sender's bytes in it.
"""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from http import HTTPStatus
from typing import Any, Final

from aiohttp import web

from gateway.admin.http.share import Payments, Share, aside
from gateway.clock import Clock
from gateway.config.model import Config
from gateway.http.tls import server_context
from gateway.log import log

Handler = Callable[[web.BaseRequest, bytes], Coroutine[Any, Any, web.StreamResponse]]

PROBES: Final = frozenset({"/livez", "/readyz"})

HEAD_BYTES_MAX: Final = 8_190
BACKLOG: Final = 1_024

_BUSY: Final = {"Retry-After": "1", "Connection": "close"}


class _Quiet(logging.Handler):
    """Passes on that something happened, never what was sent."""

    def emit(self, record: logging.LogRecord) -> None:
        log.info("http_trouble", said=record.msg.split("%")[0].strip()[:60])


def _quiet_logger() -> logging.Logger:
    logger = logging.Logger("nightsafe.http")  # noqa: LOG001 - not of the tree: nobody shall configure it into talking
    logger.addHandler(_Quiet())
    return logger


class _Server(web.Server):
    """aiohttp's server, counting its connections (asking it for them makes a list of all, for each request)."""

    open_connections = 0

    def connection_made(self, handler: web.RequestHandler, transport: asyncio.Transport) -> None:
        """One more."""
        self.open_connections += 1
        super().connection_made(handler, transport)

    def connection_lost(self, handler: web.RequestHandler, exc: BaseException | None = None) -> None:
        """One less."""
        self.open_connections -= 1
        super().connection_lost(handler, exc)


def _caller(request: web.BaseRequest) -> str:
    """Whose turn a request takes.

    Probes come with nothing to know them by: they have turns of their own, else a crowd of strangers would make a node look
    unwell.
    """
    if request.path in PROBES:
        return request.path
    return request.headers.get("Authorization", "") or request.headers.get("Cookie", "")


def _is_in(answer: web.StreamResponse) -> bool:
    return answer.status < HTTPStatus.BAD_REQUEST


class AdminListener:
    """One listening port."""

    def __init__(self, config: Config, handler: Handler, payments: Payments, clock: Clock) -> None:
        """Serve `handler`, which gets each request with its whole body, in its turn beside `payments`.

        At the stop, what is in hand has `node.stop_grace_s`.
        """
        self._share = Share(payments, clock.monotonic)
        self._grace_s = config.node.stop_grace_s
        self._settings = config.listen.admin
        self._handler = handler
        self._server: _Server | None = None
        self._runner: web.ServerRunner | None = None
        #: The port it listens on, once it does.
        self.port = 0

    async def start(self) -> None:
        """Listen."""
        settings = self._settings
        self._server = _Server(
            self._handle,
            request_factory=self._request,
            access_log=None,
            logger=_quiet_logger(),
            keepalive_timeout=settings.keepalive_s,
            max_line_size=HEAD_BYTES_MAX,
            max_field_size=HEAD_BYTES_MAX,
            lingering_time=1.0,
        )
        self._runner = web.ServerRunner(self._server, handle_signals=False, shutdown_timeout=self._grace_s)
        await self._runner.setup()
        site = web.TCPSite(
            self._runner,
            settings.host,
            settings.port,
            ssl_context=server_context(settings.tls, settings.client_ca_file),
            backlog=BACKLOG,
            reuse_address=True,
        )
        await site.start()
        self.port = int(self._runner.addresses[0][1])

    async def stop(self) -> None:
        """Listen no more, and let what is in hand end."""
        if self._runner is not None:
            await self._runner.cleanup()

    def _request(
        self, message: Any, payload: Any, protocol: Any, writer: Any, task: "asyncio.Task[None]"
    ) -> web.BaseRequest:
        loop = asyncio.get_running_loop()
        size = self._settings.body_bytes_max
        return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=size)

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        return await self._share.run(_caller(request), lambda: self._answered(request), _is_in)

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        assert self._server is not None, "requests come only while we listen"
        if self._server.open_connections > self._settings.connections_max and request.path not in PROBES:
            return web.Response(status=503, headers=_BUSY)
        if not request.body_exists:
            return await self._handler(request, b"")
        try:
            body = await self._body(request)
        except TimeoutError:
            return web.Response(status=408, headers={"Connection": "close"})
        except web.HTTPRequestEntityTooLarge:
            return web.Response(status=413, headers={"Connection": "close"})
        return await self._handler(request, body)

    async def _body(self, request: web.BaseRequest) -> bytes:
        if request.content.is_eof():
            # It came with the head: nothing to wait for, and no timer to pay for.
            body = request.content.read_nowait()
            if len(body) > self._settings.body_bytes_max:
                raise web.HTTPRequestEntityTooLarge(self._settings.body_bytes_max, len(body))
            return body
        # Whoever dawdles takes nobody's turn.
        async with aside(), asyncio.timeout(self._settings.body_timeout_s):
            return await request.read()
