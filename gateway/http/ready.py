"""An answer as one ready piece of bytes, written at once.

aiohttp's own `Response` builds a header map, renders it and walks through its writer for each answer: a third of what a
bare server costs. Channels' answers are small and whole, so they are written as they are. Where HTTP wants more (1.0,
a connection to be closed, HEAD), aiohttp's own way is taken. What this leans on in aiohttp (a response is anything with
`prepare`, `write_eof` and `keep_alive`) is held to by `tests/integration/test_ready_reply.py`.
"""

from email.utils import formatdate
from http import HTTPStatus
from typing import Final, cast

from aiohttp import HttpVersion11, web

from adapters.channel import Reply

WRITE_BUFFER_MAX: Final = 65_536
"""A client that reads no answers gets no more before it does."""

SERVER: Final = b"Server: Nightsafe\r\n"


class ReadyReply:
    """A whole answer."""

    __slots__ = ("_raw", "_request")

    #: As aiohttp asks of a response.
    keep_alive: Final = True

    def __init__(self, raw: bytes) -> None:
        """Take the bytes, head and body."""
        self._raw = raw
        self._request: web.BaseRequest | None = None

    async def prepare(self, request: web.BaseRequest) -> None:
        """Write."""
        self._request = request
        if request.transport is None:
            raise ConnectionResetError("the client left")
        request.transport.write(self._raw)

    async def write_eof(self) -> None:
        """It was whole; wait only for a client that doesn't read."""
        request = self._request
        assert request is not None, "an answer ends after it began"
        transport = request.transport
        if transport is not None and transport.get_write_buffer_size() > WRITE_BUFFER_MAX:
            await request.writer.drain()


class Replies:
    """Makes answers to requests out of channels' replies."""

    def __init__(self) -> None:
        self._heads: dict[tuple[int, str], bytes] = {}
        self._date_s = -1
        self._date = b""

    def answer(self, request: web.BaseRequest, reply: Reply, now_s: int) -> web.StreamResponse:
        """The answer, ready where it can be; `now_s` (seconds since 1970) is its date."""
        if request.version != HttpVersion11 or not request.keep_alive or request.method == "HEAD":
            headers = {"Content-Type": reply.content_type, "Server": "Nightsafe", **reply.headers}
            return web.Response(body=reply.body, status=reply.status, headers=headers)
        if now_s != self._date_s:
            self._date_s, self._date = now_s, f"Date: {formatdate(now_s, usegmt=True)}\r\n".encode()
        parts = [self._head(reply.status, reply.content_type), self._date]
        for name, value in reply.headers.items():
            assert "\r" not in value, "a header is one line"
            assert "\n" not in value, "a header is one line"
            parts.append(f"{name}: {value}\r\n".encode())
        parts.append(b"Content-Length: %d\r\n\r\n" % len(reply.body))
        parts.append(reply.body)
        return cast("web.StreamResponse", ReadyReply(b"".join(parts)))

    def _head(self, status: int, content_type: str) -> bytes:
        head = self._heads.get((status, content_type))
        if head is None:
            phrase = HTTPStatus(status).phrase
            line = f"HTTP/1.1 {status} {phrase}\r\nContent-Type: {content_type}\r\n".encode()
            head = self._heads[status, content_type] = line + SERVER
        return head
