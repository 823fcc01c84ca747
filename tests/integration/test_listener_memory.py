"""What one client can have in our memory: one large body, and a receive buffer's worth of what it sends behind."""

import socket
from typing import Final

from gateway.http.buffers import RECEIVED_BYTES, SENT_BYTES
from tests.integration.port import Port, opened, until

BODY_MAX: Final = 65_536
SLOW: Final = b"GET /slow HTTP/1.1\r\nHost: h\r\n\r\n"
LARGE: Final = b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: %d\r\n\r\n" % BODY_MAX + b"x" * BODY_MAX
COUNT: Final = 40


async def test_of_large_bodies_sent_ahead_one_is_in_memory() -> None:
    """Eight requests may wait; eight of the largest, of a thousand connections, would be half a gigabyte."""
    async with opened(body_bytes_max=BODY_MAX) as port:
        caller = await port.call()
        caller.writer.write(SLOW + LARGE * COUNT)
        await until(lambda: any(each._is_reading_paused for each in port.listener._connections))
        (connection,) = port.listener._connections
        assert len(connection._waiting) == 1
        assert len(connection._unread) <= 2 * RECEIVED_BYTES
        port.go_on.set()
        assert [(await caller.answer()).status for _ in range(COUNT + 1)] == [200] * (COUNT + 1)


async def test_a_connection_has_the_buffers_we_ask_for() -> None:
    """Left alone, Linux lets them grow to megabytes for each client that sends and doesn't listen."""
    async with opened() as port:
        await port.call()
        await until(lambda: port.open == 1)
        assert _buffers(port) == (2 * RECEIVED_BYTES, 2 * SENT_BYTES)


def _buffers(port: Port) -> tuple[int, int]:
    (connection,) = port.listener._connections
    assert connection._transport is not None
    end: socket.socket = connection._transport.get_extra_info("socket")
    return (
        end.getsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF),
        end.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF),
    )
