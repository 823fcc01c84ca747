"""Cores of both protocols for the contract suite: how each is set up, and the payment they are asked to book."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any, Final

from pydantic import TypeAdapter

from adapters.core import Core, Delivery
from adapters.cores import CoreSettings, open_core
from adapters.payment import Payment

SETTINGS: Final[TypeAdapter[Any]] = TypeAdapter(CoreSettings)

PROTOCOLS: Final[dict[str, dict[str, Any]]] = {
    "osmp": {
        "protocol": "osmp",
        "status_command": "status",
        "status_codes": {"79": {"means": "not_found"}},
        "cancel_command": "cancel",
        "check_is_safe_probe": True,
        "probe_account": "1001",
        "codes": {"999": {"means": "unknown"}},
    },
    "json": {"protocol": "json"},
}
"""What each protocol needs to speak with the scripted core, beside its address and level."""

PATHS: Final = {"osmp": "/osmp", "json": ""}

PAYMENT: Final = Payment(
    channel="kiosk", key="k-1", account="79001234567", amount=1045, currency="RUB", channel_time="20260115235959"
)
ID: Final = "019bc379-0ae0-7000-8000-0000000000a1"
NUMBER: Final = 140_737_488_355_329

PATIENCE_S: Final = 1.5
"""What an attempt gets at a core that may never answer: more than any that answers takes on a busy machine."""

Handler = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Coroutine[Any, Any, None]]


def core_of(protocol: str, url: str, **more: Any) -> Core:
    """A core of this protocol at this server; `more` are settings."""
    table = PROTOCOLS[protocol] | {"url": url + PATHS[protocol], "level": "A"} | more
    return open_core("billing", SETTINGS.validate_python(table))


def delivery_of(
    core: Core,
    payment: Payment = PAYMENT,
    *,
    attempt: int = 1,
    number: int = NUMBER,
    id: str = ID,  # noqa: A002 - the field's word
) -> Delivery:
    """One attempt to deliver `payment`."""
    return Delivery(
        number=number,
        id=id,
        attempt=attempt,
        wire=core.prepare(payment, number, id),
        account=payment.account,
        amount=payment.amount,
        currency=payment.currency,
    )


@contextlib.asynccontextmanager
async def raw_server(handler: Handler, tls: Any = None) -> AsyncIterator[int]:
    """A server that does what `handler` does with each connection; gives its port."""
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with contextlib.suppress(ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            await handler(reader, writer)
        with contextlib.suppress(ConnectionError):
            writer.close()
        tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        for task in tasks:
            task.cancel()
        server.close()
        await asyncio.gather(*tasks, return_exceptions=True)


async def read_request(reader: asyncio.StreamReader) -> bytes:
    """The head of a request and as much of a body as it announces."""
    head = await reader.readuntil(b"\r\n\r\n")
    lengths = [line.partition(b":")[2] for line in head.lower().split(b"\r\n") if line.startswith(b"content-length")]
    return head + await reader.readexactly(int(lengths[0]) if lengths else 0)


def saying(answer: bytes) -> Handler:
    """A handler that reads one request, writes `answer` and closes."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(answer)
        await writer.drain()

    return handle


def http(status: str, body: bytes = b"", *headers: str) -> bytes:
    """An HTTP answer."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body
