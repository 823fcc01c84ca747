"""One connection of a channel: bytes to whole requests, one answer to each, in order.

llhttp (by httptools) reads; what it leaves open is closed here. Heads and bodies are bounded in size (in time by the
listener's rounds), a request names exactly one host, nothing is coded in HTTP/1.0, and whatever is said twice about how
long a body is is refused. Only the headers channels ask for are kept. After any fault the connection says so and ends,
as where the next request would begin is then anybody's guess.
"""

import asyncio
import enum
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Final, Protocol, cast

import httptools

from adapters.channel import HEADERS_KNOWN, Inbound, Reply
from gateway.http.answers import Answers
from gateway.http.offer import parser_after, plain_head
from gateway.log import log

HEAD_BYTES_MAX: Final = 8_190
"""Longest request line and headers together."""

HEADERS_MAX: Final = 64
"""Most header lines."""

SLICE_BYTES: Final = 4_096
"""Read at once: a page of the smallest requests there are is some hundred of them, and no more are ever in memory."""

REQUESTS_WAITING_MAX: Final = 8
"""A client that sends on without waiting for answers is read no more while so many of its requests wait."""

CODING_MAX: Final = 8
"""Bytes on the wire for one of a body in chunks: those of a single byte take six. Past it are but decorations."""

WRITE_BUFFER_MAX: Final = 65_536
"""Bytes of answers not taken by a client, past which it gets no more before it takes some."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"
_HOST: Final = "Host"
_LENGTH: Final = "Content-Length"
_CODED: Final = "Transfer-Encoding"
_EXPECT: Final = "Expect"
_HEADERS: Final = {
    spelt.encode(): name for name in (*HEADERS_KNOWN, _HOST, _LENGTH, _CODED, _EXPECT) for spelt in (name, name.lower())
}


class Phase(enum.Enum):
    """What a connection waits for."""

    IDLE = enum.auto()
    HEAD = enum.auto()
    BODY = enum.auto()
    #: An answer of ours.
    ANSWER = enum.auto()
    #: The client's farewell: it was told why we end, and may still be sending.
    PARTING = enum.auto()


class Unfit(Exception):
    """What came isn't HTTP as we take it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        #: Bounded vocabulary, for the log and the meter; never what was sent.
        self.why = why


class Surroundings(Protocol):
    """What a connection knows of its listener."""

    body_bytes_max: int
    #: Monotonic seconds, a little behind.
    now_s: float
    stopping: bool
    handle: Callable[[Inbound], Awaitable[Reply]]
    answers: Answers

    def opened(self, connection: "Connection") -> int:
        """A connection was made; 0 to serve it, else the status to turn it away with."""
        ...

    def closed(self, connection: "Connection") -> None:
        """A connection is no more."""
        ...

    def unfit(self, why: str, /) -> None:
        """Something came that isn't HTTP as we take it."""
        ...


class Connection(asyncio.Protocol):
    """Reads, asks, answers."""

    __slots__ = (
        "_around",
        "_body",
        "_body_left",
        "_closing",
        "_drained",
        "_dripped",
        "_head_left",
        "_headers",
        "_hosts",
        "_is_new",
        "_is_reading_paused",
        "_kept",
        "_lines_left",
        "_offered",
        "_parser",
        "_rest",
        "_stuck_since_s",
        "_target",
        "_transport",
        "_unfit",
        "_unread",
        "_waiting",
        "_wake",
        "peer",
        "phase",
        "serving",
        "since_s",
    )

    def __init__(self, around: Surroundings) -> None:
        """Belong to a listener."""
        self._around = around
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self.peer = ""
        self.phase = Phase.IDLE
        #: When the phase began, by the listener's clock.
        self.since_s = around.now_s
        #: The task that asks and answers; None before the first request.
        self.serving: asyncio.Task[None] | None = None
        #: Whole requests, each with whether the connection stays open after it, or the fault that ends it.
        self._waiting: deque[tuple[Inbound, bool] | Unfit] = deque()
        #: What the serving task waits at for the next request.
        self._wake: asyncio.Future[None] | None = None
        #: Set while the client doesn't take its answers.
        self._drained: asyncio.Future[None] | None = None
        self._stuck_since_s = 0.0
        self._is_reading_paused = False
        #: What came and is to be read when fewer requests wait.
        self._unread = b""
        #: No more requests are taken.
        self._closing = False
        self._unfit: Unfit | None = None
        #: Stands in for a head that made an offer, when its body is read by another parser.
        self._offered = b""
        self._begin()

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or be turned away."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(WRITE_BUFFER_MAX)
        name = transport.get_extra_info("peername")
        self.peer = str(name[0]) if name else ""
        status = self._around.opened(self)
        if status:
            self._closing = True
            self._around.unfit("connections")
            self._part(self._transport, status)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's own signature
        """End; what is being done for a request goes on to its end, as the payment may have been taken."""
        self._closing = True
        self._waiting.clear()
        self._unread = b""
        self.resume_writing()
        self._release()
        self._around.closed(self)

    def pause_writing(self) -> None:
        """The client doesn't take its answers."""
        self._stuck_since_s = self._around.now_s
        self._drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """It does again."""
        if self._drained is not None and not self._drained.done():
            self._drained.set_result(None)
        self._drained = None

    def eof_received(self) -> bool:
        """The client sends no more, and may still take answers to what it sent."""
        self._closing = True
        self._release()
        assert self._transport is not None, "what ended had begun"
        in_hand = self.serving is not None and not self.serving.done() and not self._rests()
        if in_hand and self._transport.get_extra_info("sslcontext") is None:
            return True
        self._turn(Phase.PARTING)
        return False

    def data_received(self, data: bytes) -> None:
        """Read."""
        if not self._unread and len(data) <= SLICE_BYTES:
            self._read(data)
        elif not self._closing:
            self._unread += data
            self._read_on()

    def _read_on(self) -> None:
        """Read what came slice by slice, as long as not too many requests wait."""
        data, at = memoryview(self._unread), 0
        while at < len(data) and not self._is_reading_paused:
            self._read(bytes(data[at : at + SLICE_BYTES]))
            at += SLICE_BYTES
        self._unread = bytes(data[at:])

    def _read(self, data: bytes) -> None:
        if self._closing:
            return
        begun = self._headers
        try:
            self._parser.feed_data(data)
            if self._headers is begun and self.phase is not Phase.ANSWER:
                self._count_dripped(len(data))
        except httptools.HttpParserUpgrade as upgrade:
            self._parser = parser_after(self._offered, self)
            self._offered = b""
            self._read(data[upgrade.args[0] :])
        except Unfit as unfit:
            self._end_with(unfit)
        except httptools.HttpParserError as error:
            self._not_parsed(error)

    def _not_parsed(self, error: httptools.HttpParserError) -> None:
        """Say no; but what follows a request that was to be the last is nobody's concern."""
        if self._closing:
            return
        if self._unfit is None and isinstance(error, httptools.HttpParserCallbackError):
            log.error("request_failed", error=type(error.__context__).__name__, exc_info=error.__context__)
            self._unfit = Unfit(500, "failed")
        self._end_with(self._unfit or Unfit(400, "no_http"))

    def _count_dripped(self, size: int) -> None:
        """Pieces count as they come: a header's value or a trailer's without an end is told by nobody else."""
        self._dripped += size
        if self.phase is not Phase.BODY:
            if self._dripped > HEAD_BYTES_MAX:
                raise Unfit(431, "head_size")
        elif self._dripped > HEAD_BYTES_MAX + CODING_MAX * (self._around.body_bytes_max - self._body_left):
            raise Unfit(400, "coding")

    # The parser's side

    def _begin(self) -> None:
        self._target = b""
        #: What is being read: the head's lines, after it the trailers', which are dropped.
        self._headers: dict[str, str] = {}
        self._kept = self._headers
        self._hosts = 0
        self._is_new = True
        self._offered = b""
        self._head_left = HEAD_BYTES_MAX
        self._lines_left = HEADERS_MAX
        self._dripped = 0
        self._body = b""
        self._rest: bytearray | None = None
        self._body_left = self._around.body_bytes_max

    def on_message_begin(self) -> None:
        """A request begins."""
        self._begin()
        self._turn(Phase.HEAD)

    def on_url(self, url: bytes) -> None:
        """The target, or a piece of it."""
        self._head_left -= len(url)
        if self._head_left < 0:
            self._refuse(431, "head_size")
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header line."""
        self._head_left -= len(name) + len(value)
        self._lines_left -= 1
        if self._head_left < 0:
            self._refuse(431, "head_size")
        if self._lines_left < 0:
            self._refuse(431, "headers")
        known = _HEADERS.get(name) or _HEADERS.get(name.lower())
        if known is None:
            return
        if known is _HOST:
            self._hosts += 1
            return
        text = value.decode("latin-1").rstrip(" \t")
        before = self._headers.get(known)
        self._headers[known] = text if before is None else f"{before}, {text}"

    def on_headers_complete(self) -> None:
        """The head is whole: look at what it says of the body before any of it is taken."""
        headers, version = self._headers, self._parser.get_http_version()
        self._is_new = is_new = version == "1.1"
        if not is_new and version != "1.0":
            self._refuse(505, "version")
        if self._hosts > 1 or (is_new and not self._hosts):
            self._refuse(400, "host")
        if not self._target.startswith(b"/"):
            self._refuse(400, "target")
        if _CODED in headers and (not is_new or headers[_CODED].lower() != "chunked"):
            self._refuse(400, "coding")
        length = headers.get(_LENGTH)
        if length is not None and int(length) > self._body_left:
            self._refuse(413, "body_size")
        self._headers = {}
        self._turn(Phase.BODY)
        if self._parser.should_upgrade():
            self._ignore_offer(length, coded=_CODED in headers)
        if is_new and _EXPECT in headers:
            self._expect(headers[_EXPECT])

    def _ignore_offer(self, length: str | None, *, coded: bool) -> None:
        method = self._parser.get_method()
        if method == b"CONNECT":
            self._refuse(400, "target")
        self._offered = plain_head(method, stays=self._parser.should_keep_alive(), length=length, coded=coded)

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        self._body_left -= len(body)
        if self._body_left < 0:
            self._refuse(413, "body_size")
        if not self._body:
            self._body = body
        elif self._rest is None:
            self._rest = bytearray(self._body + body)
        else:
            self._rest += body

    def on_message_complete(self) -> None:
        """The request is whole: have it answered."""
        if self._offered:
            return
        path, _, query = self._target.partition(b"?")
        inbound = Inbound(
            method=self._parser.get_method().decode("ascii"),
            path=path.decode("utf-8", "surrogateescape"),
            query=query.decode("utf-8", "surrogateescape"),
            headers=self._kept,
            body=self._body if self._rest is None else bytes(self._rest),
            peer=self.peer,
        )
        stays = self._is_new and self._parser.should_keep_alive()
        self._closing = not stays
        self._turn(Phase.ANSWER)
        self._put((inbound, stays))
        if self._rest is not None:
            # A body of more than a slice: the next may be as large, and nobody needs two of them in memory.
            self._read_no_more()

    def _expect(self, text: str) -> None:
        if text.lower() != "100-continue":
            self._refuse(417, "expectation")
        if self._rests() and self._transport is not None:
            self._transport.write(_CONTINUE)

    def _refuse(self, status: int, why: str) -> None:
        """End reading from within the parser, which tells others only that something was raised."""
        self._unfit = Unfit(status, why)
        raise self._unfit

    # Answering

    def _rests(self) -> bool:
        """No request is in hand, and none waits."""
        return not self._waiting and (self.serving is None or self._wake is not None)

    def _turn(self, phase: Phase) -> None:
        self.phase = phase
        self.since_s = self._around.now_s

    def _put(self, item: tuple[Inbound, bool] | Unfit) -> None:
        self._waiting.append(item)
        if len(self._waiting) >= REQUESTS_WAITING_MAX:
            self._read_no_more()
        if self.serving is None:
            self.serving = asyncio.get_running_loop().create_task(self._serve())
        else:
            self._release()

    def _read_no_more(self) -> None:
        """Until what waits is answered."""
        if not self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _release(self) -> None:
        wake = self._wake
        if wake is not None and not wake.done():
            wake.set_result(None)

    async def _serve(self) -> None:
        """Answer requests one after the other, as long as the connection lasts."""
        waiting, transport = self._waiting, self._transport
        assert transport is not None, "requests come over a transport"
        while True:
            if not waiting:
                if self._closing or self._around.stopping:
                    break
                if self._is_reading_paused:
                    self._go_on_reading(transport)
                    continue
                if self.phase is Phase.ANSWER:
                    self._turn(Phase.IDLE)
                self._wake = asyncio.get_running_loop().create_future()
                await self._wake
                self._wake = None
                continue
            item = waiting.popleft()
            if isinstance(item, Unfit):
                self._part(transport, item.status)
                return
            if not await self._answer(transport, *item):
                break
            if self._drained is not None:
                await self._drained
        self._leave(transport)

    def _go_on_reading(self, transport: asyncio.Transport) -> None:
        """Read what came already, and more once that holds no whole request."""
        self._is_reading_paused = False
        self.since_s = self._around.now_s
        self._read_on()
        if not self._waiting:
            transport.resume_reading()

    async def _answer(self, transport: asyncio.Transport, inbound: Inbound, stays: bool) -> bool:  # noqa: FBT001 - a pair that waited
        """Ask, and write the answer; whether the connection stays."""
        around = self._around
        try:
            reply = await around.handle(inbound)
            stays = stays and not around.stopping
            answer = around.answers.whole(reply, stays=stays, bodiless=inbound.method == "HEAD")
        except Exception as error:  # noqa: BLE001 - our own bug: the client is told so, and we are told loudly
            log.error("request_failed", error=type(error).__name__, exc_info=True)
            around.unfit("failed")
            stays, answer = False, around.answers.bare(500)
        if transport.is_closing():
            # The client left; uvloop raises on what is written to it.
            return False
        transport.write(answer)
        return stays

    def _end_with(self, unfit: Unfit) -> None:
        """Answer what came before, then say what is wrong and part."""
        self._closing = True
        self._around.unfit(unfit.why)
        self._turn(Phase.ANSWER)
        self._put(unfit)

    def _part(self, transport: asyncio.Transport, status: int) -> None:
        """Say no, and let the client read it: to close on one who still sends would reset what was said."""
        if transport.is_closing():
            return
        self._turn(Phase.PARTING)
        transport.write(self._around.answers.bare(status))
        if transport.can_write_eof():
            transport.write_eof()

    def _leave(self, transport: asyncio.Transport) -> None:
        """Close when the client has taken what was written, for which it gets the time of a farewell."""
        self._closing = True
        self._turn(Phase.PARTING)
        transport.close()

    # The listener's side

    def end_with(self, status: int, why: str) -> None:
        """It took too long; but not while it is we who don't read."""
        if not self._closing and not self._is_reading_paused:
            self._end_with(Unfit(status, why))

    def is_stuck(self, now_s: float, limit_s: float) -> bool:
        """The client has not taken its answers for longer than the limit."""
        return self._drained is not None and now_s - self._stuck_since_s > limit_s

    def close(self) -> None:
        """Close now if nothing is in hand, else after the answer."""
        self._closing = True
        if self._rests() and self._transport is not None:
            self._leave(self._transport)
        self._release()

    def abort(self) -> None:
        """Let go of it, whatever it does."""
        if self._transport is not None:
            self._transport.abort()
