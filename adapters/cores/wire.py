"""One kept connection to a core: a request's bytes out, once, and one whole answer in.

llhttp (by httptools) reads; what it leaves open is bounded here. At most one request is on its way, and it is written
once: whatever happens after that ends it as `Unknown`, and nothing is ever written again for it. A connection is used
again only after an answer that ended where it said it would, with nothing behind it; in every other case it is aborted,
so that a late answer can't be taken for the answer to another request (RFC 9112, 6.3, 9.3 to 9.5).
"""

import asyncio
import select
from typing import Final, Protocol, cast

import httptools

from adapters.cores.http_answer import HttpAnswer, retry_after_s
from adapters.outcome import Cause, Unknown

HEAD_BYTES_MAX: Final = 16_384
"""Longest head of an answer; also the most bytes in a row that bring its body no further (interim answers, trailers)."""

INTERIMS_MAX: Final = 8
"""Most interim answers (1xx) before the answer."""

RESET: Final = Unknown(cause=Cause.RESET)
"""The connection broke before the answer's head was whole."""

TIMED_OUT: Final = Unknown(cause=Cause.ANSWER_TIMEOUT)
"""No whole answer in time."""

CUT_SHORT: Final = Unknown(cause=Cause.UNREADABLE, detail="answer cut short")
"""The connection broke within the answer's body."""

NOT_HTTP: Final = Unknown(cause=Cause.UNREADABLE, detail="answer is not HTTP")
"""The answer can't be read."""

_HEAD_TOO_LONG: Final = Unknown(cause=Cause.UNREADABLE, detail="the answer's head is too long")
_TOO_MANY_INTERIMS: Final = Unknown(cause=Cause.UNREADABLE, detail="too many interim answers")
_CODED: Final = Unknown(cause=Cause.UNREADABLE, detail="answer is coded in a way nobody asked for")

_LENGTH: Final = "Content-Length"
_CODING: Final = "Transfer-Encoding"
_RETRY_AFTER: Final = "Retry-After"
_KEPT: Final = {name.lower().encode(): name for name in (_LENGTH, _CODING, _RETRY_AFTER, "Date")}
"""Headers that are kept; of several with one name, the first."""

_INTERIM: Final = range(100, 200)
_WITHOUT_BODY: Final = (204, 304)
"""Statuses whose length, if they tell one, is that of a body that doesn't come."""

_TIMER_S: Final = 0.001
"""How far ahead of its time a loop's timer may ring (uvloop counts milliseconds)."""


class Keeper(Protocol):
    """Whom a connection tells what becomes of it."""

    def freed(self, connection: "Connection", *, stays: bool) -> None:
        """Its request has ended; with `stays` it can take the next."""
        ...

    def gone(self, connection: "Connection") -> None:
        """It is no more."""
        ...


class _Enough(Exception):
    """Stops the parser within what it was fed."""


class Connection(asyncio.Protocol):
    """Asks one thing at a time."""

    __slots__ = (
        "_alarm",
        "_alarm_s",
        "_answer",
        "_body_bytes",
        "_body_max",
        "_chunks",
        "_due_s",
        "_fruitless",
        "_head_left",
        "_headers",
        "_idle_s",
        "_interims",
        "_is_bodiless",
        "_keeper",
        "_loop",
        "_parser",
        "_poll",
        "_result",
        "_status",
        "_stays",
        "_transport",
    )

    def __init__(
        self, loop: asyncio.AbstractEventLoop, keeper: Keeper, *, answer_bytes_max: int, idle_s: float
    ) -> None:
        """Belong to `keeper`; idle longer than `idle_s` seconds it ends (0: after each answer)."""
        self._loop = loop
        self._keeper = keeper
        self._body_max = answer_bytes_max
        self._idle_s = idle_s
        self._parser = httptools.HttpResponseParser(self)
        # As lenient as clients are with old servers; none of it touches where an answer ends.
        self._parser.set_dangerous_leniencies(
            lenient_headers=True, lenient_optional_cr_before_lf=True, lenient_spaces_after_chunk_size=True
        )
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        #: Where the asker waits; None while nothing is asked.
        self._answer: asyncio.Future[HttpAnswer | Unknown] | None = None
        #: What the answer turned out to be, until what came with it is read.
        self._result: HttpAnswer | Unknown | None = None
        self._stays = False
        #: When to give up waiting, for the answer or for the next request, by the loop's clock.
        self._due_s = 0.0
        self._alarm: asyncio.TimerHandle | None = None
        self._alarm_s = 0.0
        self._is_bodiless = False
        self._expect()

    def _expect(self) -> None:
        """Forget the answer before."""
        self._result = None
        #: 0 until the head is read.
        self._status = 0
        self._headers: dict[str, bytes] = {}
        self._chunks: list[bytes] = []
        self._body_bytes = 0
        self._head_left = HEAD_BYTES_MAX
        self._interims = 0
        #: Bytes since the last that brought the body further.
        self._fruitless = 0

    # The asker's side

    @property
    def is_open(self) -> bool:
        """Nothing is asked, and as far as the loop knows it stands."""
        return self._answer is None and self._transport is not None and not self._transport.is_closing()

    def is_fit(self, now_s: float) -> bool:
        """It was kept, not too long, and the core has neither closed it nor sent anything since.

        The system is asked too: what arrived while the loop was busy is seen before a payment is written after it.
        """
        return self.is_open and now_s < self._due_s and not self._poll.poll(0)

    def ask(self, request: bytes, until_s: float, *, is_bodiless: bool = False) -> asyncio.Future[HttpAnswer | Unknown]:
        """Write a request, once; the answer comes until `until_s` of the loop's clock, else `Unknown`.

        `is_bodiless` says that its answer has no body whatever its head says (HEAD).
        """
        assert self.is_open, "asked one thing at a time, while it stands"
        assert self._transport is not None, "it is open"
        answer = self._answer = self._loop.create_future()
        self._expect()
        self._is_bodiless = is_bodiless
        self._wait_until(until_s)
        try:
            self._transport.write(request)
        except Exception:  # noqa: BLE001 - whatever it was, a byte may have left
            self._end(RESET, stays=False)
        return answer

    def give_up(self, answer: asyncio.Future[HttpAnswer | Unknown]) -> None:
        """Nobody waits for `answer` any more: it must not be read as another's."""
        if self._answer is answer:
            self.drop()

    def drop(self) -> None:
        """End it, at once; what is asked ends as `RESET`."""
        if self._answer is not None:
            self._end(RESET, stays=False)
        elif self._transport is not None:
            self._transport.abort()

    def _end(self, result: HttpAnswer | Unknown, *, stays: bool) -> None:
        """Tell the asker, and keep the connection or end it."""
        answer, self._answer = self._answer, None
        transport = self._transport
        assert answer is not None, "ended once"
        assert transport is not None, "asked over a transport"
        if not answer.done():
            answer.set_result(result)
        # An answer to half a request: the rest would be read as the next one.
        if stays and not transport.is_closing() and not transport.get_write_buffer_size():
            self._wait_until(self._loop.time() + self._idle_s)
            self._keeper.freed(self, stays=True)
        else:
            transport.abort()
            self._keeper.freed(self, stays=False)

    # Time: one timer, set anew only when it would ring too late, as most waits end long before

    def _wait_until(self, due_s: float) -> None:
        self._due_s = due_s
        if self._alarm is not None:
            if self._alarm_s <= due_s:
                return
            self._alarm.cancel()
        self._alarm_s = due_s
        self._alarm = self._loop.call_at(due_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._loop.time() + _TIMER_S < self._due_s:
            self._wait_until(self._due_s)
        elif self._answer is not None:
            self._end(TIMED_OUT, stays=False)
        else:
            self.drop()

    # The transport's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It stands."""
        self._transport = cast("asyncio.Transport", transport)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def data_received(self, data: bytes) -> None:
        """Read on; bytes nobody asked for end the connection."""
        if self._answer is None:
            self.drop()
            return
        bytes_before = self._body_bytes
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade):
            self._stays = False
            self._result = self._result or NOT_HTTP
        if self._result is not None:
            self._end(self._result, stays=self._stays)
            return
        self._fruitless = 0 if self._body_bytes != bytes_before else self._fruitless + len(data)
        if self._fruitless > HEAD_BYTES_MAX:
            self._end(_HEAD_TOO_LONG, stays=False)

    def eof_received(self) -> None:
        """The core says no more; that is how an answer without a length ends. The transport then closes by itself."""
        if self._answer is not None:
            is_whole = self._status and not (_LENGTH in self._headers or _CODING in self._headers)
            self._end(self._read() if is_whole else self._broken(), stays=False)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's word; how it broke changes nothing
        """It is no more."""
        if self._answer is not None:
            self._end(self._broken(), stays=False)
        if self._alarm is not None:
            self._alarm.cancel()
        self._keeper.gone(self)

    def _broken(self) -> Unknown:
        return CUT_SHORT if self._status else RESET

    # The parser's side

    def on_message_begin(self) -> None:
        """An answer begins; behind one that has ended, it is one that nobody asked for."""
        if self._result is not None:
            self._stays = False
            raise _Enough

    def on_header(self, name: bytes, value: bytes) -> None:
        """Count it, and keep it if it matters; in a trailer nothing does."""
        if self._status:
            return
        self._head_left -= len(name) + len(value)
        if self._head_left < 0:
            self._settle(_HEAD_TOO_LONG)
        kept = _KEPT.get(name.lower())
        if kept is not None:
            self._headers.setdefault(kept, value)

    def on_headers_complete(self) -> None:
        """Take the status, and see beforehand whether the body can be read."""
        status = self._parser.get_status_code()
        if status in _INTERIM:
            # Behind a 101 the parser itself reads no further.
            return
        if status < _INTERIM.start:
            self._settle(NOT_HTTP)
        self._status = status
        headers = self._headers
        if self._is_bodiless:
            # The parser waits for the body that the head tells of: the connection is of no more use.
            self._settle(self._read())
        if status not in _WITHOUT_BODY and int(headers.get(_LENGTH, b"0")) > self._body_max:
            self._settle(self._read(too_long=True))
        if _CODING in headers and headers[_CODING].strip().lower() != b"chunked":
            self._settle(_CODED)

    def on_body(self, chunk: bytes) -> None:
        """Keep a part of the body."""
        self._chunks.append(chunk)
        self._body_bytes += len(chunk)
        if self._body_bytes > self._body_max:
            self._settle(self._read(too_long=True))

    def on_message_complete(self) -> None:
        """The answer is whole, unless it was an interim one."""
        if not self._status:
            self._interims += 1
            if self._interims > INTERIMS_MAX:
                self._settle(_TOO_MANY_INTERIMS)
            self._headers.clear()
            return
        self._stays = self._parser.should_keep_alive()
        if self._stays and _CODING in self._headers:
            # RFC 9112, 6.1: a coded body in HTTP/1.0 ends nobody knows where.
            self._stays = self._parser.get_http_version() == "1.1"
        self._result = self._read()

    def _settle(self, result: HttpAnswer | Unknown) -> None:
        """The rest of the answer changes nothing: stop reading it."""
        self._result = result
        self._stays = False
        raise _Enough

    def _read(self, *, too_long: bool = False) -> HttpAnswer:
        headers = self._headers
        body = b"" if too_long else b"".join(self._chunks)
        if _RETRY_AFTER not in headers:
            return HttpAnswer(status=self._status, body=body, too_long=too_long)
        texts = {name: value.decode("latin-1") for name, value in headers.items()}
        return HttpAnswer(status=self._status, body=body, too_long=too_long, retry_after_s=retry_after_s(texts))
