"""The service in this process with the network taken out: payments go in as bytes and come out as answers.

Started by `bench.instructions` under valgrind, which is told when to count. Each of the connections sends its next payment
when the last is answered, as `wrk` does; keys are random.
"""

import argparse
import asyncio
import gc
import os
import subprocess
import uuid
from pathlib import Path
from typing import Any, Final

from bench.installation import TOKEN, install
from bench.rig import dead_port
from bench.rounds import CONNECTIONS
from gateway.cli.serve import loop_factory
from gateway.clock import SystemClock
from gateway.config.load import load
from gateway.http.connection import Connection
from gateway.http.listener import Listener
from gateway.log import set_up
from gateway.service import Service

YES: Final = b"HTTP/1.1 202 "
CONTROL: Final = "callgrind_control"


class Wire(asyncio.Transport):
    """A connection whose client is the bench."""

    def __init__(self, crowd: "Crowd") -> None:
        """Answer to `crowd`."""
        super().__init__()
        self._crowd = crowd
        self.connection: Connection | None = None

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Nothing is buffered."""

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Where it comes from."""
        return ("127.0.0.1", 1) if name == "peername" else default

    def is_closing(self) -> bool:
        """Never, before the end."""
        return False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """An answer."""
        self._crowd.answered(self, bytes(data))


class Crowd:
    """All clients."""

    def __init__(self, requests: list[bytes], count_from: int, loop: asyncio.AbstractEventLoop) -> None:
        """Send these, and have the instructions counted after so many answers."""
        self._requests = iter(requests)
        self._loop = loop
        self._count_from = count_from
        self._last = len(requests) - CONNECTIONS
        self._answers = 0
        self.done: asyncio.Future[int] = loop.create_future()

    def begin(self, listener: Listener) -> None:
        """Connect, and send the first ones."""
        for _ in range(CONNECTIONS):
            wire = Wire(self)
            wire.connection = Connection(listener)
            wire.connection.connection_made(wire)
            self._send(wire)

    def answered(self, wire: Wire, data: bytes) -> None:
        """Count an answer, and send the next."""
        assert data.startswith(YES), data
        self._answers += 1
        if self._answers == self._count_from:
            control("on")
        if self._answers == self._last:
            control("off")
            self.done.set_result(self._last - self._count_from)
        elif self._answers < self._last:
            self._send(wire)

    def _send(self, wire: Wire) -> None:
        assert wire.connection is not None, "a wire has two ends"
        self._loop.call_soon(wire.connection.data_received, next(self._requests))


def control(state: str) -> None:
    """Have valgrind count, or not."""
    subprocess.run([CONTROL, "-i", state, str(os.getpid())], check=True, stdout=subprocess.DEVNULL)


def payment(serial: int) -> bytes:
    """One as `load.lua` sends it."""
    body = (
        f'{{"account":"7707{serial * 7919 % 10**6:06d}","amount":"{serial % 1499 + 1}.00","currency":"RUB",'
        '"service":"internet","time":"2026-01-15T12:00:00+05:00",'
        '"attributes":{"terminal":"T1001045","receipt":"000123456"}}'
    )
    head = (
        f"POST /v1/payments HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {TOKEN}\r\n"
        f"Idempotency-Key: {uuid.uuid4()}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return (head + body).encode()


async def drive(config: Path, payments: int) -> int:
    """Take so many payments; how many of them were counted."""
    service = Service(load(config), SystemClock())
    await service.start()
    gc.collect()
    gc.freeze()
    crowd = Crowd([payment(serial) for serial in range(payments)], payments // 4, asyncio.get_running_loop())
    crowd.begin(service.channel_listener)
    return await crowd.done


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(prog="python -m bench.counted", description=__doc__)
    parser.add_argument("--payments", type=int, required=True)
    parser.add_argument("--folder", type=Path, required=True)
    told = parser.parse_args()
    set_up("error", "text")
    with dead_port() as core, asyncio.Runner(loop_factory=loop_factory()) as runner:
        print("COUNTED", runner.run(drive(install(told.folder, core).config, told.payments)), flush=True)
        # To stop in good order takes minutes under valgrind, and is not what is counted.
        os._exit(0)


if __name__ == "__main__":
    main()
