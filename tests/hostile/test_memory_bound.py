"""What strangers can make the service keep in memory, and that it serves at once when they are gone: a real process.

`CONNECTIONS` of them, without any credentials. Each may be kept a body and its copy, a buffer of answers and one more
answer, and what the system received: 320 KiB with today's limits. All of a service's 1024 connections together come to
330 MiB then, whatever they send.
"""

import asyncio
import contextlib
import fcntl
import re
import sys
import termios
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Final

import pytest

from gateway.demo.actor import execute
from gateway.demo.scene import CorePart
from gateway.http.buffers import RECEIVED_BYTES
from gateway.http.connection import WRITE_BUFFER_MAX
from gateway.http.settings import ChannelListenerSettings
from tests.acceptance.stage import WAIT_S, Stage, staged
from tests.hostile.shapes import json_pay, request

pytestmark = pytest.mark.process

CORE: Final = "billing"
CONNECTIONS: Final = 300
BODY_MAX: Final = ChannelListenerSettings().body_bytes_max
PER_CONNECTION: Final = 2 * BODY_MAX + 2 * WRITE_BUFFER_MAX + 2 * RECEIVED_BYTES
AIR: Final = 16 * 2**20
"""For what isn't a connection's, and for holes between what is."""

LARGE: Final = json_pay("thief", body=b" " * BODY_MAX)
DOCUMENT: Final = request("GET /v1/openapi.json HTTP/1.1")
HEAD: Final = b"POST /v1/payments HTTP/1.1\r\nHost: h\r\n"
LOOKS: Final = 8

ATTACKS: Final = {
    "idle": b"",
    "a long line": HEAD + b"X: " + b"a" * 8_000,
    "many lines": HEAD + b"".join(b"X%d: %s\r\n" % (each, b"a" * 110) for each in range(60)),
    "many lines we keep": HEAD + (b"Authorization: " + b"a" * 110 + b"\r\n") * 60,
    "a body but for its last byte": LARGE[:-1],
    "a body in bytes": json_pay("thief", "Transfer-Encoding: chunked", body=b"1\r\nx\r\n" * 8_000),
    "bodies behind each other": LARGE * 20,
    "answers nobody reads": DOCUMENT * 12,
    "a key for each request": b"".join(
        json_pay(f"thief-{each}", f"Authorization: Bearer {each}") for each in range(80)
    ),
}
"""What each sends before it falls silent; none reads an answer."""


def figure(stage: Stage, name: str) -> int:
    """Bytes the service has in memory: VmRSS now, VmHWM at most since it was last asked to forget."""
    status = Path(f"/proc/{_pid(stage)}/status").read_text(encoding="ascii")
    found = re.search(rf"^{name}:\s*([0-9]+) kB$", status, re.MULTILINE)
    assert found is not None
    return int(found[1]) * 1_024


def rested(stage: Stage) -> int:
    """What it has in memory at rest; from here on the most is counted anew, for starting takes more."""
    Path(f"/proc/{_pid(stage)}/clear_refs").write_text("5", encoding="ascii")
    return figure(stage, "VmRSS")


def _pid(stage: Stage) -> int:
    """The service's process, as its lock file has it."""
    found = stage.scene.folder.joinpath("spool/nightsafe.db.lock").read_text(encoding="utf-8").split()
    return next(int(word) for word in found if word.isdecimal())


@contextlib.asynccontextmanager
async def crowd(port: int, count: int) -> AsyncGenerator[list[asyncio.StreamWriter]]:
    """So many connections that read nothing; reset in the end."""
    writers = list[asyncio.StreamWriter]()
    try:
        for _ in range(count):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.transport.pause_reading()  # type: ignore[attr-defined] # a socket's transport can
            writers.append(writer)
        yield writers
    finally:
        for writer in writers:
            writer.transport.abort()


async def served(port: int) -> bytes:
    """What somebody new is answered."""
    async with asyncio.timeout(WAIT_S):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(json_pay("thief"))
        answer = await reader.readuntil(b" ")
        status = await reader.readexactly(3)
        writer.close()
        return answer + status


async def taken(stage: Stage, writers: list[asyncio.StreamWriter]) -> None:
    """Wait until the service takes no more: what is left to send stays the same while it answers `LOOKS` newcomers."""
    looks = list[int]()
    while len(looks) < LOOKS or len(set(looks[-LOOKS:])) > 1:
        await served(stage.scene.port)
        looks.append(sum(_left(writer) for writer in writers))


def _left(writer: asyncio.StreamWriter) -> int:
    """Bytes that have not arrived: with us, and in the system's queue."""
    end = writer.get_extra_info("socket")
    queued = int.from_bytes(fcntl.ioctl(end.fileno(), termios.TIOCOUTQ, bytes(4)), sys.byteorder)
    return writer.transport.get_write_buffer_size() + queued


@pytest.mark.parametrize("sent", ATTACKS.values(), ids=ATTACKS)
async def test_strangers_have_their_bounded_share_of_memory(tmp_path: Path, sent: bytes) -> None:
    """Three hundred at once; while they stay and when they have gone, whoever is new is answered."""
    async with staged(tmp_path, [CorePart(name=CORE)], spawn=execute) as stage:
        port = stage.scene.port
        for _ in range(50):
            await served(port)
        resting = rested(stage)
        async with crowd(port, CONNECTIONS) as writers:
            for writer in writers:
                writer.write(sent)
            await taken(stage, writers)
            during = await served(port)
        after = await served(port)
        grown = figure(stage, "VmHWM") - resting
        verified = await stage.verify()
    assert (during, after) == (b"HTTP/1.1 401", b"HTTP/1.1 401")
    assert grown < CONNECTIONS * PER_CONNECTION + AIR
    assert verified["ok"]
    assert stage.blunders() == []
