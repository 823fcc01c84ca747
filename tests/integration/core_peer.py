"""A core of raw bytes: says what it is told to, connection by connection, and keeps what it was sent."""

import asyncio
import contextlib
import struct
from collections.abc import AsyncIterator, Callable, Coroutine
from socket import SO_LINGER, SOL_SOCKET
from typing import Any, Final

from adapters.cores.http import HttpClient
from adapters.cores.settings import HttpSettings
from tests.contracts.core_examples import read_request

OK: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
"""The plainest answer there is."""


class Line:
    """One connection, seen from the core's side."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Read and write it."""
        self.reader = reader
        self.writer = writer
        #: Requests that came over it.
        self.requests: list[bytes] = []
        self.is_heard = asyncio.Event()
        #: The client hung up, seen by `ended`.
        self.is_left = asyncio.Event()

    async def hear(self) -> bytes:
        """The next request, whole."""
        request = await read_request(self.reader)
        self.requests.append(request)
        self.is_heard.set()
        return request

    async def say(self, answer: bytes) -> None:
        """Write, and see it out."""
        self.writer.write(answer)
        await self.writer.drain()

    async def ended(self) -> None:
        """Wait until the client hangs up, whatever else it sends before."""
        with contextlib.suppress(ConnectionError):
            await self.reader.read(-1)
        self.is_left.set()

    async def closed(self) -> None:
        """Wait until we have hung up."""
        await self.writer.wait_closed()

    def reset(self) -> None:
        """Break it, so that the client is told of it as of a crash."""
        # Closed without lingering, a socket sends RST in place of FIN.
        socket: Any = self.writer.get_extra_info("socket")
        socket.setsockopt(SOL_SOCKET, SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Act = Callable[[Line], Coroutine[Any, Any, None]]


class Peer:
    """The lines that were opened so far, in order."""

    def __init__(self) -> None:
        """Nobody called yet."""
        self.port = 0
        self.lines: list[Line] = []
        self._opened = asyncio.Condition()

    async def line(self, number: int) -> Line:
        """The line of this number, from 0, when it is opened."""
        async with self._opened:
            await self._opened.wait_for(lambda: len(self.lines) > number)
        return self.lines[number]

    async def note(self, line: Line) -> None:
        """A line was opened."""
        async with self._opened:
            self.lines.append(line)
            self._opened.notify_all()

    @property
    def requests(self) -> list[bytes]:
        """All that was asked, line by line."""
        return [request for line in self.lines for request in line.requests]


async def silent(line: Line) -> None:
    """Take a request and say nothing until the client hangs up."""
    await line.hear()
    await line.ended()


async def plain(line: Line) -> None:
    """Answer every request at once."""
    while True:
        await line.hear()
        await line.say(OK)


def saying(*answers: bytes) -> Act:
    """Answer the first requests so, one each, and hang up."""

    async def act(line: Line) -> None:
        for answer in answers:
            await line.hear()
            await line.say(answer)

    return act


def keeping(*answers: bytes) -> Act:
    """Answer the first requests so, one each, then wait until the client hangs up."""

    async def act(line: Line) -> None:
        await saying(*answers)(line)
        await line.ended()

    return act


@contextlib.asynccontextmanager
async def peer(*acts: Act) -> AsyncIterator[Peer]:
    """A core that plays the first act on its first line, and so on; the last act goes on for all further lines."""
    told = Peer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        line = Line(reader, writer)
        act = acts[min(len(told.lines), len(acts) - 1)]
        await told.note(line)
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            await act(line)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError):
            writer.close()
            await writer.wait_closed()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    told.port = server.sockets[0].getsockname()[1]
    try:
        yield told
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def client(port: int, **more: Any) -> AsyncIterator[HttpClient]:
    """A client of the core at this port; `more` are settings."""
    made = HttpClient(HttpSettings.model_validate({"url": f"http://127.0.0.1:{port}"} | more), {"Accept": "text/plain"})
    try:
        yield made
    finally:
        await made.close()
