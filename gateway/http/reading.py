"""Bytes to whole requests.

What most clients send is read in one look (`gateway.http.plain`); everything else by llhttp (by httptools), and what it
leaves open is closed here. Heads and bodies are bounded in size, a request names exactly one host, nothing is coded in
HTTP/1.0, and whatever is said twice about how long a body is is refused. Only the headers channels ask for are kept.
"""

import enum
from typing import Final, Protocol

import httptools

from adapters.channel import HEADERS_KNOWN, Inbound
from gateway.http.offer import parser_after, plain_head
from gateway.http.plain import plain_request
from gateway.log import log

HEAD_BYTES_MAX: Final = 8_190
"""Longest request line and headers together."""

HEADERS_MAX: Final = 64
"""Most header lines."""

CODING_MAX: Final = 8
"""Bytes on the wire for one of a body in chunks: those of a single byte take six. Past it are but decorations."""

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


# To look a member up in its enumeration costs as much as a call, for each of several turns of each request.
_HEAD: Final = Phase.HEAD
_BODY: Final = Phase.BODY
_ANSWER: Final = Phase.ANSWER


class Unfit(Exception):
    """What came isn't HTTP as we take it."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status
        #: Bounded vocabulary, for the log and the meter; never what was sent.
        self.why = why


class Taker(Protocol):
    """Whose requests are read."""

    peer: str
    phase: Phase

    def turn(self, phase: Phase, /) -> None:
        """It waits for something else now."""
        ...

    def take(self, inbound: Inbound, /, *, stays: bool, is_large: bool) -> None:
        """A whole request: whether the connection stays after it, and whether its body is of more than a piece."""
        ...

    def invite(self) -> None:
        """The client asked whether its body is welcome, and it is."""
        ...


class Reader:
    """Reads the requests of one connection."""

    __slots__ = (
        "_body", "_body_bytes_max", "_body_left", "_dripped", "_head_left", "_headers", "_hosts", "_is_between", "_is_new",
        "_kept", "_lines_left", "_offered", "_parser", "_rest", "_taker", "_target", "_unfit",
    )  # fmt: skip

    def __init__(self, taker: Taker, body_bytes_max: int) -> None:
        """Tell `taker` of each whole request."""
        self._taker = taker
        self._body_bytes_max = body_bytes_max
        self._parser = httptools.HttpRequestParser(self)
        #: What was read so far ended with a whole request.
        self._is_between = True
        self._unfit: Unfit | None = None
        #: Stands in for a head that made an offer, when its body is read by another parser.
        self._offered = b""
        self._begin()

    def read(self, data: bytes) -> None:
        """Read a piece.

        Raises:
            Unfit: it isn't HTTP as we take it; nothing can be read after it.
        """
        if self._is_between:
            inbound = plain_request(data, self._taker.peer, self._body_bytes_max)
            if inbound is not None:
                self._dripped = 0
                self._taker.take(inbound, stays=True, is_large=False)
                return
        begun = self._headers
        try:
            self._parser.feed_data(data)
            if self._headers is begun and self._taker.phase is not _ANSWER:
                self._count_dripped(len(data))
        except httptools.HttpParserUpgrade as upgrade:
            self._parser = parser_after(self._offered, self)
            self._offered = b""
            self.read(data[upgrade.args[0] :])
        except httptools.HttpParserError as error:
            raise self._meaning(error) from None

    def _meaning(self, error: httptools.HttpParserError) -> Unfit:
        """Why the parser gave up."""
        if self._unfit is None and isinstance(error, httptools.HttpParserCallbackError):
            log.error("request_failed", error=type(error.__context__).__name__, exc_info=error.__context__)
            return Unfit(500, "failed")
        return self._unfit or Unfit(400, "no_http")

    def _count_dripped(self, size: int) -> None:
        """Pieces count as they come: a header's value or a trailer's without an end is told by nobody else."""
        self._dripped += size
        if self._taker.phase is not _BODY:
            if self._dripped > HEAD_BYTES_MAX:
                raise Unfit(431, "head_size")
        elif self._dripped > HEAD_BYTES_MAX + CODING_MAX * (self._body_bytes_max - self._body_left):
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
        self._body_left = self._body_bytes_max

    def on_message_begin(self) -> None:
        """A request begins."""
        self._is_between = False
        self._begin()
        self._taker.turn(_HEAD)

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
        self._taker.turn(_BODY)
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
            peer=self._taker.peer,
        )
        self._is_between = True
        self._taker.take(
            inbound, stays=self._is_new and self._parser.should_keep_alive(), is_large=self._rest is not None
        )

    def _expect(self, text: str) -> None:
        if text.lower() != "100-continue":
            self._refuse(417, "expectation")
        self._taker.invite()

    def _refuse(self, status: int, why: str) -> None:
        """End reading from within the parser, which tells others only that something was raised."""
        self._unfit = Unfit(status, why)
        raise self._unfit
