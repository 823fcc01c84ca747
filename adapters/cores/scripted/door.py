"""A listening socket that can be shut and opened again without ever losing its port.

While it is shut the port stays bound by a socket that doesn't listen, so that callers are refused and nobody else gets
it. Done with a socket of our own rather than the loop's server, because shutting has to have happened when `shut`
returns.
"""

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Final

BACKLOG: Final = 1024

_LINGER_NONE: Final = struct.pack("ii", 1, 0)
"""Closing with this option set sends RST at once instead of FIN."""


def reset(transport: asyncio.Transport) -> None:
    """End a connection with RST, dropping what was not sent."""
    known: socket.socket | None = transport.get_extra_info("socket")
    if known is not None and not transport.is_closing():
        known.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    transport.abort()


class Door:
    """One port. Made shut; used in one event loop."""

    def __init__(self, host: str, port: int, protocol: Callable[[], asyncio.BaseProtocol]) -> None:
        """Bind the port (0: any free one).

        Raises:
            OSError: it is taken, or isn't ours to take.
        """
        self._host = host
        self._protocol = protocol
        self._loop = asyncio.get_running_loop()
        self._socket = _bound(host, port)
        self.port: int = self._socket.getsockname()[1]
        self._arriving: set[asyncio.Task[object]] = set()
        self.is_open = False

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{self._host}:{self.port}"

    def open(self) -> None:
        """Let callers in."""
        if not self.is_open:
            self._socket.listen(BACKLOG)
            self._loop.add_reader(self._socket, self._let_in)
            self.is_open = True

    def shut(self) -> None:
        """Refuse callers from now on; those waiting to be let in are reset by the system."""
        if self.is_open:
            self._close()
            self._socket = _bound(self._host, self.port)

    async def close(self) -> None:
        """Give the port back."""
        self._close()
        for task in self._arriving:
            task.cancel()
        await asyncio.gather(*self._arriving, return_exceptions=True)

    def _close(self) -> None:
        if self.is_open:
            self._loop.remove_reader(self._socket)
        self._socket.close()
        self.is_open = False

    def _let_in(self) -> None:
        with contextlib.suppress(BlockingIOError, ConnectionAbortedError):
            for _ in range(BACKLOG):
                caller, _ = self._socket.accept()
                caller.setblocking(False)
                task = self._loop.create_task(self._greet(caller))
                self._arriving.add(task)
                task.add_done_callback(self._arriving.discard)

    async def _greet(self, caller: socket.socket) -> None:
        if not self.is_open:
            caller.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
            caller.close()
            return
        caller.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await self._loop.connect_accepted_socket(self._protocol, caller)


def _bound(host: str, port: int) -> socket.socket:
    bound = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.setblocking(False)
        bound.bind((host, port))
    except BaseException:
        bound.close()
        raise
    return bound
