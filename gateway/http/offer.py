"""Requests that offer to go on in another protocol (`Upgrade: h2c`, as Java's client does with its first).

They are answered as if they had offered nothing (RFC 9110, 7.8). llhttp by way of httptools takes such a request for
whole at the end of its head, and what follows for the other protocol's: were its body then read as the next request,
anybody's payment could carry a second one past a proxy. So its body is read by a new parser, which is first shown a head
that says the same about the body and offers nothing.
"""

from typing import Protocol

import httptools


class Reader(Protocol):
    """Takes what a parser finds in requests."""

    def on_message_begin(self) -> None:
        """A request begins."""
        ...

    def on_url(self, url: bytes) -> None:
        """The target, or a piece of it."""
        ...

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        ...

    def on_headers_complete(self) -> None:
        """The head is whole."""
        ...

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        ...

    def on_message_complete(self) -> None:
        """The request is whole."""
        ...


def plain_head(method: bytes, *, stays: bool, length: str | None, coded: bool) -> bytes:
    """A head that says of body and connection what the one with the offer said; nothing if there is no body."""
    body = b"Transfer-Encoding: chunked" if coded else b"Content-Length: " + (length or "0").encode("ascii")
    if not coded and int(length or 0) == 0:
        return b""
    return method + b" / HTTP/1.1\r\nHost: -\r\n" + (b"" if stays else b"Connection: close\r\n") + body + b"\r\n\r\n"


def parser_after(head: bytes, reader: Reader) -> httptools.HttpRequestParser:
    """A parser that has `head` behind it without having told `reader`, and tells it everything that follows."""
    if not head:
        return httptools.HttpRequestParser(reader)
    parser = httptools.HttpRequestParser(_Following(reader))
    parser.feed_data(head)
    return parser


class _Following:
    """Passes on what follows the first head."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._is_past = False
        self.on_body = reader.on_body
        self.on_message_complete = reader.on_message_complete

    def on_message_begin(self) -> None:
        if self._is_past:
            self._reader.on_message_begin()

    def on_url(self, url: bytes) -> None:
        if self._is_past:
            self._reader.on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        if self._is_past:
            self._reader.on_header(name, value)

    def on_headers_complete(self) -> None:
        if self._is_past:
            self._reader.on_headers_complete()
        self._is_past = True
