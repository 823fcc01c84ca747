"""The payments' listener over TLS: the same requests, and handshakes that go nowhere."""

import asyncio
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from gateway.http.listener import PARTING_S
from gateway.http.settings import TlsSettings
from gateway.http.tls import HANDSHAKES_MAX, server_context
from tests.integration.port import GET, Port, certificate, opened, until


@pytest.fixture
def files(tmp_path: Path) -> TlsSettings:
    """A certificate."""
    cert_file, key_file = certificate(tmp_path)
    return TlsSettings(cert_file=cert_file, key_file=key_file)


@pytest.fixture
async def port(files: TlsSettings) -> AsyncIterator[Port]:
    """A listener that speaks TLS."""
    async with opened(tls=files, body_bytes_max=1_024) as port:
        yield port


@pytest.fixture
def trust(files: TlsSettings) -> ssl.SSLContext:
    """A client that knows it."""
    return ssl.create_default_context(cafile=str(files.cert_file))


async def test_requests_come_over_tls(port: Port, trust: ssl.SSLContext) -> None:
    """One after the other, and at once."""
    caller = await port.call(ssl=trust, server_hostname="localhost")
    assert (await caller.ask(GET)).status == 200
    await caller.send(GET * 2_000)
    assert {(await caller.answer()).status for _ in range(2_000)} == {200}


async def test_old_protocols_are_refused(port: Port, files: TlsSettings, trust: ssl.SSLContext) -> None:
    """Below TLS 1.2 nothing is private; whatever the machine's own OpenSSL would still allow."""
    context = server_context(files)
    assert context is not None
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    trust.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    with pytest.warns(DeprecationWarning, match="TLS"):
        trust.maximum_version = ssl.TLSVersion.TLSv1_1
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await port.call(ssl=trust, server_hostname="localhost")
    assert port.open == 0


@pytest.mark.parametrize("sent", [GET, b"\x16\x03\x01\x00\x05hello", bytes(300)], ids=["plain", "broken", "zeros"])
async def test_a_bad_handshake_does_no_harm(port: Port, trust: ssl.SSLContext, sent: bytes) -> None:
    """It ends, nothing is counted as a connection, and the next is served."""
    stranger = await port.call()
    await stranger.send(sent)
    assert b"HTTP" not in await stranger.rest()
    assert port.open == 0
    assert (await (await port.call(ssl=trust, server_hostname="localhost")).ask(GET)).status == 200


async def test_handshakes_that_go_nowhere_are_few(port: Port, trust: ssl.SSLContext) -> None:
    """One more than there may be ends the oldest, so that who does shake hands gets in."""
    door = port.listener._tls
    assert door is not None
    silent = [await port.call() for _ in range(HANDSHAKES_MAX)]
    await until(lambda: door.shaking == HANDSHAKES_MAX)
    caller = await port.call(ssl=trust, server_hostname="localhost")
    assert (await caller.ask(GET)).status == 200
    assert await silent[0].rest() == b""
    assert door.shaking < HANDSHAKES_MAX


async def test_who_is_refused_over_tls_reads_why(port: Port, trust: ssl.SSLContext) -> None:
    """Then he has the time of a farewell."""
    caller = await port.call(ssl=trust, server_hostname="localhost")
    caller.writer.write(b"POST /a HTTP/1.1\r\nHost: h\r\nContent-Length: 99999999\r\n\r\n" + bytes(100_000))
    assert (await caller.answer()).status == 413
    await port.phase("PARTING")
    await port.pass_time(PARTING_S + 1)
    await until(lambda: port.open == 0)


async def test_stopping_ends_handshakes_and_connections(port: Port, trust: ssl.SSLContext) -> None:
    """Whoever is in the middle of one is let go."""
    silent = await port.call()
    idle = await port.call(ssl=trust, server_hostname="localhost")
    await idle.ask(GET)
    async with asyncio.timeout(20):
        await port.listener.stop()
    assert await silent.rest() == b""
    assert port.open == 0
