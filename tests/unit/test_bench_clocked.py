"""The load that comes by the clock: whole answers, shares of waits, requests as the API wants them."""

import contextlib
import json
import socketserver
import threading
from collections.abc import Generator
from typing import ClassVar

import pytest

from bench.clocked import Generator as Load
from bench.clocked import Make, calls, payments, share, whole
from bench.rig import Trouble


class Answering(socketserver.BaseRequestHandler):
    """Says yes to every first payment and no to every second, over a connection that is kept."""

    answers: ClassVar = (
        b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 503 Unavailable\r\nContent-Length: 2\r\n\r\n{}",
    )

    def handle(self) -> None:
        """Answer until the other end hangs up."""
        number = 0
        while self.request.recv(65536):
            self.request.sendall(self.answers[number % 2])
            number += 1


class Silent(socketserver.BaseRequestHandler):
    """Hangs up on whatever it is sent."""

    def handle(self) -> None:
        """Read it, say nothing."""
        self.request.recv(65536)


class Threads(socketserver.ThreadingTCPServer):
    """Ends with its connections."""

    daemon_threads = False
    block_on_close = True


@contextlib.contextmanager
def listening(handler: type[socketserver.BaseRequestHandler]) -> Generator[int]:
    """The port of a real server."""
    with Threads(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.parametrize(
    ("got", "status"),
    [
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{}", 202),
        (b"HTTP/1.1 503 Unavailable\r\ncontent-length:0\r\n\r\n", 503),
        (b"HTTP/1.1 204 No Content\r\nServer: x\r\n\r\n", 204),
        (b"HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n{", 0),
        (b"HTTP/1.1 202 Accepted\r\nContent-Le", 0),
        (b"", 0),
    ],
)
def test_an_answer_counts_once_it_is_whole(got: bytes, status: int) -> None:
    """A wait ends with the last byte."""
    assert whole(got) == status


@pytest.mark.parametrize(("part", "value"), [(0.5, 50), (0.99, 99), (0.999, 99), (0.0, 0)])
def test_a_share_is_a_value_that_was_seen(part: float, value: float) -> None:
    """No averaging between two waits."""
    assert share([float(each) for each in range(100)], part) == value


def test_a_share_of_none_is_nothing() -> None:
    """A run so short that all waited for a connection has no lateness."""
    assert share([], 0.99) == 0


def test_every_payment_by_the_clock_is_answered_and_counted() -> None:
    """None is left out of the waits, refusals among them."""
    with listening(Answering) as port:
        load = Load(port, payments("/v1/payments", "token"), connections=1)
        seen = load.run(per_s=1000, seconds=0.02)
        load.close()
    assert (seen.payments, seen.failed) == (20, 10)


def test_one_by_one_asks_as_often_as_told() -> None:
    """Each after the answer to the last."""
    with listening(Answering) as port:
        load = Load(port, calls(), connections=1)
        seen = load.one_by_one(6)
        load.close()
    assert (seen.payments, seen.failed) == (6, 3)


def test_a_server_that_hangs_up_is_trouble() -> None:
    """A wait without an end is no wait."""
    with listening(Silent) as port:
        load = Load(port, calls(), connections=1)
        with pytest.raises(Trouble, match="closed a connection"):
            load.one_by_one(1)
        load.close()


@pytest.mark.parametrize("make", [payments("/v1/payments", "token"), calls()], ids=["payment", "call"])
def test_a_request_is_whole_and_its_key_is_new(make: Make) -> None:
    """A key used twice would be answered from memory."""
    first, second = make(), make()
    head, _, body = first.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert json.loads(body)["currency"] == "RUB"
    assert first != second
