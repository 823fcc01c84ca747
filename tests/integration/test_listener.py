"""What the payments' listener takes for a request and what not, byte by byte over real sockets."""

from collections.abc import AsyncIterator
from typing import Any, Final, cast

import pytest
from structlog.testing import capture_logs

from gateway.http.connection import Connection
from tests.integration.port import GET, Port, opened, until

BODY_MAX: Final = 1_024


@pytest.fixture
async def port() -> AsyncIterator[Port]:
    """A listener with a small handler."""
    async with opened(body_bytes_max=BODY_MAX) as port:
        yield port


def request(*lines: str, body: bytes = b"", first: str = "POST /a HTTP/1.1", host: str = "Host: h") -> bytes:
    """A request of these lines."""
    return "\r\n".join([line for line in (first, host, *lines) if line] + ["", ""]).encode("latin-1") + body


# Requests


async def test_a_request_is_handed_on_and_its_answer_back(port: Port) -> None:
    """Method, path, query, body, the headers channels may see, and where it came from."""
    caller = await port.call()
    told = await caller.ask(
        request(
            "authorization: Bearer x \t",
            "X-Other: y",
            "PREFER: wait=1",
            "Prefer: b",
            "Content-Length: 2",
            first="POST /a%2fb?1 HTTP/1.1",
            body=b"hi",
        )
    )
    assert (told.status, told.body) == (200, b"POST /a%2fb hi.")
    assert told.headers["Date"] == "Thu, 01 Jan 2026 00:00:00 GMT"
    (seen,) = port.seen
    assert (seen.method, seen.path, seen.query, seen.body, seen.peer) == ("POST", "/a%2fb", "1", b"hi", "127.0.0.1")
    assert (seen.headers["Authorization"], seen.headers["Prefer"]) == ("Bearer x", "wait=1, b")
    assert "X-Other" not in seen.headers


async def test_a_connection_is_kept(port: Port) -> None:
    """A channel pays for one handshake, not for thousands."""
    caller = await port.call()
    assert [(await caller.ask(GET)).status for _ in range(3)] == [200] * 3
    assert port.open == 1


async def test_requests_sent_at_once_are_answered_in_order(port: Port) -> None:
    """Though the first takes longest."""
    caller = await port.call()
    await caller.send(b"".join(request(first=f"GET {path} HTTP/1.1") for path in ("/slow", "/b", "/c")))
    await until(lambda: len(port.seen) == 1)
    port.go_on.set()
    assert [(await caller.answer()).body for _ in range(3)] == [b"GET /slow ", b"GET /b ", b"GET /c "]


async def test_a_flood_of_requests_waits_unread(port: Port) -> None:
    """What one client sends ahead takes no more memory than a slice of it; nothing of it is lost."""
    caller, count = await port.call(), 30_000
    caller.writer.write(request(first="GET /slow HTTP/1.1") + GET * count)
    await until(lambda: len(port.seen) == 1)
    (connection,) = port.listener._connections
    await until(lambda: connection._is_reading_paused)
    assert len(connection._waiting) < 8 + 4_096 / len(GET)
    port.go_on.set()
    assert [(await caller.answer()).status for _ in range(count + 1)] == [200] * (count + 1)


@pytest.mark.parametrize("size", [1, 3, 7])
async def test_a_request_may_come_in_pieces(port: Port, size: int) -> None:
    """Of its head, its body, its chunks; with trailers, which count for nothing."""
    whole = request(
        "Transfer-Encoding: chunked", "Authorization: a", body=b"2\r\nhi\r\n1;x=y\r\n!\r\n0\r\nAuthorization: b\r\n\r\n"
    )
    parts = [whole[at : at + size] for at in range(0, len(whole), size)]
    caller = await port.call()
    (connection,) = await _connections(port, 1)
    for part in parts:
        connection.data_received(part)
    told = await caller.answer()
    assert (told.status, told.body) == (200, b"POST /a hi!")
    assert port.seen[0].headers["Authorization"] == "a"


async def _connections(port: Port, count: int) -> list[Connection]:
    await until(lambda: port.open == count)
    return [*port.listener._connections]


@pytest.mark.parametrize(
    ("sent", "body"),
    [
        (request(first="GET /a HTTP/1.0"), b"GET /a "),
        (request("Connection: keep-alive", first="GET /a HTTP/1.0"), b"GET /a "),
        (request("Connection: close", first="GET /a HTTP/1.1"), b"GET /a "),
        (request("Connection: close", first="GET /a HTTP/1.1") + GET, b"GET /a "),
        (request("Connection: close", "Content-Length: 2", body=b"hi"), b"POST /a hi"),
        (request("Expect: 100-continue", "Content-Length: 1", first="POST /a HTTP/1.0", body=b"x"), b"POST /a x"),
    ],
    ids=["1.0", "1.0 keep-alive", "close", "close and more", "close with body", "1.0 expects nothing"],
)
async def test_the_last_request_is_answered_and_the_connection_ended(port: Port, sent: bytes, body: bytes) -> None:
    """Once, whatever follows."""
    caller = await port.call()
    told = await caller.ask(sent)
    assert (told.status, told.body, told.headers["Connection"]) == (200, body, "close")
    assert await caller.rest() == b""
    assert port.unfit == []


async def test_head_gets_no_body(port: Port) -> None:
    """But its length."""
    caller = await port.call()
    await caller.send(request(first="HEAD /a HTTP/1.1"))
    told = await caller.answer(bodiless=True)
    assert told.headers["Content-Length"] == "8"
    assert (await caller.ask(GET)).body == b"GET /a "


async def test_who_expects_to_be_told_to_go_on_is(port: Port) -> None:
    """Before the body is sent."""
    caller = await port.call()
    await caller.send(request("Expect: 100-Continue", "Content-Length: 2"))
    assert (await caller.answer()).status == 100
    assert (await caller.ask(b"hi")).body == b"POST /a hi"


@pytest.mark.parametrize("sends_body_at_once", [True, False], ids=["at once", "later"])
@pytest.mark.parametrize(
    ("lines", "body"),
    [
        (["Content-Length: 27"], b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"[:27]),
        (["Transfer-Encoding: chunked"], b"1b\r\n" + b"GET /b HTTP/1.1\r\nHost: h\r\n\r\n"[:27] + b"\r\n0\r\n\r\n"),
        (["Content-Length: 0"], b""),
        ([], b""),
    ],
    ids=["length", "chunked", "empty", "none"],
)
async def test_an_offer_of_another_protocol_is_ignored(
    port: Port,
    lines: list[str],
    body: bytes,
    sends_body_at_once: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    """Java's client makes one with its first request. Its body is its body, not the next request."""
    caller = await port.call()
    offer = ["Connection: Upgrade, HTTP2-Settings", "Upgrade: h2c", "HTTP2-Settings: AAEAAEAA", *lines]
    head = request(*offer)
    for part in [head + body] if sends_body_at_once else [head, body]:
        await caller.send(part)
        await until(lambda: bool(port.phases) and port.phases != ["IDLE"])
    told = await caller.answer()
    assert told.status == 200
    assert [(each.method, each.path, len(each.body)) for each in port.seen] == [("POST", "/a", 27 if body else 0)]
    assert (await caller.ask(request("Content-Length: 1", body=b"x"))).body == b"POST /a x"
    assert (await caller.ask(GET)).status == 200


async def test_many_offers_at_once_are_ignored_one_by_one(port: Port) -> None:
    """Each takes a parser, none a level of the stack."""
    caller, count = await port.call(), 3_000
    offer = request("Connection: Upgrade", "Upgrade: websocket", "Content-Length: 1", body=b"x")
    caller.writer.write(offer * count)
    assert {(await caller.answer()).body for _ in range(count)} == {b"POST /a x"}


# What is no request


UNFIT: Final = {
    "no host": (request(host=""), 400),
    "two hosts": (request("Host: h"), 400),
    "two hosts, another case": (request("hOsT: other"), 400),
    "absolute target": (request(first="GET http://h/a HTTP/1.1"), 400),
    "asterisk": (request(first="OPTIONS * HTTP/1.1"), 400),
    "connect": (request(first="CONNECT h:80 HTTP/1.1"), 400),
    "connect to a path": (request("Content-Length: 1", first="CONNECT /a HTTP/1.1", body=b"x"), 400),
    "HTTP/2": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 400),
    "HTTP/2.0 in the old shape": (request(first="GET /a HTTP/2.0"), 505),
    "HTTP/0.9": (request(first="GET /a HTTP/0.9"), 505),
    "HTTP/1.2": (request(first="GET /a HTTP/1.2"), 400),
    "HTTP/1.1x": (request(first="GET /a HTTP/1.1x"), 400),
    "no version": (b"GET /a\r\n\r\n", 505),
    "small method": (request(first="get /a HTTP/1.1"), 400),
    "unknown method": (request(first="STEAL /a HTTP/1.1"), 400),
    "space in target": (request(first="GET /a b HTTP/1.1"), 400),
    "coded in 1.0": (request("Transfer-Encoding: chunked", first="POST /a HTTP/1.0", body=b"0\r\n\r\n"), 400),
    "coding and length": (request("Transfer-Encoding: chunked", "Content-Length: 5", body=b"0\r\n\r\n"), 400),
    "length and coding": (request("Content-Length: 5", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "two lengths": (request("Content-Length: 1", "Content-Length: 2", body=b"xx"), 400),
    "two equal lengths": (request("Content-Length: 1", "Content-Length: 1", body=b"x"), 400),
    "list of lengths": (request("Content-Length: 1, 1", body=b"x"), 400),
    "length +": (request("Content-Length: +1", body=b"x"), 400),
    "length -": (request("Content-Length: -1", body=b"x"), 400),
    "length in hexadecimal": (request("Content-Length: 0x1", body=b"x"), 400),
    "length with a gap": (request("Content-Length: 1 1", body=b"x"), 400),
    "length _": (request("Content-Length: 1_0", body=b"x"), 400),
    "length in other digits": (request("Content-Length: \xb2", body=b"x"), 400),
    "empty length": (request("Content-Length:", body=b"x"), 400),
    "endless length": (request("Content-Length: " + "9" * 40), 400),
    "xchunked": (request("Transfer-Encoding: xchunked", body=b"0\r\n\r\n"), 400),
    "gzip": (request("Transfer-Encoding: gzip", body=b"0\r\n\r\n"), 400),
    "gzip, chunked": (request("Transfer-Encoding: gzip, chunked", body=b"0\r\n\r\n"), 400),
    "chunked twice": (request("Transfer-Encoding: chunked", "Transfer-Encoding: chunked", body=b"0\r\n\r\n"), 400),
    "chunked, identity": (request("Transfer-Encoding: chunked, identity", body=b"0\r\n\r\n"), 400),
    "vertical tab chunked": (request("Transfer-Encoding: \x0bchunked", body=b"0\r\n\r\n"), 400),
    "bare line feeds": (b"GET /a HTTP/1.1\nHost: h\n\n", 400),
    "bare line feed in the head": (b"GET /a HTTP/1.1\r\nHost: h\nX: y\r\n\r\n", 400),
    "bare carriage return": (b"GET /a HTTP/1.1\r\nHost: h\rX: y\r\n\r\n", 400),
    "folded": (b"GET /a HTTP/1.1\r\nHost: h\r\nX: y\r\n z\r\n\r\n", 400),
    "space before colon": (request("X : y"), 400),
    "space before coding's colon": (request("Transfer-Encoding : chunked", body=b"0\r\n\r\n"), 400),
    "no colon": (request("X"), 400),
    "empty name": (request(": y"), 400),
    "NUL in a value": (request("X: a\x00b"), 400),
    "NUL in a name": (request("X\x00: a"), 400),
    "bell in a name": (request("X\x07: a"), 400),
    "escape in a value": (request("X: \x1b[2J"), 400),
    "delete in a value": (request("X: \x7f"), 400),
    "umlaut in a name": (request("\xdc: a"), 400),
    "line feed in a chunk's size": (request("Transfer-Encoding: chunked", body=b"1\nx\r\n0\r\n\r\n"), 400),
    "chunk's size -": (request("Transfer-Encoding: chunked", body=b"-1\r\nx\r\n0\r\n\r\n"), 400),
    "chunk's size 0x": (request("Transfer-Encoding: chunked", body=b"0x1\r\nx\r\n0\r\n\r\n"), 400),
    "chunk's size endless": (request("Transfer-Encoding: chunked", body=b"F" * 20 + b"\r\n"), 400),
    "chunk longer than told": (request("Transfer-Encoding: chunked", body=b"1\r\nxy\r\n0\r\n\r\n"), 400),
    "other expectation": (request("Expect: cake", "Content-Length: 1", body=b"x"), 417),
    "body too large": (request(f"Content-Length: {BODY_MAX + 1}"), 413),
    "chunks too large": (
        request("Transfer-Encoding: chunked", body=b"400\r\n" + b"x" * 1024 + b"\r\n1\r\nx\r\n0\r\n\r\n"),
        413,
    ),
    "long target": (request(first=f"GET /{'a' * 8_190} HTTP/1.1"), 431),
    "long value": (request("X: " + "a" * 8_190), 431),
    "long name": (request("X" * 8_190 + ": a"), 431),
    "many headers": (request(*(f"X{each}: a" for each in range(64))), 431),
    "large head": (request(*("X: " + "a" * 400 for _ in range(40))), 431),
    "garbage": (bytes(range(256)), 400),
    "TLS": (bytes.fromhex("16030100c8010000c40303") + bytes(200), 400),
    "SOCKS": (b"\x05\x01\x00", 400),
    "a proxy's preface": (b"PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r\n" + GET, 400),
}


@pytest.mark.parametrize(("sent", "status"), UNFIT.values(), ids=UNFIT)
async def test_what_is_no_request_gets_no_and_an_end(port: Port, sent: bytes, status: int) -> None:
    """What was sound before it is answered, nothing after it is read, and the log has nothing of it."""
    caller = await port.call()
    with capture_logs() as said:
        await caller.send(GET + sent + GET)
        assert (await caller.answer()).status == 200
        told = await caller.answer()
        assert (told.status, told.headers["Connection"], told.body) == (status, "close", b"")
        assert await caller.rest() == b""
    assert [each.path for each in port.seen] == ["/a"]
    assert len(port.unfit) == 1
    assert said == []


async def test_lines_before_a_request_are_skipped(port: Port) -> None:
    """Old clients send one behind a body (RFC 9112, 2.2)."""
    caller = await port.call()
    assert (await caller.ask(b"\r\n" + GET)).status == 200
    assert (await caller.ask(b"\r\n" + GET)).status == 200


# Failures


@pytest.mark.parametrize("path", ["/fail", "/split"])
async def test_our_own_failure_is_answered_counted_and_told_without_words(
    port: Port, path: str, capfd: pytest.CaptureFixture[str]
) -> None:
    """The client learns nothing, the log where it was and nothing of what was sent; the next client is served."""
    caller = await port.call()
    with capture_logs() as said:
        told = await caller.ask(request("Content-Length: 6", first=f"POST {path} HTTP/1.1", body=b"SECRET"))
        assert (told.status, told.body, told.headers["Connection"]) == (500, b"", "close")
        assert await caller.rest() == b""
    assert [(each["event"], each["log_level"]) for each in said] == [("request_failed", "error")]
    assert port.unfit == ["failed"]
    assert "SECRET" not in capfd.readouterr().err
    assert (await (await port.call()).ask(GET)).status == 200


async def test_who_sends_no_more_still_gets_his_answers(port: Port) -> None:
    """A half-closed connection is not a closed one."""
    caller = await port.call()
    await caller.send(request(first="GET /slow HTTP/1.1") + GET)
    await until(lambda: bool(port.seen))
    caller.end()
    (connection,) = port.listener._connections
    await until(lambda: connection._closing)
    port.go_on.set()
    assert [(await caller.answer()).status for _ in range(2)] == [200, 200]
    assert await caller.rest() == b""


async def test_what_was_begun_goes_on_when_the_client_leaves(port: Port) -> None:
    """The payment may have been taken; its answer is there for who asks again. What waited behind it is not begun."""
    caller = await port.call()
    await caller.send(request(first="GET /slow HTTP/1.1") + GET)
    await until(lambda: bool(port.seen))
    caller.vanish()
    await until(lambda: port.open == 0)
    port.go_on.set()
    await until(lambda: port.done == ["/slow"])
    assert len(port.seen) == 1


async def test_a_bug_met_in_reading_ends_that_connection_alone(port: Port) -> None:
    """What came in the same turn of the event loop is read nevertheless."""
    first = await port.call()
    await until(lambda: port.open == 1)
    (broken,) = port.listener._all()
    second = await port.call()
    await until(lambda: port.open == 2)
    broken._reader = cast("Any", None)
    with capture_logs() as said:
        first.writer.write(GET)
        assert (await second.ask(GET)).status == 200
        assert await first.rest() == b""
    assert [each["event"] for each in said] == ["request_failed"]
