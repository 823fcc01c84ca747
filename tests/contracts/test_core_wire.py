"""What every core adapter makes of a misbehaving network: servers that do one wrong thing, byte by byte."""

import asyncio
import contextlib
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from adapters.core import Core
from adapters.cores.leave import WITHHELD, may_leave
from adapters.outcome import Cause, Misconfigured, NotSent, Outcome, Unknown
from tests.contracts.core_examples import (
    PATIENCE_S,
    PROTOCOLS,
    core_of,
    delivery_of,
    http,
    raw_server,
    read_request,
    saying,
)

MakeCore = Callable[..., Core]


@pytest.fixture(params=PROTOCOLS)
async def make_core(request: pytest.FixtureRequest) -> AsyncIterator[MakeCore]:
    """Makes an adapter of every protocol in turn to a server on this machine; `more` are settings."""
    async with contextlib.AsyncExitStack() as stack:

        def make(port: int, host: str = "http://127.0.0.1", **more: Any) -> Core:
            core = core_of(request.param, f"{host}:{port}", **more)
            stack.push_async_callback(core.close)
            return core

        yield make


@pytest.fixture
def deaf_port() -> Iterator[int]:
    """A port whose queue is full: a connection to it is never made and never refused."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as deaf, contextlib.ExitStack() as stack:
        port = deaf.getsockname()[1]
        fillers = [stack.enter_context(socket.socket()) for _ in range(4)]
        for filler in fillers:
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", port))
        yield port


def certificate(folder: Path, *, name: str, days: int) -> tuple[Path, ssl.SSLContext]:
    """A self-signed certificate for `name` that ends `days` from now: its file, and a server's context with it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    end = dt.datetime.now(dt.UTC) + dt.timedelta(days=days)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(end - dt.timedelta(days=30))
        .not_valid_after(end)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    file, secret = folder / "cert.pem", folder / "key.pem"
    file.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    form = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, form, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, secret)
    return file, context


async def hold(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
    """Read and say nothing until the other side leaves."""
    await reader.read(-1)


class TestNeverSent:
    """The connection isn't there, so nothing was."""

    async def test_a_connection_that_is_never_made_is_not_sent(self, make_core: MakeCore, deaf_port: int) -> None:
        """A dead host drops packets and refuses nothing."""
        core = make_core(deaf_port, connect_timeout_s=0.1)
        outcome = await core.post(delivery_of(core), 5)
        assert isinstance(outcome, NotSent)
        assert outcome.cause is Cause.CONNECT_TIMEOUT

    async def test_it_is_not_sent_even_where_the_whole_time_is_shorter(
        self, make_core: MakeCore, deaf_port: int
    ) -> None:
        """A connection's time ends before the attempt's: some is left for the answer."""
        core = make_core(deaf_port, connect_timeout_s=30)
        assert isinstance(await core.post(delivery_of(core), PATIENCE_S), NotSent)

    async def test_an_unknown_name_is_not_sent(self, make_core: MakeCore) -> None:
        """RFC 6761 keeps .invalid from ever being one."""
        core = make_core(80, host="http://billing.invalid")
        outcome = await core.post(delivery_of(core), 5)
        assert isinstance(outcome, NotSent)
        assert outcome.cause is Cause.DNS

    async def test_a_name_that_can_be_no_name_is_not_sent(self, make_core: MakeCore) -> None:
        """The resolver raises something of its own for it."""
        core = make_core(80, host=f"http://{'a' * 70}.test")
        assert isinstance(await core.post(delivery_of(core), 5), NotSent)

    async def test_with_no_connection_free_it_is_not_sent(self, make_core: MakeCore) -> None:
        """A slow core fills the pool; the payments behind it never left."""
        arrived = asyncio.Event()

        async def take_in(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            arrived.set()
            await hold(reader, writer)

        async with raw_server(take_in) as port:
            core = make_core(port, connections_max=1, connect_timeout_s=0.1)
            first = asyncio.create_task(core.post(delivery_of(core), 0.5))
            await arrived.wait()
            second = await core.post(delivery_of(core), 0.4)
            assert isinstance(second, NotSent)
            assert isinstance(await first, Unknown)

    async def test_without_leave_right_before_the_bytes_it_is_not_sent(self, make_core: MakeCore) -> None:
        """A process that stood still meanwhile; the way is free for the next one, over a new connection or a kept one."""
        heard: list[bytes] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            while request := await read_request(reader):
                heard.append(request)
                writer.write(http("500 No"))

        async with raw_server(serve) as port:
            core = make_core(port, connections_max=1)
            outcomes = list[Outcome]()
            for leave in (False, True, False, False, True):
                before = may_leave.set(partial(bool, leave))
                outcomes.append(await core.post(delivery_of(core), 5))
                may_leave.reset(before)
        assert [outcome is WITHHELD for outcome in outcomes] == [True, False, True, True, False]
        assert len(heard) == 2

    async def test_with_no_time_left_it_is_not_sent(self, make_core: MakeCore) -> None:
        """A deadline that has passed while waiting."""
        core = make_core(9)
        assert isinstance(await core.post(delivery_of(core), 0), NotSent)


class TestTls:
    """A certificate that doesn't hold keeps payments from leaving."""

    async def test_a_good_certificate_of_our_own_ca_is_taken(self, make_core: MakeCore, tmp_path: Path) -> None:
        """With the name checked although the address is fixed."""
        file, context = certificate(tmp_path, name="billing.test", days=10)
        async with raw_server(saying(http("500 No")), context) as port:
            core = make_core(port, host="https://billing.test", tls_ca_file=file, addresses=["127.0.0.1"])
            outcome = await core.post(delivery_of(core), 5)
            assert isinstance(outcome, Unknown)
            assert outcome.cause is Cause.SERVER_ERROR

    async def test_a_connection_is_kept_for_the_next_payment(self, make_core: MakeCore, tmp_path: Path) -> None:
        """What TLS itself says in between (session tickets) is no reason to open another."""
        file, context = certificate(tmp_path, name="billing.test", days=10)
        served: list[int] = []

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            number = len(served)
            while True:
                served.append(number)
                await read_request(reader)
                writer.write(http("500 No"))

        async with raw_server(serve, context) as port:
            core = make_core(port, host="https://billing.test", tls_ca_file=file, addresses=["127.0.0.1"])
            for _ in range(4):
                await core.post(delivery_of(core), 5)
            assert served == [0] * 5

    @pytest.mark.parametrize(
        ("made", "trusted", "detail"),
        [
            (("billing.test", -1), ["tls_ca_file"], "certificate has expired"),
            (("other.test", 10), ["tls_ca_file"], "Hostname mismatch"),
            (("billing.test", 10), [], "self-signed certificate"),
        ],
    )
    async def test_a_bad_certificate_is_not_sent_and_says_why(
        self, make_core: MakeCore, tmp_path: Path, made: tuple[str, int], trusted: list[str], detail: str
    ) -> None:
        """Operators act on the words: renew, rename, trust."""
        file, context = certificate(tmp_path, name=made[0], days=made[1])
        trust = dict.fromkeys(trusted, file)
        async with raw_server(hold, context) as port:
            core = make_core(port, host="https://billing.test", addresses=["127.0.0.1"], **trust)
            outcome = await core.post(delivery_of(core), 5)
            assert isinstance(outcome, NotSent)
            assert outcome.cause is Cause.TLS
            assert detail in outcome.detail
            end = dt.datetime.now(dt.UTC) + dt.timedelta(days=made[1])
            assert f"CN={made[0]}, signed by CN={made[0]}, valid " in outcome.detail
            assert f"to {end:%Y-%m-}" in outcome.detail

    async def test_a_server_without_tls_is_not_sent(self, make_core: MakeCore) -> None:
        """Plain HTTP on the port: the handshake fails before a request is written."""

        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.write(http("400 Bad Request"))

        async with raw_server(greet) as port:
            core = make_core(port, host="https://127.0.0.1")
            outcome = await core.post(delivery_of(core), 5)
            assert isinstance(outcome, NotSent)
            assert outcome.cause is Cause.TLS

    async def test_a_handshake_that_hangs_is_not_sent(self, make_core: MakeCore) -> None:
        """It is part of the connection's time."""
        async with raw_server(hold) as port:
            core = make_core(port, host="https://127.0.0.1", connect_timeout_s=0.1)
            outcome = await core.post(delivery_of(core), 5)
            assert isinstance(outcome, NotSent)
            assert outcome.cause is Cause.CONNECT_TIMEOUT


CHUNKED = "Transfer-Encoding: chunked"


class TestSent:
    """Once a connection was handed over, the core may have read the payment."""

    @pytest.mark.parametrize(
        ("answer", "cause"),
        [
            (b"", Cause.RESET),
            (b"HTTP/1.1 2", Cause.RESET),
            (b"+OK POP3 server ready\r\n\r\n", Cause.UNREADABLE),
            (b"HTTP/1.1 200 OK\r\nContent-Length: nonsense\r\n\r\n", Cause.UNREADABLE),
            (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 20_000 + b"\r\n\r\n", Cause.UNREADABLE),
            (b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{", Cause.UNREADABLE),
            (f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\nzz\r\n".encode(), Cause.UNREADABLE),
            (f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n5\r\n<resp".encode(), Cause.UNREADABLE),
            (b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n<response><result>0", Cause.UNREADABLE),
            (http("200 OK"), Cause.UNREADABLE),
            (http("201 Created", b"{}"), Cause.UNREADABLE),
            (http("200 OK", b"\x1f\x8b\x08", "Content-Encoding: gzip"), Cause.UNREADABLE),
            (http("200 OK", b"x" * 65_537), Cause.UNREADABLE),
            (
                f"HTTP/1.1 200 OK\r\n{CHUNKED}\r\n\r\n11000\r\n".encode() + b" " * 0x11000 + b"\r\n0\r\n\r\n",
                Cause.UNREADABLE,
            ),
            (http("500 No"), Cause.SERVER_ERROR),
            (http("502 No"), Cause.SERVER_ERROR),
            (http("503 No", b"", "Retry-After: 3"), Cause.MAINTENANCE),
            (http("503 No"), Cause.SERVER_ERROR),
            (http("408 No"), Cause.ANSWER_TIMEOUT),
            (http("400 No"), Cause.CONTRACT),
        ],
    )
    async def test_an_answer_that_tells_nothing_is_unknown(
        self, make_core: MakeCore, answer: bytes, cause: Cause
    ) -> None:
        """Whatever a server writes: never posted, never refused, never not sent."""
        async with raw_server(saying(answer)) as port:
            core = make_core(port)
            outcome = await core.post(delivery_of(core), 5)
            assert isinstance(outcome, Unknown)
            assert outcome.cause is cause

    @pytest.mark.parametrize(
        "status", ["301 Moved", "302 Found", "307 Same", "404 None", "405 No", "401 Who", "403 No"]
    )
    async def test_a_wrong_door_or_password_is_a_fault_of_the_configuration(
        self, make_core: MakeCore, status: str
    ) -> None:
        """Every payment would get it; a redirect is never followed, as it would carry the payment elsewhere."""
        async with raw_server(saying(http(status, b"", "Location: http://127.0.0.1:9/"))) as port:
            core = make_core(port)
            assert isinstance(await core.post(delivery_of(core), 5), Misconfigured)

    async def test_a_body_that_never_ends_is_unknown_in_time(self, make_core: MakeCore) -> None:
        """The whole time covers the body too."""

        async def drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n<resp")
            await reader.read(-1)

        async with raw_server(drip) as port:
            core = make_core(port)
            outcome = await core.post(delivery_of(core), PATIENCE_S)
            assert isinstance(outcome, Unknown)
            assert outcome.cause is Cause.ANSWER_TIMEOUT

    async def test_a_payment_is_sent_once_per_attempt(self, make_core: MakeCore) -> None:
        """HTTP lets a client repeat a GET when a kept connection breaks; a payment must not be."""
        seen: list[bytes] = []

        async def one_answer_per_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await read_request(reader))
            writer.write(http("500 No"))
            seen.append(await read_request(reader))

        async with raw_server(one_answer_per_connection) as port:
            core = make_core(port)
            await core.post(delivery_of(core), 5)
            outcome = await core.post(delivery_of(core), 5)
            assert isinstance(outcome, Unknown)
            assert outcome.cause is Cause.RESET
            assert len(seen) == 2

    async def test_cancellation_is_passed_on(self, make_core: MakeCore) -> None:
        """It says nothing about the core, so it is no outcome."""
        arrived = asyncio.Event()

        async def tell(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            arrived.set()
            await reader.read(-1)

        async with raw_server(tell) as port:
            core = make_core(port)
            task = asyncio.create_task(core.post(delivery_of(core), 5))
            await arrived.wait()
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    async def test_closing_during_an_attempt_is_unknown(self, make_core: MakeCore) -> None:
        """It had left."""
        arrived = asyncio.Event()

        async def tell(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
            await read_request(reader)
            arrived.set()
            await reader.read(-1)

        async with raw_server(tell) as port:
            core = make_core(port)
            task = asyncio.create_task(core.post(delivery_of(core), 1))
            await arrived.wait()
            await core.close()
            assert isinstance(await task, Unknown)


class TestHeaders:
    """What goes with every request."""

    async def test_basic_credentials_are_sent_and_never_shown(
        self, make_core: MakeCore, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """They come by reference, and stay out of every text of ours."""
        monkeypatch.setenv("BILLING_PASSWORD", "s3cret")
        seen: list[bytes] = []

        async def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            seen.append(await read_request(reader))
            writer.write(http("401 Who"))

        async with raw_server(keep) as port:
            core = make_core(port, basic_user="gate", basic_password={"env": "BILLING_PASSWORD"})
            outcome = await core.post(delivery_of(core), 5)
            assert b"Authorization: Basic Z2F0ZTpzM2NyZXQ=" in seen[0]
            assert "s3cret" not in f"{outcome!r}{core!r}{vars(core)!r}"
