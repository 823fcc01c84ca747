"""What the system may hold for one connection, asked for at the listening socket, of which each connection has it.

Left alone, Linux lets both buffers grow to megabytes for whoever sends and doesn't listen; and what has been received is
read all at once. Nothing channels say or hear is larger than a few of these.
"""

import socket
from typing import Final

RECEIVED_BYTES: Final = 32_768
"""Of the receive buffer (Linux takes twice that), and so the most that is read at once."""

SENT_BYTES: Final = 65_536
"""Of the send buffer (Linux takes twice that)."""


def bound_buffers(end: socket.socket) -> None:
    """Bound the buffers of every connection to this listening socket."""
    end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVED_BYTES)
    end.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SENT_BYTES)
