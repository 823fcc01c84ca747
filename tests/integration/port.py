"""A listener with a small handler, and somebody who speaks to it byte by byte."""

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from adapters.channel import Inbound, Reply
from gateway.clock import ManualClock
from gateway.http.connection import Asked
from gateway.http.listener import Listener
from gateway.http.settings import ChannelListenerSettings

WAIT_S: Final = 20.0
"""Whatever is waited for longer than that will not come."""

GET: Final = b"GET /a HTTP/1.1\r\nHost: h\r\n\r\n"


@dataclass(frozen=True)
class Heard:
    """One answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Caller:
    """A client's end of a connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Speak by these."""
        self.reader, self.writer = reader, writer

    async def send(self, data: bytes) -> None:
        """Write, and see it leave."""
        self.writer.write(data)
        await self.writer.drain()

    def end(self) -> None:
        """Send no more."""
        self.writer.write_eof()

    async def answer(self, *, bodiless: bool = False) -> Heard:
        """Read one answer."""
        async with asyncio.timeout(WAIT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
            headers = dict(line.split(": ", 1) for line in head[1:] if line)
            size = 0 if bodiless else int(headers.get("Content-Length", "0"))
            return Heard(int(head[0].split(" ")[1]), headers, await self.reader.readexactly(size))

    async def ask(self, data: bytes) -> Heard:
        """Send, and read one answer."""
        await self.send(data)
        return await self.answer()

    async def rest(self) -> bytes:
        """Whatever comes until the other side ends."""
        async with asyncio.timeout(WAIT_S):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def vanish(self) -> None:
        """Be gone, as a machine that was switched off and on."""
        end = self.writer.get_extra_info("socket")
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()

    async def leave(self) -> None:
        """Hang up."""
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@dataclass
class Port:
    """A listener, its clock, and what its handler saw."""

    clock: ManualClock
    #: Why something was refused, in order.
    unfit: list[str]
    listener: Listener = field(init=False)
    seen: list[Inbound] = field(default_factory=list)
    done: list[str] = field(default_factory=list)
    #: Lets requests to /slow go on.
    go_on: asyncio.Event = field(default_factory=asyncio.Event)
    callers: list[Caller] = field(default_factory=list)

    def handle(self, asked: Sequence[Asked]) -> None:
        """Have each answered by a task of its own."""
        for each in asked:
            each.run(self.answer(each.inbound))

    async def answer(self, inbound: Inbound) -> Reply:
        """Answer with what was asked; slowly, with a failure or with a bad header if the path says so."""
        self.seen.append(inbound)
        if inbound.path == "/fail":
            raise ValueError(inbound.body.decode("latin-1"))
        if inbound.path == "/slow":
            await self.go_on.wait()
        self.done.append(inbound.path)
        size = int(inbound.query or 0)
        said = f"{inbound.method} {inbound.path} ".encode() + inbound.body + b"." * size
        headers = {"Location": "a\r\nb"} if inbound.path == "/split" else {}
        return Reply(status=200, content_type="text/plain", body=said, headers=headers)

    async def call(self, **more: Any) -> Caller:
        """A new connection."""
        caller = Caller(*await asyncio.open_connection("127.0.0.1", self.listener.port, **more))
        self.callers.append(caller)
        return caller

    async def calls(self, count: int) -> list[Caller]:
        """New connections, one after the other, each known to the listener."""
        found = list[Caller]()
        for _ in range(count):
            found.append(await self.call())
            await until(lambda: self.open >= len(found))
        return found

    @property
    def open(self) -> int:
        """Connections there are."""
        return len(self.listener._all())

    @property
    def phases(self) -> list[str]:
        """What they wait for."""
        return sorted(each.phase.name for each in self.listener._all())

    async def phase(self, *names: str) -> None:
        """Wait until the connections stand so."""
        await until(lambda: self.phases == sorted(names))

    async def pass_time(self, seconds: float) -> None:
        """Let time go by, and make a round."""
        await self.clock.advance(seconds)
        self.listener.make_round()


async def until(holds: Callable[[], bool]) -> None:
    """Wait for it."""
    async with asyncio.timeout(WAIT_S):
        while not holds():  # noqa: ASYNC110 - it waits for what the listener does by itself, and tells nobody
            await asyncio.sleep(0)


@contextlib.asynccontextmanager
async def opened(grace_s: float = WAIT_S, **limits: Any) -> AsyncIterator[Port]:
    """A port that listens; when it has stopped, nothing of it is left."""
    clock, unfit = ManualClock(), list[str]()
    settings = ChannelListenerSettings(port=0, **limits)
    port = Port(clock, unfit)
    port.listener = Listener(settings, port.handle, clock=clock, on_unfit=unfit.append, grace_s=grace_s)
    listener = port.listener
    loop, tasks, complaints = asyncio.get_running_loop(), list[asyncio.Future[Any]](), list[str]()
    loop.set_task_factory(partial(_kept, tasks))
    loop.set_exception_handler(lambda _loop, context: complaints.append(context["message"]))
    await listener.start()
    try:
        yield port
        port.go_on.set()
    finally:
        await listener.stop()
        for caller in port.callers:
            await caller.leave()
        await until(lambda: asyncio.all_tasks() == {asyncio.current_task()})
        loop.set_task_factory(None)
        loop.set_exception_handler(None)
    assert not listener._all()
    assert not listener._by_peer
    assert [task for task in tasks if task.done() and not task.cancelled() and task.exception()] == []
    assert complaints == []


def _kept(tasks: list[asyncio.Future[Any]], loop: asyncio.AbstractEventLoop, coro: Any, **more: Any) -> Any:
    """A task that is looked at in the end: what fails in the background is otherwise told by the collector, or never."""
    task = asyncio.Task(coro, loop=loop, **more)
    tasks.append(task)
    return task


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate for localhost and its key, made for the occasion."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    begins = datetime(2020, 1, 1, tzinfo=UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=36_500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    cert_file, key_file = folder / "cert.pem", folder / "key.pem"
    cert_file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return cert_file, key_file
