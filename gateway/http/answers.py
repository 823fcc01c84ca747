"""Answers as bytes, head and body in one piece, written at once.

Channels' answers are small and whole; making each through a framework's response object costs more than all else a
listener does.
"""

from email.utils import formatdate
from http import HTTPStatus
from typing import Final

from adapters.channel import Reply

_SERVER: Final = b"Server: Nightsafe\r\n"
_CLOSE: Final = b"Connection: close\r\n"
NOT_MODIFIED: Final = 304
"""Has a length and no body (RFC 9110, 15.4.5)."""

_RETRY: Final = {503: b"Retry-After: 1\r\n"}


class Answers:
    """Renders answers; knows the date."""

    def __init__(self) -> None:
        self._heads: dict[tuple[int, str], bytes] = {}
        self._date_s = -1
        self._date = b""

    def tell_date(self, now_s: int) -> None:
        """It is `now_s`, seconds since 1970."""
        if now_s != self._date_s:
            self._date_s, self._date = now_s, f"Date: {formatdate(now_s, usegmt=True)}\r\n".encode()

    def whole(self, reply: Reply, *, stays: bool, bodiless: bool = False) -> bytes:
        """A channel's reply; `stays` keeps the connection, `bodiless` is the answer to HEAD."""
        parts = [self._head(reply.status, reply.content_type), self._date]
        for name, value in reply.headers.items():
            assert "\r" not in value, "a header is one line"
            assert "\n" not in value, "a header is one line"
            parts.append(f"{name}: {value}\r\n".encode("latin-1"))
        if not stays:
            parts.append(_CLOSE)
        parts.append(b"Content-Length: %d\r\n\r\n" % len(reply.body))
        if not bodiless and reply.status != NOT_MODIFIED:
            parts.append(reply.body)
        return b"".join(parts)

    def bare(self, status: int) -> bytes:
        """The listener's own no: a status, no words, and the connection closes."""
        return b"".join(
            (_status_line(status), _SERVER, self._date, _CLOSE, _RETRY.get(status, b""), b"Content-Length: 0\r\n\r\n")
        )

    def _head(self, status: int, content_type: str) -> bytes:
        head = self._heads.get((status, content_type))
        if head is None:
            line = _status_line(status) + f"Content-Type: {content_type}\r\n".encode("latin-1")
            head = self._heads[status, content_type] = line + _SERVER
        return head


def _status_line(status: int) -> bytes:
    return f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n".encode()
