"""TLS of a listener."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

from gateway.clock import Clock
from gateway.http.buffers import bound_buffers
from gateway.http.settings import TlsSettings
from gateway.log import log

HANDSHAKES_MAX: Final = 128
"""Handshakes under way at once; each holds some 300 KiB. One more ends the oldest."""

HANDSHAKE_S: Final = 5.0
"""What a handshake may take."""

RETRY_S: Final = 1.0
"""Time until the next attempt to take a connection when the process can have no more open files."""


def server_context(settings: TlsSettings | None, client_ca_file: Path | None = None) -> ssl.SSLContext | None:
    """What a listener speaks TLS with; None where it speaks plain HTTP.

    With `client_ca_file` a client may show a certificate; one that none of these authorities vouch for ends the handshake.

    Raises:
        OSError: a file can't be used.
    """
    if settings is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.cert_file, settings.key_file)
    if client_ca_file is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(client_ca_file)
    return context


class TlsDoor:
    """A listening port whose connections have to shake hands: bounded in number and time.

    The event loop's own TLS server tells nobody of a connection before its handshake is done, so that strangers could
    hold as many as the process may have open files.
    """

    def __init__(self, context: ssl.SSLContext, protocol: Callable[[], asyncio.Protocol], clock: Clock) -> None:
        """Shake hands by `context`; then go on with a `protocol`."""
        self._context = context
        self._protocol = protocol
        self._clock = clock
        self._ends: list[socket.socket] = []
        self._accepting: list[asyncio.Task[None]] = []
        #: Handshakes under way, in order of arrival.
        self._shaking: dict[asyncio.Task[None], None] = {}
        self.port = 0

    @property
    def shaking(self) -> int:
        """How many handshakes are under way."""
        return len(self._shaking)

    async def open(self, host: str, port: int, backlog: int) -> None:
        """Listen at every address of `host`.

        Raises:
            OSError: it can't.
        """
        loop = asyncio.get_running_loop()
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        for family, address in dict.fromkeys((family, address[:2]) for family, _, _, _, address in found):
            end = socket.create_server(address, family=family, backlog=backlog)
            end.setblocking(False)
            bound_buffers(end)
            self._ends.append(end)
        self.port = int(self._ends[0].getsockname()[1])
        self._accepting = [loop.create_task(self._accept(end)) for end in self._ends]

    async def close(self) -> None:
        """Listen no more, and end what is under way."""
        tasks = [*self._accepting, *self._shaking]
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)
        for end in self._ends:
            end.close()
        self._ends.clear()

    async def _accept(self, end: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                taken, _ = await loop.sock_accept(end)
            except OSError as error:
                log.error("not_accepted", error=type(error).__name__, errno=error.errno)
                await self._clock.sleep(RETRY_S)
            else:
                self._take(taken)

    def _take(self, taken: socket.socket) -> None:
        """Shake hands; if there are too many who do, with the oldest no more."""
        if len(self._shaking) >= HANDSHAKES_MAX:
            oldest = next(iter(self._shaking))
            del self._shaking[oldest]
            oldest.cancel()
        task = asyncio.get_running_loop().create_task(self._shake(taken))
        self._shaking[task] = None
        task.add_done_callback(self._ended)

    async def _shake(self, taken: socket.socket) -> None:
        """On success the connection is its protocol's; on failure it is closed, and that is all there is to say."""
        loop = asyncio.get_running_loop()
        with contextlib.suppress(OSError):
            await loop.connect_accepted_socket(
                self._protocol, taken, ssl=self._context, ssl_handshake_timeout=HANDSHAKE_S
            )

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._shaking.pop(task, None)
