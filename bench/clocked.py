"""Load that comes by the clock, not when answers come: payments fall due at a fixed rate, whatever the server does.

A wait is counted from when the payment fell due, not from when it could be sent (wrk2's correction for coordinated
omission): a server that stalls for a second is charged with everything due in that second. One thread, plain sockets and
`select`, whose time-outs are in microseconds (an event loop's are in milliseconds, which is more than is measured here).
How late payments left for want of the generator's own time is said beside the waits: where that is not far below them,
the figures are the generator's, not the server's.
"""

import gc
import random
import select
import socket
import time
import uuid
from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from bench.rig import Trouble

CONNECTIONS_MAX: Final = 256
"""More under way than that waits in line, and its wait goes on being counted."""

ANSWER_S_MAX: Final = 30.0

Make = Callable[[], bytes]
"""Makes a whole new request, ready to be sent."""


class Waits(msgspec.Struct, frozen=True, kw_only=True):
    """What was seen: waits from when a payment fell due to its whole answer, microseconds."""

    payments: int
    per_s: float
    p50_us: float
    p99_us: float
    p999_us: float
    max_us: float
    #: Answers that were no 2xx.
    failed: int
    #: How long payments whose connection was free stayed unsent: the generator's own part of the waits.
    late_p99_us: float


class Connection:
    """One keep-alive connection with at most one payment under way."""

    def __init__(self, port: int) -> None:
        """Connect."""
        self._socket = socket.create_connection(("127.0.0.1", port), ANSWER_S_MAX)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._got = b""
        self.due = 0.0

    def fileno(self) -> int:
        """For `select`."""
        return self._socket.fileno()

    def send(self, request: bytes, due: float) -> None:
        """Send a payment that fell due then."""
        self.due = due
        self._socket.sendall(request)

    def answered(self) -> int:
        """Take what has come: the status once the answer is whole, else nothing.

        Raises:
            Trouble: the server hung up.
        """
        some = self._socket.recv(65536)
        if not some:
            raise Trouble("the server closed a connection under a payment")
        self._got += some
        status = whole(self._got)
        if status:
            self._got = b""
        return status

    def close(self) -> None:
        """Hang up."""
        self._socket.close()


def whole(got: bytes) -> int:
    """The status of an answer with a Content-Length once all of it is there, else 0."""
    head, end, body = got.partition(b"\r\n\r\n")
    if not end:
        return 0
    _, _, rest = head.lower().partition(b"\r\ncontent-length:")
    length = int(rest.partition(b"\r\n")[0] or 0)
    return int(head[9:12]) if len(body) >= length else 0


class Generator:
    """Sends payments by the clock and keeps how long each waited."""

    def __init__(self, port: int, make: Make, connections: int = CONNECTIONS_MAX) -> None:
        """To a server, over so many connections made beforehand."""
        self._make = make
        self._free = deque(Connection(port) for _ in range(connections))
        self._busy: set[Connection] = set()
        self._waits: list[float] = []
        self._late: list[float] = []
        self._failed = 0

    def run(self, per_s: float, seconds: float) -> Waits:
        """Send at this rate for so long, wait for every answer."""
        gc.disable()
        self._waits, self._late, self._failed = [], [], 0
        gap, began = 1 / per_s, time.perf_counter()
        count = int(per_s * seconds)
        for number in range(count):
            request, due = self._make(), began + number * gap
            self._until(due)
            stuck = not self._free
            while not self._free:
                self._take(ANSWER_S_MAX)
            if not stuck:
                self._late.append(time.perf_counter() - due)
            self._send(request, due)
        while self._busy:
            self._take(ANSWER_S_MAX)
        gc.enable()
        return self._seen(time.perf_counter() - began)

    def one_by_one(self, count: int) -> Waits:
        """Send the next when the last is answered, over one connection: the bare time of a call."""
        self._waits, self._late, self._failed = [], [0.0], 0
        began = time.perf_counter()
        for _ in range(count):
            request = self._make()
            self._send(request, time.perf_counter())
            while self._busy:
                self._take(ANSWER_S_MAX)
        return self._seen(time.perf_counter() - began)

    def close(self) -> None:
        """Hang up everywhere."""
        for connection in (*self._free, *self._busy):
            connection.close()

    def _until(self, due: float) -> None:
        """Take answers until a payment falls due."""
        while (left := due - time.perf_counter()) > 0:
            self._take(left)

    def _take(self, seconds: float) -> None:
        """Take what answers come, for so long at most; back after the first."""
        ready, _, _ = select.select(self._busy, (), (), seconds)
        if not ready and seconds == ANSWER_S_MAX:
            raise Trouble(f"no answer within {ANSWER_S_MAX:.0f} s")
        for connection in ready:
            status = connection.answered()
            if status:
                self._waits.append(time.perf_counter() - connection.due)
                self._failed += not 200 <= status < 300
                self._busy.discard(connection)
                self._free.append(connection)

    def _send(self, request: bytes, due: float) -> None:
        connection = self._free.popleft()
        self._busy.add(connection)
        connection.send(request, due)

    def _seen(self, seconds: float) -> Waits:
        waits, late = sorted(self._waits), sorted(self._late)
        return Waits(
            payments=len(waits),
            per_s=len(waits) / seconds,
            p50_us=share(waits, 0.5) * 1e6,
            p99_us=share(waits, 0.99) * 1e6,
            p999_us=share(waits, 0.999) * 1e6,
            max_us=waits[-1] * 1e6,
            failed=self._failed,
            late_p99_us=share(late, 0.99) * 1e6,
        )


def share(ascending: Sequence[float], part: float) -> float:
    """The value that this part of them don't exceed; 0 of none."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * part))] if ascending else 0.0


def payments(path: str, token: str) -> Make:
    """New payments as `load.lua` makes them: every field of the API, random keys, a million accounts."""
    draw = random.Random(time.time_ns())  # noqa: S311 - accounts and keys, no secrets

    def make() -> bytes:
        body = (
            f'{{"account":"7707{draw.randrange(10**6):06d}","amount":"{draw.randrange(1, 1500)}.{draw.randrange(100):02d}",'
            '"currency":"RUB","service":"internet","time":"2026-01-15T12:00:00+05:00",'
            '"attributes":{"terminal":"T1001045","receipt":"000123456"}}'
        )
        return (
            f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {token}\r\n"
            f"Idempotency-Key: {uuid.UUID(int=draw.getrandbits(128), version=4)}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    return make


def calls() -> Make:
    """New payments as Nightsafe sends them to a core of the JSON API."""
    draw = random.Random(time.time_ns())  # noqa: S311 - accounts and keys, no secrets

    def make() -> bytes:
        key = uuid.UUID(int=draw.getrandbits(128), version=4)
        body = (
            f'{{"id":"{key}","account":"7707{draw.randrange(10**6):06d}","amount":"123.45","currency":"RUB",'
            '"service":"internet","paid_at":"2026-01-15T12:00:00.000000Z"}'
        )
        return (
            f"POST /payments HTTP/1.1\r\nHost: 127.0.0.1\r\nIdempotency-Key: {key}\r\n"
            f"Accept: application/json\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n{body}"
        ).encode()

    return make
