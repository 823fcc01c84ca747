"""Nobody holds anything of the payments' listener for long, nor keeps others out: time, places, memory, and its end."""

import asyncio
import socket
from collections.abc import Callable
from typing import Final, cast

import pytest
from structlog.testing import capture_logs

from gateway.http.connection import WRITE_BUFFER_MAX, Connection
from gateway.http.listener import PARTING_S, TURNED_AWAY_MAX, _share
from gateway.http.reading import CODING_MAX, HEAD_BYTES_MAX
from tests.integration.port import GET, Caller, Port, opened, until

SLOW: Final = b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"
BODY: Final = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\n"
CHUNKED: Final = b"POST /a HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
PIECE: Final = 1_000
ENDLESS: Final = 1_000_000


async def in_hand(port: Port, caller: Caller) -> None:
    """Have a request of this caller begun and not ended."""
    count = len(port.seen)
    await caller.send(SLOW)
    await until(lambda: len(port.seen) > count)


# Time


@pytest.mark.parametrize(("sent", "phase"), [(b"GET /a HT", "HEAD"), (GET[:-2], "HEAD"), (BODY + b"12345678", "BODY")])
async def test_what_is_begun_and_not_ended_is_ended(sent: bytes, phase: str) -> None:
    """A head and a body have their time, counted from their beginning, not from their last byte."""
    async with opened(head_timeout_s=5, body_timeout_s=5) as port:
        caller = await port.call()
        await caller.send(sent[:-1])
        await port.phase(phase)
        await port.pass_time(4)
        await caller.send(sent[-1:])
        assert port.phases == [phase]
        await port.pass_time(2)
        assert (await caller.answer()).status == 408
        assert await caller.rest() == b""
        assert port.unfit == [f"{phase.lower()}_time"]


async def test_hundreds_who_drip_are_ended_and_harm_nobody() -> None:
    """Slowloris: 300 heads of which each gets a line now and then."""
    async with opened(head_timeout_s=5) as port:
        callers = await port.calls(300)
        for caller in callers:
            caller.writer.write(b"GET /a HTTP/1.1\r\nHost: h\r\n")
        await port.phase(*["HEAD"] * 300)
        await port.pass_time(4)
        for caller in callers:
            caller.writer.write(b"X: y\r\n")
        assert (await (await port.call()).ask(GET)).status == 200
        await port.pass_time(2)
        assert [(await caller.answer()).status for caller in callers] == [408] * 300
        assert [await caller.rest() for caller in callers] == [b""] * 300


async def test_an_idle_connection_is_closed() -> None:
    """Before its first request and after its last, in silence."""
    async with opened(keepalive_s=10) as port:
        silent, satisfied = await port.call(), await port.call()
        await satisfied.ask(GET)
        await port.phase("IDLE", "IDLE")
        await port.pass_time(9)
        assert port.phases == ["IDLE", "IDLE"]
        await port.pass_time(2)
        assert (await silent.rest(), await satisfied.rest()) == (b"", b"")
        assert port.unfit == []


async def test_a_request_in_hand_has_all_the_time_it_takes() -> None:
    """What a channel may wait is the channel's matter, not the listener's."""
    async with opened(keepalive_s=10) as port:
        caller = await port.call()
        await in_hand(port, caller)
        await port.pass_time(1_000)
        port.go_on.set()
        assert (await caller.answer()).status == 200


async def test_nobody_is_blamed_for_what_we_do_not_read() -> None:
    """While eight requests of a client wait, the head of its next may stay as it is."""
    async with opened(head_timeout_s=5) as port:
        caller = await port.call()
        await caller.send(SLOW + GET * 8 + GET[:-2])
        (connection,) = await _one(port)
        await until(lambda: connection._is_reading_paused)
        await port.pass_time(1_000)
        port.go_on.set()
        assert [(await caller.answer()).status for _ in range(9)] == [200] * 9
        await port.pass_time(4)
        assert (await caller.ask(GET[-2:])).status == 200


async def _one(port: Port) -> list[Connection]:
    await until(lambda: port.open == 1)
    return port.listener._all()


async def test_who_takes_no_answers_is_let_go() -> None:
    """Its answers are not made before it takes some: no more than a buffer's worth of them is in memory."""
    async with opened(body_timeout_s=5) as port:
        caller = await _deaf(port)
        caller.writer.write(b"GET /a?50000 HTTP/1.1\r\nHost: h\r\n\r\n" * 2_000)
        (connection,) = await _one(port)
        await until(lambda: connection._is_stuck)
        taken = len(port.seen)
        assert _buffered(connection) < WRITE_BUFFER_MAX + 60_000
        await port.pass_time(4)
        await asyncio.sleep(0)
        assert (port.open, len(port.seen)) == (1, taken)
        await port.pass_time(2)
        await until(lambda: port.open == 0)


async def test_for_who_left_without_taking_answers_nothing_more_is_begun() -> None:
    """What waits behind an answer nobody took is asked again by whoever still wants it."""
    async with opened() as port:
        caller = await _deaf(port)
        caller.writer.write(b"GET /a?50000 HTTP/1.1\r\nHost: h\r\n\r\n" * 2_000)
        (connection,) = await _one(port)
        await until(lambda: connection._is_stuck)
        taken = len(port.seen)
        caller.vanish()
        await until(connection._rests)
        assert len(port.seen) == taken


def _buffered(connection: Connection) -> int:
    assert connection._transport is not None
    return connection._transport.get_write_buffer_size()


async def _deaf(port: Port) -> Caller:
    """A client with a small ear, who doesn't listen."""
    ear = socket.socket()
    ear.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4_096)
    ear.setblocking(False)
    await asyncio.get_running_loop().sock_connect(ear, ("127.0.0.1", port.listener.port))
    caller = Caller(*await asyncio.open_connection(sock=ear))
    port.callers.append(caller)
    cast("asyncio.Transport", caller.writer.transport).pause_reading()
    return caller


async def test_the_last_answer_is_not_waited_for_for_ever() -> None:
    """A client that was told that we end, and doesn't take it, has the time of a farewell."""
    async with opened(body_timeout_s=100) as port:
        caller = await _deaf(port)
        caller.writer.write(b"GET /a?9000000 HTTP/1.0\r\n\r\n")
        await port.phase("PARTING")
        assert port.open == 1
        await port.pass_time(PARTING_S + 1)
        await until(lambda: port.open == 0)


async def test_who_is_refused_may_read_why_though_he_still_sends() -> None:
    """To close on him would reset what he was told; he has the time of a farewell, and what he sends is dropped."""
    async with opened(body_bytes_max=1_024) as port:
        caller = await port.call()
        caller.writer.write(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n" + bytes(500_000))
        assert (await caller.answer()).status == 413
        caller.writer.write(bytes(500_000))
        await port.phase("PARTING")
        await port.pass_time(PARTING_S + 1)
        await until(lambda: port.open == 0)


# Size


@pytest.mark.parametrize(
    ("begin", "piece", "status", "most"),
    [
        (b"GET /a HTTP/1.1\r\nHost: h\r\nX: ", b"x" * PIECE, 431, HEAD_BYTES_MAX),
        (b"GET /a HTTP/1.1\r\nHost: h\r\nX", b"x" * PIECE, 431, HEAD_BYTES_MAX),
        (b"GET /", b"x" * PIECE, 431, HEAD_BYTES_MAX),
        (b"", b"\r\n" * PIECE, 431, HEAD_BYTES_MAX),
        (CHUNKED, b"1;" + b"x" * PIECE + b"\r\nx\r\n", 400, HEAD_BYTES_MAX + CODING_MAX * 1_024),
        (CHUNKED + b"1;", b"x" * PIECE, 400, HEAD_BYTES_MAX),
        (CHUNKED + b"1\r\nx\r\n0\r\nX: ", b"x" * PIECE, 400, HEAD_BYTES_MAX + CODING_MAX),
        (CHUNKED + b"0\r\nX", b"x" * PIECE, 400, HEAD_BYTES_MAX),
    ],
    ids=["value", "name", "target", "lines before", "extensions", "one extension", "trailer", "trailer's name"],
)
async def test_what_has_no_end_is_ended(begin: bytes, piece: bytes, status: int, most: int) -> None:
    """Each piece counts as it comes; nothing of it need be whole."""
    async with opened(body_bytes_max=1_024) as port:
        caller = await port.call()
        (connection,) = await _one(port)

        def feed(data: bytes) -> None:
            connection.data_received(data)
            connection.read_up()

        sent = _fed(feed, begin, piece, lambda: bool(port.unfit))
        assert sent <= most + 2 * len(piece)
        assert (await caller.answer()).status == status


def _fed(feed: Callable[[bytes], None], begin: bytes, piece: bytes, is_over: Callable[[], bool]) -> int:
    feed(begin)
    sent = 0
    while not is_over() and sent < ENDLESS:
        feed(piece)
        sent += len(piece)
    return sent


async def test_a_page_of_requests_and_a_dripped_head_are_no_fault() -> None:
    """What ends in a piece is not counted against what begins in it."""
    async with opened() as port:
        caller = await port.call()
        (connection,) = await _one(port)
        connection.data_received(GET * 140 + GET[:-2] + b"X: ")
        for _ in range(6):
            connection.data_received(b"x" * PIECE)
        connection.data_received(b"\r\n\r\n")
        assert [(await caller.answer()).status for _ in range(141)] == [200] * 141


async def test_a_body_in_the_smallest_chunks_is_taken() -> None:
    """Six bytes for one."""
    async with opened(body_bytes_max=65_536) as port:
        caller = await port.call()
        caller.writer.write(CHUNKED + b"1\r\nx\r\n" * 65_536 + b"0\r\n\r\n")
        assert (await caller.answer()).body == b"POST /a " + b"x" * 65_536


# Places


async def test_the_longest_idle_makes_room() -> None:
    """For whoever comes when all places are taken; whoever's request is in hand stays."""
    async with opened(connections_max=3) as port:
        busy, oldest, newer = await port.calls(3)
        await in_hand(port, busy)
        await port.pass_time(1)
        await newer.ask(GET)
        await port.phase("ANSWER", "IDLE", "IDLE")
        newest = await port.call()
        assert (await newest.ask(GET)).status == 200
        assert await oldest.rest() == b""
        assert (await newer.ask(GET)).status == 200
        port.go_on.set()
        assert (await busy.answer()).status == 200


async def test_where_nobody_is_idle_the_next_is_turned_away() -> None:
    """Told to come again, which is counted."""
    async with opened(connections_max=2) as port:
        first, second = await port.calls(2)
        await in_hand(port, first)
        await in_hand(port, second)
        await port.pass_time(1)
        told = await (await port.call()).answer()
        assert (told.status, told.headers["Retry-After"]) == (503, "1")
        assert port.unfit == ["connections"]
        port.go_on.set()
        assert (await first.answer()).status == 200
        await port.pass_time(1)
        assert (await (await port.call()).ask(GET)).status == 200


async def test_one_address_has_its_share() -> None:
    """And takes nobody else's place with what it has no place for."""
    async with opened(connections_max=3, connections_per_address_max=2) as port:
        first, second = await port.calls(2)
        for _ in range(3):
            assert (await (await port.call()).answer()).status == 503
        other = await port.call(local_addr=("127.0.0.2", 0))
        assert [(await caller.ask(GET)).status for caller in (first, second, other)] == [200] * 3


async def test_those_turned_away_are_few() -> None:
    """Who only wants to be many is let go without a farewell."""
    async with opened(connections_max=1, connections_per_address_max=1) as port:
        kept = await port.call()
        await port.phase("IDLE")
        for _ in range(TURNED_AWAY_MAX + 10):
            await (await port.call()).answer()
        assert port.open <= 1 + TURNED_AWAY_MAX
        assert (await kept.ask(GET)).status == 200


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:0:1::1", "2001:db8:0:1:ffff::2", True),
        ("2001:db8:0:1::1", "2001:db8:0:2::1", False),
        ("fe80::1%eth0", "fe80::2%eth0", True),
        ("", "", True),
    ],
)
def test_a_network_of_one_owner_has_one_share(one: str, other: str, same: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """In IPv6 everybody has a whole network of addresses."""
    assert (_share(one) == _share(other)) is same


# The end


async def test_stopping_closes_idle_connections_at_once() -> None:
    """And half a request is none."""
    async with opened() as port:
        idle, half = await port.calls(2)
        await half.send(BODY)
        await port.phase("BODY", "IDLE")
        await port.listener.stop()
        assert (await idle.rest(), await half.rest()) == (b"", b"")
        assert port.open == 0


async def test_stopping_waits_for_what_is_in_hand() -> None:
    """It is answered, and told that the connection ends; nothing new is taken."""
    async with opened() as port:
        caller = await port.call()
        await in_hand(port, caller)
        stopping = asyncio.create_task(port.listener.stop())
        await until(lambda: port.listener.stopping)
        port.go_on.set()
        told = await caller.answer()
        assert (told.status, told.headers["Connection"]) == (200, "close")
        assert await caller.rest() == b""
        await stopping
        with pytest.raises(OSError, match=r"refused|Connect call failed"):
            await port.call()


async def test_what_does_not_end_within_the_grace_is_cut_off() -> None:
    """A person waits for the stop; the payment is in doubt, and asked about at the next start."""
    async with opened(grace_s=0.0) as port:
        caller = await port.call()
        await in_hand(port, caller)
        with capture_logs() as said:
            await port.listener.stop()
        assert [(each["event"], each["count"]) for each in said] == [("requests_cut_off", 1)]
        assert await caller.rest() == b""
        assert port.done == []


async def test_it_can_start_again() -> None:
    """On whichever port it finds."""
    async with opened() as port:
        await port.listener.stop()
        await port.listener.stop()
        await port.listener.start()
        assert (await (await port.call()).ask(GET)).status == 200
