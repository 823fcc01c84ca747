"""Requests read in one look: only what is beyond doubt, and nothing that llhttp would read otherwise."""

from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.channel import HEADERS_KNOWN, Inbound
from gateway.http.plain import plain_request
from gateway.http.reading import Phase, Reader, Unfit

BODY_MAX: Final = 64
PLAIN: Final = b"POST /v1/payments HTTP/1.1\r\nHost: h\r\nIdempotency-Key: k1\r\nContent-Length: 2\r\n\r\n{}"

LINES: Final = st.sampled_from(
    [
        "Host: h", "host: h", "Host:  h ", "Host:h", "Authorization: Bearer x", "Idempotency-Key: a, b", "Idempotency-Key: k",
        "Content-Length: 2", "content-length: 2", "Content-Length: 0", "Content-Length: 02", "Content-Length: +2",
        "Content-Length: 2, 2", "Transfer-Encoding: chunked", "Connection: keep-alive", "Connection: close", "Upgrade: h2c",
        "Expect: 100-continue", "User-Agent: x/1", "Accept: */*", "X-Own: 1", "Prefer: wait=1", "Content-Type: a\tb",
        " folded", "Content-Type : a", "Content-Type: \xe4", "Content-Type: a\rb", "Content-Type: a\nHost: b", "",
    ]
)  # fmt: skip
FIRSTS: Final = st.sampled_from(
    [
        "POST /v1/payments HTTP/1.1", "GET /osmp/kiosk?command=pay&sum=1.00 HTTP/1.1", "GET /a?b?c HTTP/1.1", "GET /? HTTP/1.1",
        "GET /a#b HTTP/1.1", "GET  /a HTTP/1.1", "GET /a HTTP/1.0", "PUT /a HTTP/1.1", "get /a HTTP/1.1", "GET http://h/a HTTP/1.1",
        "GET /%41%zz HTTP/1.1", "GET /a\xff HTTP/1.1", "GET /a HTTP/1.1 ", "\r\nGET /a HTTP/1.1",
    ]
)  # fmt: skip
REQUESTS: Final = st.builds(
    lambda first, lines, body: "\r\n".join([first, *lines, "", body]).encode("latin-1"),
    FIRSTS,
    st.lists(LINES, max_size=5).map(lambda lines: ["Host: h", *lines]) | st.lists(LINES, max_size=5),
    st.sampled_from(["", "{}", "{}GET / HTTP/1.1\r\n\r\n", "{"]),
)


class Kept:
    """Takes what a reader reads."""

    def __init__(self) -> None:
        """Nothing yet."""
        self.peer = "192.0.2.1"
        self.phase = Phase.IDLE
        self.found: list[tuple[Inbound, bool]] = []

    def turn(self, phase: Phase) -> None:
        """As asked."""
        self.phase = phase

    def take(self, inbound: Inbound, *, stays: bool, is_large: bool) -> None:
        """Keep it."""
        assert not is_large
        self.found.append((inbound, stays))

    def invite(self) -> None:
        """Nobody is asked for a body."""


def by_llhttp(data: bytes) -> list[tuple[Inbound, bool]]:
    """What llhttp reads: the first byte comes alone, and a piece is not plain."""
    kept = Kept()
    reader = Reader(kept, BODY_MAX)
    reader.read(data[:1])
    reader.read(data[1:])
    return [(known_only(inbound), stays) for inbound, stays in kept.found]


def known_only(inbound: Inbound) -> Inbound:
    """With the headers a channel may look at."""
    headers = {name: value for name, value in inbound.headers.items() if name in HEADERS_KNOWN}
    return Inbound(
        method=inbound.method,
        path=inbound.path,
        query=inbound.query,
        headers=headers,
        body=inbound.body,
        peer=inbound.peer,
    )


@given(REQUESTS)
def test_what_is_taken_is_one_whole_request_to_llhttp_too(data: bytes) -> None:
    """Two readers that differ are how a second request is smuggled past one of them."""
    inbound = plain_request(data, "192.0.2.1", BODY_MAX)
    assert inbound is None or [(inbound, True)] == by_llhttp(data)


@pytest.mark.parametrize(
    "more",
    [
        b"", b"Connection: keep-alive\r\n", b"User-Agent: x\r\nX-Forwarded-For: 192.0.2.7\r\n", b"Prefer: wait=1\r\n",
        b"authorization: Bearer x\r\n",
    ],
)  # fmt: skip
def test_a_plain_request_is_taken(more: bytes) -> None:
    """With what clients and proxies usually say."""
    found = plain_request(PLAIN.replace(b"Host: h\r\n", b"Host: h\r\n" + more), "p", BODY_MAX)
    assert found is not None
    assert (found.method, found.path, found.headers["Idempotency-Key"], found.body) == (
        "POST",
        "/v1/payments",
        "k1",
        b"{}",
    )
    assert set(found.headers) <= set(HEADERS_KNOWN)


@pytest.mark.parametrize(
    ("plain", "odd"),
    [
        (b"Host: h\r\n", b""),
        (b"Host: h\r\n", b"Host: h\r\nHost: h\r\n"),
        (b"Length: 2", b"Length: 3"),
        (b"Length: 2", b"Length: 1"),
        (b"Length: 2", b"Length: x"),
        (b"Length: 2", b"Length: 0000000002"),
        (b"Length: 2", b"Length: 2\r\nContent-Length: 2"),
        (b"Host: h", b"Host: h\r\nTransfer-Encoding: chunked"),
        (b"Host: h", b"Host: h\r\nConnection: close"),
        (b"Host: h", b"Host: h\x00"),
        (b"Host: h", b"Host: \xe4"),
        (b"Host: h", b"Host: h\n"),
        (b"Key: k1", b"Key:k1"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"{}", b"{}GET / HTTP/1.1\r\nHost: h\r\n\r\n"),
        (b"2\r\n\r\n{}", b"65\r\n\r\n" + b"x" * 65),
    ],
)
def test_anything_else_is_left_to_llhttp(plain: bytes, odd: bytes) -> None:
    """Not refused: it is read by who knows all of HTTP."""
    assert plain in PLAIN
    assert plain_request(PLAIN.replace(plain, odd), "p", BODY_MAX) is None


def test_what_comes_in_pieces_is_read_as_before() -> None:
    """And what follows it is plain again."""
    kept = Kept()
    reader = Reader(kept, BODY_MAX)
    for piece in (PLAIN[:30], PLAIN[30:], PLAIN, b"\r\n", PLAIN):
        reader.read(piece)
    assert [known_only(inbound) for inbound, _ in kept.found] == [plain_request(PLAIN, kept.peer, BODY_MAX)] * 3


def test_a_fault_is_told_to_who_reads() -> None:
    """Whatever is neither plain nor HTTP."""
    with pytest.raises(Unfit, match="no_http"):
        Reader(Kept(), BODY_MAX).read(b"hello\r\n\r\n")
