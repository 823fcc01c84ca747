"""A connection to a core, fed by hand: whatever the core says, one believable end of each request.

The oracle knows little and is sure of it: a request that was written ends once, as an answer or as `Unknown`, never as
`NotSent`; how the answer was cut into pieces changes nothing of it; and a connection that is kept gives the next
request its own answer.
"""

import asyncio
import atexit
import socket
from collections.abc import Callable
from contextvars import Context
from typing import Any, Final, TypeVarTuple

from adapters.cores.http_answer import RETRY_AFTER_S_MAX, HttpAnswer
from adapters.cores.wire import Connection
from adapters.outcome import Unknown
from tests.hostile.sink import Sink

REQUEST: Final = b"POST /payments HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n\r\n{}"
NEXT: Final = b"HTTP/1.1 418 T\r\nContent-Length: 4\r\n\r\nnext"
BODY_MAX: Final = 512
BODILESS: Final = 1
HANGS_UP: Final = 2

WIRE_ANSWER: Final = (
    b"\x02\x40HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nRetry-After: 3\r\n"
    b"\r\n2;a=b\r\nhi\r\n0\r\nTrailer: t\r\n\r\n"
)
"""What it does behind the answer, where the answer is cut, and an answer with all there is."""

_ENDS: Final = socket.socketpair()
for _end in _ENDS:
    atexit.register(_end.close)


Sent = TypeVarTuple("Sent")


class StillLoop(asyncio.SelectorEventLoop):
    """A loop in which no time passes and no timer rings."""

    def time(self) -> float:
        """Always now."""
        return 0.0

    def call_at(
        self,
        when: float,
        callback: Callable[[*Sent], object],
        *args: *Sent,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        """Never."""
        return asyncio.TimerHandle(when, callback, args, self, context)


_LOOP: Final = StillLoop()
atexit.register(_LOOP.close)


class Line(Sink):
    """A transport to a core that says what it is told to."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """A socket nothing comes from, as what comes is fed."""
        return _ENDS[0] if name == "socket" else default


class Keeper:
    """Counts what it is told."""

    def __init__(self) -> None:
        self.freed_as: list[bool] = []

    def freed(self, connection: Connection, *, stays: bool) -> None:  # noqa: ARG002 - there is but one
        """Its request has ended."""
        self.freed_as.append(stays)

    def gone(self, connection: Connection) -> None:
        """It is no more."""


def core_wire(data: bytes) -> None:
    """What a core says; the first byte tells what was asked and whether it hangs up, the second where it is cut."""
    traits, cut, said = data[:1] or b"\0", (data[1:2] or b"\0")[0], data[2:]
    whole = _answer_to(traits[0], said)
    assert _answer_to(traits[0], said[:cut], said[cut:]) == whole, "pieces change nothing"


def _answer_to(traits: int, *pieces: bytes) -> HttpAnswer | Unknown:
    """How one request ends when these pieces come."""
    keeper, line = Keeper(), Line()
    connection = Connection(_LOOP, keeper, answer_bytes_max=BODY_MAX, idle_s=60.0)
    connection.connection_made(line)
    answer = connection.ask(REQUEST, _LOOP.time() + 60.0, is_bodiless=bool(traits & BODILESS))
    for piece in pieces:
        _heard(connection, line, piece)
    kept = connection.is_open
    if traits & HANGS_UP and not line.ended:
        connection.eof_received()
    elif kept:
        assert _next_answer(connection, line) == HttpAnswer(status=418, body=b"next"), "the next answer is the next's"
    connection.connection_lost(None)
    assert answer.done(), "it has an end"
    assert len(keeper.freed_as) == line.written.count(REQUEST), "one end for each request, written once"
    return _sound(answer.result(), b"".join(pieces))


def _heard(connection: Connection, line: Line, piece: bytes) -> None:
    """As a transport does: nothing without bytes, nothing behind the end."""
    if piece and not line.ended:
        connection.data_received(piece)


def _next_answer(connection: Connection, line: Line) -> HttpAnswer | Unknown:
    answer = connection.ask(REQUEST, _LOOP.time() + 60.0)
    _heard(connection, line, NEXT)
    assert answer.done(), "nothing of the answer before is waited for"
    return answer.result()


def _sound(result: HttpAnswer | Unknown, said: bytes) -> HttpAnswer | Unknown:
    assert isinstance(result, HttpAnswer | Unknown), "what was written may have been read"
    if isinstance(result, HttpAnswer):
        assert 200 <= result.status <= 999, "an interim answer is none"
        assert str(result.status).encode() in said, "nobody else says the status"
        assert len(result.body) <= BODY_MAX, "no longer than agreed"
        assert 0 <= result.retry_after_s <= RETRY_AFTER_S_MAX, "a day at most"
        assert not result.body or b"chunked" in said.lower() or result.body in said, "the body is what was said"
    return result
