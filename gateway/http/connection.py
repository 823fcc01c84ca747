"""One connection of a channel: one answer to each of its requests, in order.

Whole requests are answered together with those of other connections (see `Handler`). Most answers are told by the commit
that carries the payment, so no task waits for them. After any fault of a client the connection says so and ends, as where
the next request would begin is then anybody's guess. What takes too long is ended by the listener's rounds.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, Final, Protocol, cast

from adapters.channel import Inbound, Reply
from gateway.http.answers import Answers
from gateway.http.reading import Phase, Reader, Unfit
from gateway.log import log

SLICE_BYTES: Final = 4_096
"""Read at once: a page of the smallest requests there are is some hundred of them, and no more are ever in memory."""

REQUESTS_WAITING_MAX: Final = 8
"""A client that sends on without waiting for answers is read no more while so many of its requests wait."""

WRITE_BUFFER_MAX: Final = 65_536
"""Bytes of answers not taken by a client, past which it gets no more before it takes some."""

_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Asked(Protocol):
    """A whole request in hand, to be answered once: by one of the three calls, now or later."""

    @property
    def inbound(self) -> Inbound:
        """What was asked."""
        ...

    def tell(self, reply: Reply, /) -> None:
        """This is the answer."""
        ...

    def run(self, more: Coroutine[Any, Any, Reply], /) -> None:
        """To be run for the answer."""
        ...

    def fail(self, error: Exception, /) -> None:
        """A bug of ours came between."""
        ...


Handler = Callable[[Sequence[Asked]], None]
"""Answers the whole requests that came in one turn of the event loop, in the order in which they came; raises nothing."""


# To look a member up in its enumeration costs as much as a call, for each of several turns of each request.
_IDLE: Final = Phase.IDLE
_ANSWER: Final = Phase.ANSWER
_PARTING: Final = Phase.PARTING


class Surroundings(Protocol):
    """What a connection knows of its listener."""

    body_bytes_max: int
    #: Monotonic seconds, a little behind.
    now_s: float
    stopping: bool
    answers: Answers

    def came(self, connection: "Connection", /) -> None:
        """Have it read what came, with all others of this turn of the event loop."""
        ...

    def ask(self, asked: Asked, /) -> None:
        """Have a request answered, with all others of this turn of the event loop."""
        ...

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
        "_around", "_asked", "_came", "_closing", "_ended", "_is_reading_paused", "_is_stuck", "_reader", "_stuck_since_s",
        "_transport", "_unread", "_waiting", "peer", "phase", "serving", "since_s",
    )  # fmt: skip

    def __init__(self, around: Surroundings) -> None:
        """Belong to a listener."""
        self._around = around
        self._reader = Reader(self, around.body_bytes_max)
        self._transport: asyncio.Transport | None = None
        self.peer = ""
        self.phase = _IDLE
        #: When the phase began, by the listener's clock.
        self.since_s = around.now_s
        #: The request in hand: asked, not answered yet; and whether the connection stays after it.
        self._asked: tuple[Inbound, bool] | None = None
        #: What runs for its answer, where that takes more than being told.
        self.serving: asyncio.Task[None] | None = None
        #: Done when nothing is in hand any more, while the listener waits for that.
        self._ended: asyncio.Future[None] | None = None
        #: Whole requests, each with whether the connection stays open after it, or the fault that ends it.
        self._waiting: deque[tuple[Inbound, bool] | Unfit] = deque()
        #: The client doesn't take its answers.
        self._is_stuck = False
        self._stuck_since_s = 0.0
        self._is_reading_paused = False
        #: What came in this turn of the event loop.
        self._came = b""
        #: What came and is to be read when fewer requests wait.
        self._unread = b""
        #: No more requests are taken.
        self._closing = False

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
        self._came = self._unread = b""
        self._tell_ended()
        self._around.closed(self)

    def pause_writing(self) -> None:
        """The client doesn't take its answers."""
        self._stuck_since_s = self._around.now_s
        self._is_stuck = True

    def resume_writing(self) -> None:
        """It does again."""
        self._is_stuck = False
        if self._asked is None:
            self._take_up()

    def eof_received(self) -> bool:
        """The client sends no more, and may still take answers to what it sent."""
        self.read_up()
        self._closing = True
        assert self._transport is not None, "what ended had begun"
        if not self._rests() and self.phase is not _PARTING and self._transport.get_extra_info("sslcontext") is None:
            return True
        self.turn(_PARTING)
        return False

    def data_received(self, data: bytes) -> None:
        """Have it read with what others sent in this turn; at once, where it is more than that of one request."""
        if self._came or len(data) > SLICE_BYTES:
            self._came += data
            self.read_up()
        else:
            self._came = data
            self._around.came(self)

    def read_up(self) -> None:
        """Read what came."""
        data, self._came = self._came, b""
        if not data:
            return
        if not self._unread and len(data) <= SLICE_BYTES:
            self._read(data)
        elif not self._closing:
            self._unread += data
            self._read_on()
        if self._waiting and self._asked is None:
            self._take_up()

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
        try:
            self._reader.read(data)
        except Unfit as unfit:
            # What follows a request that was to be the last is nobody's concern.
            if not self._closing:
                self._end_with(unfit)

    # The reader's side

    def turn(self, phase: Phase) -> None:
        """Wait for something else."""
        self.phase = phase
        self.since_s = self._around.now_s

    def take(self, inbound: Inbound, *, stays: bool, is_large: bool) -> None:
        """A whole request came."""
        self._closing = not stays
        self.turn(_ANSWER)
        self._put((inbound, stays))
        if is_large:
            # The next may be as large, and nobody needs two of them in memory.
            self._read_no_more()

    def invite(self) -> None:
        """Have the body sent."""
        if self._rests() and self._transport is not None:
            self._transport.write(_CONTINUE)

    # Answering

    def _rests(self) -> bool:
        """No request is in hand, and none waits."""
        return self._asked is None and not self._waiting

    def _put(self, item: tuple[Inbound, bool] | Unfit) -> None:
        self._waiting.append(item)
        if len(self._waiting) >= REQUESTS_WAITING_MAX:
            self._read_no_more()

    def _read_no_more(self) -> None:
        """Until what waits is answered."""
        if not self._is_reading_paused and self._transport is not None:
            self._is_reading_paused = True
            self._transport.pause_reading()

    def _take_up(self) -> None:
        """Ask for the next of those that wait, where there is one; else see what comes."""
        transport = self._transport
        assert transport is not None, "requests come over a transport"
        while self._asked is None and self.phase is not _PARTING:
            if self._waiting:
                if self._is_stuck:
                    break
                item = self._waiting.popleft()
                if isinstance(item, Unfit):
                    self._part(transport, item.status)
                else:
                    self._asked = item
                    self._around.ask(self)
            elif self._closing or self._around.stopping:
                self._leave(transport)
            elif self._is_stuck:
                break
            elif self._is_reading_paused:
                self._go_on_reading(transport)
            else:
                if self.phase is _ANSWER:
                    self.turn(_IDLE)
                break

    def _go_on_reading(self, transport: asyncio.Transport) -> None:
        """Read what came already, and more once that holds no whole request."""
        self._is_reading_paused = False
        self.since_s = self._around.now_s
        self._read_on()
        if not self._waiting:
            transport.resume_reading()

    @property
    def inbound(self) -> Inbound:
        """See `Asked`."""
        assert self._asked is not None, "it was asked"
        return self._asked[0]

    def run(self, more: Coroutine[Any, Any, Reply]) -> None:
        """See `Asked`."""
        self.serving = asyncio.get_running_loop().create_task(self._serve(more))

    async def _serve(self, more: Coroutine[Any, Any, Reply]) -> None:
        try:
            self.tell(await more)
        except Exception as error:  # noqa: BLE001 - see `fail`
            self.fail(error)

    def tell(self, reply: Reply) -> None:
        """See `Asked`."""
        assert self._asked is not None, "a request is answered once"
        inbound, stays = self._asked
        around = self._around
        stays = stays and not around.stopping
        try:
            answer = around.answers.whole(reply, stays=stays, bodiless=inbound.method == "HEAD")
        except Exception as error:  # noqa: BLE001 - see `fail`
            self.fail(error)
        else:
            self._write(answer, stays=stays)

    def fail(self, error: Exception) -> None:
        """Our own bug: the client is told so, and we are told loudly."""
        log.error("request_failed", error=type(error).__name__, exc_info=error)
        self._around.unfit("failed")
        self._write(self._around.answers.bare(500), stays=False)

    def _write(self, answer: bytes, *, stays: bool) -> None:
        self._asked = self.serving = None
        transport = self._transport
        assert transport is not None, "requests come over a transport"
        if transport.is_closing():
            # The client left; uvloop raises on what is written to it.
            self._tell_ended()
            return
        transport.write(answer)
        if not stays:
            self._closing = True
            self._waiting.clear()
        self._take_up()
        self._tell_ended()

    def _tell_ended(self) -> None:
        ended = self._ended
        if ended is not None and not ended.done() and self._rests():
            ended.set_result(None)

    def _end_with(self, unfit: Unfit) -> None:
        """Answer what came before, then say what is wrong and part."""
        self._closing = True
        self._around.unfit(unfit.why)
        self.turn(_ANSWER)
        self._put(unfit)

    def _part(self, transport: asyncio.Transport, status: int) -> None:
        """Say no, and let the client read it: to close on one who still sends would reset what was said."""
        if transport.is_closing():
            return
        self.turn(_PARTING)
        transport.write(self._around.answers.bare(status))
        if transport.can_write_eof():
            transport.write_eof()

    def _leave(self, transport: asyncio.Transport) -> None:
        """Close when the client has taken what was written, for which it gets the time of a farewell."""
        self._closing = True
        self.turn(_PARTING)
        transport.close()

    # The listener's side

    def end_with(self, status: int, why: str) -> None:
        """It took too long; but not while it is we who don't read."""
        if not self._closing and not self._is_reading_paused:
            self._end_with(Unfit(status, why))
            if self._asked is None:
                self._take_up()

    def is_stuck(self, now_s: float, limit_s: float) -> bool:
        """The client has not taken its answers for longer than the limit."""
        return self._is_stuck and now_s - self._stuck_since_s > limit_s

    def close(self) -> None:
        """Close now if nothing is in hand, else after the answer."""
        self._closing = True
        if self._rests() and self._transport is not None:
            self._leave(self._transport)

    def ended(self) -> "asyncio.Future[None] | None":
        """Done when what is in hand or waits is answered; None when there is nothing."""
        if self._rests():
            return None
        if self._ended is None:
            self._ended = asyncio.get_running_loop().create_future()
        return self._ended

    def abort(self) -> None:
        """Let go of it, whatever it does."""
        if self._transport is not None:
            self._transport.abort()
